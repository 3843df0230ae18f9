"""The verb train: what it refuses, what it leaves, and what its numbers promise."""

import csv
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

import signwise
from signwise.config import (
    AugmentationConfig,
    CalibrationConfig,
    Kind,
    NegativesConfig,
    TrainConfig,
    Traits,
)
from signwise.data.manifest import load_data
from signwise.data.pixels import load_pixels
from signwise.errors import SignwiseError
from signwise.inference.predictor import Predictor
from signwise.metrics.selective import accepted
from signwise.results import Epoch
from signwise.runtime import default_threads
from signwise.training import loop, optim, stages
from signwise.training.calibration import calibrate
from signwise.training.checkpoint import (
    BestFacts,
    CheckpointFacts,
    load_facts,
    load_tensors,
    save_tensors,
)
from signwise.training.device import choose_device
from signwise.training.graph import answers_of
from signwise.training.loop import Fit
from signwise.training.network import build_model
from signwise.training.pools import look_at, traits_of, whole_pool
from signwise.training.tracking import Outcome, Tracker
from toy import toy_folder, toy_unknown
from toy_training import ARCHITECTURE, CPU, QUICK

SIZE = 16

pytestmark = [pytest.mark.usefixtures("toy_net"), pytest.mark.numeric]


def begin(data: Path, out: Path, **changes: Any) -> None:
    """A run up to where it would be calibrated, where tests use `unfinished`."""
    with pytest.raises(SignwiseError, match=r"^finished$"):
        signwise.train(data, out, QUICK, **changes)


@pytest.fixture
def run(trained_run: Path, tmp_path: Path) -> Path:
    """A run of a test's own, to do with as it likes."""
    return Path(shutil.copytree(trained_run, tmp_path / "run"))


