"""Temperature and threshold: properties that hold whatever the validation set."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from signwise.config import CalibrationConfig
from signwise.metrics.selective import accepted
from signwise.training.calibration import (
    Calibration,
    calibrate,
    fit_threshold,
    keep_share,
    log_softmax,
    notes_on,
)

pytestmark = pytest.mark.numeric

Logits = NDArray[np.float64]
Labels = NDArray[np.int64]
Scores = NDArray[np.float64]

USUAL = CalibrationConfig()


def drawn(count: int, classes: int, sharpness: float, seed: int) -> tuple[Logits, Labels]:
    """Logits and labels drawn from their very softmax, then the logits sharpened."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (count, classes))
    chances = np.exp(log_softmax(logits))
    labels = (rng.random((count, 1)) > chances.cumsum(1)).sum(1).clip(max=classes - 1)
    return logits * sharpness, labels.astype(np.int64)


def loss(found: Calibration, logits: Logits, labels: Labels) -> float:
    """What `calibrate` says that it minimises: by hand, with half a mistake, less by mistakes."""
    count, classes = logits.shape
    tells = 1 + int((logits.argmax(1) != labels).sum())
    targets = np.empty(logits.shape)
    for row, label in enumerate(labels):
        targets[row] = 0.5 / (count + 1) / tells / (classes - 1)
        targets[row, label] = 1 - 0.5 / (count + 1) / tells
    return float(-(targets * np.log(found.probabilities(logits))).sum(1).mean())


def test_the_logarithm_of_the_softmax_does_not_overflow() -> None:
    logits = np.array([[1e4, 0.0], [-1e4, -1e4], [0.0, np.log(3.0)]])
    wanted = np.array([[0.0, -1e4], np.log([0.5, 0.5]), np.log([0.25, 0.75])])
    assert np.allclose(log_softmax(logits), wanted)


def test_probabilities_are_the_softmax_of_what_is_left() -> None:
    found = Calibration(temperature=2.0, offsets=np.array([np.log(2.0), 0.0, 0.0]))
    logits = np.array([[2 * np.log(4.0), 0.0, 2 * np.log(5.0)]])
    assert found.probabilities(logits) == pytest.approx(np.array([[2 / 8, 1 / 8, 5 / 8]]))


@settings(max_examples=20)
@given(sharpness=st.sampled_from([0.5, 1.0, 2.0, 4.0]), classes=st.integers(2, 6))
def test_the_temperature_undoes_how_much_logits_were_sharpened(
    sharpness: float, classes: int
) -> None:
    logits, labels = drawn(6000, classes, sharpness, 0)
    found = calibrate(logits, labels, np.ones(classes), USUAL)
    assert abs(found.temperature / sharpness - 1) < 0.12
    assert found.offsets == pytest.approx(np.zeros(classes))


@settings(max_examples=20)
@given(
    share=st.floats(0, 1),
    weights=st.lists(st.floats(0.2, 5), min_size=2, max_size=5),
    sharpness=st.sampled_from([0.5, 1.0, 3.0]),
)
def test_the_offsets_take_away_what_the_weights_added(
    share: float, weights: list[float], sharpness: float
) -> None:
    logits, labels = drawn(6000, len(weights), 1.0, 0)
    added = share * np.log(weights)
    found = calibrate((logits + added) * sharpness, labels, np.array(weights), USUAL)
    frequent = np.bincount(labels, minlength=len(weights)) / len(labels)
    taken_for = found.probabilities((logits + added) * sharpness).mean(0)
    assert np.abs(taken_for - frequent).max() < 0.02
    assert np.allclose(found.offsets, added - added.mean(), atol=0.2)


def test_the_share_of_the_weights_stays_within_none_and_all() -> None:
    logits, labels = drawn(3000, 2, 1.0, 0)
    weights = np.array([4.0, 0.25])
    for times, share in ((-1.0, 0.0), (3.0, 1.0)):
        found = calibrate(logits + times * np.log(weights), labels, weights, USUAL)
        assert found.offsets == pytest.approx(share * np.log(weights), abs=1e-6)


@pytest.mark.parametrize("sharpness", [0.01, 100.0])
def test_the_temperature_stays_within_its_bounds_and_that_is_told(sharpness: float) -> None:
    logits, labels = drawn(1000, 3, sharpness, 0)
    for bounds in (USUAL.temperature, (0.5, 2.0)):
        config = CalibrationConfig(temperature=bounds)
        found = calibrate(logits, labels, np.ones(3), config)
        assert found.temperature == pytest.approx(bounds[sharpness > 1], rel=1e-6)
        note = notes_on(logits, labels, found, config)[-1]
        assert note == f"the temperature stopped at its bound, {found.temperature:.2f}"


