"""The verb train: what it refuses, and what its numbers promise."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

import signwise
from signwise.data.pixels import load_pixels
from signwise.data.manifest import load_data
from signwise.errors import SignwiseError
from signwise.inference.predictor import Predictor
from signwise.training import loop
from signwise.training.calibration import calibrate
from signwise.training.checkpoint import load_tensors, save_tensors
from signwise.training.network import build_model
from toy import toy_folder, toy_strangers

SMALL = {"model": "shufflenet_v2_x0_5", "weights": "none", "epochs": 2, "batch_size": 16}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    photos = toy_folder(folder / "photos", ("a", "b"), 40, frames=4)
    signwise.prepare(photos, folder / "data", image_size=32)
    return folder / "data"


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    # After 2 epochs all scores are the same to the last digits, and a threshold keeps all or none.
    signwise.train(data, out, keep_known=0.75, **SMALL | {"epochs": 6})
    return out


def test_the_threshold_keeps_the_share_of_validation_pictures(data: Path, run: Path) -> None:
    prepared = load_data(data)
    rows = np.flatnonzero(prepared.table["split"] == "val")
    predictor = Predictor(run)
    known = predictor.scores(load_pixels(prepared, 32)[rows])[1]
    kept = (known >= predictor.threshold).sum()
    assert kept >= 0.75 * len(rows)
    assert kept <= 0.75 * len(rows) + 1


def test_the_settings_are_stored_whole(run: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    assert config["settings"]["image_size"] == 32
    assert signwise.TrainConfig.from_file(run / "config.json").epochs == 6


def test_a_run_is_not_overwritten(data: Path, run: Path) -> None:
    before = (run / "model.onnx").read_bytes()
    with pytest.raises(SignwiseError, match=r"holds a run: .*--resume"):
        signwise.train(data, run, **SMALL)
    assert (run / "model.onnx").read_bytes() == before


def test_resuming_a_finished_run_leaves_its_bits(data: Path, run: Path) -> None:
    names = ("model.onnx", "model.safetensors", "history.csv")
    before = [(run / name).read_bytes() for name in names]
    # As after a kill between the last checkpoint and the row that follows it.
    (run / "history.csv").write_bytes(b"".join(before[2].splitlines(keepends=True)[:-1]))
    signwise.train(data, run, resume=True)
    assert [(run / name).read_bytes() for name in names] == before


def test_what_is_kept_is_the_average_of_the_best_epoch(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter((0.5, 0.25, 0.75))
    measured: list[dict[str, torch.Tensor]] = []

    def validate(network: nn.Module, *_: object) -> tuple[float, float]:
        measured.append({name: value.clone() for name, value in network.state_dict().items()})
        return next(losses), 0.5

    monkeypatch.setattr(loop, "validate", validate)
    signwise.train(data, tmp_path / "run", **SMALL | {"epochs": 3, "threads": 1})
    assert torch.get_num_threads() == 1
    kept, facts = load_tensors(tmp_path / "run" / "model.safetensors")
    assert facts["epoch"] == 2
    assert all(torch.equal(kept[name], value) for name, value in measured[1].items())
    last, _ = load_tensors(tmp_path / "run" / "last.safetensors")
    average = {name: last[f"average.module.{name}"] for name in kept}
    assert all(torch.equal(average[name], value) for name, value in measured[2].items())
    assert not torch.equal(average["fc.weight"], last["weights.fc.weight"])


def test_the_file_holds_what_was_fitted_on_validation(data: Path, run: Path) -> None:
    prepared = load_data(data)
    rows = np.flatnonzero(prepared.table["split"] == "val")
    labels = np.array([prepared.classes.index(name) for name in prepared.table["label"][rows]])
    network = build_model("shufflenet_v2_x0_5", 3, 32, "none")
    network.load_state_dict(load_tensors(run / "model.safetensors")[0])
    pixels = load_pixels(prepared, 32)
    logits = loop.network_logits(network, pixels, rows, torch.device("cpu"))[:, :2]
    found = calibrate(logits.astype(np.float64), labels, np.ones(2))
    predictor = Predictor(run)
    assert predictor.metadata["temperature"] == pytest.approx(found.temperature, rel=1e-3)
    assert predictor.metadata["offsets"] == [0, 0]  # as many of one class as of the other
    probabilities = predictor.scores(pixels[rows])[0]
    assert np.allclose(probabilities, found.probabilities(logits.astype(np.float64)), atol=1e-3)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_memory_that_runs_out_names_the_flag_and_leaves_no_run(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("signwise.training.train.run_epoch", fail)
    with pytest.raises(SignwiseError, match="out of memory: set a smaller --batch-size"):
        signwise.train(data, tmp_path / "run", **SMALL)
    assert not (tmp_path / "run").exists()


def test_what_a_tracker_leaves_is_not_in_the_way(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    out.mkdir()

    def fail(*_: object) -> None:
        (out / "tensorboard").mkdir()
        raise SignwiseError("stopped")

    with monkeypatch.context() as patch:
        patch.setattr("signwise.training.train.run_epoch", fail)
        with pytest.raises(SignwiseError, match="stopped"):
            signwise.train(data, out, **SMALL)
    signwise.train(data, out, **{**SMALL, "epochs": 1})
    assert (out / "model.onnx").is_file()


def test_a_run_goes_on_from_another_folder_and_without_the_weights_it_began_from(
    data: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(run / "model.safetensors", tmp_path / "start.safetensors")
    monkeypatch.chdir(tmp_path)
    signwise.train(data, "run", **SMALL | {"weights": "start.safetensors", "epochs": 1})
    before = (tmp_path / "run" / "model.onnx").read_bytes()
    (tmp_path / "start.safetensors").unlink()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    signwise.train(data, "../run", resume=True)
    assert (tmp_path / "run" / "model.onnx").read_bytes() == before


def test_changed_strangers_are_refused(data: Path, tmp_path: Path) -> None:
    strangers = toy_strangers(tmp_path / "strangers", 3)
    out = tmp_path / "run"
    Image.new("RGB", (20, 20), (200, 10, 10)).save(strangers / "plain.bmp")
    signwise.train(data, out, **SMALL | {"unknown": str(strangers), "epochs": 1})
    # Of the same size, but another picture.
    Image.new("RGB", (20, 20), (10, 10, 200)).save(strangers / "plain.bmp")
    with pytest.raises(SignwiseError, match="--resume: what --unknown holds changed"):
        signwise.train(data, out, resume=True)
    (strangers / "00000.png").unlink()
    with pytest.raises(SignwiseError, match="--resume: what --unknown holds changed"):
        signwise.train(data, out, resume=True)


def test_changed_settings_are_refused_by_name(data: Path, run: Path) -> None:
    with pytest.raises(SignwiseError, match=r"--resume: --learning-rate, --momentum changed"):
        signwise.train(data, run, resume=True, learning_rate=0.5, momentum=0.1)


def test_a_checkpoint_of_another_version_is_an_error(data: Path, run: Path, tmp_path: Path) -> None:
    older = tmp_path / "older"
    shutil.copytree(run, older)
    state, facts = load_tensors(older / "last.safetensors")
    kept = {name: value for name, value in state.items() if not name.startswith("average.")}
    save_tensors(older / "last.safetensors", kept, facts)
    with pytest.raises(SignwiseError, match="--resume: the checkpoint is of another version"):
        signwise.train(data, older, resume=True)


def test_changed_data_is_refused(run: Path, tmp_path: Path) -> None:
    photos = toy_folder(tmp_path / "photos", ("a", "b"), 24, frames=4, seed=5)
    signwise.prepare(photos, tmp_path / "data", image_size=32)
    with pytest.raises(SignwiseError, match=r"--resume: .*data changed"):
        signwise.train(tmp_path / "data", run, resume=True)


def test_a_folder_that_is_no_run_is_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(SignwiseError, match="did not write"):
        signwise.train(data, tmp_path, **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_rate_that_explodes_is_an_error_and_not_a_model(data: Path, tmp_path: Path) -> None:
    with pytest.raises(SignwiseError, match="lower --learning-rate"):
        signwise.train(data, tmp_path / "run", **{**SMALL, "learning_rate": 1e18})
    assert not (tmp_path / "run" / "model.onnx").exists()


@pytest.mark.parametrize("made", [False, True])
def test_a_run_that_failed_before_it_began_is_not_in_the_way(
    data: Path, tmp_path: Path, made: bool
) -> None:
    out = tmp_path / "run"
    if made:
        out.mkdir()
    with pytest.raises(SignwiseError, match=r"--unknown .*no such folder"):
        signwise.train(data, out, **{**SMALL, "unknown": tmp_path / "nothing"})
    assert (list(out.iterdir()) if made else out.exists()) in ([], False)
    signwise.train(data, out, **{**SMALL, "unknown": "none", "epochs": 1})
    assert (out / "model.onnx").is_file()


def test_without_validation_pictures_the_error_names_the_class(tmp_path: Path) -> None:
    photos = toy_folder(tmp_path / "photos", ("a", "b"), 16, frames=4)
    signwise.prepare(photos, tmp_path / "data", image_size=32, split=(0.75, 0.0, 0.25))
    with pytest.raises(SignwiseError, match="no val pictures of a"):
        signwise.train(tmp_path / "data", tmp_path / "run", **SMALL)


@pytest.mark.skipif(torch.cuda.is_available(), reason="only where there is no GPU to name")
def test_a_device_that_is_not_there_is_an_error(data: Path, tmp_path: Path) -> None:
    with pytest.raises(SignwiseError, match="--device cuda"):
        signwise.train(data, tmp_path / "run", device="cuda", **SMALL)


def test_unreadable_negatives_are_problems_of_the_result(data: Path, tmp_path: Path) -> None:
    strangers = tmp_path / "strangers"
    strangers.mkdir()
    for index in range(3):
        Image.new("RGB", (20, 20), (index * 80, 200, 30)).save(strangers / f"{index}.png")
    (strangers / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    result = signwise.train(data, tmp_path / "run", **{**SMALL, "unknown": str(strangers)})
    assert [Path(row["path"]).name for row in result.problems] == ["broken.png"]


def test_without_negatives_known_is_the_largest_probability(data: Path, tmp_path: Path) -> None:
    signwise.train(data, tmp_path / "run", **{**SMALL, "unknown": "none"})
    predictor = Predictor(tmp_path / "run")
    assert predictor.threshold == 0
    pixels = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    probabilities, known = predictor.scores(pixels)
    assert np.array_equal(probabilities.max(1), known)


def test_a_frozen_body_keeps_its_weights(data: Path, run: Path, tmp_path: Path) -> None:
    weights = str(run / "model.safetensors")
    out = tmp_path / "frozen"
    signwise.train(data, out, **{**SMALL, "weights": weights, "freeze": True, "epochs": 1})
    before, after = (load_file(folder / "model.safetensors") for folder in (run, out))
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert set(before) - same == {"fc.weight", "fc.bias"}


def test_history_has_a_row_an_epoch(run: Path) -> None:
    with (run / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    assert all(float(row["seconds"]) > 0 for row in rows)
