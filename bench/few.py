"""Few photos: ten pictures a class, from the shipped backbone, on signs that it has never seen.

    python bench/few.py TOTAL [--rounds 5]

TOTAL holds priority/ and stop/ with GTSRB's file names. In each round two of the tracks that the
backbone was not trained on are drawn for each class, five pictures of each: one track to train on,
one to validate. Measured on all pictures of the other held-out tracks, whole network and head
alone. The last line is one JSON document.
"""

import argparse
import csv
import json
import platform
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

import signwise
from signwise.runtime import available_cores

sys.path.append(str(Path(__file__).parent.parent / "recipes"))
from tracks import track_sets

NUMBERS = {"priority": 12, "stop": 14}
PICTURES_A_TRACK = 5


def held_out_tracks(total: Path) -> dict[str, dict[int, list[Path]]]:
    """The held-out tracks' pictures by class and track."""
    found: dict[str, dict[int, list[Path]]] = {name: defaultdict(list) for name in NUMBERS}
    for name in NUMBERS:
        for path in sorted((total / name).iterdir()):
            found[name][int(path.stem.split("_")[0])].append(path.resolve())
    sets = track_sets((NUMBERS[name], track) for name in NUMBERS for track in found[name])
    return {
        name: {t: p for t, p in tracks.items() if sets[NUMBERS[name], t] == "held_out"}
        for name, tracks in found.items()
    }


def draw(
    held: dict[str, dict[int, list[Path]]], draws: np.random.Generator, folder: Path
) -> tuple[Path, Path]:
    """A CSV of the few pictures with their split, and a folder of the other tracks' pictures."""
    rows, others = [], folder / "others"
    for name, tracks in held.items():
        chosen = draws.permutation(sorted(tracks))[:2].tolist()
        for track, split in zip(chosen, ("train", "val"), strict=True):
            some = draws.permutation(len(tracks[track]))[:PICTURES_A_TRACK]
            rows += [(tracks[track][i], name, f"{name}-{track}", split) for i in some]
        (others / name).mkdir(parents=True)
        for track in tracks.keys() - set(chosen):
            for path in tracks[track]:
                (others / name / path.name).symlink_to(path)
    file = folder / "few.csv"
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(("path", "label", "group", "split"))
        writer.writerows(rows)
    return file, others


def main() -> None:
    """Train and measure in every round, both ways."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("total", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    held = held_out_tracks(arguments.total)
    results: dict[str, list[dict[str, Any]]] = {"whole network": [], "head alone": []}
    for number in range(arguments.rounds):
        draws = np.random.default_rng(number)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            source, others = draw(held, draws, folder)
            signwise.prepare(source, folder / "data")
            for kind, freeze in (("whole network", False), ("head alone", True)):
                run, start = folder / f"run-{freeze}", time.perf_counter()
                trained = signwise.train(folder / "data", run, freeze=freeze, seed=number)
                seconds = time.perf_counter() - start
                measured = signwise.evaluate(run, others, out=folder / f"e-{freeze}").metrics
                row = {
                    "n": measured["n"],
                    "accuracy": measured["accuracy"],
                    "refused": 1 - measured["selective"]["coverage"],
                    "loop_seconds": sum(epoch.seconds for epoch in trained.history),
                    "seconds": seconds,
                }
                results[kind].append(row)
                print(number, kind, row, flush=True)
    document = {
        "bench": "few",
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, {available_cores()} cores",
        "rounds": arguments.rounds,
        "means": {
            kind: {key: statistics.mean(row[key] for row in rows) for key in rows[0]}
            for kind, rows in results.items()
        },
        "runs": results,
    }
    print(json.dumps(document))


if __name__ == "__main__":
    main()
