"""Both stages of every kind of network that people ask for, on random weights of a file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save_file

import signwise
from signwise.config import FineTuningConfig, HeadConfig, TrainConfig
from signwise.errors import SignwiseError
from signwise.results import read_history
from signwise.training.network import build_model
from toy import toy_folder
from toy_training import QUICK

ARCHITECTURES = {
    "resnet18": 32,
    "mobilenet_v2": 32,
    "mobilenet_v3_small": 32,
    "efficientnet_b0": 32,
    "mnasnet0_5": 32,
    "resnet50": 32,
    "convnext_tiny": 32,
    "vit_b_16": 224,
}
"""With the smallest usual image size that each takes."""
LARGE = ("resnet50", "convnext_tiny", "vit_b_16")


def staged(name: str, folder: Path) -> TrainConfig:
    """Settings of both stages from random weights, which are written to a file, and their data."""
    size = ARCHITECTURES[name]
    network = build_model(name, 3, size, "none")
    weights = folder / "weights.safetensors"
    save_file({key: value.contiguous() for key, value in network.state_dict().items()}, weights)
    photos = toy_folder(folder / "photos", per_class=8, frames=1)
    signwise.prepare(photos, folder / "data", image_size=size)
    return replace(
        QUICK,
        model=name,
        weights=str(weights),
        image_size=size,
        epochs=1,
        head=HeadConfig(views=(1, 1), penalties=(1.0,)),
        fine_tuning=FineTuningConfig(mixtures=(0.5,)),
    )


def both_stages(run: Path) -> bool:
    history = read_history(run / "history.csv")
    finite = bool(np.isfinite([row.val_loss for row in history]).all())
    return [row.epoch for row in history] == [0, 1] and finite


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if name not in LARGE])
@pytest.mark.usefixtures("unfinished")
def test_both_stages_run(name: str, tmp_path: Path) -> None:
    settings = staged(name, tmp_path)
    with pytest.raises(SignwiseError, match=r"^finished$"):
        signwise.train(tmp_path / "data", tmp_path / "run", settings)
    assert both_stages(tmp_path / "run")


@pytest.mark.nightly
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_both_stages_run_and_the_file_answers(name: str, tmp_path: Path) -> None:
    signwise.train(tmp_path / "data", tmp_path / "run", staged(name, tmp_path))
    assert both_stages(tmp_path / "run")
    rows = signwise.Predictor(tmp_path / "run").predict(
        sorted((tmp_path / "photos" / "stop").iterdir())[:3]
    )
    assert [row.error for row in rows] == [None] * 3
