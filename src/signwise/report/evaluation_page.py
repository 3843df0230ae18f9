"""report.html of an evaluation: what was measured, in one file that a person enjoys reading."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from signwise.files import Json
from signwise.metrics.rates import rate
from signwise.metrics.selective import RiskCoverage
from signwise.metrics.thresholds import ThresholdChoice
from signwise.report import charts, words
from signwise.report.conclusion import conclusion
from signwise.report.confusion_chart import FEW_CLASSES, class_label, most_confused
from signwise.report.heat import overlay
from signwise.report.page import (
    LISTED_CLASSES,
    SHOWN_PROBLEMS,
    PagePicture,
    Thumbnail,
    chart,
    photo,
    render,
    whole_pixels,
)
from signwise.results import (
    ClassFigures,
    CorruptionCell,
    CorruptionFigures,
    Epoch,
    Evaluation,
    Problem,
    Rate,
)

SHOWN_CLASSES = 15
"""With more classes, the table of all is folded and these of lowest recall stand above it."""
NAMES_IN_TITLE = 4
HASH_LENGTH = 16


@dataclass(frozen=True, kw_only=True)
class ShownPicture:
    """One picture of the page, and what the model answered to it."""

    pixels: NDArray[np.uint8]
    """(S, S, 3)."""
    path: str
    label: str | None
    """The class that it shows; None for a picture of no class."""
    answer: str
    """The class of the largest probability."""
    confidence: float
    known: float
    accepted: bool
    """Whether `known` reaches the threshold."""
    heat: NDArray[np.float32] | None = None
    """(S, S), how much each pixel speaks for the answer; None where that was not computed."""


@dataclass(frozen=True, kw_only=True)
class LabelReview:
    """The labels that the model doubts, of the pictures that it was not trained on."""

    judged: int
    """Pictures whose labels were judged."""
    seen: int
    """Pictures that were trained on, and so are not judged."""
    doubted: int
    """Labels that are likely wrong."""
    shown: Sequence[ShownPicture]
    """The likeliest of these."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where the model and the pictures come from."""

    model: str
    """The path of model.onnx."""
    image_size: int
    resize: str
    temperature: float
    trained_on: str
    """SHA-256 of the data that the model was trained on."""
    signwise_version: str
    settings: Mapping[str, Json]
    """Of the training, by dotted name; empty where the model is no run."""
    versions: Mapping[str, str]
    """Of the libraries that it was trained with."""
    problems: Sequence[Problem]
    """Pictures that could not be used."""


@dataclass(frozen=True, kw_only=True)
class EvaluationPage:
    """All that the page shows. N pictures were measured, M pictures of no class."""

    evaluation: Evaluation
    confusion_chart: bytes
    """PNG."""
    reliability_chart: bytes
    """PNG."""
    risk_coverage: RiskCoverage
    known: NDArray[np.float32]
    """(N,)."""
    known_of_unknown: NDArray[np.float32] | None
    """(M,); None where no pictures of no class were given."""
    thresholds: Sequence[ThresholdChoice]
    """The model's own threshold among others."""
    mistakes: Sequence[ShownPicture]
    """The surest mistakes or, where there is none, the least sure pictures."""
    wrong: int
    """How many mistakes there are."""
    review: LabelReview | None
    """None where labels can't be judged."""
    accepted_unknown: Sequence[ShownPicture]
    """Pictures of no class that the model accepts, the surest first."""
    history: Sequence[Epoch]
    """Of the training; empty where it is not known."""
    origin: Origin


def evaluation_page(page: EvaluationPage) -> str:
    """The whole page as HTML that loads nothing."""
    evaluation, selective = page.evaluation, page.evaluation.selective
    names = evaluation.classes
    mistakes = [_thumbnail(picture, threshold=selective.threshold) for picture in page.mistakes]
    return render(
        "evaluation.html",
        title=f"Evaluation: {', '.join(names[:NAMES_IN_TITLE])}"
        + (" and others" if len(names) > NAMES_IN_TITLE else ""),
        lead=words.verdict(evaluation),
        conclusion=conclusion(evaluation),
        page=page,
        evaluation=evaluation,
        group=words.group_name(evaluation.grouping),
        cautions=words.cautions(evaluation),
        rates=_rate_rows(evaluation),
        grouping_statement=words.grouping_statement(evaluation),
        confusion=chart(page.confusion_chart),
        pairs=_frequent_mistakes(evaluation),
        classes=(rows := _class_rows(evaluation))[:LISTED_CLASSES],
        more_classes=max(0, len(rows) - LISTED_CLASSES),
        lowest=_lowest_recall(rows),
        wrong=rate(page.wrong, evaluation.n),
        explained=[shown for shown in mistakes if len(shown.pictures) > 1],
        unexplained=[shown for shown in mistakes if len(shown.pictures) == 1],
        doubted=[_doubted(picture) for picture in page.review.shown] if page.review else [],
        calibration_statement=words.calibration_statement(evaluation.calibration),
        reliability=chart(page.reliability_chart),
        risk_coverage=chart(charts.risk_coverage(page.risk_coverage, _threshold_point(evaluation))),
        histogram=None
        if page.known_of_unknown is None
        else chart(
            charts.unknown_histogram(page.known, page.known_of_unknown, selective.threshold)
        ),
        accepted=[_accepted(picture) for picture in page.accepted_unknown],
        sweep=None if evaluation.corruptions is None else _sweep(evaluation.corruptions),
        curves=_curves(page.history),
        seconds=f"{sum(epoch.seconds for epoch in page.history):,.0f}",
        origin=_origin_rows(page),
        settings=dict(page.origin.settings)
        | {f"version of {name}": version for name, version in page.origin.versions.items()},
        shown_problems=SHOWN_PROBLEMS,
    )


