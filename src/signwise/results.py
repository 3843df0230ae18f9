"""What is measured and what a verb returns, as typed records, and their JSON.

The records of an evaluation, `Evaluation` and its parts, are written to metrics.json by their
`to_json`; metrics.schema.json, which ships beside this file, describes that file. Shares are
fractions, intervals are 95 % intervals `(low, high)`, None is what could not be measured.
"""

import csv
import dataclasses
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, TypedDict

import msgspec

from signwise.errors import SignwiseError
from signwise.files import Json
from signwise.opening import MOST_TABLE, open_regular

Interval: TypeAlias = tuple[float, float]
Row: TypeAlias = dict[str, "str | float | None"]
"""One row of a table by column name."""


class Problem(TypedDict):
    """An input that could not be used."""

    path: str
    problem: str
    """The reason."""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """A share, or another figure from 0 to 1, with its count and its intervals."""

    value: float | None
    n: int
    """What it is a share of."""
    ci95: Interval | None
    """By picture."""
    ci95_grouped: Interval | None = None
    """By group; None where groups are not known."""

    @property
    def count(self) -> int:
        """How many of the n it is."""
        return round((self.value or 0) * self.n)

    def to_json(self) -> Json:
        """As in `per_class` of metrics.json: `{value, n, ci95}`."""
        return {"value": self.value, "n": self.n, "ci95": to_json(self.ci95)}

    def flat(self, name: str) -> dict[str, Json]:
        """As elsewhere in metrics.json: `name`, `name_ci95` and `name_ci95_grouped`."""
        return {
            name: self.value,
            f"{name}_ci95": to_json(self.ci95),
            f"{name}_ci95_grouped": to_json(self.ci95_grouped),
        }


@dataclass(frozen=True, kw_only=True)
class ClassFigures:
    """How well one class is recognised, by the largest probability."""

    precision: Rate
    recall: Rate
    f1: Rate
    support: int
    """Pictures of the class."""
    groups: int | None = None
    """Groups of these; None where groups are not known."""

    def to_json(self) -> Json:
        """An entry of `per_class`."""
        rates = {"precision": self.precision, "recall": self.recall, "f1": self.f1}
        return {name: rate.to_json() for name, rate in rates.items()} | {"support": self.support}

    def grouped_to_json(self) -> Json:
        """An entry of `per_class_grouped`."""
        return {
            "groups": self.groups,
            "recall_ci95": to_json(self.recall.ci95_grouped),
            "precision_ci95": to_json(self.precision.ci95_grouped),
        }


@dataclass(frozen=True, kw_only=True)
class ReliabilityBin:
    """Pictures of about the same confidence."""

    low: float
    """The least confidence."""
    high: float
    """The largest."""
    n: int
    confidence: float
    """The mean."""
    accuracy: float
    ci95: Interval | None
    """Of the accuracy."""


@dataclass(frozen=True, kw_only=True)
class CalibrationFigures:
    """Whether confidence means what it says."""

    n: int
    ece: float | None
    """Expected calibration error."""
    ece_by_chance: float | None
    """What 1 in 20 perfectly calibrated models would exceed at this n."""
    brier: float | None
    bins: tuple[ReliabilityBin, ...]


@dataclass(frozen=True, kw_only=True)
class SelectiveFigures:
    """What is answered at the threshold of `known`, and how often that is wrong."""

    threshold: float
    n: int
    accepted: int
    coverage: Rate
    """Share that gets an answer."""
    risk: Rate
    """Share of errors among the answered."""
    aurc: float | None
    """Area under the risk-coverage curve."""

    @property
    def rejected(self) -> int:
        """Pictures that are answered `unknown`."""
        return self.n - self.accepted

    def to_json(self) -> Json:
        """The entry `selective`."""
        return {
            "threshold": self.threshold,
            "n": self.n,
            "accepted": self.accepted,
            "coverage": self.coverage.value,
            "coverage_ci95": to_json(self.coverage.ci95),
            "risk": self.risk.value,
            "risk_ci95": to_json(self.risk.ci95),
            "aurc": self.aurc,
            "coverage_ci95_grouped": to_json(self.coverage.ci95_grouped),
            "risk_ci95_grouped": to_json(self.risk.ci95_grouped),
        }


