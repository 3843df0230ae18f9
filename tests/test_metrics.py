import json
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from signwise import metrics
from signwise.metrics import detection
from signwise.evaluation.measure import selective


@st.composite
def judged(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Labels (N,) and probabilities (N, K), some of them tied."""
    n, k = draw(st.integers(1, 60)), draw(st.integers(2, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    probabilities = np.round(rng.dirichlet(np.ones(k) * 0.5, n), 2) + 1e-3
    return rng.integers(0, k, n), probabilities / probabilities.sum(1, keepdims=True)


def test_wilson_agrees_with_published_figures() -> None:
    # Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    cases = [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611)]
    for correct, n, low, high in [*cases, (1, 29, 0.0061, 0.1718)]:
        assert metrics.wilson_interval(correct, n) == pytest.approx([low, high], abs=5e-5)
    assert metrics.wilson_interval(0, 0) is None


@given(st.integers(1, 5000), st.data())
def test_wilson_holds_the_share_and_shrinks_with_n(n: int, data: st.DataObject) -> None:
    correct = data.draw(st.integers(0, n))
    low, high = metrics.wilson_interval(correct, n)
    assert 0 <= low <= correct / n <= high <= 1
    assert low < high
    tenfold = metrics.wilson_interval(10 * correct, 10 * n)
    assert tenfold[1] - tenfold[0] < high - low


@given(judged())
def test_agrees_with_scikit_learn(data: tuple[np.ndarray, np.ndarray]) -> None:
    labels, probabilities = data
    classes = list(range(probabilities.shape[1]))
    predicted = probabilities.argmax(1)
    confusion = metrics.confusion_matrix(labels, predicted, len(classes))
    assert np.array_equal(confusion, sk.confusion_matrix(labels, predicted, labels=classes))
    precision, recall, f1, support = sk.precision_recall_fscore_support(
        labels, predicted, labels=classes, zero_division=0
    )
    for index, figures in enumerate(metrics.per_class(confusion)):
        assert figures["support"] == support[index]
        for name, wanted in (("precision", precision), ("recall", recall), ("f1", f1)):
            value = figures[name]["value"]
            assert (value or 0.0) == pytest.approx(wanted[index])
            assert (value is None) == (figures[name]["n"] == 0)
            if value is not None:
                assert figures[name]["ci95"][0] <= value <= figures[name]["ci95"][1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class in the predictions that is not in the labels
        wanted = sk.balanced_accuracy_score(labels, predicted)
    balanced = metrics.balanced_accuracy(confusion)
    assert balanced["value"] == pytest.approx(wanted)
    assert balanced["ci95"][0] <= balanced["value"] <= balanced["ci95"][1]
    assert metrics.negative_log_likelihood(labels, probabilities) == pytest.approx(
        sk.log_loss(labels, probabilities, labels=classes)
    )
    assert metrics.brier(labels, probabilities) == pytest.approx(
        sk.brier_score_loss(labels, probabilities, labels=classes, scale_by_half=False)
    )


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=80),
    st.lists(st.integers(0, 9), min_size=1, max_size=80),
)
def test_auroc_and_fpr_agree_with_scikit_learn(known: list[int], unknown: list[int]) -> None:
    truth = np.r_[np.ones(len(known)), np.zeros(len(unknown))]
    scores = np.array(known + unknown) / 10
    result = detection.auroc(np.array(known) / 10, np.array(unknown) / 10)
    assert result["value"] == pytest.approx(sk.roc_auc_score(truth, scores))
    low, high = result["ci95"]
    assert 0 <= low <= result["value"] <= high <= 1
    fpr, tpr, _ = sk.roc_curve(truth, scores, drop_intermediate=False)
    wanted = fpr[np.argmax(tpr >= 0.95 - 1e-12)]
    found = detection.fpr_at_tpr(np.array(known) / 10, np.array(unknown) / 10)
    assert found["value"] == pytest.approx(wanted)


def test_auroc_of_a_perfect_score_is_not_certain() -> None:
    few = detection.auroc([0.9] * 10, [0.1] * 10)
    many = detection.auroc([0.9] * 1000, [0.1] * 1000)
    assert few["value"] == many["value"] == 1
    assert few["ci95"][0] < 0.9
    assert 0.98 < many["ci95"][0] < 1
    assert detection.auroc([], [0.1])["value"] is None


def test_infinite_loss_is_bounded_and_nothing_is_nan() -> None:
    assert metrics.negative_log_likelihood([1], [[1.0, 0.0]]) == pytest.approx(36.04, abs=0.01)
    empty = np.zeros((0, 2))
    assert metrics.negative_log_likelihood([], empty) is None
    assert metrics.brier([], empty) is None
    assert metrics.ece_by_chance([]) is None
    assert metrics.expected_calibration_error(metrics.reliability_bins([], [])) is None
    assert metrics.grouped_bootstrap([], []) is None
    confusion = metrics.confusion_matrix([0], [0], 3)
    json.dumps(
        [metrics.per_class(confusion), metrics.balanced_accuracy(confusion)], allow_nan=False
    )
    assert metrics.balanced_accuracy(confusion * 0)["value"] is None


@given(st.data())
@settings(deadline=None)
def test_grouped_interval_claims_no_more_than_the_one_by_picture(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 60))
    correct = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    groups = np.array(data.draw(st.lists(st.integers(0, 9), min_size=n, max_size=n)))
    low, high = metrics.grouped_bootstrap(correct, groups, samples=200)
    by_picture = metrics.wilson_interval(correct.sum(), n)
    assert 0 <= low <= by_picture[0] <= by_picture[1] <= high <= 1
    assert metrics.grouped_bootstrap(correct, groups, samples=200) == [low, high]


def test_no_error_in_fifteen_signs_is_fifteen_trials() -> None:
    groups = np.repeat([f"sign {index}" for index in range(15)], 29)
    interval = metrics.grouped_bootstrap(np.ones(len(groups)), groups)
    assert interval == pytest.approx(metrics.wilson_interval(15, 15))


def test_one_mistake_more_makes_nobody_surer() -> None:
    groups = np.repeat(np.arange(14), 30)
    bounds = []
    for wrong in range(0, 60, 5):
        correct = np.ones(420, bool)
        correct[:wrong] = False
        bounds.append(metrics.grouped_bootstrap(correct, groups)[0])
    assert bounds[0] == pytest.approx(metrics.wilson_interval(14, 14)[0])
    assert max(bounds) == bounds[0]
    # Signs that fail as a whole beside stray mistakes: 3 % and 1 %.
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        fails = rng.random(14) < 0.03
        correct = (rng.random(420) >= 0.01) & ~fails[groups]
        low, high = metrics.grouped_bootstrap(correct, groups, samples=500)
        held += low <= 0.97 * 0.99 <= high
    assert held >= 0.93 * 200


def test_grouped_interval_holds_the_truth_where_others_do_not() -> None:
    # Fifteen signs, as in a small test split; a sign tends to be read right, or wrong, as a whole.
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(15), 29)
    held = {"group": 0, "picture": 0}
    for trial in range(150):
        error = rng.beta(0.2 * 0.05, 0.2 * 0.95, 15)
        correct = rng.random(len(groups)) >= error[groups]
        low, high = metrics.grouped_bootstrap(correct, groups, samples=500, seed=trial)
        held["group"] += low <= 0.95 <= high
        low, high = metrics.wilson_interval(correct.sum(), len(correct))
        held["picture"] += low <= 0.95 <= high
    assert held["group"] >= 0.85 * 150
    assert held["picture"] < 0.5 * 150


def test_grouped_bootstrap_is_the_textbook_one_when_errors_are_many() -> None:
    rng = np.random.default_rng(1)
    sizes = rng.integers(5, 30, 80)
    groups = np.repeat(np.arange(80), sizes)
    correct = rng.random(len(groups)) < rng.beta(2, 2, 80)[groups]
    draws = rng.integers(0, 80, (4000, 80))
    hits = np.bincount(groups, weights=correct)
    wanted = np.percentile(hits[draws].sum(1) / sizes[draws].sum(1), [2.5, 97.5])
    assert metrics.grouped_bootstrap(correct, groups) == pytest.approx(wanted, abs=0.006)


def test_bins_have_equal_mass_and_ece_counts_them_all() -> None:
    rng = np.random.default_rng(2)
    confidence = rng.random(1000) ** 0.2
    bins = metrics.reliability_bins(confidence, rng.random(1000) < confidence)
    assert [part["n"] for part in bins] == [66, 67, 67] * 5
    assert bins[0]["high"] <= bins[1]["low"]
    assert metrics.expected_calibration_error(bins) < 0.05
    sure = metrics.reliability_bins(np.full(100, 0.9), np.arange(100) < 50)
    assert len(sure) == 1, "equal confidences are in no order, so they share a bin"
    assert metrics.expected_calibration_error(sure) == pytest.approx(0.4)


def test_chance_level_of_ece_falls_with_n_and_holds_for_the_calibrated() -> None:
    rng = np.random.default_rng(3)
    confidence = 0.5 + rng.random(2000) / 2
    few, many = (metrics.ece_by_chance(confidence[:n], samples=100) for n in (50, 2000))
    assert few > 2 * many
    below = 0
    for _ in range(60):
        bins = metrics.reliability_bins(confidence, rng.random(2000) < confidence)
        below += metrics.expected_calibration_error(bins) <= many
    assert below >= 50


def test_risk_coverage_by_hand() -> None:
    coverage, risk = metrics.risk_coverage([0.9, 0.8, 0.8, 0.1], [True, False, True, False])
    assert coverage == pytest.approx([0.25, 0.5, 0.75, 1])
    assert risk == pytest.approx([0, 0.25, 1 / 3, 0.5])  # of the two at 0.8 half are wrong
    found = selective(np.array([0.9, 0.8, 0.8, 0.1]), np.array([1, 0, 1, 0], bool), 0.5)
    assert found["aurc"] == pytest.approx((0 + 0.25 + 1 / 3 + 0.5) / 4)
    assert (found["accepted"], found["risk"]) == (3, pytest.approx(1 / 3))


@given(judged())
def test_risk_coverage_ends_at_the_error_and_ignores_the_order_of_ties(
    data: tuple[np.ndarray, np.ndarray],
) -> None:
    labels, probabilities = data
    correct = probabilities.argmax(1) == labels
    score = probabilities.max(1)
    coverage, risk = metrics.risk_coverage(score, correct)
    assert coverage[-1] == 1
    assert risk[-1] == pytest.approx(1 - correct.mean())
    shuffle = np.random.default_rng(0).permutation(len(labels))
    assert metrics.risk_coverage(score[shuffle], correct[shuffle])[1] == pytest.approx(risk)
    flat = metrics.risk_coverage(np.ones(len(labels)), correct)[1]
    assert flat == pytest.approx(np.full(len(labels), 1 - correct.mean()))
