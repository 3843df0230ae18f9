"""Every figure of an evaluation, from what the model answered."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from signwise.data.codes import sorted_codes
from signwise.metrics.calibration import (
    brier,
    ece_by_chance,
    expected_calibration_error,
    negative_log_likelihood,
    reliability_bins,
)
from signwise.metrics.classification import balanced_accuracy, confusion_matrix, per_class
from signwise.metrics.rates import grouped_bootstrap, interval_of_mean, rate
from signwise.metrics.selective import accepted, selective
from signwise.results import (
    KNOWN_GROUPINGS,
    CalibrationFigures,
    ClassFigures,
    CorruptionFigures,
    Evaluation,
    Interval,
    Rate,
    UnknownFigures,
)


def measure(
    labels: NDArray[np.int64],
    probabilities: NDArray[np.floating],
    known: NDArray[np.floating],
    *,
    classes: Sequence[str],
    threshold: float,
    groups: Sequence[str],
    grouping: str,
    seed: int,
    data: str,
    split: str,
    data_sha256: str | None,
    model_sha256: str,
    unknown: UnknownFigures | None = None,
    corruptions: CorruptionFigures | None = None,
    seen_in_training: int | None = None,
    seen_in_validation: int | None = None,
    groups_seen_in_training: int | None = None,
) -> Evaluation:
    """All figures of labels (N,), probabilities (N, K), known (N,) and groups (N,).

    Accuracy, confusion matrix and the classes' figures take the largest probability, whatever the
    threshold; what is rejected at the threshold counts in `selective` alone. What is measured
    elsewhere is taken as it is given.
    """
    predicted = probabilities.argmax(axis=1)
    right = predicted == labels
    names, codes = sorted_codes(groups)
    signs = codes if grouping in KNOWN_GROUPINGS else None

    def by_group(hits: NDArray[np.bool_], rows: NDArray[np.bool_]) -> Interval | None:
        if signs is None:
            return None
        return grouped_bootstrap(hits[rows], signs[rows], seed=seed)

    everything = np.ones(len(labels), bool)
    answered = accepted(known, threshold)
    confusion = confusion_matrix(labels, predicted, len(classes))
    class_figures = [
        _with_groups(
            figures,
            groups=None if signs is None else len(np.unique(signs[labels == index])),
            recall=by_group(right, labels == index),
            precision=by_group(right, predicted == index),
        )
        for index, figures in enumerate(per_class(confusion))
    ]
    correct = int(right.sum())
    return Evaluation(
        data=data,
        split=split,
        data_sha256=data_sha256,
        model_sha256=model_sha256,
        classes=tuple(classes),
        n=len(labels),
        correct=correct,
        accuracy=rate(correct, len(labels), by_group(right, everything)),
        grouping=grouping,
        groups=len(names),
        balanced_accuracy=_with_interval(balanced_accuracy(confusion), class_figures),
        loss=negative_log_likelihood(labels, probabilities),
        confusion_matrix=tuple(tuple(row) for row in confusion.tolist()),
        per_class=dict(zip(classes, class_figures, strict=True)),
        calibration=measure_calibration(labels, probabilities, seed),
        selective=selective(
            known,
            right,
            threshold,
            coverage_grouped=by_group(answered, everything),
            risk_grouped=by_group(~right, answered),
        ),
        unknown=unknown,
        corruptions=corruptions,
        seen_in_training=seen_in_training,
        seen_in_validation=seen_in_validation,
        groups_seen_in_training=groups_seen_in_training,
    )


def measure_calibration(
    labels: NDArray[np.int64], probabilities: NDArray[np.floating], seed: int
) -> CalibrationFigures:
    """Whether the largest of the probabilities (N, K) means what it says, given labels (N,)."""
    confidence = probabilities.max(axis=1)
    bins = reliability_bins(confidence, probabilities.argmax(axis=1) == labels)
    return CalibrationFigures(
        n=len(labels),
        ece=expected_calibration_error(bins),
        ece_by_chance=ece_by_chance(confidence, seed=seed),
        brier=brier(labels, probabilities),
        bins=bins,
    )


def _with_groups(
    figures: ClassFigures,
    *,
    groups: int | None,
    recall: Interval | None,
    precision: Interval | None,
) -> ClassFigures:
    return replace(
        figures,
        groups=groups,
        recall=replace(figures.recall, ci95_grouped=recall),
        precision=replace(figures.precision, ci95_grouped=precision),
    )


def _with_interval(balanced: Rate, class_figures: Sequence[ClassFigures]) -> Rate:
    """The balanced accuracy with its interval by group, from those of the recalls."""
    recalls = [
        (figures.recall.value, figures.recall.ci95_grouped)
        for figures in class_figures
        if figures.support
    ]
    shares = [value for value, _ in recalls if value is not None]
    bounds = [interval for _, interval in recalls if interval is not None]
    if not bounds:
        return balanced
    return replace(balanced, ci95_grouped=interval_of_mean(shares, bounds))
