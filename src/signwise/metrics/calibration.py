"""Whether probabilities mean what they say."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from signwise.metrics.rates import wilson_interval
from signwise.results import ReliabilityBin

BINS = 15
"""Of a reliability diagram, where there are pictures enough."""
ROWS = 65_536
"""Whose probabilities are float64 at a time."""


def negative_log_likelihood(labels: ArrayLike, probabilities: ArrayLike) -> float | None:
    """Mean of -log of the true class's probability, in nats; None without pictures."""
    table = np.asarray(probabilities)
    if len(table) == 0:
        return None
    return float(losses(table[np.arange(len(table)), np.asarray(labels)]).mean())


def losses(of_truth: ArrayLike) -> NDArray[np.float64]:
    """-log of each true class's probability (N,), in nats, (N,).

    At most 36: float32 rounds to 0 what is merely very unlikely; an infinite loss would say
    nothing.
    """
    wide = np.asarray(of_truth, np.float64)
    return -np.log(np.maximum(wide, np.finfo(np.float64).eps))


def brier(labels: ArrayLike, probabilities: ArrayLike) -> float | None:
    """Mean squared distance of the probabilities from the truth, summed over classes: 0 to 2.

    Source: Brier 1950, "Verification of forecasts expressed in terms of probability".
    """
    table, truth = np.asarray(probabilities), np.asarray(labels)
    if len(table) == 0:
        return None
    distances = np.empty(len(table))
    for start in range(0, len(table), ROWS):
        part = table[start : start + ROWS].astype(np.float64)
        part[np.arange(len(part)), truth[start : start + ROWS]] -= 1
        distances[start : start + ROWS] = np.square(part).sum(axis=1)
    return float(distances.mean())


def reliability_bins(
    confidence: ArrayLike, correct: ArrayLike, bins: int = BINS
) -> tuple[ReliabilityBin, ...]:
    """Bins of equal mass by confidence (N,), and whether each answer is `correct` (N,).

    Fewer bins where a bin would hold less than 10 pictures; equal confidences share a bin, since
    between them any border, and so the figure, would be chance.
    """
    order = np.argsort(np.asarray(confidence))
    sure = np.asarray(confidence, np.float64)[order]
    right = np.asarray(correct, bool)[order]
    edges = _bin_edges(sure, bins)
    return tuple(
        ReliabilityBin(
            low=float(sure[start]),
            high=float(sure[end - 1]),
            n=int(end - start),
            confidence=float(sure[start:end].mean()),
            accuracy=float(right[start:end].mean()),
            ci95=wilson_interval(int(right[start:end].sum()), int(end - start)),
        )
        for start, end in pairwise(edges)
    )


def expected_calibration_error(bins: Sequence[ReliabilityBin]) -> float | None:
    """Mean distance of confidence from accuracy over `reliability_bins`, weighted by their n.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", 2; bins of equal mass
    after Nixon et al. 2019, "Measuring Calibration in Deep Learning".
    """
    total = sum(part.n for part in bins)
    if not total:
        return None
    apart = sum(part.n * abs(part.confidence - part.accuracy) for part in bins)
    return float(apart / total)


def ece_by_chance(confidence: ArrayLike, *, samples: int = 300, seed: int = 0) -> float | None:
    """The ECE that 1 in 20 perfectly calibrated models with these confidences would exceed.

    An ECE below it can't be told from perfect calibration. Source: consistency resampling,
    Broecker and Smith 2007, "Increasing the Reliability of Reliability Diagrams".
    """
    sure = np.sort(np.asarray(confidence, np.float64))
    if len(sure) == 0:
        return None
    starts = _bin_edges(sure, BINS)[:-1]
    expected = np.add.reduceat(sure, starts)
    rng = np.random.default_rng(seed)
    draws = [
        np.abs(np.add.reduceat((rng.random(len(sure)) < sure).astype(float), starts) - expected)
        for _ in range(samples)
    ]
    return float(np.percentile(np.sum(draws, axis=1) / len(sure), 95))


def _bin_edges(sure: NDArray[np.float64], bins: int) -> list[int]:
    """Where the bins of the sorted confidences (N,) begin, and N."""
    count = max(1, min(bins, len(sure) // 10))
    ends = (
        [sure[len(sure) * part // count - 1] for part in range(1, count + 1)] if len(sure) else []
    )
    return [0, *np.unique(np.searchsorted(sure, ends, "right")).tolist()]
