"""The verb tune: what is searched, what no trial sees, and what is called better."""

import json
import shutil
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import signwise
from browser import Page, open_browser
from checks import some
from console import failure
from signwise.cli import terminal
from signwise.config import TrainConfig
from signwise.errors import SignwiseError
from signwise.files import write_json
from signwise.opening import read_json
from signwise.report.study_page import settings_chart
from signwise.results import Epoch
from signwise.studies import Trial
from signwise.study.space import SPACE, Choices, Span, in_words, read_space, with_settings
from signwise.study.tune import Trainer, TuneResult, tune
from test_terminal import joined
from toy import toy_folder, toy_model
from toy_training import QUICK

pytestmark = pytest.mark.usefixtures("plain_reports")

CORNER = (0, 0, 6, 6)
"""A model that looks there alone sees no sign, and guesses."""
PLANTED: dict[str, Any] = {
    "momentum": {"low": 0.0, "high": 0.99},
    "optim.nesterov": {"choices": [True, False]},
}


def epoch(number: int, loss: float) -> Epoch:
    return Epoch(
        epoch=number, learning_rate=0.1, train_loss=1.0, train_accuracy=0.5, val_loss=loss,
        val_accuracy=0.5, seconds=0.1,
    )  # fmt: skip


class Seen:
    """A trainer that writes a model at once, and remembers what it was asked for."""

    def __init__(self, good: Callable[[TrainConfig], bool], loss: Callable[[TrainConfig], float]):
        self.asked: list[TrainConfig] = []
        self._good, self._loss = good, loss

    def __call__(
        self, data: Path, out: Path, config: TrainConfig, on_epoch: Callable[[Epoch], None]
    ) -> float:
        self.asked.append(config)
        loss = self._loss(config)
        for number in (1, 2, 3):
            on_epoch(epoch(number, loss + (3 - number) / 10))
        toy_model(out / "model.onnx", region=None if self._good(config) else CORNER)
        shutil.copy(data / "manifest.csv", out)
        return loss


def planted() -> Seen:
    """Better the nearer the momentum is to 0.4, and good below 0.6; the defaults' is 0.9."""
    return Seen(lambda config: config.momentum < 0.6, lambda config: abs(config.momentum - 0.4))


