"""The `priority-stop` model: a small network for two classes and unknown, taught by the teacher.

    python recipes/priority_stop.py PHOTOS --work WORK --out OUT --teacher NETWORK [--epochs 30]

NETWORK is what recipes/signs.py wrote for the same sets: it teaches. Writes
OUT/network.safetensors; recipes/ship.py turns it into model.onnx. GTSRB's other 41 classes are its
negatives, beside the rendered and the destroyed ones.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from common import (
    NetworkFacts,
    best_device,
    figures,
    fit,
    recipe_arguments,
    recipe_config,
    say,
    seconds_since,
)
from photos import (
    CLASSES,
    PRIORITY_STOP,
    Counts,
    load_pictures,
    priority_stop_labels,
    training_data,
)
from signwise.config import SIGNS_SIZE, AugmentationConfig
from signwise.results import Epoch
from signwise.training.augment import batch_noise
from signwise.training.checkpoint import load_tensors, save_tensors
from signwise.training.device import layout
from signwise.training.graph import Normalise
from signwise.training.loop import Loss, network_outputs, plain_loss
from signwise.training.network import build_model
from signwise.training.pools import to_device

SIZE = 32
WIDTHS = (32, 64, 128)
KNOWN_REPEATS = 4
TEACHER_SHARE = 0.7
"""Of the loss."""

Teacher = Callable[[Tensor], Tensor]
"""Pictures (B, 3, S, S) in [0, 1] to logits (B, K + 1)."""


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
        nn.Linear(widths[-1], len(PRIORITY_STOP) + 1),
    )


class Student(nn.Module):
    """The small network on the teacher's pictures: scaled down and, in training, with more noise.

    Takes normalised pictures (B, 3, S, S) of any side, as a network in `loop` does.
    """

    def __init__(self, network: nn.Module, augmentation: AugmentationConfig) -> None:
        super().__init__()
        self.network = network
        self.normalise = Normalise()
        self.augmentation = augmentation

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, K + 1)."""
        small = functional.interpolate(images, (SIZE, SIZE), mode="bilinear", antialias=True)
        if self.training:
            unit = small * self.normalise.deviation + self.normalise.mean
            draws = torch.Generator(images.device).manual_seed(int(torch.randint(2**31, ())))
            noisy = batch_noise(unit, self.augmentation, draws).clamp(0, 1)
            small = self.normalise.from_unit(noisy)
        logits: Tensor = self.network(small)
        return logits


def two_class_teacher(file: Path, device: torch.device) -> Teacher:
    """Tells the logits of the two classes and of all that is neither."""
    network = build_model("resnet18", CLASSES + 1, SIGNS_SIZE, "none")
    network.load_state_dict(load_tensors(file))
    network.to(device).eval()
    network.to(memory_format=layout(network))
    normalise = Normalise().to(device)
    others = [column for column in range(CLASSES + 1) if column not in PRIORITY_STOP]

    def told(pictures: Tensor) -> Tensor:
        with torch.no_grad():
            logits = network_outputs(network, normalise, pictures)
        rest = torch.logsumexp(logits[:, others], 1, keepdim=True)
        return torch.cat((logits[:, list(PRIORITY_STOP)], rest), 1)

    return told


def taught_loss(teacher: Teacher, classes: int, device: torch.device) -> Loss:
    """The plain loss, and how far the answers are from the teacher's to the same picture.

    Hinton et al., "Distilling the Knowledge in a Neural Network", 2015.
    """
    plain = plain_loss(torch.ones(classes, device=device), 0.0)

    def loss(pictures: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        told = teacher(pictures)
        each = functional.binary_cross_entropy_with_logits(
            logits[:, :classes], told[:, :classes].sigmoid(), reduction="none"
        )
        order = functional.kl_div(
            logits.log_softmax(1), told.log_softmax(1), log_target=True, reduction="batchmean"
        )
        hard = plain(pictures, logits, labels)
        return (1 - TEACHER_SHARE) * hard + TEACHER_SHARE * (each.sum(1).mean() + order)

    return loss


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the student and keep it."""
    parser = recipe_arguments(__doc__, epochs=30)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--widths", type=int, nargs="+", default=WIDTHS)
    options = parser.parse_args(arguments)
    start, device = time.perf_counter(), best_device()
    pictures = load_pictures(options.photos, SIGNS_SIZE, options.work, Counts.of(options))
    labels, classes = priority_stop_labels(pictures.photos), len(PRIORITY_STOP)
    data = training_data(pictures, labels, classes, options.sets, KNOWN_REPEATS)
    data = to_device(data, device)
    config = recipe_config(options.epochs, SIZE)
    torch.manual_seed(config.seed)

    def report(epoch: Epoch, network: nn.Module) -> None:
        say("priority-stop", epoch, figures(network, data, device))

    student = Student(small_network(options.widths), config.augmentation)
    loss = taught_loss(two_class_teacher(options.teacher, device), classes, device)
    best = fit(student, data, config, device, report, loss=loss)
    facts = NetworkFacts(
        size=SIZE,
        sets=tuple(options.sets),
        epochs=config.epochs,
        seconds=seconds_since(start),
        device=device.type,
        widths=tuple(options.widths),
    )
    small = best.get_submodule("network")
    save_tensors(options.out / "network.safetensors", small.state_dict(), facts)
    say("written", facts)


if __name__ == "__main__":
    main()
