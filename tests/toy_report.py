"""Typed results made by hand for the tests of reports; each figure has digits of its own."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from signwise.metrics.selective import RiskCoverage
from signwise.model_file.record import MeasuredSet, ModelFigures, ModelRecord
from signwise.report.card import CardFacts
from signwise.report.charts import reliability
from signwise.report.confusion_chart import draw_confusion_matrix
from signwise.report.data_page import ClassCounts, DataPage, FlaggedGroup, FlaggedPicture, Sample
from signwise.report.evaluation_page import EvaluationPage, LabelReview, Origin, ShownPicture
from signwise.results import (
    CalibrationFigures,
    ClassFigures,
    CorruptionCell,
    CorruptionFigures,
    Epoch,
    Evaluation,
    Interval,
    Problem,
    Rate,
    ReliabilityBin,
    SelectiveFigures,
    UnknownFigures,
)

SHA256 = "0123456789abcdef" * 4


def share(count: int, n: int, ci95: Interval, grouped: Interval | None = None) -> Rate:
    """The rate `count / n` with these intervals."""
    return Rate(value=count / n if n else None, n=n, ci95=ci95, ci95_grouped=grouped)


def toy_bins() -> tuple[ReliabilityBin, ...]:
    """Two bins of 20 pictures: 18 correct at a confidence of 0.81, all at 0.97."""
    return (
        ReliabilityBin(
            low=0.7123, high=0.9012, n=20, confidence=0.81, accuracy=0.9, ci95=(0.699, 0.972)
        ),
        ReliabilityBin(
            low=0.9034, high=0.9945, n=20, confidence=0.97, accuracy=1.0, ci95=(0.839, 1.0)
        ),
    )


def toy_unknown(accepted: int = 114, n: int = 400, seen: int | None = 0) -> UnknownFigures:
    """Figures of 400 pictures of no class, of which 114 are accepted."""
    return UnknownFigures(
        n=n,
        n_known=40,
        auroc=Rate(value=0.87654, n=n, ci95=(0.8432, 0.9087)),
        fpr_at_95_tpr=share(132, n, (0.286, 0.377)),
        acceptance=share(accepted, n, (0.243, 0.331)),
        accepted=accepted,
        threshold=0.5,
        seen_in_training=seen,
    )


def toy_corruptions() -> CorruptionFigures:
    """Two corruptions at five severities, of which training shows the kind of the second."""
    rows = {"frost": (39, 38, 37, 35, 31), "jpeg_compression": (40, 40, 36, 34, 33)}
    return CorruptionFigures(
        n=40,
        mean_accuracy=Rate(
            value=0.9075, n=40, ci95=(0.7785, 0.9655), ci95_grouped=(0.6015, 0.9935)
        ),
        mean_rejected=Rate(value=0.1625, n=40, ci95=(0.0795, 0.3045)),
        seed=0,
        overlaps_with_training={"jpeg_compression": "JPEG"},
        cells={
            name: {
                severity: CorruptionCell(
                    accuracy=share(correct, 40, (correct / 40 - 0.0123, correct / 40)),
                    correct=correct,
                    rejected=severity,
                )
                for severity, correct in enumerate(row, 1)
            }
            for name, row in rows.items()
        },
    )


def toy_evaluation(
    classes: Sequence[str] = ("priority", "stop"), grouping: str = "track", **changes: Any
) -> Evaluation:
    """38 of 40 pictures of 8 signs are correct, 1 is rejected; `changes` replace fields."""
    known = grouping != "duplicates"

    def grouped(low: float, high: float) -> Interval | None:
        return (low, high) if known else None

    size = len(classes)
    matrix = np.zeros((size, size), int)
    matrix[:2, :2] = [[19, 1], [1, 19]]
    per_class = {
        name: ClassFigures(
            precision=share(19, 20, (0.7441, 0.9712), grouped(0.5111, 0.9771)),
            recall=share(19, 20, (0.7642, 0.9913), grouped(0.5312, 0.9972)),
            f1=Rate(value=0.9501, n=20, ci95=(0.8341, 0.9871)),
            support=20,
            groups=4 if known else None,
        )
        for name in classes
    }
    evaluation = Evaluation(
        data="test",
        split="test",
        data_sha256=SHA256,
        classes=tuple(classes),
        n=40,
        correct=38,
        accuracy=share(38, 40, (0.8351, 0.9862), grouped(0.6761, 0.9973)),
        grouping=grouping,
        groups=8,
        balanced_accuracy=Rate(
            value=0.9445, n=40, ci95=(0.8252, 0.9763), ci95_grouped=grouped(0.6652, 0.9874)
        ),
        loss=0.1234,
        confusion_matrix=tuple(tuple(row) for row in matrix.tolist()),
        per_class=per_class,
        calibration=CalibrationFigures(
            n=40, ece=0.0604, ece_by_chance=0.0705, brier=0.0806, bins=toy_bins()
        ),
        selective=SelectiveFigures(
            threshold=0.5,
            n=40,
            accepted=39,
            coverage=share(39, 40, (0.8712, 0.9956), grouped(0.6823, 0.9967)),
            risk=share(2, 39, (0.0142, 0.1693), grouped(0.0043, 0.3304)),
            aurc=0.0307,
        ),
        unknown=toy_unknown(),
        corruptions=toy_corruptions(),
        seen_in_training=0,
        groups_seen_in_training=0 if known else None,
    )
    return replace(evaluation, **changes)


def picture(index: int = 0, size: int = 8) -> np.ndarray:
    """A picture (S, S, 3) of one colour."""
    return np.full((size, size, 3), (40 + 50 * index % 200, 90, 160), np.uint8)


def shown(path: str, label: str | None, answer: str, **changes: Any) -> ShownPicture:
    """A picture of the page, predicted with a confidence of 0.876 and a `known` of 0.765."""
    facts: dict[str, Any] = {"confidence": 0.876, "known": 0.765, "accepted": True}
    return ShownPicture(
        pixels=picture(), path=path, label=label, answer=answer, **(facts | changes)
    )


def toy_history() -> list[Epoch]:
    """Three epochs, of which the second has the lowest validation loss."""
    return [
        Epoch(
            epoch=number,
            learning_rate=0.1,
            train_loss=0.7 / number,
            train_accuracy=0.6 + 0.1 * number,
            val_loss=val_loss,
            val_accuracy=0.55 + 0.1 * number,
            seconds=7.0,
        )
        for number, val_loss in ((1, 0.8), (2, 0.3), (3, 0.4))
    ]


def toy_page(evaluation: Evaluation | None = None, **changes: Any) -> EvaluationPage:
    """A page with every section; `changes` replace fields."""
    found = evaluation or toy_evaluation()
    first, second = found.classes[:2]
    heat = np.linspace(-1, 1, 64, dtype=np.float32).reshape(8, 8)
    page = EvaluationPage(
        evaluation=found,
        confusion_chart=draw_confusion_matrix(found.classes, found.confusion_matrix),
        reliability_chart=reliability(found.calibration.bins),
        risk_coverage=RiskCoverage(coverage=np.array([0.5, 1.0]), risk=np.array([0.0, 0.05])),
        known=np.linspace(0.4, 1, 40, dtype=np.float32),
        known_of_unknown=None
        if found.unknown is None
        else np.linspace(0, 0.7, found.unknown.n, dtype=np.float32),
        mistakes=[
            shown("photos/a/00000.png", first, second, heat=heat),
            shown("photos/b/00001.png", second, first, accepted=False, known=0.432),
        ],
        wrong=2,
        review=LabelReview(
            judged=37, seen=3, doubted=1, shown=[shown("photos/b/00002.png", second, first)]
        ),
        accepted_unknown=[shown("others/deep/cow.png", None, first, known=0.654)],
        history=toy_history(),
        origin=Origin(
            model="/somewhere/run/model.onnx",
            image_size=32,
            resize="bicubic",
            temperature=1.4142,
            trained_on=SHA256,
            signwise_version="0.1.0",
            settings={"epochs": 3, "freeze": False, "augmentation.scale": [0.75, 1.25]},
            versions={"torch": "2.6"},
            problems=[Problem(path="photos/broken.png", problem="truncated")],
        ),
    )
    return replace(page, **changes)


def toy_data_page(classes: Sequence[str] = ("priority", "stop"), **changes: Any) -> DataPage:
    """A page with every section; `changes` replace fields."""
    page = DataPage(
        name="photos",
        usable=2468,
        groups=321,
        counts=[
            ClassCounts(
                name=name,
                by_split={"train": 864, "val": 185, "test": 185 + index},
                pictures=1234 + index,
                groups=160 + index,
            )
            for index, name in enumerate(classes)
        ],
        grouping="track",
        split_given=False,
        leaking_groups=0,
        shares=(0.7, 0.15, 0.15),
        seed=11,
        warnings=["the data is small"],
        samples={name: [Sample(pixels=picture(), name=f"{name}.png")] for name in classes},
        flagged=[
            FlaggedGroup(
                reason="near duplicate",
                count=13,
                shown=[
                    FlaggedPicture(
                        pixels=[picture(0), picture(1)], path="stop/1.png", detail="looks like 2"
                    )
                ],
            ),
            FlaggedGroup(
                reason="very dark",
                count=1,
                shown=[
                    FlaggedPicture(
                        pixels=[picture() // 20], path="stop/3.png", detail="mean grey 0.02"
                    )
                ],
            ),
        ],
        flagged_pictures=14,
        problems=[Problem(path="stop/broken.png", problem="truncated")],
        skipped={"hidden": 5, "not an image": 6},
        settings={"group": None, "copy": False, "split": [0.7, 0.15, 0.15]},
    )
    return replace(page, **changes)


def toy_card(**changes: Any) -> CardFacts:
    """What a card says of a run on two classes; `changes` replace fields."""
    measured = MeasuredSet(
        n=30,
        correct=29,
        accuracy=29 / 30,
        accuracy_ci95=(0.8333, 0.9944),
        accuracy_ci95_grouped=(0.6111, 0.9977),
        refused=2,
    )
    record = ModelRecord(
        signwise_version="0.1.0",
        classes=("priority", "stop"),
        image_size=32,
        resize="bicubic",
        temperature=1.4142,
        threshold=0.4321,
        unknown="synthetic",
        model="resnet18",
        data_sha256=SHA256,
        grouping="track",
        figures=ModelFigures(validation=measured, best_epoch=2),
    )
    card = CardFacts(
        record=record,
        counts={
            "priority": {"train": 101, "val": 15, "test": 16},
            "stop": {"train": 102, "val": 17, "test": 18},
        },
        negatives=2345,
        history=toy_history(),
        difference=1.2e-7,
        warnings=["the validation set is small"],
        settings={"epochs": 3, "augmentation.noise": 0.14},
    )
    return replace(card, **changes)
