"""What training against negatives gives and costs, from scratch, on tracks held out from training.

    python bench/unknown.py TOTAL GTSRB --out OUT [--seeds 3]

TOTAL holds priority/ and stop/, GTSRB the training folders 00000 to 00042. For every seed, which
splits and trains anew: the plain recipe (--unknown none) and the default (--unknown synthetic),
both against all pictures of the other 41 classes, and --unknown with 20 of these classes against
the other 21. The last line is one JSON document.
"""

import dataclasses
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import record
import signwise
from signwise.results import Interval

OWN = (12, 14)
GIVEN = 20
PLAIN, DEFAULT, REAL = "none", "synthetic", f"{GIVEN} classes"
"""What is trained against."""


@dataclass(frozen=True, kw_only=True)
class UnknownRow:
    """One run, or the mean of the runs of one recipe."""

    recipe: str
    """What was trained against."""
    seed: int | None
    """None for the mean."""
    n: int
    """Test pictures of the classes."""
    correct: float
    accuracy_ci95: Interval | None = None
    accuracy_ci95_grouped: Interval | None = None
    rejected: float
    unknown: int
    """Pictures of no class."""
    auroc: float
    fpr_at_95_tpr: float
    acceptance: float | None = None
    """Share wrongly accepted at the threshold."""
    corruptions: float | None = None
    """Mean accuracy over the cells."""
    ece: float | None = None
    train_seconds: float | None = None
    """Of the whole verb."""


def link_classes(gtsrb: Path, out: Path) -> dict[str, Path]:
    """Folders of links to the class folders: all 41, the 20 to train against, the other 21."""
    numbers = [number for number in range(43) if number not in OWN]
    given = set(np.random.default_rng(0).permutation(numbers)[:GIVEN].tolist())
    members = {"41": numbers, "20": sorted(given), "21": [n for n in numbers if n not in given]}
    folders = {}
    for name, classes in members.items():
        folders[name] = out / f"unknown-{name}"
        folders[name].mkdir(parents=True, exist_ok=True)
        for number in classes:
            link = folders[name] / f"{number:05d}"
            if not link.exists():
                link.symlink_to((gtsrb / f"{number:05d}").resolve(), target_is_directory=True)
    return folders


def run(
    recipe: str, data: Path, out: Path, seed: int, against: Path | str, others: Path
) -> UnknownRow:
    """Train against `against` and evaluate on `others`, once."""
    start = time.perf_counter()
    signwise.train(data, out, weights="none", unknown=str(against), seed=seed)
    seconds = time.perf_counter() - start
    corruptions = recipe != REAL
    found = signwise.evaluate(out, data, unknown=others, corruptions=corruptions).evaluation
    assert found.unknown is not None
    assert found.unknown.auroc.value is not None
    assert found.unknown.fpr_at_95_tpr.value is not None
    row = UnknownRow(
        recipe=recipe,
        seed=seed,
        n=found.n,
        correct=found.correct,
        accuracy_ci95=found.accuracy.ci95,
        accuracy_ci95_grouped=found.accuracy.ci95_grouped,
        rejected=found.n - found.selective.accepted,
        unknown=found.unknown.n,
        auroc=found.unknown.auroc.value,
        fpr_at_95_tpr=found.unknown.fpr_at_95_tpr.value,
        acceptance=found.unknown.acceptance.value,
        corruptions=None if found.corruptions is None else found.corruptions.mean_accuracy.value,
        ece=found.calibration.ece,
        train_seconds=seconds,
    )
    print(row, flush=True)
    return row


def mean_of(rows: Sequence[UnknownRow]) -> UnknownRow:
    """The mean of runs of one recipe; None where any has none."""
    first = rows[0]
    means: dict[str, float | None] = {}
    for each in dataclasses.fields(UnknownRow):
        values = [getattr(row, each.name) for row in rows]
        if each.name not in ("recipe", "seed") and not isinstance(values[0], tuple):
            means[each.name] = None if None in values else statistics.mean(values)
    counts = {"n": first.n, "unknown": first.unknown}
    whole = {"seed": None, "accuracy_ci95": None, "accuracy_ci95_grouped": None}
    return dataclasses.replace(first, **(means | counts | whole))  # type: ignore[arg-type]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the three recipes for every seed."""
    parser = record.arguments(__doc__)
    parser.add_argument("total", type=Path)
    parser.add_argument("gtsrb", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args(arguments)
    folders = link_classes(options.gtsrb, options.out)
    rows: dict[str, list[UnknownRow]] = {PLAIN: [], DEFAULT: [], REAL: []}
    for seed in range(options.seeds):
        data = options.out / f"data-{seed}"
        signwise.prepare(options.total, data, seed=seed)
        for recipe, against, others in (
            (PLAIN, PLAIN, folders["41"]),
            (DEFAULT, DEFAULT, folders["41"]),
            (REAL, folders["20"], folders["21"]),
        ):
            out = options.out / f"run-{recipe.replace(' ', '-')}-{seed}"
            rows[recipe].append(run(recipe, data, out, seed, against, others))
    times = [
        (ours.train_seconds or 0) / plain.train_seconds
        for ours, plain in zip(rows[DEFAULT], rows[PLAIN], strict=True)
        if plain.train_seconds
    ]
    what = "training time against negatives, to that without"
    record.finish(
        "unknown",
        options,
        how=f"bench/unknown.py TOTAL GTSRB --out OUT --seeds {options.seeds}",
        n=rows[DEFAULT][0].n,
        counted=f"test pictures of each of {options.seeds} seeds",
        figures=[record.figure(what, statistics.median(times), spread=times)],
        rows=[row for some in rows.values() for row in (*some, mean_of(some))],
    )


if __name__ == "__main__":
    main()
