"""All defaults of signwise beside a notebook's script, as whole commands.

    python bench/default.py SOURCE [--rounds 3] [--lesser] [--save]

SOURCE holds one folder a class, as `signwise prepare` takes it. In turn, each a process of its own:
the script (ResNet-18 from scratch at 32 pixels, batches of 32, SGD 0.001 with momentum 0.9, 5
epochs, accuracy on test), on the split that prepare copies; then prepare, train and evaluate with
nothing kept from runs before; then train once more, with what those have kept. Ratios are by
round, their median counts. With --lesser all run as on a processor without AVX-512. The last line
is one JSON document.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import models, transforms
from torchvision.datasets import ImageFolder

import record
from signwise.config import IMAGE_SIZE

GOAL, GOAL_AGAIN = 1 / 2, 1 / 3
"""Of the script's seconds, for train alone: the first time, and the second."""
EPOCHS, BATCH, WORKERS = 5, 32, 2
SIGNWISE = ("-m", "signwise")
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LESSER = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "DNNL_MAX_CPU_ISA": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
}


@dataclass(frozen=True, kw_only=True)
class Round:
    """Seconds of each command, by the clock, and what the two came to."""

    script: float
    prepare: float
    train: float
    evaluate: float
    train_again: float
    script_accuracy: float
    accuracy: float
    n: int
    """Test pictures."""
    rejected: int
    load: float
    """Processes that wanted to run when it ended, its own among them."""


def script(photos: Path) -> None:
    """What a notebook does: train on train/, look at val/, and count on test/."""
    torch.manual_seed(0)
    steps = transforms.Compose(
        [
            transforms.Resize((IMAGE_SIZE, IMAGE_SIZE)),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, DEVIATION),
        ]
    )
    loaders = {
        split: DataLoader(
            ImageFolder(str(photos / split), steps),
            batch_size=BATCH,
            shuffle=split == "train",
            num_workers=WORKERS,
        )
        for split in ("train", "val", "test")
    }
    network = models.resnet18(weights=None)
    network.fc = nn.Linear(network.fc.in_features, len(loaders["train"].dataset.classes))  # type: ignore[attr-defined]
    optimiser = torch.optim.SGD(network.parameters(), lr=0.001, momentum=0.9)
    for _ in range(EPOCHS):
        network.train()
        for pictures, labels in loaders["train"]:
            optimiser.zero_grad()
            loss = nn.functional.cross_entropy(network(pictures), labels)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        accuracy(network, loaders["val"])
    print(json.dumps(accuracy(network, loaders["test"])))


@torch.inference_mode()
def accuracy(network: nn.Module, loader: DataLoader[Any]) -> float:
    """The share of pictures that are right."""
    network.eval()
    right = [(network(pictures).argmax(1) == labels).float() for pictures, labels in loader]
    return float(torch.cat(right).mean())


def timed(command: Sequence[object], environment: dict[str, str]) -> tuple[float, Any]:
    """Seconds of a Python command, and the JSON document that it printed."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        check=True,
    )
    return time.perf_counter() - start, json.loads(done.stdout)


def measure(source: Path, photos: Path, work: Path, environment: dict[str, str]) -> Round:
    """One round, from an empty cache."""
    shutil.rmtree(work, ignore_errors=True)
    environment = {**environment, "XDG_CACHE_HOME": str(work / "cache")}
    data, run = work / "data", work / "run"
    by_script, script_accuracy = timed([__file__, "--script", photos], environment)
    prepared, _ = timed([*SIGNWISE, "prepare", source, "--out", data, "--json"], environment)
    trained, _ = timed([*SIGNWISE, "train", data, "--out", run, "--json"], environment)
    evaluated, found = timed([*SIGNWISE, "evaluate", run, "--data", data, "--json"], environment)
    again, _ = timed([*SIGNWISE, "train", data, "--out", work / "again", "--json"], environment)
    metrics = found["metrics"]
    return Round(
        script=by_script,
        prepare=prepared,
        train=trained,
        evaluate=evaluated,
        train_again=again,
        script_accuracy=script_accuracy,
        accuracy=metrics["accuracy"],
        n=metrics["n"],
        rejected=metrics["selective"]["n"] - metrics["selective"]["accepted"],
        load=round(os.getloadavg()[0], 1),
    )


def figures_of(rounds: Sequence[Round]) -> list[record.Figure]:
    """Medians, and the ratios that the goals are of."""
    found = []
    for name in ("script", "prepare", "train", "evaluate", "train_again"):
        seconds = [getattr(one, name) for one in rounds]
        what = {"script": "the script", "train_again": "train, the second time"}.get(name, name)
        found.append(record.figure(what, statistics.median(seconds), "s", spread=seconds))
    for name, goal in (("train", GOAL), ("train_again", GOAL_AGAIN)):
        ratios = [getattr(one, name) / one.script for one in rounds]
        what = "train" if name == "train" else "train, the second time,"
        found.append(
            record.figure(
                f"{what} to the script", statistics.median(ratios), spread=ratios, goal=goal
            )
        )
    last = rounds[-1]
    return [
        *found,
        record.figure("right on test, the script", round(last.script_accuracy * last.n), of=last.n),
        record.figure("right on test", round(last.accuracy * last.n), of=last.n),
        record.figure("rejected on test", last.rejected, of=last.n),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line a figure and the JSON document."""
    parser = record.arguments(__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lesser", action="store_true", help="as without AVX-512")
    # For the process that this one starts: the folder is that of the split pictures.
    parser.add_argument("--script", action="store_true")
    options = parser.parse_args(arguments)
    if options.script:
        script(options.source)
        return
    environment = {**os.environ, **(LESSER if options.lesser else {})}
    with tempfile.TemporaryDirectory() as name:
        photos = Path(name) / "photos"
        timed(
            [*SIGNWISE, "prepare", options.source, "--out", photos, "--copy", "--json"], environment
        )
        rounds = []
        for _ in range(options.rounds):
            rounds.append(measure(options.source, photos, Path(name) / "work", environment))
            print(rounds[-1], flush=True)
    flags = " --lesser" if options.lesser else ""
    record.finish(
        "default",
        options,
        variant="avx2" if options.lesser else "",
        how=f"bench/default.py SOURCE --rounds {options.rounds}{flags}",
        n=options.rounds,
        counted="rounds, each a cold start; medians",
        figures=figures_of(rounds),
        rows=rounds,
    )


if __name__ == "__main__":
    main()
