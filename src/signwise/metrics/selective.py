"""What is accepted at the threshold of `known`, and what that is worth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from signwise.metrics.rates import rate
from signwise.results import Interval, SelectiveFigures


def accepted(known: ArrayLike, threshold: float) -> NDArray[np.bool_]:
    """Which of the scores `known` (N,) are accepted; all others are answered `unknown`.

    The one rule of acceptance. Compared in float32 on both sides, so that a threshold that was read
    off a row keeps that very row.
    """
    return np.asarray(np.asarray(known, np.float32) >= np.float32(threshold))


@dataclass(frozen=True, kw_only=True)
class RiskCoverage:
    """The risk-coverage curve, as ever lower scores are accepted."""

    coverage: NDArray[np.float64]
    """(N,), the share accepted."""
    risk: NDArray[np.float64]
    """(N,), the share of errors among the accepted."""


def risk_coverage(score: ArrayLike, correct: ArrayLike) -> RiskCoverage:
    """The curve of `score` (N,), higher for the surer, and whether each answer is `correct` (N,).

    Pictures of equal score are accepted in no order: their errors are spread evenly among them.
    Source: Geifman and El-Yaniv 2017, "Selective Classification for Deep Neural Networks".
    """
    values = np.asarray(score, np.float64)
    order = np.argsort(-values)
    wrong = 1.0 - np.asarray(correct, np.float64)[order]
    _, tie, size = np.unique(-values[order], return_inverse=True, return_counts=True)
    even = (np.bincount(tie, weights=wrong) / size)[tie] if len(tie) else wrong
    count = np.arange(1, len(values) + 1)
    return RiskCoverage(coverage=count / len(values), risk=np.cumsum(even) / count)


def selective(
    known: NDArray[np.floating],
    right: NDArray[np.bool_],
    threshold: float,
    *,
    coverage_grouped: Interval | None = None,
    risk_grouped: Interval | None = None,
) -> SelectiveFigures:
    """Coverage and risk at the threshold, of `known` (N,) and whether each answer is `right` (N,).

    The area under the risk-coverage curve is the mean risk over all thresholds. The intervals by
    group are taken as they are given.
    """
    answered = accepted(known, threshold)
    count = int(answered.sum())
    return SelectiveFigures(
        threshold=threshold,
        n=len(known),
        accepted=count,
        coverage=rate(count, len(known), coverage_grouped),
        risk=rate(int((answered & ~right).sum()), count, risk_grouped),
        aurc=float(risk_coverage(known, right).risk.mean()) if len(known) else None,
    )
