"""The verb train: prepared data -> a run directory with model.onnx, whole at every moment."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from signwise.config import ResolvedConfig, TrainConfig, Traits, dotted
from signwise.data.manifest import PreparedData, load_data, read_table, write_csv
from signwise.data.unknown import LISTING, UnknownPictures
from signwise.errors import SignwiseError
from signwise.files import Json, output_folder, read_record, write_json
from signwise.model_file.record import ModelFigures
from signwise.results import Epoch, Problem, RunConfig, to_json
from signwise.runtime import available_cores
from signwise.training.checkpoint import BestFacts, load_facts, load_tensors
from signwise.training.device import choose_device, explain_memory_errors, layout
from signwise.training.features import can_fit_head
from signwise.training.finish import Finished, finish_run, versions
from signwise.training.network import build_model
from signwise.training.pools import Gathered, gather, look_at, to_device, traits_of
from signwise.training.stages import BEST, LAST, fit
from signwise.training.tracking import Tracker, make_outcome, open_tracker, require_tracker

CONFIG = "config.json"


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """What `train` wrote."""

    out: Path
    counts: dict[str, int]
    """epochs; pictures in train and val; negatives."""
    problems: list[Problem]
    warnings: list[str]
    history: list[Epoch]
    measured: ModelFigures
    """The validation figures that model.onnx carries."""

    @property
    def figures(self) -> dict[str, Json]:
        """The same in JSON's types."""
        return self.measured.to_json()

    def to_json(self) -> dict[str, Json]:
        """The result as `--json` prints it."""
        fields = {name: to_json(value) for name, value in vars(self).items() if name != "measured"}
        return fields | {"figures": self.figures}


def train(
    data: Path | str,
    out: Path | str,
    config: TrainConfig | None = None,
    *,
    resume: bool = False,
    **changes: object,
) -> TrainResult:
    """Train, calibrate and export; gives what was written to the run directory `out`.

    `data` is a folder that `prepare` wrote; `changes` are fields of TrainConfig. With `resume` a
    run goes on from its last checkpoint, under its own settings, to the same bits on the same CPU
    with the same number of threads. Raises SignwiseError for a run that is there already, changed
    settings or data, and an architecture or weights that do not fit.
    """
    began = time.perf_counter()
    out = Path(out)
    stored = out / CONFIG
    if config is None:
        config = TrainConfig.from_file(stored) if resume and stored.is_file() else TrainConfig()
    asked: TrainConfig = replace(config, **changes)  # type: ignore[arg-type]  # checked by it
    prepared = load_data(Path(data))
    _check_splits(prepared)
    torch.set_num_threads(asked.threads or available_cores())
    device = choose_device(asked.device)
    require_tracker(asked.track)
    with torch.random.fork_rng(devices=[]):
        seen = look_at(prepared, asked.negatives)
        traits = traits_of(prepared, asked, seen)
        settings = asked.resolve(traits)
        torch.manual_seed(settings.seed)
        network = _build(settings, prepared, begun=resume and (out / LAST).is_file())
        _check_run(out, settings, prepared, traits, resume=resume)
        with (
            output_folder(out, "run", keep=lambda folder: (folder / LAST).is_file()),
            explain_memory_errors(),
        ):
            if not stored.is_file():
                _write_config(out, settings, prepared)
            gathered = gather(prepared, settings, seen)
            if gathered.unknown is not None:
                _write_listing(out, gathered.unknown)
            tracker = open_tracker(settings.track, out, settings.to_json())
            try:
                network.to(device).to(memory_format=layout(device))
                on_device = to_device(gathered.data, device)
                history = fit(network, on_device, settings, prepared, device, out, tracker, began)
                network.load_state_dict(load_tensors(out / BEST))
                best = load_facts(out / BEST, BestFacts)
                finished = finish_run(
                    out, network.cpu(), gathered.data, settings, prepared, history, best.epoch
                )
            except BaseException:
                tracker.abandon()
                raise
    return _result(out, prepared, gathered, history, finished, tracker)