@dataclass(frozen=True, kw_only=True)
class UnknownFigures:
    """How `known` tells pictures of the classes from pictures of none of them."""

    folder: str
    """The name of the folder of pictures of no class."""
    n: int
    """Pictures in it."""
    n_known: int
    """Pictures of the classes."""
    auroc: Rate
    fpr_at_95_tpr: Rate
    """Share accepted where 95 % of the pictures of the classes are."""
    acceptance: Rate
    """Share accepted at the threshold: the false accept rate."""
    accepted: int
    threshold: float
    seen_in_training: int | None
    """How many were trained against, byte for byte; None where that is not known."""

    def to_json(self) -> Json:
        """The entry `unknown`."""
        return {
            "folder": self.folder,
            "n": self.n,
            "n_known": self.n_known,
            "auroc": self.auroc.value,
            "auroc_ci95": to_json(self.auroc.ci95),
            "fpr_at_95_tpr": self.fpr_at_95_tpr.value,
            "fpr_at_95_tpr_ci95": to_json(self.fpr_at_95_tpr.ci95),
            "acceptance_rate": self.acceptance.value,
            "acceptance_rate_ci95": to_json(self.acceptance.ci95),
            "accepted": self.accepted,
            "threshold": self.threshold,
            "seen_in_training": self.seen_in_training,
        }


@dataclass(frozen=True, kw_only=True)
class CorruptionCell:
    """One corruption at one severity."""

    accuracy: Rate
    correct: int
    rejected: int

    def to_json(self) -> Json:
        """An entry of `cells`."""
        return {
            "accuracy": self.accuracy.value,
            "n": self.accuracy.n,
            "correct": self.correct,
            "ci95": to_json(self.accuracy.ci95),
            "refused": self.rejected,
        }


@dataclass(frozen=True, kw_only=True)
class CorruptionFigures:
    """Accuracy under the common corruptions."""

    n: int
    """Pictures in each cell."""
    mean_accuracy: Rate
    mean_rejected: Rate
    seed: int
    overlaps_with_training: Mapping[str, str]
    """Corruptions of a kind that training shows as well, and the kind."""
    cells: Mapping[str, Mapping[int, CorruptionCell]]
    """By corruption and severity."""

    def to_json(self) -> Json:
        """The entry `corruptions`."""
        return {
            "n": self.n,
            **self.mean_accuracy.flat("mean_accuracy"),
            "mean_refused": self.mean_rejected.value,
            "mean_refused_ci95": to_json(self.mean_rejected.ci95),
            "seed": self.seed,
            "frost": "rendered",
            "overlaps_with_training": to_json(self.overlaps_with_training),
            "cells": to_json(self.cells),
        }


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """All that is measured of a model on N labelled pictures of K classes."""

    data: str
    """What the pictures are called: the split, or the folder's name."""
    split: str
    data_sha256: str | None
    """Of the data's manifest; None for a folder."""
    model_sha256: str
    """Of the model.onnx that was measured."""
    classes: tuple[str, ...]
    """The model's, in the order of the confusion matrix."""
    n: int
    correct: int
    accuracy: Rate
    grouping: str
    """csv, regex, track or duplicates."""
    groups: int
    balanced_accuracy: Rate
    loss: float | None
    """Negative log-likelihood of the labels, in nats."""
    confusion_matrix: tuple[tuple[int, ...], ...]
    """[i][j]: pictures of class i taken for class j."""
    per_class: Mapping[str, ClassFigures]
    calibration: CalibrationFigures
    selective: SelectiveFigures
    unknown: UnknownFigures | None = None
    """None where no pictures of no class were given."""
    corruptions: CorruptionFigures | None = None
    """None where they were not asked for."""
    seen_in_training: int | None
    """Pictures that were trained on, byte for byte; None where that is not known."""
    seen_in_validation: int | None
    """Pictures that weights, temperature and threshold were chosen on, byte for byte; None where
    that is not known."""
    groups_seen_in_training: int | None
    """Groups of which other pictures were trained on; None where that is not known."""

    @property
    def groups_known(self) -> bool:
        """Whether a group is known to be one physical sign, or what the user calls a group."""
        return self.grouping in KNOWN_GROUPINGS

    def to_json(self) -> dict[str, Json]:
        """The content of metrics.json."""
        grouped: Json = None
        if self.groups_known:
            grouped = {name: found.grouped_to_json() for name, found in self.per_class.items()}
        content: dict[str, Json] = {
            "data": self.data,
            "split": self.split,
            "data_sha256": self.data_sha256,
            "model_sha256": self.model_sha256,
            "classes": list(self.classes),
            "n": self.n,
            "correct": self.correct,
            **self.accuracy.flat("accuracy"),
            "grouping": self.grouping,
            "groups": self.groups,
            **self.balanced_accuracy.flat("balanced_accuracy"),
            "loss": self.loss,
            "confusion_matrix": to_json(self.confusion_matrix),
            "per_class": to_json(self.per_class),
            "per_class_grouped": grouped,
            "calibration": to_json(self.calibration),
            "selective": to_json(self.selective),
        }
        if self.unknown is not None:
            content["unknown"] = self.unknown.to_json()
        if self.corruptions is not None:
            content["corruptions"] = self.corruptions.to_json()
        content["seen_in_training"] = self.seen_in_training
        content["seen_in_validation"] = self.seen_in_validation
        content["groups_seen_in_training"] = self.groups_seen_in_training
        return content


