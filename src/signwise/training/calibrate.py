"""Temperature and the threshold of `known`, both fitted on the validation set."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TEMPERATURE_RANGE = (0.25, 8.0)
SMALL_VALIDATION_SET = 100
SCORE_ROUNDING = 1e-6  # for equal scores, where midway is the score itself
GOLDEN = (math.sqrt(5) - 1) / 2

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What is stored in model.onnx beside the weights."""

    temperature: float
    threshold: float
    notes: tuple[str, ...]
    """What a reader must know before trusting the two numbers."""


def log_softmax(logits: Array) -> Array:
    """Row-wise logarithm of the softmax, (N, K) to (N, K), without overflow."""
    shifted = logits - logits.max(1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(1, keepdims=True)))


def fit_temperature(logits: Array, labels: NDArray[np.int64]) -> float:
    """The temperature that maximises the likelihood of labels (N,) under logits (N, K) / T.

    One number rescales all logits (Guo et al., "On Calibration of Modern Neural Networks", 2017,
    section 4). The targets are Platt's, (n + 1) / (n + 2) for a class's own n pictures
    ("Probabilistic Outputs for Support Vector Machines", 1999, section 2.2), so that a set without
    a mistake gives a confidence that its size can back, and not certainty.
    """
    count, classes = logits.shape
    own = np.bincount(labels, minlength=classes)[labels]
    doubt = 1 / (own + 2)
    targets = np.repeat((doubt / max(classes - 1, 1))[:, None], classes, 1)
    targets[np.arange(count), labels] = 1 - doubt

    def loss(log_temperature: float) -> float:
        return float(-(targets * log_softmax(logits / math.exp(log_temperature))).sum() / count)

    # The loss is convex in 1/T, so one valley in log T: a golden-section search finds it.
    low, high = (math.log(bound) for bound in TEMPERATURE_RANGE)
    while high - low > 1e-4:
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        if loss(left) <= loss(right):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)


def fit_threshold(known: NDArray[np.float32], keep_known: float) -> float:
    """A threshold that keeps at least `keep_known` of the validation scores (N,), and no more.

    It lies midway between the lowest score kept and the one refused below it, so that the last bits
    in which ONNX Runtime and torch differ change no answer. Where all are kept, the lowest of a few
    scores says little about the share asked for: the threshold then is at most 0.5, the middle of
    the classes' sigmoids.
    """
    scores = np.sort(known.astype(np.float64))
    refused = math.floor(len(scores) * (1 - keep_known) + 1e-9)
    limit = scores[refused - 1 : refused + 1].mean() if refused else min(scores[0], 0.5)
    return max(float(limit) - SCORE_ROUNDING, 0.0)


def notes_on(logits: Array, labels: NDArray[np.int64], temperature: float) -> tuple[str, ...]:
    """What the validation set was too small, or too easy, to tell."""
    notes = []
    if len(labels) < SMALL_VALIDATION_SET:
        notes.append(
            f"{len(labels)} validation pictures are too few to tell the temperature and the "
            f"threshold well; {SMALL_VALIDATION_SET} would do"
        )
    if bool((logits.argmax(1) == labels).all()):
        notes.append(
            f"no mistake on {len(labels)} validation pictures: the temperature says how sure that "
            "many pictures allow to be, and could not be measured on mistakes"
        )
    low, high = TEMPERATURE_RANGE
    if not low * 1.01 < temperature < high * 0.99:
        notes.append(f"the temperature stopped at its bound, {temperature:.2f}")
    return tuple(notes)
