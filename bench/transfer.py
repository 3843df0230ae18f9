"""Transfer from pre-trained weights: signwise and what people would use in its place.

    python bench/transfer.py --out OUT --peers PEERS/bin/python [--data ../shared/data] [--save]
        [--only SET...] [--methods METHOD...] [--seeds 0 1 2 3 4] [--again]

Each cell, one method with one seed on one set, is a row of whole commands: signwise prepare, train
and evaluate with nothing kept from runs before, or one of bench/transfer_peers.py, in the
environment of bench/peers.txt. All methods get the same training, validation and test pictures, the
same weights, and wait for threads in the same way, which counts where a machine is shared. A cell
that ends is a line of OUT/cells.jsonl, so that the benchmark can be stopped and goes on; --again
measures cells anew. Seeds are splits by groups, but ants-bees tests the pictures of its own val/
each time, and draws validation pictures from its train/. The last line is one JSON document.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

import record
from photo_sets import SETS, Set, lay_out, weights_of
from signwise.metrics.calibration import (
    expected_calibration_error,
    negative_log_likelihood,
    reliability_bins,
)
from signwise.metrics.rates import wilson_interval
from signwise.results import Interval
from signwise.runtime import OPENMP_WAITING

ROOT = Path(__file__).parents[1]
PEERS = ("tutorial", "logistic", "fastai")
METHODS = {"signwise": (), "signwise --freeze": ("--freeze",), **dict.fromkeys(PEERS, ())}
"""Their flags for signwise train."""
ANSWERS = "predictions.csv"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One method with one seed on one set."""

    set: str
    method: str
    seed: int
    n: int
    """Test pictures."""
    correct: int
    loss: float
    """Negative log-likelihood, in nats."""
    ece: float
    """Expected calibration error."""
    seconds: float
    """Of the whole commands."""
    cpu_seconds: float
    """Of all their processes, in user and system mode."""
    code: str
    """The commit."""
    date: str
    load: float
    """Processes that wanted to run when it ended, its own among them."""
    gpu: str = ""
    """The GPU that there was."""


@dataclass(frozen=True, kw_only=True)
class TransferRow:
    """One method on one set, over all seeds."""

    set: str
    method: str
    seeds: int
    n: int
    """Answers to test pictures in all seeds."""
    correct: int
    accuracy: float
    accuracy_ci95: Interval
    """Wilson's, of all answers; where each seed tests the same pictures, of so many pictures."""
    spread: Interval
    """The least and the most accuracy of a seed."""
    loss: float
    """As all that follows, the mean over the seeds."""
    ece: float
    seconds: float
    cpu_seconds: float
    gpu: str = ""
    """The GPUs that there were: seconds compare only where it is the same."""


