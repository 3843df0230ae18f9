"""metrics.json from what the model answered: plain JSON types, None where not measurable."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signwise import detection, metrics
from signwise.data.prepared import KNOWN_GROUPINGS

Array = NDArray[Any]


def measure(
    classes: Sequence[str],
    labels: Array,
    probabilities: Array,
    known: Array,
    *,
    threshold: float,
    groups: Sequence[str],
    grouping: str,
    seed: int = 0,
) -> dict[str, Any]:
    """Every figure of labels (N,) int, probabilities (N, K) and known (N,).

    Accuracy, confusion matrix and the classes' figures take the largest probability, whatever the
    threshold; what `known` refuses at the threshold counts in `selective` alone.
    """
    predicted = probabilities.argmax(axis=1)
    right = predicted == labels
    n, correct = len(labels), int(right.sum())
    confusion = metrics.confusion_matrix(labels, predicted, len(classes))
    balanced = metrics.balanced_accuracy(confusion)
    signs = np.asarray(list(groups)) if grouping in KNOWN_GROUPINGS else None

    def by_group(hits: Array, rows: Array) -> metrics.Interval | None:
        if signs is None:
            return None
        return metrics.grouped_bootstrap(hits[rows], signs[rows], seed=seed)

    everything = np.ones(n, bool)
    accepted = known >= np.float32(threshold)
    per_class_grouped = None
    if signs is not None:
        per_class_grouped = {
            name: {
                "groups": len(set(signs[labels == index])),
                "recall_ci95": by_group(right, labels == index),
                "precision_ci95": by_group(right, predicted == index),
            }
            for index, name in enumerate(classes)
        }
    return {
        "classes": list(classes),
        "n": n,
        "correct": correct,
        "accuracy": correct / n if n else None,
        "accuracy_ci95": metrics.wilson_interval(correct, n),
        "accuracy_ci95_grouped": by_group(right, everything),
        "grouping": grouping,
        "groups": len(set(groups)),
        "balanced_accuracy": balanced["value"],
        "balanced_accuracy_ci95": balanced["ci95"],
        "balanced_accuracy_ci95_grouped": _balanced_grouped(confusion, per_class_grouped),
        "loss": metrics.negative_log_likelihood(labels, probabilities),
        "confusion_matrix": confusion.tolist(),
        "per_class": dict(zip(classes, metrics.per_class(confusion), strict=True)),
        "per_class_grouped": per_class_grouped,
        "calibration": _calibration(labels, probabilities, right, seed),
        "selective": selective(known, right, threshold)
        | {
            "coverage_ci95_grouped": by_group(accepted, everything),
            "risk_ci95_grouped": by_group(~right, accepted),
        },
    }


def _balanced_grouped(
    confusion: Array, per_class: dict[str, dict[str, Any]] | None
) -> metrics.Interval | None:
    if per_class is None:
        return None
    recalls = [
        (row[index] / row.sum(), found["recall_ci95"])
        for index, (row, found) in enumerate(zip(confusion, per_class.values(), strict=True))
        if row.sum()
    ]
    return metrics.interval_of_mean(*zip(*recalls, strict=True)) if recalls else None


def _calibration(labels: Array, probabilities: Array, right: Array, seed: int) -> dict[str, Any]:
    confidence = probabilities.max(axis=1)
    bins = metrics.reliability_bins(confidence, right)
    return {
        "n": len(labels),
        "ece": metrics.expected_calibration_error(bins),
        "ece_by_chance": metrics.ece_by_chance(confidence, seed=seed),
        "brier": metrics.brier(labels, probabilities),
        "bins": bins,
    }


def selective(known: Array, right: Array, threshold: float) -> dict[str, Any]:
    """Coverage, the share of pictures that get an answer, and risk, the share of errors among them.

    `aurc` is the area under the risk-coverage curve: the mean risk over all thresholds.
    """
    accepted = known >= np.float32(threshold)  # as Predictor compares
    coverage = metrics.rate(int(accepted.sum()), len(known))
    risk = metrics.rate(int((accepted & ~right).sum()), int(accepted.sum()))
    return {
        "threshold": threshold,
        "n": len(known),
        "accepted": int(accepted.sum()),
        "coverage": coverage["value"],
        "coverage_ci95": coverage["ci95"],
        "risk": risk["value"],
        "risk_ci95": risk["ci95"],
        "aurc": float(metrics.risk_coverage(known, right)[1].mean()) if len(known) else None,
    }


def measure_unknown(known: Array, strangers: Array, threshold: float) -> dict[str, Any]:
    """How well `known` tells pictures of the classes (N,) from those of none (M,); n counts M."""
    auroc = detection.auroc(known, strangers)
    fpr = detection.fpr_at_tpr(known, strangers)
    accepted = int((strangers >= np.float32(threshold)).sum())
    acceptance = metrics.rate(accepted, len(strangers))
    return {
        "n": len(strangers),
        "n_known": len(known),
        "auroc": auroc["value"],
        "auroc_ci95": auroc["ci95"],
        "fpr_at_95_tpr": fpr["value"],
        "fpr_at_95_tpr_ci95": fpr["ci95"],
        "acceptance_rate": acceptance["value"],
        "acceptance_rate_ci95": acceptance["ci95"],
        "accepted": accepted,
        "threshold": threshold,
    }