Grouping: TypeAlias = Literal["csv", "regex", "track", "duplicates"]
"""What a group is, as the files that are read back have it."""
KNOWN_GROUPINGS = ("csv", "regex", "track")
"""Where a group is a physical sign; near duplicates are only pictures that look alike."""


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One row of history.csv; losses are means over pictures, in nats."""

    epoch: int
    """0 is stage one: the head fitted on features of the frozen backbone."""
    learning_rate: float | None
    """At the end of the epoch; None for stage one."""
    train_loss: float
    train_accuracy: float
    val_loss: float
    """On pictures as they are, classes weighed alike and targets not smoothed: of the averaged
    network or, after a stage one, of the mixture with it that was chosen. train_loss is the
    network's own, on augmented pictures."""
    val_accuracy: float
    seconds: float

    def to_json(self) -> dict[str, float | None]:
        """The row by column name."""
        return dataclasses.asdict(self)


def to_json(value: object) -> Json:
    """The value in JSON's types; what is no number is null, and a record is its fields.

    A record that has a method `to_json` is what that gives.
    """
    own = getattr(value, "to_json", None)
    if own is not None and not isinstance(value, type):
        return to_json(own())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [each.name for each in dataclasses.fields(value)]
        return {name: to_json(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # NumPy's, which is not imported here: --help needs none of it
        return to_json(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [to_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    assert value is None or isinstance(value, str | int | float | bool), type(value)
    return value


def json_document(result: object) -> str:
    """A verb's result as one JSON document."""
    return json.dumps(to_json(result), indent=2, ensure_ascii=False, allow_nan=False)


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """A run's config.json: all that is needed to repeat the run, and what it was made with."""

    settings: dict[str, Json]
    """Of `config.ResolvedConfig`."""
    seed: int
    classes: tuple[str, ...]
    grouping: str
    data: str
    """The folder that `prepare` wrote."""
    data_sha256: str
    """Of its manifest."""
    versions: dict[str, str]
    device: str | None = None
    """Where it was computed, whatever `settings` ask for; None from older versions."""
    threads: int | None = None
    """CPU threads that it was computed with, likewise."""
    processes: int = 1
    """That trained together, as torchrun starts them."""


def history_csv(history: Sequence[Epoch]) -> str:
    """The content of history.csv."""
    text = io.StringIO()
    names = [each.name for each in dataclasses.fields(Epoch)]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row.to_json() for row in history)
    return text.getvalue()


def read_history(path: Path) -> list[Epoch]:
    """The rows of a history.csv; raises SignwiseError for another file."""
    try:
        with io.TextIOWrapper(open_regular(path, MOST_TABLE), "utf-8", newline="") as file:
            rows = [{k: v or None for k, v in row.items()} for row in csv.DictReader(file)]
        return [msgspec.convert(row, Epoch, strict=False) for row in rows]
    except (OSError, ValueError, csv.Error, msgspec.MsgspecError) as error:
        raise SignwiseError(f"{path} is not as signwise writes it ({error})") from None
