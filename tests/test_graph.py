"""model.onnx: the same numbers as the network, the contract's names and types, or no file."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import nn

from signwise.config import CalibrationConfig
from signwise.errors import SignwiseError
from signwise.model_file.read import read_model
from signwise.model_file.record import ModelRecord
from signwise.training import graph
from signwise.training.graph import ClassifierGraph, Normalise, answers_of, export_onnx

pytestmark = pytest.mark.numeric

SIZE = 8
SCALE = CalibrationConfig().known_scale
RECORD = ModelRecord(
    classes=("a", "b", "ü 停"),
    image_size=SIZE,
    temperature=1.7,
    offsets=(0.5, -0.25, 0.0),
    threshold=0.5,
)


def tiny_network(outputs: int = 3) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten(), nn.Linear(180, outputs)
        ).eval()


def pixels(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


def answers(path: Path, pictures: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found: list[NDArray[np.float32]] = session.run(["probabilities", "known"], {"images": pictures})
    return found


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a network with an output for unknown."""
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    assert export_onnx(tiny_network(4), path, pixels(7), RECORD, SCALE) < 1e-5
    return path


def test_normalised_pixels_have_imagenets_scale() -> None:
    pictures = torch.from_numpy(pixels(3))
    unit = pictures.permute(0, 3, 1, 2).numpy() / 255
    mean = np.array([0.485, 0.456, 0.406]).reshape(3, 1, 1)
    deviation = np.array([0.229, 0.224, 0.225]).reshape(3, 1, 1)
    normalise = Normalise()
    assert normalise(pictures).numpy() == pytest.approx((unit - mean) / deviation, abs=1e-5)
    again = normalise.from_unit(torch.from_numpy(unit).float())
    assert torch.allclose(again, normalise(pictures), atol=1e-6)
    assert normalise(pictures).dtype == torch.float32


def test_known_is_the_largest_sigmoid_softened() -> None:
    logits = torch.tensor([[2.0, -1.0, 9.0], [-3.0, -8.0, 9.0], [40.0, 0.0, 0.0]])
    probabilities, known = answers_of(logits, 2.0, torch.tensor([0.5, 0.0]), 4.0)
    wanted = 1 / (1 + np.exp(-np.array([2.0, -3.0, 40.0]) / 4))
    assert known.numpy() == pytest.approx(wanted)
    odds = np.exp(np.array([1.0 - 0.5 + 0.5, -1.5 - 0.5 + 4.0, 20.0 - 0.5]))
    assert probabilities[:, 0].numpy() == pytest.approx(odds / (1 + odds))
    assert probabilities.sum(1).numpy() == pytest.approx(np.ones(3))


def test_without_negatives_known_is_the_largest_probability() -> None:
    logits = torch.tensor([[2.0, -1.0], [-3.0, -8.0]])
    probabilities, known = answers_of(logits, 2.0, torch.zeros(2), 4.0)
    assert probabilities.shape == (2, 2)
    assert torch.equal(known, probabilities.amax(1))


def test_the_file_answers_as_the_network(exported: Path) -> None:
    network, pictures = tiny_network(4), pixels(7)
    probabilities, known = answers(exported, pictures)
    assert probabilities.shape == (7, 3)
    assert known.shape == (7,)
    logits = network(Normalise()(torch.from_numpy(pictures)))
    wanted = answers_of(logits.detach(), 1.7, torch.tensor(RECORD.offsets), SCALE)
    assert np.allclose(probabilities, wanted[0], atol=1e-5)
    assert np.allclose(known, wanted[1], atol=1e-5)
    for count in (1, 2, 300):
        assert len(answers(exported, pixels(count))[1]) == count


