"""The search: trials of settings, each judged by its validation loss, within a budget.

Optuna suggests what to try and keeps what was tried in a file, which several processes share.
"""

import json
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import optuna
from optuna.trial import FrozenTrial, TrialState

from signwise.errors import SignwiseError
from signwise.files import Json
from signwise.progress import say
from signwise.studies import Trial
from signwise.study.space import Space, suggest

NAME = "signwise"
REDUCTION = 3
"""Of the trials that come so far, one in so many goes on, at 1, 3, 9 ... epochs."""
FIRST_TRIALS = 8
"""So many are drawn at random, before what was found guides the search."""
FAILED_IN_A_ROW = 10
"""After so many failed trials a search ends: the next would fail, too."""
STATES = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}
LEFT_SHARE = 0.5
"""Of the longest trial's time, what must be left for another to begin: most are stopped early, and
the last one is told when to end."""
DEFAULTS = "defaults"
"""The mark of the trial in which nothing is changed."""

Report: TypeAlias = Callable[[int, float], None]
"""Told a trial's epoch and validation loss; ends a trial that is not worth going on with."""
Objective: TypeAlias = Callable[[int, Mapping[str, Json], Report], float]
"""A trial's number, the settings it changes, and the report; gives its validation loss."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """When no further trial begins: whichever comes first."""

    ends: float
    """By `time.monotonic`."""
    trials: int | None
    """Trials in the study that did not fail, whoever ran them, the defaults among them."""


@contextmanager
def open_study(path: Path, seed: int) -> Iterator[optuna.Study]:
    """The study in the SQLite file, made if it is not there."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # What begins a query, or an escape, in a URL may stand in a folder's name.
    place = str(path.absolute()).replace("%", "%25").replace("?", "%3F")
    storage = optuna.storages.RDBStorage(f"sqlite:///{place}")
    try:
        yield optuna.create_study(
            storage=storage,
            study_name=NAME,
            load_if_exists=True,
            sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=FIRST_TRIALS),
            pruner=optuna.pruners.SuccessiveHalvingPruner(
                min_resource=1, reduction_factor=REDUCTION
            ),
        )
    finally:
        storage.remove_session()
        storage.engine.dispose()


def search(
    study: optuna.Study,
    space: Space,
    objective: Objective,
    budget: Budget,
    lock: AbstractContextManager[object],
) -> None:
    """Run trials until the budget is spent, first that of the defaults where nobody has begun it.

    A trial whose settings can't be trained with counts as failed, and many in a row end the search,
    with a warning. Trials begin one after another,
    under the lock that all processes of the study share. Raises SignwiseError where the defaults
    can't be trained with.
    """
    longest = 0.0
    while True:
        if longest and time.monotonic() + LEFT_SHARE * longest >= budget.ends:
            return
        with lock:
            tried = study.get_trials(deepcopy=False)
            begun = [trial for trial in tried if trial.state is not TrialState.FAIL]
            if budget.trials is not None and len(begun) >= budget.trials:
                return
            last = [trial.state for trial in tried[-FAILED_IN_A_ROW:]]
            if last == [TrialState.FAIL] * FAILED_IN_A_ROW:
                warnings.warn(
                    f"the search ends: none of the last {FAILED_IN_A_ROW} trials could be trained,"
                    " see above: narrow the `space`",
                    stacklevel=2,
                )
                return
            trial = begin(study, defaults=not any(is_defaults(one) for one in begun))
        began = time.monotonic()
        run_trial(study, trial, space, objective)
        longest = max(longest, time.monotonic() - began)


def begin(study: optuna.Study, *, defaults: bool) -> optuna.Trial:
    """A new trial of the study, of the defaults or of what the sampler will suggest."""
    trial = study.ask()
    if defaults:
        trial.set_user_attr(DEFAULTS, True)
    return trial


def run_trial(study: optuna.Study, trial: optuna.Trial, space: Space, objective: Objective) -> None:
    """Run a trial that has begun; raises SignwiseError where it is that of the defaults."""
    defaults = bool(trial.user_attrs.get(DEFAULTS, False))
    values: dict[str, Json] = {} if defaults else suggest(trial, space)
    trial.set_user_attr("settings", json.dumps(values))

    def report(epoch: int, loss: float) -> None:
        trial.report(loss, epoch + 1)  # the pruner counts what is spent from 1
        if not defaults and trial.should_prune():
            raise optuna.TrialPruned

    try:
        value = objective(trial.number, values, report)
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
    except SignwiseError as error:
        study.tell(trial, state=TrialState.FAIL)
        if defaults:
            raise
        warnings.warn(f"trial {trial.number} failed: {error}", stacklevel=2)
    except BaseException:
        study.tell(trial, state=TrialState.FAIL)
        raise
    else:
        study.tell(trial, value)
    say(_line(study, trial.number))


def _line(study: optuna.Study, number: int) -> str:
    """What a person sees of a trial while the search goes on."""
    trials = read_trials(study)
    trial = next(one for one in trials if one.number == number)
    best = best_trial(trials)
    settings = ", ".join(f"{name} {_short(value)}" for name, value in trial.settings.items())
    state = {"complete": "", "pruned": ", stopped early", "failed": ", failed"}[trial.state]
    loss = "" if trial.loss is None else f", validation loss {trial.loss:.4f}"
    what = settings or "the defaults"
    return f"trial {number}{loss}{state} (best: {best.number if best else 'none'}): {what}"


def _short(value: Json) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def is_defaults(trial: FrozenTrial) -> bool:
    """Whether the trial changes nothing."""
    return bool(trial.user_attrs.get(DEFAULTS, False))


def read_trials(study: optuna.Study) -> list[Trial]:
    """The trials that have ended, by number."""
    found = []
    for trial in study.get_trials(deepcopy=False):
        if trial.state not in STATES:
            continue
        losses = [*trial.intermediate_values.values()]
        value = trial.value if trial.state is TrialState.COMPLETE else min(losses, default=None)
        length = trial.duration
        found.append(
            Trial(
                number=trial.number,
                state=STATES[trial.state],
                loss=value,
                epochs=len(losses),
                seconds=0.0 if length is None else length.total_seconds(),
                defaults=is_defaults(trial),
                settings=json.loads(trial.user_attrs.get("settings", "{}")),
            )
        )
    return found


def best_trial(trials: list[Trial]) -> Trial | None:
    """The complete trial of the lowest validation loss, the earliest of equal ones."""
    complete = [trial for trial in trials if trial.state == "complete" and trial.loss is not None]
    return min(complete, key=lambda trial: (trial.loss or 0.0, trial.number), default=None)
