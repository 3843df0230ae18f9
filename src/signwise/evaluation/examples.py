"""Which pictures a report shows: the worst mistakes, doubted labels, wrongly accepted pictures."""

from collections import Counter

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from signwise.data.images import read_image
from signwise.errors import UnreadableImage
from signwise.evaluation.pictures import Answers, Pictures, UnknownAnswers
from signwise.inference.explain import occlusion_map
from signwise.inference.predictor import Predictor
from signwise.metrics.selective import accepted
from signwise.report.evaluation_page import LabelReview, ShownPicture

SHOWN = 24
LEAST_SURE = 6
MOST_OF_A_GROUP = 2
EXPLAINED = 12
"""Heat maps of pictures of 32 pixels; of larger ones, as many as cost the same."""


def pick_mistakes(predictor: Predictor, pictures: Pictures, answers: Answers) -> list[ShownPicture]:
    """The surest mistakes or, where there is none, the pictures that the model is least sure of.

    At most `MOST_OF_A_GROUP` that belong together; the first ones with a heat map.
    """
    confidence = answers.probabilities.max(axis=1)
    wrong = np.flatnonzero(answers.probabilities.argmax(axis=1) != pictures.labels)
    groups = list(pictures.table["group"])
    if len(wrong):
        rows = _varied(wrong[np.argsort(-confidence[wrong], kind="stable")], groups)[:SHOWN]
    else:
        rows = _varied(np.argsort(confidence, kind="stable"), groups)[:LEAST_SURE]
    explained = rows[: _number_explained(predictor.image_size)]
    heat = occlusion_map(predictor, pictures.pixels[explained])
    maps = dict(zip(explained.tolist(), heat, strict=True))
    return [show_picture(predictor, pictures, answers, row, maps.get(row)) for row in rows.tolist()]


def show_picture(
    predictor: Predictor,
    pictures: Pictures,
    answers: Answers,
    row: int,
    heat: NDArray[np.float32] | None = None,
) -> ShownPicture:
    """One of the N pictures, with what the model answered."""
    probabilities, known = answers.probabilities[row], answers.known[row]
    return ShownPicture(
        pixels=pictures.pixels[row],
        path=str(pictures.table["path"].iloc[row]),
        label=str(pictures.table["label"].iloc[row]),
        answer=predictor.classes[int(probabilities.argmax())],
        confidence=float(probabilities.max()),
        known=float(known),
        accepted=bool(accepted(known, predictor.threshold)),
        heat=heat,
    )


def review_labels(
    predictor: Predictor,
    pictures: Pictures,
    answers: Answers,
    flagged: pd.DataFrame | None,
    seen: int,
) -> LabelReview | None:
    """The labels that `find_label_errors` doubts; None where it can't judge them.

    seen: how many of the N pictures were trained on.
    """
    if flagged is None:
        return None
    return LabelReview(
        judged=len(pictures.labels) - seen,
        seen=seen,
        doubted=len(flagged),
        shown=[show_picture(predictor, pictures, answers, row) for row in flagged.index[:SHOWN]],
    )


def pick_accepted(predictor: Predictor, unknown: UnknownAnswers) -> list[ShownPicture]:
    """The pictures of no class that are accepted, the surest first."""
    rows = np.flatnonzero(accepted(unknown.known, predictor.threshold))
    shown = []
    for row in rows[np.argsort(-unknown.known[rows], kind="stable")][:SHOWN]:
        path = unknown.paths[row]
        try:
            pixels = read_image(path, predictor.image_size, crop=predictor.crop)
        except UnreadableImage:  # it was there when it was scored
            continue
        probabilities = unknown.probabilities[row]
        shown.append(
            ShownPicture(
                pixels=pixels,
                path=path,
                label=None,
                answer=predictor.classes[int(probabilities.argmax())],
                confidence=float(probabilities.max()),
                known=float(unknown.known[row]),
                accepted=True,
            )
        )
    return shown


def _varied(rows: NDArray[np.intp], groups: list[str]) -> NDArray[np.intp]:
    """The rows in their order, but the third of a group and those after it: they show one sign."""
    met: Counter[str] = Counter()
    kept = []
    for row in rows.tolist():
        met[groups[row]] += 1
        if met[groups[row]] <= MOST_OF_A_GROUP:
            kept.append(row)
    return np.array(kept, np.intp)


def _number_explained(size: int) -> int:
    # A map takes hundreds of passes through the network, and a pass grows with the square of S.
    return max(2, EXPLAINED * 32**2 // max(size, 32) ** 2)
