"""Temperature, offsets and the threshold of `known`, all fitted on the validation set."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from signwise.config import CalibrationConfig
from signwise.metrics.classification import balanced_accuracy, confusion_matrix

SMALL_VALIDATION_SET = 100
STANDARD_ERRORS = 2.0
"""A mean is above 0 where it is so many standard errors above."""
SCORE_ROUNDING = 1e-6
"""For equal scores, where midway is the score itself."""

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How logits become probabilities: the softmax of logits / temperature - offsets."""

    temperature: float
    offsets: Array
    """(K,), what weighting the classes in the loss had added to each."""

    def probabilities(self, logits: Array) -> Array:
        """Logits (N, K) to probabilities (N, K)."""
        return np.exp(log_softmax(logits / self.temperature - self.offsets))


def log_softmax(logits: Array) -> Array:
    """Row-wise logarithm of the softmax, (N, K) to (N, K), without overflow."""
    shifted = logits - logits.max(1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(1, keepdims=True)))


def calibrate(
    logits: Array,
    labels: NDArray[np.int64],
    class_weights: NDArray[np.floating[Any]],
    config: CalibrationConfig,
) -> Calibration:
    """The calibration that maximises the likelihood of labels (N,) under logits (N, K).

    One temperature rescales all logits (Guo et al., "On Calibration of Modern Neural Networks",
    2017, section 4). A network trained with class_weights (K,) takes rare classes for more frequent
    than they are: by the logarithm of the weights where it has learned the frequencies, by less
    where it tells the classes apart without them. That share, 0 to 1, is fitted beside the
    temperature (a bias of one parameter; of K in Alexandari et al., "Maximum Likelihood with
    Bias-Corrected Calibration is Hard-To-Beat at Label Shift Adaptation", 2020). The targets are as
    if half a mistake more were made in one picture more (Jeffreys' prior of a rate; in Platt,
    "Probabilistic Outputs for Support Vector Machines", 1999, section 2.2, it is a whole one a
    class), so that a set without a mistake gives a confidence that its size can back, and not
    certainty; each mistake tells more of that than the size does, and so the doubt is divided by
    one more than there are.
    """
    count, classes = logits.shape
    mistakes = int((logits.argmax(1) != labels).sum())
    doubt = 0.5 / (count + 1) / (1 + mistakes)
    targets = np.full((count, classes), doubt / max(classes - 1, 1))
    targets[np.arange(count), labels] = 1 - doubt
    added = np.log(np.asarray(class_weights, np.float64))
    added -= added.mean()  # the same for every class changes no probability

    def loss(parameters: Array) -> tuple[float, Array]:
        sharpness, share = parameters
        log_chances = log_softmax(sharpness * logits - share * added)
        slope = (np.exp(log_chances) - targets) / count
        value = -(targets * log_chances).sum() / count
        return float(value), np.array([(slope * logits).sum(), -(slope @ added).sum()])

    # Convex in the inverse temperature and the share, so that there is one valley.
    low, high = config.temperature
    found = minimize(
        loss,
        np.array([1.0, 1.0]),
        jac=True,
        method="L-BFGS-B",
        bounds=[(1 / high, 1 / low), (0, 1)],
        options={"ftol": 1e-12, "gtol": 1e-8},
    )
    sharpness, share = found.x
    return Calibration(temperature=float(1 / sharpness), offsets=share * added)


def fit_threshold(
    known: NDArray[np.floating[Any]],
    unknown: NDArray[np.floating[Any]],
    keep_known: float | None,
    config: CalibrationConfig,
) -> float:
    """The threshold for scores of held-out pictures of the classes (N,) and of no class (M,).

    It lies as many deviations below the middle of the known scores as above that of the others, in
    log-odds, where each deviation is that of the side that faces the threshold: so both kinds of
    mistakes are about as likely, every score has its say, and no single one decides. A few scores
    tell a deviation badly, so each variance is shrunk towards that of both pooled, which counts as
    `config.pooled_scores` further scores. With `keep_known`, or where there are no others, see
    `keep_share`.
    """
    if keep_known is not None or not len(unknown):
        return keep_share(known, config.keep_alone if keep_known is None else keep_known, config)
    own, other = _log_odds(known), _log_odds(unknown)
    high, low = float(np.median(own)), float(np.median(other))
    if high <= low:  # the model tells nothing
        return keep_share(known, config.keep_untold, config)
    variances = np.array([_variance(high - own), _variance(other - low)])
    counts = np.array([len(own), len(other)])
    pooled = variances @ counts / counts.sum()
    below, above = np.sqrt(
        (counts * variances + config.pooled_scores * pooled) / (counts + config.pooled_scores)
    )
    middle = (high * above + low * below) / (above + below)
    return float(1 / (1 + np.exp(-middle)))


