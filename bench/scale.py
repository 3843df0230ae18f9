"""How time and memory grow with the number of pictures: each verb on a thousand to a million.

    python bench/scale.py [--sizes 1000 10000 100000] [--parts prepare predict ...] [--work FOLDER]

Draws distinct small pictures, and runs prepare, predict, evaluate and their parts on them, each in
a process of its own: CPU and clock seconds, and the peak of anonymous memory of the process and its
workers together (the page cache does not count). The exponent is the slope between the last two
sizes on logarithmic scales: 1 is linear. `--most` fails where one is beyond it. A row is written to
FOLDER/rows.jsonl as soon as it is measured, and what stands there is not measured again: started
anew with the same FOLDER, an interrupted run goes on. Linux only. The last line is one JSON
document.
"""

import argparse
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil

import record
from scale_parts import PARTS, Place, Step, make_pictures, run_part

SIZES = [1_000, 10_000, 100_000]
LARGEST_EPOCH = 100_000
NEED_FILES = ("prepare", "predict", "cache", "hash", "quality")
"""Without `prepare`, evaluate and an epoch take what was drawn."""
ROWS = "rows.jsonl"
WATCH_SECONDS = 0.05
LEAST_SECONDS = 0.3
"""A step that takes less on the larger set is too short to tell how it grows."""
MOST_EXPONENT = 1.1
MOST_MEMORY = 1.5e9
"""Bytes at a million."""


@dataclass(frozen=True, kw_only=True)
class ScaleRow:
    """A part, or a step of it, on so many pictures."""

    part: str
    step: str
    """Empty for the whole part."""
    n: int
    seconds: float
    """By the clock."""
    cpu: float
    """Seconds of all cores."""
    memory: int
    """Peak bytes of anonymous memory, workers included."""
    load: float
    """Processes that wanted to run, mean of the last minute."""


def measure(part: str, place: Place) -> list[ScaleRow]:
    """Run one part in a process of its own and watch its memory."""
    command = [sys.executable, __file__, "--run", part, str(place.folder), str(place.count)]
    started = subprocess.Popen(command, stdout=subprocess.PIPE)
    watched: list[tuple[float, int]] = []
    while started.poll() is None:
        watched.append((time.monotonic(), anonymous_bytes(started.pid)))
        time.sleep(WATCH_SECONDS)
    assert started.stdout is not None
    text = started.stdout.read()
    if started.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    steps = msgspec.json.decode(text.splitlines()[-1], type=list[Step])
    return [
        ScaleRow(
            part=part,
            step="" if name == part else name,
            n=place.count,
            seconds=record.rounded(sum(step.end - step.start for step in own)),
            cpu=record.rounded(sum(step.cpu for step in own)),
            memory=peak(watched, own),
            load=round(psutil.getloadavg()[0], 1),
        )
        for name in dict.fromkeys(step.name for step in steps)
        for own in [[step for step in steps if step.name == name]]
    ]


def peak(watched: Sequence[tuple[float, int]], steps: Sequence[Step]) -> int:
    """The most that was seen during the steps, or beside them where they are too short to see."""
    found = [
        memory
        for at, memory in watched
        if any(step.start - WATCH_SECONDS <= at <= step.end + WATCH_SECONDS for step in steps)
    ]
    return max(found, default=0)


def anonymous_bytes(pid: int) -> int:
    """Memory that is of no file, of the process and all that it started."""
    total = 0
    try:
        own = psutil.Process(pid)
        for process in (own, *own.children(recursive=True)):
            memory = process.memory_info()
            total += memory.rss - memory.shared
    except psutil.NoSuchProcess:
        pass
    return total


def exponents(rows: Iterable[ScaleRow]) -> dict[tuple[str, str], float]:
    """By part and step: the slope of CPU seconds between the two largest sets.

    Of what was measured twice, the least counts.
    """
    found: dict[tuple[str, str], dict[int, float]] = {}
    for row in rows:
        cpu = found.setdefault((row.part, row.step), {})
        cpu[row.n] = min(row.cpu, cpu.get(row.n, row.cpu))
    slopes = {}
    for name, cpu in found.items():
        if len(cpu) > 1:
            few, many = sorted(cpu)[-2:]
            if cpu[many] >= LEAST_SECONDS and cpu[few] > 0:
                slopes[name] = math.log(cpu[many] / cpu[few]) / math.log(many / few)
    return slopes


