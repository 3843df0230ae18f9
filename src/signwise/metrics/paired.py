"""Two models on the same N pictures: exact tests, and differences with their intervals.

What is compared is `first` and `second`, arrays of N; differences are the second less the first.
"""

from collections.abc import Sequence

import numpy as np
import scipy.stats
from numpy.typing import ArrayLike, NDArray

from signwise.metrics.detection import auroc
from signwise.metrics.rates import grouped_bootstrap, wilson_interval
from signwise.results import Interval
from signwise.studies import Difference, PairCounts

DRAWS = 4000
DRAWS_AT_ONCE = 2**22
"""Groups that are drawn at a time, so that memory stays in bounds."""


def pair_counts(first: ArrayLike, second: ArrayLike) -> PairCounts:
    """How often each of two is right, of whether they are: bool (N,) each."""
    one, two = np.asarray(first, bool), np.asarray(second, bool)
    return PairCounts(
        both=int((one & two).sum()),
        only_first=int((one & ~two).sum()),
        only_second=int((~one & two).sum()),
        neither=int((~one & ~two).sum()),
    )


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided p-value that both are equally often right, from how often each alone is.

    Exact: each picture on which they differ is a fair coin. Source: McNemar 1947, "Note on the
    sampling error of the difference between correlated proportions or percentages".
    """
    apart = only_first + only_second
    return 1.0 if apart == 0 else float(scipy.stats.binomtest(only_first, apart).pvalue)


def group_gains(first: ArrayLike, second: ArrayLike, groups: ArrayLike) -> NDArray[np.int64]:
    """(G,), how many more pictures of each group the second gets right."""
    gains = np.asarray(second, bool).astype(np.int64) - np.asarray(first, bool)
    _, index = np.unique(np.asarray(groups), return_inverse=True)
    return np.bincount(index.ravel(), weights=gains).round().astype(np.int64)


def permutation_test(gains: ArrayLike) -> float:
    """Two-sided p-value that both are equally good, from the gains (G,) of whole groups.

    If they are, each group's gain could as well have gone to the other model. All 2^G ways are
    counted, not sampled: the distribution of the sum is built group by group. With one picture a
    group this is `mcnemar`. Source: Fisher 1935, "The Design of Experiments", 21.
    """
    sizes = np.abs(np.asarray(gains, np.int64))
    sizes = sizes[sizes > 0]
    reach = int(sizes.sum())
    chance = np.zeros(2 * reach + 1)  # of the sums from -reach to reach
    chance[reach] = 1.0
    for size in sizes:
        chance = (np.roll(chance, size) + np.roll(chance, -size)) / 2
    apart = abs(int(np.asarray(gains, np.int64).sum()))
    far = np.abs(np.arange(-reach, reach + 1)) >= apart
    return min(1.0, float(chance[far].sum()))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for their number, in the same order.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    order = np.argsort(p_values, kind="stable")
    corrected = np.empty(len(p_values))
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, p_values[index] * (len(p_values) - rank)))
        corrected[index] = largest
    return [float(value) for value in corrected]


def share_difference(
    first: ArrayLike, second: ArrayLike, groups: ArrayLike | None, *, seed: int = 0
) -> Difference:
    """Difference of two shares, of bool (N,) each, with intervals by picture and by group (N,).

    Each interval comes from those of the two shares that only one has, Wilson's or
    `grouped_bootstrap`, by `interval_of_difference`. By group it also covers a bootstrap of the
    difference, in which the two stay together, and the interval by picture.
    """
    counts = pair_counts(first, second)
    if counts.n == 0:
        return Difference(value=None, ci95=None)
    gain, loss = counts.only_second / counts.n, counts.only_first / counts.n
    odds = gain * loss / ((1 - gain) * (1 - loss)) if max(gain, loss) < 1 else 0.0
    by_picture = interval_of_difference(
        loss,
        gain,
        wilson_interval(counts.only_first, counts.n),
        wilson_interval(counts.only_second, counts.n),
        correlation=-float(np.sqrt(odds)),
    )
    by_group = None
    if groups is not None:
        one, two = np.asarray(first, bool), np.asarray(second, bool)
        apart = interval_of_difference(
            loss,
            gain,
            grouped_bootstrap(one & ~two, groups, seed=seed),
            grouped_bootstrap(~one & two, groups, seed=seed),
        )
        drawn = bootstrap_interval(two.astype(float) - one, groups, seed=seed)
        every = (by_picture, apart, drawn)
        by_group = (min(one[0] for one in every), max(one[1] for one in every))
    return Difference(value=gain - loss, ci95=by_picture, ci95_grouped=by_group)


def interval_of_difference(
    first: float,
    second: float,
    of_first: Interval | None,
    of_second: Interval | None,
    *,
    correlation: float = 0.0,
) -> Interval:
    """95 % interval of `second - first` from the interval of each and their correlation.

    Source: recovery of variance, Zou and Donner 2008, "Construction of confidence limits about
    effect measures", 3; with one interval each of Newcombe 1998 for paired proportions.
    """
    assert of_first is not None
    assert of_second is not None
    value = second - first

    def reach(own: float, other: float) -> float:
        return float(np.sqrt(max(0.0, own**2 + other**2 - 2 * correlation * own * other)))

    return (
        max(-1.0, value - reach(second - of_second[0], of_first[1] - first)),
        min(1.0, value + reach(of_second[1] - second, first - of_first[0])),
    )


def mean_difference(
    first: ArrayLike, second: ArrayLike, groups: ArrayLike | None, *, seed: int = 0
) -> Difference:
    """Difference of the means of floats (N,) each, with bootstrap intervals."""
    differences = np.asarray(second, np.float64) - np.asarray(first, np.float64)
    if len(differences) == 0:
        return Difference(value=None, ci95=None)
    by_group = None if groups is None else bootstrap_interval(differences, groups, seed=seed)
    return Difference(
        value=float(differences.mean()),
        ci95=bootstrap_interval(differences, np.arange(len(differences)), seed=seed),
        ci95_grouped=by_group,
    )


def bootstrap_interval(values: ArrayLike, groups: ArrayLike, *, seed: int = 0) -> Interval:
    """95 % interval of the mean of `values` (N,) when whole `groups` (N,) are drawn anew.

    Source: percentile bootstrap, Davison and Hinkley 1997, "Bootstrap Methods and their
    Application", 3.8.
    """
    _, index = np.unique(np.asarray(groups), return_inverse=True)
    index = index.ravel()
    size = np.bincount(index)
    total = np.bincount(index, weights=np.asarray(values, np.float64))
    rng = np.random.default_rng(seed)
    at_once = max(1, min(DRAWS, DRAWS_AT_ONCE // len(size)))
    means: list[float] = []
    while len(means) < DRAWS:
        drawn = rng.integers(0, len(size), (at_once, len(size)))
        means += (total[drawn].sum(axis=1) / size[drawn].sum(axis=1)).tolist()
    low, high = np.percentile(means[:DRAWS], [2.5, 97.5])
    return (float(low), float(high))


def auroc_difference(
    first: tuple[ArrayLike, ArrayLike], second: tuple[ArrayLike, ArrayLike]
) -> Difference:
    """Difference of two areas, each of the scores of the same positives (N,) and negatives (M,).

    The interval joins Newcombe's of each area, which stay open at 1, by `interval_of_difference`;
    the correlation of the areas is that of DeLong, DeLong and Clarke-Pearson 1988, "Comparing the
    areas under two or more correlated receiver operating characteristic curves".
    """
    one, two = auroc(*first), auroc(*second)
    if one.value is None or two.value is None:
        return Difference(value=None, ci95=None)
    places = [_placements(*pair) for pair in (first, second)]
    covariance = np.zeros((2, 2))
    for side in (0, 1):
        table = np.stack([place[side] for place in places])
        if table.shape[1] > 1:
            covariance += np.cov(table) / table.shape[1]
    spread = float(np.sqrt(covariance[0, 0] * covariance[1, 1]))
    correlation = float(covariance[0, 1]) / spread if spread > 0 else 0.0
    interval = interval_of_difference(
        one.value, two.value, one.ci95, two.ci95, correlation=min(correlation, 1.0)
    )
    return Difference(value=two.value - one.value, ci95=interval)


def _placements(
    positive: ArrayLike, negative: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(N,) share of negatives below each positive, and (M,) of positives above each negative."""
    high, low = np.asarray(positive, np.float64), np.asarray(negative, np.float64)

    def share_below(values: NDArray[np.float64], of: NDArray[np.float64]) -> NDArray[np.float64]:
        ordered = np.sort(of)
        ends = [np.searchsorted(ordered, values, side) for side in ("left", "right")]
        return np.asarray((ends[0] + ends[1]) / 2 / len(of))

    return share_below(high, low), 1 - share_below(low, high)