def _log_odds(scores: NDArray[np.floating[Any]]) -> Array:
    sure = np.clip(scores.astype(np.float64), SCORE_ROUNDING, 1 - SCORE_ROUNDING)
    return np.asarray(np.log(sure) - np.log1p(-sure))


def _variance(distance: Array) -> float:
    """Mean square of the half of the distances that lead towards the threshold, never quite 0.

    Half, however many lie at 0: a score that leaves the middle by a little changes little.
    """
    return max(2 * float(np.square(distance.clip(min=0)).mean()), 1e-6)


def keep_share(known: NDArray[np.floating[Any]], share: float, config: CalibrationConfig) -> float:
    """A threshold that keeps at least this share of the validation scores (N,), and no more.

    It lies midway between the lowest score kept and the one rejected below it, so that the last
    bits in which ONNX Runtime and torch differ change no answer. Where all are kept, the lowest of
    a few scores says little about the share asked for: the threshold then is at most
    `config.largest_threshold`, the middle of the classes' sigmoids.
    """
    scores = np.sort(known.astype(np.float64))
    rejected = math.floor(len(scores) * (1 - share) + 1e-9)
    limit = (
        scores[rejected - 1 : rejected + 1].mean()
        if rejected
        else min(scores[0], config.largest_threshold)
    )
    return max(float(limit) - SCORE_ROUNDING, 0.0)


def notes_on(
    logits: Array,
    labels: NDArray[np.int64],
    calibration: Calibration,
    config: CalibrationConfig,
) -> tuple[str, ...]:
    """What the validation set was too small, or too easy, to tell."""
    temperature = calibration.temperature
    notes = []
    if len(labels) < SMALL_VALIDATION_SET:
        notes.append(
            f"{len(labels)} validation pictures are too few to tell the temperature and the "
            f"threshold well; {SMALL_VALIDATION_SET} would do"
        )
    if bool((calibration.probabilities(logits).argmax(1) == labels).all()):
        notes.append(
            f"no mistake on {len(labels)} validation pictures: the temperature says how sure that "
            "many pictures allow to be, and could not be measured on mistakes"
        )
    if not _tells_classes(calibration.probabilities(logits), labels):
        notes.append(
            f"{len(labels)} validation pictures do not show that the model tells the classes any "
            "better than how frequent they are does: check the labels, train longer, with a lower "
            "`learning_rate`, or with `class_weights` none"
        )
    low, high = config.temperature
    if not low * 1.01 < temperature < high * 0.99:
        notes.append(f"the temperature stopped at its bound, {temperature:.2f}")
    return tuple(notes)


def _tells_classes(probabilities: Array, labels: NDArray[np.int64]) -> bool:
    """Whether probabilities (N, K) are shown to be better than the frequencies of labels (N,).

    Shown: by two standard errors, what each picture gains in likelihood is above 0 on average; or
    the interval of the balanced accuracy lies above what guessing gives.
    """
    counts = np.bincount(labels, minlength=probabilities.shape[1])
    of_truth = probabilities[np.arange(len(labels)), labels]
    gain = np.log(of_truth.clip(1e-12)) - np.log(counts[labels] / len(labels))
    error = float(gain.std(ddof=1)) / math.sqrt(len(gain)) if len(gain) > 1 else 0.0
    if (counts > 0).sum() < 2 or gain.mean() > STANDARD_ERRORS * error:
        return True
    confusion = confusion_matrix(labels, probabilities.argmax(1), probabilities.shape[1])
    interval = balanced_accuracy(confusion).ci95
    return interval is not None and interval[0] > 1 / int((counts > 0).sum())
