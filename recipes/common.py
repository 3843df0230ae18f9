"""What the recipes share: pictures as arrays, and a longer training with averages and a teacher."""

import argparse
import json
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from tracks import track_sets

from signwise.config import TrainConfig
from signwise.data.images import read_image
from signwise.synthetic import GTSRB_DESIGNS, render_negatives, render_signs
from signwise.data.walk import walk
from signwise.training.augment import batch_noise
from signwise.training.batches import TrainingData, steps_in_epoch, training_batches
from signwise.training.graph import Normalise
from signwise.training.device import half_precision, layout
from signwise.training.optim import make_learner
from signwise.training.loop import learning_rate, loss_of

AVERAGE_DECAY = 0.998
TEACHER_SHARE = 0.7
RENDERED_A_DESIGN = 500
EXTRA = {12: 2500, 14: 2500}
NEGATIVES = 24_000
CHUNK = 125

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Photos:
    """N pictures uint8 (N, S, S, 3), GTSRB class numbers (N,), tracks (N,) and the set of each.

    The sets are train, val and held_out for photos, and rendered.
    """

    pixels: Pixels
    labels: NDArray[np.int64]
    tracks: NDArray[np.int64]
    sets: NDArray[np.str_]

    def rows(self, *sets: str) -> NDArray[np.int64]:
        """The rows of the pictures of these sets."""
        return np.flatnonzero(np.isin(self.sets, sets))


def _parallel(function: Callable[..., Pixels], *arguments: list[object]) -> Pixels:
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        return np.concatenate(list(pool.map(function, *arguments)))


def _read(paths: list[Path], size: int) -> Pixels:
    return np.stack([read_image(path, size) for path in paths])


def read_photos(folder: Path, size: int) -> Photos:
    """Read FOLDER/.../000CC/TTTTT_FFFFF.*, the official layout in any picture format."""
    paths = [Path(path) for path in walk(folder) if Path(path).parent.name.isdigit()]
    if not paths:
        raise SystemExit(f"error: no GTSRB class folders (00000 to 00042) under {folder}")
    labels = np.array([int(path.parent.name) for path in paths])
    tracks = np.array([int(path.stem.split("_")[0]) for path in paths])
    chunks = [paths[start : start + 1000] for start in range(0, len(paths), 1000)]
    pixels = _parallel(partial(_read, size=size), chunks)
    keys = list(zip(labels.tolist(), tracks.tolist(), strict=True))
    dealt = track_sets(keys)
    sets = np.array([dealt[key] for key in keys])
    return Photos(pixels=pixels, labels=labels, tracks=tracks, sets=sets)


def _render_signs(number: int, seed: int, size: int) -> Pixels:
    return render_signs(GTSRB_DESIGNS[number], CHUNK, size, seed, workers=1)


def _render_negatives(seed: int, size: int) -> Pixels:
    return render_negatives(CHUNK, size, seed, exclude=frozenset(GTSRB_DESIGNS), workers=1)


