"""The training loop: plain functions over tensors, and pure functions of the step.

Shapes: B pictures of known classes in a batch, K classes, S the side in pixels. Labels 0 to K - 1
are the classes; K, where the network has a further output, is unknown.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from signwise.config import TrainConfig
from signwise.machine import default_batch_size
from signwise.training.augment import augment, augment_light
from signwise.training.batches import TrainingData, steps_in_epoch, take, training_batches
from signwise.training.deployed import Normalise
from signwise.training.device import half_precision, layout
from signwise.training.learner import Learner
from signwise.training.model import set_training_mode

WARM_UP = 0.2


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One row of history.csv; losses are means over pictures, in nats."""

    epoch: int
    learning_rate: float
    train_loss: float
    train_accuracy: float
    val_loss: float
    """Of the same kind as train_loss, see `validate`, but of the averaged network, on pictures as
    they are; train_loss is the network's own, on augmented ones."""
    val_accuracy: float
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The row by column name."""
        return asdict(self)


def learning_rate(step: int, steps: int, peak: float) -> float:
    """The one-cycle schedule: linear from a tenth to `peak`, then by a cosine to nearly nothing.

    Smith and Topin, "Super-Convergence", 2018.
    """
    warm_up = max(1, round(steps * WARM_UP))
    if step < warm_up:
        return peak * (0.1 + 0.9 * step / warm_up)
    done = (step - warm_up) / max(1, steps - warm_up)
    return peak * (0.001 + 0.999 * 0.5 * (1 + math.cos(math.pi * done)))


def easy_epochs(epochs: int) -> int:
    """How many of the first epochs change the light alone: a sixth, none of less than 6.

    The first steps are quicker so, as LOG.md shows.
    """
    return epochs // 6


def loss_of(
    logits: Tensor, labels: Tensor, class_weights: Tensor, label_smoothing: float
) -> Tensor:
    """Cross-entropy; where the network has an unknown output, also of each class against the rest.

    logits (B, K) or (B, K + 1), labels (B,), class_weights (K,). Unknown is one more class of the
    softmax, and for the sigmoid of every class a picture of something else. LOG.md compares this
    with either alone, outlier exposure, energy and distances of features. Means over the weighted
    pictures, in nats.
    """
    classes = len(class_weights)
    weights = functional.pad(class_weights, (0, logits.shape[1] - classes), value=1.0)
    own = functional.cross_entropy(logits, labels, weights, label_smoothing=label_smoothing)
    if logits.shape[1] == classes:
        return own
    targets = functional.one_hot(labels, classes + 1)[:, :classes].float()
    each = functional.binary_cross_entropy_with_logits(
        logits[:, :classes], targets, reduction="none"
    ).sum(1)
    shares = weights[labels]
    return own + (each * shares).sum() / shares.sum()


def train_one_epoch(
    learner: Learner,
    batches: Iterator[tuple[Tensor, Tensor]],
    rate: Callable[[int], float],
    *,
    class_weights: Tensor,
    label_smoothing: float,
    advance: Callable[[int], None],
) -> tuple[float, float]:
    """Train on every batch; gives the mean loss and the accuracy on pictures of known classes.

    batches: pictures (B', 3, S, S) in [0, 1] and labels (B',); class_weights (K,), on the device.
    `rate` is the learning rate of the epoch's step, counted from 0.
    """
    device, classes = class_weights.device, len(class_weights)
    normalise = Normalise().to(device)
    network, optimiser = learner.network, learner.optimiser
    set_training_mode(network)
    loss_sum = torch.zeros((), device=device)
    correct = torch.zeros((), device=device)
    known = torch.zeros((), device=device)
    seen = 0
    for step, (pictures, labels) in enumerate(batches):
        for group in optimiser.param_groups:
            group["lr"] = rate(step)
        images = normalise.from_unit(pictures).contiguous(memory_format=layout(device))
        with torch.autocast(device.type, torch.bfloat16, enabled=half_precision(device)):
            logits = network(images)
        loss = loss_of(logits.float(), labels, class_weights, label_smoothing)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        learner.step()
        with torch.no_grad():
            # Sums stay on the device: reading one would wait for the GPU at every step.
            loss_sum += loss * len(labels)
            correct += (logits[:, :classes].argmax(1) == labels).sum()
            known += (labels < classes).sum()
        seen += len(labels)
        advance(1)
    return float(loss_sum) / seen, float(correct) / float(known)


@torch.inference_mode()
def network_logits(
    network: nn.Module,
    pixels: NDArray[np.uint8] | Tensor,
    rows: NDArray[np.int64],
    device: torch.device,
) -> NDArray[np.float32]:
    """The network's float32 logits of pictures pixels[rows] as they are, (len(rows), outputs)."""
    network.eval()
    normalise = Normalise().to(device)
    parts = []
    size = default_batch_size(pixels.shape[1])
    for start in range(0, len(rows), size):
        unit = take(pixels, rows[start : start + size], device)
        parts.append(network(normalise.from_unit(unit)).float().cpu().numpy())
    return np.concatenate(parts)


def validate(network: nn.Module, data: TrainingData, device: torch.device) -> tuple[float, float]:
    """The mean loss in nats over validation and held-out extra pictures; accuracy on the first.

    Of the known pictures alone the loss is soon next to nothing, whatever becomes of the unknown.
    """
    logits = network_logits(network, data.pixels, data.val_rows, device)
    labels = data.labels[data.val_rows]
    accuracy = float((logits[:, : data.classes].argmax(1) == labels).mean())
    if data.held_out_count:
        extra = network_logits(network, data.extra, np.arange(data.held_out_count), device)
        logits = np.concatenate((logits, extra))
        labels = np.concatenate((labels, data.extra_labels[: data.held_out_count]))
    even = torch.ones(data.classes)
    loss = loss_of(torch.from_numpy(logits), torch.from_numpy(labels), even, 0.0)
    return float(loss), accuracy


def run_epoch(
    learner: Learner,
    data: TrainingData,
    config: TrainConfig,
    epoch: int,
    device: torch.device,
    advance: Callable[[int], None],
) -> Epoch:
    """Train epoch number `epoch` (from 1), then measure the average on the validation set.

    All randomness comes from the seed and the epoch's number, so that a resumed run draws what the
    uninterrupted one would have drawn, and a checkpoint's random state is these two numbers.
    """
    start = time.perf_counter()
    seed = config.seed * 1_000_003 + epoch
    torch.manual_seed(seed)
    steps = steps_in_epoch(len(data.train_rows), config.batch_size)
    assert config.epochs is not None, "resolve fills it"
    total = config.epochs * steps

    def rate(step: int) -> float:
        return learning_rate((epoch - 1) * steps + step, total, config.learning_rate)

    view = augment_light if epoch <= easy_epochs(config.epochs) else augment
    loss, accuracy = train_one_epoch(
        learner,
        training_batches(data, config.batch_size, seed, device, view),
        rate,
        class_weights=torch.from_numpy(data.class_weights).to(device),
        label_smoothing=config.label_smoothing,
        advance=advance,
    )
    val_loss, val_accuracy = validate(learner.averaged, data, device)
    return Epoch(
        epoch=epoch,
        learning_rate=rate(steps - 1),
        train_loss=loss,
        train_accuracy=accuracy,
        val_loss=val_loss,
        val_accuracy=val_accuracy,
        seconds=time.perf_counter() - start,
    )
