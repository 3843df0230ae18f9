"""Every knob once: ranges, JSON in and out."""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signwise.config import PrepareConfig, TrainConfig
from signwise.errors import SignwiseError


@pytest.mark.parametrize("config", [PrepareConfig, TrainConfig])
def test_every_field_says_what_it_is(config: type) -> None:
    source = Path(__import__(config.__module__, fromlist=["x"]).__file__).read_text()
    for field in dataclasses.fields(config):
        after = source.split(f"    {field.name}: ")[1].splitlines()[1]
        assert after.strip().startswith('"""'), field.name


@given(
    train=st.builds(
        TrainConfig,
        epochs=st.integers(1, 10_000),
        learning_rate=st.floats(1e-6, 10),
        momentum=st.floats(0, 0.999),
        image_size=st.none() | st.integers(1, 1024),
        weights=st.sampled_from(["none", "imagenet", "signs", "a/b.safetensors"]),
        freeze=st.booleans(),
        track=st.sampled_from(["none", "wandb", "tensorboard", "mlflow"]),
    ),
    prepare=st.builds(
        PrepareConfig,
        split=st.sampled_from([(0.7, 0.15, 0.15), (1.0, 0.0, 0.0), (0.5, 0.25, 0.25)]),
        group=st.none() | st.text(),
        exclude=st.sampled_from([None, Path("a/suspects.csv")]),
    ),
)
def test_json_round_trip(train: TrainConfig, prepare: PrepareConfig) -> None:
    for config in (train, prepare):
        content = json.loads(json.dumps(config.to_json(), allow_nan=False))
        assert type(config).from_json(content) == config


def test_a_run_config_gives_its_settings(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"settings": {"epochs": 3}, "versions": {"torch": "2"}}))
    assert TrainConfig.from_file(path) == TrainConfig(epochs=3)


@pytest.mark.parametrize(
    ("settings", "flag"),
    [
        ({"epochs": 0}, "--epochs"),
        ({"batch_size": 1}, "--batch-size"),
        ({"learning_rate": 0.0}, "--learning-rate"),
        ({"learning_rate": math.nan}, "--learning-rate"),
        ({"learning_rate": math.inf}, "--learning-rate"),
        ({"momentum": 1.0}, "--momentum"),
        ({"weight_decay": -1.0}, "--weight-decay"),
        ({"weight_decay": math.inf}, "--weight-decay"),
        ({"label_smoothing": 1.0}, "--label-smoothing"),
        ({"image_size": 0}, "--image-size"),
        ({"image_size": 100_000}, "--image-size"),
        ({"keep_known": 0.0}, "--keep-known"),
        ({"keep_known": 1.01}, "--keep-known"),
        ({"seed": -1}, "--seed"),
        ({"seed": 10**30}, "--seed"),
        ({"threads": 0}, "--threads"),
        ({"threads": 10**6}, "--threads"),
        ({"epochs": 1.5}, "--epochs"),
        ({"epochs": True}, "--epochs"),
        ({"freeze": "no"}, "--freeze"),
        ({"device": "tpu"}, "--device"),
        ({"class_weights": "some"}, "--class-weights"),
        ({"model": 18}, "--model"),
    ],
)
def test_train_settings_out_of_range_name_their_flag(settings: dict[str, Any], flag: str) -> None:
    with pytest.raises(SignwiseError, match=f"^{flag} "):
        TrainConfig(**settings)


@pytest.mark.parametrize(
    ("settings", "flag"),
    [
        ({"split": (0.5, 0.5, 0.5)}, "--split"),
        ({"split": (0.0, 0.5, 0.5)}, "--split"),
        ({"split": (1.5, -0.5, 0.0)}, "--split"),
        ({"split": (math.nan, 0.5, 0.5)}, "--split"),
        ({"split": (0.5, 0.5)}, "--split"),
        ({"image_size": 0}, "--image-size"),
        ({"max_pixels": 0}, "--max-pixels"),
        ({"seed": -1}, "--seed"),
    ],
)
def test_prepare_settings_out_of_range_name_their_flag(settings: dict[str, Any], flag: str) -> None:
    with pytest.raises(SignwiseError, match=f"^{flag} "):
        PrepareConfig(**settings)


def test_what_means_the_same_is_taken() -> None:
    config = TrainConfig(epochs=np.int64(3), learning_rate=1, unknown=Path("a/b"))  # type: ignore[arg-type]
    assert config == TrainConfig(epochs=3, learning_rate=1.0, unknown="a/b")
    assert type(config.epochs) is int
    assert PrepareConfig(exclude="x.csv", split=[0.5, 0.25, 0.25]).exclude == Path("x.csv")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "content",
    [
        {"epoch": 3},
        {"epochs": "three"},
        {"epochs": 2.5},
        {"epochs": True},
        {"freeze": "no"},
        {"model": 18},
        {"class_weights": "some"},
        {"device": "tpu"},
        {"track": "paper"},
        {"learning_rate": None},
    ],
)
def test_wrong_json_names_the_setting(content: dict[str, Any]) -> None:
    flag = next(iter(content)).replace("_", "-")
    with pytest.raises(SignwiseError, match=rf"^--config: .*{flag}"):
        TrainConfig.from_json(content)


@pytest.mark.parametrize("content", [{"split": "abc"}, {"split": ["a", 0, 0]}, {"exclude": 3}])
def test_wrong_prepare_json_names_the_setting(content: dict[str, Any]) -> None:
    with pytest.raises(SignwiseError, match=rf"--config.*{next(iter(content))}"):
        PrepareConfig.from_json(content)


@pytest.mark.parametrize("content", ["[]", "3", "", '{"settings": 3}'])
def test_a_file_that_is_no_settings_names_itself(tmp_path: Path, content: str) -> None:
    path = tmp_path / "mine.json"
    path.write_text(content)
    with pytest.raises(SignwiseError, match=r"mine\.json"):
        TrainConfig.from_file(path)
