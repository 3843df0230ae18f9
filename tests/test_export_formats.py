"""Formats of a model beside model.onnx, and the certificate that they decide alike."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from signwise.errors import SignwiseError
from signwise.export.certificate import Certificate, certify
from signwise.export.formats import FORMATS
from signwise.inference.predictor import Predictor
from signwise.model_file.read import read_model
from signwise.model_file.record import ModelRecord
from signwise.training.graph import export_onnx
from toy import toy_model, toy_picture

SIZE = 8
PIXELS = np.random.default_rng(0).integers(0, 256, (64, SIZE, SIZE, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model.onnx of a network of a few neurons."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten(), nn.Linear(180, 3)
    ).eval()
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    record = ModelRecord(
        signwise_version="9", classes=("a", "ü 停"), image_size=SIZE, threshold=0.5
    )
    export_onnx(network, path, PIXELS, record, known_scale=4.0)
    return path


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_answers_as_the_model(model: Path, tmp_path: Path, name: str) -> None:
    written = FORMATS[name](read_model(model), tmp_path, PIXELS)
    assert written.parent == tmp_path
    assert [path.name for path in tmp_path.iterdir()] == [written.name]
    certificate = certify(Predictor(model), Predictor(tmp_path), PIXELS)
    assert certificate.n == len(PIXELS)
    assert certificate.decisions_differ <= 3
    assert certificate.largest_difference < 0.1


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_keeps_the_record_and_needs_pictures(
    model: Path, tmp_path: Path, name: str
) -> None:
    written = FORMATS[name](read_model(model), tmp_path, PIXELS)
    assert read_model(written).record == read_model(model).record
    with pytest.raises(SignwiseError, match="pictures"):
        FORMATS[name](read_model(model), tmp_path, PIXELS[:0])


def test_int8_has_int8_weights_by_channel(model: Path, tmp_path: Path) -> None:
    written = onnx.load(FORMATS["onnx-int8"](read_model(model), tmp_path, PIXELS))
    weights = {len(t.dims): t for t in written.graph.initializer if t.data_type == 3 and t.dims}
    assert set(weights) >= {2, 4}  # the head's and the convolution's
    scales = [t for t in written.graph.initializer if "scale" in t.name and t.dims == [5]]
    assert scales, "one scale a channel of the convolution"


def test_a_model_decides_as_itself(tmp_path: Path) -> None:
    predictor = Predictor(toy_model(tmp_path / "model.onnx"))
    certificate = certify(predictor, predictor, _pictures())
    assert certificate == Certificate(
        n=30, decisions_differ=0, largest_difference=0.0, largest_difference_of_known=0.0
    )


def test_another_class_and_another_acceptance_are_other_decisions(tmp_path: Path) -> None:
    reference = Predictor(toy_model(tmp_path / "one.onnx", known="colour", threshold=0.5))
    swapped = Predictor(toy_model(tmp_path / "two.onnx", known="colour", threshold=0.0))
    certificate = certify(reference, swapped, _pictures())
    # Same probabilities: only the grey pictures, unknown to the one, get another label.
    assert (certificate.n, certificate.decisions_differ) == (30, 10)
    assert certificate.largest_difference == 0
    flat = Predictor(toy_model(tmp_path / "three.onnx", sharpness=-40, threshold=0.0))
    assert certify(swapped, flat, _pictures()[:20]).decisions_differ == 20


def test_a_certificate_needs_pictures_and_numbers(tmp_path: Path) -> None:
    predictor = Predictor(toy_model(tmp_path / "model.onnx"))
    with pytest.raises(SignwiseError, match="needs pictures"):
        certify(predictor, predictor, _pictures()[:0])
    broken = Predictor(toy_model(tmp_path / "broken.onnx", sharpness=float("nan")))
    with pytest.raises(SignwiseError, match="not a number"):
        certify(predictor, broken, _pictures())


def _pictures() -> np.ndarray:
    """Ten of each class, then ten of none: (30, 32, 32, 3)."""
    rng = np.random.default_rng(0)
    shown = [index for index in (0, 1, None) for _ in range(10)]
    return np.stack([toy_picture(index, rng, 32) for index in shown])
