"""Labels that are likely wrong, by confident learning."""

import numpy as np

from signwise.evaluation.label_errors import likely_errors


def test_label_errors_are_found() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, 3, 600)
    probabilities = np.full((600, 3), 0.02) + random.random((600, 3)) * 0.02
    probabilities[np.arange(600), truth] = 0.95
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    labels = truth.copy()
    wrong = random.choice(600, 18, replace=False)
    labels[wrong] = (labels[wrong] + 1) % 3
    found = likely_errors(labels, probabilities)
    assert set(found) <= set(wrong)
    assert len(found) >= 12
    assert len(likely_errors(truth, probabilities)) == 0


def test_label_errors_with_a_class_missing() -> None:
    probabilities = np.tile([0.9, 0.05, 0.05], (20, 1))
    assert len(likely_errors(np.zeros(20, np.intp), probabilities)) == 0