def add_rendered(photos: Photos) -> tuple[Photos, Pixels]:
    """The photos with rendered signs of the 43 classes added, and rendered negatives."""
    size = photos.pixels.shape[1]
    numbers = [
        number
        for number in range(len(GTSRB_DESIGNS))
        for _ in range((RENDERED_A_DESIGN + EXTRA.get(number, 0)) // CHUNK)
    ]
    signs = _parallel(partial(_render_signs, size=size), numbers, list(range(len(numbers))))
    seeds = list(range(100_000, 100_000 + NEGATIVES // CHUNK))
    negatives = _parallel(partial(_render_negatives, size=size), seeds)
    added = Photos(
        pixels=np.concatenate((photos.pixels, signs)),
        labels=np.concatenate((photos.labels, np.repeat(numbers, CHUNK))),
        tracks=np.concatenate((photos.tracks, np.full(len(signs), -1))),
        sets=np.concatenate((photos.sets, np.full(len(signs), "rendered"))),
    )
    return added, negatives


def load_pictures(folder: Path, size: int, work: Path) -> tuple[Photos, Pixels]:
    """Photos and rendered pictures, kept in `work` for the next recipe; and rendered negatives."""
    file = work / f"pictures-{size}.npz"
    if not file.is_file():
        photos, negatives = add_rendered(read_photos(folder, size))
        work.mkdir(parents=True, exist_ok=True)
        np.savez(file, **photos.__dict__, negatives=negatives)
    with np.load(file) as saved:
        names = ("pixels", "labels", "tracks", "sets")
        return Photos(**{name: saved[name] for name in names}), saved["negatives"]


def gtsrb_data(
    photos: Photos, negatives: Pixels, sets: list[str], device: torch.device
) -> TrainingData:
    """The 43 classes on the device: these sets and the rendered pictures to train on."""
    return TrainingData(
        pixels=torch.from_numpy(photos.pixels).to(device),
        labels=photos.labels,
        train_rows=photos.rows(*sets, "rendered"),
        val_rows=photos.rows("val"),
        extra=torch.from_numpy(negatives).to(device),
        extra_labels=np.full(len(negatives), len(GTSRB_DESIGNS)),
        class_weights=np.ones(len(GTSRB_DESIGNS), np.float32),
    )


def recipe_arguments(text: str | None, epochs: int) -> argparse.ArgumentParser:
    """What every recipe takes."""
    parser = argparse.ArgumentParser(description=str(text).splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder with 00000 to 00042")
    parser.add_argument("--work", type=Path, required=True, help="folder for what lies between")
    parser.add_argument("--out", type=Path, required=True, help="folder for the trained network")
    parser.add_argument("--sets", nargs="+", default=["train", "val"], choices=["train", "val"])
    parser.add_argument("--epochs", type=int, default=epochs)
    return parser


def best_device() -> torch.device:
    """A GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def fit(
    network: nn.Module,
    data: TrainingData,
    config: TrainConfig,
    device: torch.device,
    report: Callable[[int, nn.Module], None],
    *,
    size: int,
    teacher: Callable[[Tensor], Tensor] | None = None,
) -> nn.Module:
    """Train at `size` pixels, with a teacher's logits too if given; the averaged network.

    The teacher sees each augmented picture at the size of the data; the student sees it scaled to
    `size`, with noise of its own, and learns the teacher's answers to it (Hinton et al.,
    "Distilling the Knowledge in a Neural Network", 2015). Weights are averaged exponentially per
    step (after Izmailov et al., "Averaging Weights Leads to Wider Optima", 2018). `report(epoch,
    averaged network)` is called ten times.
    """
    network.to(device).to(memory_format=layout(device))
    learner = make_learner(network, config, decay=AVERAGE_DECAY)
    optimiser = learner.optimiser
    per_epoch = steps_in_epoch(len(data.train_rows), config.batch_size)
    step = 0
    for epoch in range(1, config.epochs + 1):
        network.train()
        seed = config.seed * 1_000_003 + epoch
        for pictures, labels in training_batches(data, config.batch_size, seed, device):
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(step, config.epochs * per_epoch, config.learning_rate)
            loss = _loss(network, pictures, labels, data, config, size, teacher)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            learner.step()
            step += 1
        if epoch % max(1, config.epochs // 10) == 0 or epoch == config.epochs:
            report(epoch, learner.averaged)
    return learner.averaged


def _loss(
    network: nn.Module,
    pictures: Tensor,
    labels: Tensor,
    data: TrainingData,
    config: TrainConfig,
    size: int,
    teacher: Callable[[Tensor], Tensor] | None,
) -> Tensor:
    own = pictures
    if size != pictures.shape[2]:
        own = functional.interpolate(pictures, (size, size), mode="bilinear", antialias=True)
        noise = torch.Generator(pictures.device).manual_seed(int(torch.randint(2**31, ())))
        own = batch_noise(own, noise).clamp(0, 1)
    logits = run(network, own)
    weights = torch.from_numpy(data.class_weights).to(pictures.device)
    hard = loss_of(logits, labels, weights, config.label_smoothing)
    if teacher is None:
        return hard
    with torch.no_grad():
        told = teacher(pictures)
    each = functional.binary_cross_entropy_with_logits(
        logits[:, : data.classes], told[:, : data.classes].sigmoid(), reduction="none"
    )
    order = functional.kl_div(
        logits.log_softmax(1), told.log_softmax(1), log_target=True, reduction="batchmean"
    )
    return (1 - TEACHER_SHARE) * hard + TEACHER_SHARE * (each.sum(1).mean() + order)


def run(network: nn.Module, pictures: Tensor) -> Tensor:
    """Float32 logits of pictures (B, 3, S, S) in [0, 1], computed in bfloat16 on a GPU."""
    device = pictures.device
    images = Normalise().to(device).from_unit(pictures)
    images = images.contiguous(memory_format=layout(device))
    with torch.autocast(device.type, torch.bfloat16, enabled=half_precision(device)):
        logits = network(images)
    return logits.float()


@torch.inference_mode()
def all_logits(
    network: nn.Module, pixels: Pixels | Tensor, rows: NDArray[np.int64], size: int
) -> NDArray[np.float32]:
    """Logits of pictures `rows` at `size` pixels, as they are: (len(rows), K)."""
    network.eval()
    device = next(network.parameters()).device
    parts: list[NDArray[np.float32]] = []
    for some in np.array_split(rows, max(1, len(rows) // 1000)):
        taken = pixels[torch.from_numpy(some).to(device) if isinstance(pixels, Tensor) else some]
        unit = torch.as_tensor(taken).to(device).permute(0, 3, 1, 2).float() / 255
        if size != unit.shape[2]:
            unit = functional.interpolate(unit, (size, size), mode="bilinear", antialias=True)
        parts.append(network(Normalise().to(device).from_unit(unit)).float().cpu().numpy())
    return np.concatenate(parts)


def say(**facts: object) -> None:
    """One line of JSON with the time of day, for the log of a recipe."""
    print(json.dumps({"at": time.strftime("%H:%M:%S")} | facts), flush=True)


def seconds_since(start: float) -> float:
    """Whole seconds since a time of `time.perf_counter`."""
    return round(time.perf_counter() - start, 1)
