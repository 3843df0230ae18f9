"""The verb tune: searches settings, and measures the winner where no trial has looked."""

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pandas as pd
from filelock import FileLock

from signwise.config import TrainConfig, dotted
from signwise.data.manifest import PreparedData, load_data, write_csv
from signwise.errors import SignwiseError
from signwise.evaluation.evaluate import evaluate
from signwise.files import (
    Json,
    cache_folder,
    real_path,
    sha256_bytes,
    write_json,
    write_text,
)
from signwise.folders import claim_folder
from signwise.opening import read_record
from signwise.progress import say
from signwise.report.study_page import StudyPage, study_page
from signwise.results import Epoch, Problem, RunConfig, to_json
from signwise.runtime import launched
from signwise.studies import StudyFigures, Trial
from signwise.study.compare import compare
from signwise.study.holdout import hold_out
from signwise.study.search import (
    Budget,
    begin,
    best_trial,
    open_study,
    read_trials,
    run_trial,
    search,
)
from signwise.study.space import OF_A_PROCESS, Space, Span, in_words, read_space, with_settings

if TYPE_CHECKING:
    from optuna import Study

STUDY, DATA, TRIALS, CONFIG = "study.db", "data", "trials", "config.json"
VERDICT, ALONE = "verdict", "defaults"
"""Where the winner and the defaults are compared or, where nothing beats these, measured."""
USUAL_SECONDS = 3600.0
"""How long a search takes where neither a time nor a number of trials is given."""
VERDICT_SHARE, VERDICT_SECONDS = 0.1, 30.0
"""Of the time limit, at most, what is left for measuring the winner."""

Trainer: TypeAlias = Callable[[Path, Path, TrainConfig, Callable[[Epoch], None]], float]
"""Trains on a folder of data into a run directory, telling each epoch; gives the lowest loss."""


@dataclass(frozen=True, kw_only=True)
class TuneResult:
    """What a search found, and what it is worth."""

    out: Path
    counts: dict[str, int]
    """trials, complete, pruned, failed; images and groups held out."""
    problems: list[Problem]
    warnings: list[str]
    """What a reader of the figures must know; each was a warning, too."""
    measured: Path
    """The folder in which the winner is compared with the defaults or, where nothing beats these,
    they are measured."""
    better: bool
    """Whether the winner is shown to be better than the defaults."""
    settings: dict[str, Json]
    """What the winner changes, by dotted name."""
    figures: StudyFigures


def train_trial(
    data: Path, out: Path, config: TrainConfig, on_epoch: Callable[[Epoch], None]
) -> float:
    """Train as `train` does; gives the lowest validation loss."""
    from signwise.training.train import train

    result = train(data, out, config, on_epoch=on_epoch)
    return min(epoch.val_loss for epoch in result.history)


def tune(
    data: str | Path,
    out: str | Path,
    config: TrainConfig | None = None,
    *,
    trials: int | None = None,
    space: str | Path | None = None,
    trainer: Trainer = train_trial,
    **changes: object,
) -> TuneResult:
    """Search for better settings than those of `config` by their validation loss.

    Groups of the training and validation pictures are held out at the start, and the winner is
    compared with the defaults on them alone; the test pictures are never looked at. No trial begins
    after `time_limit` seconds or when there are so many `trials`. `space`: a JSON file of what to
    search. The same `out` goes on with its study, also in several processes at once. Leaves
    config.json for `train`: the winner's settings where they are shown to be better, else the
    defaults. `trainer` trains a trial, unless `train` shall; what it leaves is measured as a run.
    Raises SignwiseError for other settings or data than a study was begun with, and
    where the defaults can't be trained with.
    """
    began = time.monotonic()
    asked: TrainConfig = replace(config or TrainConfig(), **changes)  # type: ignore[arg-type]
    if trials is not None and trials < 1:
        raise SignwiseError(f"`trials` must be at least 1, not {trials}")
    if launched().size > 1:
        raise SignwiseError(
            "several processes can't train one trial: start tune without torchrun, in the same "
            "`out` as often as you like"
        )
    searched = read_space(None if space is None else Path(space), asked)
    prepared = load_data(data)
    usual = {name: getattr(TrainConfig(), name) for name in OF_A_PROCESS}
    base = replace(asked, **usual)
    limit = asked.time_limit
    if limit is None and trials is None:
        limit = USUAL_SECONDS
        say(f"searching for {limit / 60:.0f} minutes: --time-limit and --trials say otherwise")
    ends = float("inf")
    if limit is not None:
        ends = began + limit - min(VERDICT_SECONDS, VERDICT_SHARE * limit)
    lock = _lock_of(Path(out))
    with lock:
        folder = claim_folder(Path(out), "study")
        seed = _join(folder, prepared, base, searched)

    def objective(
        number: int, values: Mapping[str, Json], report: Callable[[int, float], None]
    ) -> float:
        place = _trial_folder(folder, number)
        shutil.rmtree(place, ignore_errors=True)
        left = None if limit is None else max(1.0, ends - time.monotonic())
        settings = replace(
            with_settings(base, values),
            **{name: getattr(asked, name) for name in OF_A_PROCESS} | {"time_limit": left},
        )
        try:
            return trainer(
                folder / DATA, place, settings, lambda epoch: report(epoch.epoch, epoch.val_loss)
            )
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise

    with open_study(folder / STUDY, seed) as study:
        search(study, searched, objective, Budget(ends=ends, trials=trials), lock)
        with lock:
            return _conclude(folder, study, searched, base, objective)


