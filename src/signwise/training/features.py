"""Stage one: the new head, fitted on features of the frozen backbone.

Features are what enters the head. Each picture and view goes through the backbone once; what comes
out is kept beside the pixel cache, so that another run on the same pictures need not compute it
again. Kumar et al., "Fine-Tuning can Distort Pretrained Features and Underperform
Out-of-Distribution", 2022, say why the head comes first.
"""

import contextlib
import json
import math
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from signwise.config import HeadConfig, ResolvedConfig, steps_in_epoch
from signwise.errors import SignwiseError
from signwise.files import atomic_path, sha256_bytes
from signwise.opening import open_regular
from signwise.progress import track
from signwise.results import Epoch
from signwise.runtime import cpu_name, own_version
from signwise.synthetic.render import RENDERER_VERSION
from signwise.training import ranks
from signwise.training.augment import augment
from signwise.training.batches import training_batches
from signwise.training.device import bfloat16_features
from signwise.training.folding import folded
from signwise.training.forward import forward, in_bfloat16
from signwise.training.head import head_name
from signwise.training.loop import fit_of, loss_of
from signwise.training.pools import Pool, TrainingData

Batch = tuple[Tensor, Tensor]
"""Pictures (B, 3, S, S) in [0, 1] and labels (B,)."""
Compute = Callable[[Tensor], Tensor]
"""Pictures (B, 3, S, S) in [0, 1] to features (B, D)."""

SMALLEST_DEVIATION = 1e-6
CLEARLY_WORSE = 0.01
"""By this share a penalty's validation loss is above the lowest where it counts as worse."""
VIEW_SEEDS = 1_000_000
"""Added to the number of a view, so that no epoch of fine-tuning draws the same."""


@dataclass(frozen=True, kw_only=True)
class Features:
    """What the backbone makes of M pictures."""

    values: NDArray[np.float32]
    """(M, D)."""
    labels: NDArray[np.int64]
    """(M,), K for pictures of no class."""
    seconds: float = 0.0
    """That computing them took, in this run or in the one that kept them."""


@dataclass(frozen=True, kw_only=True)
class Head:
    """A fitted head, and how well it fits."""

    weight: Tensor
    """(outputs, D)."""
    bias: Tensor
    """(outputs,)."""
    penalty: float
    """The one that was chosen."""
    train_loss: float
    """In nats, without the penalty."""
    train_accuracy: float
    """Of the pictures of the classes."""


@dataclass(frozen=True, kw_only=True)
class StageOne:
    """What stage one came to."""

    row: Epoch
    """Of the history: epoch 0."""
    logits: Tensor | None
    """(N + H, outputs), of the N validation and the H held-out pictures, where they were computed
    as model.onnx will: on the CPU, in float32, by the process that writes."""
    seconds_a_view: float
    """That the features of a view took, in this run or in the one that kept them."""


NOWHERE = Features(values=np.empty((0, 0), np.float32), labels=np.empty(0, np.int64))
"""In a process that does not fit."""


def can_fit_head(network: nn.Module) -> bool:
    """Whether the network ends in a linear layer, which features can be fitted by."""
    return isinstance(network.get_submodule(head_name(network)), nn.Linear)


def fit_stage_one(
    network: nn.Module,
    data: TrainingData,
    config: ResolvedConfig,
    device: torch.device,
    *,
    kept_in: Path,
    key: str,
) -> StageOne:
    """Fit the network's head, in place.

    Of several processes, each takes its share of every batch through the backbone, and the writer
    fits: `make_train_state` then gives the others its head.

    `kept_in` is the folder of the prepared data, where features are kept; `key` says what else but
    the settings they hang on: weights and pictures.
    """
    start = time.perf_counter()
    backbone = _backbone(network)
    able = torch.tensor(float(bfloat16_features(device)))
    half = int(ranks.summed(able)) == ranks.count()
    precision = "bfloat16" if half else "float32"
    training_pass = partial(forward, in_bfloat16(backbone) if half else backbone, half=half)
    count = config.head.views_of(len(data.train))
    size = config.head.batch_size
    steps = [steps_in_epoch(len(data.train), size)] * count
    steps += [sum(math.ceil(len(pool) / size) for pool in (data.val, data.held_out))]
    with track("batches of features", sum(steps)) as advance:

        def kept(
            part: str, compute: Compute, make: Callable[[], Iterator[Batch]], batches: int
        ) -> Features:
            path = kept_in / _name(key, config, device, part)
            found = _read(path) if ranks.writes() else None
            if ranks.agreed(found is not None):
                advance(batches)
                return found or NOWHERE
            return _keep(path, _through(compute, make(), advance))

        views = [
            kept(
                f"{f'view {number}' if count > 1 else 'the only view'} in {precision}",
                training_pass,
                partial(_view, data, config, number, device),
                steps[number],
            )
            for number in range(count)
        ]
        # What validation says decides: it is of the network as it will answer.
        val = kept(
            "validation in float32",
            partial(forward, backbone),
            partial(_as_they_are, (data.val, data.held_out), size, device),
            steps[-1],
        )
    layer = network.get_submodule(head_name(network))
    assert isinstance(layer, nn.Linear), "can_fit_head says so"
    fitted = ranks.from_writer(lambda: _fit_layer(layer, views, val, data, config), Epoch)
    row = ranks.agreed(replace(fitted, seconds=time.perf_counter() - start))
    exact = device.type == "cpu" and ranks.writes()
    return StageOne(
        row=row,
        logits=_logits(layer, val) if exact else None,
        seconds_a_view=max(part.seconds for part in views),
    )


