"""The pictures of a report: the worst mistakes, where the model looked, and strangers let in."""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signwise import html, plots
from signwise.data.images import read_image
from signwise.errors import UnreadableImage
from signwise.evaluation.explain import occlusion_map
from signwise.evaluation.heat import overlay
from signwise.evaluation.pictures import Answers, Pictures, Strangers
from signwise.evaluation.wording import between, counted, number, percent
from signwise.html import Html
from signwise.inference.predictor import Predictor, printable_path

SHOWN = 24
EXPLAINED = 12
GAP = 1 / 16
"""Between a picture and its heat map, as a share of the side."""


def mistakes_section(predictor: Predictor, pictures: Pictures, answers: Answers) -> Html:
    """The most confident mistakes, or the least sure pictures where there is none."""
    probabilities, known = answers.probabilities, answers.known
    predicted = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != pictures.labels)
    if len(wrong):
        shown = wrong[np.argsort(-confidence[wrong], kind="stable")][:SHOWN]
        heading = "What it got wrong"
        text = (
            f"{counted(len(wrong), len(predicted))} pictures; "
            f"the {len(shown)} of which it was surest come first."
            if len(shown) < len(wrong)
            else f"All {counted(len(wrong), len(predicted))} pictures, the surest mistake first."
        )
    else:
        shown = np.argsort(confidence, kind="stable")[:6]
        heading = "What it was least sure of"
        text = f"It was wrong on none of {len(predicted):,} pictures. These were the least sure:"
    explained = _number_explained(predictor.image_size, len(shown))
    heat = occlusion_map(predictor, pictures.pixels[shown[:explained]])
    items = []
    for position, row in enumerate(shown):
        picture = _readable(pictures.pixels[row])
        if position < explained:
            picture = _side_by_side(picture, overlay(picture, heat[position]))
        refused = known[row] < np.float32(predictor.threshold)
        caption = (
            f"{pictures.table['label'][row]}, taken for {predictor.classes[predicted[row]]}\n"
            if predicted[row] != pictures.labels[row]
            else f"{pictures.table['label'][row]}\n"
        )
        caption += f"confidence {confidence[row]:.3f}, known {known[row]:.3f}"
        caption += ", refused\n" if refused else "\n"
        items.append((picture, caption + _short(str(pictures.table["path"][row]))))
    return html.section(
        heading,
        html.paragraph(text),
        html.thumbnails(items[:explained], cell=220),
        html.thumbnails(items[explained:], cell=140) if items[explained:] else html.Html(""),
        html.note(
            "Beside a picture: where the model looked. Red parts speak for its answer, blue ones"
            " against it, measured by hiding them"
            + ("." if explained == len(shown) else f"; drawn for the first {explained}.")
        ),
    )


def strangers_section(
    predictor: Predictor,
    figures: dict[str, Any],
    known: NDArray[np.float32],
    strangers: Strangers,
) -> Html:
    """How pictures of no class score beside those of the classes, and which were let in."""
    accepted = np.flatnonzero(strangers.known >= np.float32(predictor.threshold))
    shown = accepted[np.argsort(-strangers.known[accepted], kind="stable")][:SHOWN]
    items = []
    for row in shown:
        path = strangers.paths[row]
        try:
            picture = read_image(path, predictor.image_size)
        except UnreadableImage:  # it was there when it was scored
            continue
        caption = f"taken for {strangers.labels[row]}\nknown {strangers.known[row]:.3f}\n"
        items.append((_readable(picture), caption + _short(path)))
    n = f"n = {figures['n']:,} against {figures['n_known']:,} known"
    parts = [
        html.figures(
            [
                (
                    "AUROC",
                    f"{figures['auroc']:.4f}",
                    f"{n}; 95 % interval "
                    f"{figures['auroc_ci95'][0]:.4f} to {figures['auroc_ci95'][1]:.4f}",
                ),
                (
                    "Let in where 95 % of the known are kept",
                    percent(figures["fpr_at_95_tpr"]),
                    f"{n}; 95 % interval {between(figures['fpr_at_95_tpr_ci95'])}",
                ),
                (
                    "Let in at the threshold",
                    percent(figures["acceptance_rate"]),
                    f"{counted(figures['accepted'], figures['n'])}; 95 % interval "
                    f"{between(figures['acceptance_rate_ci95'])}",
                ),
            ]
        ),
        html.image(
            plots.unknown_histogram(known, strangers.known, predictor.threshold),
            "Histogram of known for pictures of the classes and of none",
            f"Below the threshold, {number(predictor.threshold)}, the answer is unknown.",
        ),
    ]
    if items:
        parts.append(
            html.details(
                f"The {len(items)} strangers that look most like a class to it",
                html.thumbnails(items, cell=110),
            )
        )
    return html.section("What it makes of strangers", *parts)


def _number_explained(size: int, most: int) -> int:
    # A map takes hundreds of passes through the network, and a pass grows with the square of S.
    return min(most, max(2, EXPLAINED * 32**2 // max(size, 32) ** 2))


def _readable(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    # Browsers blur what they enlarge; whole pixels first keep the picture's own grain.
    factor = max(1, 128 // len(pixels))
    return np.repeat(np.repeat(pixels, factor, axis=0), factor, axis=1)


def _side_by_side(picture: NDArray[np.uint8], heat: NDArray[np.uint8]) -> NDArray[np.uint8]:
    both = np.concatenate([picture, heat], axis=1)
    opaque = np.concatenate([both, np.full_like(both[..., :1], 255)], axis=2)
    # What is between them lets the page's own colour through, light or dark.
    gap = np.zeros((len(picture), max(1, round(len(picture) * GAP)), 4), np.uint8)
    side = len(picture)
    return np.concatenate([opaque[:, :side], gap, opaque[:, side:]], axis=1)


def _short(path: str) -> str:
    return "/".join(printable_path(path.replace(os.sep, "/")).split("/")[-2:])
