"""Prepared data and settings -> what the training loop reads."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from signwise.config import UNKNOWN, TrainConfig
from signwise.data.pixels import load_pixels
from signwise.data.prepared import PreparedData
from signwise.data.synthetic import render_negatives, render_signs
from signwise.training.batches import TrainingData
from signwise.training.negatives import (
    designs_named,
    designs_seen,
    folder_negatives,
    most_pictures,
)

RENDERED_EACH = 2
"""Rendered negatives to each photo, within the range."""
RENDERED_RANGE = (1000, 20_000)
HELD_OUT_RANGE = (16, 256)
"""Rendered pictures that only the validation loss sees: a quarter as many as photos."""
OWN_SHARE = 0.5
"""Rendered pictures of the user's own signs to each rendered negative."""
MOST_WEIGHT = 3.0
"""How many times another's a class's weight in the loss may be."""
SURE_SHARE = 0.5
"""A class is taken for the sign that the backbone sees in this share of its pictures."""


def gather(
    prepared: PreparedData, config: TrainConfig, size: int
) -> tuple[TrainingData, dict[str, str], list[dict[str, str]]]:
    """What the loop reads; the SHA-256 of each stranger by path; a row for each that can't be used.

    `size` is the side in pixels. Raises SignwiseError where `--unknown` names a folder that is not
    there or has no picture that can be used.
    """
    table = prepared.table
    codes = {name: index for index, name in enumerate(prepared.classes)}
    labels = np.array([codes[name] for name in table["label"]], np.int64)
    train, val = (np.flatnonzero(table["split"] == split) for split in ("train", "val"))
    pixels = load_pixels(prepared, size)
    extra, extra_labels = np.empty((0, size, size, 3), np.uint8), np.empty(0, np.int64)
    held_out = stranger_count = 0
    hashes: dict[str, str] = {}
    problems: list[dict[str, str]] = []
    if config.unknown != "none":
        seen = designs_seen(pixels, labels, train)
        held_out = int(np.clip(len(train) // 4, *HELD_OUT_RANGE))
        count = int(np.clip(RENDERED_EACH * len(train), *RENDERED_RANGE)) + held_out
        count = min(count, most_pictures(size))
        extra, extra_labels = rendered(prepared.classes, seen, count, size, config.seed)
    if config.unknown not in UNKNOWN:
        known = dict(zip(table["sha256"], table["label"], strict=True))
        strangers, hashes, problems = folder_negatives(
            Path(config.unknown), size, config.seed, known
        )
        stranger_count = len(strangers)
        extra = np.concatenate((extra, strangers))
        extra_labels = np.append(extra_labels, np.full(stranger_count, len(codes)))
    weights = np.ones(len(codes), np.float32)
    if config.class_weights == "auto":
        weights = balancing_weights(np.bincount(labels[train], minlength=len(codes)))
    gathered = TrainingData(
        pixels=pixels,
        labels=labels,
        train_rows=train,
        val_rows=val,
        extra=extra,
        extra_labels=extra_labels,
        held_out_count=held_out,
        stranger_count=stranger_count,
        class_weights=weights,
    )
    return gathered, hashes, problems


def balancing_weights(counts: NDArray[np.int64]) -> NDArray[np.float32]:
    """Weights (K,) that make classes of these counts (K,) count alike, as far as is safe.

    The mean over all pictures is 1. None weighs more than `MOST_WEIGHT` times another: the few
    pictures of a very rare class would drive every step, and training diverges (LOG.md).
    """
    weights = counts.sum() / (len(counts) * counts)
    most = MOST_WEIGHT * weights.min()
    if weights.max() > most:
        weights = np.minimum(weights, most)
        weights *= counts.sum() / (weights @ counts)
    return np.asarray(weights, np.float32)


def rendered(
    classes: tuple[str, ...],
    seen: Mapping[int, Mapping[str, float]],
    count: int,
    size: int,
    seed: int,
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """`count` rendered negatives and pictures of classes whose sign is known, in random order.

    (M, S, S, 3) and labels (M,), K for a negative; `seen` is what `designs_seen` gives. Were all
    rendered pictures negatives, a network would learn to tell renderings from photos.
    """
    known = designs_named(classes).union(*seen.values())
    sure = {
        label: max(shares, key=shares.__getitem__)
        for label, shares in seen.items()
        if max(shares.values(), default=0) >= SURE_SHARE
    }
    each = math.ceil(count * OWN_SHARE / len(classes))
    order = np.random.default_rng(seed).permutation(count + each * len(sure))
    place = np.argsort(order)  # where in random order each picture goes
    pixels = np.empty((len(order), size, size, 3), np.uint8)
    labels = np.full(len(order), len(classes))
    pixels[place[:count]] = render_negatives(count, size, seed, exclude=known)
    for number, (label, design) in enumerate(sure.items()):
        rows = place[count + number * each :][:each]
        pixels[rows] = render_signs(design, each, size, seed)
        labels[rows] = label
    return pixels, labels