def equal() -> Seen:
    """All settings give the same model; the validation loss is luck."""
    return Seen(lambda _: False, lambda config: (config.momentum * 7919) % 1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tune")
    photos = toy_folder(root / "photos", per_class=90)
    return Path(signwise.prepare(photos, root / "data", image_size=32).out)


@pytest.fixture
def space(tmp_path: Path) -> Path:
    write_json(tmp_path / "space.json", PLANTED)
    return tmp_path / "space.json"


@pytest.fixture(scope="module")
def found(data: Path, tmp_path_factory: pytest.TempPathFactory) -> TuneResult:
    """A study whose best setting is planted."""
    root = tmp_path_factory.mktemp("found")
    write_json(root / "space.json", PLANTED)
    return tune(
        data, root / "study", trials=20, space=root / "space.json", trainer=planted(), seed=3
    )


def test_a_planted_setting_is_found_and_called_better(found: TuneResult) -> None:
    assert found.better
    momentum = found.settings["momentum"]
    assert isinstance(momentum, float)
    assert abs(momentum - 0.4) < 0.15
    pair = some(found.figures.pair)
    assert some(pair.accuracy.ci95_grouped)[0] > 0
    assert found.counts["trials"] == 20
    assert found.counts["complete"] + found.counts["pruned"] == 20
    assert found.counts["pruned"] > 0, "the bad ones are stopped early"


def test_its_config_is_what_train_takes(found: TuneResult) -> None:
    config = TrainConfig.from_file(found.out / "config.json")
    assert config.momentum == found.settings["momentum"]
    assert (config.threads, config.time_limit, config.seed) == (None, None, 3)


def test_what_it_leaves(found: TuneResult) -> None:
    assert {path.name for path in found.out.iterdir()} == {
        ".signwise", "config.json", "data", "report.html", "study.db", "trials",
        "trials.csv", "verdict",
    }  # fmt: skip
    kept = {path.name for path in (found.out / "trials").iterdir()}
    assert kept == {"0000", f"{found.figures.winner.number:04d}"}
    table = pd.read_csv(found.out / "trials.csv")
    assert len(table) == 20
    assert table["momentum"].isna().sum() == 1, "the defaults change nothing"
    assert (table["state"] == "pruned").sum() == found.counts["pruned"]
    content: Any = read_json(found.out / "verdict" / "compare.json")
    assert content["n"] == found.counts["images"]


def test_no_trial_sees_the_test_pictures_or_what_is_held_out(found: TuneResult, data: Path) -> None:
    whole = pd.read_csv(data / "manifest.csv")
    used = pd.read_csv(found.out / "data" / "manifest.csv")
    test = whole[whole["split"] == "test"]
    assert not set(used["path"]) & set(test["path"])
    assert not set(used["group"]) & set(test["group"])
    assert len(used) + len(test) == len(whole)
    parts = {split: set(part["group"]) for split, part in used.groupby("split")}
    assert len(set.union(*parts.values())) == sum(map(len, parts.values()))
    held = used[used["split"] == "test"]
    assert found.counts["images"] == len(held)
    assert len(held) / len(used) == pytest.approx(0.25, abs=0.06)
    assert signwise.load_data(found.out / "data").classes == ("priority", "stop")


def test_equal_settings_are_not_called_better(data: Path, space: Path, tmp_path: Path) -> None:
    result = tune(data, tmp_path / "study", trials=12, space=space, trainer=equal())
    assert not result.better
    winner = result.figures.winner
    assert not winner.defaults, "one of them has the luckiest validation loss"
    text = (result.out / "report.html").read_text(encoding="utf-8")
    assert "No better than the defaults" in text
    config = TrainConfig.from_file(result.out / "config.json")
    assert config == TrainConfig(), "there is no reason to leave the defaults"


def test_where_nothing_beats_the_defaults_that_is_said(
    data: Path, space: Path, tmp_path: Path
) -> None:
    best = Seen(lambda _: True, lambda config: abs(config.momentum - 0.9))
    result = tune(data, tmp_path / "study", trials=4, space=space, trainer=best)
    assert result.figures.winner.defaults
    assert result.figures.comparison is None
    assert not result.better
    assert result.settings == {}
    assert result.counts["images"] > 0
    assert "none of 3 other trials has a lower validation loss" in joined(terminal.tune(result))


def test_where_nothing_else_was_tried_that_is_said(data: Path, space: Path, tmp_path: Path) -> None:
    result = tune(data, tmp_path / "study", trials=1, space=space, trainer=planted())
    assert "Nothing but the defaults was tried" in joined(terminal.tune(result))


def test_the_first_trial_is_the_defaults(data: Path, space: Path, tmp_path: Path) -> None:
    seen = planted()
    config = TrainConfig(momentum=0.7, batch_size=20)
    tune(data, tmp_path / "study", config, trials=3, space=space, trainer=seen, threads=1)
    assert [asked.threads for asked in seen.asked] == [1, 1, 1]
    assert seen.asked[0].momentum == 0.7
    assert {asked.batch_size for asked in seen.asked} == {20}
    assert len({asked.momentum for asked in seen.asked}) == 3


def test_two_at_once_share_a_study(data: Path, space: Path, tmp_path: Path) -> None:
    seen, results = planted(), []

    def work() -> None:
        results.append(tune(data, tmp_path / "study", trials=9, space=space, trainer=seen))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 2
    last = max(results, key=lambda result: result.counts["trials"])
    assert last.counts["trials"] == len(seen.asked) == 9
    assert sum(trial.defaults for trial in last.figures.trials) == 1
    assert len({asked.momentum for asked in seen.asked}) == 9, "no two try the same"


def test_the_same_study_goes_on(data: Path, space: Path, tmp_path: Path) -> None:
    out = tmp_path / "study"
    assert tune(data, out, trials=1, space=space, trainer=planted()).settings == {}
    assert tune(data, out, trials=3, space=space, trainer=planted()).counts["trials"] == 3
    seen = planted()
    result = tune(data, out, trials=5, space=space, trainer=seen, threads=2)
    assert result.counts["trials"] == 5
    assert len(seen.asked) == 2
    assert [trial.number for trial in result.figures.trials] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"learning_rate": 0.5}, "`learning_rate` of the settings changed since"),
        ({"space": None}, "of the space changed since"),
    ],
)
def test_another_search_in_its_place_is_refused(
    data: Path, space: Path, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    out = tmp_path / "study"
    tune(data, out, trials=1, space=space, trainer=planted())
    given: dict[str, Any] = {"trials": 2, "space": space}
    with pytest.raises(SignwiseError, match=said):
        tune(data, out, trainer=planted(), **(given | changes))


def test_other_data_are_refused(data: Path, space: Path, tmp_path: Path) -> None:
    out = tmp_path / "study"
    tune(data, out, trials=1, space=space, trainer=planted())
    other = signwise.prepare(data.parent / "photos", tmp_path / "other", seed=8).out
    with pytest.raises(SignwiseError, match=r"the data changed since .* give `out` a new folder"):
        tune(other, out, trials=2, space=space, trainer=planted())


def test_a_trial_that_fails_is_told_and_left_out(data: Path, space: Path, tmp_path: Path) -> None:
    good = planted()

    def trainer(
        data: Path, out: Path, config: TrainConfig, on_epoch: Callable[[Epoch], None]
    ) -> float:
        if config.momentum > 0.92:
            raise SignwiseError("the loss is no number any more in epoch 1")
        return good(data, out, config, on_epoch)

    write_json(space, {"momentum": {"low": 0.91, "high": 0.93}})
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        result = tune(data, tmp_path / "study", trials=5, space=space, trainer=trainer)
    failed = result.counts["failed"]
    assert failed > 0
    assert sum("the loss is no number any more" in str(each.message) for each in told) == failed
    assert result.counts["complete"] + result.counts["pruned"] == 5


def test_a_search_whose_trials_all_fail_ends(data: Path, space: Path, tmp_path: Path) -> None:
    good = planted()

    def trainer(
        data: Path, out: Path, config: TrainConfig, on_epoch: Callable[[Epoch], None]
    ) -> float:
        if config.momentum != TrainConfig().momentum:
            raise SignwiseError("the loss is no number any more in epoch 1")
        return good(data, out, config, on_epoch)

    with (
        pytest.warns(UserWarning, match="the loss is no number any more"),
        pytest.warns(UserWarning, match="none of the last 10 trials could be trained"),
    ):
        result = tune(data, tmp_path / "study", trials=3, space=space, trainer=trainer)
    assert (result.counts["complete"], result.counts["failed"]) == (1, 10)
    assert result.measured == tmp_path / "study" / "defaults"


def test_a_study_may_lie_in_a_folder_of_any_name(data: Path, space: Path, tmp_path: Path) -> None:
    for name in ("what?1", "what?2", "5 % #a"):
        assert tune(data, tmp_path / name, trials=1, space=space, trainer=planted()).out.is_dir()
        assert (tmp_path / name / "study.db").is_file()
    assert not (tmp_path / "what").exists()


def test_defaults_that_fail_are_an_error(data: Path, space: Path, tmp_path: Path) -> None:
    def trainer(*_: object) -> float:
        raise SignwiseError("`weights` nowhere")

    with pytest.raises(SignwiseError, match="nowhere"):
        tune(data, tmp_path / "study", trials=5, space=space, trainer=trainer)
    good: Trainer = planted()
    result = tune(data, tmp_path / "study", trials=2, space=space, trainer=good)
    assert result.counts["failed"] == 1, "and the study goes on from there"


def test_a_stopped_search_leaves_its_trials(data: Path, space: Path, tmp_path: Path) -> None:
    good, count = planted(), iter(range(9))

    def trainer(
        data: Path, out: Path, config: TrainConfig, on_epoch: Callable[[Epoch], None]
    ) -> float:
        if next(count) == 2:
            raise KeyboardInterrupt
        return good(data, out, config, on_epoch)

    out = tmp_path / "study"
    with pytest.raises(KeyboardInterrupt):
        tune(data, out, trials=5, space=space, trainer=trainer)
    result = tune(data, out, trials=3, space=space, trainer=trainer)
    assert result.counts == {
        "trials": 4, "complete": result.counts["complete"], "pruned": result.counts["pruned"],
        "failed": 1, "images": result.counts["images"], "groups": result.counts["groups"],
    }  # fmt: skip


def test_the_time_ends_the_search(
    data: Path, space: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 10_000, 7))
    monkeypatch.setattr("signwise.study.tune.time.monotonic", lambda: float(next(clock)))
    seen = planted()
    result = tune(data, tmp_path / "study", space=space, trainer=seen, time_limit=200)
    limits = [some(config.time_limit) for config in seen.asked]
    assert 2 < result.counts["trials"] < 12
    assert limits == sorted(limits, reverse=True)
    assert limits[0] <= 180


