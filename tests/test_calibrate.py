"""Temperature and threshold: properties that hold whatever the validation set."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signwise.training.calibration import (
    TEMPERATURE_RANGE,
    calibrate,
    fit_threshold,
    log_softmax,
    notes_on,
)


def drawn(count: int, classes: int, sharpness: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels drawn from their very softmax, then the logits sharpened."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (count, classes))
    chances = np.exp(log_softmax(logits))
    labels = (rng.random((count, 1)) > chances.cumsum(1)).sum(1).clip(max=classes - 1)
    return logits * sharpness, labels.astype(np.int64)


@settings(max_examples=20, deadline=None)
@given(sharpness=st.sampled_from([0.5, 1.0, 2.0, 4.0]), classes=st.integers(2, 6))
def test_the_temperature_undoes_how_much_logits_were_sharpened(
    sharpness: float, classes: int
) -> None:
    logits, labels = drawn(6000, classes, sharpness, 0)
    temperature = calibrate(logits, labels, np.ones(classes)).temperature
    assert abs(temperature / sharpness - 1) < 0.12


@settings(max_examples=20, deadline=None)
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
    found = calibrate((logits + added) * sharpness, labels, np.array(weights))
    frequent = np.bincount(labels, minlength=len(weights)) / len(labels)
    taken_for = found.probabilities((logits + added) * sharpness).mean(0)
    assert np.abs(taken_for - frequent).max() < 0.02
    assert np.allclose(found.offsets, added - added.mean(), atol=0.2)


def test_a_perfect_small_set_gives_no_certainty() -> None:
    labels = np.array([0, 1] * 10)
    logits = np.where(np.eye(2)[labels] == 1, 5.0, -5.0)
    found = calibrate(logits, labels, np.ones(2))
    assert TEMPERATURE_RANGE[0] <= found.temperature <= TEMPERATURE_RANGE[1]
    assert found.probabilities(logits).max(1).mean() < 0.95
    notes = " ".join(notes_on(logits, labels, found))
    assert "too few" in notes
    assert "no mistake" in notes


def test_a_large_set_with_mistakes_needs_no_note() -> None:
    logits, labels = drawn(2000, 3, 1.0, 1)
    assert notes_on(logits, labels, calibrate(logits, labels, np.ones(3))) == ()


def test_a_model_that_knows_frequencies_alone_is_told() -> None:
    labels = (np.arange(400) % 20 == 0).astype(np.int64)
    logits = np.random.default_rng(0).normal(0, 40, (400, 2))
    assert "no better than how frequent" in " ".join(
        notes_on(logits, labels, calibrate(logits, labels, np.ones(2)))
    )


@given(
    scores=st.lists(st.floats(0, 1, width=32), min_size=1, max_size=300),
    keep=st.floats(0.5, 1.0),
)
def test_the_threshold_keeps_the_share_asked_for(scores: list[float], keep: float) -> None:
    known = np.array(scores, np.float32)
    threshold = fit_threshold(known, keep)
    assert 0 <= threshold <= 1
    assert (known >= np.float32(threshold)).mean() >= keep - 1e-6


@given(
    scores=st.sets(st.integers(0, 1000), min_size=1, max_size=300),
    keep=st.floats(0.5, 1.0),
)
def test_the_threshold_keeps_not_one_picture_more(scores: set[int], keep: float) -> None:
    known = np.array(list(scores), np.float32) / 1000
    kept = (known >= np.float32(fit_threshold(known, keep))).sum()
    assert kept / len(known) >= keep - 1e-6
    assert (kept - 1) / len(known) < keep + 1e-6


def test_the_last_bits_of_a_score_change_no_answer() -> None:
    known = np.linspace(0.2, 0.9, 16, dtype=np.float32)
    threshold = fit_threshold(known, 0.75)
    for shifted in (known - np.float32(4e-7), known + np.float32(4e-7)):
        assert (shifted >= np.float32(threshold)).sum() == 12


def test_a_few_scores_do_not_raise_the_threshold_above_the_middle() -> None:
    few, many = np.full(10, 0.9, np.float32), np.full(1000, 0.9, np.float32)
    assert fit_threshold(few, 0.99) == pytest.approx(0.5, abs=1e-5)
    assert fit_threshold(many, 0.99) == pytest.approx(0.9, abs=1e-5)
    lowest = fit_threshold(np.array([0.25, 0.75], np.float32), 0.99)
    assert lowest == pytest.approx(0.25, abs=1e-5)
    assert lowest < 0.25
