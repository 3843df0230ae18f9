"""Prepared data and settings -> what the training loop reads."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from signwise.config import TrainConfig
from signwise.data.pixels import load_pixels
from signwise.data.prepared import PreparedData
from signwise.data.synthetic import render_negatives
from signwise.training.loop import TrainingData
from signwise.training.negatives import designs_named, designs_seen, folder_negatives

RENDERED_RANGE = (1000, 20_000)


def gather(
    prepared: PreparedData, config: TrainConfig, size: int
) -> tuple[TrainingData, list[dict[str, str]]]:
    """Pixels, labels and negatives as the loop reads them, and the negatives that can't be read."""
    table = prepared.table
    codes = {name: index for index, name in enumerate(prepared.classes)}
    labels = np.array([codes[name] for name in table["label"]], np.int64)
    rows = {split: np.flatnonzero(table["split"] == split) for split in ("train", "val")}
    pixels = load_pixels(prepared, size)
    train = rows["train"]
    negatives, problems = _negatives(prepared.classes, pixels, labels, train, config)
    weights = np.ones(len(codes), np.float32)
    if config.class_weights == "auto":
        counts = np.bincount(labels[train], minlength=len(codes))
        weights = (counts.sum() / (len(codes) * counts)).astype(np.float32)
    gathered = TrainingData(
        pixels=pixels,
        labels=labels,
        train_rows=train,
        val_rows=rows["val"],
        negatives=negatives,
        class_weights=weights,
    )
    return gathered, problems


def _negatives(
    classes: tuple[str, ...],
    pixels: NDArray[np.uint8],
    labels: NDArray[np.int64],
    train: NDArray[np.int64],
    config: TrainConfig,
) -> tuple[NDArray[np.uint8], list[dict[str, str]]]:
    size = pixels.shape[1]
    if config.unknown == "none":
        return np.empty((0, size, size, 3), np.uint8), []
    known = designs_named(classes) | designs_seen(pixels, labels, train)
    count = int(np.clip(len(train), *RENDERED_RANGE))
    rendered = render_negatives(count, size, config.seed, exclude=known)
    if config.unknown == "synthetic":
        return rendered, []
    own, problems = folder_negatives(Path(config.unknown), size)
    # As many of the user's as rendered ones, so that neither is drowned by the other.
    repeats = max(1, round(len(rendered) / len(own)))
    return np.concatenate((rendered, np.tile(own, (repeats, 1, 1, 1)))), problems
