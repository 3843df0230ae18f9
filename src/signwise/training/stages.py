"""The stages of a run and their checkpoints: the head on frozen features, then the whole network.

From pre-trained weights, stage one fits the head alone and is epoch 0; stage two trains the whole
network from there, for as long as the validation loss says that it helps. From scratch there is no
stage one. The best epoch is kept, whichever it is, so a run never ends worse than its stage one.
"""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from signwise.config import ResolvedConfig, steps_in_epoch
from signwise.data.manifest import PreparedData
from signwise.errors import SignwiseError
from signwise.files import write_text
from signwise.progress import say, track
from signwise.results import Epoch, history_csv
from signwise.training import ranks
from signwise.training.batch_norm import share_statistics
from signwise.training.batch_renorm import renormalise
from signwise.training.checkpoint import (
    BestFacts,
    CheckpointFacts,
    load_facts,
    load_tensors,
    save_tensors,
)
from signwise.training.features import can_fit_head, fit_stage_one
from signwise.training.head import head_name
from signwise.training.loop import Fit, run_epoch, validate
from signwise.training.mixture import Mixture, best_mixture
from signwise.training.optim import (
    AVERAGE,
    WEIGHTS,
    SavedState,
    TrainState,
    load_state,
    make_train_state,
    save_state,
)
from signwise.training.pools import TrainingData
from signwise.training.tracking import Tracker

LAST, BEST = "last.safetensors", "model.safetensors"
STAGE_ONE = "stage_one."
"""How the names of stage one's weights begin in a checkpoint."""
LOGITS = "logits_of_stage_one"
"""The name of its logits there."""
CHECKPOINT_TIME_SHARE = 0.05
"""Of the time of a run that may go into checkpoints."""
CLEARLY_BETTER = 0.02
"""By this share an epoch's validation loss is below another's where it clearly improved."""
VIEWS_AN_EPOCH = 6
"""So many times as long as the features of a view an epoch of the whole network takes (LOG.md)."""
FINISH_SECONDS = 15.0
"""What calibration, export and card take, for a time limit."""


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What both stages came to, beside the files in the run's folder."""

    history: list[Epoch]
    logits: Tensor | None
    """Stage one's, as `StageOne` has them."""


def fit(
    network: nn.Module,
    data: TrainingData,
    settings: ResolvedConfig,
    prepared: PreparedData,
    device: torch.device,
    out: Path,
    tracker: Tracker,
    began: float,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
) -> Fitted:
    """Run both stages, from the last checkpoint in `out` where there is one.

    Leaves in `out` last.safetensors, model.safetensors with the best weights, and history.csv.
    Checkpoints are written as often as `CHECKPOINT_TIME_SHARE` allows, and at the end. `began` is
    when the command did, by `time.perf_counter`: no epoch begins that its time limit would cut off.
    Raises SignwiseError where the loss is no number any more.
    """
    staged = settings.pretrained and can_fit_head(network)
    if settings.pretrained:
        renormalise(network, settings.fine_tuning.statistics)
    else:
        share_statistics(network)
    body_share = settings.fine_tuning.body if staged else 1.0
    log = _Log(out, settings, tracker, on_epoch)
    epoch_seconds = 0.0
    if (out / LAST).is_file():
        state = make_train_state(network, settings, body_share)
        start: Mapping[str, Tensor] = log.load(state)
        if staged:
            views = settings.head.views_of(len(data.train))
            epoch_seconds = VIEWS_AN_EPOCH * log.history[0].seconds / views
    else:
        start = {}
        if staged:
            key = _features_key(network, prepared, data)
            found = fit_stage_one(
                network, data, settings, device, kept_in=prepared.directory, key=key
            )
            log.logits = found.logits
            epoch_seconds = VIEWS_AN_EPOCH * found.seconds_a_view
            with ranks.together():
                log.add(found.row, network.state_dict(), found.row.val_loss)
        state = make_train_state(network, settings, body_share)
        if staged:
            # Of several processes the others have the fitted head only now.
            start = {name: value.clone() for name, value in network.state_dict().items()}
            with ranks.together():
                log.save(state, start)
    if is_done(log.history, log.lowest_losses, settings, staged=staged):
        return log.fitted()
    if log.history and settings.time_limit is not None:
        last = log.history[-1]
        needed = time.perf_counter() - began + FINISH_SECONDS
        needed += last.seconds if last.epoch else epoch_seconds
        if ranks.agreed(needed > settings.time_limit):
            return log.fitted()
    task = _FineTuning(data=data, settings=settings, device=device, began=began, start=start)
    _fine_tune(state, task, log)
    return log.fitted()


