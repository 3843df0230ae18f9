"""The `priority-stop` model: a small network for two classes and unknown, taught by the teacher.

    python recipes/priority_stop.py PHOTOS --work WORK --out OUT --teacher NETWORK [--epochs 30]

NETWORK is what recipes/signs.py wrote for the same sets: it teaches. Writes
OUT/network.safetensors; recipes/ship.py turns it into model.onnx. GTSRB's other 41 classes are its
negatives, beside the rendered and the destroyed ones.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from common import (
    Photos,
    all_logits,
    best_device,
    fit,
    gtsrb_data,
    load_pictures,
    recipe_arguments,
    run,
    say,
    seconds_since,
)
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from signwise.metrics import detection
from signwise.config import TrainConfig
from signwise.training.checkpoint import load_tensors, save_tensors
from signwise.training.device import layout
from signwise.training.network import build_model

SIZE = 32
WIDTHS = (32, 64, 128)
NUMBERS = (12, 14)
KNOWN_REPEATS = 4


class Block(nn.Module):
    """Two convolutions, the second with a short cut: (B, inside, H, W) to (B, outside, H', W')."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(outside)
        self.second = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(outside)

    def forward(self, maps: Tensor) -> Tensor:
        """The block's feature maps."""
        maps = functional.relu(self.first_norm(self.first(maps)))
        return functional.relu(maps + self.second_norm(self.second(maps)))


def small_network(widths: Sequence[int]) -> nn.Sequential:
    """(B, 3, 32, 32) to the logits of the classes and unknown: 0.3 million weights."""
    pairs = zip((widths[0], *widths), widths, strict=False)
    return nn.Sequential(
        nn.Conv2d(3, widths[0], 3, 2, 1, bias=False),
        nn.BatchNorm2d(widths[0]),
        nn.ReLU(),
        *(Block(inside, outside, 1 + (place > 0)) for place, (inside, outside) in enumerate(pairs)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(widths[-1], len(NUMBERS) + 1),
    )


def two_class_labels(photos: Photos) -> NDArray[np.int64]:
    """0 for Priority, 1 for Stop, 2 for a stranger."""
    labels = np.full(len(photos.labels), len(NUMBERS))
    for code, number in enumerate(NUMBERS):
        labels[photos.labels == number] = code
    return labels


def two_class_teacher(file: Path, device: torch.device) -> Callable[[Tensor], Tensor]:
    """Pictures (B, 3, 64, 64) to the logits of the two classes and of all that is neither."""
    network = build_model("resnet18", 44, 64, "none")
    network.load_state_dict(load_tensors(file)[0])
    network.to(device).to(memory_format=layout(device)).eval()
    others = [column for column in range(44) if column not in NUMBERS]

    def told(pictures: Tensor) -> Tensor:
        logits = run(network, pictures)
        rest = torch.logsumexp(logits[:, others], 1, keepdim=True)
        return torch.cat((logits[:, list(NUMBERS)], rest), 1)

    return told


def figures(
    known: NDArray[np.float32], codes: NDArray[np.int64], strangers: NDArray[np.float32]
) -> dict[str, object]:
    """Mistakes among the known, and how the largest logit tells strangers from them."""
    return {
        "wrong": int((known.argmax(1) != codes).sum()),
        "of": len(codes),
        "auroc": detection.auroc(known.max(1), strangers.max(1))["value"],
        "fpr_at_95_tpr": detection.fpr_at_tpr(known.max(1), strangers.max(1))["value"],
        "fpr_at_99_tpr": detection.fpr_at_tpr(known.max(1), strangers.max(1), 0.99)["value"],
        "strangers": len(strangers),
    }


def main() -> None:
    """Train the student and keep it."""
    parser = recipe_arguments(__doc__, epochs=30)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--widths", type=int, nargs="+", default=WIDTHS)
    arguments = parser.parse_args()
    start, device = time.perf_counter(), best_device()
    photos, negatives = load_pictures(arguments.photos, 64, arguments.work)
    gtsrb = gtsrb_data(photos, negatives, arguments.sets, device)
    labels = two_class_labels(photos)
    known_rows = gtsrb.train_rows[labels[gtsrb.train_rows] < 2]
    data = replace(
        gtsrb,
        labels=labels,
        train_rows=np.concatenate((gtsrb.train_rows, *[known_rows] * (KNOWN_REPEATS - 1))),
        extra_labels=np.full(len(negatives), len(NUMBERS)),
        class_weights=np.ones(2, np.float32),
    )
    taught = two_class_teacher(arguments.teacher, device)
    config = TrainConfig(epochs=arguments.epochs, batch_size=768, learning_rate=0.15)
    torch.manual_seed(config.seed)
    val = data.val_rows

    def report(epoch: int, network: nn.Module) -> None:
        logits = all_logits(network, data.pixels, val, SIZE)[:, : len(NUMBERS)]
        own = labels[val] < 2
        facts = figures(logits[own], labels[val][own], logits[~own])
        say(priority_stop=epoch, seconds=seconds_since(start), **facts)

    network = small_network(arguments.widths)
    best = fit(network, data, config, device, report, size=SIZE, teacher=taught)
    facts = {"sets": arguments.sets, "epochs": config.epochs, "widths": arguments.widths}
    facts |= {"seconds": seconds_since(start), "device": device.type}
    save_tensors(arguments.out / "network.safetensors", best.state_dict(), facts)


if __name__ == "__main__":
    main()
