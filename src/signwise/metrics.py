"""How right a model is: pure functions of labels (N,) and probabilities (N, K).

Every rate comes with its count and a 95 % interval, `[low, high]`; what can't be measured is None,
never NaN. Whatever is drawn by chance is drawn from a seed.
"""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Z95 = 1.959963984540054
"""Two-sided 95 % quantile of the normal distribution."""

BINS = 15
"""Of a reliability diagram, where there are pictures enough."""

Interval = list[float]
Floats = NDArray[np.float64]


def wilson_interval(correct: float, n: float) -> Interval | None:
    """95 % interval of a proportion `correct / n`; None for no trials.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    if n <= 0:
        return None
    share = correct / n
    centre = share + Z95**2 / (2 * n)
    spread = Z95 * np.sqrt(share * (1 - share) / n + Z95**2 / (4 * n**2))
    scale = 1 + Z95**2 / n
    # At 0 and at n the bound is the share itself; rounding must not say otherwise.
    low = 0.0 if correct <= 0 else max(0.0, float((centre - spread) / scale))
    high = 1.0 if correct >= n else min(1.0, float((centre + spread) / scale))
    return [low, high]


def rate(correct: int, n: int) -> dict[str, Any]:
    """A proportion as `{value, n, ci95}`, both None where there is nothing to count."""
    return {"value": correct / n if n else None, "n": n, "ci95": wilson_interval(correct, n)}


def grouped_bootstrap(
    correct: ArrayLike, groups: ArrayLike, *, samples: int = 4000, seed: int = 0
) -> Interval | None:
    """95 % interval of the mean of `correct` (N,), when pictures come in `groups` (N,).

    `correct` is bool, or the share of right answers to a picture that was shown several times.

    Pictures of one sign are no independent trials: whole groups are drawn anew (percentile
    bootstrap; Davison and Hinkley 1997, "Bootstrap Methods and their Application", 3.8). Alone it
    would say [1, 1] when nothing is wrong, so it is widened to cover Wilson's interval by picture,
    `_two_stage_error`, and Wilson's interval on the number of groups if nothing were wrong: one
    mistake more makes nobody surer that no group fails as a whole.
    """
    right = np.asarray(correct, dtype=np.float64)
    if len(right) == 0:
        return None
    _, index = np.unique(np.asarray(groups), return_inverse=True)
    size = np.bincount(index.ravel())
    # Sums of shares are rounded, or a group without a mistake would seem to have a tiny one.
    hits = np.bincount(index.ravel(), weights=right).round(9)
    # Groups of the same size and hits are exchangeable, so drawing how often each kind comes up
    # is the same bootstrap, at a cost that does not grow with the number of groups.
    kinds, count = np.unique(np.stack([size, hits], axis=1), axis=0, return_counts=True)
    draws = np.random.default_rng(seed).multinomial(len(size), count / len(size), size=samples)
    means = (draws @ kinds[:, 1]) / (draws @ kinds[:, 0])
    low, high = np.percentile(means, [2.5, 97.5])
    by_picture = wilson_interval(float(right.sum()), len(right))
    perfect = wilson_interval(len(size), len(size))
    assert by_picture is not None
    assert perfect is not None
    return [
        float(min(low, by_picture[0], perfect[0], 1 - _two_stage_error(size - hits, size))),
        float(max(high, by_picture[1], 1 - perfect[0], _two_stage_error(hits, size))),
    ]


def _two_stage_error(errors: NDArray[Any], size: NDArray[Any]) -> float:
    # Upper bound of the error rate: the share of groups that err at all (Wilson's upper bound),
    # times the share of errors within those, which one further error smooths to 1 where none erred.
    erring = errors > 0
    interval = wilson_interval(int(erring.sum()), len(size))
    assert interval is not None
    return float(interval[1] * (errors.sum() + 1) / (size[erring].sum() + 1))


def confusion_matrix(labels: ArrayLike, predicted: ArrayLike, classes: int) -> NDArray[np.int64]:
    """Counts (K, K): row the true class, column the predicted one."""
    flat = np.asarray(labels, np.int64) * classes + np.asarray(predicted, np.int64)
    return np.bincount(flat, minlength=classes**2).reshape(classes, classes)


def per_class(confusion: NDArray[np.int64]) -> list[dict[str, Any]]:
    """For each class `precision, recall, f1`, each `{value, n, ci95}`, and `support`.

    F1 is 2J / (1 + J) of J = TP / (TP + FP + FN), a proportion: its interval is Wilson's for J,
    carried through that monotone function, and its n is J's.
    """
    result = []
    for index, row in enumerate(confusion):
        right, support, called = int(row[index]), int(row.sum()), int(confusion[:, index].sum())
        overlap = rate(right, support + called - right)
        f1 = {
            "value": None if overlap["value"] is None else _f1_of_jaccard(overlap["value"]),
            "n": overlap["n"],
            "ci95": overlap["ci95"] and [_f1_of_jaccard(bound) for bound in overlap["ci95"]],
        }
        result.append(
            {
                "precision": rate(right, called),
                "recall": rate(right, support),
                "f1": f1,
                "support": support,
            }
        )
    return result


def _f1_of_jaccard(jaccard: float) -> float:
    return 2 * jaccard / (1 + jaccard)


def balanced_accuracy(confusion: NDArray[np.int64]) -> dict[str, Any]:
    """Mean recall over the classes that have pictures, as `{value, n, ci95}`.

    Interval: `interval_of_mean` of the recalls' Wilson intervals.
    """
    support = confusion.sum(axis=1)
    seen = support > 0
    if not seen.any():
        return {"value": None, "n": 0, "ci95": None}
    right = np.diagonal(confusion)[seen]
    recall = right / support[seen]
    bounds = [wilson_interval(int(r), int(n)) for r, n in zip(right, support[seen], strict=True)]
    return {
        "value": float(recall.mean()),
        "n": int(support.sum()),
        "ci95": interval_of_mean(recall, bounds),
    }


def interval_of_mean(shares: ArrayLike, intervals: Any) -> Interval:
    """95 % interval of the mean of independent shares (K,) with intervals (K, 2) of their own.

    Source: recovery of variance, Zou and Donner 2008, "Construction of confidence limits about
    effect measures".
    """
    values, bounds = np.asarray(shares, np.float64), np.asarray(intervals, np.float64)
    spread = np.sqrt(np.square(bounds - values[:, None]).sum(axis=0)) / len(values)
    mean = float(values.mean())
    return [max(0.0, mean - float(spread[0])), min(1.0, mean + float(spread[1]))]


def negative_log_likelihood(labels: ArrayLike, probabilities: ArrayLike) -> float | None:
    """Mean of -log of the true class's probability, in nats; None without pictures."""
    table = np.asarray(probabilities, np.float64)
    if len(table) == 0:
        return None
    of_truth = table[np.arange(len(table)), np.asarray(labels)]
    # float32 rounds to 0 what is merely very unlikely; an infinite loss would say nothing.
    return float(-np.log(np.maximum(of_truth, np.finfo(np.float64).eps)).mean())


