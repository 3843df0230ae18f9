"""The models that ship: what they answer on rendered photos they never saw, and what they are."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torchvision import models

import signwise
from checks import some
from signwise.config import TrainConfig
from signwise.inference.predictor import Predictor
from signwise.metrics.detection import auroc
from signwise.metrics.selective import accepted
from signwise.model_file.read import SHIPPED_MODELS, read_model
from signwise.synthetic import GTSRB_DESIGNS, render_negatives, render_signs
from signwise.training.network import build_model

BACKBONE = SHIPPED_MODELS / "signs" / "backbone.safetensors"
SEED = 31_337


@pytest.mark.parametrize(
    ("name", "classes", "megabytes"),
    [
        ("priority-stop", ["priority", "stop"], 12),
        ("signs", [f"{number:02d}_{name}" for number, name in enumerate(GTSRB_DESIGNS)], 12),
    ],
)
def test_models_list_what_ships_with_figures(
    name: str, classes: list[str], megabytes: float
) -> None:
    (row,) = [row for row in signwise.models().rows if row["name"] == name]
    assert row["classes"] == classes
    assert row["megabytes"] <= megabytes
    held = some(read_model(row["path"]).record.figures.held_out)
    assert row["figures"]["held_out"] == held.to_json()
    assert held.accuracy == pytest.approx(held.correct / held.n)
    assert held.accuracy_ci95[0] < held.accuracy <= held.accuracy_ci95[1]
    assert some(held.accuracy_ci95_grouped)[0] <= held.accuracy_ci95[0]
    assert (SHIPPED_MODELS / name / "README.md").is_file()


def test_priority_stop_tells_rendered_signs_and_rejects_scenes() -> None:
    predictor = Predictor("priority-stop")
    size, count = predictor.image_size, 60
    others = render_negatives(count, size, SEED, exclude=frozenset(predictor.classes))
    scores = {
        name: predictor.scores(render_signs(name, count, size, SEED)) for name in predictor.classes
    }
    known = np.concatenate([score for _, score in scores.values()])
    of_others = predictor.scores(others)[1]
    for code, (probabilities, _) in enumerate(scores.values()):
        assert (probabilities.argmax(1) == code).mean() >= 0.9
    assert some(auroc(known, of_others).value) > 0.95
    assert accepted(of_others, predictor.threshold).mean() < 0.1


def test_signs_tells_rendered_signs_of_all_classes() -> None:
    predictor = Predictor("signs")
    numbers = range(0, 43, 3)
    right = [
        predictor.scores(render_signs(GTSRB_DESIGNS[n], 8, predictor.image_size, SEED))[0].argmax(1)
        == n
        for n in numbers
    ]
    assert np.concatenate(right).mean() >= 0.85


def test_the_backbone_is_torchvisions_resnet18_in_half_precision() -> None:
    wanted = models.resnet18(num_classes=44).state_dict()
    with safe_open(BACKBONE, framework="pt") as file:
        found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert {name: value.shape for name, value in found.items()} == {
        name: value.shape for name, value in wanted.items()
    }
    kinds = {
        value.dtype
        for name, value in found.items()
        if "running" not in name and value.is_floating_point()
    }
    assert kinds == {torch.float16}
    assert found["bn1.running_var"].dtype == torch.float32


def test_weights_signs_are_the_backbone_in_float32_under_a_new_head() -> None:
    network = build_model("resnet18", 3, 64, "signs").state_dict()
    with safe_open(BACKBONE, framework="pt") as file:
        assert torch.equal(network["conv1.weight"], file.get_tensor("conv1.weight").float())
    assert network["conv1.weight"].dtype == torch.float32
    assert network["fc.weight"].shape == (3, 512)


def test_weights_signs_fit_resnet18_alone() -> None:
    with pytest.raises(signwise.SignwiseError, match=r"^`weights` signs is a resnet18"):
        build_model("resnet34", 2, 64, "signs")


def test_a_few_rendered_photos_are_enough_from_signs(tmp_path: Path) -> None:
    size = 32
    signwise.synth(tmp_path / "photos", per_class=50, size=size, seed=SEED)
    signwise.prepare(tmp_path / "photos", tmp_path / "data", image_size=size)
    settings = TrainConfig(freeze=True, image_size=size, epochs=3, unknown="none")
    signwise.train(tmp_path / "data", tmp_path / "run", settings)
    predictor = Predictor(tmp_path / "run")
    for code, name in enumerate(predictor.classes):
        probabilities, _ = predictor.scores(render_signs(name, 40, size, SEED + 1))
        assert (probabilities.argmax(1) == code).mean() >= 0.8
