"""What a second process does for a search: `python bench/study.py`.

`signwise tune --threads 1` searches for some time alone, and then in two processes that share the
study; both have the same rendered signs, the same network and the same time. Trials that end are
counted, and the seconds of the CPU that they got: on a machine with other work only trials for each
of these seconds compare. The first search, which is not counted, renders what is kept between runs.
The last line is one JSON document.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

import record
import signwise

SECONDS = 180.0
PER_CLASS = 200
SIZE = 32
GOAL = 1.6
TRIAL = ("--weights", "none", "--epochs", "2", "--threads", "1")


@dataclass(frozen=True, kw_only=True)
class Searched:
    """What one search came to."""

    trials: int
    cpu_seconds: float
    """Of all its processes."""
    seconds: float


def search(data: Path, out: Path, processes: int, limit: Sequence[str]) -> Searched:
    """Run tune in so many processes at once on one study, each with one thread."""
    command = [sys.executable, "-m", "signwise", "tune", str(data), "--out", str(out)]
    start = time.perf_counter()
    started = [
        subprocess.Popen([*command, *TRIAL, *limit], stdout=subprocess.DEVNULL)
        for _ in range(processes)
    ]
    spent = 0.0
    for process in started:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        spent += usage.ru_utime + usage.ru_stime
    seconds = time.perf_counter() - start
    trials = len(pd.read_csv(out / "trials.csv"))
    return Searched(trials=trials, cpu_seconds=spent, seconds=seconds)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line a figure and the JSON document."""
    parser = record.arguments(__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each search")
    options = parser.parse_args(arguments)
    limit = ["--time-limit", str(options.seconds)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        signwise.synth(folder / "photos", per_class=PER_CLASS, size=SIZE)
        data = folder / "data"
        signwise.prepare(folder / "photos", data, image_size=SIZE)
        search(data, folder / "warm", 1, ["--trials", "1"])
        alone = search(data, folder / "one", 1, limit)
        shared = search(data, folder / "two", 2, limit)
    per_second = alone.trials / alone.cpu_seconds
    record.finish(
        "study",
        options,
        how=f"bench/study.py --seconds {options.seconds:g}",
        n=alone.trials + shared.trials,
        counted=f"trials, two epochs of resnet18 at {SIZE} pixels; {options.seconds:g} s a search",
        figures=[
            record.figure("trials of one process", alone.trials),
            record.figure("trials of two processes", shared.trials),
            record.figure("trials of two to those of one", shared.trials / alone.trials, goal=GOAL),
            record.figure(
                "for each second of the CPU, to those of one",
                shared.trials / shared.cpu_seconds / per_second,
            ),
            record.figure("cores that one had", alone.cpu_seconds / alone.seconds),
            record.figure("cores that two had", shared.cpu_seconds / shared.seconds),
        ],
    )


if __name__ == "__main__":
    main()
