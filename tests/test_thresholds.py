"""The table of thresholds: what each keeps and wrongly accepts is what `accepted` says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signwise.metrics.selective import accepted
from signwise.metrics.thresholds import KEPT, threshold_choices

SCORES = st.lists(st.floats(0, 1, width=32), min_size=1, max_size=60)


@given(SCORES, SCORES, st.floats(0, 1))
def test_every_choice_says_what_it_does(own: list[float], other: list[float], at: float) -> None:
    known, unknown = np.array(own, np.float32), np.array(other, np.float32)
    right = np.arange(len(known)) % 3 > 0
    choices = threshold_choices(known, right, unknown, at)
    thresholds = [choice.threshold for choice in choices]
    assert thresholds == sorted(set(thresholds))
    assert [choice.threshold for choice in choices if choice.own] == [at]
    for choice in choices:
        kept = accepted(known, choice.threshold)
        assert (choice.kept.count, choice.kept.n) == (kept.sum(), len(known))
        assert (choice.wrong.count, choice.wrong.n) == ((kept & ~right).sum(), kept.sum())
        assert choice.accepted is not None
        assert choice.accepted.count == accepted(unknown, choice.threshold).sum()
    shares = [choice.kept.count / len(known) for choice in choices]
    for share in KEPT:
        assert any(found >= share - 1e-9 for found in shares)


def test_thresholds_are_short_numbers_that_keep_what_they_promise() -> None:
    known = np.linspace(0.501, 0.9999, 200, dtype=np.float32)
    unknown = np.linspace(0.001, 0.7, 100, dtype=np.float32)
    choices = threshold_choices(known, np.ones(200, bool), unknown, 0.6)
    found = [
        (choice.threshold, choice.kept.count, choice.accepted and choice.accepted.count)
        for choice in choices
    ]
    assert found == [
        (0.5, 200, 29), (0.506, 198, 28), (0.526, 190, 25), (0.55, 180, 22), (0.6, 160, 15),
        (0.666, 134, 5), (0.694, 123, 1), (0.701, 120, 0),
    ]  # fmt: skip


def test_without_pictures_of_no_class_nothing_is_said_of_them() -> None:
    known = np.array([0.2, 0.9], np.float32)
    (choice,) = threshold_choices(known, np.ones(2, bool), None, 0.0)
    assert (choice.threshold, choice.kept.count, choice.own) == (0.0, 2, True)
    assert choice.accepted is None


@pytest.mark.parametrize("count", [0, 1])
def test_few_scores_are_no_error(count: int) -> None:
    scores = np.full(count, 0.5, np.float32)
    (own, *others) = threshold_choices(scores, np.ones(count, bool), scores[:0], 0.5)
    assert own.own
    assert own.kept.n == count
    assert all(choice.kept.count < count for choice in others)
