"""Few photos: ten pictures a class, from the shipped backbone, on signs that it has never seen.

    python bench/few.py TOTAL [--rounds 5]

TOTAL holds priority/ and stop/ with GTSRB's file names. In each round two of the tracks that the
backbone was not trained on are drawn for each class, five pictures of each: one track to train on,
one to validate. Measured on all pictures of the other held-out tracks, whole network and head
alone. The last line is one JSON document.
"""

import csv
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import record
import signwise

sys.path.append(str(Path(__file__).parent.parent / "recipes"))
from tracks import track_sets

NUMBERS = {"priority": 12, "stop": 14}
PICTURES_A_TRACK = 5
WAYS = {"whole network": False, "head alone": True}
"""Whether the body is frozen."""

Held = dict[str, dict[int, list[Path]]]
"""Pictures by class and track."""


@dataclass(frozen=True, kw_only=True)
class FewRow:
    """One training on a few pictures."""

    round: int
    way: str
    n: int
    correct: int
    rejected: int
    loop_seconds: float
    seconds: float
    """Of the whole verb."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What one round trains on, and measures on."""

    source: Path
    """A CSV with the split."""
    others: Path
    """A folder of the other tracks' pictures."""


def held_out_tracks(total: Path) -> Held:
    """The held-out tracks' pictures by class and track."""
    found: Held = {name: defaultdict(list) for name in NUMBERS}
    for name in NUMBERS:
        for path in sorted((total / name).iterdir()):
            found[name][int(path.stem.split("_")[0])].append(path.resolve())
    sets = track_sets((NUMBERS[name], track) for name in NUMBERS for track in found[name])
    return {
        name: {t: p for t, p in tracks.items() if sets[NUMBERS[name], t] == "held_out"}
        for name, tracks in found.items()
    }


def draw(held: Held, draws: np.random.Generator, folder: Path) -> Drawn:
    """Draw the few pictures and their split."""
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
    return Drawn(source=file, others=others)


def run(number: int, way: str, drawn: Drawn, folder: Path) -> FewRow:
    """Train one way on what was drawn, and measure."""
    out, start = folder / way.replace(" ", "-"), time.perf_counter()
    trained = signwise.train(folder / "data", out, freeze=WAYS[way], seed=number)
    seconds = time.perf_counter() - start
    measured = signwise.evaluate(out, drawn.others, out=folder / f"{out.name}-measured").evaluation
    return FewRow(
        round=number,
        way=way,
        n=measured.n,
        correct=measured.correct,
        rejected=measured.n - measured.selective.accepted,
        loop_seconds=sum(epoch.seconds for epoch in trained.history),
        seconds=seconds,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and measure in every round, both ways."""
    parser = record.arguments(__doc__)
    parser.add_argument("total", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    held = held_out_tracks(options.total)
    rows: list[FewRow] = []
    for number in range(options.rounds):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            drawn = draw(held, np.random.default_rng(number), folder)
            signwise.prepare(drawn.source, folder / "data")
            for way in WAYS:
                rows.append(run(number, way, drawn, folder))
                print(rows[-1], flush=True)
    figures = []
    for way in WAYS:
        own = [row for row in rows if row.way == way]
        total = sum(row.n for row in own)
        figures += [
            record.figure(f"{way}: right", sum(row.correct for row in own), of=total),
            record.figure(f"{way}: rejected", sum(row.rejected for row in own), of=total),
        ]
        for what, values in (
            ("in the loop", [row.loop_seconds for row in own]),
            ("the whole verb", [row.seconds for row in own]),
        ):
            mean = statistics.mean(values)
            figures.append(record.figure(f"{way}: {what}", mean, "s", spread=values))
    record.finish(
        "few",
        options,
        how=f"bench/few.py TOTAL --rounds {options.rounds}",
        n=rows[0].n,
        counted=f"pictures of other signs in each of {options.rounds} rounds; mean seconds",
        figures=figures,
        rows=rows,
    )


if __name__ == "__main__":
    main()
