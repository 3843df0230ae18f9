"""Several processes train as one does: the same figures, one voice, and an end where one ends."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ranks_worker
import signwise
from signwise.cli.main import main
from signwise.config import Traits
from signwise.errors import SignwiseError
from signwise.inference.predictor import Predictor
from signwise.runtime import Launched, launched
from signwise.training import ranks, train
from signwise.training.device import choose_device
from toy import toy_folder
from toy_training import QUICK

TESTS = Path(__file__).parent
LAUNCHERS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


def free_ports(count: int) -> list[str]:
    """Ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    numbers = [str(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return numbers


def environment(**changes: str) -> dict[str, str]:
    """That of a process which uses one thread and finds the tests."""
    kept = {name: value for name, value in os.environ.items() if name not in LAUNCHERS}
    paths = [*sys.path, str(TESTS)]
    loopback = "lo0" if sys.platform == "darwin" else "lo"
    own = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": loopback}
    return kept | own | {"PYTHONPATH": os.pathsep.join(paths)} | changes


def start(size: int, out: Path, arguments: Sequence[str]) -> list[dict[str, Any]]:
    """Run the worker in so many processes; gives what each of them found."""
    if os.name == "nt":
        pytest.skip("another operating system: PyTorch's store of words wants libuv")
    ports = ",".join(free_ports(4))
    processes = [
        subprocess.Popen(
            [sys.executable, str(TESTS / "ranks_worker.py"), str(out), ports, *arguments],
            env=environment(
                RANK=str(rank), WORLD_SIZE=str(size), LOCAL_RANK=str(rank), MASTER_ADDR="127.0.0.1"
            ),
            cwd=out,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(size)
    ]
    try:
        said = [process.communicate(timeout=1200)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert [process.returncode for process in processes] == [0] * size, "\n".join(said)
    return [json.loads((out / f"{rank}.json").read_text()) for rank in range(size)]


@pytest.fixture(scope="module")
def arguments(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command line of a short run with a learning rate that lets rounding stay small."""
    config = tmp_path_factory.mktemp("config") / "config.json"
    config.write_text(json.dumps(QUICK.to_json()))
    return ["train", str(prepared), "--config", str(config), "--learning-rate", "0.002"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two processes write."""
    return tmp_path_factory.mktemp("two")


@pytest.fixture(scope="module")
def two(arguments: list[str], folder: Path) -> list[dict[str, Any]]:
    """What two processes found."""
    return start(2, folder, [*arguments, "--out", str(folder / "run")])


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one process finds."""
    return ranks_worker.measured(tmp_path_factory.mktemp("alone"))


@pytest.mark.parametrize("name", ["float64", "float64 renormalised"])
def test_two_processes_train_as_one_does(
    two: list[dict[str, Any]], alone: dict[str, Any], name: str
) -> None:
    assert two[0][name] == two[1][name]
    assert np.array(two[0][name]) == pytest.approx(np.array(alone[name]), abs=1e-4)


@pytest.mark.parametrize("name", ["float32", "float32 renormalised", "stage one"])
def test_rounding_moves_it_by_little(
    two: list[dict[str, Any]], alone: dict[str, Any], name: str
) -> None:
    assert two[0][name] == two[1][name]
    # In parts of itself: the weights of a head are no probabilities.
    assert np.array(two[0][name]) == pytest.approx(np.array(alone[name]), rel=1e-3, abs=1e-3)


def test_shares_make_up_the_whole(two: list[dict[str, Any]]) -> None:
    assert [each["share"] for each in two] == [[0, 2], [2, 5]]
    for each in two:
        assert each["of none"] == [[1, 1]]
        assert each["sum"] == 3
        assert each["agreed"] == 7


def test_a_failure_in_one_ends_all_and_one_says_it(two: list[dict[str, Any]]) -> None:
    for name, number in (("writer fails", 0), ("other fails", 1)):
        text = f"the disk of {number} is full"
        assert two[0][name] == [f"SignwiseError: {text}"] * 2
        assert two[1][name] == [f"ToldElsewhere: {text}"] * 2


def test_one_process_writes_and_speaks(
    two: list[dict[str, Any]], alone_run: Path, two_run: Path
) -> None:
    assert [each["train"]["status"] for each in two] == [0, 0]
    assert "right on the validation set" in two[0]["train"]["out"]
    assert "epoch 2 of 2" in two[0]["train"]["err"]
    assert (two[1]["train"]["out"], two[1]["train"]["err"]) == ("", "")
    assert json.loads((two_run / "config.json").read_text())["processes"] == 2
    assert not list(two_run.glob(".signwise.[lh]*"))
    names = [sorted(path.name for path in run.iterdir()) for run in (two_run, alone_run)]
    assert names[0] == names[1]


def test_the_runs_answer_alike(alone_run: Path, two_run: Path, prepared: Path) -> None:
    rows = [
        np.loadtxt(run / "history.csv", delimiter=",", skiprows=1)[:, :6]
        for run in (two_run, alone_run)
    ]
    assert rows[0] == pytest.approx(rows[1], abs=1e-3)
    photos = prepared.parent / "photos"
    found = [signwise.predict(run, [photos]).rows for run in (two_run, alone_run)]
    labels = [[row["label"] for row in each] for each in found]
    assert labels[0] == labels[1]


@pytest.fixture(scope="module")
def two_run(two: list[dict[str, Any]], folder: Path) -> Path:
    """The run that two processes trained."""
    assert two
    return folder / "run"


@pytest.fixture(scope="module")
def alone_run(arguments: list[str], toy_net: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of one process."""
    assert toy_net == QUICK.model
    out = tmp_path_factory.mktemp("one") / "run"
    assert main([*arguments, "--out", str(out)]) == 0
    return out


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("again", "holds a run: give --out a new folder, or go on with --resume"),
        ("bad value", "--epochs must be at least 1"),
    ],
)
def test_an_error_is_one_line(two: list[dict[str, Any]], name: str, text: str) -> None:
    assert [each[name]["status"] for each in two] == [2, 2]
    line, *more = two[0][name]["err"].splitlines()
    assert text in line
    assert line.startswith("error: ")
    assert not more
    assert [each[name]["out"] for each in two] == ["", ""]
    assert two[1][name]["err"] == ""


def test_a_gpu_for_each_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda _: None)
    monkeypatch.setattr(ranks, "count", lambda: 3)
    monkeypatch.setattr(ranks, "local_rank", lambda: 1)
    assert choose_device("auto") == torch.device("cuda", 1)
    monkeypatch.setattr(ranks, "local_rank", lambda: 2)
    with pytest.raises(SignwiseError, match=r"^`device` cuda: more processes than the 2 GPUs"):
        choose_device("auto")


def test_a_run_that_leaves_gpus_idle_says_how_to_take_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    train._tell_of_more_gpus(torch.device("cpu"))
    assert capsys.readouterr().err == ""
    train._tell_of_more_gpus(torch.device("cuda"))
    assert "torchrun --nproc-per-node 4 -m signwise train" in capsys.readouterr().err


def test_every_process_has_a_picture_of_each_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    traits = Traits(kind="signs", pictures=7, data_size=8, usual_side=8)
    config = QUICK.resolve(traits)
    monkeypatch.setattr(ranks, "count", lambda: 7)
    train._check_shares(config, traits)
    monkeypatch.setattr(ranks, "count", lambda: 8)
    with pytest.raises(SignwiseError, match=r"^`batch_size` 16 gives batches of 7 .* 8 processes"):
        train._check_shares(config, traits)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, Launched(0, 1, 0)),
        ({"RANK": "0", "WORLD_SIZE": "1"}, Launched(0, 1, 0)),
        ({"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}, Launched(3, 4, 1)),
        ({"RANK": "3", "WORLD_SIZE": "4"}, Launched(3, 4, 3)),
        ({"WORLD_SIZE": "4"}, Launched(0, 1, 0)),
        ({"RANK": "first", "WORLD_SIZE": "4"}, Launched(0, 1, 0)),
    ],
)
def test_the_launcher_says_which_process_this_is(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], wanted: Launched
) -> None:
    for name in LAUNCHERS:
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert launched() == wanted


