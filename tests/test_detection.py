"""How a score tells pictures of the classes from others, against plain counting."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import some
from signwise.metrics.detection import auroc, fpr_at_tpr, unknown_figures
from signwise.metrics.rates import Z95, rate
from signwise.results import Rate

pytestmark = pytest.mark.numeric

SCORES = st.lists(st.integers(0, 9), min_size=1, max_size=60)


@given(SCORES, SCORES)
def test_auroc_is_the_share_of_pairs_in_the_right_order(known: list[int], other: list[int]) -> None:
    pairs = [(high > low) + (high == low) / 2 for high in known for low in other]
    found = auroc(known, other)
    value, (low, high) = some(found.value), some(found.ci95)
    assert value == pytest.approx(sum(pairs) / len(pairs))
    assert found.n == len(other)
    assert 0 <= low <= value <= high <= 1


def score_test(value: float, truth: float, positives: int, negatives: int) -> float:
    """By how many standard errors the value lies from a truth (Newcombe 2006, method 5)."""
    middle = (positives + negatives) / 2 - 1
    spread = 1 + middle * ((1 - truth) / (2 - truth) + truth / (1 + truth))
    return (value - truth) / math.sqrt(truth * (1 - truth) * spread / (positives * negatives))


@pytest.mark.parametrize(("positives", "negatives"), [(10, 10), (30, 8), (200, 700)])
def test_the_interval_of_auroc_ends_where_the_score_test_fails(
    positives: int, negatives: int
) -> None:
    rng = np.random.default_rng(0)
    found = auroc(rng.random(positives) + 0.3, rng.random(negatives))
    value, (low, high) = some(found.value), some(found.ci95)
    assert 0 < low < value < high < 1
    assert score_test(value, low, positives, negatives) == pytest.approx(Z95, abs=1e-6)
    assert score_test(value, high, positives, negatives) == pytest.approx(-Z95, abs=1e-6)


def test_auroc_of_a_perfect_score_is_not_certain() -> None:
    few, many = (auroc([0.9] * n, [0.1] * n) for n in (10, 1000))
    assert few.value == many.value == 1
    assert some(few.ci95)[0] < 0.9
    assert 0.98 < some(many.ci95)[0] < 1
    assert some(many.ci95)[1] == 1


def test_without_either_there_is_no_auroc() -> None:
    assert auroc([], [0.1]) == Rate(value=None, n=1, ci95=None)
    assert auroc([0.1], []) == Rate(value=None, n=0, ci95=None)


@given(SCORES, SCORES, st.sampled_from([0.5, 0.9, 0.95, 1.0]))
def test_the_strictest_threshold_that_keeps_enough_is_taken(
    known: list[int], other: list[int], tpr: float
) -> None:
    keeps = [
        border for border in known if sum(score >= border for score in known) >= tpr * len(known)
    ]
    wanted = rate(sum(score >= max(keeps) for score in other), len(other))
    assert fpr_at_tpr(known, other, tpr) == wanted


def test_95_per_cent_are_kept_unless_told_otherwise() -> None:
    known = np.arange(1, 21)  # the strictest threshold that keeps 19 of 20 is 2
    assert fpr_at_tpr(known, [0, 1, 2, 3]) == rate(2, 4)


def test_without_either_nothing_is_accepted_wrongly() -> None:
    assert fpr_at_tpr([], [0.1, 0.2]) == Rate(value=None, n=2, ci95=None)
    assert fpr_at_tpr([0.1], []) == rate(0, 0)


def test_figures_of_pictures_of_no_class() -> None:
    known, unknown = np.array([0.9, 0.8, 0.3], np.float32), np.array([0.1, 0.5, 0.4, 0.2])
    found = unknown_figures(known, unknown, 0.4, seen_in_training=1)
    assert (found.n, found.n_known, found.accepted, found.threshold) == (4, 3, 2, 0.4)
    assert found.acceptance == rate(2, 4)
    assert found.auroc == auroc(known, unknown)
    assert found.auroc.value == pytest.approx(10 / 12)
    assert found.fpr_at_95_tpr == rate(2, 4)
    assert found.seen_in_training == 1
    assert unknown_figures(known, unknown, 0.4).seen_in_training is None
