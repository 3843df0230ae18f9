"""How good a model is: metrics.json, predictions.csv, plots and a report, from the very file."""

import json
import re
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from signwise import plot_confusion, plots
from signwise.data.prepared import read_manifest, write_csv
from signwise.data.suspects import label_suspects
from signwise.data.walk import walk
from signwise.errors import SignwiseError
from signwise.evaluation.measure import KNOWN_GROUPINGS, measure, measure_unknown
from signwise.evaluation.pictures import Answers, Pictures, Strangers, read_pictures
from signwise.evaluation.report import report
from signwise.evaluation.robustness import measure_corruptions
from signwise.files import SHIPPED_MODELS, claim_directory, read_json, write_bytes, write_text
from signwise.inference.model_file import find_model
from signwise.inference.predictor import UNKNOWN, Predictor
from signwise.progress import track

CHUNK = 1024


@dataclass(frozen=True, kw_only=True)
class EvaluateResult:
    """What a model was measured to be worth."""

    out: Path
    counts: dict[str, int]
    """images, correct, wrong, refused (by the threshold), unreadable, unknown (strangers)."""
    problems: list[dict[str, str]]
    """Pictures that could not be used: path and problem."""
    metrics: dict[str, Any]
    """The content of metrics.json."""


def evaluate(
    model: str | Path,
    data: str | Path,
    *,
    split: Literal["train", "val", "test", "all"] = "test",
    unknown: str | Path | None = None,
    corruptions: bool = False,
    out: str | Path | None = None,
    seed: int = 0,
) -> EvaluateResult:
    """Measure a model on what `prepare` wrote, or on a folder with one sub-folder a class.

    What is measured is model.onnx itself. Writes metrics.json, predictions.csv,
    confusion_matrix.png, reliability.png and report.html into `out`, by default
    RUN/evaluation/<split or folder name>; and suspects.csv, which `prepare --exclude` reads: of the
    pictures that the run was not trained on those whose label is likely wrong. `unknown`: a folder
    of pictures of no class. `seed`: of the bootstrap and the corruptions. Raises SignwiseError for
    a model or data that can't be used, for a class that the model does not know, and without `out`
    where the model is no run.
    """
    if split not in ("train", "val", "test", "all"):
        raise SignwiseError(f"--split must be train, val, test or all, not {split}")
    predictor = Predictor(model)
    run = _run_of(model)
    if out is None and run is None:
        raise SignwiseError(f"{model} is no run directory: say with --out where to write")
    if unknown is not None and not Path(unknown).is_dir():
        raise SignwiseError(f"--unknown {unknown} is no folder: give a folder of pictures")
    pictures = read_pictures(data, split, predictor.classes, predictor.image_size)
    place = Path(out) if out is not None else _default_out(run, pictures.name)
    folder = claim_directory(place, "evaluation", replace=True)

    probabilities, known = _score(predictor, pictures.pixels)
    figures: dict[str, Any] = {
        "data": pictures.name,
        "split": pictures.split,
        "data_sha256": pictures.data_sha256,
    }
    figures |= measure(
        predictor.classes,
        pictures.labels,
        probabilities,
        known,
        threshold=predictor.threshold,
        groups=list(pictures.table["group"]),
        grouping=pictures.grouping,
        seed=seed,
    )
    strangers = None if unknown is None else _strangers(predictor, Path(unknown))
    if strangers is not None:
        figures["unknown"] = measure_unknown(known, strangers.known, predictor.threshold)
    if corruptions:
        figures["corruptions"] = measure_corruptions(
            predictor, pictures.labels, pictures.pixels, seed
        )
    seen, siblings = _seen_in_training(run, pictures)
    figures["seen_in_training"] = None if seen is None else int(seen.sum())
    figures["groups_seen_in_training"] = siblings
    if figures["seen_in_training"]:
        warnings.warn(
            f"{figures['seen_in_training']} of {figures['n']} pictures were trained on:"
            " the figures say nothing about new pictures",
            stacklevel=2,
        )
    suspects = None if seen is None else _suspects(pictures, probabilities, ~seen)
    answers = Answers(probabilities=probabilities, known=known, strangers=strangers)
    charts = {
        "confusion_matrix.png": plot_confusion.confusion_matrix(
            predictor.classes, figures["confusion_matrix"]
        ),
        "reliability.png": plots.reliability(figures["calibration"]["bins"]),
    }
    page = report(predictor, pictures, figures, answers, charts, run)
    _write(folder, figures, _predictions(predictor, pictures, answers), suspects)
    for name, chart in charts.items():
        write_bytes(folder / name, chart)
    write_text(folder / "report.html", page)
    return EvaluateResult(
        out=folder,
        counts={
            "images": figures["n"],
            "correct": figures["correct"],
            "wrong": figures["n"] - figures["correct"],
            "refused": figures["n"] - figures["selective"]["accepted"],
            "unreadable": len(pictures.problems) + len(strangers.problems if strangers else []),
            "unknown": len(strangers.known) if strangers else 0,
        },
        problems=pictures.problems + (strangers.problems if strangers else []),
        metrics=figures,
    )


