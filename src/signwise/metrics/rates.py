"""Shares with their counts and 95 % intervals."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from signwise.results import Interval, Rate

Z95 = 1.959963984540054
"""Two-sided 95 % quantile of the normal distribution."""


def wilson_interval(correct: float, n: float) -> Interval | None:
    """95 % interval of a proportion `correct / n`; None for no trials.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    if n <= 0:
        return None
    share = correct / n
    centre = share + Z95**2 / (2 * n)
    spread = Z95 * np.sqrt(share * (1 - share) / n + Z95**2 / (4 * n**2))
    scale = 1 + Z95**2 / n
    # At 0 and at n the bound is the share itself; rounding must not say otherwise.
    low = 0.0 if correct <= 0 else max(0.0, float((centre - spread) / scale))
    high = 1.0 if correct >= n else min(1.0, float((centre + spread) / scale))
    return (low, high)


def rate(count: int, n: int, ci95_grouped: Interval | None = None) -> Rate:
    """The share `count / n`; value and interval are None where there is nothing to count."""
    return Rate(
        value=count / n if n else None,
        n=n,
        ci95=wilson_interval(count, n),
        ci95_grouped=ci95_grouped,
    )


def grouped_bootstrap(
    correct: ArrayLike, groups: ArrayLike, *, samples: int = 4000, seed: int = 0
) -> Interval | None:
    """95 % interval of the mean of `correct` (N,), when pictures come in `groups` (N,).

    `correct` is bool, or the share of right answers to a picture that was shown several times.

    Pictures of one sign are no independent trials: whole groups are drawn anew (percentile
    bootstrap; Davison and Hinkley 1997, "Bootstrap Methods and their Application", 3.8). Alone it
    would say [1, 1] when nothing is wrong, so it is widened to cover Wilson's interval by picture,
    `_two_stage_error`, and Wilson's interval on the number of groups if nothing were wrong: one
    mistake more makes nobody surer that no group fails as a whole.
    """
    right = np.asarray(correct, dtype=np.float64)
    if len(right) == 0:
        return None
    _, index = np.unique(np.asarray(groups), return_inverse=True)
    size = np.bincount(index.ravel())
    # Sums of shares are rounded, or a group without a mistake would seem to have a tiny one.
    hits = np.bincount(index.ravel(), weights=right).round(9)
    # Groups of the same size and hits are exchangeable, so drawing how often each kind comes up
    # is the same bootstrap, at a cost that does not grow with the number of groups.
    kinds, count = np.unique(np.stack([size, hits], axis=1), axis=0, return_counts=True)
    draws = np.random.default_rng(seed).multinomial(len(size), count / len(size), size=samples)
    means = (draws @ kinds[:, 1]) / (draws @ kinds[:, 0])
    low, high = np.percentile(means, [2.5, 97.5])
    by_picture = wilson_interval(float(right.sum()), len(right))
    perfect = wilson_interval(len(size), len(size))
    assert by_picture is not None
    assert perfect is not None
    return (
        float(min(low, by_picture[0], perfect[0], 1 - _two_stage_error(size - hits, size))),
        float(max(high, by_picture[1], 1 - perfect[0], _two_stage_error(hits, size))),
    )


def _two_stage_error(errors: NDArray[Any], size: NDArray[Any]) -> float:
    # Upper bound of the error rate: the share of groups that err at all (Wilson's upper bound),
    # times the share of errors within those, which one further error smooths to 1 where none erred.
    erring = errors > 0
    interval = wilson_interval(int(erring.sum()), len(size))
    assert interval is not None
    return float(interval[1] * (errors.sum() + 1) / (size[erring].sum() + 1))


def interval_of_mean(shares: ArrayLike, intervals: Sequence[Interval]) -> Interval:
    """95 % interval of the mean of independent shares (K,) with intervals (K, 2) of their own.

    Source: recovery of variance, Zou and Donner 2008, "Construction of confidence limits about
    effect measures".
    """
    values, bounds = np.asarray(shares, np.float64), np.asarray(intervals, np.float64)
    spread = np.sqrt(np.square(bounds - values[:, None]).sum(axis=0)) / len(values)
    mean = float(values.mean())
    return (max(0.0, mean - float(spread[0])), min(1.0, mean + float(spread[1])))
