"""Tensors and JSON in one file, whole or not at all; other files are refused in words."""

import errno
import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from signwise.errors import SignwiseError
from signwise.results import Epoch
from signwise.training.checkpoint import CheckpointFacts, load_facts, load_tensors, save_tensors
from signwise.training.optim import OptimizerFacts

ROW = Epoch(
    epoch=3,
    learning_rate=0.1 + 0.2,
    train_loss=1 / 3,
    train_accuracy=0.5,
    val_loss=2.5e-8,
    val_accuracy=1.0,
    seconds=12.5,
)
FACTS = CheckpointFacts(
    history=(ROW,),
    lowest_losses=(2e-8,),
    optimizer=OptimizerFacts(
        kind="Adam",
        numbers={"0.step": 3, "1.mu": 0.1},
        param_groups=[{"lr": 1e-3, "betas": [0.9, 0.999], "foreach": None, "params": [0, 1]}],
    ),
)


def test_tensors_and_facts_come_back_to_the_bit(tmp_path: Path) -> None:
    file = tmp_path / "last.safetensors"
    parameter = torch.nn.Parameter(torch.rand(2, 3, 4, 4).to(memory_format=torch.channels_last))
    tensors = {"a": parameter, "b": torch.tensor(7), "c": torch.rand(3).half(), "d": torch.empty(0)}
    save_tensors(file, tensors, FACTS)
    found = load_tensors(file)
    assert found.keys() == tensors.keys()
    for name, value in tensors.items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value)
        assert not found[name].requires_grad
    assert load_facts(file, CheckpointFacts) == FACTS
    assert [path.name for path in tmp_path.iterdir()] == ["last.safetensors"]


def test_twins_that_are_equal_are_written_once(tmp_path: Path) -> None:
    file, one = tmp_path / "last.safetensors", torch.arange(6.0).view(2, 3)
    tensors = {
        "a": one,
        "same": one.clone(),
        "negative": torch.where(one == 0, -one, one),  # 0 becomes -0
        "other": one + 1,
        "shape": one.clone().view(3, 2),
        "number": one.to(torch.int32),
    }
    twins = {name: "a" for name in tensors if name != "a"}
    save_tensors(file, tensors, FACTS, twins)
    with safe_open(file, framework="pt") as opened:
        assert set(opened.keys()) == tensors.keys() - {"same"}
    found = load_tensors(file)
    assert found.keys() == tensors.keys()
    for name, value in tensors.items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value)
    assert torch.signbit(found["negative"][0, 0])
    found["same"].zero_()
    assert torch.equal(found["a"], one)
    assert load_facts(file, CheckpointFacts) == FACTS


@pytest.mark.parametrize("same", ["no JSON", '{"b": 3}', '{"b": "gone"}', "[]"])
def test_twins_that_make_no_sense_are_refused(same: str, tmp_path: Path) -> None:
    file = tmp_path / "last.safetensors"
    save_file({"a": torch.zeros(1)}, file, metadata={"signwise": "{}", "same": same})
    with pytest.raises(SignwiseError, match=r"last\.safetensors is no checkpoint of signwise"):
        load_tensors(file)


def test_the_facts_are_json_that_a_person_can_read(tmp_path: Path) -> None:
    save_tensors(tmp_path / "model.safetensors", {"a": torch.zeros(1)}, ROW)
    with safe_open(tmp_path / "model.safetensors", framework="pt") as file:
        content = json.loads(file.metadata()["signwise"])
    assert content == ROW.to_json()
    assert load_facts(tmp_path / "model.safetensors", Epoch) == ROW


def test_a_failure_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "last.safetensors"
    save_tensors(file, {"a": torch.zeros(1)}, ROW)
    before = file.read_bytes()

    def no_space(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", no_space)
    with pytest.raises(SignwiseError, match=r"last\.safetensors: No space left"):
        save_tensors(file, {"a": torch.ones(1)}, ROW)
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["last.safetensors"]


def test_other_files_are_refused_by_name(tmp_path: Path) -> None:
    text = tmp_path / "text.safetensors"
    text.write_text("no tensors")
    foreign = tmp_path / "foreign.safetensors"
    save_file({"a": torch.zeros(1)}, foreign)
    other = tmp_path / "other.safetensors"
    save_tensors(other, {"a": torch.zeros(1)}, {"epoch": "three"})
    none = tmp_path / "none.safetensors"
    for file in (text, none):
        with pytest.raises(SignwiseError, match=rf"{file.name} is no checkpoint of signwise"):
            load_tensors(file)
    for file in (text, none, foreign, other):
        for kind in (Epoch, CheckpointFacts):
            with pytest.raises(SignwiseError, match=rf"{file.name} is no checkpoint of signwise"):
                load_facts(file, kind)
    assert load_tensors(foreign).keys() == {"a"}
