"""The pictures of a report: the worst mistakes, where the model looked, and strangers let in."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signwise import html, metrics, plots
from signwise.data.images import read_image
from signwise.errors import UnreadableImage
from signwise.evaluation.explain import occlusion_map
from signwise.evaluation.heat import overlay
from signwise.evaluation.pictures import Answers, Pictures, Strangers
from signwise.evaluation.wording import between, counted, number, percent, score, short_path
from signwise.html import Html
from signwise.inference.predictor import Predictor

SHOWN = 24
MOST_OF_A_GROUP = 2
EXPLAINED = 12
GAP = 1 / 16
"""Between a picture and its heat map, as a share of the side."""


def mistakes_section(predictor: Predictor, pictures: Pictures, answers: Answers) -> Html:
    """The most confident mistakes, or the least sure pictures where there is none."""
    probabilities, known = answers.probabilities, answers.known
    predicted = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != pictures.labels)
    groups = pictures.table["group"].to_numpy()
    if len(wrong):
        shown = _varied(wrong[np.argsort(-confidence[wrong], kind="stable")], groups)[:SHOWN]
        heading = "What it got wrong"
        share = metrics.rate(len(wrong), len(predicted))
        text = (
            f"{counted(len(wrong), len(predicted))} pictures, {percent(share['value'])} (95 % "
            f"interval {between(share['ci95'])} by picture). "
        )
        text += (
            f"{len(shown)} of them are shown, the surest first, at most {MOST_OF_A_GROUP} that "
            "belong together."
            if len(shown) < len(wrong)
            else "The surest mistake comes first."
        )
    else:
        shown = _varied(np.argsort(confidence, kind="stable"), groups)[:6]
        heading = "What it was least sure of"
        text = f"It was wrong on none of {len(predicted):,} pictures. These were the least sure:"
    explained = _number_explained(predictor.image_size, len(shown))
    heat = occlusion_map(predictor, pictures.pixels[shown[:explained]])
    items = []
    for position, row in enumerate(shown):
        picture = html.whole_pixels(pictures.pixels[row])
        if position < explained:
            picture = _side_by_side(picture, overlay(picture, heat[position]))
        refused = known[row] < np.float32(predictor.threshold)
        caption = (
            f"{pictures.table['label'][row]}, taken for {predictor.classes[predicted[row]]}\n"
            if predicted[row] != pictures.labels[row]
            else f"{pictures.table['label'][row]}\n"
        )
        caption += f"confidence {confidence[row]:.3f}"
        if predictor.threshold > 0:
            caption += f", known {known[row]:.3f}" + (", refused" if refused else "")
        caption += "\n"
        items.append((picture, caption + short_path(str(pictures.table["path"][row]))))
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
        items.append((html.whole_pixels(picture), caption + short_path(path)))
    n = f"n = {figures['n']:,} against {figures['n_known']:,} known"
    parts = [
        html.figures(
            [
                (
                    "AUROC",
                    score(figures["auroc"]),
                    f"{n}; 95 % interval "
                    f"{score(figures['auroc_ci95'][0])} to {score(figures['auroc_ci95'][1])} "
                    "by picture",
                ),
                (
                    "Let in where 95 % of the known are kept",
                    percent(figures["fpr_at_95_tpr"]),
                    f"{counted(round(figures['fpr_at_95_tpr'] * figures['n']), figures['n'])}; "
                    f"95 % interval {between(figures['fpr_at_95_tpr_ci95'])} by picture",
                ),
                (
                    "Let in at the threshold",
                    percent(figures["acceptance_rate"]),
                    f"{counted(figures['accepted'], figures['n'])}; 95 % interval "
                    f"{between(figures['acceptance_rate_ci95'])} by picture",
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


def _varied(rows: NDArray[np.intp], groups: NDArray[Any]) -> NDArray[np.intp]:
    """The rows in their order, but the third of a group and those after it: they show one sign."""
    met: Counter[str] = Counter()
    kept = []
    for row in rows.tolist():
        met[groups[row]] += 1
        if met[groups[row]] <= MOST_OF_A_GROUP:
            kept.append(row)
    return np.array(kept, np.intp)


def _number_explained(size: int, most: int) -> int:
    # A map takes hundreds of passes through the network, and a pass grows with the square of S.
    return min(most, max(2, EXPLAINED * 32**2 // max(size, 32) ** 2))


def _side_by_side(picture: NDArray[np.uint8], heat: NDArray[np.uint8]) -> NDArray[np.uint8]:
    both = np.concatenate([picture, heat], axis=1)
    opaque = np.concatenate([both, np.full_like(both[..., :1], 255)], axis=2)
    # What is between them lets the page's own colour through, light or dark.
    gap = np.zeros((len(picture), max(1, round(len(picture) * GAP)), 4), np.uint8)
    side = len(picture)
    return np.concatenate([opaque[:, :side], gap, opaque[:, side:]], axis=1)
