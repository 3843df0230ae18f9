"""What a finished run leaves: model.onnx with its calibration, curves.png and the model card."""

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from signwise import metrics, plots
from signwise.config import TrainConfig
from signwise.data.images import RESIZE_RULE
from signwise.data.prepared import PreparedData
from signwise.files import write_bytes, write_text
from signwise.training.batches import TrainingData
from signwise.training.calibrate import fit_temperature, fit_threshold, notes_on
from signwise.training.export import FORMAT_VERSION, export_onnx, read_logits
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
) -> tuple[dict[str, Any], list[str]]:
    """Calibrate on the validation set, export, draw and describe; gives figures and warnings.

    The model card is written last: where it stands, the run is complete.
    """
    labels = data.labels[data.val_rows]
    cpu = torch.device("cpu")
    logits = network_logits(network, data.pixels, data.val_rows, cpu)
    wide = logits[:, : data.classes].astype(np.float64)
    temperature = fit_temperature(wide, labels)
    warnings = list(notes_on(wide, labels, temperature))
    known = read_logits(torch.from_numpy(logits), data.classes, temperature)[1].numpy()
    threshold = fit_threshold(known, config.keep_known) if data.exposed else 0.0
    correct = int((wide.argmax(1) == labels).sum())
    interval = metrics.wilson_interval(correct, len(labels))
    assert interval is not None, "train checks that there are validation pictures"
    figures = {
        "validation": {
            "n": len(labels),
            "correct": correct,
            "accuracy": correct / len(labels),
            "accuracy_ci95": list(interval),
            "refused": int((known < threshold).sum()),
        },
        "best_epoch": best_epoch,
        "notes": warnings,
    }
    metadata = {
        "format": FORMAT_VERSION,
        "signwise_version": versions()["signwise"],
        "classes": list(prepared.classes),
        "image_size": data.pixels.shape[1],
        "resize": RESIZE_RULE,
        "temperature": temperature,
        "threshold": threshold,
        "unknown": config.unknown if config.unknown in ("none", "synthetic") else "folder",
        "model": config.model,
        "data_sha256": prepared.sha256,
        "grouping": prepared.grouping,
        "figures": figures,
    }
    pixels = np.asarray(data.pixels[data.val_rows])
    difference = export_onnx(network, out / "model.onnx", pixels, metadata)
    write_bytes(
        out / "curves.png",
        plots.curves(
            {name: [row.to_json()[name] for row in history] for name in history[0].to_json()}
        ),
    )
    write_text(
        out / "README.md", _card(metadata, config, prepared, data, history, difference, warnings)
    )
    return figures, warnings


def _card(
    metadata: dict[str, Any],
    config: TrainConfig,
    prepared: PreparedData,
    data: TrainingData,
    history: list[Epoch],
    difference: float,
    warnings: list[str],
) -> str:
    figures = metadata["figures"]["validation"]
    low, high = figures["accuracy_ci95"]
    counts = prepared.table.groupby(["label", "split"]).size()
    rows = "\n".join(
        f"| {name} | "
        + " | ".join(str(counts.get((name, s), 0)) for s in ("train", "val", "test"))
        + " |"
        for name in prepared.classes
    )
    settings = "\n".join(f"- `{name}`: {value}" for name, value in config.to_json().items())
    notes = "\n".join(f"- {note}" for note in warnings) or "- none"
    seconds = sum(row.seconds for row in history)
    size, best = metadata["image_size"], metadata["figures"]["best_epoch"]
    return f"""# A classifier of {len(prepared.classes)} classes: {", ".join(prepared.classes[:20])}

{config.model}, {size} x {size} pixels, made with signwise {metadata["signwise_version"]}.
`model.onnx` is the file to deploy: it holds the weights, the class names, the preprocessing,
the temperature and the threshold.

## How good it is

Right on {figures["correct"]} of {figures["n"]} validation pictures: {figures["accuracy"]:.2%}
(95 % interval {low:.2%} to {high:.2%}). The weights and the threshold were chosen on these
pictures, so the figure flatters: run `signwise evaluate` for the test set's.

The threshold {metadata["threshold"]:.4f} of `known` refuses {figures["refused"]} of them; the
temperature is {metadata["temperature"]:.3f}. model.onnx differs from the network by at most
{difference:.1e} in any probability.

Notes:

{notes}

## What it was trained on

Pictures by class and split, grouped by {prepared.grouping}; negatives: {config.unknown}
({(data.extra_labels == data.classes).sum()} pictures; besides, where there are any, pictures of
the classes themselves, destroyed or with another centre).

| class | train | validation | test |
|---|---|---|---|
{rows}

Data hash `{prepared.sha256}`.

## What it is for, and what not

It names the one sign that a cropped picture shows, or answers `unknown`. It does not find signs in
a street photo, and it has seen only what is listed above.

## Settings

{len(history)} epochs in {seconds:.0f} s; the best by validation loss was epoch {best}.

{settings}
"""