def figures_of(rows: Sequence[ScaleRow]) -> list[record.Figure]:
    """Seconds and memory of each part on the largest set that it ran on, and its exponent."""
    found = []
    slopes = exponents(rows)
    for part in dict.fromkeys(row.part for row in rows):
        whole = max((row for row in rows if row.part == part and not row.step), key=lambda r: r.n)
        what = f"{part}, {whole.n:,} pictures"
        found += [
            record.figure(what, whole.seconds, "s"),
            record.figure(f"{what}, of the CPU", whole.cpu, "s"),
            record.figure(
                f"{what}, peak anonymous memory", whole.memory / 1e6, "MB", goal=MOST_MEMORY / 1e6
            ),
        ]
        if (part, "") in slopes:
            one = record.figure(f"{part}, exponent", slopes[part, ""], goal=MOST_EXPONENT)
            found.append(one)
    return found


def beyond(rows: Sequence[ScaleRow], most: float) -> list[str]:
    """Each part and step that grows faster than it may."""
    return [
        f"{' / '.join(filter(None, name))}: exponent {slope:.2f}, more than {most}"
        for name, slope in exponents(rows).items()
        if slope > most
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each part on each number of pictures, the smallest first."""
    parser = record.arguments(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--work", type=Path, help="keeps the pictures, by default a temporary one")
    parser.add_argument("--rows", type=Path, help="rows.jsonl of earlier runs: measure nothing")
    parser.add_argument("--most", type=float, help="the largest exponent that passes")
    # For the processes that this one starts: a part, its folder and its number of pictures.
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.run:
        part, folder, count = options.run
        steps = run_part(part, Place(folder=Path(folder), count=int(count)))
        print(msgspec.json.encode(steps).decode())
        return
    if options.rows:
        rows = read_rows(options.rows)
    else:
        with tempfile.TemporaryDirectory() as temporary:
            work = options.work or Path(temporary)
            rows = measure_all(work, sorted(options.sizes), options.parts)
            most = options.most or math.inf
            slow = {part for (part, _), slope in exponents(rows).items() if slope > most}
            if slow:  # on a busy machine the same work takes now more of the CPU, now less
                (work / ROWS).unlink()
                rows += measure_all(work, sorted(options.sizes), sorted(slow))
    sizes = sorted({row.n for row in rows})
    for (part, step), slope in exponents(rows).items():
        print(f"{part} {step}: exponent {slope:.2f}")
    record.finish(
        "scale",
        options,
        how=f"bench/scale.py --sizes {' '.join(map(str, sizes))}",
        n=max(sizes),
        counted=f"pictures of 32 x 32 pixels at most, in {len(sizes)} sizes, one run each",
        figures=figures_of(rows),
        rows=rows,
    )
    wrong = [] if options.most is None else beyond(rows, options.most)
    if wrong:
        raise SystemExit("\n".join(wrong))


def read_rows(file: Path) -> list[ScaleRow]:
    """What was measured."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return [msgspec.json.decode(line, type=ScaleRow) for line in lines]


def measure_all(work: Path, sizes: Sequence[int], parts: Sequence[str]) -> list[ScaleRow]:
    """All parts on all sizes, but for what was measured in this folder before."""
    rows = read_rows(work / ROWS) if (work / ROWS).exists() else []
    done = {(row.part, row.n) for row in rows if not row.step}  # the row that comes last
    rows = [row for row in rows if (row.part, row.n) in done]
    rows = [row for row in rows if row.part in parts and row.n in sizes]
    for count in sizes:
        place = Place(folder=work / str(count), count=count)
        for part in parts:
            if (part, count) in done or (part == "epoch" and count > LARGEST_EPOCH):
                continue
            if part in NEED_FILES and not place.whole.exists():
                make_pictures(place)
                place.whole.touch()
            for row in measure(part, place):
                rows.append(row)
                print(row, flush=True)
                with (work / ROWS).open("a", encoding="utf-8") as file:
                    file.write(msgspec.json.encode(row).decode() + "\n")
    return rows


if __name__ == "__main__":
    main()
