"""Pictures cut to the square in their middle: the same wherever a model meets them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import signwise
from signwise.data.images import read_for_people, read_image
from signwise.inference.predictor import Predictor
from toy import CLASSES, toy_model

SIZE = 16


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wide and high pictures, whose middle is of another colour than all of them."""
    root = tmp_path_factory.mktemp("crop") / "photos"
    random = np.random.default_rng(0)
    for name in CLASSES:
        (root / name).mkdir(parents=True)
        for number in range(12):
            width, height = (60, 20) if number % 2 else (20, 50)
            pixels = random.integers(0, 60, (height, width, 3), dtype=np.uint8)
            left, top = (width - 20) // 2, (height - 20) // 2
            pixels[top : top + 20, left : left + 20] += random.integers(60, 190, 3, dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number:05d}_00000.png")
    return root


@pytest.fixture(scope="module")
def model(photos: Path) -> Path:
    return toy_model(photos.parent / "square.onnx", size=SIZE, crop="center", sharpness=4.0)


def known_of(model: Path, paths: list[str]) -> np.ndarray:
    """What the model answers to the squares in the middle."""
    predictor = Predictor(model)
    assert predictor.crop == "center"
    pixels = np.stack([read_image(path, SIZE, crop="center") for path in paths])
    stretched = np.stack([read_image(path, SIZE) for path in paths])
    known = predictor.scores(pixels)[1]
    assert not np.allclose(known, predictor.scores(stretched)[1], atol=1e-3)
    return known


def test_people_are_shown_the_square_that_a_heat_map_lies_over(photos: Path) -> None:
    for path in photos.rglob("*.png"):
        whole, square = read_for_people(path, 10), read_for_people(path, 10, "center")
        assert whole.shape[0] != whole.shape[1]
        assert square.shape[0] == square.shape[1] >= 10
        assert square.min() >= 60


def test_predict_and_explain_look_at_the_square(model: Path, photos: Path, tmp_path: Path) -> None:
    rows = pd.DataFrame(signwise.predict(model, photos).rows)
    wanted = known_of(model, list(rows["path"]))
    np.testing.assert_allclose(rows["known"], wanted, atol=1e-6)
    explained = pd.DataFrame(signwise.explain(model, photos, out=tmp_path / "maps").rows)
    np.testing.assert_allclose(explained["known"], wanted, atol=1e-6)


@pytest.mark.parametrize("prepared", [False, True])
def test_evaluate_and_export_measure_on_the_square(
    prepared: bool, model: Path, photos: Path, tmp_path: Path
) -> None:
    data = photos
    if prepared:
        data = Path(signwise.prepare(photos, tmp_path / "data", image_size=SIZE).out)
        found = signwise.export(model, "triton", tmp_path / "exported", data=data)
        assert found.counts["decisions_differ"] == 0
        assert (data / f"pixels-{SIZE}-center.npy").is_file()
        signwise.prepare(photos, data, image_size=SIZE)
        assert [path.name for path in data.glob("pixels-*")] == [f"pixels-{SIZE}.npy"]
    other, out = tmp_path / "other", tmp_path / "measured"
    other.mkdir()
    for path in (photos / CLASSES[0]).iterdir():
        Image.fromarray(255 - np.asarray(Image.open(path))).save(other / path.name)
    signwise.evaluate(model, data, split="all", unknown=other, out=out)
    for name in ("predictions.csv", "predictions_unknown.csv"):
        table = pd.read_csv(out / name)
        wanted = known_of(model, list(table["path"]))
        np.testing.assert_allclose(table["known"], wanted, atol=1e-6)


def test_what_is_trained_so_says_so(photos: Path, tmp_path: Path) -> None:
    data = signwise.prepare(photos, tmp_path / "data", image_size=32).out
    signwise.train(
        data,
        tmp_path / "run",
        weights="none",
        unknown="none",
        epochs=1,
        pictures=signwise.config.PicturesConfig(crop="center"),
    )
    record = Predictor(tmp_path / "run").record
    assert record.crop == "center"
    assert record.resize.startswith("the largest square in the middle")
    assert "crop" not in record.__class__(classes=("a", "b"), image_size=8, threshold=0.5).to_json()
