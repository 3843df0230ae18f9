"""The verb train: prepared data -> a run directory with model.onnx, whole at every moment."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from signwise.config import ResolvedConfig, TrainConfig, Traits, dotted, steps_in_epoch
from signwise.data.manifest import PreparedData, load_data, read_table, write_csv
from signwise.data.unknown import LISTING, UnknownPictures
from signwise.errors import SignwiseError
from signwise.files import Json, write_json
from signwise.folders import check_here, output_folder
from signwise.model_file.record import ModelFigures
from signwise.opening import read_record
from signwise.progress import say
from signwise.results import Epoch, Problem, RunConfig, to_json
from signwise.runtime import default_threads
from signwise.training import ranks
from signwise.training.checkpoint import BestFacts, load_facts, load_tensors
from signwise.training.device import choose_device, layout, torch_as_found
from signwise.training.features import can_fit_head
from signwise.training.finish import finish_run, versions
from signwise.training.loading import load_tensors_into
from signwise.training.memory import explain_memory_errors, free_memory_kept
from signwise.training.network import build_model
from signwise.training.pools import Gathered, gather, look_at, to_device, traits_of
from signwise.training.stages import BEST, LAST, Fitted, fit
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
    on_epoch: Callable[[Epoch], None] = lambda _: None,
    **changes: object,
) -> TrainResult:
    """Train, calibrate and export; gives what was written to the run directory `out`.

    `data` is a folder that `prepare` wrote, perhaps in a store, as `s3://bucket/data`; `changes`
    are fields of TrainConfig. With `resume` a run goes on from its last checkpoint, under its own
    settings, to the same bits on the same CPU with the same number of threads. `on_epoch` is told
    of each epoch, and ends the run by an exception, which is raised. Raises SignwiseError for a run
    that is there already, changed settings or data, and an architecture or weights that do not fit.
    """
    began = time.perf_counter()
    out = Path(out)
    check_here(out)
    stored = out / CONFIG
    if config is None:
        config = TrainConfig.from_file(stored) if resume and stored.is_file() else TrainConfig()
    asked: TrainConfig = replace(config, **changes)  # type: ignore[arg-type]  # checked by it
    with ranks.joined():
        with ranks.writer_first():
            prepared = load_data(data)
            _check_splits(prepared)
            device = choose_device(asked.device)
            require_tracker(asked.track)
        with torch_as_found(device, asked.threads or default_threads()), free_memory_kept():
            return _train(prepared, out, asked, device, began, on_epoch, resume=resume)


def _train(
    prepared: PreparedData,
    out: Path,
    asked: TrainConfig,
    device: torch.device,
    began: float,
    on_epoch: Callable[[Epoch], None],
    *,
    resume: bool,
) -> TrainResult:
    with ranks.writer_first():
        seen = ranks.from_writer(
            lambda: look_at(prepared, asked.negatives), dict[int, dict[str, float]]
        )
        traits = traits_of(prepared, asked, seen)
        settings = asked.resolve(traits)
        torch.manual_seed(settings.seed)
        network = _build(settings, prepared, begun=resume and (out / LAST).is_file())
        _check_run(out, settings, prepared, traits, resume=resume)
        _check_shares(settings, traits)
    with ExitStack() as stack, explain_memory_errors():
        with ranks.writer_first():
            if ranks.writes():
                kept = output_folder(out, "run", keep=lambda folder: (folder / LAST).is_file())
                stack.enter_context(kept)
                if not (out / CONFIG).is_file():
                    _write_config(out, settings, prepared, device)
            else:
                _check_shared(out, prepared)
            gathered = gather(prepared, settings, seen, spare=out)
            if ranks.writes() and gathered.unknown is not None:
                _write_listing(out, gathered.unknown)
        _tell_of_more_gpus(device)
        track = settings.track if ranks.writes() else "none"
        tracker = open_tracker(track, out, settings.to_json())
        try:
            network.to(device)
            network.to(memory_format=layout(network))
            on_device = to_device(gathered.data, device)
            fitted = fit(
                network, on_device, settings, prepared, device, out, tracker, began, on_epoch
            )

            def end() -> _Ending:
                return _end(out, prepared, gathered, fitted, network, settings, tracker)

            ending = ranks.from_writer(end, _Ending)
        except BaseException:
            tracker.abandon()
            raise
    data = gathered.data
    return TrainResult(
        out=out,
        counts={
            "epochs": fitted.history[-1].epoch,
            "train": len(data.train),
            "val": len(data.val),
            "negatives": data.negatives,
        },
        problems=[] if gathered.unknown is None else gathered.unknown.problems,
        warnings=list(ending.warnings),
        history=fitted.history,
        measured=ending.figures,
    )


@dataclass(frozen=True, kw_only=True)
class _Ending:
    """What the writer comes to at the end."""

    figures: ModelFigures
    warnings: tuple[str, ...]


def _end(
    out: Path,
    prepared: PreparedData,
    gathered: Gathered,
    fitted: Fitted,
    network: nn.Module,
    settings: ResolvedConfig,
    tracker: Tracker,
) -> _Ending:
    """Calibrate and export the best weights, and tell the tracker."""
    load_tensors_into(network, load_tensors(out / BEST))
    best = load_facts(out / BEST, BestFacts)
    data = gathered.data
    logits = None if best.epoch or fitted.logits is None else fitted.logits.numpy()
    finished = finish_run(
        out, network.cpu(), data, settings, prepared, fitted.history, best.epoch, logits
    )
    images = settings.track_images
    failed = tracker.finish(
        lambda: make_outcome(
            finished.figures,
            prepared.classes,
            data.val.labels,
            finished.probabilities,
            data.val.images(np.arange(len(data.val))) if images else None,
            out / "model.onnx" if images else None,
        )
    )
    return _Ending(figures=finished.figures, warnings=(*finished.warnings, *failed))


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


def _check_splits(prepared: PreparedData) -> None:
    for split in ("train", "val"):
        present = set(prepared.table.loc[prepared.table["split"] == split, "label"])
        missing = [name for name in prepared.classes if name not in present]
        if missing:
            raise SignwiseError(
                f"{prepared.place}: no {split} pictures of {missing[0]}: prepare again, with a "
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
        raise SignwiseError(f"`resume`: {prepared.place} changed since {out} was started")


def _check_shares(settings: ResolvedConfig, traits: Traits) -> None:
    """Of each batch, every process has a picture."""
    smallest = traits.pictures // steps_in_epoch(traits.pictures, settings.batch_size)
    if smallest < ranks.count():
        raise SignwiseError(
            f"`batch_size` {settings.batch_size} gives batches of {smallest} pictures, too few "
            f"for {ranks.count()} processes: start fewer, or raise it"
        )


def _check_shared(out: Path, prepared: PreparedData) -> None:
    """This process sees the run and the data that the writer sees."""
    where = "a folder that all processes see"
    if not (out / CONFIG).is_file():
        raise SignwiseError(f"{out} is not the same on every machine: give `out` {where}")
    if read_record(out / CONFIG, RunConfig).data_sha256 != prepared.sha256:
        raise SignwiseError(f"{prepared.place} is not the same on every machine: use {where}")


def _tell_of_more_gpus(device: torch.device) -> None:
    """Say how a run takes all GPUs of this machine, where it takes one of several."""
    if device.type == "cuda" and ranks.count() == 1 and torch.cuda.device_count() > 1:
        number = torch.cuda.device_count()
        say(
            f"this run takes one of {number} GPUs; all are taken by: torchrun --nproc-per-node "
            f"{number} -m signwise train ..."
        )


def _write_config(
    out: Path, settings: ResolvedConfig, prepared: PreparedData, device: torch.device
) -> None:
    write_csv(out / "manifest.csv", prepared.table)
    record = RunConfig(
        settings=settings.to_json(),
        seed=settings.seed,
        classes=prepared.classes,
        grouping=prepared.grouping,
        data=str(prepared.place),
        data_sha256=prepared.sha256,
        versions=versions(),
        device=device.type,
        threads=torch.get_num_threads(),
        processes=ranks.count(),
    )
    write_json(out / CONFIG, to_json(record))


def _write_listing(out: Path, unknown: UnknownPictures) -> None:
    """List what is trained against; where a run goes on it must be the same, byte for byte."""
    listing = out / LISTING
    begun = (out / LAST).is_file() and listing.is_file()
    if begun and set(read_table(listing)["sha256"]) != set(unknown.sha256):
        raise SignwiseError(f"`resume`: what `unknown` holds changed since {out} was started")
    write_csv(listing, pd.DataFrame({"path": unknown.paths, "sha256": unknown.sha256}))
