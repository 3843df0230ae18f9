"""Shares with their counts and intervals."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks import some
from signwise.metrics.rates import (
    Z95,
    grouped_bootstrap,
    interval_of_mean,
    rate,
    wilson_interval,
)
from signwise.results import Interval, Rate

pytestmark = pytest.mark.numeric


def wilson_by_root(correct: int, n: int) -> Interval:
    """Both truths at which the score test just fails: the roots of (share - p)^2 = z^2 p(1-p)/n."""
    share, z2 = correct / n, 1.959963984540054**2
    low, high = sorted(np.roots([1 + z2 / n, -(2 * share + z2 / n), share**2]).real.tolist())
    return (low, high)


@pytest.mark.parametrize(
    ("correct", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_agrees_with_published_figures(
    correct: int, n: int, low: float, high: float
) -> None:
    # Newcombe 1998, table I.
    assert wilson_interval(correct, n) == pytest.approx((low, high), abs=5e-5)


def test_wilson_of_nothing_is_none() -> None:
    assert wilson_interval(0, 0) is None


@given(st.integers(1, 5000), st.data())
def test_wilson_holds_the_share_and_shrinks_with_n(n: int, data: st.DataObject) -> None:
    correct = data.draw(st.integers(0, n))
    low, high = some(wilson_interval(correct, n))
    assert (low, high) == pytest.approx(wilson_by_root(correct, n), abs=1e-7)
    assert 0 <= low <= correct / n <= high <= 1
    assert low < high
    more = some(wilson_interval(10 * correct, 10 * n))
    assert more[1] - more[0] < high - low


@pytest.mark.parametrize("n", [1, 3, 7, 49, 1000, 123_457])
def test_wilson_at_none_and_all_ends_exactly_there(n: int) -> None:
    assert some(wilson_interval(0, n))[0] == 0.0
    assert some(wilson_interval(n, n))[1] == 1.0
    assert some(wilson_interval(0.5, n))[0] > 0
    assert some(wilson_interval(n - 0.5, n))[1] < 1


def test_a_rate_has_its_count_and_intervals() -> None:
    found = rate(3, 4, (0.1, 0.9))
    assert found == Rate(value=0.75, n=4, ci95=wilson_interval(3, 4), ci95_grouped=(0.1, 0.9))
    assert found.count == 3
    assert rate(1, 1).value == 1
    assert rate(0, 0) == Rate(value=None, n=0, ci95=None)


def bootstrap_by_group(correct: Sequence[bool], groups: Sequence[int]) -> Interval:
    """The percentile bootstrap as the textbook has it: whole groups drawn one by one."""
    rng = np.random.default_rng(0)
    names, index = np.unique(groups, return_inverse=True)
    hits, sizes = np.bincount(index, weights=correct), np.bincount(index)
    draws = rng.integers(0, len(names), (8000, len(names)))
    low, high = np.percentile(hits[draws].sum(1) / sizes[draws].sum(1), [2.5, 97.5])
    return (float(low), float(high))


def test_the_grouped_interval_is_the_textbook_one_when_errors_are_many() -> None:
    rng = np.random.default_rng(1)
    sizes = rng.integers(5, 30, 80)
    groups = np.repeat(np.arange(80), sizes)
    correct = rng.random(len(groups)) < rng.beta(2, 2, 80)[groups]
    wanted = bootstrap_by_group(correct.tolist(), groups.tolist())
    assert grouped_bootstrap(correct, groups) == pytest.approx(wanted, abs=0.006)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_the_grouped_interval_claims_no_more_than_the_one_by_picture(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 60))
    correct = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    groups = np.array(data.draw(st.lists(st.integers(0, 9), min_size=n, max_size=n)))
    low, high = some(grouped_bootstrap(correct, groups, samples=200))
    by_picture = some(wilson_interval(int(correct.sum()), n))
    assert 0 <= low <= by_picture[0] <= by_picture[1] <= high <= 1
    assert grouped_bootstrap(correct, groups, samples=200) == (low, high)


def test_without_pictures_there_is_no_grouped_interval() -> None:
    assert grouped_bootstrap([], []) is None


def test_one_picture_has_a_grouped_interval() -> None:
    low, high = some(grouped_bootstrap([True], ["sign"]))
    assert (low, high) == (some(wilson_interval(1, 1))[0], 1.0)


@pytest.mark.parametrize("right", [True, False])
def test_no_error_in_fifteen_signs_is_fifteen_trials(right: bool) -> None:
    groups = np.repeat([f"sign {index}" for index in range(15)], 29)
    interval = grouped_bootstrap(np.full(len(groups), right), groups)
    wanted = wilson_interval(15 * right, 15)
    assert interval == pytest.approx(wanted)


def test_stray_mistakes_widen_the_interval_by_those_groups_that_may_err() -> None:
    """Errors are at most the share of groups that err, times the share of errors in these."""
    groups = np.repeat(np.arange(40), 4)
    correct = np.ones(160, bool)
    correct[:12] = [True, False, False, False] * 3  # 3 of 40 signs err, in 3 of 4 pictures each
    most = some(wilson_interval(3, 40))[1] * (9 + 1) / (12 + 1)
    assert some(grouped_bootstrap(correct, groups))[0] == pytest.approx(1 - most)
    assert some(grouped_bootstrap(~correct, groups))[1] == pytest.approx(most)


def test_shares_of_right_answers_are_counted_as_such() -> None:
    """A picture that was shown 75 times counts as one, and sums that are rounded make no error."""
    groups = np.repeat(np.arange(20), 3)
    thirds = np.full(60, 0.1 + 0.2)
    tenths = np.full(60, 0.3)
    assert grouped_bootstrap(thirds, groups) == pytest.approx(
        some(grouped_bootstrap(tenths, groups)), abs=1e-9
    )
    almost = np.ones(60) - 1e-12
    assert grouped_bootstrap(almost, groups) == pytest.approx(wilson_interval(20, 20))


def test_one_mistake_more_makes_nobody_surer() -> None:
    groups = np.repeat(np.arange(14), 30)
    bounds = []
    for wrong in range(0, 60, 5):
        correct = np.ones(420, bool)
        correct[:wrong] = False
        bounds.append(some(grouped_bootstrap(correct, groups))[0])
    assert bounds[0] == pytest.approx(some(wilson_interval(14, 14))[0])
    assert max(bounds) == bounds[0]


def held_share(error_of_signs: str, signs: int, frames: int, truth: float) -> tuple[float, float]:
    """How often the intervals by group and by picture hold the truth."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(signs), frames)
    trials = 150
    by_group = by_picture = 0
    for trial in range(trials):
        if error_of_signs == "whole":  # 3 % of the signs fail as a whole, 1 % of the rest strays
            error = np.where(rng.random(signs) < 0.03, 1, 0.01)
        else:  # a sign tends to be read right, or wrong, as a whole
            error = rng.beta(0.2 * 0.05, 0.2 * 0.95, signs)
        correct = rng.random(len(groups)) >= error[groups]
        low, high = some(grouped_bootstrap(correct, groups, samples=500, seed=trial))
        by_group += low <= truth <= high
        low, high = some(wilson_interval(int(correct.sum()), len(correct)))
        by_picture += low <= truth <= high
    return by_group / trials, by_picture / trials