@pytest.mark.parametrize(("classes", "count"), [(2, 40), (4, 300), (1, 30)])
def test_no_other_temperature_and_share_fit_better(classes: int, count: int) -> None:
    logits, labels = drawn(count, classes, 2.0, 3)
    weights = np.linspace(0.5, 2.0, classes)
    found = calibrate(logits, labels, weights, USUAL)
    if classes == 1:
        assert found.probabilities(logits) == pytest.approx(np.ones((count, 1)))
        return
    best = loss(found, logits, labels)
    added = np.log(weights) - np.log(weights).mean()
    share = float(found.offsets[0] / added[0])
    assert found.offsets == pytest.approx(share * added)
    for turn in (0.97, 1.03):
        other = Calibration(temperature=found.temperature * turn, offsets=found.offsets)
        assert loss(other, logits, labels) > best
    for step in (-0.05, 0.05):
        if 0 <= share + step <= 1:
            moved = (share + step) * added
            other = Calibration(temperature=found.temperature, offsets=moved)
            assert loss(other, logits, labels) > best


@pytest.mark.parametrize("classes", [2, 4])
def test_a_perfect_small_set_gives_no_certainty(classes: int) -> None:
    labels = np.arange(10 * classes) % classes
    logits = np.where(np.eye(classes)[labels] == 1, 5.0, -5.0)
    found = calibrate(logits, labels, np.ones(classes), USUAL)
    # Half a mistake in one picture more.
    wanted = 1 - 0.5 / (len(labels) + 1)
    assert found.probabilities(logits).max(1) == pytest.approx(wanted, abs=1e-3)
    notes = notes_on(logits, labels, found, USUAL)
    assert len(notes) == 2
    assert notes[0].startswith(f"{len(labels)} validation pictures are too few")
    assert notes[1].startswith(f"no mistake on {len(labels)} validation pictures")


@pytest.mark.parametrize(("count", "few"), [(99, True), (100, False)])
def test_a_set_with_mistakes_needs_no_note_if_it_is_large(count: int, few: bool) -> None:
    logits, labels = drawn(count, 3, 1.0, 1)
    notes = notes_on(logits, labels, calibrate(logits, labels, np.ones(3), USUAL), USUAL)
    assert [note.split(" are ")[0] for note in notes] == ["99 validation pictures"] * few


def test_one_mistake_is_a_mistake() -> None:
    labels = np.arange(200) % 2
    logits = np.where(np.eye(2)[labels] == 1, 5.0, -5.0)
    logits[7] = -logits[7]
    found = calibrate(logits, labels, np.ones(2), USUAL)
    assert notes_on(logits, labels, found, USUAL) == ()


@pytest.mark.parametrize("count", [400, 90, 60])
def test_a_model_that_knows_frequencies_alone_is_told(count: int) -> None:
    labels = (np.arange(count) % 20 == 0).astype(np.int64)
    logits = np.random.default_rng(0).normal(0, 40, (count, 2))
    found = calibrate(logits, labels, np.ones(2), USUAL)
    assert "do not show that the model tells the classes" in " ".join(
        notes_on(logits, labels, found, USUAL)
    )


