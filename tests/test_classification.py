"""Accuracy class by class, against plain counting."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import some
from signwise.metrics.classification import balanced_accuracy, confusion_matrix, per_class
from signwise.metrics.rates import interval_of_mean, wilson_interval
from signwise.results import Rate

pytestmark = pytest.mark.numeric

Answers = list[tuple[int, int]]
"""Label and answer of each picture."""


@st.composite
def answers(draw: st.DrawFn) -> tuple[Answers, int]:
    """Pictures of up to five classes, some of which may have none."""
    classes = draw(st.integers(2, 5))
    index = st.integers(0, classes - 1)
    return draw(st.lists(st.tuples(index, index), min_size=1, max_size=40)), classes


def counted(pairs: Answers, classes: int) -> list[list[int]]:
    return [
        [sum(pair == (true, answer) for pair in pairs) for answer in range(classes)]
        for true in range(classes)
    ]


def matrix_of(pairs: Answers, classes: int) -> np.ndarray:
    labels, predicted = zip(*pairs, strict=True)
    return confusion_matrix(labels, predicted, classes)


@given(answers())
def test_the_confusion_matrix_counts_true_by_predicted(data: tuple[Answers, int]) -> None:
    pairs, classes = data
    assert matrix_of(pairs, classes).tolist() == counted(pairs, classes)


def test_the_rows_are_the_true_classes() -> None:
    found = confusion_matrix([0, 0, 2], [1, 1, 2], 3)
    assert found.tolist() == [[0, 2, 0], [0, 0, 0], [0, 0, 1]]


@given(answers())
def test_figures_of_each_class_are_counted(data: tuple[Answers, int]) -> None:
    pairs, classes = data
    for index, found in enumerate(per_class(matrix_of(pairs, classes))):
        hits = sum(pair == (index, index) for pair in pairs)
        support = sum(true == index for true, _ in pairs)
        called = sum(answer == index for _, answer in pairs)
        assert found.support == support
        for rate, n in ((found.recall, support), (found.precision, called)):
            assert rate.n == n
            assert rate.value == (hits / n if n else None)
            assert rate.ci95 == wilson_interval(hits, n)
        assert found.groups is None, "groups are not known here"
        either = support + called - hits
        assert found.f1.n == either
        if either:
            low, high = some(found.f1.ci95)
            # 2 TP / (2 TP + FP + FN), and the same of the bounds of TP / (TP + FP + FN).
            assert found.f1.value == pytest.approx(2 * hits / (support + called))
            bounds = some(wilson_interval(hits, either))
            assert (low, high) == pytest.approx([2 * bound / (1 + bound) for bound in bounds])
            assert low <= some(found.f1.value) <= high
        else:
            assert (found.f1.value, found.f1.ci95) == (None, None)


@given(answers())
def test_balanced_accuracy_is_the_mean_recall_of_the_classes_that_have_pictures(
    data: tuple[Answers, int],
) -> None:
    pairs, classes = data
    recalls = []
    for index in range(classes):
        of_class = [answer for true, answer in pairs if true == index]
        if of_class:
            recalls.append((of_class.count(index), len(of_class)))
    found = balanced_accuracy(matrix_of(pairs, classes))
    shares = [hits / n for hits, n in recalls]
    assert found.value == pytest.approx(sum(shares) / len(shares))
    assert found.n == len(pairs)
    wanted = interval_of_mean(shares, [some(wilson_interval(*recall)) for recall in recalls])
    assert found.ci95 == pytest.approx(wanted)


def test_without_pictures_nothing_is_measured() -> None:
    nothing = np.zeros((2, 2), np.int64)
    assert balanced_accuracy(nothing) == Rate(value=None, n=0, ci95=None)
    assert [found.f1.value for found in per_class(nothing)] == [None, None]