def _run_of(model: str | Path) -> Path | None:
    folder = find_model(model).parent
    shipped = folder.resolve().is_relative_to(SHIPPED_MODELS.resolve())
    return folder if (folder / "manifest.csv").is_file() and not shipped else None


def _default_out(run: Path | None, name: str) -> Path:
    assert run is not None
    return run / "evaluation" / name


def _score(
    predictor: Predictor, pixels: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    probabilities, known = [], []
    with track("Evaluate", len(pixels)) as advance:
        for start in range(0, len(pixels), CHUNK):
            part = np.asarray(pixels[start : start + CHUNK])
            first, second = predictor.scores(part)
            probabilities.append(first)
            known.append(second)
            advance(len(part))
    return np.concatenate(probabilities), np.concatenate(known)


def _strangers(predictor: Predictor, folder: Path) -> Strangers:
    skipped: Counter[str] = Counter()
    paths = list(walk(folder, skipped))
    answers, problems = [], []
    with track("Unknown", len(paths)) as advance:
        for prediction in predictor.stream(paths):
            advance(1)
            if prediction.error is None:
                answers.append(prediction)
            else:
                problems.append({"path": str(prediction.path), "problem": prediction.error})
    if not answers:
        raise SignwiseError(
            f"--unknown {folder} holds no usable picture: give pictures of no class"
        )
    return Strangers(
        paths=[str(answer.path) for answer in answers],
        labels=[str(answer.label) for answer in answers],
        known=np.array([answer.known for answer in answers], np.float32),
        problems=problems,
    )


def _seen_in_training(
    run: Path | None, pictures: Pictures
) -> tuple[NDArray[np.bool_] | None, int | None]:
    """Which pictures (N,) were trained on, byte for byte; and of how many groups others were.

    The second is None where it can't be known: names of groups mean something in their data alone.
    """
    if run is None:
        return None, None
    manifest = read_manifest(run / "manifest.csv")
    trained = manifest[(manifest["split"] == "train") & (manifest["problem"] == "")]
    table = pictures.table
    seen = table["sha256"].isin(set(trained["sha256"])).to_numpy()
    config = run / "config.json"
    same = config.is_file() and read_json(config).get("data_sha256") == pictures.data_sha256
    if not same or pictures.data_sha256 is None or pictures.grouping not in KNOWN_GROUPINGS:
        return seen, None
    return seen, len(set(table["group"][~seen]) & set(trained["group"]))


def _suspects(
    pictures: Pictures, probabilities: NDArray[np.float32], fresh: NDArray[np.bool_]
) -> pd.DataFrame | None:
    """Likely label errors among the pictures that were not trained on, the likeliest first.

    None where some class has no such picture: what is usual for it is not known then.
    """
    rows = np.flatnonzero(fresh)
    labels = pictures.labels[rows]
    if len(set(labels)) < probabilities.shape[1]:
        return None
    found = rows[label_suspects(labels, probabilities[rows].astype(np.float64))]
    table = pictures.table.iloc[found]
    return pd.DataFrame(
        {
            "path": table["path"],
            "label": table["label"],
            "reason": "likely label error",
            "detail": [
                f"given label {probabilities[row, pictures.labels[row]]:.3f}, "
                f"another class {probabilities[row].max():.3f}"
                for row in found
            ],
            "other": "",
        }
    )


def _predictions(predictor: Predictor, pictures: Pictures, answers: Answers) -> pd.DataFrame:
    """predictions.csv: predict's columns, then what is true of each picture."""
    probabilities, known = answers.probabilities, answers.known
    best = probabilities.argmax(axis=1)
    names = np.array(predictor.classes, dtype=object)[best]
    table = pictures.table
    columns: dict[str, Any] = {
        "path": table["path"],
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


def _write(
    folder: Path, figures: dict[str, Any], frame: pd.DataFrame, suspects: pd.DataFrame | None
) -> None:
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
