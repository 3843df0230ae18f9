"""Both stages of a run from pre-trained weights: what each changes, which is kept, when it ends."""

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from torch import nn
from torchvision import models

import signwise
from signwise.config import FineTuningConfig, ResolvedConfig
from signwise.errors import SignwiseError
from signwise.results import Epoch, read_history
from signwise.training import features, loop, stages
from signwise.training.checkpoint import BestFacts, load_facts, load_tensors
from signwise.training.loop import Fit
from signwise.training.stages import is_done, still_improving
from toy_training import CPU, QUICK, settings

pytestmark = [pytest.mark.usefixtures("toy_net"), pytest.mark.numeric]

STAGED = replace(QUICK, epochs=None, threads=1, fine_tuning=FineTuningConfig(mixtures=()))
"""The epochs are not given, so that the validation loss says how many."""
HEAD = {"5.weight", "5.bias"}
SMALL = "shufflenet_v2_x0_5"


@pytest.fixture
def start(trained_run: Path, tmp_path: Path) -> Path:
    """Pre-trained weights of `toy_net`."""
    return Path(shutil.copy(trained_run / "model.safetensors", tmp_path / "start.safetensors"))


def begin(data: Path, out: Path, **changes: Any) -> list[Epoch]:
    """A run up to where it would be calibrated; gives its history."""
    with pytest.raises(SignwiseError, match=r"^finished$"):
        signwise.train(data, out, replace(STAGED, **changes))
    return read_history(out / "history.csv")


def script(monkeypatch: pytest.MonkeyPatch, losses: Iterable[float], accuracy: float = 0.9) -> None:
    """Validation losses by epoch, from stage one on."""
    left = iter(losses)

    def validate(*_: object) -> Fit:
        return Fit(loss=next(left), accuracy=accuracy)

    monkeypatch.setattr(features, "fit_of", validate)
    monkeypatch.setattr(loop, "validate", validate)


def numbers(history: Iterable[Epoch]) -> list[int]:
    return [row.epoch for row in history]


def differing(first: Path, second: Path) -> set[str]:
    """The tensors that differ between two files."""
    own, other = load_tensors(first), load_tensors(second)
    assert own.keys() == other.keys()
    return {name for name in own if not torch.equal(own[name], other[name])}


