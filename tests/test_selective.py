"""The rule of acceptance, and what the accepted are worth."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import some
from signwise.metrics.rates import rate
from signwise.metrics.selective import accepted, risk_coverage, selective

pytestmark = pytest.mark.numeric


def test_a_score_at_the_threshold_is_accepted() -> None:
    assert accepted([0.2, 0.5, 0.9], 0.5).tolist() == [False, True, True]
    assert accepted([0.0], 0.0).all()


def test_a_threshold_read_off_a_row_keeps_that_row() -> None:
    """Rows show the shortest decimal of a float32, which can lie above it or below."""
    scores = np.random.default_rng(0).random(2000).astype(np.float32)
    shown = [float(str(score)) for score in scores]
    assert any(float(score) < text for score, text in zip(scores, shown, strict=True))
    for score, text in zip(scores, shown, strict=True):
        assert accepted([score], text).all()
        assert not accepted([np.nextafter(score, np.float32(-1))], text).any()


def test_risk_coverage_by_hand() -> None:
    curve = risk_coverage([0.9, 0.8, 0.8, 0.1], [True, False, True, False])
    assert curve.coverage == pytest.approx([0.25, 0.5, 0.75, 1])
    assert curve.risk == pytest.approx([0, 0.25, 1 / 3, 0.5])  # of the two at 0.8 half are wrong


Judged = list[tuple[int, bool]]


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=40))
def test_risk_at_each_border_is_the_share_of_errors_above_it(judged: Judged) -> None:
    scores = [score for score, _ in judged]
    curve = risk_coverage(scores, [right for _, right in judged])
    assert len(curve.risk) == len(judged)
    for border in set(scores):
        above = [right for score, right in judged if score >= border]
        at = len(above) - 1
        assert curve.coverage[at] == pytest.approx(len(above) / len(judged))
        assert curve.risk[at] == pytest.approx(above.count(False) / len(above))


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=40), st.randoms())
def test_the_order_of_equal_scores_means_nothing(judged: Judged, chance: Random) -> None:
    first = risk_coverage([score for score, _ in judged], [right for _, right in judged])
    shuffled = list(judged)
    chance.shuffle(shuffled)
    second = risk_coverage([score for score, _ in shuffled], [right for _, right in shuffled])
    assert first.risk == pytest.approx(second.risk)


def test_figures_at_the_threshold() -> None:
    known = np.array([0.9, 0.8, 0.8, 0.1], np.float32)
    right = np.array([True, False, True, False])
    found = selective(known, right, 0.5)
    assert (found.threshold, found.n, found.accepted, found.rejected) == (0.5, 4, 3, 1)
    assert found.coverage == rate(3, 4)
    assert found.risk == rate(1, 3)
    assert found.aurc == pytest.approx((0 + 0.25 + 1 / 3 + 0.5) / 4)
    grouped = selective(known, right, 0.5, coverage_grouped=(0.1, 0.2), risk_grouped=(0.3, 0.4))
    assert grouped.coverage.ci95_grouped == (0.1, 0.2)
    assert grouped.risk.ci95_grouped == (0.3, 0.4)


def test_nothing_accepted_has_no_risk() -> None:
    found = selective(np.array([0.5], np.float32), np.array([True]), 1.0)
    assert (found.coverage.value, found.risk.value, found.accepted) == (0, None, 0)


def test_of_no_pictures_there_is_no_curve() -> None:
    nothing = np.zeros(0, np.float32)
    curve = risk_coverage(nothing, [])
    assert len(curve.coverage) == len(curve.risk) == 0
    found = selective(nothing, np.zeros(0, bool), 0.5)
    assert (found.n, found.coverage.value, found.aurc) == (0, None, None)
    assert some(selective(np.ones(1), np.ones(1, bool), 0.5).aurc) == 0
