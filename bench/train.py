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
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import models, transforms

from signwise.config import IMAGE_SIZE, TrainConfig
from signwise.data.manifest import PreparedData, load_data
from signwise.runtime import available_cores
from signwise.training import WAITING
from signwise.training.device import layout
from signwise.training.pools import gather
from signwise.training.optim import make_learner
from signwise.training.loop import run_epoch
from signwise.training.network import build_model

CPU = torch.device("cpu")


def row(ends: list[float], reached: float | None) -> dict[str, Any]:
    """What a loop came to: seconds to the goal (or None), epochs, and seconds an epoch."""
    return {
        "seconds": reached,
        "epochs": len(ends),
        "epoch_seconds": statistics.median(np.diff([0, *ends])),
    }


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
            return self.transform(picture.convert("RGB")), self.labels[row]


def plain(data: PreparedData, seed: int, goal: float, epochs: int) -> dict[str, Any]:
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
    reached, ends = None, []
    for _ in range(epochs):
        network.train()
        for pictures, labels in loaders[0]:
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(pictures), labels).backward()
            optimiser.step()
        network.eval()
        right = total = 0
        with torch.no_grad():
            for pictures, labels in loaders[1]:
                right += int((network(pictures).argmax(1) == labels).sum())
                total += len(labels)
        ends.append(time.perf_counter() - start)
        if right / total >= goal:
            reached = ends[-1]
            break
    return row(ends, reached)


def ours(data: PreparedData, seed: int, goal: float, epochs: int) -> dict[str, Any]:
    """signwise's loop, with the cache filled anew: seconds to the goal and an epoch's."""
    start = time.perf_counter()
    for cache in data.directory.glob("pixels-*"):
        cache.unlink()
    config = TrainConfig(seed=seed, unknown="none", weights="none", class_weights="none")
    config = config.resolve(IMAGE_SIZE, int((data.table["split"] == "train").sum()))
    gathered = gather(data, config, IMAGE_SIZE)[0]
    torch.manual_seed(seed)
    network = build_model("resnet18", len(data.classes), IMAGE_SIZE, "none")
    network.to(memory_format=layout(CPU))
    learner = make_learner(network, config)
    reached, ends = None, []
    for epoch in range(1, epochs + 1):
        measured = run_epoch(learner, gathered, config, epoch, CPU, lambda _: None)
        ends.append(time.perf_counter() - start)
        if measured.val_accuracy >= goal:
            reached = ends[-1]
            break
    return row(ends, reached)


LOOPS = {"plain": plain, "signwise": ours}


def run(name: str, data: Path, seed: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """One loop from a cold start, in a new process."""
    alone = {key: value for key, value in os.environ.items() if key not in WAITING}
    command = [sys.executable, __file__, data, "--run", name, seed]
    command += ["--goal", arguments.goal, "--max-epochs", arguments.max_epochs]
    done = subprocess.run(
        [str(part) for part in command],
        env=alone if name == "plain" else dict(os.environ),
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    """Run both in turn, a line a run."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--goal", type=float, default=0.995)
    parser.add_argument("--max-epochs", type=int, default=12)
    # For the processes that this one starts: a loop and its seed, on data whose cache may go.
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        torch.set_num_threads(available_cores())
        loop, seed = LOOPS[arguments.run[0]], int(arguments.run[1])
        found = loop(load_data(arguments.data), seed, arguments.goal, arguments.max_epochs)
        print(json.dumps(found))
        return
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in LOOPS}
    with tempfile.TemporaryDirectory() as folder:
        # A copy: the cache that is deleted is not the user's.
        copy = Path(folder) / "data"
        shutil.copytree(arguments.data, copy)
        data = load_data(copy)
        for seed in range(arguments.seeds):
            for name in LOOPS:
                results[name].append(run(name, copy, seed, arguments))
                print(seed, name, results[name][-1], flush=True)
    medians = {
        name: statistics.median(
            float("inf") if row["seconds"] is None else row["seconds"] for row in rows
        )
        for name, rows in results.items()
    }
    reached = all(value != float("inf") for value in medians.values())
    document = {
        "bench": "train",
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, {available_cores()} cores",
        "torch": torch.__version__,
        "n": int((data.table["split"] == "train").sum()),
        "goal": arguments.goal,
        "seeds": arguments.seeds,
        "median_seconds": {name: value if reached else None for name, value in medians.items()},
        "ratio": medians["signwise"] / medians["plain"] if reached else None,
        "runs": results,
    }
    print(json.dumps(document))


if __name__ == "__main__":
    main()
