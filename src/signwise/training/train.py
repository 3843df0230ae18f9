"""The verb train: prepared data -> a run directory with model.onnx, whole at every moment."""

import csv
import io
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from signwise.config import TrainConfig
from signwise.data.prepared import PreparedData, load_data, read_table, write_csv
from signwise.errors import SignwiseError
from signwise.files import MARKER, STRANGERS, claim_directory, read_json, write_json, write_text
from signwise.machine import available_cores
from signwise.progress import track
from signwise.training.batches import TrainingData, steps_in_epoch, to_device
from signwise.training.checkpoint import load_tensors, save_tensors
from signwise.training.device import choose_device, layout, memory_in_words
from signwise.training.finish import versions, write_results
from signwise.training.gather import gather
from signwise.training.learner import make_learner, restore_training_state, training_state
from signwise.training.loop import Epoch, run_epoch
from signwise.training.model import build_model, freeze_body
from signwise.training.tracking import Tracker, make_outcome, open_tracker, require_tracker

CHECKPOINT_TIME_SHARE = 0.05
# What a run has written before its first checkpoint.
FIRST_FILES = ("config.json", "manifest.csv", STRANGERS, "history.csv", "model.safetensors")


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """What `train` wrote."""

    out: Path
    counts: dict[str, int]
    problems: list[dict[str, str]]
    warnings: list[str]
    history: list[Epoch]
    figures: dict[str, Any]
    """The validation figures that model.onnx carries."""


def train(
    data: Path | str,
    out: Path | str,
    config: TrainConfig | None = None,
    *,
    resume: bool = False,
    **changes: Any,
) -> TrainResult:
    """Train, calibrate and export; gives what was written to the run directory `out`.

    `data` is a folder that `prepare` wrote; `changes` are fields of TrainConfig. With `resume` a
    run goes on from its last checkpoint, under its own settings, to the same bits on the same CPU
    with the same number of threads. Raises SignwiseError for a run that is there already, changed
    settings or data, and an architecture or weights that do not fit.
    """
    out = Path(out)
    stored = out / "config.json"
    if config is None:
        config = TrainConfig.from_file(stored) if resume and stored.is_file() else TrainConfig()
    config = replace(config, **changes)
    prepared = load_data(Path(data))
    _check_splits(prepared)
    pictures = int((prepared.table["split"] == "train").sum())
    config = config.resolve(prepared.image_size, pictures)
    size, weights = config.image_size, config.weights
    assert size is not None, "resolve fills it"
    assert weights is not None, "resolve fills it"
    torch.set_num_threads(config.threads or available_cores())
    device = choose_device(config.device)
    require_tracker(config.track)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        outputs = len(prepared.classes) + (config.unknown != "none")
        # A checkpoint holds all weights: what they once began from need not be there any more.
        begun = resume and (out / "last.safetensors").is_file()
        network = build_model(config.model, outputs, size, "none" if begun else weights)
        if config.freeze:
            freeze_body(network)
        with _claimed_run(out, config, prepared, resume), memory_in_words():
            training_data, strangers, problems = gather(prepared, config, size)
            if strangers:
                _check_strangers(out, strangers)
                table = pd.DataFrame({"path": strangers.keys(), "sha256": strangers.values()})
                write_csv(out / STRANGERS, table)
            tracker = open_tracker(config.track, out, read_json(stored)["settings"])
            try:
                network.to(device).to(memory_format=layout(device))
                on_device = to_device(training_data, device)
                history = _fit(network, on_device, config, device, out, tracker)
                best, facts = load_tensors(out / "model.safetensors")
                network.load_state_dict(best)
                figures, warnings, probabilities = write_results(
                    out, network.cpu(), training_data, config, prepared, history, facts["epoch"]
                )
            except BaseException:
                tracker.abandon()
                raise
    rows = training_data.val_rows
    warnings += tracker.finish(
        lambda: make_outcome(
            figures,
            prepared.classes,
            training_data.labels[rows],
            probabilities,
            np.asarray(training_data.pixels[rows]),
            out / "model.onnx",
        )
    )
    return TrainResult(
        out=out,
        counts={
            "epochs": len(history),
            "train": len(training_data.train_rows),
            "val": len(training_data.val_rows),
            "negatives": int((training_data.extra_labels == training_data.classes).sum()),
        },
        problems=problems,
        warnings=warnings,
        history=history,
        figures=figures,
    )


def _check_splits(prepared: PreparedData) -> None:
    for split in ("train", "val"):
        present = set(prepared.table.loc[prepared.table["split"] == split, "label"])
        missing = [name for name in prepared.classes if name not in present]
        if missing:
            raise SignwiseError(
                f"{prepared.directory}: no {split} pictures of {missing[0]}: prepare again, with a "
                f"--split that leaves some or, where the source brings its own split, with some in "
                f"its {split}/"
            )