@dataclass(frozen=True, kw_only=True)
class _RateRow:
    name: str
    rate: Rate
    of: str
    """What it is a share of, with the count; the count alone where it is a mean."""


def _rate_rows(evaluation: Evaluation) -> list[_RateRow]:
    """Every rate of the page but those by class, for the table with both intervals."""
    selective, unknown = evaluation.selective, evaluation.unknown
    corruptions = evaluation.corruptions

    def row(name: str, rate: Rate, *, what: str = "pictures", counts: bool = True) -> _RateRow:
        count = words.counted(rate.count, rate.n) if counts else f"{rate.n:,}"
        return _RateRow(name=name, rate=rate, of=f"{count} {what}")

    rows = [
        row("accuracy", evaluation.accuracy),
        row("balanced accuracy", evaluation.balanced_accuracy, counts=False),
    ]
    if selective.threshold > 0:
        rows += [
            row("coverage", selective.coverage),
            row("rejected", words.rejection(selective)),
            row("risk", selective.risk, what="answered"),
        ]
    if unknown is not None:
        rows += [
            row("false accept rate", unknown.acceptance, what="of no class"),
            row("FPR at 95\u00a0% TPR", unknown.fpr_at_95_tpr, what="of no class"),
        ]
    if corruptions is not None:
        rows += [
            row("accuracy under corruption", corruptions.mean_accuracy, counts=False),
            row("rejected under corruption", corruptions.mean_rejected, counts=False),
        ]
    return rows


@dataclass(frozen=True, kw_only=True)
class _ClassRow:
    name: str
    """With the class's index, where the chart can't show the name."""
    figures: ClassFigures


def _class_rows(evaluation: Evaluation) -> list[_ClassRow]:
    return [
        _ClassRow(
            name=name if class_label(name, index) == name else f"{name} (#{index})",
            figures=evaluation.per_class[name],
        )
        for index, name in enumerate(evaluation.classes)
    ]


def _lowest_recall(rows: Sequence[_ClassRow]) -> list[_ClassRow]:
    """The rows of lowest recall, where there are too many to show all."""
    if len(rows) <= SHOWN_CLASSES:
        return []
    measured = [(value, row) for row in rows if (value := row.figures.recall.value) is not None]
    return [row for _, row in sorted(measured, key=lambda pair: pair[0])[:SHOWN_CLASSES]]


@dataclass(frozen=True, kw_only=True)
class _MistakePair:
    true: str
    predicted: str
    share: Rate
    """Of the pictures of the true class."""


def _frequent_mistakes(evaluation: Evaluation) -> list[_MistakePair]:
    """The most confused pairs, where the matrix is too large to be read."""
    if len(evaluation.classes) <= FEW_CLASSES:
        return []
    counts = np.array(evaluation.confusion_matrix)
    return [
        _MistakePair(
            true=evaluation.classes[true],
            predicted=evaluation.classes[predicted],
            share=rate(int(counts[true, predicted]), int(counts[true].sum())),
        )
        for true, predicted in most_confused(counts, SHOWN_CLASSES)
    ]


def _thumbnail(picture: ShownPicture, *, threshold: float) -> Thumbnail:
    """A picture with its heat map, the answer, and how sure the model was."""
    pixels = whole_pixels(picture.pixels)
    pictures = [photo(pixels, "picture")]
    if picture.heat is not None:
        pictures.append(photo(overlay(pixels, picture.heat), "heat map"))
    confidence = f"confidence {picture.confidence:.3f}"
    if threshold > 0:
        confidence += f", known {picture.known:.3f}"
    if not picture.accepted:
        confidence += ", rejected"
    wrong = picture.answer != picture.label
    return Thumbnail(
        pictures=tuple(pictures),
        lines=(
            f"{picture.label}, predicted {picture.answer}" if wrong else str(picture.label),
            confidence,
            words.short_path(picture.path),
        ),
    )