@pytest.mark.parametrize("seed", range(8))
def test_what_60_pictures_can_tell_of_learning(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.arange(60) % 2
    for share_right, learned in ((0.5, False), (0.85, True)):
        shown = np.where(rng.permutation(60) < share_right * 60, labels, 1 - labels)
        logits = 2.0 * np.eye(2)[shown] + rng.normal(0, 0.3, (60, 2))
        found = calibrate(logits, labels, np.ones(2), USUAL)
        notes = " ".join(notes_on(logits, labels, found, USUAL))
        assert ("60 validation pictures do not show that the model tells" in notes) == (not learned)


@pytest.mark.parametrize(("right", "told"), [(10, True), (14, True), (16, False)])
def test_of_few_pictures_it_is_said_what_they_do_not_show(right: int, told: bool) -> None:
    """14 of 20 may be luck, and may be learned: neither is claimed."""
    labels = np.arange(20) % 2
    shown = np.where(np.arange(20) < right, labels, 1 - labels)
    logits = 2.0 * np.eye(2)[shown]
    found = calibrate(logits, labels, np.ones(2), USUAL)
    notes = " ".join(notes_on(logits, labels, found, USUAL))
    assert ("20 validation pictures do not show that" in notes) == told


def test_a_model_that_knows_a_little_more_than_frequencies_is_not_told_so() -> None:
    labels = (np.arange(400) % 4 == 0).astype(np.int64)
    rng = np.random.default_rng(0)
    logits = np.log(np.array([0.75, 0.25])) + rng.normal(0, 0.1, (400, 2))
    logits[np.arange(400), labels] += 0.3
    found = calibrate(logits, labels, np.ones(2), CalibrationConfig(temperature=(1.0, 1.0)))
    notes = " ".join(notes_on(logits, labels, found, USUAL))
    assert "do not show that" not in notes


def test_a_class_without_pictures_makes_guessing_no_harder() -> None:
    labels = np.arange(100) % 2
    shown = np.where(np.arange(100) < 50, labels, 1 - labels)
    logits = 2.0 * np.eye(3)[shown] - [0, 0, 9]
    found = calibrate(logits, labels, np.ones(3), USUAL)
    assert "do not show that" in " ".join(notes_on(logits, labels, found, USUAL))


def test_a_class_of_one_picture_makes_guessing_harder() -> None:
    labels = np.append(np.arange(100) % 2, 2)
    shown = np.where(np.arange(101) < 66, labels, 1 - labels.clip(max=1))
    logits = 2.0 * np.eye(3)[shown]
    found = calibrate(logits, labels, np.ones(3), USUAL)
    assert notes_on(logits, labels, found, USUAL) == ()


@given(
    scores=st.lists(st.floats(0, 1, width=32), min_size=1, max_size=300),
    keep=st.floats(0.5, 1.0),
)
def test_the_threshold_keeps_the_share_asked_for(scores: list[float], keep: float) -> None:
    known = np.array(scores, np.float32)
    threshold = keep_share(known, keep, USUAL)
    assert 0 <= threshold <= 1
    assert accepted(known, threshold).mean() >= keep - 1e-6


@given(
    scores=st.sets(st.integers(0, 1000), min_size=1, max_size=300),
    keep=st.floats(0.5, 1.0),
)
def test_the_threshold_keeps_not_one_picture_more(scores: set[int], keep: float) -> None:
    known = np.array(list(scores), np.float32) / np.float32(1000)
    kept = accepted(known, keep_share(known, keep, USUAL)).sum()
    assert kept / len(known) >= keep - 1e-6
    assert (kept - 1) / len(known) < keep + 1e-6


def test_the_threshold_lies_midway_whatever_the_order() -> None:
    known = np.array([0.875, 0.25, 0.5, 0.75], np.float32)
    for keep, wanted in ((0.75, 0.375), (0.5, 0.625), (0.25, 0.8125)):
        found = keep_share(known, keep, USUAL)
        assert found == pytest.approx(wanted, abs=2e-6)
        assert found < wanted


def test_the_last_bits_of_a_score_change_no_answer() -> None:
    known = np.linspace(0.2, 0.9, 16, dtype=np.float32)
    threshold = keep_share(known, 0.75, USUAL)
    for shifted in (known - np.float32(4e-7), known + np.float32(4e-7)):
        assert accepted(shifted, threshold).sum() == 12
    same = np.full(8, 0.7, np.float32)
    for keep in (0.75, 1.0):
        threshold = keep_share(same, keep, USUAL)
        assert accepted(same - np.float32(4e-7), threshold).all()


@pytest.mark.parametrize("largest", [0.5, 0.25, 1.0])
def test_a_few_scores_do_not_raise_the_threshold_above_the_largest(largest: float) -> None:
    config = CalibrationConfig(largest_threshold=largest)
    few, many = np.full(10, 0.875, np.float32), np.full(1000, 0.875, np.float32)
    assert keep_share(few, 0.99, config) == pytest.approx(min(largest, 0.875), abs=1e-5)
    # Where some are rejected, their score is what counts.
    assert keep_share(many, 0.99, config) == pytest.approx(0.875, abs=1e-5)
    lowest = keep_share(np.array([0.125, 0.75], np.float32), 0.99, config)
    assert lowest == pytest.approx(0.125, abs=1e-5)
    assert lowest < 0.125
    assert keep_share(np.zeros(3, np.float32), 0.99, config) == 0


def test_a_share_that_is_no_fraction_of_floating_point_is_exact() -> None:
    known = np.arange(1, 101, dtype=np.float32) / np.float32(128)
    for rejected in range(1, 100):  # 1 - 0.9 is a little less than 0.1
        keep = (100 - rejected) / 100
        assert accepted(known, keep_share(known, keep, USUAL)).sum() == 100 - rejected


def weigh(**changes: Any) -> tuple[Logits, Labels, Calibration]:
    logits, labels = drawn(500, 2, 1.0, 0)
    given = {"logits": logits, "labels": labels, "class_weights": np.array([1.5, 0.75])} | changes
    return logits, labels, calibrate(**given, config=USUAL)


def test_weights_count_by_their_ratio_alone() -> None:
    _, _, found = weigh()
    _, _, doubled = weigh(class_weights=np.array([3.0, 1.5], np.float32))
    assert doubled.temperature == pytest.approx(found.temperature)
    assert doubled.offsets == pytest.approx(found.offsets)
    assert found.offsets.sum() == pytest.approx(0, abs=1e-12)


def scores(log_odds: Any) -> Scores:
    """The sigmoid."""
    return np.asarray(1 / (1 + np.exp(-np.asarray(log_odds, np.float64))))


def between(own: Any, other: Any, keep: float | None = None) -> float:
    """The threshold, in log-odds, for scores that are given in log-odds."""
    threshold = fit_threshold(scores(own), scores(other), keep, USUAL)
    return float(np.log(threshold / (1 - threshold)))


ODDS = st.lists(st.floats(-13, 13), min_size=1, max_size=60)
"""Within what `fit_threshold` tells apart."""


@st.composite
def two_sides(draw: st.DrawFn) -> tuple[Scores, Scores]:
    """Log-odds of known and of other pictures, with the median of the known above."""
    own, other = np.array(draw(ODDS)), np.array(draw(ODDS))
    if np.median(own) < np.median(other):
        own, other = other, own
    assume(np.median(own) - np.median(other) > 0.01)
    return own, other


def test_the_threshold_by_hand() -> None:
    # Medians 6 and -2; 6 of 3 and -2 of 1 are how far they reach towards each other.
    own, other = [3.0, 3.0, 6.0, 6.0, 9.0, 9.0], [-5.0, -3.0, -1.0, -1.0]
    wide, narrow = 2 * (9 + 9) / 6, 2 * (1 + 1) / 4
    common = (6 * wide + 4 * narrow) / 10
    below = np.sqrt((6 * wide + 50 * common) / 56)
    above = np.sqrt((4 * narrow + 50 * common) / 54)
    assert between(own, other) == pytest.approx((6 * above - 2 * below) / (above + below))
    assert between([4.0], [-1.0]) == pytest.approx(1.5)  # nothing is known of how far they reach
    assert between([4.0] * 7, [-1.0, -1.0]) == pytest.approx(1.5)


@given(sides=two_sides())
def test_the_threshold_lies_between_the_medians(sides: tuple[Scores, Scores]) -> None:
    own, other = sides
    assert np.median(other) - 1e-6 <= between(own, other) <= np.median(own) + 1e-6


@given(sides=two_sides())
def test_the_threshold_lies_nearer_to_the_side_that_spreads_less(
    sides: tuple[Scores, Scores],
) -> None:
    """It lies between the middle and where their own deviations put it."""
    own, other = sides
    threshold = between(own, other)
    high, low = np.median(own), np.median(other)
    below = max(np.sqrt(2 * ((high - own).clip(0) ** 2).mean()), 1e-3)
    above = max(np.sqrt(2 * ((other - low).clip(0) ** 2).mean()), 1e-3)
    middle, alone = (high + low) / 2, (high * above + low * below) / (above + below)
    assert min(middle, alone) - 1e-5 <= threshold <= max(middle, alone) + 1e-5


@given(sides=two_sides(), more=st.integers(2, 40))
def test_the_more_scores_there_are_the_more_they_say_themselves(
    sides: tuple[Scores, Scores], more: int
) -> None:
    own, other = sides
    high, low = np.median(own), np.median(other)
    middle = (high + low) / 2
    few, many = (between(np.tile(own, n), np.tile(other, n)) for n in (1, more))
    assert abs(many - middle) >= abs(few - middle) - 1e-5
    assert (many - middle) * (few - middle) >= -1e-5


@given(sides=two_sides())
def test_the_threshold_treats_both_sides_alike(sides: tuple[Scores, Scores]) -> None:
    own, other = sides
    assert between(-other, -own) == pytest.approx(-between(own, other), abs=1e-4)
    rng = np.random.default_rng(0)
    assert between(rng.permutation(own), rng.permutation(other)) == pytest.approx(
        between(own, other), abs=1e-6
    )


@given(sides=two_sides(), shift=st.floats(-3, 3), scale=st.floats(0.5, 2))
def test_the_threshold_moves_with_the_scores(
    sides: tuple[Scores, Scores], shift: float, scale: float
) -> None:
    own, other = (part / 4 for part in sides)
    small = np.ptp(own) < 0.1 or np.ptp(other) < 0.1
    assume(not small)  # the least deviation is of no scale
    first = between(own, other)
    assert between(own + shift, other + shift) == pytest.approx(first + shift, abs=1e-4)
    assert between(own * scale, other * scale) == pytest.approx(first * scale, abs=0.05)


@given(sides=two_sides(), place=st.floats(0, 1), lower=st.floats(0, 8))
def test_a_known_score_that_falls_takes_the_threshold_along(
    sides: tuple[Scores, Scores], place: float, lower: float
) -> None:
    own, other = (part / 4 for part in sides)
    threshold = between(own, other)
    assert between(own + lower, other) >= threshold - 1e-6  # the whole side
    assert between(own, other - lower) <= threshold + 1e-6
    # One score alone, of those that face the threshold.
    own, other = np.sort(own), np.sort(other)
    row = int(place * ((len(own) - 1) // 2))
    if row < (len(own) - 1) // 2:
        fallen = own.copy()
        fallen[row] -= lower
        assert between(fallen, other) <= threshold + 1e-6
    row = int(place * ((len(other) - 1) // 2))
    if row < (len(other) - 1) // 2:
        risen = other.copy()
        risen[-1 - row] += lower
        assert between(own, risen) >= threshold - 1e-6


@given(sides=two_sides(), place=st.integers(0, 59), step=st.sampled_from([-1e-5, 1e-5]))
def test_no_score_makes_the_threshold_jump(
    sides: tuple[Scores, Scores], place: int, step: float
) -> None:
    own, other = sides
    for moved in (own, other):
        before = between(own, other)
        moved[place % len(moved)] += step
        # By no more than how much further the medians are apart than the scores reach.
        assert abs(between(own, other) - before) < 1e-5 * (2 + 26 / 1e-3)
        if min(np.ptp(own), np.ptp(other)) > 1:
            assert abs(between(own, other) - before) < 0.01


def test_a_score_that_leaves_the_middle_changes_little() -> None:
    own, other = np.array([0.0, 5.0, 5.0, 5.0]), np.array([-6.0, -5.0, -4.0])
    near = own - np.array([0.0, 1e-6, 0.0, 0.0])
    assert between(near, other) == pytest.approx(between(own, other), abs=1e-4)


def test_many_sure_scores_leave_the_others_their_say() -> None:
    """A score of 1 has no logarithm of its odds."""
    known = np.array([1.0] * 30 + [0.9] * 10, np.float32)
    unknown = np.array([0.0] * 30 + [0.2] * 10, np.float32)
    threshold = fit_threshold(known, unknown, None, USUAL)
    assert 0.2 < threshold < 0.9


@given(own=ODDS, other=ODDS)
def test_a_model_that_tells_nothing_keeps_half(own: list[float], other: list[float]) -> None:
    assume(np.median(own) < np.median(other) - 1e-6)
    known, unknown = scores(own), scores(other)
    for config in (USUAL, CalibrationConfig(keep_untold=0.8)):
        threshold = fit_threshold(known, unknown, None, config)
        assert threshold == keep_share(known, config.keep_untold, config)
    assert USUAL.keep_untold == 0.5


@pytest.mark.parametrize("keep", [0.5, 0.9, 1.0])
def test_a_share_that_is_asked_for_is_what_counts(keep: float) -> None:
    known, unknown = np.linspace(0.3, 0.9, 50), np.linspace(0.1, 0.5, 50)
    assert fit_threshold(known, unknown, keep, USUAL) == keep_share(known, keep, USUAL)
    nothing = np.empty(0, np.float32)
    assert fit_threshold(known, nothing, keep, USUAL) == keep_share(known, keep, USUAL)
    assert fit_threshold(known, nothing, None, USUAL) == keep_share(known, 0.99, USUAL)
    config = CalibrationConfig(keep_alone=0.75)
    assert fit_threshold(known, nothing, None, config) == keep_share(known, 0.75, config)
    assert fit_threshold(known, nothing, keep, config) == keep_share(known, keep, config)


@pytest.mark.parametrize("pictures", [60, 120, 300])
def test_few_new_pictures_are_mistaken(pictures: int) -> None:
    """Of two normal distributions of log-odds, 4 deviations apart."""
    good = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        threshold = between(rng.normal(2, 1, pictures), rng.normal(-2, 1, 60))
        rejected = (rng.normal(2, 1, 20_000) < threshold).mean()
        taken = (rng.normal(-2, 1, 20_000) >= threshold).mean()
        good += bool(rejected <= 0.05 and taken <= 0.05)
    assert good >= 19