@dataclass(frozen=True, kw_only=True)
class Means:
    """One method over all sets, each set counting as much."""

    method: str
    sets: int
    accuracy: float
    loss: float
    ece: float
    seconds: float
    cpu_seconds: float
    gpu: str = ""
    """As in `TransferRow`."""


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What a command took."""

    seconds: float
    cpu_seconds: float


def run(command: Sequence[object], log: Path, environment: dict[str, str]) -> Spent:
    """Run a command to its end, its output added to the log.

    CPU seconds are its own and those of all processes below it that it waited for.
    """
    start = time.perf_counter()
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ {' '.join(map(str, command))}\n")
        file.flush()
        started = subprocess.Popen(
            [str(part) for part in command], stdout=file, stderr=file, env=environment
        )
        _, status, usage = os.wait4(started.pid, 0)
        started.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if started.returncode:
        sys.exit(f"{command[0]} ended with status {started.returncode}: see {log}")
    return Spent(seconds=seconds, cpu_seconds=usage.ru_utime + usage.ru_stime)


def run_signwise(
    one: Set, seed: int, photos: Path, weights: Path, flags: Sequence[str], work: Path
) -> list[Spent]:
    """prepare, train and evaluate, as three commands from a cold start; leaves `ANSWERS`."""
    command = [sys.executable, "-m", "signwise"]
    environment = dict(os.environ) | OPENMP_WAITING | {"XDG_CACHE_HOME": str(work / "cache")}
    # The default of road signs takes no word; other weights are asked for.
    given = [] if one.signs else ["--model", one.model, "--weights", weights]
    given += [] if one.signs else ["--image-size", one.size]
    steps = (
        ["prepare", photos, "--out", work / "data"],
        ["train", work / "data", "--out", work / "run", "--seed", seed, *given, *flags],
        ["evaluate", work / "run", "--data", work / "data", "--out", work / "measured"],
    )
    spent = [run([*command, *step], work / "log.txt", environment) for step in steps]
    shutil.copyfile(work / "measured" / "predictions.csv", work / ANSWERS)
    return spent


def run_peer(
    method: str, python: Path, one: Set, seed: int, photos: Path, weights: Path, work: Path
) -> list[Spent]:
    """A method of bench/transfer_peers.py as one command; leaves `ANSWERS`."""
    command = [python, ROOT / "bench" / "transfer_peers.py", method, photos.parent]
    command += ["--model", one.model, "--weights", weights, "--size", one.size, "--seed", seed]
    command += ["--scenes"] if one.folder == "ants-bees" else []
    environment = dict(os.environ) | OPENMP_WAITING
    return [run([*command, "--out", work / ANSWERS], work / "log.txt", environment)]


def read_answers(path: Path, photos: Path) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Labels (N,) and probabilities (N, K) of the test pictures, in the order of photos.csv."""
    listed = pd.read_csv(photos, dtype=str)
    tested = listed[listed["split"] == "test"]
    classes = sorted(set(listed["label"]))
    answers = pd.read_csv(path, dtype={"path": str})
    # signwise names the whole path, the peers that within the folder.
    names = answers["path"].str.removeprefix(f"{photos.parent}/")
    answers = answers.set_index(names).loc[tested["path"]]
    labels = np.array([classes.index(label) for label in tested["label"]])
    return labels, answers[[f"p_{name}" for name in classes]].to_numpy(np.float64)


def measure_cell(name: str, method: str, seed: int, options: argparse.Namespace) -> Cell:
    """Run one cell's commands and measure its answers."""
    one = SETS[name]
    out: Path = options.out
    photos = lay_out(one, options.data, seed, out / f"{one.folder.split('/')[0]}-{seed}")
    weights = weights_of(one, options.data, out)
    work = out / f"{name}-{seed}" / method.replace(" ", "")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    if method in PEERS:
        spent = run_peer(method, options.peers, one, seed, photos, weights, work)
    else:
        spent = run_signwise(one, seed, photos, weights, METHODS[method], work)
    labels, probabilities = read_answers(work / ANSWERS, photos)
    right = probabilities.argmax(1) == labels
    loss = negative_log_likelihood(labels, probabilities)
    ece = expected_calibration_error(reliability_bins(probabilities.max(1), right))
    assert loss is not None
    assert ece is not None
    return Cell(
        set=name,
        method=method,
        seed=seed,
        n=len(labels),
        correct=int(right.sum()),
        loss=loss,
        ece=ece,
        seconds=sum(step.seconds for step in spent),
        cpu_seconds=sum(step.cpu_seconds for step in spent),
        code=commit(),
        date=time.strftime("%Y-%m-%d"),
        load=os.getloadavg()[0],
        gpu=gpu_name(),
    )


def commit() -> str:
    """The commit that is checked out, empty where git does not know."""
    command = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout.strip()


