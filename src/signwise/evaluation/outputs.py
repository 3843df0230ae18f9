"""What an evaluation leaves for other programs: metrics.json, predictions.csv, suspects.csv."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from signwise.data.prepared import write_csv
from signwise.evaluation.pictures import Answers, Pictures
from signwise.files import write_text
from signwise.inference.predictor import UNKNOWN, Predictor, printable_path


def predictions_table(predictor: Predictor, pictures: Pictures, answers: Answers) -> pd.DataFrame:
    """predictions.csv: predict's columns, then what is true of each picture."""
    probabilities, known = answers.probabilities, answers.known
    best = probabilities.argmax(axis=1)
    names = np.array(predictor.classes, dtype=object)[best]
    table = pictures.table
    columns: dict[str, Any] = {
        "path": [printable_path(path) for path in table["path"]],
        "label": np.where(known < np.float32(predictor.threshold), UNKNOWN, names),
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
    folder: Path, figures: dict[str, Any], frame: pd.DataFrame, suspects: pd.DataFrame | None
) -> None:
    """Write the three files; without suspects an earlier suspects.csv goes."""
    text = json.dumps(figures, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    # A row of the confusion matrix, or an interval, on one line: only JSON's own line breaks are
    # real ones, so nothing inside a name is touched.
    text = re.sub(r"\[\n[-+.\deE,\s]*\]", lambda found: " ".join(found[0].split()), text)
    write_text(folder / "metrics.json", text)
    write_csv(folder / "predictions.csv", frame)
    if suspects is None:
        (folder / "suspects.csv").unlink(missing_ok=True)
    else:
        write_csv(folder / "suspects.csv", suspects)