def brier(labels: ArrayLike, probabilities: ArrayLike) -> float | None:
    """Mean squared distance of the probabilities from the truth, summed over classes: 0 to 2.

    Source: Brier 1950, "Verification of forecasts expressed in terms of probability".
    """
    table = np.asarray(probabilities, np.float64)
    if len(table) == 0:
        return None
    truth = np.eye(table.shape[1])[np.asarray(labels)]
    return float(np.square(table - truth).sum(axis=1).mean())


def reliability_bins(
    confidence: ArrayLike, correct: ArrayLike, bins: int = BINS
) -> list[dict[str, Any]]:
    """Bins of equal mass by confidence, each `{low, high, n, confidence, accuracy, ci95}`.

    Fewer bins where a bin would hold less than 10 pictures; equal confidences share a bin, since
    between them any border, and so the figure, would be chance.
    """
    order = np.argsort(np.asarray(confidence), kind="stable")
    sure = np.asarray(confidence, np.float64)[order]
    right = np.asarray(correct, bool)[order]
    edges = _bin_edges(sure, bins)
    return [
        {
            "low": float(sure[start]),
            "high": float(sure[end - 1]),
            "n": int(end - start),
            "confidence": float(sure[start:end].mean()),
            "accuracy": float(right[start:end].mean()),
            "ci95": wilson_interval(int(right[start:end].sum()), int(end - start)),
        }
        for start, end in pairwise(edges)
    ]


def expected_calibration_error(bins: list[dict[str, Any]]) -> float | None:
    """Mean distance of confidence from accuracy over `reliability_bins`, weighted by their n.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", 2; bins of equal mass
    after Nixon et al. 2019, "Measuring Calibration in Deep Learning".
    """
    total = sum(part["n"] for part in bins)
    if not total:
        return None
    apart = sum(part["n"] * abs(part["confidence"] - part["accuracy"]) for part in bins)
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


def _bin_edges(sure: Floats, bins: int) -> list[int]:
    """Where the bins of the sorted confidences (N,) begin, and N."""
    count = max(1, min(bins, len(sure) // 10))
    ends = (
        [sure[len(sure) * part // count - 1] for part in range(1, count + 1)] if len(sure) else []
    )
    return [0, *np.unique(np.searchsorted(sure, ends, "right")).tolist()]


def risk_coverage(score: ArrayLike, correct: ArrayLike) -> tuple[Floats, Floats]:
    """The risk-coverage curve: coverage (N,) and risk (N,) as ever lower scores are accepted.

    Pictures of equal score are accepted in no order: their errors are spread evenly among them.
    Source: Geifman and El-Yaniv 2017, "Selective Classification for Deep Neural Networks".
    """
    values = np.asarray(score, np.float64)
    order = np.argsort(-values, kind="stable")
    wrong = 1.0 - np.asarray(correct, np.float64)[order]
    _, tie, size = np.unique(-values[order], return_inverse=True, return_counts=True)
    even = (np.bincount(tie, weights=wrong, minlength=len(size)) / size)[tie] if len(tie) else wrong
    accepted = np.arange(1, len(values) + 1)
    return accepted / max(len(values), 1), np.cumsum(even) / accepted