def _doubted(picture: ShownPicture) -> Thumbnail:
    """A picture whose label is likely wrong."""
    return Thumbnail(
        pictures=(photo(whole_pixels(picture.pixels), "picture"),),
        lines=(
            f"labelled {picture.label}",
            f"predicted {picture.answer}",
            words.short_path(picture.path),
        ),
    )


def _accepted(picture: ShownPicture) -> Thumbnail:
    """A picture of no class that was accepted."""
    return Thumbnail(
        pictures=(photo(whole_pixels(picture.pixels), "picture"),),
        lines=(
            f"predicted {picture.answer}",
            f"known {picture.known:.3f}",
            words.short_path(picture.path),
        ),
    )


def _threshold_point(evaluation: Evaluation) -> tuple[float, float] | None:
    """Coverage and risk at the threshold; None where nothing is rejected or answered."""
    selective = evaluation.selective
    coverage, risk = selective.coverage.value, selective.risk.value
    if coverage is None or risk is None or selective.threshold <= 0:
        return None
    return (coverage, risk)


@dataclass(frozen=True, kw_only=True)
class _CorruptionRow:
    name: str
    kind: str
    """Of the distortion that training uses too; empty where there is none."""
    cells: Mapping[int, CorruptionCell]


@dataclass(frozen=True, kw_only=True)
class _WorstCell:
    name: str
    severity: int
    cell: CorruptionCell


@dataclass(frozen=True, kw_only=True)
class _Sweep:
    """What the section on corruptions shows beside its figures."""

    rows: Sequence[_CorruptionRow]
    worst: _WorstCell
    heatmap: PagePicture

    @property
    def cells(self) -> int:
        return sum(len(row.cells) for row in self.rows)

    @property
    def severities(self) -> list[int]:
        return list(self.rows[0].cells)

    @property
    def kinds(self) -> list[str]:
        return list(dict.fromkeys(row.kind for row in self.rows if row.kind))


def _sweep(figures: CorruptionFigures) -> _Sweep:
    rows = [
        _CorruptionRow(
            name={"jpeg_compression": "JPEG compression"}.get(name, name.replace("_", " ")),
            kind=figures.overlaps_with_training.get(name, ""),
            cells=cells,
        )
        for name, cells in figures.cells.items()
    ]
    every = [
        _WorstCell(name=row.name, severity=severity, cell=cell)
        for row in rows
        for severity, cell in row.cells.items()
    ]
    accuracy = [[cell.correct / figures.n for cell in row.cells.values()] for row in rows]
    starred = [f"{row.name} *" if row.kind else row.name for row in rows]
    return _Sweep(
        rows=rows,
        worst=min(every, key=lambda one: one.cell.correct),
        heatmap=chart(charts.corruption_heatmap(starred, accuracy)),
    )


def _curves(history: Sequence[Epoch]) -> list[tuple[PagePicture, str]]:
    """One chart for loss and one for accuracy, each with what it shows."""
    if not history:
        return []
    return [
        (chart(charts.curves(history, (part,))), f"{part.capitalize()} by epoch")
        for part in ("loss", "accuracy")
    ]


def _origin_rows(page: EvaluationPage) -> dict[str, str]:
    evaluation, origin = page.evaluation, page.origin
    if evaluation.groups_known:
        groups = words.plural(evaluation.groups, words.group_name(evaluation.grouping))
    else:
        groups = f"{words.plural(evaluation.groups, 'group')} of near duplicates"
    seen = {
        name: "not known" if count is None else words.plural(count, "picture")
        for name, count in (
            ("training", evaluation.seen_in_training),
            ("validation", evaluation.seen_in_validation),
        )
    }
    return {
        "model": words.short_path(origin.model),
        "model, SHA-256": evaluation.model_sha256[:HASH_LENGTH],
        "classes": f"{len(evaluation.classes):,}",
        "picture size": f"{origin.image_size} x {origin.image_size} pixels",
        "resize": origin.resize,
        "threshold of known": words.number(evaluation.selective.threshold),
        "temperature": words.number(origin.temperature),
        "training data, SHA-256": origin.trained_on[:HASH_LENGTH],
        "measured on": f"{words.plural(evaluation.n, 'picture')}: {evaluation.data}",
        "measured data, SHA-256": (evaluation.data_sha256 or "a folder")[:HASH_LENGTH],
        "pictures of no class": "none"
        if evaluation.unknown is None
        else f"{evaluation.unknown.n:,}: {evaluation.unknown.folder}",
        "grouping": f"{evaluation.grouping}: {groups}",
        "seen in training": seen["training"],
        "seen in validation": seen["validation"],
        "signwise": origin.signwise_version,
    }