@dataclass(frozen=True, kw_only=True)
class _FineTuning:
    """What every epoch of the whole network needs."""

    data: TrainingData
    settings: ResolvedConfig
    device: torch.device
    began: float
    """When the command did, by `time.perf_counter`."""
    start: Mapping[str, Tensor]
    """The weights of stage one, empty where there is none."""


def _fine_tune(state: TrainState, task: _FineTuning, log: "_Log") -> None:
    """Train the whole network, from the epoch after the last one that is logged."""
    data, settings, device = task.data, task.settings, task.device
    steps = steps_in_epoch(len(data.train), settings.batch_size)
    first = log.history[-1].epoch + 1 if log.history else 1
    saved_at, cost = time.perf_counter(), 0.0
    with track("training", settings.epochs * steps) as advance:
        advance((first - 1) * steps)
        for number in range(first, settings.epochs + 1):
            epoch = run_epoch(state, data, settings, number, device, advance=advance)
            epoch, mixture = _mixed(state, epoch, log.history, task)
            epoch = ranks.agreed(epoch)
            with ranks.together():
                log.add(epoch, mixture.weights, mixture.lowest_loss)
            now = time.perf_counter()
            late = settings.time_limit is not None and (
                now - task.began + epoch.seconds + FINISH_SECONDS > settings.time_limit
            )
            done = is_done(log.history, log.lowest_losses, settings, staged=bool(task.start))
            ends = done or ranks.agreed(late)
            with ranks.together():
                if ends or cost < CHECKPOINT_TIME_SHARE * (now - saved_at):
                    log.save(state, task.start)
                    saved_at = time.perf_counter()
                    cost = saved_at - now
            if ends:
                advance((settings.epochs - number) * steps)
                break


def _mixed(
    state: TrainState, epoch: Epoch, history: Sequence[Epoch], task: _FineTuning
) -> tuple[Epoch, Mixture]:
    """What an epoch came to, mixed with stage one if there is one; its row with these figures."""
    fit = _fit_of_row(epoch)
    if not task.start:
        own = state.averaged.state_dict()
        return epoch, Mixture(weights=own, fit=fit, lowest_loss=fit.loss)
    begun = time.perf_counter()
    mixture = best_mixture(
        state.averaged,
        fit,
        task.start,
        _fit_of_row(history[0]),
        task.settings.fine_tuning,
        partial(validate, data=task.data, device=task.device),
    )
    mixed = replace(
        epoch,
        val_loss=mixture.fit.loss,
        val_accuracy=mixture.fit.accuracy,
        seconds=epoch.seconds + time.perf_counter() - begun,
    )
    return mixed, mixture


def _fit_of_row(epoch: Epoch) -> Fit:
    """The fit to the validation pictures that a row of the history tells."""
    return Fit(loss=epoch.val_loss, accuracy=epoch.val_accuracy)


def is_done(
    history: Sequence[Epoch],
    lowest_losses: Sequence[float],
    settings: ResolvedConfig,
    *,
    staged: bool,
) -> bool:
    """Whether a run has no further epoch to train.

    Fine-tuning that nobody asked for by `epochs` is left out, or ends, where all validation
    pictures are right and the validation loss is at most `enough`. It also ends where it no longer
    helps: where the lowest loss of any mixture, one for each row of the history, has not clearly
    fallen for a while.
    """
    if not history:
        return False
    last = history[-1].epoch
    if last >= settings.epochs or (staged and settings.freeze):
        return True
    if not staged or settings.fine_tuning.always:
        return False
    best = min(history, key=lambda row: row.val_loss)
    if best.val_accuracy == 1 and best.val_loss <= settings.fine_tuning.enough:
        return True
    waited = _epochs_without_gain(lowest_losses, settings.fine_tuning.min_delta)
    return waited >= settings.fine_tuning.patience


def _epochs_without_gain(losses: Sequence[float], min_delta: float) -> int:
    """Epochs since the loss was last lower, by the share `min_delta` of it, than ever before."""
    lowest, waited = float("inf"), 0
    for loss in losses:
        gained = loss < (1 - min_delta) * lowest
        lowest, waited = (loss, 0) if gained else (lowest, waited + 1)
    return waited


def still_improving(history: Sequence[Epoch]) -> str | None:
    """What to say where the last epoch was the best, and was clearly better than the one before."""
    if len(history) < 2:
        return None
    before, last = history[-2], history[-1]
    best = min(row.val_loss for row in history)
    if last.val_loss > best or last.val_accuracy == 1:
        return None
    if last.val_loss > (1 - CLEARLY_BETTER) * before.val_loss:
        return None
    return (
        f"the last epoch, {last.epoch}, was the best, and it still improved (validation loss "
        f"{before.val_loss:.4f} to {last.val_loss:.4f}): more `epochs` may make it better"
    )


@dataclass(frozen=True, kw_only=True)
class _Best:
    """The best weights since the last checkpoint."""

    facts: BestFacts
    weights: dict[str, Tensor]


