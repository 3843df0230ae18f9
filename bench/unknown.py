"""What training against negatives gives and costs, from scratch, on tracks held out from training.

    python bench/unknown.py TOTAL GTSRB --out OUT [--seeds 3]

TOTAL holds priority/ and stop/, GTSRB the training folders 00000 to 00042. For every seed, which
splits and trains anew: the plain recipe (--unknown none) and the default (--unknown synthetic),
both against all pictures of the other 41 classes, and --unknown with 20 of these classes against
the other 21. The last line is one JSON document.
"""

import argparse
import json
import platform
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

import signwise
from signwise.runtime import available_cores

OWN = (12, 14)
GIVEN = 20


def link_strangers(gtsrb: Path, out: Path) -> dict[str, Path]:
    """Folders of links to the class folders: all 41, the 20 to train against, the other 21."""
    numbers = [number for number in range(43) if number not in OWN]
    given = set(np.random.default_rng(0).permutation(numbers)[:GIVEN].tolist())
    members = {"41": numbers, "20": sorted(given), "21": [n for n in numbers if n not in given]}
    folders = {}
    for name, classes in members.items():
        folders[name] = out / f"strangers-{name}"
        folders[name].mkdir(parents=True, exist_ok=True)
        for number in classes:
            link = folders[name] / f"{number:05d}"
            if not link.exists():
                link.symlink_to((gtsrb / f"{number:05d}").resolve(), target_is_directory=True)
    return folders


def run(
    data: Path, out: Path, seed: int, unknown: str, strangers: Path, corruptions: bool
) -> dict[str, Any]:
    """Train and evaluate once: the figures that the README shows."""
    start = time.perf_counter()
    signwise.train(data, out, weights="none", unknown=unknown, seed=seed)
    seconds = time.perf_counter() - start
    measured = signwise.evaluate(out, data, unknown=strangers, corruptions=corruptions).metrics
    row = {
        "seed": seed,
        "train_seconds": seconds,
        "n": measured["n"],
        "correct": measured["correct"],
        "refused": round(measured["n"] * (1 - measured["selective"]["coverage"])),
        "ece": measured["calibration"]["ece"],
        "strangers": measured["unknown"]["n"],
        "auroc": measured["unknown"]["auroc"],
        "fpr_at_95_tpr": measured["unknown"]["fpr_at_95_tpr"],
        "accepted": measured["unknown"]["acceptance_rate"],
    }
    if corruptions:
        row["corruptions"] = measured["corruptions"]["mean_accuracy"]
    print(out.name, json.dumps(row), flush=True)
    return row


def main() -> None:
    """Run the three recipes for every seed."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("total", type=Path)
    parser.add_argument("gtsrb", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    folders = link_strangers(arguments.gtsrb, arguments.out)
    rows: dict[str, list[dict[str, Any]]] = {"none": [], "synthetic": [], "20 classes": []}
    for seed in range(arguments.seeds):
        data = arguments.out / f"data-{seed}"
        signwise.prepare(arguments.total, data, seed=seed)
        for name, unknown, strangers, corruptions in (
            ("none", "none", folders["41"], True),
            ("synthetic", "synthetic", folders["41"], True),
            ("20 classes", str(folders["20"]), folders["21"], False),
        ):
            out = arguments.out / f"run-{name.replace(' ', '-')}-{seed}"
            rows[name].append(run(data, out, seed, unknown, strangers, corruptions))
    means = {
        name: {key: statistics.mean(row[key] for row in some) for key in some[0] if key != "seed"}
        for name, some in rows.items()
    }
    pairs = zip(rows["synthetic"], rows["none"], strict=True)
    document = {
        "bench": "unknown",
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, {available_cores()} cores",
        "seeds": arguments.seeds,
        "means": means,
        "time_ratio": statistics.median(a["train_seconds"] / b["train_seconds"] for a, b in pairs),
        "runs": rows,
    }
    print(json.dumps(document))


if __name__ == "__main__":
    main()
