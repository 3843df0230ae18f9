"""How should a network say "unknown"? Formulations trained alike, on tracks held out from training.

    python recipes/compare_unknown.py PHOTOS [--seeds 3] [--epochs 12]

Two known classes (GTSRB 12 and 14), rendered and destroyed negatives, no real ones; measured on all
pictures of the other 41 classes. The last line is one JSON document.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from common import best_device, say, seconds_since
from photos import PRIORITY_STOP, Photos, priority_stop_labels, read_photos
from signwise.config import AugmentationConfig, OptimConfig, PicturesConfig, ResolvedConfig
from signwise.metrics.detection import auroc, fpr_at_tpr
from signwise.synthetic import GTSRB_DESIGNS, render_negatives
from signwise.training.device import layout
from signwise.training.loop import Loss, network_logits, run_epoch
from signwise.training.network import build_model
from signwise.training.optim import make_train_state
from signwise.training.pools import Pool, TrainingData, empty_pool, to_device, whole_pool

K = len(PRIORITY_STOP)
KNOWN_DESIGNS = frozenset(GTSRB_DESIGNS[number] for number in PRIORITY_STOP)
SIZE = 32
TRAIN_SHARE = 0.7
"""Of the tracks of a class."""
NEIGHBOUR = 10
"""The nearest training picture that counts."""

Scores = NDArray[np.float32]
Score = Callable[[Scores], Scores]
"""Logits (N, K + 1) to a score (N,), higher for the surer."""


def further_output(_: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy with unknown as one more class (a reject class)."""
    return functional.cross_entropy(logits, labels)


