"""How should a network say "unknown"? Formulations trained alike, on tracks held out from training.

    python recipes/compare_unknown.py PHOTOS [--seeds 3] [--epochs 12]

Two known classes (GTSRB 12 and 14), rendered and destroyed negatives, no real ones; strangers are
all pictures of the other 41 classes. The last line is one JSON document.
"""

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from common import Photos, read_photos, say
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from signwise.metrics import detection
from signwise.config import TrainConfig
from signwise.synthetic import render_negatives
from signwise.training.batches import TrainingData, steps_in_epoch, training_batches
from signwise.training.graph import Normalise
from signwise.training.device import half_precision, layout
from signwise.training.optim import make_optimiser
from signwise.training.loop import learning_rate, network_logits
from signwise.training.network import build_model

CLASSES = ("priority", "stop")
KNOWN_NUMBERS = (12, 14)
SIZE = 32
Loss = Callable[[Tensor, Tensor], Tensor]


def further_output(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy with unknown as one more class (a reject class)."""
    return functional.cross_entropy(logits, labels)


def uniform_exposure(logits: Tensor, labels: Tensor) -> Tensor:
    """Outlier exposure: negatives ought to get uniform probabilities (Hendrycks et al., 2019)."""
    own, stranger = logits[:, :2], labels == 2
    known = functional.cross_entropy(own[~stranger], labels[~stranger])
    return known - 0.5 * functional.log_softmax(own[stranger], 1).mean()


def energy_exposure(logits: Tensor, labels: Tensor) -> Tensor:
    """Energy with margins (Liu et al., 2020): high logsumexp for known, low for negatives."""
    own, stranger = logits[:, :2], labels == 2
    known = functional.cross_entropy(own[~stranger], labels[~stranger])
    energy = torch.logsumexp(own, 1)
    inside = functional.relu(5 - energy[~stranger]).square().mean()
    outside = functional.relu(energy[stranger] + 5).square().mean()
    return known + 0.1 * (inside + outside)


def one_against_rest(logits: Tensor, labels: Tensor) -> Tensor:
    """A sigmoid a class, negatives being zero for all."""
    targets = functional.one_hot(labels, 3)[:, :2].float()
    return functional.binary_cross_entropy_with_logits(logits[:, :2], targets) * 2


def further_sigmoid(logits: Tensor, labels: Tensor) -> Tensor:
    """A further output and one against the rest, added."""
    return further_output(logits, labels) + one_against_rest(logits, labels)


def no_exposure(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy on the known pictures alone: the plain recipe."""
    known = labels < 2
    return functional.cross_entropy(logits[known, :2], labels[known])


def margin(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Score of the further output: log odds of not being unknown."""
    return np.logaddexp(logits[:, 0], logits[:, 1]) - logits[:, 2]


def energy(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Score: logsumexp of the known logits."""
    return np.logaddexp(logits[:, 0], logits[:, 1])


def confidence(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Score: the difference of the logits, monotone in the largest probability."""
    return np.abs(logits[:, 0] - logits[:, 1])


def largest(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Score: the largest sigmoid's logit."""
    return logits[:, :2].max(1)


METHODS = {
    "plain, top probability": (no_exposure, confidence),
    "plain, energy": (no_exposure, energy),
    "further output": (further_output, margin),
    "outlier exposure, top probability": (uniform_exposure, confidence),
    "energy with margins": (energy_exposure, energy),
    "one against rest": (one_against_rest, largest),
    "further output and one against rest": (further_sigmoid, largest),
}


def train_one(
    loss_of: Loss, data: TrainingData, config: TrainConfig, device: torch.device
) -> torch.nn.Module:
    """The loop of signwise with another loss."""
    torch.manual_seed(config.seed)
    network = build_model("resnet18", 3, SIZE, "none").to(device)
    network.to(memory_format=layout(device))
    optimiser, normalise = make_optimiser(network, config), Normalise().to(device)
    per_epoch = steps_in_epoch(len(data.train_rows), config.batch_size)
    step = 0
    for epoch in range(config.epochs):
        network.train()
        seed = config.seed * 1_000_003 + epoch + 1
        for pictures, labels in training_batches(data, config.batch_size, seed, device):
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(step, config.epochs * per_epoch, config.learning_rate)
            images = normalise.from_unit(pictures).contiguous(memory_format=layout(device))
            with torch.autocast(device.type, torch.bfloat16, enabled=half_precision(device)):
                logits = network(images)
            optimiser.zero_grad()
            loss_of(logits.float(), labels).backward()
            optimiser.step()
            step += 1
    return network


@torch.inference_mode()
def features(
    network: torch.nn.Module, pixels: Tensor, rows: NDArray[np.int64], device: torch.device
) -> NDArray[np.float32]:
    """What enters the head, of unit length, (N, D)."""
    body = build_model("resnet18", 3, SIZE, "none").to(device)
    body.load_state_dict(network.state_dict())
    body.fc = torch.nn.Identity()
    found = network_logits(body, pixels, rows, device)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def nearest(train: NDArray[np.float32], asked: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosine similarity to the tenth nearest training picture (Sun et al., 2022)."""
    near = torch.from_numpy(asked) @ torch.from_numpy(train).T
    return near.topk(10, 1).values[:, -1].numpy()


def split(photos: Photos, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the known classes, 70 % of the tracks of each to train on and the others."""
    draws, train = np.random.default_rng(seed), np.zeros(len(photos.labels), bool)
    for number in KNOWN_NUMBERS:
        tracks = np.unique(photos.tracks[photos.labels == number])
        kept = draws.permutation(tracks)[: round(0.7 * len(tracks))]
        train |= (photos.labels == number) & np.isin(photos.tracks, kept)
    known = np.isin(photos.labels, KNOWN_NUMBERS)
    return np.flatnonzero(train), np.flatnonzero(known & ~train)


def run_seed(
    photos: Photos, seed: int, methods: list[str], epochs: int, device: torch.device
) -> list[dict[str, object]]:
    """Every method on one split: a row of figures each."""
    train, test = split(photos, seed)
    strangers = np.flatnonzero(~np.isin(photos.labels, KNOWN_NUMBERS))
    labels = (photos.labels == KNOWN_NUMBERS[1]).astype(np.int64)
    negatives = render_negatives(len(train), SIZE, seed, exclude=frozenset(CLASSES))
    data = TrainingData(
        pixels=torch.from_numpy(photos.pixels).to(device),
        labels=labels,
        train_rows=train,
        val_rows=test,
        extra=torch.from_numpy(negatives).to(device),
        extra_labels=np.full(len(negatives), 2),
        class_weights=np.ones(2, np.float32),
    )
    config = TrainConfig(epochs=epochs, seed=seed, batch_size=64)  # as in LOG.md
    rows: list[dict[str, object]] = []
    trained: dict[Loss, torch.nn.Module] = {}

    def note(
        method: str, known: NDArray[np.float32], other: NDArray[np.float32], right: float
    ) -> None:
        rows.append(
            {
                "method": method,
                "seed": seed,
                "auroc": detection.auroc(known, other)["value"],
                "fpr_at_95_tpr": detection.fpr_at_tpr(known, other)["value"],
                "accuracy": right,
                "known": len(known),
                "strangers": len(other),
            }
        )
        say(**rows[-1])

    for method in methods:
        loss_of, score = METHODS[method]
        if loss_of not in trained:
            trained[loss_of] = train_one(loss_of, data, config, device)
        network = trained[loss_of]
        logits = partial(network_logits, network, data.pixels, device=device)
        known, other = logits(rows=test), logits(rows=strangers)
        right = float((known[:, :2].argmax(1) == labels[test]).mean())
        note(method, score(known), score(other), right)
        if score in (margin, largest):
            bank, near, far = (
                features(network, data.pixels, r, device) for r in (train, test, strangers)
            )
            near, far = nearest(bank, near), nearest(bank, far)
            note(f"{method}: nearest features", near, far, right)
            scale_score, scale_near = score(known).std(), near.std()
            sums = [
                score(a) / scale_score + b / scale_near for a, b in ((known, near), (other, far))
            ]
            note(f"{method}: score and features", *sums, right)
    return rows


def main() -> None:
    """Parse the command line, compare, print means over the seeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    photos, start = read_photos(arguments.photos, SIZE), time.perf_counter()
    rows = [
        row
        for seed in range(arguments.seeds)
        for row in run_seed(photos, seed, arguments.methods, arguments.epochs, device)
    ]
    names = list(dict.fromkeys(row["method"] for row in rows))
    mean = {
        name: {
            key: float(np.mean([row[key] for row in rows if row["method"] == name]))
            for key in ("auroc", "fpr_at_95_tpr", "accuracy")
        }
        for name in names
    }
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "seeds": arguments.seeds, "mean": mean}))


if __name__ == "__main__":
    main()