def _lock_of(out: Path) -> FileLock:
    """The lock that all processes of a study share; not in its folder, which it is to claim."""
    locks = cache_folder() / "studies"
    locks.mkdir(parents=True, exist_ok=True)
    return FileLock(locks / f"{sha256_bytes(os.fsencode(real_path(out)))[:16]}.lock")


def _trial_folder(folder: Path, number: int) -> Path:
    return folder / TRIALS / f"{number:04d}"


def _join(folder: Path, data: PreparedData, base: TrainConfig, space: Space) -> int:
    """Begin the study, or check that it is the same; gives a seed that no other process has."""
    facts: dict[str, Json] = {
        "settings": {name: to_json(value) for name, value in dotted(base.to_json()).items()},
        "space": {name: to_json(entry) for name, entry in space.items()},
        "data": data.sha256,
    }
    with open_study(folder / STUDY, base.seed) as study:
        begun = study.user_attrs.get("begun")
        if begun is None:
            hold_out(data, folder / DATA, base.seed)
            study.set_user_attr("begun", json.dumps(facts))
        else:
            _check_same(folder, json.loads(begun), facts)
        processes = int(study.user_attrs.get("processes", 0))
        study.set_user_attr("processes", processes + 1)
    return base.seed + processes


def _check_same(folder: Path, before: Mapping[str, Json], now: Mapping[str, Json]) -> None:
    if before["data"] != now["data"]:
        raise SignwiseError(f"the data changed since {folder} was begun: give `out` a new folder")
    for part in ("settings", "space"):
        old, new = before[part], now[part]
        assert isinstance(old, dict)
        assert isinstance(new, dict)
        changed = [name for name in {**old, **new} if old.get(name) != new.get(name)]
        if changed:
            raise SignwiseError(
                f"{', '.join(f'`{name}`' for name in changed)} of the {part} changed since {folder}"
                " was begun: give `out` a new folder"
            )


def _conclude(
    folder: Path,
    study: "Study",
    space: Space,
    base: TrainConfig,
    objective: Callable[[int, Mapping[str, Json], Callable[[int, float], None]], float],
) -> TuneResult:
    """Measure the winner on what was held out, write what there is to read, tidy up."""
    found = read_trials(study)
    if not any(trial.defaults and trial.state == "complete" for trial in found):
        # Whoever began them was killed, or is at them still.
        run_trial(study, begin(study, defaults=True), space, objective)
        found = read_trials(study)
    winner = best_trial(found)
    assert winner is not None, "the defaults are complete"
    defaults = next(one for one in found if one.defaults and one.state == "complete")
    places = [_trial_folder(folder, trial.number) for trial in (defaults, winner)]
    comparison, cautions = None, []
    held = folder / DATA
    if winner.defaults:
        evaluation = evaluate(places[0], held, out=folder / ALONE).evaluation
        images, groups = evaluation.n, evaluation.groups
    else:
        compared = compare(places, held, out=folder / VERDICT)
        comparison, cautions = compared.comparison, compared.warnings
        images, groups = comparison.n, comparison.groups
    figures = StudyFigures(
        trials=tuple(found),
        winner=winner,
        comparison=comparison,
        held_out=images,
        held_out_groups=groups,
    )
    chosen = with_settings(base, winner.settings) if figures.better else base
    write_json(folder / CONFIG, to_json(chosen.to_json()))
    _write_trials(folder, found, space)
    page = StudyPage(
        figures=figures,
        space={name: in_words(entry) for name, entry in space.items()},
        by_ratio={name for name, entry in space.items() if isinstance(entry, Span) and entry.log},
        defaults=_resolved(places[0], base, space),
    )
    write_text(folder / "report.html", study_page(page))
    _tidy(folder, found, kept={defaults.number, winner.number})
    states = [trial.state for trial in found]
    return TuneResult(
        out=folder,
        counts={
            "trials": len(found),
            **{state: states.count(state) for state in ("complete", "pruned", "failed")},
            "images": images,
            "groups": groups,
        },
        problems=[],
        warnings=cautions,
        measured=folder / (ALONE if winner.defaults else VERDICT),
        better=figures.better,
        settings=dict(winner.settings),
        figures=figures,
    )


def _resolved(run: Path, base: TrainConfig, space: Space) -> dict[str, Json]:
    """What the defaults came to in their run: some hang on what the pictures are."""
    config = run / "config.json"
    whole = dotted(base.to_json())
    if config.is_file():
        whole |= dotted(read_record(config, RunConfig).settings)
    return {name: whole.get(name) for name in space}


def _write_trials(folder: Path, trials: list[Trial], space: Space) -> None:
    rows = [
        {
            "trial": trial.number,
            "state": trial.state,
            "val_loss": trial.loss,
            "epochs": trial.epochs,
            "seconds": round(trial.seconds, 1),
            **{name: trial.settings.get(name, "") for name in space},
        }
        for trial in trials
    ]
    write_csv(folder / "trials.csv", pd.DataFrame(rows))


def _tidy(folder: Path, trials: list[Trial], kept: set[int]) -> None:
    """Delete the runs of trials that have ended and are neither the winner's nor the defaults'."""
    for trial in trials:
        if trial.number not in kept:
            shutil.rmtree(_trial_folder(folder, trial.number), ignore_errors=True)