def _build(settings: ResolvedConfig, prepared: PreparedData, *, begun: bool) -> nn.Module:
    outputs = len(prepared.classes) + (settings.unknown != "none")
    # A checkpoint holds all weights: what they once began from need not be there any more.
    weights = "none" if begun else settings.weights
    network = build_model(settings.model, outputs, settings.image_size, weights)
    if settings.freeze and not settings.pretrained:
        raise SignwiseError("`freeze`: `weights` none leave nothing to freeze: choose others")
    if settings.freeze and not can_fit_head(network):
        raise SignwiseError(f"`freeze`: {settings.model} has no linear head to fit")
    return network


def _result(
    out: Path,
    prepared: PreparedData,
    gathered: Gathered,
    history: list[Epoch],
    finished: Finished,
    tracker: Tracker,
) -> TrainResult:
    data = gathered.data
    failed = tracker.finish(
        lambda: make_outcome(
            finished.figures,
            prepared.classes,
            data.val.labels,
            finished.probabilities,
            data.val.images(np.arange(len(data.val))),
            out / "model.onnx",
        )
    )
    return TrainResult(
        out=out,
        counts={
            "epochs": history[-1].epoch,
            "train": len(data.train),
            "val": len(data.val),
            "negatives": data.negatives,
        },
        problems=[] if gathered.unknown is None else gathered.unknown.problems,
        warnings=finished.warnings + failed,
        history=history,
        measured=finished.figures,
    )


def _check_splits(prepared: PreparedData) -> None:
    for split in ("train", "val"):
        present = set(prepared.table.loc[prepared.table["split"] == split, "label"])
        missing = [name for name in prepared.classes if name not in present]
        if missing:
            raise SignwiseError(
                f"{prepared.directory}: no {split} pictures of {missing[0]}: prepare again, with a "
                f"split that leaves some or, where the source brings its own split, with some in "
                f"its {split}/"
            )


def _check_run(
    out: Path, settings: ResolvedConfig, prepared: PreparedData, traits: Traits, *, resume: bool
) -> None:
    """A run is neither overwritten, nor resumed under other settings or on other data."""
    stored = out / CONFIG
    if not resume and (stored.is_file() or (out / LAST).is_file()):
        raise SignwiseError(f"{out} holds a run: give `out` a new folder, or go on with `resume`")
    if not stored.is_file():
        return
    old = read_record(stored, RunConfig)
    # What an older version did not record yet is what it is unless given.
    asked = TrainConfig.from_json(old.settings)
    before, now = (dotted(each.to_json()) for each in (asked.resolve(traits), settings))
    changed = [name for name, value in now.items() if before[name] != value]
    if changed:
        names = ", ".join(f"`{name}`" for name in changed)
        raise SignwiseError(f"`resume`: {names} changed since {out} was started: start a new run")
    if old.data_sha256 != prepared.sha256:
        raise SignwiseError(f"`resume`: {prepared.directory} changed since {out} was started")


def _write_config(out: Path, settings: ResolvedConfig, prepared: PreparedData) -> None:
    write_csv(out / "manifest.csv", prepared.table)
    record = RunConfig(
        settings=settings.to_json(),
        seed=settings.seed,
        classes=prepared.classes,
        grouping=prepared.grouping,
        data=str(prepared.directory),
        data_sha256=prepared.sha256,
        versions=versions(),
    )
    write_json(out / CONFIG, to_json(record))


def _write_listing(out: Path, unknown: UnknownPictures) -> None:
    """List what is trained against; where a run goes on it must be the same, byte for byte."""
    listing = out / LISTING
    begun = (out / LAST).is_file() and listing.is_file()
    if begun and set(read_table(listing)["sha256"]) != set(unknown.sha256):
        raise SignwiseError(f"`resume`: what `unknown` holds changed since {out} was started")
    write_csv(listing, pd.DataFrame({"path": unknown.paths, "sha256": unknown.sha256}))
