"""The training loop: plain functions over tensors.

Shapes: B pictures of known classes in a batch, K classes, S the side in pixels. Labels 0 to K - 1
are the classes; K, where the network has a further output, is unknown.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from signwise.config import ResolvedConfig, steps_in_epoch
from signwise.results import Epoch
from signwise.runtime import default_batch_size
from signwise.training import ranks
from signwise.training.augment import view_of_epoch
from signwise.training.batches import training_batches
from signwise.training.device import half_precision, layout
from signwise.training.folding import folded
from signwise.training.forward import forward
from signwise.training.graph import Normalise
from signwise.training.optim import TrainState, learning_rate
from signwise.training.pools import Pool, TrainingData

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Pictures (B, 3, S, S) in [0, 1], logits (B, K) or (B, K + 1) and labels (B,) to a loss."""


OTHER_RANKS = 2**40
"""Added to the seed of dropout for each further process: its share of a batch is another."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How well a network fits pictures."""

    loss: float
    """Mean over the pictures, in nats."""
    accuracy: float
    """Of the pictures of the classes."""


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


def plain_loss(class_weights: Tensor, label_smoothing: float) -> Loss:
    """The loss of signwise's own training: `loss_of`, whatever the pictures."""

    def loss(_: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        return loss_of(logits, labels, class_weights, label_smoothing)

    return loss


def train_one_epoch(
    state: TrainState,
    batches: Iterator[tuple[Tensor, Tensor]],
    rate: Callable[[int], float],
    *,
    classes: int,
    loss: Loss,
    advance: Callable[[int], None] = lambda _: None,
) -> Fit:
    """Train on every batch; gives the fit to the pictures as they came.

    batches: pictures (B', 3, S, S) in [0, 1] and labels (B',), on the network's device; `rate` is
    the learning rate of the epoch's step, counted from 0.
    """
    network = state.network
    device = next(network.parameters()).device
    normalise = Normalise().to(device)
    state.parallel.train()
    loss_sum = torch.zeros((), device=device)
    correct = torch.zeros((), device=device)
    known = torch.zeros((), device=device)
    seen = 0
    for step, (pictures, labels) in enumerate(batches):
        state.set_learning_rate(rate(step))
        own = ranks.share(len(labels))
        logits = network_outputs(state.parallel, normalise, pictures[own])
        # In every process the loss of the whole batch: its gradient through all their logits is
        # what each process's share adds up to, and their mean is taken.
        logits = ranks.whole(logits, len(labels))
        error = loss(pictures, logits, labels)
        state.optimizer.zero_grad(set_to_none=True)
        (error * ranks.count()).backward()  # type: ignore[no-untyped-call]
        state.step()
        with torch.no_grad():
            # Sums stay on the device: reading one would wait for the GPU at every step.
            loss_sum += error * len(labels)
            correct += (logits[:, :classes].argmax(1) == labels).sum()
            known += (labels < classes).sum()
        seen += len(labels)
        advance(1)
    return Fit(loss=float(loss_sum) / seen, accuracy=float(correct) / float(known))


def network_outputs(network: nn.Module, normalise: Normalise, pictures: Tensor) -> Tensor:
    """Float32 logits of pictures (B, 3, S, S) in [0, 1], in the device's layout and precision."""
    device = pictures.device
    images = normalise.from_unit(pictures).contiguous(memory_format=layout(network))
    with torch.autocast(device.type, torch.bfloat16, enabled=half_precision(device)):
        logits: Tensor = network(images)
    return logits.float()


def network_logits(network: nn.Module, pool: Pool, device: torch.device) -> NDArray[np.float32]:
    """The network's float32 logits of the pool's P pictures as they are, (P, outputs)."""
    network.eval()
    size = default_batch_size(pool.pixels.shape[1])
    parts = []
    for start in range(0, len(pool), size):
        unit = pool.take(np.arange(start, min(start + size, len(pool))), device)
        parts.append(forward(network, unit).cpu().numpy())
    return np.concatenate(parts)


def validate(network: nn.Module, data: TrainingData, device: torch.device) -> Fit:
    """The loss over validation and held-out rendered pictures; the accuracy on the first.

    Each of several processes computes the logits of its share, and each picture counts once.

    Of the known pictures alone the loss is soon next to nothing, whatever becomes of the unknown.
    """
    network = folded(network)
    logits, labels = _shared_logits(network, data.val, device), data.val.labels
    if len(data.held_out):
        logits = np.concatenate((logits, _shared_logits(network, data.held_out, device)))
        labels = np.concatenate((labels, data.held_out.labels))
    fit = fit_of(torch.from_numpy(logits), torch.from_numpy(labels), len(data.val), data.classes)
    # What is decided by it must be the same everywhere, the last bit too.
    return ranks.agreed(fit)


def _shared_logits(network: nn.Module, pool: Pool, device: torch.device) -> NDArray[np.float32]:
    """`network_logits`, each of several processes its share of the pool."""
    own = ranks.share(len(pool))
    some = own if own.start < own.stop else slice(1)  # of no picture a network gives no logits
    part = replace(pool, rows=pool.rows[some], labels=pool.labels[some])
    found = network_logits(network, part, device)[: own.stop - own.start]
    logits = torch.from_numpy(found)
    return np.asarray(ranks.whole(logits, len(pool)).numpy())


def fit_of(logits: Tensor, labels: Tensor, known: int, classes: int) -> Fit:
    """The validation figures of logits (N, outputs) and labels (N,).

    The first `known` are the user's pictures, whose accuracy it is; the loss is that of all, every
    class weighed alike and no target smoothed.
    """
    right = logits[:known, :classes].argmax(1) == labels[:known]
    loss = loss_of(logits, labels, torch.ones(classes), 0.0)
    return Fit(loss=float(loss), accuracy=float(right.double().mean()))


def run_epoch(
    state: TrainState,
    data: TrainingData,
    config: ResolvedConfig,
    epoch: int,
    device: torch.device,
    *,
    loss: Loss | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Epoch:
    """Train epoch number `epoch` (from 1), then measure the average on the validation set.

    All randomness comes from the seed and the epoch's number, so that a resumed run draws what the
    uninterrupted one would have drawn, and a checkpoint's random state is these two numbers.
    `loss` is `plain_loss` unless given, as where a teacher has a say.
    """
    start = time.perf_counter()
    seed = config.seed * 1_000_003 + epoch
    torch.manual_seed(seed + ranks.rank() * OTHER_RANKS)
    steps = steps_in_epoch(len(data.train), config.batch_size)
    total = config.epochs * steps

    peak = config.learning_rate * (config.fine_tuning.learning_rate if config.pretrained else 1)

    def rate(step: int) -> float:
        return learning_rate((epoch - 1) * steps + step, total, peak, config.schedule)

    batches = training_batches(
        data,
        config.batch_size,
        seed,
        device,
        view=view_of_epoch(epoch, config.epochs, config.augmentation),
        negatives=config.negatives,
    )
    weights = torch.from_numpy(data.class_weights).to(device)
    fit = train_one_epoch(
        state,
        batches,
        rate,
        classes=data.classes,
        loss=loss or plain_loss(weights, config.label_smoothing),
        advance=advance,
    )
    validation = validate(state.averaged, data, device)
    return Epoch(
        epoch=epoch,
        learning_rate=rate(steps - 1),
        train_loss=fit.loss,
        train_accuracy=fit.accuracy,
        val_loss=validation.loss,
        val_accuracy=validation.accuracy,
        seconds=time.perf_counter() - start,
    )
