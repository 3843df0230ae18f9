"""Does the threshold of `known` hold on new pictures? The demo, many seeds, several sizes.

    python bench/threshold.py [--seeds 20] [--validation 60 120 300] [--threads 1 2] [--rows FILE]

Each run is a demo: it renders its own signs and trains with all defaults. Then new signs and new
pictures of no class are rendered, as many for each run, and counted are those that are rejected and
those that are wrongly accepted. A run holds where both are at most 5 %. Each row is a line of FILE,
so that the benchmark can be stopped and goes on. The last line is one JSON document.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import msgspec

import record
import signwise

PICTURES_EACH = 10 / 3
"""Pictures of one class to each validation picture of two: 15 % of all validate."""
MOST = 0.05
"""Of either side that may be wrong."""
GOAL = 0.95
"""Of the runs that hold."""
NEW, NEW_SEED = 400, 1000
"""New pictures of each class, and what is added to the seed that they are rendered with."""


@dataclass(frozen=True, kw_only=True)
class ThresholdRow:
    """One demo."""

    validation: int
    """Validation pictures."""
    seed: int
    threads: int
    threshold: float
    n: int
    """New pictures of the classes."""
    rejected: int
    unknown: int
    """New pictures of no class."""
    accepted: int

    @property
    def holds(self) -> bool:
        """Whether neither side is wrong too often."""
        return self.rejected <= MOST * self.n and self.accepted <= MOST * self.unknown


def run(validation: int, seed: int, threads: int, folder: Path) -> ThresholdRow:
    """Render, train and measure once."""
    each = round(PICTURES_EACH * validation)
    found = signwise.demo(folder / "demo", per_class=each, seed=seed, threads=threads).evaluation
    new, none, run = folder / "new", folder / "none", folder / "demo" / "run"
    signwise.synth(new, per_class=NEW, seed=seed + NEW_SEED, negatives=none)
    own, other = (signwise.predict(run, place).counts for place in (new, none))
    return ThresholdRow(
        validation=validation,
        seed=seed,
        threads=threads,
        threshold=found.evaluation.selective.threshold,
        n=own["predicted"],
        rejected=own["unknown"],
        unknown=other["predicted"],
        accepted=other["predicted"] - other["unknown"],
    )


def kept(file: Path | None) -> list[ThresholdRow]:
    """The rows of earlier goes."""
    if file is None or not file.exists():
        return []
    return [msgspec.json.decode(line, type=ThresholdRow) for line in file.read_bytes().splitlines()]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run every size with every seed and number of threads."""
    parser = record.arguments(__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--validation", type=int, nargs="+", default=[60, 120, 300])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rows", type=Path, help="where rows are kept")
    options = parser.parse_args(arguments)
    rows = kept(options.rows)
    done = {(row.validation, row.seed, row.threads) for row in rows}
    for one in product(options.validation, range(options.seeds), options.threads):
        if one in done:
            continue
        with tempfile.TemporaryDirectory() as folder:
            rows.append(run(*one, Path(folder)))
        print(rows[-1], flush=True)
        if options.rows:
            with options.rows.open("ab") as file:
                file.write(msgspec.json.encode(rows[-1]) + b"\n")
    figures = []
    for validation, threads in sorted({(row.validation, row.threads) for row in rows}):
        own = [row for row in rows if (row.validation, row.threads) == (validation, threads)]
        what = f"{validation} validation pictures, --threads {threads}"
        for name, value, of, spread in (
            ("runs that hold", sum(row.holds for row in own), len(own), None),
            ("rejected", sum(row.rejected for row in own), sum(row.n for row in own),
             [row.rejected for row in own]),
            ("accepted", sum(row.accepted for row in own), sum(row.unknown for row in own),
             [row.accepted for row in own]),
        ):  # fmt: skip
            goal = GOAL * len(own) if name == "runs that hold" else None
            figures.append(record.figure(f"{what}: {name}", value, of=of, spread=spread, goal=goal))
    record.finish(
        "threshold",
        options,
        n=len(rows),
        counted="demos, each with a seed of its own for its number of pictures and threads",
        how="bench/threshold.py --rows FILE",
        figures=figures,
        rows=rows,
    )


if __name__ == "__main__":
    main()
