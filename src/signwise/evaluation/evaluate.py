"""How good a model is: metrics.json, predictions.csv, plots and a report, from the very file."""

import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from signwise import plot_confusion, plots
from signwise.data.prepared import read_manifest
from signwise.data.walk import walk
from signwise.errors import SignwiseError
from signwise.evaluation.measure import measure, measure_unknown
from signwise.evaluation.pictures import Pictures, read_pictures
from signwise.evaluation.report import report
from signwise.evaluation.robustness import measure_corruptions
from signwise.files import atomic_path, claim_directory, write_bytes, write_json, write_text
from signwise.inference.model_file import SHIPPED, find_model
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


@dataclass(frozen=True, kw_only=True)
class Strangers:
    """What the model answered to pictures of none of its classes."""

    paths: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    known: NDArray[np.float32]
    problems: list[dict[str, str]] = field(default_factory=list)


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
    RUN/evaluation/<split or folder name>. `unknown`: a folder of pictures of no class. `seed`: of
    the bootstrap and the corruptions. Raises SignwiseError for a model or data that can't be used,
    for a class that the model does not know, and without `out` where the model is no run.
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
    figures: dict[str, Any] = {"split": pictures.name, "data_sha256": pictures.data_sha256}
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
    figures["seen_in_training"] = _seen_in_training(run, pictures.table)
    if figures["seen_in_training"]:
        warnings.warn(
            f"{figures['seen_in_training']} of {figures['n']} pictures were trained on:"
            " the figures say nothing about new pictures",
            stacklevel=2,
        )
    frame = _predictions(predictor, pictures, probabilities, known)
    _write(folder, figures, frame)
    page = report(predictor, pictures, figures, probabilities, known, strangers, run)
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
    folder = find_model(model).resolve().parent
    shipped = folder.is_relative_to(SHIPPED.resolve())
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


def _seen_in_training(run: Path | None, table: pd.DataFrame) -> int | None:
    if run is None:
        return None
    manifest = read_manifest(run / "manifest.csv")
    trained = manifest.loc[(manifest["split"] == "train") & (manifest["problem"] == ""), "sha256"]
    return int(table["sha256"].isin(set(trained)).sum())


def _predictions(
    predictor: Predictor,
    pictures: Pictures,
    probabilities: NDArray[np.float32],
    known: NDArray[np.float32],
) -> pd.DataFrame:
    """predictions.csv: predict's columns, then what is true of each picture."""
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


def _write(folder: Path, figures: dict[str, Any], frame: pd.DataFrame) -> None:
    write_json(folder / "metrics.json", figures)
    with atomic_path(folder / "predictions.csv") as temporary:
        frame.to_csv(temporary, index=False)
    chart = plot_confusion.confusion_matrix(figures["classes"], figures["confusion_matrix"])
    write_bytes(folder / "confusion_matrix.png", chart)
    write_bytes(folder / "reliability.png", plots.reliability(figures["calibration"]["bins"]))