def _fit_layer(
    layer: nn.Linear,
    views: list[Features],
    val: Features,
    data: TrainingData,
    config: ResolvedConfig,
) -> Epoch:
    """Fit the layer, in place, to the views and the validation pictures; gives its figures."""
    train = Features(
        values=np.concatenate([part.values for part in views]),
        labels=np.concatenate([part.labels for part in views]),
        seconds=sum(part.seconds for part in views),
    )
    weights = torch.from_numpy(data.class_weights)
    head = fit_head(train, val, layer.out_features, weights, config.label_smoothing, config.head)
    with torch.no_grad():
        layer.weight.copy_(head.weight)
        layer.bias.copy_(head.bias)
    # As the network would answer, without another pass through it.
    logits = _logits(layer, val)
    fit = fit_of(logits, torch.from_numpy(val.labels), len(data.val), data.classes)
    return Epoch(
        epoch=0,
        learning_rate=None,
        train_loss=head.train_loss,
        train_accuracy=head.train_accuracy,
        val_loss=fit.loss,
        val_accuracy=fit.accuracy,
        seconds=0.0,
    )


def _logits(layer: nn.Linear, features: Features) -> Tensor:
    """What the head (D to outputs) makes of M features: (M, outputs)."""
    with torch.no_grad():
        weight, bias = layer.weight.cpu(), layer.bias.cpu()
        return torch.from_numpy(features.values) @ weight.T + bias


def _backbone(network: nn.Module) -> nn.Module:
    """A copy in evaluation mode without its head: it gives features."""
    backbone = folded(network)
    backbone.set_submodule(head_name(network), nn.Identity())
    return backbone