def val_pictures(data: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    prepared = load_data(data)
    rows = np.flatnonzero(prepared.table["split"] == "val")
    labels = np.array([prepared.classes.index(name) for name in prepared.table["label"][rows]])
    return load_pixels(prepared, SIZE)[rows], labels


def test_the_threshold_keeps_the_share_of_validation_pictures(
    prepared: Path, trained_run: Path
) -> None:
    pixels, labels = val_pictures(prepared)
    predictor = Predictor(trained_run)
    kept = accepted(predictor.scores(pixels)[1], predictor.threshold).sum()
    assert 0.75 * len(labels) <= kept <= 0.75 * len(labels) + 1


def test_the_file_holds_what_was_fitted_on_validation(prepared: Path, trained_run: Path) -> None:
    pixels, labels = val_pictures(prepared)
    network = build_model(ARCHITECTURE, 3, SIZE, "none")
    network.load_state_dict(load_tensors(trained_run / "model.safetensors"))
    logits = loop.network_logits(network, whole_pool(pixels, labels), CPU)
    own = logits[:, :2].astype(np.float64)
    found = calibrate(own, labels, np.ones(2), CalibrationConfig())
    predictor = Predictor(trained_run)
    assert predictor.record.temperature == pytest.approx(found.temperature, rel=1e-3)
    assert predictor.record.offsets == (0, 0)  # as many of one class as of the other
    probabilities, known = predictor.scores(pixels)
    assert np.allclose(probabilities, found.probabilities(own), atol=1e-3)
    wanted = answers_of(torch.from_numpy(logits), found.temperature, torch.zeros(2), 4.0)[1]
    assert np.allclose(known, wanted, atol=1e-5)
    measured = predictor.record.figures.validation
    assert measured is not None
    right = int((probabilities.argmax(1) == labels).sum())
    assert (measured.n, measured.correct) == (len(labels), right)
    assert measured.refused == int((~accepted(known, predictor.threshold)).sum())
    assert measured.accuracy_ci95[0] <= measured.accuracy <= measured.accuracy_ci95[1]


def test_the_settings_are_stored_whole(prepared: Path, trained_run: Path) -> None:
    config = json.loads((trained_run / "config.json").read_text())
    asked = TrainConfig.from_json(QUICK.to_json() | {"epochs": 6, "keep_known": 0.75})
    seen = look_at(load_data(prepared), asked.negatives)
    traits = traits_of(load_data(prepared), asked, seen)
    assert (traits.pictures, traits.data_size, traits.usual_side) == (56, SIZE, 40)
    assert config["settings"] == asked.resolve(traits).to_json()
    assert config["settings"]["pictures"]["kind"] == traits.kind
    assert config["settings"]["image_size"] == SIZE
    assert config["seed"] == 0
    assert config["classes"] == ["priority", "stop"]
    assert config["data"] == str(prepared)
    assert config["data_sha256"] == load_data(prepared).sha256
    other: Kind = "photos" if traits.kind == "signs" else "signs"
    others = Traits(kind=other, pictures=1, data_size=1, usual_side=1)
    stored = TrainConfig.from_file(trained_run / "config.json")
    assert stored.resolve(others) == asked.resolve(traits)
    assert {"python", "torch", "signwise"} <= set(config["versions"])


def test_what_a_run_was_computed_on_stands_beside_what_was_asked(trained_run: Path) -> None:
    config = json.loads((trained_run / "config.json").read_text())
    assert (config["settings"]["device"], config["settings"]["threads"]) == ("auto", None)
    assert config["device"] == choose_device("auto").type
    assert config["threads"] == default_threads()


def test_history_has_a_row_an_epoch(trained_run: Path) -> None:
    with (trained_run / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    assert all(float(row["seconds"]) > 0 for row in rows)


def test_a_run_is_not_overwritten(prepared: Path, trained_run: Path) -> None:
    before = (trained_run / "model.onnx").read_bytes()
    with pytest.raises(SignwiseError, match=r"holds a run: .*`resume`"):
        signwise.train(prepared, trained_run, QUICK)
    assert (trained_run / "model.onnx").read_bytes() == before


def test_resuming_a_finished_run_leaves_its_bits(prepared: Path, run: Path) -> None:
    names = ("model.onnx", "model.safetensors", "history.csv", "config.json")
    before = [(run / name).read_bytes() for name in names]
    # As after a kill between the last checkpoint and the row that follows it.
    (run / "history.csv").write_bytes(b"".join(before[2].splitlines(keepends=True)[:-1]))
    result = signwise.train(prepared, run, resume=True)
    assert [(run / name).read_bytes() for name in names] == before
    assert result.out == run
    # Rendered 48 and held out 14; of these a part shows signs of the classes.
    assert 40 < result.counts.pop("negatives") <= 62
    assert result.counts == {"epochs": 6, "train": 56, "val": 16}
    assert result.problems == []
    assert len(result.history) == 6
    content = result.to_json()
    assert list(content) == ["out", "counts", "problems", "warnings", "history", "figures"]
    assert content["figures"] == result.figures == result.measured.to_json()
    best = min(result.history, key=lambda row: row.val_loss)
    assert result.measured.best_epoch == best.epoch


def adam(groups: list[dict[str, Any]], config: TrainConfig) -> torch.optim.Optimizer:
    return torch.optim.Adam(groups, lr=config.learning_rate)


@pytest.mark.parametrize(
    ("epoch", "share", "saved", "make"),
    [
        (1, 1e9, 1, optim.OPTIMIZERS["sgd"]),
        (2, 1e9, 2, adam),
        (2, 1e-12, 1, optim.OPTIMIZERS["sgd"]),  # of two epochs one is done again
    ],
)
@pytest.mark.usefixtures("unfinished")
def test_a_run_goes_on_from_any_epoch_to_the_same_bits(
    prepared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    epoch: int,
    share: float,
    saved: int,
    make: Any,
) -> None:
    """Whatever the optimiser, and though not every epoch leaves a checkpoint."""
    monkeypatch.setitem(optim.OPTIMIZERS, "sgd", make)
    monkeypatch.setattr(stages, "CHECKPOINT_TIME_SHARE", share)
    whole, halted = tmp_path / "whole", tmp_path / "halted"
    settings: dict[str, Any] = {"epochs": 3, "threads": 1, "seed": 3}
    begin(prepared, whole, **settings)
    epochs = loop.run_epoch

    def fail_after(*arguments: Any, **rest: Any) -> Epoch:
        if arguments[3] > epoch:
            raise KeyboardInterrupt
        return epochs(*arguments, **rest)

    with monkeypatch.context() as patch:
        patch.setattr(stages, "run_epoch", fail_after)
        with pytest.raises(KeyboardInterrupt):
            signwise.train(prepared, halted, QUICK, **settings)
    assert len(load_facts(halted / "last.safetensors", CheckpointFacts).history) == saved
    torch.rand(5)
    with pytest.raises(SignwiseError, match="finished"):
        signwise.train(prepared, halted, resume=True)
    for name in ("model.safetensors", "last.safetensors"):
        wanted, found = (load_tensors(folder / name) for folder in (whole, halted))
        assert wanted.keys() == found.keys()
        assert all(torch.equal(wanted[key], found[key]) for key in wanted)
    rows = [
        [line.rsplit(",", 1)[0] for line in (folder / "history.csv").read_text().splitlines()]
        for folder in (whole, halted)
    ]
    assert rows[0] == rows[1]
    assert len(rows[0]) == 1 + 3


@pytest.mark.usefixtures("unfinished")
def test_a_run_with_another_optimiser_is_not_gone_on_with(
    prepared: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(optim.OPTIMIZERS, "sgd", adam)
    with pytest.raises(SignwiseError, match="`resume`: the checkpoint is of another network, "):
        signwise.train(prepared, run, resume=True)


@pytest.mark.usefixtures("unfinished")
def test_what_is_kept_is_the_average_of_the_best_epoch(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter((0.5, 0.25, 0.75))
    measured: list[dict[str, torch.Tensor]] = []

    def validate(network: nn.Module, *_: object) -> Fit:
        assert torch.get_num_threads() == 1
        measured.append({name: value.clone() for name, value in network.state_dict().items()})
        return Fit(loss=next(losses), accuracy=0.5)

    monkeypatch.setattr(loop, "validate", validate)
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    begin(prepared, tmp_path / "run", epochs=3, threads=1)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["threads"], config["settings"]["threads"]) == (1, 1)
    assert torch.get_num_threads() == threads, "as it was found"
    assert torch.equal(torch.get_rng_state(), state)
    kept = load_tensors(tmp_path / "run" / "model.safetensors")
    best = load_facts(tmp_path / "run" / "model.safetensors", BestFacts)
    assert (best.epoch, best.val_loss) == (2, 0.25)
    assert all(torch.equal(kept[name], value) for name, value in measured[1].items())
    last = load_tensors(tmp_path / "run" / "last.safetensors")
    average = {name: last[f"average.module.{name}"] for name in kept}
    assert all(torch.equal(average[name], value) for name, value in measured[2].items())
    assert not torch.equal(average["5.weight"], last["weights.5.weight"])


@pytest.mark.usefixtures("unfinished")
def test_a_best_epoch_before_the_last_checkpoint_stays_the_best(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill fell between the two files of a checkpoint, or the best epoch was long ago."""
    out = tmp_path / "run"
    losses = iter((0.25, 0.5, 0.75, 0.3))

    def validate(*_: object) -> Fit:
        return Fit(loss=next(losses), accuracy=0.5)

    epochs = loop.run_epoch

    def two(*arguments: Any, **rest: Any) -> Epoch:
        if arguments[3] > 2:
            raise KeyboardInterrupt
        return epochs(*arguments, **rest)

    monkeypatch.setattr(stages, "CHECKPOINT_TIME_SHARE", 1e9)
    monkeypatch.setattr(loop, "validate", validate)
    with monkeypatch.context() as patch:
        patch.setattr(stages, "run_epoch", two)
        with pytest.raises(KeyboardInterrupt):
            signwise.train(prepared, out, QUICK, epochs=4)
    with pytest.raises(SignwiseError, match="finished"):
        signwise.train(prepared, out, resume=True)
    assert load_facts(out / "model.safetensors", BestFacts).epoch == 1


def ticks(step: float) -> Iterator[float]:
    now = 0.0
    while True:
        yield now
        now += step


@pytest.mark.parametrize(("share", "saved"), [(0.01, [1, 4]), (1e9, [1, 2, 3, 4])])
@pytest.mark.usefixtures("unfinished")
def test_checkpoints_take_no_more_than_their_share_of_the_time(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float, saved: list[int]
) -> None:
    """The first costs nothing yet; the last is always written."""
    written: list[int] = []

    def note(path: Path, tensors: dict[str, torch.Tensor], facts: object, *twins: Any) -> None:
        if isinstance(facts, CheckpointFacts):
            written.append(len(facts.history))
        save_tensors(path, tensors, facts, *twins)

    clock = ticks(1.0)
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(stages, "save_tensors", note)
    monkeypatch.setattr(stages, "CHECKPOINT_TIME_SHARE", share)
    begin(prepared, tmp_path / "run", epochs=4)
    assert written == saved


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_memory_that_runs_out_names_the_setting_and_leaves_no_run(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(stages, "run_epoch", fail)
    with pytest.raises(SignwiseError, match="out of memory: set a smaller `batch_size`"):
        signwise.train(prepared, tmp_path / "run", QUICK)
    assert not (tmp_path / "run").exists()


def test_another_error_of_torch_is_not_taken_for_memory(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(stages, "run_epoch", fail)
    with pytest.raises(RuntimeError, match="mat1"):
        signwise.train(prepared, tmp_path / "run", QUICK)


@pytest.mark.parametrize("asked", [False, True])
def test_a_tracker_is_given_pictures_and_model_only_if_asked(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: bool
) -> None:
    outcomes: list[Outcome] = []

    class Recorder:
        def epoch(self, row: Epoch) -> None:
            assert row.epoch

        def finish(self, outcome: Outcome) -> None:
            outcomes.append(outcome)

    monkeypatch.setattr(
        "signwise.training.train.open_tracker", lambda *_: Tracker("wandb", Recorder)
    )
    monkeypatch.setattr("signwise.training.tracking.SHOWN_MISTAKES", 100)
    signwise.train(prepared, tmp_path / "run", QUICK, epochs=1, track_images=asked)
    (outcome,) = outcomes
    wrong = int(outcome.confusion.sum() - np.trace(outcome.confusion))
    assert len(outcome.mistakes) == (wrong if asked else 0)
    assert outcome.model == (tmp_path / "run" / "model.onnx" if asked else None)


def test_what_a_tracker_leaves_is_not_in_the_way(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    out.mkdir()

    def fail(*_: object, **__: object) -> None:
        (out / "tensorboard").mkdir()
        raise SignwiseError("stopped")

    with monkeypatch.context() as patch:
        patch.setattr(stages, "run_epoch", fail)
        with pytest.raises(SignwiseError, match="stopped"):
            signwise.train(prepared, out, QUICK)
    assert list(out.iterdir()) == []


@pytest.mark.usefixtures("unfinished")
def test_a_run_goes_on_from_another_folder_and_without_the_weights_it_began_from(
    prepared: Path, trained_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(trained_run / "model.safetensors", tmp_path / "start.safetensors")
    monkeypatch.chdir(tmp_path)
    begin(prepared, Path("run"), weights="start.safetensors", epochs=1)
    before = (tmp_path / "run" / "model.safetensors").read_bytes()
    (tmp_path / "start.safetensors").unlink()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(SignwiseError, match="finished"):
        signwise.train(prepared, "../run", resume=True)
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == before


@pytest.mark.usefixtures("unfinished")
def test_changed_pictures_of_no_class_are_refused(prepared: Path, tmp_path: Path) -> None:
    unknown = toy_unknown(tmp_path / "unknown", 3)
    out = tmp_path / "run"
    Image.new("RGB", (20, 20), (200, 10, 10)).save(unknown / "plain.bmp")
    begin(prepared, out, unknown=str(unknown), epochs=1)
    listed = (out / "unknown.csv").read_text()
    assert [line.split(",")[0] for line in listed.splitlines()] == [
        "path",
        *(str(path) for path in sorted(unknown.iterdir())),
    ]
    with pytest.raises(SignwiseError, match="finished"):
        signwise.train(prepared, out, resume=True)
    # Of the same size, but another picture.
    Image.new("RGB", (20, 20), (10, 10, 200)).save(unknown / "plain.bmp")
    with pytest.raises(SignwiseError, match="`resume`: what `unknown` holds changed"):
        signwise.train(prepared, out, resume=True)
    (unknown / "00000.png").unlink()
    with pytest.raises(SignwiseError, match="`resume`: what `unknown` holds changed"):
        signwise.train(prepared, out, resume=True)
    assert (out / "unknown.csv").read_text() == listed


def test_changed_settings_are_refused_by_name(prepared: Path, trained_run: Path) -> None:
    with pytest.raises(SignwiseError, match=r"^`resume`: `learning_rate`, `momentum` changed"):
        signwise.train(prepared, trained_run, resume=True, learning_rate=0.5, momentum=0.1)
    changed: dict[str, Any] = {
        "negatives": NegativesConfig(
            rendered_range=(24, 48), held_out_range=(8, 16), destroyed=0.5
        ),
        "augmentation": AugmentationConfig(noise=0.5),
    }
    with pytest.raises(
        SignwiseError, match=r"^`resume`: `augmentation\.noise`, `negatives\.destroyed` changed"
    ):
        signwise.train(prepared, trained_run, resume=True, **changed)


@pytest.mark.usefixtures("unfinished")
def test_a_run_of_flat_settings_alone_goes_on_under_the_usual_ones(
    prepared: Path, tmp_path: Path
) -> None:
    """As one of an older version; what it did not record is as it is unless given."""
    out = tmp_path / "run"
    given: dict[str, Any] = {"model": ARCHITECTURE, "weights": "none", "epochs": 1}
    with pytest.raises(SignwiseError, match="finished"):
        signwise.train(prepared, out, TrainConfig(**given, unknown="none"))
    content = json.loads((out / "config.json").read_text())
    flat = {k: v for k, v in content["settings"].items() if not isinstance(v, dict)}
    (out / "config.json").write_text(json.dumps(content | {"settings": flat}))
    with pytest.raises(SignwiseError, match="finished"):
        signwise.train(prepared, out, resume=True)
    with pytest.raises(SignwiseError, match=r"`augmentation\.noise` changed"):
        signwise.train(prepared, out, resume=True, augmentation=AugmentationConfig(noise=0.5))


def test_a_checkpoint_of_another_version_is_an_error(prepared: Path, run: Path) -> None:
    last = run / "last.safetensors"
    state, facts = load_tensors(last), load_facts(last, CheckpointFacts)
    kept = {name: value for name, value in state.items() if not name.startswith("average.")}
    save_tensors(last, kept, facts)
    with pytest.raises(
        SignwiseError, match=r"`resume`: .*another version of signwise: start a new"
    ):
        signwise.train(prepared, run, resume=True)
    save_tensors(last, state, {"history": []})
    with pytest.raises(SignwiseError, match="is no checkpoint of signwise"):
        signwise.train(prepared, run, resume=True)


def test_changed_data_is_refused(trained_run: Path, tmp_path: Path) -> None:
    photos = toy_folder(tmp_path / "photos", per_class=24, frames=4, seed=5)
    signwise.prepare(photos, tmp_path / "data", image_size=SIZE)
    with pytest.raises(SignwiseError, match=r"`resume`: .*data changed"):
        signwise.train(tmp_path / "data", trained_run, resume=True)


def test_a_folder_that_is_no_run_is_refused(prepared: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    for resume in (False, True):
        with pytest.raises(SignwiseError, match="did not write"):
            signwise.train(prepared, tmp_path, QUICK, resume=resume)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_rate_that_explodes_is_an_error_and_not_a_model(prepared: Path, tmp_path: Path) -> None:
    with pytest.raises(SignwiseError, match="no number any more in epoch 1: lower `learning_rate`"):
        signwise.train(prepared, tmp_path / "run", QUICK, learning_rate=1e30)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("made", [False, True])
@pytest.mark.usefixtures("unfinished")
def test_a_run_that_failed_before_it_began_is_not_in_the_way(
    prepared: Path, tmp_path: Path, made: bool
) -> None:
    out = tmp_path / "run"
    if made:
        out.mkdir()
    with pytest.raises(SignwiseError, match=r"^`unknown` .*is no folder"):
        signwise.train(prepared, out, QUICK, unknown=str(tmp_path / "nothing"))
    assert (list(out.iterdir()) if made else out.exists()) in ([], False)
    # `resume` also starts a run that has no checkpoint yet.
    begin(prepared, out, epochs=1, resume=made)
    assert (out / "last.safetensors").is_file()


def test_without_validation_pictures_the_error_names_the_class(tmp_path: Path) -> None:
    photos = toy_folder(tmp_path / "photos", ("a", "b"), 16, frames=4)
    signwise.prepare(photos, tmp_path / "data", image_size=SIZE, split=(0.75, 0.0, 0.25))
    with pytest.raises(SignwiseError, match="no val pictures of a"):
        signwise.train(tmp_path / "data", tmp_path / "run", QUICK)


@pytest.mark.skipif(torch.cuda.is_available(), reason="only where there is no GPU to name")
def test_a_device_that_is_not_there_is_an_error(prepared: Path, tmp_path: Path) -> None:
    with pytest.raises(SignwiseError, match=r"^`device` cuda"):
        signwise.train(prepared, tmp_path / "run", QUICK, device="cuda")


@pytest.mark.usefixtures("unfinished")
def test_a_folder_is_trained_against(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[int] = []
    epochs = loop.run_epoch

    def note(*arguments: Any, **rest: Any) -> Epoch:
        given.append(len(arguments[1].folder))
        return epochs(*arguments, **rest)

    monkeypatch.setattr(stages, "run_epoch", note)
    begin(prepared, tmp_path / "run", unknown=str(toy_unknown(tmp_path / "unknown", 3)))
    assert given == [3, 3]


def test_without_negatives_known_is_the_largest_probability(prepared: Path, tmp_path: Path) -> None:
    broken = tmp_path / "unknown"
    broken.mkdir()
    result = signwise.train(
        prepared, tmp_path / "run", QUICK, unknown="none", keep_known=0.5, epochs=1
    )
    assert "`keep_known` has no effect" in result.warnings[-1]
    assert result.counts["negatives"] == 0
    predictor = Predictor(tmp_path / "run")
    assert predictor.threshold == 0
    pixels = np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE, 3), dtype=np.uint8)
    probabilities, known = predictor.scores(pixels)
    assert np.array_equal(probabilities.max(1), known)


def test_unreadable_negatives_are_problems_of_the_result(prepared: Path, tmp_path: Path) -> None:
    unknown = toy_unknown(tmp_path / "unknown", 2)
    (unknown / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    result = signwise.train(prepared, tmp_path / "run", QUICK, unknown=str(unknown), epochs=1)
    assert [Path(row["path"]).name for row in result.problems] == ["broken.png"]
    assert Predictor(tmp_path / "run").record.unknown == "folder"


@pytest.mark.usefixtures("unfinished")
def test_a_frozen_body_keeps_its_weights(prepared: Path, trained_run: Path, tmp_path: Path) -> None:
    weights = str(trained_run / "model.safetensors")
    begin(prepared, tmp_path / "run", weights=weights, freeze=True, epochs=1)
    before, after = (
        load_tensors(folder / "model.safetensors") for folder in (trained_run, tmp_path / "run")
    )
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert set(before) - same == {"5.weight", "5.bias"}


def test_the_random_state_of_the_caller_is_left_alone(prepared: Path, trained_run: Path) -> None:
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    with pytest.raises(SignwiseError):
        signwise.train(prepared, trained_run, QUICK)
    assert torch.equal(torch.rand(3), wanted)
