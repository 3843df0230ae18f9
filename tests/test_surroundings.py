"""Machines as they are: no shared memory, a daemonic worker, read-only data, another Python."""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from signwise import parallel
from signwise.cli.main import main
from signwise.config import Crop
from signwise.data.manifest import load_data
from signwise.data.pixels import cache_path, load_pixels
from signwise.errors import SignwiseError
from signwise.inference.predict import predict
from signwise.inference.predictor import Predictor
from signwise.training.finish import versions
from toy import toy_folder, toy_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("surroundings")
    toy_folder(root / "photos", per_class=9)
    toy_model(root / "toy.onnx")
    return root


def process_of(_: int) -> int:
    return os.getpid()


def pids() -> set[int]:
    return set(parallel.map_chunks(process_of, range(3), total=3, chunk_size=1, workers=2))


def test_a_daemonic_process_works_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the workers of a multiprocessing.Pool and of Celery are."""
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)  # type: ignore[attr-defined]
    assert pids() == {os.getpid()}


def test_without_shared_memory_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where /dev/shm is missing: joblib finds out when it is imported."""
    monkeypatch.setattr("joblib.effective_n_jobs", lambda _: 1)
    assert pids() == {os.getpid()}


def test_where_no_process_can_be_had_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("joblib.Parallel.__call__", fail)
    assert pids() == {os.getpid()}


def test_data_that_cannot_be_written_is_cached_elsewhere(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = load_data(prepared)
    expected = load_pixels(data, 16).copy()
    cache_path(prepared, 16).unlink()
    fill = load_pixels.__globals__["_fill"]

    def read_only(data: object, size: int, crop: Crop, path: Path, key: str) -> None:
        if path.parent == prepared:
            raise OSError(30, "Read-only file system", str(path))
        fill(data, size, crop, path, key)

    monkeypatch.setitem(load_pixels.__globals__, "_fill", read_only)
    with pytest.raises(SignwiseError, match=r"can't be written \(Read-only file system\): prep"):
        load_pixels(data, 16)
    for _ in range(2):  # made, then found
        assert np.array_equal(load_pixels(data, 16, spare=tmp_path), expected)
    assert not cache_path(prepared, 16).exists()
    assert cache_path(tmp_path, 16).is_file()
    hostile = np.zeros((len(data.table), 8, 8, 3), np.float32)
    with cache_path(tmp_path, 8).open("wb") as file:
        np.save(file, hostile)
        file.write(load_pixels.__globals__["cache_key"](list(data.table["sha256"]), 8).encode())
    monkeypatch.undo()
    found = load_pixels(replace(data, directory=tmp_path), 8)
    assert found.dtype == np.uint8, "a cache of another kind is made anew"


WAYS: dict[str, Callable[[list[str]], object]] = {
    "array": np.array,
    "array of objects": lambda paths: np.array([Path(path) for path in paths], object),
    "array of rows": lambda paths: np.array(paths)[:, None],
    "tuple": tuple,
    "iterator": iter,
}


@pytest.mark.parametrize("way", WAYS)
def test_paths_come_in_any_sequence(folder: Path, way: str) -> None:
    paths = [str(path) for path in sorted((folder / "photos").rglob("*.png"))]
    found = predict(folder / "toy.onnx", WAYS[way](paths)).rows  # type: ignore[arg-type]
    assert [row["path"] for row in found] == paths
    assert not any(row["error"] for row in found)
    answers = Predictor(folder / "toy.onnx").predict(WAYS[way](paths))  # type: ignore[arg-type]
    assert [one.path for one in answers] == paths


@pytest.mark.parametrize(
    ("images", "what"),
    [
        (None, "is None"),
        ([None], "holds None"),
        (3, "is a int"),
        ({"a": "b.png"}, "is a dict"),
        ({"b.png"}, "is a set"),
        ([["b.png"]], "holds a list"),
        (torch.zeros(3, 8, 8), r"is a torch\.Tensor"),
        (torch.zeros(2, 3, 8, 8), r"is a torch\.Tensor"),
        ([torch.zeros(3, 8, 8)], r"holds a torch\.Tensor"),
        (np.array([None, "b.png"]), "holds None"),
    ],
    ids=range(10),
)
def test_what_is_no_picture_is_an_error_that_says_what_is(
    folder: Path, images: object, what: str
) -> None:
    with pytest.raises(SignwiseError, match=rf"^`images` {what}: give paths, bytes, PIL images"):
        predict(folder / "toy.onnx", images)  # type: ignore[arg-type]
    with pytest.raises(SignwiseError, match=rf"^`images` {what}: "):
        Predictor(folder / "toy.onnx").predict(images)  # type: ignore[arg-type]


def test_versions_are_the_modules_own_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """onnxruntime-gpu and others bring the module under another distribution's name."""
    monkeypatch.setattr("importlib.metadata.version", lambda _: "of the distribution")
    monkeypatch.setattr(Image, "__version__", "own")
    found = versions()
    assert found["signwise"] == "of the distribution"
    assert found["torch"] == torch.__version__
    assert "of the distribution" not in [found[name] for name in found if name != "signwise"]


@pytest.mark.parametrize("level", ["1", "2"])
def test_an_optimised_python_has_its_help(level: str, tmp_path: Path) -> None:
    environment = os.environ | {
        "PYTHONOPTIMIZE": level,
        "PYTHONPYCACHEPREFIX": str(tmp_path),
        "COLUMNS": "200",
    }
    for arguments, words in (
        (["--help"], ("Train on what prepare wrote, calibrate", "List the models that ship")),
        (["train", "--help"], ("Run folder to write.", "Peak learning rate of the schedule.")),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "signwise", *arguments],
            capture_output=True,
            text=True,
            env=environment,
        )
        assert done.returncode == 0, done.stderr
        for each in words:
            assert each in done.stdout


@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&-", "2>/dev/full"])
def test_the_work_is_done_whatever_the_streams_are(
    folder: Path, tmp_path: Path, closed: str
) -> None:
    command = f"{sys.executable} -m signwise prepare {folder / 'photos'} --out {tmp_path / 'd'}"
    done = subprocess.run(["bash", "-c", f"{command} {closed}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "d" / "data.json").is_file()


@pytest.mark.skipif(sys.platform != "linux", reason="another operating system")
def test_a_folder_that_is_gone_is_told(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert main(["predict", str(folder / "toy.onnx"), str(folder / "photos")]) == 2
    assert capsys.readouterr().err.startswith("error: the folder that you are in is gone: change")
