"""Likely label errors, by what a model that did not learn from the pictures makes of them."""

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from signwise import html, metrics
from signwise.errors import require_extra
from signwise.evaluation.pictures import Pictures
from signwise.evaluation.wording import short_path
from signwise.html import Html

LEAST_BALANCED_ACCURACY = 0.8
"""A model that is less often right is no judge of labels."""
SHOWN = 24


def likely_errors(
    labels: NDArray[np.int_], probabilities: NDArray[np.floating]
) -> NDArray[np.intp]:
    """The pictures whose label is likely wrong, the likeliest first.

    labels (N,), and out-of-sample probabilities (N, K): of a model that did not learn from these
    pictures. Northcutt, Jiang and Chuang,
    "Confident learning", JAIR 70, 2021.
    """
    require_extra("train", "cleanlab")
    with warnings.catch_warnings():
        # It warns of classes with few pictures, and takes those it can judge; tqdm, which it
        # imports, warns of a missing progress bar for notebooks that it does not show here.
        warnings.filterwarnings("ignore", module="cleanlab")
        warnings.filterwarnings("ignore", message="IProgress not found")
        from cleanlab.filter import find_label_issues

        found: NDArray[np.intp] = find_label_issues(
            labels,
            probabilities,
            filter_by="confident_learning",
            return_indices_ranked_by="self_confidence",
            n_jobs=1,
        )
    return found


def find_label_suspects(
    pictures: Pictures, probabilities: NDArray[np.float32], fresh: NDArray[np.bool_]
) -> pd.DataFrame | None:
    """Likely label errors among the pictures that were not trained on, the likeliest first.

    The index is the row of the picture. None where some class has no such picture, so that what is
    usual for it is not known, and where the model is too often wrong to judge labels.
    """
    rows = np.flatnonzero(fresh)
    labels, classes = pictures.labels[rows], probabilities.shape[1]
    if len(set(labels)) < classes:
        return None
    confusion = metrics.confusion_matrix(labels, probabilities[rows].argmax(axis=1), classes)
    if metrics.balanced_accuracy(confusion)["value"] < LEAST_BALANCED_ACCURACY:
        return None
    found = rows[likely_errors(labels, probabilities[rows].astype(np.float64))]
    table = pictures.table.iloc[found]
    return pd.DataFrame(
        {
            "path": table["path"],
            "label": table["label"],
            "reason": "likely label error",
            "detail": [
                f"its label {probabilities[row, pictures.labels[row]]:.3f}, "
                f"another class {probabilities[row].max():.3f}"
                for row in found
            ],
            "other": "",
        }
    )


def label_errors_section(
    classes: Sequence[str],
    pictures: Pictures,
    probabilities: NDArray[np.float32],
    suspects: pd.DataFrame | None,
    seen: int | None,
) -> Html:
    """The pictures whose label the model doubts, and what to do with them.

    classes: the model's; probabilities (N, K); seen: how many of the N were trained on, and so not
    judged.
    """
    heading = "Labels worth a look"
    if suspects is None:
        return html.section(
            heading,
            html.paragraph(
                "Not judged: that takes, of every class, pictures of which it is known that the "
                "model was not trained on them, and a balanced accuracy of "
                f"{LEAST_BALANCED_ACCURACY:.0%}."
            ),
        )
    judged = len(pictures.labels) - (seen or 0)
    rest = f" {seen:,} more were trained on, and are not judged." if seen else ""
    if suspects.empty:
        return html.section(
            heading, html.paragraph(f"None of {judged:,} labels is likely wrong.{rest}")
        )
    items = [
        (
            html.whole_pixels(pictures.pixels[row]),
            f"labelled {label}\nlooks like "
            f"{classes[int(probabilities[row].argmax())]}\n{short_path(path)}",
        )
        for row, label, path in zip(
            suspects.index[:SHOWN], suspects["label"], suspects["path"], strict=False
        )
    ]
    count = f"{len(suspects):,} of {judged:,} labels are likely wrong"
    if len(suspects) > SHOWN:
        count += f", the likeliest {SHOWN} are shown"
    return html.section(
        heading,
        html.paragraph(
            f"{count} (confident learning).{rest} Look at each. Where a label is wrong, correct it "
            "at its source, or leave the picture out: keep its row alone in suspects.csv and run "
            "prepare with --exclude suspects.csv. To drop test pictures because the model "
            "disagrees would make its figures too good."
        ),
        html.thumbnails(items, cell=110),
    )
