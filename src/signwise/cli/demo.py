"""The demo: every step on rendered photos, from nothing to a report."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from signwise.data.prepare import prepare
from signwise.evaluation.evaluate import EvaluateResult, evaluate
from signwise.folders import MARKER, output_folder
from signwise.inference.predict import predict
from signwise.results import Problem, Row
from signwise.synthetic import synth
from signwise.training.train import train

CLASSES = ("priority", "stop")
PER_CLASS = 400
NEGATIVES = "negatives"


@dataclass(frozen=True, kw_only=True)
class DemoResult:
    """What the demo wrote."""

    out: Path
    counts: dict[str, int]
    """The counts of its evaluation."""
    problems: list[Problem]
    evaluation: EvaluateResult
    predictions: list[Row]
    """Rows of `predict`, one a class and one of none: `path` under OUT, and what it `shows`."""
    report: Path


def demo(
    out: str | Path = "demo",
    *,
    per_class: int = PER_CLASS,
    seed: int = 0,
    threads: int | None = None,
) -> DemoResult:
    """Render signs, then prepare, train, evaluate and predict; gives figures and the report's path.

    Writes OUT/photos, OUT/negatives, OUT/data and OUT/run; a demo that is there is replaced.
    Raises SignwiseError where OUT is not signwise's own.
    """
    with output_folder(Path(out), "demo") as folder:
        return _demo(folder, per_class, seed, threads)


def _demo(out: Path, per_class: int, seed: int, threads: int | None) -> DemoResult:
    photos, negatives, data, run = (out / name for name in ("photos", NEGATIVES, "data", "run"))
    for folder in (photos, negatives, data, run):
        if (folder / MARKER).is_file():
            shutil.rmtree(folder)
    synth(photos, per_class=per_class, seed=seed, classes=CLASSES, negatives=negatives)
    prepare(photos, data, seed=seed)
    train(data, run, seed=seed, threads=threads)
    evaluation = evaluate(run, data, unknown=negatives)
    predictions = _predictions(run, data, negatives)
    return DemoResult(
        out=out,
        counts=evaluation.counts,
        problems=evaluation.problems,
        evaluation=evaluation,
        predictions=predictions,
        report=Path(evaluation.out) / "report.html",
    )


def _predictions(run: Path, data: Path, negatives: Path) -> list[Row]:
    """A row for a test picture of each class and for a picture of none, as a user would ask."""
    from signwise.data.manifest import load_data

    prepared = load_data(data)
    test = prepared.table[prepared.table["split"] == "test"].drop_duplicates("label", keep="last")
    shown = zip(test["path"], test["label"], strict=True)
    pictures = {str(prepared.root / path): str(label) for path, label in shown}
    pictures[str(min(negatives.rglob("*.png")))] = "unknown"
    rows = predict(run, list(pictures)).rows
    return [
        {**row, "path": os.path.relpath(path, run.parent), "shows": shows}
        for row, (path, shows) in zip(rows, pictures.items(), strict=True)
    ]
