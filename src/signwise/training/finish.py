"""The end of a run: calibrate, export model.onnx, draw the curves, write the model card."""

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from signwise import metrics, plots
from signwise.config import UNKNOWN, TrainConfig
from signwise.data.images import RESIZE_RULE
from signwise.data.prepared import KNOWN_GROUPINGS, PreparedData
from signwise.files import FORMAT, write_bytes, write_text
from signwise.training.batches import TrainingData
from signwise.training.calibrate import calibrate, fit_threshold, notes_on
from signwise.training.card import model_card
from signwise.training.deployed import read_logits
from signwise.training.export import COMPARED_PICTURES, export_onnx
from signwise.training.loop import Epoch, network_logits


def versions() -> dict[str, str]:
    """The versions that decide what a run computes."""
    names = ("signwise", "torch", "torchvision", "numpy", "pillow", "onnxruntime")
    return {"python": platform.python_version()} | {name: version(name) for name in names}


def write_results(
    out: Path,
    network: nn.Module,
    data: TrainingData,
    config: TrainConfig,
    prepared: PreparedData,
    history: list[Epoch],
    best_epoch: int,
) -> tuple[dict[str, Any], list[str], NDArray[np.float32]]:
    """Calibrate on the validation set, export, draw and describe, with the network on the CPU.

    Gives the figures, the warnings, and the probabilities (N, K) of the N validation pictures. The
    model card is written last: where it stands, the run is complete.
    """
    labels = data.labels[data.val_rows]
    logits = network_logits(network, data.pixels, data.val_rows, torch.device("cpu"))
    own = logits[:, : data.classes].astype(np.float64)
    calibration = calibrate(own, labels, data.class_weights)
    temperature, offsets = calibration.temperature, calibration.offsets.tolist()
    warnings = list(notes_on(own, labels, calibration))
    probabilities, known = (
        answer.numpy()
        for answer in read_logits(torch.from_numpy(logits), temperature, torch.tensor(offsets))
    )
    threshold = fit_threshold(known, config.keep_known) if data.exposed else 0.0
    if not data.exposed and config.keep_known != TrainConfig().keep_known:
        warnings.append("--keep-known has no effect: with --unknown none nothing is refused")
    right = probabilities.argmax(1) == labels
    correct = int(right.sum())
    interval = metrics.wilson_interval(correct, len(labels))
    assert interval is not None, "train checks that there are validation pictures"
    grouped = None
    if prepared.grouping in KNOWN_GROUPINGS:
        grouped = metrics.grouped_bootstrap(right, prepared.table["group"].iloc[data.val_rows])
    figures = {
        "validation": {
            "n": len(labels),
            "correct": correct,
            "accuracy": correct / len(labels),
            "accuracy_ci95": list(interval),
            "accuracy_ci95_grouped": grouped,
            "refused": int((known < threshold).sum()),
        },
        "best_epoch": best_epoch,
        "notes": warnings,
    }
    metadata = {
        "format": FORMAT,
        "signwise_version": versions()["signwise"],
        "classes": list(prepared.classes),
        "image_size": data.pixels.shape[1],
        "resize": RESIZE_RULE,
        "temperature": temperature,
        "offsets": offsets,
        "threshold": threshold,
        "unknown": config.unknown if config.unknown in UNKNOWN else "folder",
        "model": config.model,
        "data_sha256": prepared.sha256,
        "grouping": prepared.grouping,
        "figures": figures,
    }
    some = data.val_rows[:: max(1, len(labels) // COMPARED_PICTURES)]
    difference = export_onnx(network, out / "model.onnx", np.asarray(data.pixels[some]), metadata)
    write_bytes(
        out / "curves.png",
        plots.curves(
            {name: [row.to_json()[name] for row in history] for name in history[0].to_json()}
        ),
    )
    write_text(
        out / "README.md",
        model_card(metadata, config, prepared, data, history, difference, warnings),
    )
    return figures, warnings, probabilities
