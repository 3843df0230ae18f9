"""How well a score tells positives from negatives: pure functions of two sets of scores."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from signwise.metrics import Z95, Interval, rate


def auroc(positive: ArrayLike, negative: ArrayLike) -> dict[str, Any]:
    """Chance that a positive scores above a negative, ties half, as `{value, n, ci95}`.

    n counts the negatives. Interval: Newcombe 2006, "Confidence intervals for an effect size
    measure based on the Mann-Whitney statistic, Part 2", method 5, which stays open at 1.
    """
    high, low = np.asarray(positive, np.float64), np.sort(np.asarray(negative, np.float64))
    if len(high) == 0 or len(low) == 0:
        return {"value": None, "n": len(low), "ci95": None}
    below = np.searchsorted(low, high, "left").astype(np.float64)
    ties = np.searchsorted(low, high, "right") - below
    value = float((below + ties / 2).sum() / (len(high) * len(low)))
    return {"value": value, "n": len(low), "ci95": _auroc_interval(value, len(high), len(low))}


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
    return bounds


def fpr_at_tpr(positive: ArrayLike, negative: ArrayLike, tpr: float = 0.95) -> dict[str, Any]:
    """Share of negatives accepted at the strictest threshold that keeps `tpr` of the positives.

    As `{value, n, ci95}`, n counting the negatives.
    """
    high, low = np.sort(np.asarray(positive))[::-1], np.asarray(negative)
    if len(high) == 0:
        return {"value": None, "n": len(low), "ci95": None}
    threshold = high[int(np.ceil(tpr * len(high) - 1e-9)) - 1]
    return rate(int((low >= threshold).sum()), len(low))
