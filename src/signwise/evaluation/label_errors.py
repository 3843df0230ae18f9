"""Likely label errors, by the answers of a model that did not learn from the pictures."""

import warnings

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from signwise.errors import require_extra
from signwise.evaluation.pictures import Pictures
from signwise.metrics.classification import balanced_accuracy, confusion_matrix

LEAST_BALANCED_ACCURACY = 0.8
"""A model that is less often right is no judge of labels."""


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


def find_label_errors(
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
    confusion = confusion_matrix(labels, probabilities[rows].argmax(axis=1), classes)
    if (balanced_accuracy(confusion).value or 0) < LEAST_BALANCED_ACCURACY:
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
