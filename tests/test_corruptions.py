import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from signwise.evaluation import resampling
from signwise.evaluation.corruptions import CORRUPTIONS, SEVERITIES, corrupt
from signwise.evaluation.robustness import OVERLAPS, measure_corruptions
from signwise.inference.predictor import Predictor
from signwise.metrics import wilson_interval
from toy import toy_model, toy_picture

NAMES = [
    *("gaussian_noise", "shot_noise", "impulse_noise"),
    *("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    *("snow", "frost", "fog", "brightness"),
    *("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
]


def pictures(count: int, size: int = 32) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.stack([toy_picture(index % 2, rng, size) for index in range(count)])


def distance(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.abs(first.astype(float) - second).mean())


def test_there_are_the_fifteen_of_the_paper() -> None:
    assert list(CORRUPTIONS) == NAMES
    assert set(OVERLAPS) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_corruption_is_deterministic_and_leaves_the_pictures_alone(name: str) -> None:
    pixels = pictures(6)
    before = pixels.copy()
    for severity in SEVERITIES:
        corrupted = corrupt(pixels, name, severity, seed=3)
        assert corrupted.dtype == np.uint8
        assert corrupted.shape == pixels.shape
        assert np.array_equal(corrupted, corrupt(pixels, name, severity, seed=3))
        assert 0.2 < distance(corrupted, pixels) < 110, "something changes, and the sign is left"
    assert np.array_equal(pixels, before)
    assert corrupt(pixels[:0], name, 1, seed=0).shape == (0, 32, 32, 3)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"elastic_transform", "glass_blur", "snow"}))
def test_severity_five_is_worse_than_one(name: str) -> None:
    # The three left out change their parameters in ways that the distance of pixels does not order.
    pixels = pictures(24)
    assert distance(corrupt(pixels, name, 5, 0), pixels) > 1.2 * distance(
        corrupt(pixels, name, 1, 0), pixels
    )


@pytest.mark.parametrize(
    "name", ["gaussian_noise", "shot_noise", "impulse_noise", "motion_blur", "snow", "frost", "fog"]
)
def test_chance_follows_the_seed(name: str) -> None:
    pixels = pictures(4)
    assert not np.array_equal(corrupt(pixels, name, 3, 0), corrupt(pixels, name, 3, 1))
    first, second = corrupt(np.repeat(pixels[:1], 2, axis=0), name, 3, 0)
    assert not np.array_equal(first, second), "each picture has its own chance"


def test_what_is_known_of_single_corruptions_holds() -> None:
    grey = np.full((8, 32, 32, 3), 120, np.uint8)
    noise = corrupt(grey, "gaussian_noise", 1, 0).astype(float) - 120
    assert noise.std() == pytest.approx(0.04 * 255, rel=0.03)
    shot = corrupt(grey, "shot_noise", 1, 0).astype(float) - 120
    assert shot.std() == pytest.approx(np.sqrt(120 / 255 / 500) * 255, rel=0.03)
    salted = corrupt(grey, "impulse_noise", 5, 0)
    assert (salted != 120).mean() == pytest.approx(0.07, abs=0.006)
    assert set(np.unique(salted)) == {0, 120, 255}
    assert (corrupt(grey, "brightness", 5, 0) == 197).all()
    for name in ("defocus_blur", "motion_blur", "glass_blur", "zoom_blur", "pixelate", "contrast"):
        assert np.abs(corrupt(grey, name, 5, 0).astype(int) - 120).max() <= 1, name
    pixels = pictures(8)
    flat = corrupt(pixels, "contrast", 5, 0)
    assert flat.std(axis=(1, 2)).mean() < 0.4 * pixels.std(axis=(1, 2)).mean()