class _Log:
    """The history of a run, and what of it is on disk; of several processes the writer's."""

    def __init__(
        self,
        out: Path,
        settings: ResolvedConfig,
        tracker: Tracker,
        on_epoch: Callable[[Epoch], None],
    ) -> None:
        self.history: list[Epoch] = []
        self.lowest_losses: list[float] = []
        self.logits: Tensor | None = None
        self._on_epoch = on_epoch
        self._out, self._settings, self._tracker = out, settings, tracker
        self._best: _Best | None = None
        self._best_loss = float("inf")

    def fitted(self) -> Fitted:
        """What there is so far."""
        return Fitted(history=self.history, logits=self.logits)

    def load(self, state: TrainState) -> dict[str, Tensor]:
        """Go on from the last checkpoint; gives the weights of stage one, where there is one."""
        saved = load_facts(self._out / LAST, CheckpointFacts)
        tensors = load_tensors(self._out / LAST)
        names = [name for name in tensors if name.startswith(STAGE_ONE)]
        self.logits = tensors.pop(LOGITS, None)
        start = {name.removeprefix(STAGE_ONE): tensors.pop(name) for name in names}
        load_state(state, SavedState(tensors=tensors, optimizer=saved.optimizer))
        self.history = list(saved.history)
        self.lowest_losses = list(saved.lowest_losses)
        # The best weights may be newer than the checkpoint: a kill fell between the two writes.
        self._best_loss = load_facts(self._out / BEST, BestFacts).val_loss
        # A kill may have fallen between the checkpoint and the history, too.
        self._write_history()
        return start

    def add(self, epoch: Epoch, weights: Mapping[str, Tensor], lowest_loss: float) -> None:
        """Note an epoch, its weights where they are the best, and any mixture's lowest loss."""
        if not np.isfinite(epoch.train_loss + epoch.val_loss):
            raise SignwiseError(
                f"the loss is no number any more in epoch {epoch.epoch}: lower `learning_rate` in "
                "a new run"
            )
        self.history.append(epoch)
        self.lowest_losses.append(lowest_loss)
        if not ranks.writes():
            return
        self._tracker.epoch(epoch)
        is_best = epoch.val_loss < self._best_loss
        if is_best:
            self._best_loss = epoch.val_loss
            facts = BestFacts(
                epoch=epoch.epoch, val_loss=epoch.val_loss, val_accuracy=epoch.val_accuracy
            )
            copied = {name: value.cpu().clone() for name, value in weights.items()}
            self._best = _Best(facts=facts, weights=copied)
        say(_line(epoch, self._settings.epochs, is_best=is_best))
        self._write_history()
        self._on_epoch(epoch)

    def save(self, state: TrainState, start: Mapping[str, Tensor]) -> None:
        """Write a checkpoint, with the weights of stage one."""
        if not ranks.writes():
            return
        if self._best is not None:
            save_tensors(self._out / BEST, self._best.weights, self._best.facts)
            self._best = None
        saved = save_state(state)
        facts = CheckpointFacts(
            history=tuple(self.history),
            lowest_losses=tuple(self.lowest_losses),
            optimizer=saved.optimizer,
        )
        first = {STAGE_ONE + name: value for name, value in start.items()}
        # After stage one alone all three are equal.
        alike = (STAGE_ONE, f"{AVERAGE}module.")
        twins = {prefix + name: WEIGHTS + name for prefix in alike for name in start}
        logits = {} if self.logits is None else {LOGITS: self.logits}
        save_tensors(self._out / LAST, saved.tensors | first | logits, facts, twins)

    def _write_history(self) -> None:
        if not ranks.writes():
            return
        write_text(self._out / "history.csv", history_csv(self.history))


def _line(epoch: Epoch, epochs: int, *, is_best: bool) -> str:
    """What a person sees of an epoch while a run goes on."""
    name = f"epoch {epoch.epoch} of {epochs}" if epoch.epoch else "stage one, the head alone"
    return (
        f"{name}: validation loss {epoch.val_loss:.4f}, accuracy {epoch.val_accuracy:.2%}, "
        f"{epoch.seconds:.0f} s{', best' if is_best else ''}"
    )


def _features_key(network: nn.Module, prepared: PreparedData, data: TrainingData) -> str:
    """What features hang on beside the settings: the weights below the head, and all pictures."""
    content = hashlib.sha256(prepared.sha256.encode())
    head = head_name(network) + "."
    for name, value in network.state_dict().items():
        if not name.startswith(head):
            content.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    for pool in (data.rendered, data.held_out, data.folder):
        content.update(pool.images(np.arange(len(pool))).tobytes())
        content.update(pool.labels.tobytes())
    return content.hexdigest()