def _view(
    data: TrainingData, config: ResolvedConfig, number: int, device: torch.device
) -> Iterator[Batch]:
    """The training pictures and what is trained against: view 0 as they are, the others augmented.

    Of a single view, a random half is augmented.
    """
    alone = config.head.views_of(len(data.train)) == 1

    def view(pixels: Tensor, generator: torch.Generator) -> Tensor:
        if alone:
            draws = torch.randperm(len(pixels), generator=generator, device=pixels.device)
            half, mixed = draws[: (len(pixels) + 1) // 2], pixels.clone()
            mixed[half] = augment(pixels[half], config.augmentation, generator)
            return mixed
        return augment(pixels, config.augmentation, generator) if number else pixels

    seed = config.seed * 1_000_003 + VIEW_SEEDS + number
    return training_batches(
        data, config.head.batch_size, seed, device, view=view, negatives=config.negatives
    )


def _as_they_are(pools: tuple[Pool, ...], size: int, device: torch.device) -> Iterator[Batch]:
    for pool in pools:
        for start in range(0, len(pool), size):
            rows = np.arange(start, min(start + size, len(pool)))
            yield pool.take(rows, device), torch.from_numpy(pool.labels[rows])


def _through(
    compute: Compute,
    batches: Iterator[Batch],
    advance: Callable[[int], None],
) -> Features:
    """The features in the writer; in the other processes none."""
    start = time.perf_counter()
    values, labels = [], []
    for pictures, of_pictures in batches:
        some = slice(None) if ranks.writes() else slice(0)
        values.append(ranks.by_shares(compute, pictures).cpu().numpy()[some])
        labels.append(of_pictures.cpu().numpy()[some])
        advance(1)
    return Features(
        values=np.concatenate(values),
        labels=np.concatenate(labels),
        seconds=time.perf_counter() - start,
    )


def fit_head(
    train: Features,
    val: Features,
    outputs: int,
    class_weights: Tensor,
    label_smoothing: float,
    config: HeadConfig,
) -> Head:
    """The head of lowest loss on `train`, with the L2 penalty that is best on `val`.

    Its outputs are the K classes of `class_weights` and, where there is one more, unknown. Features
    are standardised for the fit, by at most `config.iterations` iterations of L-BFGS a penalty, and
    the head that is given takes them as they are. A penalty makes logits small, which calibration
    will undo: so each head is made as sharp as is best on `val`, and judged like that.
    Deterministic on one CPU and number of threads.
    """
    classes = len(class_weights)
    mean = train.values.mean(0, dtype=np.float64)
    deviation = np.maximum(train.values.std(0, dtype=np.float64), SMALLEST_DEVIATION)
    own, other = (
        torch.from_numpy(((part.values - mean) / deviation).astype(np.float32))
        for part in (train, val)
    )
    labels, val_labels = torch.from_numpy(train.labels), torch.from_numpy(val.labels)
    weight = torch.zeros(outputs, own.shape[1], requires_grad=True)
    bias = torch.zeros(outputs, requires_grad=True)
    even = torch.ones(classes)

    def train_loss() -> Tensor:
        return loss_of(own @ weight.T + bias, labels, class_weights, label_smoothing)

    best_loss, best, worse = float("inf"), None, 0
    # From the strongest penalty on, each fit begins where the one before it ended.
    for penalty in sorted(config.penalties, reverse=True):
        if worse == config.patience:
            break
        _minimise([weight, bias], train_loss, penalty, config.iterations)
        with torch.no_grad():
            times, val_loss = _sharpness(other @ weight.T + bias, val_labels, even, config)
            worse = worse + 1 if val_loss > (1 + CLEARLY_WORSE) * best_loss else 0
            if val_loss < best_loss or best is None:
                logits = times * (own @ weight.T + bias)
                known = labels < classes
                right = logits[known, :classes].argmax(1) == labels[known]
                scaled = times * weight / torch.from_numpy(deviation).float()
                best_loss = val_loss
                best = Head(
                    weight=scaled,
                    bias=times * bias - scaled @ torch.from_numpy(mean).float(),
                    penalty=penalty,
                    train_loss=float(loss_of(logits, labels, class_weights, label_smoothing)),
                    train_accuracy=float(right.float().mean()),
                )
    assert best is not None, "there is a penalty"
    return best


def _sharpness(
    logits: Tensor, labels: Tensor, class_weights: Tensor, config: HeadConfig
) -> tuple[float, float]:
    """What logits (M, outputs) are best multiplied by, and their loss then."""

    def loss(log_times: float) -> float:
        return float(loss_of(math.exp(log_times) * logits, labels, class_weights, 0.0))

    low, high = (math.log(limit) for limit in config.sharpness)
    if low == high:
        return math.exp(low), loss(low)
    found = minimize_scalar(loss, bounds=(low, high), method="bounded")
    return math.exp(found.x), float(found.fun)


def _minimise(
    parameters: list[Tensor], loss: Callable[[], Tensor], penalty: float, iterations: int
) -> None:
    """Bring the loss and the penalty on the first parameter to their least, in place."""
    optimizer = torch.optim.LBFGS(
        parameters,
        max_iter=iterations,
        history_size=20,
        line_search_fn="strong_wolfe",
        tolerance_grad=1e-5,
        tolerance_change=1e-7,
    )

    def closure() -> float:
        optimizer.zero_grad()
        value = loss() + penalty * parameters[0].square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value.item()

    optimizer.step(closure)  # type: ignore[no-untyped-call]


def _name(key: str, config: ResolvedConfig, device: torch.device, part: str) -> str:
    """A file name for features that hang on all that is named here."""
    names = ("image_size", "model", "seed", "unknown", "augmentation", "negatives", "pictures")
    settings = {name: value for name, value in config.to_json().items() if name in names}
    settings["batch_size"] = config.head.batch_size
    # Another version draws other views and negatives; another device, or number of threads or
    # processes, has other last bits.
    made_by = [own_version(), RENDERER_VERSION, torch.__version__]
    made_by += [device.type, torch.get_num_threads(), *_processor(device)]
    made_by += [ranks.count()] if ranks.count() > 1 else []
    text = json.dumps([key, part, settings, made_by], sort_keys=True)
    return f"features-{sha256_bytes(text.encode())[:32]}.npz"


def _processor(device: torch.device) -> list[str]:
    if device.type == "cuda":
        return [torch.cuda.get_device_name(device)]
    return [cpu_name(), torch.backends.cpu.get_cpu_capability()]


def _read(path: Path) -> Features | None:
    try:
        with open_regular(path) as file, np.load(file, allow_pickle=False) as saved:
            return Features(
                values=saved["values"], labels=saved["labels"], seconds=float(saved["seconds"])
            )
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return None


def _keep(path: Path, features: Features) -> Features:
    """Write the features if that can be done: else the next run computes them again."""
    if not ranks.writes():
        return features
    with contextlib.suppress(OSError, SignwiseError), atomic_path(path) as temporary:
        np.savez(temporary, **vars(features))
    return features
