"""`predict` on a Ray cluster of this machine against `predict` alone: `python bench/cluster.py`.

A ResNet-18 without training answers to tar shards of drawn pictures, one part of the answers a
shard, by turns on a cluster of all cores and in one process. What is counted begins when each
core has written a part, so that no start is in it: pictures a second by the clock, and CPU
seconds of all processes. On a machine that others use the CPU seconds compare, on a quiet one
both. The last line is one JSON document. Linux only.
"""

import statistics
import tarfile
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil

import record
import signwise
from predict import draw
from resnet import SIZE, export_resnet18
from signwise.cluster import connected
from signwise.inference.parts import Parts
from signwise.runtime import available_cores

ROUNDS = 3
SHARD = 256
"""Pictures of a shard."""
SHARDS = 6
"""For each core."""
GOAL = 0.8


@dataclass(frozen=True, kw_only=True)
class ClusterRow:
    """One run of one way."""

    way: str
    """cluster or alone."""
    n: int
    """Pictures of the parts that were counted."""
    seconds: float
    """By the clock."""
    cpu: float
    """Seconds of all cores."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure both ways by turns."""
    parser = record.arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--shards", type=int, default=SHARDS, help="for each core")
    parser.add_argument("--pictures", type=int, default=SHARD, help="of a shard")
    options = parser.parse_args(arguments)
    cores = available_cores()
    rows = []
    with tempfile.TemporaryDirectory() as temporary, connected("auto"):
        folder = Path(temporary)
        model = export_resnet18(folder / "model.onnx")
        shards = make_shards(folder / "shards", cores * options.shards, options.pictures)
        for number in range(options.rounds):
            for way in ("alone", "cluster") if number % 2 else ("cluster", "alone"):
                row = measure(way, model, shards, folder / f"{way}{number}", cores)
                print(row, flush=True)
                rows.append(row)
    by_way = {way: [row for row in rows if row.way == way] for way in ("alone", "cluster")}
    pairs = list(zip(by_way["alone"], by_way["cluster"], strict=True))
    figures = []
    for way, own in by_way.items():
        rates = [row.n / row.seconds / cores for row in own]
        each = [1e3 * row.cpu / row.n for row in own]
        figures += [
            record.figure(
                f"{way}, by the clock and core", statistics.median(rates), "images/s", spread=rates
            ),
            record.figure(f"{way}, of the CPU", statistics.median(each), "ms each", spread=each),
        ]
    for what, ratios in (
        ("the clock", [(b.n / b.seconds) / (a.n / a.seconds) for a, b in pairs]),
        ("CPU seconds", [(a.cpu / a.n) / (b.cpu / b.n) for a, b in pairs]),
    ):
        figures.append(
            record.figure(
                f"cluster to alone, by {what}", statistics.median(ratios), spread=ratios, goal=GOAL
            )
        )
    record.finish(
        "cluster",
        options,
        n=rows[0].n,
        counted=f"pictures of 25 to 120 pixels, ResNet-18 at {SIZE} pixels, medians of "
        f"{options.rounds} rounds",
        figures=figures,
        rows=rows,
        versions=record.versions_of("ray"),
    )


def make_shards(folder: Path, count: int, pictures: int) -> Path:
    """Write the tar shards, all of the same pictures."""
    photos = folder.with_name("photos")
    for path in (folder, photos):
        path.mkdir()
    draw(photos, pictures)
    for number in range(count):
        with tarfile.open(folder / f"{number:05d}.tar", "w") as shard:
            for path in sorted(photos.iterdir()):
                shard.add(path, path.name)
    return folder


def measure(way: str, model: Path, shards: Path, out: Path, cores: int) -> ClusterRow:
    """Predict one way; the first part of each core is not counted."""
    marks: list[tuple[float, dict[int, float], int]] = []
    write = Parts.write

    def noting(self: Parts, number: int, table: Any) -> None:
        write(self, number, table)
        marks.append((time.monotonic(), cpu_by_process(), table.num_rows))

    with patch.object(Parts, "write", noting):
        signwise.predict(
            model, shards, out=out, keep_rows=False, cluster="auto" if way == "cluster" else None
        )
    begun, ended = marks[cores - 1], marks[-1]
    return ClusterRow(
        way=way,
        n=sum(rows for _, _, rows in marks[cores:]),
        seconds=record.rounded(ended[0] - begun[0]),
        # Of those that are there at the end: Ray stops processes that nobody needs.
        cpu=record.rounded(sum(cpu - begun[1].get(pid, 0) for pid, cpu in ended[1].items())),
    )


def cpu_by_process() -> dict[int, float]:
    """CPU seconds of this process and of all that it started, by process."""
    own, found = psutil.Process(), {}
    for process in (own, *own.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        found[process.pid] = times.user + times.system
    return found


if __name__ == "__main__":
    main()
