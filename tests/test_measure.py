"""Every figure of an evaluation comes from the answers, each over the right pictures."""

import json
from typing import Any

import numpy as np
import pytest

from checks import some
from signwise.evaluation.measure import measure, measure_calibration
from signwise.metrics.calibration import (
    brier,
    ece_by_chance,
    expected_calibration_error,
    negative_log_likelihood,
    reliability_bins,
)
from signwise.metrics.rates import grouped_bootstrap, interval_of_mean, rate, wilson_interval
from signwise.metrics.selective import risk_coverage
from signwise.results import Evaluation
from toy_report import toy_corruptions, toy_unknown

pytestmark = pytest.mark.numeric

CLASSES = ("a", "b", "c")
RNG = np.random.default_rng(0)
N = 60
LABELS = np.repeat([0, 1], [24, 36])  # of class c there is no picture
PROBABILITIES = RNG.dirichlet([0.6] * 3, N).astype(np.float32)
PROBABILITIES[np.arange(0, N, 2), LABELS[::2]] += 1
PROBABILITIES /= PROBABILITIES.sum(1, keepdims=True)
KNOWN = RNG.random(N).astype(np.float32)
GROUPS = [f"sign {index // 4}" for index in range(N)]
PREDICTED = PROBABILITIES.argmax(1)
RIGHT = PREDICTED == LABELS
THRESHOLD = float(KNOWN[7])


def measured(grouping: str = "track", **changes: Any) -> Evaluation:
    settings: dict[str, Any] = {
        "classes": CLASSES, "threshold": THRESHOLD, "groups": GROUPS, "grouping": grouping,
        "seed": 3, "data": "photos", "split": "all", "data_sha256": None,
    }  # fmt: skip
    return measure(LABELS, PROBABILITIES, KNOWN, **settings | changes)


@pytest.fixture(scope="module")
def found() -> Evaluation:
    return measured()


def by_group(hits: np.ndarray, rows: np.ndarray) -> tuple[float, float] | None:
    return grouped_bootstrap(hits[rows], np.array(GROUPS)[rows], seed=3)


def test_accuracy_takes_the_largest_probability_whatever_the_threshold(found: Evaluation) -> None:
    assert 0 < RIGHT.sum() < N
    assert (found.n, found.correct) == (N, RIGHT.sum())
    assert found.accuracy == rate(int(RIGHT.sum()), N, by_group(RIGHT, np.ones(N, bool)))
    strict = measured(threshold=1.0)
    assert strict.accuracy == found.accuracy
    assert strict.confusion_matrix == found.confusion_matrix
    assert strict.selective.accepted == 0
    assert strict.selective.risk.value is None


def test_the_confusion_matrix_is_true_by_predicted(found: Evaluation) -> None:
    for true in range(3):
        for answer in range(3):
            count = ((true == LABELS) & (answer == PREDICTED)).sum()
            assert found.confusion_matrix[true][answer] == count


@pytest.mark.parametrize("index", [0, 1])
def test_figures_of_a_class_are_over_its_own_pictures(found: Evaluation, index: int) -> None:
    figures = found.per_class[CLASSES[index]]
    of_class, called = np.asarray(index == LABELS), np.asarray(index == PREDICTED)
    hits = int((of_class & called).sum())
    support = int(of_class.sum())
    assert figures.support == support
    assert figures.groups == len(set(np.array(GROUPS)[of_class]))
    assert figures.recall == rate(hits, support, by_group(RIGHT, of_class))
    assert figures.precision == rate(hits, int(called.sum()), by_group(RIGHT, called))


def test_a_class_without_pictures_has_no_recall(found: Evaluation) -> None:
    figures = found.per_class["c"]
    assert (figures.support, figures.groups) == (0, 0)
    assert figures.recall == rate(0, 0)
    called = PREDICTED == 2
    assert called.any()
    assert figures.precision == rate(0, int(called.sum()), by_group(RIGHT, called))


