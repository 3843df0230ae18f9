"""What the recipes share: their flags, their log, and a longer training by signwise's own loop."""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from photos import add_flags
from signwise.config import AugmentationConfig, OptimConfig, PicturesConfig, ResolvedConfig
from signwise.files import Json
from signwise.metrics.detection import auroc, fpr_at_tpr
from signwise.results import Epoch, to_json
from signwise.training.device import layout
from signwise.training.loop import Loss, network_logits, run_epoch
from signwise.training.optim import make_train_state
from signwise.training.pools import TrainingData

REPORTS = 10
"""So often a training tells how far it is."""


@dataclass(frozen=True, kw_only=True)
class NetworkFacts:
    """How a network was made; its file's metadata."""

    size: int
    """Side of its pictures, in pixels."""
    sets: tuple[str, ...]
    """Of tracks, trained on."""
    epochs: int
    seconds: float
    device: str
    widths: tuple[int, ...] = ()
    """Of the small network."""
    machine: str = ""
    """What it was trained on, in words."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """How a network in training does on the pools that measure."""

    wrong: int
    n: int
    """Pictures of the classes."""
    auroc: float | None
    """Of the largest logit, against pictures of no class."""
    fpr_at_95_tpr: float | None
    unknown: int
    """Pictures of no class."""


def recipe_arguments(text: str | None, epochs: int) -> argparse.ArgumentParser:
    """What every recipe takes."""
    parser = argparse.ArgumentParser(description=str(text).splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder with 00000 to 00042")
    parser.add_argument("--work", type=Path, required=True, help="folder for what lies between")
    parser.add_argument("--out", type=Path, required=True, help="folder for the trained network")
    parser.add_argument("--sets", nargs="+", default=["train", "val"], choices=["train", "val"])
    parser.add_argument("--epochs", type=int, default=epochs)
    add_flags(parser)
    return parser


def recipe_config(epochs: int, size: int) -> ResolvedConfig:
    """The settings of a long training in large batches.

    Weights are averaged over some 500 steps (after Izmailov et al., "Averaging Weights Leads to
    Wider Optima", 2018).
    """
    return ResolvedConfig(
        epochs=epochs,
        image_size=size,
        weights="none",
        batch_size=768,
        learning_rate=0.15,
        optim=OptimConfig(average_decay=0.998),
        augmentation=AugmentationConfig(easy_epochs=0),
        pictures=PicturesConfig(kind="signs"),
    )


def fit(
    network: nn.Module,
    data: TrainingData,
    config: ResolvedConfig,
    device: torch.device,
    report: Callable[[Epoch, nn.Module], None],
    *,
    loss: Loss | None = None,
) -> nn.Module:
    """Train by `loop.run_epoch`; gives the averaged network.

    `report` gets an epoch and the average as it is then, ten times.
    """
    network.to(device)
    network.to(memory_format=layout(network))
    state = make_train_state(network, config)
    for number in range(1, config.epochs + 1):
        epoch = run_epoch(state, data, config, number, device, loss=loss)
        if number % max(1, config.epochs // REPORTS) == 0 or number == config.epochs:
            report(epoch, state.averaged)
    return state.averaged


def figures(network: nn.Module, data: TrainingData, device: torch.device) -> Figures:
    """Mistakes on the pool `val`, and how the largest logit tells `held_out` from it."""
    known, other = (
        network_logits(network, pool, device)[:, : data.classes]
        for pool in (data.val, data.held_out)
    )
    return Figures(
        wrong=int((known.argmax(1) != data.val.labels).sum()),
        n=len(known),
        auroc=auroc(known.max(1), other.max(1)).value,
        fpr_at_95_tpr=fpr_at_tpr(known.max(1), other.max(1)).value,
        unknown=len(other),
    )


def best_device() -> torch.device:
    """A GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def say(what: str, *records: object) -> None:
    """One line of JSON with the time of day, for the log of a recipe."""
    line: dict[str, Json] = {"at": time.strftime("%H:%M:%S"), "what": what}
    for record in records:
        fields = to_json(record)
        assert isinstance(fields, dict)
        line |= fields
    print(json.dumps(line), flush=True)


def seconds_since(start: float) -> float:
    """Seconds since a time of `time.perf_counter`."""
    return round(time.perf_counter() - start, 1)