@contextmanager
def _claimed_run(
    out: Path, config: TrainConfig, prepared: PreparedData, resume: bool
) -> Iterator[None]:
    """Hold `out` as this run's; what an error ends before its first checkpoint goes again.

    Otherwise it would stand in the way of the corrected command.
    """
    existed, held = out.is_dir(), (out / "config.json").is_file()
    _open_run(out, config, prepared, resume)
    try:
        yield
    except SignwiseError:
        if not held and not (out / "last.safetensors").is_file():
            for name in FIRST_FILES:
                (out / name).unlink(missing_ok=True)
            if not existed:
                shutil.rmtree(out)
            elif not any(path.name != MARKER for path in out.iterdir()):
                (out / MARKER).unlink()  # a tracker may have left its own files
        raise


def _open_run(out: Path, config: TrainConfig, prepared: PreparedData, resume: bool) -> None:
    stored = out / "config.json"
    settings = config.to_json()
    if not resume and (stored.is_file() or (out / "last.safetensors").is_file()):
        raise SignwiseError(f"{out} holds a run: give --out a new folder, or go on with --resume")
    claim_directory(out, "run", replace=True)
    if stored.is_file():
        old = read_json(stored)
        changed = [name for name, value in settings.items() if old["settings"].get(name) != value]
        if changed:
            flags = ", ".join("--" + name.replace("_", "-") for name in changed)
            raise SignwiseError(
                f"--resume: {flags} changed since {out} was started: start a new run"
            )
        if old["data_sha256"] != prepared.sha256:
            raise SignwiseError(f"--resume: {prepared.directory} changed since {out} was started")
        return
    write_csv(out / "manifest.csv", prepared.table)
    write_json(
        stored,
        {
            "settings": settings,
            "seed": config.seed,
            "classes": list(prepared.classes),
            "grouping": prepared.grouping,
            "data": str(prepared.directory),
            "data_sha256": prepared.sha256,
            "versions": versions(),
        },
    )


def _check_strangers(out: Path, strangers: dict[str, str]) -> None:
    """What was trained against is what is there, byte for byte, where a run goes on."""
    begun = (out / "last.safetensors").is_file() and (out / STRANGERS).is_file()
    if begun and set(read_table(out / STRANGERS)["sha256"]) != set(strangers.values()):
        raise SignwiseError(f"--resume: what --unknown holds changed since {out} was started")


def _fit(
    network: nn.Module,
    data: TrainingData,
    config: TrainConfig,
    device: torch.device,
    out: Path,
    tracker: Tracker,
) -> list[Epoch]:
    learner = make_learner(network, config)
    history: list[Epoch] = []
    last, best_file = out / "last.safetensors", out / "model.safetensors"
    best_loss = float("inf")
    if last.is_file():
        state, facts = load_tensors(last)
        restore_training_state(learner, state)
        history = [Epoch(**row) for row in facts["history"]]
        _write_history(out, history)  # a kill may have fallen between the checkpoint and this file
        # The best weights may be newer than the checkpoint: a kill fell between the two writes.
        best_loss = load_tensors(best_file)[1]["val_loss"]
    steps = steps_in_epoch(len(data.train_rows), config.batch_size)
    epochs = config.epochs
    assert epochs is not None, "resolve fills it"
    best: tuple[dict[str, torch.Tensor], Epoch] | None = None
    saved_at, cost = time.perf_counter(), 0.0
    with track("training", epochs * steps) as advance:
        advance(len(history) * steps)
        for number in range(len(history) + 1, epochs + 1):
            epoch = run_epoch(learner, data, config, number, device, advance)
            history.append(epoch)
            if not np.isfinite(epoch.train_loss + epoch.val_loss):
                raise SignwiseError(
                    f"the loss is no number any more in epoch {number}: lower --learning-rate "
                    "in a new run"
                )
            tracker.epoch(epoch.to_json())
            if epoch.val_loss < best_loss:
                best_loss = epoch.val_loss
                best = (
                    {k: v.cpu().clone() for k, v in learner.averaged.state_dict().items()},
                    epoch,
                )
            now = time.perf_counter()
            if number == epochs or cost < CHECKPOINT_TIME_SHARE * (now - saved_at):
                if best:
                    save_tensors(best_file, best[0], best[1].to_json())
                facts = {"history": [row.to_json() for row in history], "seed": config.seed}
                save_tensors(last, training_state(learner), facts)
                best = None
                saved_at = time.perf_counter()
                cost = saved_at - now
            _write_history(out, history)
    return history


def _write_history(out: Path, history: list[Epoch]) -> None:
    table = io.StringIO()
    writer = csv.DictWriter(table, list(history[0].to_json()), lineterminator="\n")
    writer.writeheader()
    writer.writerows(row.to_json() for row in history)
    write_text(out / "history.csv", table.getvalue())