def test_a_network_of_the_classes_alone_without_offsets(tmp_path: Path) -> None:
    path, network = tmp_path / "model.onnx", tiny_network(3)
    network.train()
    record = replace(RECORD, offsets=None)
    assert export_onnx(network, path, pixels(7), record, SCALE) < 1e-5
    assert network.training, "the caller's network stays as it is"
    assert all(parameter.requires_grad for parameter in network.parameters())
    with torch.inference_mode():
        wanted = ClassifierGraph(network.eval(), 1.7, (0, 0, 0), SCALE)(torch.from_numpy(pixels(7)))
    for found, value in zip(answers(path, pixels(7)), wanted, strict=True):
        assert np.allclose(found, value, atol=1e-5)


def test_metadata_and_types_are_the_contract(exported: Path) -> None:
    model = onnx.load(exported)
    entries = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(entries["signwise"]) == RECORD.to_json()
    assert read_model(exported).record == RECORD
    (images,) = model.graph.input
    assert images.name == "images"
    assert images.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    dims = images.type.tensor_type.shape.dim
    assert [dim.dim_value for dim in dims[1:]] == [SIZE, SIZE, 3]
    assert dims[0].dim_param
    assert [output.name for output in model.graph.output] == ["probabilities", "known"]
    assert [each.version for each in model.opset_import if each.domain == ""] == [18]


def test_a_file_has_no_trace_of_the_machine(exported: Path) -> None:
    content = exported.read_bytes()
    for trace in (Path.home(), Path(graph.__file__).parent, Path(torch.__file__).parent):
        assert str(trace).encode() not in content
    assert not [node.name for node in onnx.load(exported).graph.node if node.metadata_props]


def test_the_same_network_gives_the_same_bytes(exported: Path, tmp_path: Path) -> None:
    export_onnx(tiny_network(4), tmp_path / "again.onnx", pixels(2), RECORD, SCALE)
    assert (tmp_path / "again.onnx").read_bytes() == exported.read_bytes()


def test_exporting_leaves_the_loggers_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = logging.getLogger("torch.onnx")
    level = logger.level

    def fail(*_: object, **__: object) -> None:
        assert logger.level == logging.ERROR
        raise RuntimeError("stopped")

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(RuntimeError, match="stopped"):
        export_onnx(tiny_network(), tmp_path / "model.onnx", pixels(2), RECORD, SCALE)
    assert logger.level == level
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("row", [0, 49])
def test_a_file_that_differs_from_the_network_is_not_written(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: int
) -> None:
    """However few pictures show it, and in whichever batch they are."""
    path = tmp_path / "model.onnx"
    path.write_bytes(b"the old file")
    whole = onnx.load(exported)
    pictures = np.zeros((50, SIZE, SIZE, 3), np.uint8)
    pictures[row] = pixels(1)[0]

    def wrong(*_: object) -> onnx.ModelProto:
        model = onnx.ModelProto()
        model.CopyFrom(whole)
        for tensor in model.graph.initializer:
            if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) == 4:
                values = numpy_helper.to_array(tensor) * 1.01
                tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
        return model

    monkeypatch.setattr(graph, "_to_onnx", wrong)
    monkeypatch.setattr(graph, "default_batch_size", lambda _: 7)
    with pytest.raises(SignwiseError, match=r"model\.onnx differs from the network by \d"):
        export_onnx(tiny_network(4), path, pictures, RECORD, SCALE)
    assert path.read_bytes() == b"the old file"
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]


def test_a_file_that_answers_no_number_is_not_written(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = onnx.load(exported)
    scale = next(each for each in whole.graph.initializer if each.data_type == 1 and each.dims)
    values = np.array(numpy_helper.to_array(scale))
    values.reshape(-1)[0] = np.nan
    scale.CopyFrom(numpy_helper.from_array(values, scale.name))
    monkeypatch.setattr(graph, "_to_onnx", lambda *_: whole)
    with pytest.raises(SignwiseError, match="differs from the network"):
        export_onnx(tiny_network(), tmp_path / "model.onnx", pixels(2), RECORD, SCALE)
    assert list(tmp_path.iterdir()) == []