def test_a_last_trial_begins_while_half_of_the_longest_is_left(
    data: Path, space: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("signwise.study.tune.time.monotonic", lambda: now)
    good = planted()

    def trainer(*given: Any) -> float:
        nonlocal now
        now += min(100.0, some(given[2].time_limit))
        return good(*given)

    def tried(limit: float, name: str) -> list[float | None]:
        nonlocal now
        now, good.asked = 0.0, []
        tune(data, tmp_path / name, space=space, trainer=trainer, time_limit=limit)
        return [config.time_limit for config in good.asked]

    assert tried(270, "two") == [243, 143], "the rest, 43 seconds, is too short"
    assert tried(290, "three") == [261, 161, 61], "and 61 are not"


def test_a_class_of_too_few_groups_is_an_error(tmp_path: Path, space: Path) -> None:
    photos = toy_folder(tmp_path / "photos", per_class=12, frames=4)
    few = signwise.prepare(photos, tmp_path / "data", image_size=16).out
    with pytest.raises(SignwiseError, match=r"priority has 2 group\(s\) .* at least 3 needed"):
        tune(few, tmp_path / "study", trials=2, space=space, trainer=planted())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "a JSON object such as"),
        ({"momentums": {"low": 0, "high": 1}}, "no setting 'momentums'"),
        ({"momentum": {"low": 0.5, "high": 1.5}}, "`momentum` must be at least 0 and below 1"),
        ({"momentum": {"low": 0.9, "high": 0.5}}, "momentum must have a low that is below"),
        ({"learning_rate": {"low": 0, "high": 1, "log": True}}, "low above 0 that is below"),
        ({"momentum": 0.5}, "momentum: Expected `object`, got `float`.*: give low and high"),
        ({"momentum": {"choices": []}}, "has no choices"),
        ({"augmentation.scale": {"choices": [[0.9, 1.1], [1.2]]}}, "must be 2 values"),
        ({"threads": {"low": 1, "high": 4}}, "threads is of the machine"),
    ],
)
def test_a_space_that_makes_no_sense_is_an_error(tmp_path: Path, content: Any, said: str) -> None:
    path = tmp_path / "space.json"
    path.write_text(json.dumps(content))
    with pytest.raises(SignwiseError, match=said) as error:
        read_space(path, TrainConfig())
    assert str(error.value).startswith(f"`space` {path}: ")


