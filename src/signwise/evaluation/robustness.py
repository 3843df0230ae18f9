"""How a model holds up under the 15 common corruptions: the sweep, and its part of the report."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signwise import html, metrics, plots
from signwise.evaluation.corruptions import CORRUPTIONS, SEVERITIES, corrupt
from signwise.evaluation.wording import between, counted, percent
from signwise.html import Html
from signwise.inference.predictor import Predictor
from signwise.progress import track

CHUNK = 512
"""Pictures corrupted at once, to bound memory."""

OVERLAPS = {
    "gaussian_noise": "noise",
    "shot_noise": "noise",
    "impulse_noise": "noise",
    "defocus_blur": "blur",
    "glass_blur": "blur",
    "motion_blur": "blur",
    "zoom_blur": "blur",
    "fog": "haze",
    "brightness": "light",
    "contrast": "light",
    "pixelate": "low resolution",
    "elastic_transform": "small rotations, shears and shifts",
    "jpeg_compression": "JPEG compression",
}
"""Corruptions of a kind that training shows as well, by other functions: its augmentation or, as
JPEG compression, its rendered photos."""


def measure_corruptions(
    predictor: Predictor,
    labels: NDArray[np.int64],
    pixels: NDArray[np.uint8],
    groups: Sequence[str] | None,
    seed: int,
) -> dict[str, Any]:
    """Accuracy for each corruption and severity, and the mean over all cells.

    labels (N,), pixels (N, S, S, 3), groups (N,) where they are known. The 75 versions of a picture
    are no independent trials: the mean's interval is Wilson's with the number of pictures as n, and
    by group that of the pictures' own means.
    """
    cells: dict[str, dict[str, Any]] = {}
    hits = np.zeros(len(labels), np.int64)
    with track("Corruptions", len(CORRUPTIONS) * len(SEVERITIES)) as advance:
        for name in CORRUPTIONS:
            cells[name] = {}
            for severity in SEVERITIES:
                correct = refused = 0
                for start in range(0, len(pixels), CHUNK):
                    part = slice(start, start + CHUNK)
                    corrupted = corrupt(pixels[part], name, severity, seed + start)
                    probabilities, known = predictor.scores(corrupted)
                    right = probabilities.argmax(axis=1) == labels[part]
                    hits[part] += right
                    correct += int(right.sum())
                    refused += int((known < np.float32(predictor.threshold)).sum())
                cells[name][str(severity)] = {
                    "accuracy": correct / len(labels),
                    "n": len(labels),
                    "correct": correct,
                    "ci95": metrics.wilson_interval(correct, len(labels)),
                    "refused": refused,
                }
                advance(1)
    every = [cell for row in cells.values() for cell in row.values()]
    mean = float(np.mean([cell["accuracy"] for cell in every]))
    refused_mean = float(np.mean([cell["refused"] for cell in every])) / len(labels)
    grouped = (
        None if groups is None else metrics.grouped_bootstrap(hits / len(every), groups, seed=seed)
    )
    return {
        "n": len(labels),
        "mean_accuracy": mean,
        "mean_accuracy_ci95": metrics.wilson_interval(mean * len(labels), len(labels)),
        "mean_accuracy_ci95_grouped": grouped,
        "mean_refused": refused_mean,
        "mean_refused_ci95": metrics.wilson_interval(refused_mean * len(labels), len(labels)),
        "seed": seed,
        "frost": "rendered",
        "overlaps_with_training": OVERLAPS,
        "cells": cells,
    }


def robustness_section(figures: dict[str, Any], clean_accuracy: float | None) -> Html:
    """The heat map, the table behind it, and what has to be known to read them."""
    cells = figures["cells"]
    table = [[row[str(severity)]["accuracy"] for severity in SEVERITIES] for row in cells.values()]
    worst, severity = min(
        ((name, severity) for name in cells for severity in SEVERITIES),
        key=lambda cell: cells[cell[0]][str(cell[1])]["accuracy"],
    )
    lowest = cells[worst][str(severity)]
    grouped = figures["mean_accuracy_ci95_grouped"]
    rows = [
        [_shown(name), OVERLAPS.get(name, ""), *(_cell(row[str(level)]) for level in SEVERITIES)]
        for name, row in cells.items()
    ]
    kinds = ", ".join(dict.fromkeys(OVERLAPS.values()))
    return html.section(
        "How it holds up when pictures get worse",
        html.paragraph(
            f"Mean accuracy over 75 cells {percent(figures['mean_accuracy'])}"
            f" (n = {figures['n']:,} pictures in each; 95 % interval"
            f" {between(figures['mean_accuracy_ci95'])} by picture"
            + ("" if grouped is None else f", {between(grouped)} by sign or group")
            + f"; undisturbed {percent(clean_accuracy)}; refused at the threshold"
            f" {percent(figures['mean_refused'])}, {between(figures['mean_refused_ci95'])})."
            f" {_worst_text(worst, severity, lowest)}"
        ),
        html.image(
            plots.corruption_heatmap(
                [_shown(name) + (" *" if name in OVERLAPS else "") for name in cells], table
            ),
            "Accuracy by corruption and severity",
            f"Accuracy in per cent, n = {figures['n']:,} pictures in each cell; the 15 common"
            " corruptions of Hendrycks and Dietterich (2019), severities for small pictures."
            " Frost is rendered, not photographed. * Training shows disturbances of this kind too.",
        ),
        html.note(
            f"Training shows the model pictures with disturbances of these kinds too: {kinds}. They"
            " come from other functions than the corruptions here, but where the kind is the same,"
            " at the names with a star, the cells say less about disturbances never met."
        ),
        html.details(
            "Every cell with its interval",
            html.table(
                ["corruption", "kind met in training", *(f"severity {s}" for s in SEVERITIES)], rows
            ),
        ),
    )


def _worst_text(name: str, severity: int, cell: dict[str, Any]) -> str:
    if cell["accuracy"] == 1:
        return "No cell is below 100 %."
    return (
        f"The worst: {_shown(name)} at severity {severity},"
        f" {counted(cell['correct'], cell['n'])} right, {percent(cell['accuracy'])}"
        f" (95 % interval {between(cell['ci95'])} by picture; {cell['refused']:,} refused)."
    )


def _shown(name: str) -> str:
    return {"jpeg_compression": "JPEG compression"}.get(name, name.replace("_", " "))


def _cell(cell: dict[str, Any]) -> str:
    return f"{percent(cell['accuracy'])} ({between(cell['ci95'])}), {cell['refused']:,} refused"
