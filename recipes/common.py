"""What the recipes share: GTSRB's photos as arrays, and a longer training with averaged weights."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tracks import track_sets

from signwise.config import TrainConfig
from signwise.data.images import read_image
from signwise.data.walk import walk
from signwise.training.loop import (
    TrainingData,
    learning_rate,
    make_optimiser,
    steps_in_epoch,
    train_one_epoch,
    training_batches,
)

AVERAGE_DECAY = 0.998


@dataclass(frozen=True, kw_only=True)
class Photos:
    """GTSRB's N training pictures: uint8 (N, S, S, 3), class numbers (N,), and the set of each."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    tracks: NDArray[np.int64]
    sets: NDArray[np.str_]


def read_photos(folder: Path, size: int) -> Photos:
    """Read FOLDER/.../000CC/TTTTT_FFFFF.*, the official layout in any picture format."""
    paths = [Path(path) for path in walk(folder) if Path(path).parent.name.isdigit()]
    assert paths, f"no GTSRB class folders under {folder}"
    labels = np.array([int(path.parent.name) for path in paths])
    tracks = np.array([int(path.stem.split("_")[0]) for path in paths])
    pixels = np.empty((len(paths), size, size, 3), np.uint8)

    def read(row: int) -> None:
        pixels[row] = read_image(paths[row], size)

    with ThreadPoolExecutor() as pool:
        list(pool.map(read, range(len(paths))))
    dealt = track_sets(zip(labels.tolist(), tracks.tolist(), strict=True))
    sets = np.array([dealt[key] for key in zip(labels.tolist(), tracks.tolist(), strict=True)])
    return Photos(pixels=pixels, labels=labels, tracks=tracks, sets=sets)


def fit(
    network: nn.Module,
    data: TrainingData,
    config: TrainConfig,
    device: torch.device,
    report: Callable[[int, nn.Module], None],
    batches: Callable[[int], Iterator[tuple[Tensor, Tensor]]] | None = None,
) -> nn.Module:
    """Train with the loop of signwise and give the running average of the weights.

    Izmailov et al., "Averaging Weights Leads to Wider Optima", 2018; here exponential, per step.
    `report(epoch, averaged network)` is called ten times.
    """
    network.to(device).to(memory_format=torch.channels_last)
    average = AveragedModel(
        network, multi_avg_fn=get_ema_multi_avg_fn(AVERAGE_DECAY), use_buffers=True
    )
    optimiser = make_optimiser(network, config)
    steps = steps_in_epoch(len(data.train_rows), config.batch_size)
    for epoch in range(1, config.epochs + 1):
        seed = config.seed * 1_000_003 + epoch
        torch.manual_seed(seed)
        done = (epoch - 1) * steps
        own = training_batches(data, config.batch_size, seed, device)
        train_one_epoch(
            network,
            optimiser,
            batches(seed) if batches else own,
            lambda step, done=done: learning_rate(
                done + step, config.epochs * steps, config.learning_rate
            ),
            class_weights=torch.from_numpy(data.class_weights).to(device),
            label_smoothing=config.label_smoothing,
            exposed=data.exposed,
            advance=lambda _: average.update_parameters(network),
        )
        if epoch % max(1, config.epochs // 10) == 0 or epoch == config.epochs:
            report(epoch, average.module)
    return average.module


def say(**facts: object) -> None:
    """One line of JSON with the time of day, for the log of a recipe."""
    print(json.dumps({"at": time.strftime("%H:%M:%S")} | facts), flush=True)
