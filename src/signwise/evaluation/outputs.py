"""What an evaluation leaves for other programs: metrics.json, CSVs; and what came before it."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from signwise.data.manifest import read_table, write_csv
from signwise.evaluation.pictures import Answers, Pictures, UnknownAnswers
from signwise.files import printable_path, write_text
from signwise.inference.predictor import Predictor
from signwise.metrics.selective import accepted
from signwise.names import UNKNOWN
from signwise.opening import read_record
from signwise.results import Evaluation

METRICS, PREDICTIONS = "metrics.json", "predictions.csv"
UNKNOWN_PREDICTIONS = "predictions_unknown.csv"
"""Of the pictures of no class."""
FLAGGED = "flagged.csv"
CONFUSION, RELIABILITY, REPORT = "confusion_matrix.png", "reliability.png", "report.html"
WRITTEN = (
    METRICS, PREDICTIONS, UNKNOWN_PREDICTIONS, FLAGGED, CONFUSION, RELIABILITY, REPORT
)  # fmt: skip
"""All that an evaluation may write."""
EARLIER = "earlier"
"""In its folder: the evaluations of other models or pictures that it held before."""


def predictions_table(predictor: Predictor, pictures: Pictures, answers: Answers) -> pd.DataFrame:
    """predictions.csv: predict's columns, then what is true of each picture."""
    table = pictures.table
    found = _as_predicted(predictor, list(table["path"]), answers)
    return found.assign(
        true_label=table["label"],
        group=table["group"],
        split=table["split"],
        correct=answers.probabilities.argmax(axis=1) == pictures.labels,
        sha256=table["sha256"],
    )


def unknown_table(predictor: Predictor, unknown: UnknownAnswers) -> pd.DataFrame:
    """predictions_unknown.csv: predict's columns for the pictures of no class, and their bytes."""
    found = _as_predicted(predictor, unknown.paths, unknown)
    return found.assign(sha256=unknown.sha256)


def _as_predicted(
    predictor: Predictor, paths: Sequence[str], answers: Answers | UnknownAnswers
) -> pd.DataFrame:
    """The columns of `predict`."""
    probabilities, known = answers.probabilities, answers.known
    names = np.array(predictor.classes, dtype=object)[probabilities.argmax(axis=1)]
    columns: dict[str, Any] = {
        "path": [printable_path(path) for path in paths],
        "label": np.where(accepted(known, predictor.threshold), names, UNKNOWN),
        "confidence": probabilities.max(axis=1),
        "known": known,
    }
    columns |= {
        f"p_{name}": probabilities[:, index] for index, name in enumerate(predictor.classes)
    }
    return pd.DataFrame(columns | {"error": ""})


@dataclass(frozen=True, kw_only=True)
class _EarlierUnknown:
    folder: str = ""


@dataclass(frozen=True, kw_only=True)
class _Earlier:
    """What is needed of an earlier metrics.json; older versions did not name the model."""

    data: str
    model_sha256: str | None = None
    unknown: _EarlierUnknown | None = None


def keep_earlier(folder: Path, evaluation: Evaluation, predictions: pd.DataFrame) -> Path | None:
    """Put aside what the folder holds of another model or of other pictures; gives where.

    What is of the same model and the same pictures stays, to be replaced.
    """
    if not (folder / METRICS).is_file():
        return None
    old = read_record(folder / METRICS, _Earlier)
    file = folder / PREDICTIONS
    pictures = list(read_table(file, ["sha256"]).get("sha256", [])) if file.is_file() else []
    new, unknown = evaluation.unknown, old.unknown
    if (
        old.model_sha256 in (None, evaluation.model_sha256)
        and pictures == list(predictions["sha256"])
        and (new is None or unknown is None or unknown.folder in ("", new.folder))
    ):
        return None
    place, number = folder / EARLIER / (Path(old.data).name or "data"), 1
    while place.exists():
        number += 1
        place = place.with_name(f"{Path(old.data).name or 'data'}-{number}")
    place.mkdir(parents=True)
    for name in WRITTEN:
        if (folder / name).is_file():
            (folder / name).rename(place / name)
    return place


def write_results(
    folder: Path,
    evaluation: Evaluation,
    predictions: pd.DataFrame,
    unknown: pd.DataFrame | None,
    flagged: pd.DataFrame | None,
) -> None:
    """Write metrics.json and the tables; an earlier file of a table that is None goes."""
    text = json.dumps(evaluation.to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    # A row of the confusion matrix, or an interval, on one line: only JSON's own line breaks are
    # real ones, so nothing inside a name is touched.
    text = re.sub(r"\[\n[-+.\deE,\s]*\]", lambda found: " ".join(found[0].split()), text)
    write_text(folder / METRICS, text)
    for name, table in (
        (PREDICTIONS, predictions),
        (UNKNOWN_PREDICTIONS, unknown),
        (FLAGGED, flagged),
    ):
        if table is None:
            (folder / name).unlink(missing_ok=True)
        else:
            write_csv(folder / name, table)