def test_the_usual_space_is_of_settings_round_the_defaults() -> None:
    base = TrainConfig()
    for name, entry in SPACE.items():
        head, _, rest = name.partition(".")
        default = getattr(getattr(base, head), rest) if rest else getattr(base, head)
        if isinstance(entry, Span):
            assert entry.low < default < entry.high or default == entry.low == 0
            ends: tuple[Any, ...] = (entry.low, entry.high)
        else:
            assert default in entry.choices
            ends = entry.choices
        for value in ends:
            with_settings(base, {name: value})
    assert in_words(Span(low=0.001, high=0.1, log=True)) == "0.001 to 0.1, by ratio"
    assert in_words(Choices(choices=("auto", 2))) == "auto, 2"


def test_any_setting_can_be_searched(data: Path, space: Path, tmp_path: Path) -> None:
    write_json(
        space,
        {
            "augmentation.scale": {"choices": [[0.9, 1.1], [0.8, 1.2]]},
            "usual_epochs.from_scratch": {"low": 2, "high": 9},
        },
    )
    seen = planted()
    tune(data, tmp_path / "study", trials=6, space=space, trainer=seen)
    scales = {asked.augmentation.scale for asked in seen.asked[1:]}
    assert scales <= {(0.9, 1.1), (0.8, 1.2)}
    assert all(2 <= asked.usual_epochs.from_scratch <= 9 for asked in seen.asked[1:])