@pytest.mark.parametrize("severity", SEVERITIES)
def test_the_severities_are_those_published_for_small_pictures(severity: int) -> None:
    # CIFAR-10-C's constants, by what they do to pictures.
    def of(name: str, pixels: np.ndarray) -> np.ndarray:
        return corrupt(pixels, name, severity, 0).astype(float) / 255

    level = severity - 1
    grey = np.full((40, 32, 32, 3), 128, np.uint8)
    pixels = pictures(4)
    unit = pixels / 255
    noise = (0.04, 0.06, 0.08, 0.09, 0.10)[level]
    assert of("gaussian_noise", grey).std() == pytest.approx(noise, rel=0.02)
    photons = (500, 250, 100, 75, 50)[level]
    assert of("shot_noise", grey).std() == pytest.approx((128 / 255 / photons) ** 0.5, rel=0.03)
    amount = (0.01, 0.02, 0.03, 0.05, 0.07)[level]
    assert (corrupt(grey, "impulse_noise", severity, 0) != 128).mean() == pytest.approx(
        amount, rel=0.05
    )
    added = (0.05, 0.1, 0.15, 0.2, 0.3)[level]
    assert of("brightness", grey).mean() == pytest.approx(128 / 255 + added, abs=0.003)
    kept = (0.75, 0.5, 0.4, 0.3, 0.15)[level]
    mean = unit.mean((1, 2), keepdims=True)
    assert of("contrast", pixels) == pytest.approx((unit - mean) * kept + mean, abs=0.003)
    steps = np.arange(1, (1.06, 1.11, 1.16, 1.21, 1.26)[level], 0.01)
    total = unit.transpose(0, 3, 1, 2).copy()
    for zoom in steps:
        weights = resampling.zoom_matrix(32, zoom)
        total += weights @ unit.transpose(0, 3, 1, 2) @ weights.T
    zoomed = (total / (len(steps) + 1)).transpose(0, 2, 3, 1)
    assert of("zoom_blur", pixels) == pytest.approx(zoomed, abs=0.003)
    few = int(32 * (0.95, 0.9, 0.85, 0.75, 0.65)[level])
    ramp = np.repeat(np.arange(32, dtype=np.uint8)[None, :, None] * 8, 32, 0).repeat(3, 2)[None]
    assert len(np.unique(corrupt(ramp, "pixelate", severity, 0))) == few
    for picture, saved in zip(
        pixels, corrupt(pixels, "jpeg_compression", severity, 0), strict=True
    ):
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "jpeg", quality=(80, 65, 58, 50, 40)[level])
        assert np.array_equal(np.asarray(Image.open(buffer)), saved)


@pytest.mark.parametrize("size", [1, 8, 33, 96])
def test_other_sizes_work(size: int) -> None:
    pixels = pictures(2, size)
    for name in NAMES:
        assert corrupt(pixels, name, 5, 0).shape == pixels.shape


def test_convolution_is_the_plain_one() -> None:
    rng = np.random.default_rng(0)
    picture, kernel = rng.random((1, 1, 9, 9), np.float32), rng.random((1, 5, 5), np.float32)
    padded = np.pad(picture[0, 0], 2, mode="symmetric")
    wanted = np.zeros((9, 9))
    for row in range(9):
        for column in range(9):
            part = padded[row : row + 5, column : column + 5]
            wanted[row, column] = (part * kernel[0, ::-1, ::-1]).sum()
    assert resampling.convolve(picture, kernel)[0, 0] == pytest.approx(wanted, abs=1e-5)


def test_sampling_in_place_changes_nothing_and_mirrors_outside() -> None:
    picture = np.random.default_rng(0).random((2, 3, 6, 6)).astype(np.float32)
    rows, columns = np.meshgrid(np.arange(6.0), np.arange(6.0), indexing="ij")
    rows, columns = (np.stack([part, part]).astype(np.float32) for part in (rows, columns))
    assert resampling.sample(picture, rows, columns) == pytest.approx(picture)
    assert resampling.sample(picture, -rows, 10 - columns) == pytest.approx(picture)


def test_the_sweep_counts_every_cell(tmp_path: Path) -> None:
    predictor = Predictor(toy_model(tmp_path / "model.onnx", threshold=0.6))
    pixels, labels = pictures(10), np.arange(10) % 2
    figures = measure_corruptions(predictor, labels, pixels, None, seed=1)
    cells = [cell for row in figures["cells"].values() for cell in row.values()]
    assert len(cells) == 75
    assert list(figures["cells"]) == NAMES
    for cell in cells:
        assert cell["accuracy"] == cell["correct"] / cell["n"]
        assert cell["ci95"] == wilson_interval(cell["correct"], 10)
    assert figures["mean_accuracy"] == pytest.approx(np.mean([cell["accuracy"] for cell in cells]))
    assert figures["frost"] == "rendered"
    assert figures == measure_corruptions(predictor, labels, pixels, None, seed=1)
