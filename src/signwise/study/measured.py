"""A model as it was measured: what `evaluate` left in a folder, read back picture by picture."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from signwise.config import dotted
from signwise.data.manifest import read_table
from signwise.errors import SignwiseError
from signwise.evaluation.outputs import METRICS, PREDICTIONS, UNKNOWN_PREDICTIONS
from signwise.files import Json, sha256_file
from signwise.metrics.calibration import losses
from signwise.model_file.read import find_model, run_of
from signwise.names import UNKNOWN
from signwise.opening import read_record
from signwise.results import Grouping, RunConfig

COLUMNS = ("path", "label", "known", "true_label", "group", "correct", "sha256")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A model's answers to N pictures, and to M of no class, both in the order of their bytes."""

    name: str
    """As the user gave it."""
    path: Path
    """The model.onnx."""
    data: str
    """What the pictures are called."""
    classes: tuple[str, ...]
    """The model's."""
    grouping: str
    table: pd.DataFrame
    """N rows with path, true_label, group, sha256 and `answer`, the class taken for."""
    correct: NDArray[np.bool_]
    """(N,)."""
    accepted: NDArray[np.bool_]
    """(N,), whether `known` reaches the threshold."""
    known: NDArray[np.float64]
    """(N,)."""
    loss: NDArray[np.float64]
    """(N,), negative log-likelihood of the label, in nats."""
    unknown_sha256: tuple[str, ...]
    """(M,)."""
    known_of_unknown: NDArray[np.float64]
    """(M,)."""
    seen_in_training: int | None
    """How many of the N it was trained on; None where that is not known."""
    seen_in_validation: int | None
    """How many of the N it was chosen on; None where that is not known."""
    changed: bool
    """Whether the model.onnx is another one now than when it was measured."""
    settings: Mapping[str, Json]
    """Of the training, by dotted name; empty where the model is no run."""


@dataclass(frozen=True, kw_only=True)
class _Metrics:
    """What is needed of metrics.json."""

    data: str
    classes: tuple[str, ...]
    grouping: Grouping
    seen_in_training: int | None
    seen_in_validation: int | None = None
    model_sha256: str | None = None


def held_evaluation(model: str | Path, split: str) -> Path:
    """Where a run holds its evaluation on the split; raises SignwiseError where it has none."""
    run = run_of(model)
    if run is None:
        raise SignwiseError(
            f"{model} is no run and holds no evaluation: give `data`, to measure every model on"
        )
    folder = run / "evaluation" / split
    if not (folder / METRICS).is_file():
        raise SignwiseError(
            f"{model} was not evaluated on its {split} pictures: run signwise evaluate {model} "
            "--data DATA first, or give `data`, to measure every model on"
        )
    return folder


def read_measured(model: str | Path, folder: Path) -> Measured:
    """Read what `evaluate` left in the folder; raises SignwiseError for what is missing in it."""
    metrics = read_record(folder / METRICS, _Metrics)
    path = folder / PREDICTIONS
    chances = [f"p_{name}" for name in metrics.classes]
    # A picture that lies there twice has the same answers twice: which is first does not matter.
    table = _sorted(path, ["sha256", "true_label", "path"], (*COLUMNS, *chances))
    probabilities = _numbers(table[chances], path)
    index = {name: position for position, name in enumerate(metrics.classes)}
    strange = set(table["true_label"]) - set(index)
    if strange:
        raise SignwiseError(
            f"{path}: {min(strange)!r} is no class of {METRICS}: run signwise evaluate again"
        )
    labels = np.array([index[name] for name in table["true_label"]], np.intp)
    of_truth = probabilities[np.arange(len(table)), labels]
    others = _unknown(folder / UNKNOWN_PREDICTIONS)
    model_file = find_model(model)
    return Measured(
        name=str(model),
        path=model_file,
        data=metrics.data,
        classes=metrics.classes,
        grouping=metrics.grouping,
        table=table.assign(answer=[metrics.classes[i] for i in probabilities.argmax(axis=1)]),
        correct=(table["correct"] == "True").to_numpy(),
        accepted=(table["label"] != UNKNOWN).to_numpy(),
        known=_numbers(table[["known"]], path)[:, 0],
        loss=losses(of_truth),
        unknown_sha256=tuple(others["sha256"]),
        known_of_unknown=_numbers(others[["known"]], path)[:, 0],
        seen_in_training=metrics.seen_in_training,
        seen_in_validation=metrics.seen_in_validation,
        changed=metrics.model_sha256 not in (None, sha256_file(model_file)),
        settings=_settings(model),
    )


def _unknown(path: Path) -> pd.DataFrame:
    if not path.is_file():
        return pd.DataFrame({"sha256": [], "known": []})
    return _sorted(path, ["sha256", "path"], ["known"])


def _sorted(path: Path, by: list[str], others: Iterable[str]) -> pd.DataFrame:
    """The table that `evaluate` wrote, by these columns; raises SignwiseError where one is missing.

    Not sorted by pandas, which fails at a path that is no UTF-8.
    """
    table = read_table(path)
    missing = [name for name in (*others, *by) if name not in table.columns]
    if missing:
        raise SignwiseError(f"{path} has no column {missing[0]}: run signwise evaluate again")
    keys = list(zip(*(table[name] for name in by), strict=True))
    return table.iloc[sorted(range(len(table)), key=keys.__getitem__)].reset_index(drop=True)


def _numbers(columns: pd.DataFrame, path: Path) -> NDArray[np.float64]:
    try:
        return columns.to_numpy(np.float64)
    except ValueError as error:
        raise SignwiseError(f"{path}: {error}: run signwise evaluate again") from None


def _settings(model: str | Path) -> dict[str, Json]:
    run = run_of(model)
    if run is None or not (run / "config.json").is_file():
        return {}
    config = read_record(run / "config.json", RunConfig)
    return dotted(config.settings) | {"data, SHA-256": config.data_sha256[:16]}