def uniform_exposure(_: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """Outlier exposure: negatives ought to get uniform probabilities (Hendrycks et al., 2019)."""
    own, negative = logits[:, :K], labels == K
    known = functional.cross_entropy(own[~negative], labels[~negative])
    return known - 0.5 * functional.log_softmax(own[negative], 1).mean()


def energy_exposure(_: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """Energy with margins (Liu et al., 2020): high logsumexp for known, low for negatives."""
    own, negative = logits[:, :K], labels == K
    known = functional.cross_entropy(own[~negative], labels[~negative])
    energies = torch.logsumexp(own, 1)
    inside = functional.relu(5 - energies[~negative]).square().mean()
    outside = functional.relu(energies[negative] + 5).square().mean()
    return known + 0.1 * (inside + outside)


def one_against_rest(_: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """A sigmoid a class, negatives being zero for all."""
    targets = functional.one_hot(labels, K + 1)[:, :K].float()
    return functional.binary_cross_entropy_with_logits(logits[:, :K], targets) * K


def further_sigmoid(pictures: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """A further output and one against the rest, added."""
    own = further_output(pictures, logits, labels)
    return own + one_against_rest(pictures, logits, labels)


def no_exposure(_: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy on the known pictures alone: the plain recipe."""
    known = labels < K
    return functional.cross_entropy(logits[known, :K], labels[known])


def margin(logits: Scores) -> Scores:
    """Score of the further output: log odds of not being unknown."""
    return energy(logits) - logits[:, K]


def energy(logits: Scores) -> Scores:
    """Score: logsumexp of the known logits."""
    return np.asarray(np.logaddexp.reduce(logits[:, :K], axis=1))


def confidence(logits: Scores) -> Scores:
    """Score: the difference of the logits, monotone in the largest probability."""
    return np.asarray(np.abs(logits[:, 0] - logits[:, 1]))


def largest(logits: Scores) -> Scores:
    """Score: the largest sigmoid's logit."""
    return np.asarray(logits[:, :K].max(1))


@dataclass(frozen=True)
class Method:
    """How a network is trained to say unknown, and what says it."""

    loss: Loss
    score: Score
    with_features: bool = False
    """Whether distances of features are measured too."""


METHODS = {
    "plain, top probability": Method(no_exposure, confidence),
    "plain, energy": Method(no_exposure, energy),
    "further output": Method(further_output, margin, with_features=True),
    "outlier exposure, top probability": Method(uniform_exposure, confidence),
    "energy with margins": Method(energy_exposure, energy),
    "one against rest": Method(one_against_rest, largest, with_features=True),
    "further output and one against rest": Method(further_sigmoid, largest, with_features=True),
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one method came to on one split."""

    method: str
    seed: int
    auroc: float
    fpr_at_95_tpr: float
    accuracy: float
    known: int
    """Pictures of the two classes."""
    unknown: int
    """Pictures of no class."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """The photos of one seed, as pools."""

    data: TrainingData
    test: Pool
    """The two classes' other tracks."""
    unknown: Pool
    """All pictures of the other 41 classes."""


def split(photos: Photos, seed: int, device: torch.device) -> Split:
    """70 % of the two classes' tracks to train on, the others to test."""
    draws, chosen = np.random.default_rng(seed), np.zeros(len(photos.labels), bool)
    for number in PRIORITY_STOP:
        tracks = np.unique(photos.tracks[photos.labels == number])
        kept = draws.permutation(tracks)[: round(TRAIN_SHARE * len(tracks))]
        chosen |= (photos.labels == number) & np.isin(photos.tracks, kept)
    labels = priority_stop_labels(photos)

    def pool(mask: NDArray[np.bool_]) -> Pool:
        return photos.pool(np.flatnonzero(mask), labels)

    train, known = pool(chosen), labels < K
    negatives = render_negatives(len(train), SIZE, seed, exclude=KNOWN_DESIGNS)
    data = TrainingData(
        train=train,
        val=pool(known & ~chosen),
        rendered=whole_pool(negatives, np.full(len(negatives), K)),
        held_out=empty_pool(SIZE),
        folder=empty_pool(SIZE),
        class_weights=np.ones(K, np.float32),
    )
    data = to_device(data, device)
    return Split(data=data, test=data.val, unknown=pool(~known))


def train_with(
    loss: Loss, data: TrainingData, config: ResolvedConfig, device: torch.device
) -> nn.Module:
    """A ResNet-18 from signwise's own loop with another loss."""
    torch.manual_seed(config.seed)
    network = build_model("resnet18", K + 1, SIZE, "none").to(device)
    network.to(memory_format=layout(network))
    state = make_train_state(network, config)
    for epoch in range(1, config.epochs + 1):
        run_epoch(state, data, config, epoch, device, loss=loss)
    return state.averaged


def features(network: nn.Module, pool: Pool, device: torch.device) -> Scores:
    """What enters the head, of unit length, (P, D)."""
    body = build_model("resnet18", K + 1, SIZE, "none").to(device)
    body.load_state_dict(network.state_dict())
    body.set_submodule("fc", nn.Identity())
    found = network_logits(body, pool, device)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


def nearest(train: Scores, asked: Scores) -> Scores:
    """Cosine similarity to the tenth nearest training picture (Sun et al., 2022)."""
    near = torch.from_numpy(asked) @ torch.from_numpy(train).T
    return near.topk(min(NEIGHBOUR, len(train)), 1).values[:, -1].numpy()


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Every method on one split."""

    split: Split
    config: ResolvedConfig
    device: torch.device
    rows: list[Row] = field(default_factory=list)
    trained: dict[Loss, nn.Module] = field(default_factory=dict)
    """Two methods may share a network."""

    def run(self, name: str) -> None:
        """Train, if that is not done yet, and add the rows of the method."""
        method, data, device = METHODS[name], self.split.data, self.device
        if method.loss not in self.trained:
            self.trained[method.loss] = train_with(method.loss, data, self.config, device)
        network = self.trained[method.loss]
        pools = (self.split.test, self.split.unknown)
        known, other = (network_logits(network, pool, device) for pool in pools)
        right = float((known[:, :K].argmax(1) == self.split.test.labels).mean())
        scores = (method.score(known), method.score(other))
        self._note(name, *scores, right)
        if not method.with_features:
            return
        bank = features(network, data.train, device)
        near, far = (nearest(bank, features(network, pool, device)) for pool in pools)
        self._note(f"{name}: nearest features", near, far, right)
        unit, unit_near = scores[0].std(), near.std()
        sums = (scores[0] / unit + near / unit_near, scores[1] / unit + far / unit_near)
        self._note(f"{name}: score and features", *sums, right)

    def _note(self, method: str, known: Scores, other: Scores, right: float) -> None:
        area, false_accepts = auroc(known, other).value, fpr_at_tpr(known, other).value
        assert area is not None
        assert false_accepts is not None
        row = Row(
            method=method,
            seed=self.config.seed,
            auroc=area,
            fpr_at_95_tpr=false_accepts,
            accuracy=right,
            known=len(known),
            unknown=len(other),
        )
        self.rows.append(row)
        say("compare", row)


def recipe(epochs: int, seed: int) -> ResolvedConfig:
    """As in LOG.md: neither an average nor an easier beginning."""
    return ResolvedConfig(
        epochs=epochs,
        image_size=SIZE,
        weights="none",
        seed=seed,
        batch_size=64,
        optim=OptimConfig(average_decay=0),
        augmentation=AugmentationConfig(easy_epochs=0),
        pictures=PicturesConfig(kind="signs"),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, compare, print means over the seeds."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    options = parser.parse_args(arguments)
    device = best_device()
    photos, start = read_photos(options.photos, SIZE), time.perf_counter()
    rows: list[Row] = []
    for seed in range(options.seeds):
        config = recipe(options.epochs, seed)
        compared = Comparison(split=split(photos, seed, device), config=config, device=device)
        for name in options.methods:
            compared.run(name)
        rows += compared.rows
    mean = {
        method: {
            key: float(np.mean([getattr(row, key) for row in rows if row.method == method]))
            for key in ("auroc", "fpr_at_95_tpr", "accuracy")
        }
        for method in dict.fromkeys(row.method for row in rows)
    }
    print(json.dumps({"seconds": seconds_since(start), "seeds": options.seeds, "mean": mean}))


if __name__ == "__main__":
    main()