def test_a_launcher_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, prepared: Path, tmp_path: Path
) -> None:
    for name in LAUNCHERS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SignwiseError, match="start tune without torchrun"):
        signwise.tune(prepared, tmp_path / "study")
    with pytest.raises(SignwiseError, match=r"process 0 of 2, .* MASTER_ADDR .* torchrun"):
        signwise.train(prepared, tmp_path / "run", QUICK)


@pytest.mark.nightly
@pytest.mark.usefixtures("toy_net")
def test_four_processes_and_a_class_of_fewer_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole run comes to what one process comes to, by interval."""
    photos = toy_folder(tmp_path / "photos", per_class=60, frames=1)
    for path in sorted((photos / "stop").iterdir())[5:]:
        path.unlink()
    signwise.prepare(photos, tmp_path / "data", image_size=16)
    table = (tmp_path / "data" / "manifest.csv").read_text()
    assert 0 < len(re.findall(r"stop,.*,train,", table)) < 4
    config = tmp_path / "config.json"
    config.write_text(json.dumps(QUICK.to_json()))
    arguments = ["train", str(tmp_path / "data"), "--config", str(config), "--epochs", "8"]
    four = start(4, tmp_path, [*arguments, "--out", str(tmp_path / "run")])
    assert [each["train"]["status"] for each in four] == [0] * 4
    assert len({each["train"]["out"] for each in four}) == 2
    assert len({json.dumps(each["float64"]) for each in four}) == 1
    alone = ranks_worker.measured(tmp_path)
    assert np.array(four[0]["float64"]) == pytest.approx(np.array(alone["float64"]), abs=1e-4)
    assert main([*arguments, "--out", str(tmp_path / "one"), "--json"]) == 0
    one = json.loads(capsys.readouterr().out)["figures"]["validation"]
    many = Predictor(tmp_path / "run").record.figures.validation
    assert many is not None
    assert one["accuracy_ci95"][0] <= many.accuracy <= one["accuracy_ci95"][1]
    assert many.accuracy_ci95[0] <= one["accuracy"] <= many.accuracy_ci95[1]


@pytest.mark.nightly
@pytest.mark.parametrize("flags", [["--epochs", "0"], ["--batch-size", "2"]])
def test_torchrun_ends_with_one_error(prepared: Path, tmp_path: Path, flags: list[str]) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "3"]
    torchrun += ["--master-port", free_ports(1)[0], "-m", "signwise"]
    arguments = ["train", str(prepared), "--out", str(tmp_path / "run"), "--weights", "none"]
    done = subprocess.run(
        [*torchrun, *arguments, *flags],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode != 0
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert flags[0] in line
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("weights", ["none", "signs"])
def test_a_gpu_trains(prepared: Path, tmp_path: Path, weights: str) -> None:
    """On CUDA, in both stages, to a model.onnx that the certificate of equal answers let pass."""
    run = tmp_path / "run"
    small = QUICK.negatives
    result = signwise.train(
        prepared, run, weights=weights, epochs=2, device="cuda", negatives=small, image_size=32
    )
    assert json.loads((run / "config.json").read_text())["device"] == "cuda"
    assert all(np.isfinite(row.train_loss) for row in result.history)
    assert Predictor(run).image_size == 32


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="no GPU, or but one")
def test_two_gpus_train_as_one_does(prepared: Path, tmp_path: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node"]
    losses = []
    for number in ("1", "2"):
        arguments = ["train", str(prepared), "--out", str(tmp_path / number), "--weights", "none"]
        arguments += ["--epochs", "2", "--device", "cuda", "--learning-rate", "0.002"]
        command = [*torchrun, number, "--master-port", free_ports(1)[0], "-m", "signwise"]
        subprocess.run([*command, *arguments], env=environment(), check=True, timeout=600)
        rows = np.loadtxt(tmp_path / number / "history.csv", delimiter=",", skiprows=1)
        losses.append(rows[:, 2])
    assert losses[0] == pytest.approx(losses[1], rel=0.05)  # in bfloat16
