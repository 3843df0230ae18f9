"""Seconds until 99.5 % on the validation set: a plain notebook's loop and signwise's, in turn.

    python bench/train.py DATA [--seeds 5] [--goal 0.995] [--max-epochs 12]

DATA is a folder that `signwise prepare` wrote. Both train torchvision's ResNet-18 from scratch at
32 pixels, on the same split and pictures, from a cold start: the plain loop decodes each picture
with PIL in a DataLoader (batches of 32, SGD 0.001, momentum 0.9), signwise fills its cache and
trains against no negatives and weighs no class, as the plain loop does. Time starts before the
pictures are read and stops at the first epoch that reaches the goal on validation. Each runs in a
process of its own, the plain loop with torch's own way of waiting for threads. The last line is one
JSON document.
"""

import argparse
import math
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

import msgspec
import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import models, transforms

import record
from signwise.config import IMAGE_SIZE, TrainConfig
from signwise.data.manifest import PreparedData, load_data
from signwise.results import json_document
from signwise.runtime import OPENMP_WAITING, available_cores
from signwise.training.device import layout
from signwise.training.loop import run_epoch
from signwise.training.network import build_model
from signwise.training.optim import make_train_state
from signwise.training.pools import gather, look_at, traits_of

CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class TrainRow:
    """What one loop came to."""

    loop: str
    seed: int
    seconds: float | None
    """To the goal; None where it was not reached."""
    epochs: int
    epoch_seconds: float
    """The median."""


def row(loop: str, seed: int, ends: list[float], *, reached: bool) -> TrainRow:
    """The row of a loop whose epochs ended after so many seconds."""
    return TrainRow(
        loop=loop,
        seed=seed,
        seconds=ends[-1] if reached else None,
        epochs=len(ends),
        epoch_seconds=float(np.median(np.diff([0, *ends]))),
    )


class Folder(Dataset[tuple[torch.Tensor, int]]):
    """What torchvision's ImageFolder does: open, convert and transform one picture at a time."""

    def __init__(self, data: PreparedData, split: str) -> None:
        table = data.table[data.table["split"] == split]
        self.paths = [data.root / path for path in table["path"]]
        self.labels = [data.classes.index(label) for label in table["label"]]
        mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
        self.transform = transforms.Compose(
            [
                transforms.Resize((IMAGE_SIZE, IMAGE_SIZE)),
                transforms.ToTensor(),
                transforms.Normalize(mean, deviation),
            ]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        with Image.open(self.paths[row]) as picture:
            pixels: torch.Tensor = self.transform(picture.convert("RGB"))
        return pixels, self.labels[row]


def plain(data: PreparedData, seed: int, goal: float, epochs: int) -> TrainRow:
    """The notebook's loop: seconds to the goal and an epoch's."""
    torch.manual_seed(seed)
    start = time.perf_counter()
    workers = available_cores()
    loaders = [
        DataLoader(Folder(data, split), 32, shuffle=split == "train", num_workers=workers)
        for split in ("train", "val")
    ]
    network = models.resnet18(weights=None)
    network.fc = nn.Linear(512, len(data.classes))
    optimiser = torch.optim.SGD(network.parameters(), lr=0.001, momentum=0.9)
    ends: list[float] = []
    for _ in range(epochs):
        network.train()
        for pictures, labels in loaders[0]:
            optimiser.zero_grad()
            error = nn.functional.cross_entropy(network(pictures), labels)
            error.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        network.eval()
        right = total = 0
        with torch.no_grad():
            for pictures, labels in loaders[1]:
                right += int((network(pictures).argmax(1) == labels).sum())
                total += len(labels)
        ends.append(time.perf_counter() - start)
        if right / total >= goal:
            return row("plain", seed, ends, reached=True)
    return row("plain", seed, ends, reached=False)


def ours(data: PreparedData, seed: int, goal: float, epochs: int) -> TrainRow:
    """signwise's loop, with the cache filled anew: seconds to the goal and an epoch's."""
    start = time.perf_counter()
    for cache in data.directory.glob("pixels-*"):
        cache.unlink()
    asked = TrainConfig(
        seed=seed, image_size=IMAGE_SIZE, unknown="none", weights="none", class_weights="none"
    )
    seen = look_at(data, asked.negatives)
    config = asked.resolve(traits_of(data, asked, seen))
    pools = gather(data, config, seen).data
    torch.manual_seed(seed)
    network = build_model("resnet18", len(data.classes), IMAGE_SIZE, "none")
    network.to(memory_format=layout(network))
    state = make_train_state(network, config)
    ends: list[float] = []
    for epoch in range(1, epochs + 1):
        measured = run_epoch(state, pools, config, epoch, CPU)
        ends.append(time.perf_counter() - start)
        if measured.val_accuracy >= goal:
            return row("signwise", seed, ends, reached=True)
    return row("signwise", seed, ends, reached=False)


LOOPS = {"plain": plain, "signwise": ours}


def run(name: str, data: Path, seed: int, options: argparse.Namespace) -> TrainRow:
    """One loop from a cold start, in a new process."""
    alone = {key: value for key, value in os.environ.items() if key not in OPENMP_WAITING}
    command = [sys.executable, __file__, data, "--run", name, seed]
    command += ["--goal", options.goal, "--max-epochs", options.max_epochs]
    done = subprocess.run(
        [str(part) for part in command],
        env=alone if name == "plain" else dict(os.environ),
        stdout=subprocess.PIPE,
        check=True,
    )
    return msgspec.json.decode(done.stdout, type=TrainRow)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run both in turn, a line a run."""
    parser = record.arguments(__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--goal", type=float, default=0.995)
    parser.add_argument("--max-epochs", type=int, default=12)
    # For the processes that this one starts: a loop and its seed, on data whose cache may go.
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.run:
        torch.set_num_threads(available_cores())
        loop, seed = LOOPS[options.run[0]], int(options.run[1])
        print(json_document(loop(load_data(options.data), seed, options.goal, options.max_epochs)))
        return
    rows: list[TrainRow] = []
    with tempfile.TemporaryDirectory() as folder:
        # A copy: the cache that is deleted is not the user's.
        copy = Path(folder) / "data"
        shutil.copytree(options.data, copy)
        data = load_data(copy)
        for seed in range(options.seeds):
            for name in LOOPS:
                rows.append(run(name, copy, seed, options))
                print(rows[-1], flush=True)
    seconds = {
        name: [math.inf if r.seconds is None else r.seconds for r in rows if r.loop == name]
        for name in LOOPS
    }
    figures = []
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    if all(map(math.isfinite, medians.values())):
        goal = f"{100 * options.goal:g} % on validation"
        ratio = medians["signwise"] / medians["plain"]
        figures = [
            record.figure(f"from scratch to {goal}", medians["signwise"], "s"),
            record.figure("a plain PyTorch loop in the same run", medians["plain"], "s"),
            record.figure("of the plain loop's time", ratio),
        ]
    record.finish(
        "train",
        options,
        how=f"bench/train.py DATA --seeds {options.seeds}",
        n=int((data.table["split"] == "train").sum()),
        counted=f"pictures to train on, medians of {options.seeds} seeds",
        figures=figures,
        rows=rows,
    )


if __name__ == "__main__":
    main()
