"""How many everyday pictures are wrongly accepted: squares of photos that no choice was made on.

    python bench/everyday.py PHOTOS RUN=DATA [RUN=DATA...] [--name default]

PHOTOS is any folder of pictures without the model's signs, such as the wallpapers of a Linux
distribution; of each that is large enough 60 squares are cut, at random but the same each time, a
thirtieth to nine tenths of its shorter side. Each run is measured on the test split of its own
data; the figures are means over the runs. The last line is one JSON document.
"""

import random
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

import record
import signwise
from signwise.data.walk import walk

SQUARES = 60
LEAST_SIDE = 400
SIDES = (0.03, 0.9)
SAVED_SIDE = 128


@dataclass(frozen=True, kw_only=True)
class EverydayRow:
    """What one run answers to the squares."""

    run: str
    coverage: float
    """Share of the test pictures of the classes that are accepted."""
    auroc: float
    fpr_at_95_tpr: float
    acceptance: float
    """Share of the squares that are wrongly accepted."""


def cut(photos: Path, out: Path) -> int:
    """Cut squares out of every photo into OUT; how many there are."""
    draws = random.Random(0)
    used = 0
    for path in walk(photos):
        photo = Image.open(path).convert("RGB")
        shorter = min(photo.size)
        if shorter < LEAST_SIDE:
            continue
        for number in range(SQUARES):
            side = int(shorter * draws.uniform(*SIDES))
            left, top = (draws.randint(0, whole - side) for whole in photo.size)
            square = photo.crop((left, top, left + side, top + side))
            square.thumbnail((SAVED_SIDE, SAVED_SIDE))
            square.save(out / f"{used:04d}_{number:02d}.png")
        used += 1
    return used * SQUARES


def measure(run: str, data: str, squares: Path, out: Path) -> EverydayRow:
    """One run on the squares and its own test pictures."""
    found = signwise.evaluate(run, data, unknown=squares, out=out).evaluation
    assert found.unknown is not None
    coverage = found.selective.coverage.value
    rates = (found.unknown.auroc, found.unknown.fpr_at_95_tpr, found.unknown.acceptance)
    area, false_accepts, acceptance = (rate.value for rate in rates)
    assert coverage is not None
    assert area is not None
    assert false_accepts is not None
    assert acceptance is not None
    return EverydayRow(
        run=Path(run).name,
        coverage=coverage,
        auroc=area,
        fpr_at_95_tpr=false_accepts,
        acceptance=acceptance,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Cut the squares once and measure every run on them."""
    parser = record.arguments(__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("runs", nargs="+", metavar="RUN=DATA")
    parser.add_argument("--name", default="default", help="what these runs are")
    options = parser.parse_args(arguments)
    rows: list[EverydayRow] = []
    with tempfile.TemporaryDirectory() as name:
        squares = Path(name) / "squares"
        squares.mkdir()
        count = cut(options.photos, squares)
        for pair in options.runs:
            run, _, data = pair.partition("=")
            rows.append(measure(run, data, squares, Path(name) / "out"))
            print(rows[-1], flush=True)
    figures = []
    for what, key in (
        ("AUROC of `known`", "auroc"),
        ("FPR at 95 % TPR", "fpr_at_95_tpr"),
        ("share wrongly accepted at the threshold", "acceptance"),
    ):
        values = [float(getattr(row, key)) for row in rows]
        figures.append(record.figure(what, statistics.mean(values), spread=values))
    record.finish(
        "everyday",
        options,
        variant=options.name,
        how=f"bench/everyday.py PHOTOS RUN=DATA... --name {options.name}",
        n=count,
        counted=f"squares, means of {len(rows)} runs",
        figures=figures,
        rows=rows,
    )


if __name__ == "__main__":
    main()
