"""model.onnx: the same numbers as the network, the contract's names and types, or no file."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from signwise.errors import SignwiseError
from signwise.training import deployed, export

SIZE = 8


def tiny_network(outputs: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten(), nn.Linear(180, outputs)
    ).eval()


def metadata(**changes: Any) -> dict[str, Any]:
    return {
        "format": 1,
        "classes": ["a", "b", "ü 停"],
        "image_size": SIZE,
        "temperature": 1.7,
        "offsets": [0.5, -0.25, 0.0],
        "threshold": 0.5,
    } | changes


def pixels(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


@pytest.mark.parametrize("outputs", [3, 4])
def test_the_file_answers_as_the_network(tmp_path: Path, outputs: int) -> None:
    network, pictures = tiny_network(outputs), pixels(7)
    path = tmp_path / "model.onnx"
    difference = export.export_onnx(network, path, pictures, metadata())
    assert difference < 1e-5
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    probabilities, known = session.run(["probabilities", "known"], {"images": pictures})
    assert probabilities.shape == (7, 3)
    assert known.shape == (7,)
    assert np.allclose(probabilities.sum(1), 1, atol=1e-6)
    unit = torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255
    mean, deviation = (
        torch.tensor(constants).view(3, 1, 1)
        for constants in (deployed.MEAN, deployed.STANDARD_DEVIATION)
    )
    offsets = torch.tensor(metadata()["offsets"])
    logits = network((unit - mean) / deviation).detach()[:, :3]
    assert np.allclose(probabilities, torch.softmax(logits / 1.7 - offsets, 1), atol=1e-5)
    wanted = (
        torch.sigmoid(logits.amax(1) / deployed.KNOWN_SCALE)
        if outputs == 4
        else torch.softmax(logits / 1.7 - offsets, 1).amax(1)
    )
    assert np.allclose(known, wanted, atol=1e-5)


def test_metadata_and_types_are_the_contract(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export.export_onnx(tiny_network(), path, pixels(2), metadata())
    model = onnx.load(path)
    entries = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(entries["signwise"]) == metadata()
    (images,) = model.graph.input
    assert images.name == "images"
    assert images.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    dims = images.type.tensor_type.shape.dim
    assert [dim.dim_value for dim in dims[1:]] == [SIZE, SIZE, 3]
    assert dims[0].dim_param
    assert [output.name for output in model.graph.output] == ["probabilities", "known"]
    assert str(Path.home()) not in str(model)


def test_the_same_network_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.onnx", "two.onnx"):
        export.export_onnx(tiny_network(), tmp_path / name, pixels(2), metadata())
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "two.onnx").read_bytes()


def test_a_file_that_differs_from_the_network_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"the old file")
    graph = export._graph

    def wrong(module: nn.Module, size: int) -> onnx.ModelProto:
        model = graph(module, size)
        for tensor in model.graph.initializer:
            if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) == 4:
                values = onnx.numpy_helper.to_array(tensor) * 1.01
                tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
        return model

    monkeypatch.setattr(export, "_graph", wrong)
    with pytest.raises(SignwiseError, match="differs from the network"):
        export.export_onnx(tiny_network(), path, pixels(50), metadata())
    assert path.read_bytes() == b"the old file"
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]
