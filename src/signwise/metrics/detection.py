"""How well a score tells positives from negatives: pure functions of two sets of scores."""

import numpy as np
import sklearn.metrics
from numpy.typing import ArrayLike

from signwise.metrics.rates import Z95, rate
from signwise.metrics.selective import accepted
from signwise.results import Interval, Rate, UnknownFigures


def auroc(positive: ArrayLike, negative: ArrayLike) -> Rate:
    """Chance that a positive scores above a negative, ties half.

    n counts the negatives. Interval: Newcombe 2006, "Confidence intervals for an effect size
    measure based on the Mann-Whitney statistic, Part 2", method 5, which stays open at 1.
    """
    high, low = np.asarray(positive, np.float64), np.asarray(negative, np.float64)
    if len(high) == 0 or len(low) == 0:
        return Rate(value=None, n=len(low), ci95=None)
    positives = np.repeat([True, False], [len(high), len(low)])
    value = float(sklearn.metrics.roc_auc_score(positives, np.concatenate((high, low))))
    return Rate(value=value, n=len(low), ci95=_auroc_interval(value, len(high), len(low)))


def _auroc_interval(value: float, positives: int, negatives: int) -> Interval:
    middle = (positives + negatives) / 2 - 1

    def outside(truth: float) -> bool:
        spread = 1 + middle * ((1 - truth) / (2 - truth) + truth / (1 + truth))
        variance = truth * (1 - truth) / (positives * negatives) * spread
        return abs(value - truth) > Z95 * float(np.sqrt(variance))

    bounds = []
    for end in (0.0, 1.0):
        far, near = end, value
        for _ in range(60):
            half = (far + near) / 2
            far, near = (half, near) if outside(half) else (far, half)
        bounds.append(near)
    return (bounds[0], bounds[1])


def fpr_at_tpr(positive: ArrayLike, negative: ArrayLike, tpr: float = 0.95) -> Rate:
    """Share of negatives accepted at the strictest threshold that keeps `tpr` of the positives.

    n counts the negatives.
    """
    high, low = np.sort(np.asarray(positive))[::-1], np.asarray(negative)
    if len(high) == 0:
        return Rate(value=None, n=len(low), ci95=None)
    threshold = high[int(np.ceil(tpr * len(high) - 1e-9)) - 1]
    return rate(int((low >= threshold).sum()), len(low))


def unknown_figures(
    known: ArrayLike,
    unknown: ArrayLike,
    threshold: float,
    *,
    seen_in_training: int | None = None,
) -> UnknownFigures:
    """How the score tells pictures of the classes, `known` (N,), from others, `unknown` (M,).

    Positive is a picture of the classes; n counts M.
    """
    scores = np.asarray(unknown)
    count = int(accepted(scores, threshold).sum())
    return UnknownFigures(
        n=len(scores),
        n_known=len(np.asarray(known)),
        auroc=auroc(known, scores),
        fpr_at_95_tpr=fpr_at_tpr(known, scores),
        acceptance=rate(count, len(scores)),
        accepted=count,
        threshold=threshold,
        seen_in_training=seen_in_training,
    )
