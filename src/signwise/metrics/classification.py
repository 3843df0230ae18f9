"""How often the largest probability is right, over all pictures and class by class."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from signwise.metrics.rates import interval_of_mean, rate, wilson_interval
from signwise.results import ClassFigures, Interval, Rate


def confusion_matrix(labels: ArrayLike, predicted: ArrayLike, classes: int) -> NDArray[np.int64]:
    """Counts (K, K): row the true class, column the predicted one, each from 0 to K - 1."""
    pairs = np.asarray(labels, np.int64) * classes + np.asarray(predicted, np.int64)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def per_class(confusion: NDArray[np.int64]) -> list[ClassFigures]:
    """Precision, recall and F1 of each class, with intervals by picture.

    F1 is 2J / (1 + J) of J = TP / (TP + FP + FN), a proportion: its interval is Wilson's for J,
    carried through that monotone function, and its n is J's.
    """
    found = []
    for index, row in enumerate(confusion):
        right, support, called = int(row[index]), int(row.sum()), int(confusion[:, index].sum())
        overlap = rate(right, support + called - right)
        f1 = Rate(
            value=None if overlap.value is None else _f1_of_jaccard(overlap.value),
            n=overlap.n,
            ci95=None if overlap.ci95 is None else _both(overlap.ci95),
        )
        found.append(
            ClassFigures(
                precision=rate(right, called), recall=rate(right, support), f1=f1, support=support
            )
        )
    return found


def _f1_of_jaccard(jaccard: float) -> float:
    return 2 * jaccard / (1 + jaccard)


def _both(bounds: Interval) -> Interval:
    return (_f1_of_jaccard(bounds[0]), _f1_of_jaccard(bounds[1]))


def balanced_accuracy(confusion: NDArray[np.int64]) -> Rate:
    """Mean recall over the classes that have pictures; n counts the pictures.

    Interval: `interval_of_mean` of the recalls' Wilson intervals.
    """
    support = confusion.sum(axis=1)
    seen = support > 0
    if not seen.any():
        return Rate(value=None, n=0, ci95=None)
    right = np.diagonal(confusion)[seen]
    recall = right / support[seen]
    intervals = [wilson_interval(int(r), int(n)) for r, n in zip(right, support[seen], strict=True)]
    bounds = [interval for interval in intervals if interval is not None]
    return Rate(
        value=float(recall.mean()), n=int(support.sum()), ci95=interval_of_mean(recall, bounds)
    )
