"""Where a model runs: the devices, and what is said where one is not there."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest

import signwise
from console import failure
from signwise.errors import SignwiseError
from signwise.inference import session
from signwise.inference.predictor import Predictor
from toy import toy_folder, toy_model, toy_picture

CUDA = "CUDAExecutionProvider"


def has_cuda() -> bool:
    return CUDA in onnxruntime.get_available_providers()


def test_a_device_that_is_not_there_is_named_with_the_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, photos = toy_model(tmp_path / "model.onnx"), toy_folder(tmp_path / "photos")
    with pytest.raises(SignwiseError, match="`device` must be cpu or cuda, not tpu"):
        Predictor(model, device="tpu")  # type: ignore[arg-type]
    if has_cuda():
        return
    text = failure(capsys, "predict", model, photos, "--device", "cuda")
    assert "--device cuda" in text
    assert "onnxruntime-gpu" in text
    with pytest.raises(SignwiseError, match="onnxruntime-gpu"):
        signwise.evaluate(model, photos, device="cuda", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


class _OnCuda:
    """A session of ONNX Runtime that says it runs by CUDA, or fell back to the CPU."""

    def __init__(self, real: Any, *, falls_back: bool) -> None:
        self.real, self.falls_back = real, falls_back
        self.asked: list[Any] = []

    def open(self, content: bytes, options: Any, *, providers: list[Any]) -> Any:
        self.asked = providers
        opened = onnxruntime.InferenceSession(content, options, providers=providers[-1:])
        found = ["CPUExecutionProvider"] if self.falls_back else [CUDA, "CPUExecutionProvider"]
        return SimpleNamespace(
            run=opened.run,
            get_inputs=opened.get_inputs,
            get_outputs=opened.get_outputs,
            get_providers=lambda: found,
        )


@pytest.mark.parametrize("falls_back", [False, True])
def test_cuda_is_asked_for_in_float32_and_no_fall_back_is_taken(
    falls_back: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = toy_model(tmp_path / "model.onnx")
    fake = _OnCuda(onnxruntime, falls_back=falls_back)
    runtime = SimpleNamespace(
        set_default_logger_severity=onnxruntime.set_default_logger_severity,
        SessionOptions=onnxruntime.SessionOptions,
        get_available_providers=lambda: [CUDA, "CPUExecutionProvider"],
        InferenceSession=fake.open,
    )
    monkeypatch.setattr(session, "onnx_runtime", lambda: runtime)
    if falls_back:
        with pytest.raises(SignwiseError, match="could not start CUDA"):
            Predictor(model, device="cuda")
        return
    pixels = np.stack([toy_picture(0, np.random.default_rng(0), 32)])
    assert Predictor(model, device="cuda").scores(pixels)[0].argmax() == 0
    assert fake.asked == [(CUDA, {"use_tf32": "0"}), "CPUExecutionProvider"]


@pytest.mark.skipif(not has_cuda(), reason="no GPU")
def test_cuda_answers_as_the_cpu(tmp_path: Path) -> None:
    model = toy_model(tmp_path / "model.onnx")
    rng = np.random.default_rng(0)
    pixels = np.stack([toy_picture(number % 2, rng, 32) for number in range(64)])
    one, other = (Predictor(model, device=name).scores(pixels) for name in ("cpu", "cuda"))
    for a, b in zip(one, other, strict=True):
        assert np.allclose(a, b, atol=1e-3)