def test_the_grouped_interval_holds_the_truth_where_others_do_not() -> None:
    by_group, by_picture = held_share("beta", 15, 29, 0.95)
    assert by_group >= 0.85
    assert by_picture < 0.5
    assert held_share("whole", 14, 30, 0.97 * 0.99)[0] >= 0.93


def test_the_seed_draws_the_groups() -> None:
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(40), rng.integers(1, 9, 40))
    correct = rng.random(len(groups)) < rng.random(40)[groups]
    first = grouped_bootstrap(correct, groups, samples=200, seed=0)
    assert first == grouped_bootstrap(correct, groups, samples=200, seed=0)
    assert first == grouped_bootstrap(correct, groups, samples=200)
    assert first != grouped_bootstrap(correct, groups, samples=200, seed=1)
    names = [f"sign {-group:03d}" for group in groups]
    assert first == grouped_bootstrap(correct, names, samples=200), "a name is but a name"


def test_the_interval_of_a_mean_is_that_of_independent_shares() -> None:
    # Equal shares with equal intervals: the mean of K is sqrt(K) times as sure.
    found = interval_of_mean([0.5] * 4, [(0.4, 0.7)] * 4)
    assert found == pytest.approx((0.45, 0.6))
    found = interval_of_mean([0.2, 0.8], [(0.1, 0.3), (0.5, 0.9)])
    assert found == pytest.approx((0.5 - math.hypot(0.1, 0.3) / 2, 0.5 + math.hypot(0.1, 0.1) / 2))
    assert interval_of_mean([0.3], [(0.2, 0.6)]) == pytest.approx((0.2, 0.6))


def test_the_interval_of_a_mean_stays_within_0_and_1() -> None:
    assert interval_of_mean([0.0], [(-0.5, 1.5)]) == (0.0, 1.0)


def test_the_quantile_is_that_of_95_per_cent() -> None:
    assert math.erf(Z95 / math.sqrt(2)) == pytest.approx(0.95, abs=1e-12)
