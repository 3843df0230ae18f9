"""What the tests of training share: a small architecture, quick settings, pools of few pictures."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn
from torchvision.models import _api as torchvision_models

from signwise.config import NegativesConfig, ResolvedConfig, TrainConfig, Traits
from signwise.training.negatives import DESTROYERS
from signwise.training.pools import Pool, TrainingData, empty_pool, whole_pool

ARCHITECTURE = "toy_net"
SIZE = 8
CPU = torch.device("cpu")


def toy_net(*, num_classes: int = 1000, weights: None = None) -> nn.Module:
    """A convolution, its norm and a linear layer, for pictures of at least 4 x 4 pixels."""
    assert weights is None
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32, num_classes),
    )


@contextmanager
def toy_architecture() -> Iterator[str]:
    """`toy_net` as one of torchvision's architectures; gives its name."""
    toy_net.__module__ = "torchvision.models.toy"
    torchvision_models.BUILTIN_MODELS[ARCHITECTURE] = toy_net
    yield ARCHITECTURE
    del torchvision_models.BUILTIN_MODELS[ARCHITECTURE]


QUICK = TrainConfig(
    model=ARCHITECTURE,
    weights="none",
    epochs=2,
    batch_size=16,
    negatives=NegativesConfig(rendered_range=(24, 48), held_out_range=(8, 16)),
)
"""Two epochs of `toy_net` against a few dozen rendered pictures: settings of a short run."""

WITH_NEGATIVES = 8 + 2 + len(DESTROYERS) + 2
"""Pictures of a batch of 8 of `tiny_data`: these, rendered, destroyed, and swapped ones."""


def settings(**changes: object) -> ResolvedConfig:
    """The settings of a run of 6 epochs with batches of 8 pictures of `SIZE`."""
    given: dict[str, object] = {"epochs": 6, "batch_size": 8, "weights": "none"}
    config = TrainConfig(**given | changes)  # type: ignore[arg-type]
    traits = Traits(kind="signs", pictures=40, data_size=SIZE, usual_side=SIZE)
    return config.resolve(traits)


def tiny_network(outputs: int = 3) -> nn.Module:
    """Five neurons, always with the same weights; the last output is unknown."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Flatten(), nn.Linear(3 * SIZE * SIZE, 5), nn.ReLU(), nn.Linear(5, outputs)
        )


def noise_pool(name: str, count: int, label: int = 2) -> Pool:
    """Pictures of noise, others for each name."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    pixels = rng.integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)
    return whole_pool(pixels, np.full(count, label)) if count else empty_pool(SIZE)


def tiny_data(*, rendered: int = 6, held_out: int = 0, folder: int = 0) -> TrainingData:
    """40 pictures to train on and 20 to validate on, of dark and bright; noise as negatives."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    bright = labels[:, None, None, None] * 150
    pixels = (rng.integers(0, 90, (60, SIZE, SIZE, 3)) + bright).astype(np.uint8)
    rows = np.arange(60)
    train, val = (
        Pool(pixels=pixels, rows=part, labels=labels[part]) for part in (rows[:40], rows[40:])
    )
    return TrainingData(
        train=train,
        val=val,
        rendered=noise_pool("rendered", rendered),
        held_out=noise_pool("held out", held_out),
        folder=noise_pool("folder", folder),
        class_weights=np.ones(2, np.float32),
    )