def gpu_name() -> str:
    """This machine's GPU, empty where there is none."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else ""


def read_cells(path: Path) -> dict[tuple[str, str, int], Cell]:
    """The cells that ended, by set, method and seed; of several the last."""
    if not path.is_file():
        return {}
    lines = path.read_bytes().splitlines()
    cells = [msgspec.json.decode(line, type=Cell) for line in lines]
    return {(cell.set, cell.method, cell.seed): cell for cell in cells}


def add_cell(path: Path, cell: Cell) -> None:
    """Add a line."""
    with path.open("ab") as file:
        file.write(msgspec.json.encode(cell) + b"\n")


def summarise(cells: Iterable[Cell]) -> list[TransferRow]:
    """A row a set and method, over the seeds that ended with every method of the set."""
    by_method: dict[str, dict[str, dict[int, Cell]]] = {}
    for cell in cells:
        by_method.setdefault(cell.set, {}).setdefault(cell.method, {})[cell.seed] = cell
    rows = []
    for name in SETS:
        methods = by_method.get(name, {})
        if not methods:
            continue
        seeds = sorted(set.intersection(*(set(found) for found in methods.values())))
        for method in METHODS:
            if method in methods and seeds:
                rows.append(row_of([methods[method][seed] for seed in seeds]))
    return rows


def row_of(cells: Sequence[Cell]) -> TransferRow:
    """The row of one method on one set."""
    first = cells[0]
    n, correct = sum(cell.n for cell in cells), sum(cell.correct for cell in cells)
    # Each picture counts once in the interval, however many seeds asked for it.
    times = len(cells) if SETS[first.set].own_test else 1
    interval = wilson_interval(correct / times, n / times)
    assert interval is not None
    shares = [cell.correct / cell.n for cell in cells]
    return TransferRow(
        set=first.set,
        method=first.method,
        seeds=len(cells),
        n=n,
        correct=correct,
        accuracy=statistics.mean(shares),
        accuracy_ci95=interval,
        spread=(min(shares), max(shares)),
        loss=statistics.mean(cell.loss for cell in cells),
        ece=statistics.mean(cell.ece for cell in cells),
        seconds=statistics.mean(cell.seconds for cell in cells),
        cpu_seconds=statistics.mean(cell.cpu_seconds for cell in cells),
        gpu=_gpus_of(cells),
    )


def _gpus_of(measured: Iterable[Cell | TransferRow]) -> str:
    return ", ".join(sorted({one.gpu for one in measured if one.gpu}))


def means_of(rows: Sequence[TransferRow]) -> list[Means]:
    """Each method's means over the sets that every method has been measured on."""
    methods = [method for method in METHODS if any(row.method == method for row in rows)]
    by_set: dict[str, list[TransferRow]] = {}
    for row in rows:
        by_set.setdefault(row.set, []).append(row)
    common = [some for some in by_set.values() if len(some) == len(methods)]
    means = []
    for method in methods if common else []:
        own = [row for some in common for row in some if row.method == method]
        figures = {
            name: statistics.mean(getattr(row, name) for row in own)
            for name in ("accuracy", "loss", "ece", "seconds", "cpu_seconds")
        }
        means.append(Means(method=method, sets=len(own), gpu=_gpus_of(own), **figures))
    return means


def figures_of(rows: Sequence[TransferRow]) -> list[record.Figure]:
    """The means as the figures of a record."""
    return [
        figure
        for mean in means_of(rows)
        for figure in (
            record.figure(f"{mean.method}: accuracy", mean.accuracy),
            record.figure(f"{mean.method}: log loss", mean.loss),
            record.figure(f"{mean.method}: ECE", mean.ece),
            record.figure(f"{mean.method}: whole commands", mean.seconds, "s"),
            record.figure(f"{mean.method}: CPU time", mean.cpu_seconds, "s"),
        )
    ]


def peers_versions(python: Path) -> dict[str, str]:
    """Of the packages that the peers run on."""
    code = "from importlib.metadata import distributions as all_of\n"
    code += "for one in all_of(): print(one.name, one.version)"
    done = subprocess.run([str(python), "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    found = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    names = ("torch", "torchvision", "fastai", "scikit-learn")
    return {f"peers' {name}": found[name] for name in names if name in found}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the cells that are missing; then sum up all that there are."""
    parser = record.arguments(__doc__)
    parser.add_argument("--out", type=Path, required=True, help="where cells and runs are kept")
    parser.add_argument("--peers", type=Path, help="a Python with what bench/peers.txt names")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--only", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(5)))
    parser.add_argument("--again", action="store_true", help="also the cells that are there")
    options = parser.parse_args(arguments)
    options.out = options.out.resolve()
    ended = options.out / "cells.jsonl"
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.only:
        for seed in options.seeds:
            for method in options.methods:
                if (name, method, seed) in read_cells(ended) and not options.again:
                    continue
                cell = measure_cell(name, method, seed, options)
                print(cell, flush=True)
                add_cell(ended, cell)
    rows = summarise(read_cells(ended).values())
    for row in rows:
        print(row)
    record.finish(
        "transfer",
        options,
        how="bench/transfer.py --out OUT --peers PYTHON",
        n=sum(row.n for row in rows) // max(1, len({row.method for row in rows})),
        counted=(
            f"answers of each method, {len({row.set for row in rows})} sets, "
            f"{max((row.seeds for row in rows), default=0)} seeds; means of the sets"
        ),
        figures=figures_of(rows),
        rows=rows,
        versions=peers_versions(options.peers) if options.peers else {},
        gpu=gpu_name(),
    )


if __name__ == "__main__":
    main()
