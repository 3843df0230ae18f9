"""How likely a comparison finds a difference that is there."""

import numpy as np
import scipy.stats
from numpy.typing import ArrayLike


def mcnemar_power(n: float, disagreement: float, difference: float, level: float) -> float:
    """Chance that `mcnemar` is at most `level` where the accuracies are `difference` apart.

    Of n pictures the two differ on the share `disagreement`, or on as many as the difference
    needs. Summed over how many pictures they may differ on; exact for whole n.
    """
    share = min(1.0, max(disagreement, difference))
    count = round(n)
    apart = np.arange(count + 1)
    weight = scipy.stats.binom.pmf(apart, count, share)
    apart, weight = apart[weight > 0], weight[weight > 0]
    # The most that the worse model may have alone and still be called different.
    most = scipy.stats.binom.ppf(level / 2, apart, 0.5)
    most = np.where(2 * scipy.stats.binom.cdf(most, apart, 0.5) > level, most - 1, most)
    worse = (share - difference) / (2 * share)
    found = scipy.stats.binom.cdf(most, apart, worse)
    other = scipy.stats.binom.cdf(most, apart, 1 - worse)
    return float((weight * np.where(most >= 0, found + other, 0)).sum())


def design_effect(first: ArrayLike, second: ArrayLike, groups: ArrayLike) -> float:
    """How many times fewer independent pictures the N are worth, as they come in groups (N,).

    The variance of the difference of two models, of whether each is right: bool (N,), by group
    over that by picture; within 1 and what it is where a group is right or wrong as a whole. Where
    the two never differ, that is taken. Source: Kish 1965, "Survey Sampling", 5.4.
    """
    gains = np.asarray(second, bool).astype(np.float64) - np.asarray(first, bool)
    _, index = np.unique(np.asarray(groups), return_inverse=True)
    size = np.bincount(index.ravel())
    worst = float((size**2).sum() / size.sum())
    if not gains.any():
        return worst
    centred = gains - gains.mean()
    by_picture = float((centred**2).sum())
    if by_picture == 0:
        return worst
    by_group = float((np.bincount(index.ravel(), weights=centred) ** 2).sum())
    return min(worst, max(1.0, by_group / by_picture))