@pytest.mark.usefixtures("toy_net")
def test_real_trials_train_prune_and_are_compared(data: Path, tmp_path: Path) -> None:
    result = tune(data, tmp_path / "study", QUICK, trials=3, threads=1, epochs=2)
    assert result.counts["trials"] == 3
    assert (result.out / "trials" / "0000" / "model.onnx").is_file()
    signwise.train(data, tmp_path / "run", TrainConfig.from_file(result.out / "config.json"))


@pytest.mark.usefixtures("toy_net")
def test_training_tells_each_epoch_and_ends_where_it_is_told_to(data: Path, tmp_path: Path) -> None:
    told: list[int] = []

    def stop(row: Epoch) -> None:
        told.append(row.epoch)
        if row.epoch == 2:
            raise SignwiseError("that will do")

    with pytest.raises(SignwiseError, match="that will do"):
        signwise.train(data, tmp_path / "run", QUICK, epochs=5, threads=1, on_epoch=stop)
    assert told == [1, 2]
    assert not (tmp_path / "run" / "model.onnx").exists()


def test_errors_name_the_flags(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "study"
    assert "--trials must be at least 1" in failure(
        capsys, "tune", data, "--out", out, "--trials", "0"
    )
    (tmp_path / "space.json").write_text('{"momentum": 1}')
    said = failure(capsys, "tune", data, "--out", out, "--space", tmp_path / "space.json")
    assert said.startswith(f"error: --space {tmp_path / 'space.json'}: momentum")
    assert "no prepared data" in failure(capsys, "tune", tmp_path, "--out", out)


def test_the_terminal_shows_the_winner(found: TuneResult) -> None:
    text = joined(terminal.tune(found))
    for said in (
        "Better than the defaults: on",
        "that no trial saw",
        "20 trials:",
        "momentum",
        "signwise train DATA --config config.json",
    ):
        assert said in text


def test_the_settings_are_drawn_however_few_the_trials() -> None:
    settings: dict[str, Any] = {
        "learning_rate": 0.02,
        "batch_size": 48,
        "class_weights": "none",
        "flip": True,
    }
    trial = Trial(
        number=1, state="complete", loss=0.5, epochs=3, seconds=9.0, defaults=False,
        settings=settings,
    )  # fmt: skip
    for trials in ([trial], [trial] * 9):
        png = settings_chart(trials, list(settings), {"learning_rate", "batch_size"})
        assert png.startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with open_browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.mark.parametrize("width", [390, 820, 1280])
def test_the_page_fits_and_loads_nothing(page: Page, found: TuneResult, width: int) -> None:
    page.open((found.out / "report.html").as_uri(), width, dark=width == 820)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("[...document.images].every(one => one.complete && one.naturalWidth > 0)")
    assert page.requested == []
    assert page.complaints == []