def test_balanced_accuracy_is_over_the_classes_that_have_pictures(found: Evaluation) -> None:
    recalls = [found.per_class[name].recall for name in ("a", "b")]
    shares = [some(recall.value) for recall in recalls]
    assert found.balanced_accuracy.value == pytest.approx(sum(shares) / 2)
    by_picture = interval_of_mean(shares, [some(recall.ci95) for recall in recalls])
    assert found.balanced_accuracy.ci95 == pytest.approx(by_picture)
    grouped = interval_of_mean(shares, [some(recall.ci95_grouped) for recall in recalls])
    assert found.balanced_accuracy.ci95_grouped == pytest.approx(grouped)


def test_what_is_rejected_counts_in_selective_alone(found: Evaluation) -> None:
    answered = np.float32(THRESHOLD) <= KNOWN
    count = int(answered.sum())
    assert 0 < count < N
    selective = found.selective
    assert (selective.accepted, selective.rejected) == (count, N - count)
    everything = np.ones(N, bool)
    assert selective.coverage == rate(count, N, by_group(answered, everything))
    wrong = int((~RIGHT & answered).sum())
    assert selective.risk == rate(wrong, count, by_group(~RIGHT, answered))
    assert selective.aurc == pytest.approx(risk_coverage(KNOWN, RIGHT).risk.mean())


def test_calibration_is_that_of_the_largest_probability(found: Evaluation) -> None:
    confidence = PROBABILITIES.max(1)
    bins = reliability_bins(confidence, RIGHT)
    calibration = found.calibration
    assert calibration.bins == bins
    assert calibration.ece == expected_calibration_error(bins)
    assert calibration.brier == brier(LABELS, PROBABILITIES)
    assert calibration.ece_by_chance == ece_by_chance(confidence, seed=3)
    assert calibration.n == N
    assert calibration == measure_calibration(LABELS, PROBABILITIES, 3)
    assert found.loss == negative_log_likelihood(LABELS, PROBABILITIES)


@pytest.mark.parametrize("grouping", ["csv", "regex", "track"])
def test_where_signs_are_known_there_are_intervals_by_group(
    found: Evaluation, grouping: str
) -> None:
    one = measured(grouping)
    assert one.accuracy == found.accuracy
    assert one.groups == len(set(GROUPS)) == 15


def test_near_duplicates_give_no_interval_by_group(found: Evaluation) -> None:
    alike = measured("duplicates")
    assert alike.groups == 15
    figures = alike.per_class["a"]
    assert figures.groups is None
    for one in (
        alike.accuracy, alike.balanced_accuracy, alike.selective.coverage, alike.selective.risk,
        figures.recall, figures.precision,
    ):  # fmt: skip
        assert one.ci95_grouped is None
    assert alike.balanced_accuracy.ci95 == found.balanced_accuracy.ci95
    assert alike.to_json()["per_class_grouped"] is None


def test_what_is_measured_elsewhere_is_taken_as_it_is(found: Evaluation) -> None:
    assert (found.data, found.split, found.data_sha256) == ("photos", "all", None)
    assert (found.unknown, found.corruptions) == (None, None)
    assert (found.seen_in_training, found.groups_seen_in_training) == (None, None)
    assert found.classes == tuple(found.per_class) == CLASSES
    more = measured(
        unknown=toy_unknown(),
        corruptions=toy_corruptions(),
        seen_in_training=5,
        groups_seen_in_training=2,
        data_sha256="0" * 64,
    )
    assert (more.unknown, more.corruptions) == (toy_unknown(), toy_corruptions())
    assert (more.seen_in_training, more.groups_seen_in_training) == (5, 2)
    assert more.data_sha256 == "0" * 64


def test_signs_without_a_mistake_are_as_many_trials() -> None:
    answers = np.eye(3, dtype=np.float32)[LABELS]
    perfect = measure(
        LABELS, answers, KNOWN, classes=CLASSES, threshold=0, groups=GROUPS, grouping="csv",
        seed=0, data="d", split="test", data_sha256=None,
    )  # fmt: skip
    assert perfect.accuracy.ci95_grouped == pytest.approx(wilson_interval(15, 15))
    assert perfect.per_class["a"].recall.ci95_grouped == pytest.approx(wilson_interval(6, 6))
    json.dumps(perfect.to_json(), allow_nan=False)
