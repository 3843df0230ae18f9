"""What an evaluation leaves for other programs: metrics.json, predictions.csv, flagged.csv."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from signwise.data.manifest import write_csv
from signwise.evaluation.pictures import Answers, Pictures
from signwise.files import printable_path, write_text
from signwise.inference.predictor import UNKNOWN, Predictor
from signwise.metrics.selective import accepted
from signwise.results import Evaluation


def predictions_table(predictor: Predictor, pictures: Pictures, answers: Answers) -> pd.DataFrame:
    """predictions.csv: predict's columns, then what is true of each picture."""
    probabilities, known = answers.probabilities, answers.known
    best = probabilities.argmax(axis=1)
    names = np.array(predictor.classes, dtype=object)[best]
    table = pictures.table
    columns: dict[str, Any] = {
        "path": [printable_path(path) for path in table["path"]],
        "label": np.where(accepted(known, predictor.threshold), names, UNKNOWN),
        "confidence": probabilities.max(axis=1),
        "known": known,
    }
    columns |= {
        f"p_{name}": probabilities[:, index] for index, name in enumerate(predictor.classes)
    }
    columns |= {
        "error": "",
        "true_label": table["label"],
        "group": table["group"],
        "split": table["split"],
        "correct": best == pictures.labels,
        "sha256": table["sha256"],
    }
    return pd.DataFrame(columns)


def write_results(
    folder: Path, evaluation: Evaluation, predictions: pd.DataFrame, flagged: pd.DataFrame | None
) -> None:
    """Write the three files; without flagged labels an earlier flagged.csv goes."""
    text = json.dumps(evaluation.to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    # A row of the confusion matrix, or an interval, on one line: only JSON's own line breaks are
    # real ones, so nothing inside a name is touched.
    text = re.sub(r"\[\n[-+.\deE,\s]*\]", lambda found: " ".join(found[0].split()), text)
    write_text(folder / "metrics.json", text)
    write_csv(folder / "predictions.csv", predictions)
    if flagged is None:
        (folder / "flagged.csv").unlink(missing_ok=True)
    else:
        write_csv(folder / "flagged.csv", flagged)
