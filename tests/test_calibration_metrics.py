"""Whether probabilities mean what they say: figures by hand, and what chance allows."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import some
from signwise.metrics.calibration import (
    brier,
    ece_by_chance,
    expected_calibration_error,
    negative_log_likelihood,
    reliability_bins,
)
from signwise.metrics.rates import wilson_interval

pytestmark = pytest.mark.numeric

ROW = st.lists(st.integers(1, 20), min_size=3, max_size=3)


@given(st.lists(st.tuples(st.integers(0, 2), ROW), min_size=1, max_size=20))
def test_loss_and_brier_score_are_means_over_pictures(data: list[tuple[int, list[int]]]) -> None:
    labels = [label for label, _ in data]
    probabilities = [[weight / sum(row) for weight in row] for _, row in data]
    loss = square = 0.0
    for label, row in zip(labels, probabilities, strict=True):
        loss -= math.log(row[label])
        square += sum((share - (index == label)) ** 2 for index, share in enumerate(row))
    assert negative_log_likelihood(labels, probabilities) == pytest.approx(loss / len(labels))
    assert brier(labels, probabilities) == pytest.approx(square / len(labels))


def test_an_infinite_loss_is_bounded() -> None:
    assert negative_log_likelihood([1], [[1.0, 0.0]]) == pytest.approx(36.04, abs=0.01)
    assert brier([1], [[1.0, 0.0]]) == 2


def test_without_pictures_nothing_is_measured() -> None:
    nothing = np.zeros((0, 2))
    assert negative_log_likelihood([], nothing) is None
    assert brier([], nothing) is None
    assert ece_by_chance([]) is None
    assert reliability_bins([], []) == ()
    assert expected_calibration_error(()) is None


def test_bins_hold_equally_many_and_say_what_is_in_them() -> None:
    rng = np.random.default_rng(2)
    confidence = rng.random(1000) ** 0.2
    right = rng.random(1000) < confidence
    bins = reliability_bins(confidence, right)
    assert [part.n for part in bins] == [66, 67, 67] * 5
    order = np.argsort(confidence)
    start = 0
    for part in bins:
        rows = order[start : start + part.n]
        start += part.n
        assert (part.low, part.high) == (confidence[rows[0]], confidence[rows[-1]])
        assert part.confidence == pytest.approx(confidence[rows].mean())
        assert part.accuracy == pytest.approx(right[rows].mean())
        assert part.ci95 == wilson_interval(int(right[rows].sum()), part.n)
    assert start == 1000
    assert some(expected_calibration_error(bins)) < 0.05


@pytest.mark.parametrize(
    ("n", "count"), [(1, 1), (19, 1), (20, 2), (149, 14), (150, 15), (999, 15)]
)
def test_few_pictures_make_few_bins(n: int, count: int) -> None:
    bins = reliability_bins(np.linspace(0.5, 1, n), np.ones(n, bool))
    assert len(bins) == count
    assert n < 10 or min(part.n for part in bins) >= 10
    assert len(reliability_bins(np.linspace(0.5, 1, n), np.ones(n, bool), bins=2)) == min(count, 2)


def test_equal_confidences_share_a_bin() -> None:
    sure = reliability_bins(np.full(100, 0.9), np.arange(100) < 50)
    assert [part.n for part in sure] == [100], "they are in no order"
    assert expected_calibration_error(sure) == pytest.approx(0.4)
    mixed = reliability_bins(np.repeat([0.6, 0.7, 0.9], [5, 30, 5]), np.ones(40, bool))
    assert [(part.low, part.high, part.n) for part in mixed] == [(0.6, 0.7, 35), (0.9, 0.9, 5)]


def test_the_calibration_error_weighs_bins_by_their_pictures() -> None:
    confidence = np.repeat([0.5, 0.75], [10, 30])
    right = np.concatenate((np.arange(10) < 4, np.arange(30) < 27))  # 0.4 of 0.5, 0.9 of 0.75
    bins = reliability_bins(confidence, right)
    assert [part.n for part in bins] == [10, 30]
    wanted = (10 * 0.1 + 30 * 0.15) / 40
    assert expected_calibration_error(bins) == pytest.approx(wanted)


def test_chance_level_of_the_calibration_error_holds_for_the_calibrated() -> None:
    rng = np.random.default_rng(3)
    confidence = 0.5 + rng.random(2000) / 2
    level = some(ece_by_chance(confidence))
    errors = []
    for _ in range(400):
        bins = reliability_bins(confidence, rng.random(2000) < confidence)
        errors.append(some(expected_calibration_error(bins)))
    assert np.mean(np.array(errors) > level) == pytest.approx(0.05, abs=0.035)
    assert some(ece_by_chance(confidence[:50])) > 2 * level, "it falls with n"
    shuffled = rng.permutation(confidence)
    assert ece_by_chance(shuffled) == level, "the order of the pictures means nothing"


def test_the_chance_level_adds_up_what_each_bin_errs() -> None:
    level = some(ece_by_chance([0.2] * 500 + [0.8] * 500, samples=4000))
    low, high = np.random.default_rng(9).binomial(500, [[0.2, 0.8]] * 100_000).T
    apart = (np.abs(low - 100) + np.abs(high - 400)) / 1000
    # Of both as one bin it would be 0.025.
    assert level == pytest.approx(np.percentile(apart, 95), abs=0.0015)


def test_the_seed_draws_the_chance_level() -> None:
    confidence = np.linspace(0.5, 1, 200)
    first = ece_by_chance(confidence, samples=50)
    assert first == ece_by_chance(confidence, samples=50, seed=0)
    assert first != ece_by_chance(confidence, samples=50, seed=1)
    assert ece_by_chance(np.ones(30)) == 0, "who is always sure and right errs never"