@pytest.mark.usefixtures("unfinished")
def test_stage_one_is_kept_where_fine_tuning_is_worse(
    prepared: Path, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(monkeypatch, (0.2, 0.3, 0.25))
    history = begin(prepared, tmp_path / "run", weights=str(start))
    assert numbers(history) == [0, 1, 2]
    assert [row.learning_rate is None for row in history] == [True, False, False]
    model = tmp_path / "run" / "model.safetensors"
    assert load_facts(model, BestFacts).epoch == 0
    assert differing(model, start) == HEAD


@pytest.mark.usefixtures("unfinished")
def test_fine_tuning_is_kept_where_it_is_better(
    prepared: Path, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It changes all weights, and moves the batch norm's statistics."""
    script(monkeypatch, (0.3, 0.2, 0.4, 0.5))
    history = begin(prepared, tmp_path / "run", weights=str(start))
    assert numbers(history) == [0, 1, 2, 3]
    model = tmp_path / "run" / "model.safetensors"
    assert load_facts(model, BestFacts).epoch == 1
    body = {"0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var"}
    assert differing(model, start) == HEAD | body


@pytest.mark.parametrize(("losses", "best"), [((0.2, 0.3, 0.25), 0), ((0.3, 0.2, 0.4, 0.5), 1)])
def test_calibration_takes_stage_ones_logits_where_that_is_best(
    prepared: Path,
    start: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    losses: tuple[float, ...],
    best: int,
) -> None:
    given: list[tuple[Any, ...]] = []

    def finish(*arguments: Any) -> None:
        given.append(arguments)
        raise SignwiseError("finished")

    monkeypatch.setattr("signwise.training.train.finish_run", finish)
    script(monkeypatch, losses)
    begin(prepared, tmp_path / "run", weights=str(start))
    # A run that goes on has them from its checkpoint, whatever became of the kept features.
    for path in prepared.glob("features-*"):
        path.unlink()
    with pytest.raises(SignwiseError, match="finished"):
        signwise.train(prepared, tmp_path / "run", resume=True)
    assert [arguments[-2] for arguments in given] == [best, best]
    first, second = (arguments[-1] for arguments in given)
    if best:
        assert first is second is None
        return
    assert np.array_equal(first, second)
    _, network, data = given[0][:3]
    pools = (data.val, data.held_out)
    wanted = np.concatenate([loop.network_logits(network, pool, CPU) for pool in pools])
    assert np.allclose(first, wanted, atol=1e-4)


@pytest.mark.parametrize(
    ("patience", "losses", "last"),
    [(2, (0.5, 0.4, 0.45, 0.3, 0.35, 0.3), 5), (1, (0.5, 0.4, 0.45), 2), (3, (0.5,) * 4, 3)],
)
@pytest.mark.usefixtures("unfinished")
def test_it_ends_after_epochs_that_did_not_help(
    prepared: Path,
    start: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    patience: int,
    losses: tuple[float, ...],
    last: int,
) -> None:
    script(monkeypatch, losses)
    patient = FineTuningConfig(patience=patience, mixtures=())
    history = begin(prepared, tmp_path / "run", weights=str(start), fine_tuning=patient)
    assert numbers(history) == list(range(last + 1))


@pytest.mark.usefixtures("unfinished")
def test_where_it_is_good_enough_stage_one_is_all_unless_epochs_are_given(
    prepared: Path, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(monkeypatch, (0.2, 0.2, 0.3, 0.4, 0.5), accuracy=1)
    assert numbers(begin(prepared, tmp_path / "one", weights=str(start))) == [0]
    model = tmp_path / "one" / "model.safetensors"
    assert differing(model, start) == HEAD
    history = begin(prepared, tmp_path / "both", weights=str(start), epochs=3)
    assert numbers(history) == [0, 1, 2, 3]


@pytest.mark.usefixtures("unfinished")
def test_freeze_is_stage_one_alone(prepared: Path, start: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert numbers(begin(prepared, out, weights=str(start), freeze=True, epochs=3)) == [0]
    assert differing(out / "model.safetensors", start) == HEAD
    # The weights, their average and stage one's are equal, and are written once.
    with safe_open(out / "last.safetensors", framework="pt") as file:
        assert {name.split(".")[0] for name in file.keys()} == {  # noqa: SIM118
            "weights", "average", "logits_of_stage_one",
        }  # fmt: skip
        assert [name for name in file.keys() if "average" in name] == ["average.n_averaged"]  # noqa: SIM118


def test_freeze_needs_pre_trained_weights_and_a_linear_head(prepared: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(SignwiseError, match=r"^`freeze`: `weights` none"):
        signwise.train(prepared, out, STAGED, freeze=True)
    with torch.random.fork_rng(devices=[]):
        state = models.get_model("squeezenet1_1").state_dict()
    torch.save(state, tmp_path / "squeeze.pth")
    changes: dict[str, Any] = {"model": "squeezenet1_1", "image_size": 32, "freeze": True}
    with pytest.raises(SignwiseError, match=r"^`freeze`: squeezenet1_1 has no linear head"):
        signwise.train(prepared, out, STAGED, weights=str(tmp_path / "squeeze.pth"), **changes)
    assert not out.exists()


@pytest.mark.usefixtures("unfinished")
def test_from_scratch_there_is_no_stage_one(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does a run end early: its loss may rise before it falls."""
    script(monkeypatch, (0.2, 0.3, 0.4, 0.5, 0.6), accuracy=1)
    few = replace(STAGED.usual_epochs, from_scratch=5, least_steps=1)
    history = begin(prepared, tmp_path / "run", usual_epochs=few)
    assert numbers(history) == [1, 2, 3, 4, 5]


@pytest.mark.usefixtures("unfinished")
def test_fine_tuning_is_gentle(prepared: Path, start: Path, tmp_path: Path) -> None:
    both = {
        name: begin(prepared, tmp_path / name, weights=weights, epochs=3)
        for name, weights in (("staged", str(start)), ("scratch", "none"))
    }
    share = STAGED.fine_tuning.learning_rate
    wanted = [row.learning_rate for row in both["scratch"]]
    found = [row.learning_rate for row in both["staged"][1:]]
    assert found == [pytest.approx(share * rate) for rate in wanted if rate is not None]


@pytest.mark.usefixtures("unfinished")
def test_a_run_killed_after_stage_one_goes_on_to_the_same_bits(
    prepared: Path, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stage one is not done again, nor are the weights needed that it began from."""
    whole, halted = tmp_path / "whole", tmp_path / "halted"
    mixed = replace(STAGED, weights=str(start), epochs=2, fine_tuning=FineTuningConfig())
    assert mixed.fine_tuning.mixtures
    begin(prepared, whole, **vars(mixed))

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stages, "run_epoch", stop)
        with pytest.raises(KeyboardInterrupt):
            signwise.train(prepared, halted, mixed)
    assert numbers(read_history(halted / "history.csv")) == [0]
    start.unlink()
    monkeypatch.setattr(stages, "fit_stage_one", stop)
    with pytest.raises(SignwiseError, match="finished"):
        signwise.train(prepared, halted, resume=True)
    for name in ("model.safetensors", "last.safetensors"):
        assert differing(whole / name, halted / name) == set()
    rows = [
        [replace(row, seconds=0) for row in read_history(folder / "history.csv")]
        for folder in (whole, halted)
    ]
    assert rows[0] == rows[1]
    assert numbers(rows[0]) == [0, 1, 2]


@pytest.mark.usefixtures("unfinished")
def test_an_epoch_comes_to_the_best_mixture_with_stage_one(
    prepared: Path, start: Path, tmp_path: Path
) -> None:
    """Far too high a rate ruins the weights themselves; next to stage one they are still good."""

    def losses(name: str, *mixtures: float) -> list[float]:
        gentle = FineTuningConfig(learning_rate=5.0, mixtures=mixtures)
        history = begin(prepared, tmp_path / name, weights=str(start), epochs=2, fine_tuning=gentle)
        return [row.val_loss for row in history]

    alone, mixed = losses("alone"), losses("mixed", 0.001)
    assert mixed[0] == alone[0]
    assert len(mixed) == len(alone) == 3
    assert all(one < other for one, other in zip(mixed[1:], alone[1:], strict=True))


@pytest.mark.usefixtures("unfinished")
def test_a_run_that_ended_early_does_not_go_on(
    prepared: Path, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(monkeypatch, (0.2, 0.3, 0.25))
    out = tmp_path / "run"
    history = begin(prepared, out, weights=str(start))
    with pytest.raises(SignwiseError, match="finished"):
        signwise.train(prepared, out, resume=True)
    assert read_history(out / "history.csv") == history


@pytest.mark.usefixtures("unfinished")
def test_a_time_limit_leaves_epochs_out(prepared: Path, start: Path, tmp_path: Path) -> None:
    """Not the first from scratch, without which there is no network."""

    def run(name: str, weights: str, limit: float) -> list[int]:
        out = tmp_path / name
        return numbers(begin(prepared, out, weights=weights, epochs=2, time_limit=limit))

    assert run("short", str(start), 1) == [0]
    assert (tmp_path / "short" / "model.safetensors").is_file()
    assert run("long", str(start), 1e6) == [0, 1, 2]
    assert run("short scratch", "none", 1) == [1]
    assert (tmp_path / "short scratch" / "last.safetensors").is_file()
    assert run("long scratch", "none", 1e6) == [1, 2]


@pytest.mark.usefixtures("unfinished")
def test_a_time_limit_counts_what_an_epoch_takes_though_features_are_kept(
    prepared: Path, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is what the last epoch took forgotten on resuming."""
    data = Path(shutil.copytree(prepared, tmp_path / "data"))
    begin(data, tmp_path / "first", weights=str(start), freeze=True)
    for path in data.glob("features-*"):
        with np.load(path) as saved:
            slow = dict(saved) | {"seconds": np.float64(100)}
        np.savez(path, **slow)
    limited: dict[str, Any] = {"weights": str(start), "epochs": 2, "time_limit": 300}
    assert numbers(begin(data, tmp_path / "kept", **limited)) == [0]
    monkeypatch.setattr(stages, "VIEWS_AN_EPOCH", 0)
    assert numbers(begin(data, tmp_path / "guessed", **limited)) == [0, 1, 2]


@pytest.mark.usefixtures("unfinished")
def test_a_further_run_takes_the_features_that_are_kept(
    prepared: Path, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = Path(shutil.copytree(prepared, tmp_path / "data"))
    first = begin(data, tmp_path / "first", weights=str(start), freeze=True)
    through: list[int] = []
    whole = features._through

    def count(*arguments: Any) -> features.Features:
        through.append(1)
        return whole(*arguments)

    monkeypatch.setattr(features, "_through", count)
    again = begin(data, tmp_path / "again", weights=str(start), freeze=True, learning_rate=0.5)
    assert through == []
    assert replace(again[0], seconds=0) == replace(first[0], seconds=0)
    names = ("first", "again")
    one, two = (tmp_path / name / "model.safetensors" for name in names)
    assert differing(one, two) == set()
    begin(data, tmp_path / "seed", weights=str(start), freeze=True, seed=5)
    assert through


def epoch(number: int, loss: float, accuracy: float = 0.9) -> Epoch:
    return Epoch(
        epoch=number,
        learning_rate=0.1 if number else None,
        train_loss=0.1,
        train_accuracy=0.9,
        val_loss=loss,
        val_accuracy=accuracy,
        seconds=1,
    )


def test_when_a_run_is_done() -> None:
    given = settings(weights="signs", epochs=4)
    usual = replace(given, fine_tuning=FineTuningConfig(always=False))
    history = [epoch(number, 0.5 + number / 10) for number in range(5)]
    losses = [row.val_loss for row in history]

    def done(settings: ResolvedConfig, count: int, *, staged: bool = True) -> bool:
        return is_done(history[:count], losses[:count], settings, staged=staged)

    assert not done(given, 0)
    assert [done(given, count) for count in range(1, 6)] == [False] * 4 + [True]
    assert [done(usual, count) for count in range(1, 4)] == [False, False, True]
    assert not done(usual, 4, staged=False)
    right = [epoch(0, 0.2, accuracy=1)]
    assert is_done(right, [0.2], usual, staged=True)
    assert not is_done(right, [0.2], given, staged=True)
    # All right, but not sure of it, or of what the pictures of no class are.
    unsure = [epoch(0, 0.9, accuracy=1)]
    assert not is_done(unsure, [0.9], usual, staged=True)
    assert is_done([*unsure, epoch(1, 0.24, accuracy=1)], [0.9, 0.24], usual, staged=True)
    assert not is_done([*unsure, epoch(1, 0.24)], [0.9, 0.24], usual, staged=True)
    less = replace(usual, fine_tuning=FineTuningConfig(always=False, enough=0.9))
    assert is_done(unsure, [0.9], less, staged=True)
    assert done(replace(given, freeze=True), 1)


def test_fine_tuning_goes_on_while_any_mixture_gains_though_stage_one_is_still_kept() -> None:
    usual = settings(weights="signs", fine_tuning=FineTuningConfig(always=False, patience=2))
    history = [epoch(number, 0.5) for number in range(4)]
    assert not is_done(history, [0.5, 0.44, 0.43, 0.39], usual, staged=True)
    assert is_done(history, [0.5, 0.44, 0.43, 0.45], usual, staged=True)


@given(
    losses=st.lists(st.floats(0.01, 10), min_size=1, max_size=9),
    patience=st.integers(1, 3),
    min_delta=st.sampled_from((0.0, 0.1, 0.5)),
)
def test_it_ends_after_epochs_none_of_which_gained_enough(
    losses: list[float], patience: int, min_delta: float
) -> None:
    part = FineTuningConfig(always=False, patience=patience, min_delta=min_delta)
    usual = settings(weights="signs", epochs=99, fine_tuning=part)
    history = [epoch(number, 0.5) for number in range(len(losses))]
    ended = is_done(history, losses, usual, staged=True)
    before, last = losses[:-patience], losses[-patience:]
    gained = not before or min(last) < (1 - min_delta) * min(before)
    assert not (ended and gained)
    # Where gains must have a size, one is measured from the last that had it, not from the lowest.
    assert ended or gained or min_delta


@pytest.fixture
def torch_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder where torch looks for downloaded weights."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


def test_photos_want_imagenet_weights_and_the_error_says_where_to_put_them(
    prepared: Path, torch_home: Path, tmp_path: Path
) -> None:
    changes: dict[str, Any] = {"model": SMALL, "weights": "auto", "image_size": 32}
    with pytest.raises(SignwiseError) as caught:
        signwise.train(prepared, tmp_path / "run", STAGED, **changes)
    message = str(caught.value)
    file = models.ShuffleNet_V2_X0_5_Weights.DEFAULT.url.rsplit("/", 1)[1]
    assert str(torch_home / file) in message
    assert "`weights` none or a file" in message
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("unfinished")
def test_photos_are_trained_on_from_imagenet_weights(
    prepared: Path, torch_home: Path, tmp_path: Path
) -> None:
    torch_home.mkdir(parents=True)
    file = models.ShuffleNet_V2_X0_5_Weights.DEFAULT.url.rsplit("/", 1)[1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        theirs: nn.Module = models.get_model(SMALL)
    torch.save(theirs.state_dict(), torch_home / file)
    changes: dict[str, Any] = {"model": SMALL, "weights": "auto", "image_size": 32, "freeze": True}
    assert numbers(begin(prepared, tmp_path / "run", **changes)) == [0]
    stored = signwise.TrainConfig.from_file(tmp_path / "run" / "config.json")
    assert (stored.weights, stored.pictures.kind) == ("imagenet", "photos")
    kept = load_tensors(tmp_path / "run" / "model.safetensors")
    assert torch.equal(kept["conv5.0.weight"], theirs.state_dict()["conv5.0.weight"])


@pytest.mark.parametrize(
    ("losses", "accuracy", "said"),
    [
        ((0.9, 0.6, 0.31), 0.9, True),
        ((0.9, 0.3, 0.31), 0.9, False),  # another was better
        ((0.9, 0.311, 0.31), 0.9, False),  # hardly better than the one before
        ((0.9, 0.6, 0.31), 1.0, False),  # no mistake is left
        ((0.31,), 0.9, False),  # nothing to compare with
    ],
)
def test_that_the_last_epoch_still_improved_is_said(
    losses: tuple[float, ...], accuracy: float, said: bool
) -> None:
    history = [
        replace(epoch(number, loss), val_accuracy=accuracy) for number, loss in enumerate(losses)
    ]
    text = still_improving(history)
    assert (text is not None) == said
    if text is not None:
        assert text.startswith("the last epoch, 2, was the best")
        assert "0.6000 to 0.3100" in text
        assert "`epochs`" in text
