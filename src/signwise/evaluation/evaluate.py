"""How good a model is: metrics.json, predictions.csv, plots and a report, from the very file."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from signwise import plot_confusion, plots
from signwise.data.prepared import KNOWN_GROUPINGS, read_manifest, read_table
from signwise.data.walk import walk
from signwise.errors import SignwiseError
from signwise.evaluation.label_errors import find_label_suspects
from signwise.evaluation.measure import measure, measure_unknown
from signwise.evaluation.outputs import predictions_table, write_results
from signwise.evaluation.pictures import Answers, Pictures, Strangers, read_pictures
from signwise.evaluation.report import report
from signwise.evaluation.robustness import measure_corruptions
from signwise.files import (
    SHIPPED_MODELS,
    STRANGERS,
    claimed,
    read_json,
    sha256_file,
    write_bytes,
    write_text,
)
from signwise.inference.model_file import find_model
from signwise.inference.predictor import Predictor, printable_path
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
    with claimed(place, "evaluation") as folder:
        return _evaluate(predictor, run, pictures, folder, unknown, seed, corruptions=corruptions)


def _evaluate(
    predictor: Predictor,
    run: Path | None,
    pictures: Pictures,
    folder: Path,
    unknown: str | Path | None,
    seed: int,
    *,
    corruptions: bool,
) -> EvaluateResult:
    probabilities, known = _score(predictor, pictures.pixels)
    groups = list(pictures.table["group"])
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
        groups=groups,
        grouping=pictures.grouping,
        seed=seed,
    )
    strangers = None if unknown is None else _strangers(predictor, run, pictures, Path(unknown))
    if strangers is not None:
        figures["unknown"] = measure_unknown(known, strangers.known, predictor.threshold)
        figures["unknown"] |= _strangers_met(run, strangers)
    if corruptions:
        figures["corruptions"] = measure_corruptions(
            predictor,
            pictures.labels,
            pictures.pixels,
            groups if pictures.grouping in KNOWN_GROUPINGS else None,
            seed,
        )
    seen, siblings = _seen_in_training(run, pictures)
    figures["seen_in_training"] = None if seen is None else int(seen.sum())
    figures["groups_seen_in_training"] = siblings
    _warn(figures, folder)
    suspects = None if seen is None else find_label_suspects(pictures, probabilities, ~seen)
    answers = Answers(probabilities=probabilities, known=known, strangers=strangers)
    charts = {
        "confusion_matrix.png": plot_confusion.confusion_matrix(
            predictor.classes, figures["confusion_matrix"]
        ),
        "reliability.png": plots.reliability(figures["calibration"]["bins"]),
    }
    page = report(predictor, pictures, figures, answers, suspects, charts, run)
    write_results(folder, figures, predictions_table(predictor, pictures, answers), suspects)
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
            "suspects": 0 if suspects is None else len(suspects),
        },
        problems=pictures.problems + (strangers.problems if strangers else []),
        metrics=figures,
    )


def _warn(figures: dict[str, Any], folder: Path) -> None:
    """Say what a reader of the figures must know, and what they replace."""
    n, seen, unknown = figures["n"], figures["seen_in_training"], figures.get("unknown") or {}
    texts = []
    if seen:
        texts.append(
            f"{seen} of {n} pictures were trained on: the figures say nothing about new pictures"
        )
    if unknown.get("seen_in_training"):
        texts.append(
            f"{unknown['seen_in_training']} of {unknown['n']} pictures of --unknown were trained "
            "against: the figures say nothing about new strangers"
        )
    earlier = folder / "metrics.json"
    if earlier.is_file():
        old = read_json(earlier)
        if (old.get("data_sha256"), old.get("n")) != (figures["data_sha256"], n):
            texts.append(f"{folder} held an evaluation on other data, which this one replaces")
    for text in texts:
        warnings.warn(text, stacklevel=4)


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
    scores = np.concatenate(probabilities), np.concatenate(known)
    if not all(np.isfinite(part).all() for part in scores):
        raise SignwiseError(f"{predictor.path} gives answers that are no numbers: train again")
    return scores


def _strangers(
    predictor: Predictor, run: Path | None, pictures: Pictures, folder: Path
) -> Strangers:
    """Score the pictures of the folder, but those that are, byte for byte, of the classes."""
    known_as = dict(pictures.labels_by_sha256)
    if run is not None:
        manifest = read_manifest(run / "manifest.csv")
        known_as |= dict(zip(manifest["sha256"], manifest["label"], strict=True))
    known_as.pop("", None)  # of files that could not be read
    used, hashes, problems = [], [], []
    for path in walk(folder):
        try:
            sha256 = sha256_file(Path(path))
        except OSError:
            sha256 = ""  # the predictor says why
        if sha256 in known_as:
            text = f"the same picture is one of {known_as[sha256]}"
            problems.append({"path": printable_path(path), "problem": text})
        else:
            used.append(path)
            hashes.append(sha256)
    rows, labels, known = [], [], []
    with track("Unknown", len(used)) as advance:
        for row, prediction in enumerate(predictor.stream(used)):
            advance(1)
            if prediction.error is None:
                rows.append(row)
                labels.append(str(prediction.label))
                known.append(prediction.known)
            else:
                problems.append({"path": str(prediction.path), "problem": prediction.error})
    if not rows:
        raise SignwiseError(
            f"--unknown {folder} holds no usable picture"
            + (f" ({problems[0]['problem']})" if problems else "")
            + ": give pictures of no class"
        )
    return Strangers(
        paths=[used[row] for row in rows],
        sha256=[hashes[row] for row in rows],
        labels=labels,
        known=np.array(known, np.float32),
        problems=problems,
    )


def _strangers_met(run: Path | None, strangers: Strangers) -> dict[str, Any]:
    """How many strangers were, byte for byte, trained against; None without a run to ask."""
    if run is None:
        return {"seen_in_training": None}
    trained: set[str] = set()
    if (run / STRANGERS).is_file():
        trained = set(read_table(run / STRANGERS)["sha256"])
    return {"seen_in_training": sum(sha256 in trained for sha256 in strangers.sha256)}


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
