"""The 15 common corruptions: their published constants, and the same pixels on any CPU.

Where chance is in the way, the tests put a stand-in for it, and compare with the formula.
"""

import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

from signwise.evaluation import corruptions, resampling
from signwise.evaluation.corruptions import CORRUPTIONS, SEVERITIES, corrupt
from signwise.evaluation.resampling import Floats, to_pixels
from toy import toy_picture

pytestmark = pytest.mark.numeric

NAMES = [
    *("gaussian_noise", "shot_noise", "impulse_noise"),
    *("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    *("snow", "frost", "fog", "brightness"),
    *("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
]
BY_CHANCE = {
    *("gaussian_noise", "shot_noise", "impulse_noise", "glass_blur", "motion_blur"),
    *("snow", "frost", "fog", "elastic_transform"),
}
SIDE = 32
MIDDLE = SIDE // 2


def pictures(count: int, size: int = SIDE) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.stack([toy_picture(index % 2, rng, size) for index in range(count)])


def floats(count: int, size: int = SIDE) -> Floats:
    """Random pictures (N, 3, S, S)."""
    return np.random.default_rng(1).random((count, 3, size, size))


def point() -> Floats:
    """A white point in the middle of black: what blurs it shows the blur's kernel."""
    picture = np.zeros((1, 3, SIDE, SIDE))
    picture[..., MIDDLE, MIDDLE] = 1
    return picture


def levels(*values: float) -> list[tuple[int, float]]:
    """Each severity with its constant."""
    return list(zip(SEVERITIES, values, strict=True))


def distance(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.abs(first.astype(float) - second).mean())


def apply(name: str, picture: Floats, severity: int, **chance: Any) -> Floats:
    """The corruption of floats; `chance` says what the random generator's methods give."""
    rng = Mock(spec=np.random.Generator, **{f"{key}.side_effect": v for key, v in chance.items()})
    return CORRUPTIONS[name](picture, severity - 1, rng)


def enlarged(picture: np.ndarray, zoom: float) -> np.ndarray:
    """A picture (S, S), read line by line at places nearer to its middle."""
    middle = (SIDE - 1) / 2
    at = middle + (np.arange(SIDE) - middle) / zoom
    rows = np.array([np.interp(at, np.arange(SIDE), line) for line in picture.T]).T
    return np.array([np.interp(at, np.arange(SIDE), line) for line in rows])


def gaussian_line(sigma: float, radius: int) -> np.ndarray:
    weights = np.array([np.exp(-(at**2) / 2 / sigma**2) for at in range(-radius, radius + 1)])
    return np.asarray(weights / weights.sum())


def blurred_by_hand(kernel: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """A picture (S, S) under a kernel (R, R), edges mirrored, place by place."""
    radius = len(kernel) // 2
    padded = np.pad(picture, radius, mode="symmetric")
    result = np.zeros(picture.shape)
    for row, column in np.ndindex(*picture.shape):
        part = padded[row : row + len(kernel), column : column + len(kernel)]
        result[row, column] = (part * kernel[::-1, ::-1]).sum()
    return result


def test_there_are_the_fifteen_of_the_paper() -> None:
    assert list(CORRUPTIONS) == NAMES


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
    assert corrupt(pixels[:0], name, 1, seed=0).shape == (0, SIDE, SIDE, 3)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"elastic_transform", "glass_blur", "snow"}))
def test_severity_five_is_worse_than_one(name: str) -> None:
    # The three left out change their parameters in ways that the distance of pixels does not order.
    pixels = pictures(24)
    least, most = (distance(corrupt(pixels, name, severity, 0), pixels) for severity in (1, 5))
    assert most > 1.2 * least


@pytest.mark.parametrize("name", NAMES)
def test_chance_follows_the_seed(name: str) -> None:
    twice = np.repeat(pictures(1), 2, axis=0)
    first, second = corrupt(twice, name, 3, 0), corrupt(twice, name, 3, 1)
    assert np.array_equal(first, second) == (name not in BY_CHANCE)
    assert np.array_equal(first[0], first[1]) == (name not in BY_CHANCE), "each has its own chance"


@pytest.mark.parametrize("size", [1, 8, 33, 80])
def test_other_sizes_work(size: int) -> None:
    pixels = pictures(1, size)
    for name in NAMES:
        assert corrupt(pixels, name, 5, 0).shape == pixels.shape


def ties() -> np.ndarray:
    """Pictures whose means lie half-way between two grey levels, as often as can be."""
    ramp = np.arange(SIDE) * 8 % 256
    rows, columns = ramp[:, None], ramp[None]
    square = np.zeros((SIDE, SIDE), int)
    grey = np.stack([rows + square, columns + square, (rows + columns) // 2, square + 119])
    steps = np.repeat(grey.astype(np.uint8)[..., None], 3, axis=-1)
    return np.concatenate((steps, np.eye(SIDE, dtype=np.uint8)[None, ..., None] * (1, 3, 255)))


@pytest.mark.parametrize("name", NAMES)
def test_the_last_bits_of_a_sum_change_no_pixel(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """CPUs sum in different orders: far below a grey level, but for means that lie between two."""
    pixels = np.concatenate((ties(), pictures(2))).astype(np.uint8)
    found = []
    for slip in (-1e-12, 0, 1e-12):
        monkeypatch.setattr(corruptions, "to_pixels", lambda part, by=slip: to_pixels(part + by))
        found.append([corrupt(pixels, name, severity, 0) for severity in SEVERITIES])
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[1], found[2])


DIGEST = """
import hashlib, sys
import numpy as np
from signwise.evaluation.corruptions import CORRUPTIONS, corrupt
pixels = np.load(sys.argv[1])
for name in CORRUPTIONS:
    parts = b"".join(corrupt(pixels, name, severity, 0).tobytes() for severity in (1, 3, 5))
    print(name, hashlib.sha256(parts).hexdigest())
"""


def test_an_older_processor_gives_the_same_pixels(tmp_path: Path) -> None:
    """Told to use no kernel newer than SSE, OpenBLAS sums matrix products in another order."""
    pixels = np.concatenate((ties(), pictures(8))).astype(np.uint8)
    np.save(tmp_path / "pixels.npy", pixels)
    done = subprocess.run(
        [sys.executable, "-c", DIGEST, tmp_path / "pixels.npy"],
        env=os.environ | {"OPENBLAS_CORETYPE": "Nehalem"},
        capture_output=True,
        text=True,
        check=True,
    )
    found = dict(line.split() for line in done.stdout.splitlines())
    for name in NAMES:
        parts = b"".join(corrupt(pixels, name, severity, 0).tobytes() for severity in (1, 3, 5))
        assert found[name] == hashlib.sha256(parts).hexdigest(), name


def test_values_between_two_grey_levels_are_rounded_up() -> None:
    levels = np.array([0.5, 7.5, 8.5, 254.5]) / 255
    wanted = [1, 8, 9, 255]
    for slip in (-1e-12, 0, 1e-12):
        values = np.broadcast_to(levels + slip, (1, 3, 4, 4))
        assert (to_pixels(values) == np.array(wanted)[None, None, :, None]).all()
    below = np.broadcast_to((np.array([0.5, 7.5, 8.5, 254.5]) - 1e-4) / 255, (1, 3, 4, 4))
    assert (to_pixels(below) == np.array([0, 7, 8, 254])[None, None, :, None]).all()


def test_pixels_become_floats_and_come_back() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
    values = resampling.to_floats(pixels)
    assert values.dtype == np.float64
    assert (values.min(), values.max()) == (0, 1)
    assert np.array_equal(to_pixels(values), pixels)
    assert to_pixels(np.array([-3.0, 0.2, 9.0, 1.0]).reshape(1, 1, 2, 2)).ravel().tolist() == [
        0, 51, 255, 255,
    ]  # fmt: skip


def test_flat_pictures_stay_flat_under_blur() -> None:
    grey = np.full((8, SIDE, SIDE, 3), 120, np.uint8)
    for name in ("defocus_blur", "motion_blur", "glass_blur", "zoom_blur", "pixelate", "contrast"):
        assert (corrupt(grey, name, 5, 0) == 120).all(), name


# The severities are those of CIFAR-10-C: its constants, by what they do to pictures.


@pytest.mark.parametrize(("severity", "scale"), levels(0.04, 0.06, 0.08, 0.09, 0.10))
def test_gaussian_noise_has_the_published_scale(severity: int, scale: float) -> None:
    noise = np.random.default_rng(0).standard_normal((2, 3, SIDE, SIDE))
    found = apply("gaussian_noise", floats(2), severity, standard_normal=[noise])
    assert found == pytest.approx(floats(2) + scale * noise)
    grey = np.full((40, SIDE, SIDE, 3), 128, np.uint8)
    real = corrupt(grey, "gaussian_noise", severity, 0).astype(float) / 255
    assert real.std() == pytest.approx(scale, rel=0.02)


@pytest.mark.parametrize(("severity", "photons"), levels(500, 250, 100, 75, 50))
def test_shot_noise_counts_the_published_number_of_photons(severity: int, photons: int) -> None:
    grey = np.full((40, SIDE, SIDE, 3), 128, np.uint8)
    found = corrupt(grey, "shot_noise", severity, 0).astype(float) / 255
    assert found.std() == pytest.approx((128 / 255 / photons) ** 0.5, rel=0.03)
    assert found.mean() == pytest.approx(128 / 255, rel=0.01)


@pytest.mark.parametrize(("severity", "amount"), levels(0.01, 0.02, 0.03, 0.05, 0.07))
def test_impulse_noise_strikes_the_published_share(severity: int, amount: float) -> None:
    grey = np.full((100, SIDE, SIDE, 3), 120, np.uint8)
    found = corrupt(grey, "impulse_noise", severity, 0)
    for value in (0, 255):
        assert (found == value).mean() == pytest.approx(amount / 2, rel=0.05)
    assert set(np.unique(found)) == {0, 120, 255}


@pytest.mark.parametrize(
    ("severity", "disk", "soft"),
    [
        (1, [[1]], 0.4),
        (2, [[1]], 0.5),
        (3, [[1]], 0.6),
        (4, [[0, 1, 0], [1, 1, 1], [0, 1, 0]], 0.2),
        (5, [[1, 1, 1], [1, 1, 1], [1, 1, 1]], 0.1),
    ],
)
def test_defocus_blur_is_the_published_disk(
    severity: int, disk: list[list[int]], soft: float
) -> None:
    line = gaussian_line(soft, 1)
    kernel = blurred_by_hand(np.outer(line, line), np.pad(np.array(disk) / np.sum(disk), 3))
    reach = len(kernel) // 2
    around = slice(MIDDLE - reach, MIDDLE + reach + 1)
    found = apply("defocus_blur", point(), severity)[0, 0]
    assert found[around, around] == pytest.approx(kernel, abs=1e-12)
    assert found.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("severity", "sigma", "rounds"),
    [(1, 0.05, 1), (2, 0.25, 1), (3, 0.4, 1), (4, 0.25, 2), (5, 0.4, 2)],
)
def test_glass_blur_copies_from_the_published_reach(
    severity: int, sigma: float, rounds: int
) -> None:
    still = [np.zeros((2, 1, SIDE, SIDE), int)] * rounds
    line = gaussian_line(sigma, max(1, round(4 * sigma)))
    kernel = np.outer(line, line)
    wanted = blurred_by_hand(kernel, blurred_by_hand(kernel, point()[0, 0]))
    found = apply("glass_blur", point(), severity, integers=still)[0, 0]
    assert found == pytest.approx(wanted, abs=1e-12)
    # A ramp shows how far each place reaches: by 1 or not at all, in each round.
    ramp = np.broadcast_to(np.arange(SIDE, dtype=float), (50, 3, SIDE, SIDE))
    moved = CORRUPTIONS["glass_blur"](ramp, severity - 1, np.random.default_rng(0)) - ramp
    inner = moved[..., 4:-4, 4:-4]
    assert inner.mean() == pytest.approx(-0.5 * rounds, rel=0.03)
    assert (inner.min(), inner.max()) == pytest.approx((-rounds, 0), abs=0.05)
    upright = CORRUPTIONS["glass_blur"](
        ramp.swapaxes(2, 3), severity - 1, np.random.default_rng(0)
    ).swapaxes(2, 3)
    assert (upright - ramp)[..., 4:-4, 4:-4].mean() == pytest.approx(-0.5 * rounds, rel=0.03)


@pytest.mark.parametrize(("severity", "sigma"), levels(0.05, 0.25, 0.4, 0.25, 0.4))
def test_glass_blur_grows_with_the_picture(severity: int, sigma: float) -> None:
    picture = np.zeros((1, 3, 2 * SIDE, 2 * SIDE))
    picture[..., SIDE, SIDE] = 1
    still = [np.zeros((2, 1, 2 * SIDE, 2 * SIDE), int)] * 2
    line = gaussian_line(2 * sigma, max(1, round(8 * sigma)))
    kernel = np.outer(line, line)
    wanted = blurred_by_hand(kernel, blurred_by_hand(kernel, picture[0, 0]))
    found = apply("glass_blur", picture, severity, integers=still)[0, 0]
    assert found == pytest.approx(wanted, abs=1e-12)


def tail(length: int, sigma: float) -> np.ndarray:
    """The weights (2 length + 1,) at whole distances of a motion along a line."""
    weights = np.zeros(2 * length + 2)
    for half in range(4 * length):
        weight = np.exp(-((half / 2) ** 2) / 2 / sigma**2)
        weights[half // 2] += weight * (1 if half % 2 == 0 else 0.5)
        weights[half // 2 + 1] += 0 if half % 2 == 0 else weight * 0.5
    return np.asarray(weights / weights.sum())


@pytest.mark.parametrize(
    ("severity", "length", "sigma"),
    [(1, 6, 1), (2, 6, 1.5), (3, 6, 2), (4, 8, 2), (5, 9, 2.5)],
)
def test_motion_blur_has_the_published_tail(severity: int, length: int, sigma: float) -> None:
    asked: list[tuple[float, float, int]] = []

    def straight(low: float, high: float, count: int) -> np.ndarray:
        asked.append((low, high, count))
        return np.zeros(count)

    found = apply("motion_blur", point(), severity, uniform=straight)[0, 0]
    assert asked == [(-45, 45, 1)]
    weights = np.append(tail(length, sigma), [0, 0, 0])[: SIDE - MIDDLE]
    assert found[MIDDLE, MIDDLE:] == pytest.approx(weights, abs=1e-9)
    assert found.sum() == pytest.approx(1, abs=1e-6)
    down = apply("motion_blur", point(), severity, uniform=[np.array([90.0])])[0, 0]
    assert down[MIDDLE:, MIDDLE] == pytest.approx(weights, abs=1e-9)


@pytest.mark.parametrize(("severity", "end"), levels(1.06, 1.11, 1.16, 1.21, 1.26))
def test_zoom_blur_takes_the_published_steps(severity: int, end: float) -> None:
    picture = floats(2)
    steps = np.arange(1, end, 0.01)
    total = picture.copy()
    for zoom in steps:
        total += [[enlarged(channel, zoom) for channel in each] for each in picture]
    assert apply("zoom_blur", picture, severity) == pytest.approx(total / (len(steps) + 1))


@pytest.mark.parametrize(
    ("severity", "mean", "deviation", "zoom", "least", "length", "sigma", "kept"),
    [
        (1, 0.1, 0.2, 1, 0.6, 8, 3, 0.95),
        (2, 0.1, 0.2, 1, 0.5, 10, 4, 0.9),
        (3, 0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (4, 0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
        (5, 0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    ],
)
def test_snow_falls_as_published(
    severity: int,
    mean: float,
    deviation: float,
    zoom: float,
    least: float,
    length: int,
    sigma: float,
    kept: float,
) -> None:
    asked: list[tuple[float, ...]] = []
    layer = np.random.default_rng(0).normal(0.5, 0.4, (1, 1, SIDE, SIDE))

    def flakes(*arguments: Any) -> np.ndarray:
        asked.append(arguments[:2])
        return layer

    def sideways(low: float, high: float, count: int) -> np.ndarray:
        asked.append((low, high))
        return np.zeros(count)

    picture = floats(1)
    found = apply("snow", picture, severity, normal=flakes, uniform=sideways)
    assert asked == [(mean, deviation), (-135, -45)]
    large = enlarged(layer[0, 0], zoom)
    single = np.where(large < least, 0, large).clip(0, 1)
    weights = tail(length, sigma)
    reach = len(weights) - 1
    padded = np.pad(single, ((0, 0), (reach, 0)), mode="symmetric")
    drawn = np.zeros((SIDE, SIDE))
    for back, weight in enumerate(weights):
        drawn += weight * padded[:, reach - back : reach - back + SIDE]
    grey = np.tensordot([0.299, 0.587, 0.114], picture[0], axes=1)
    white = np.maximum(picture[0], grey * 1.5 + 0.5)
    wanted = kept * picture[0] + (1 - kept) * white + drawn + np.rot90(drawn, 2)
    assert found[0] == pytest.approx(wanted, abs=1e-9)


def clouds(asked: list[float], texture: np.ndarray) -> Callable[..., Floats]:
    """A stand-in for the cloud textures that writes down their decay."""

    def plasma(count: int, size: int, decay: float, rng: np.random.Generator) -> Floats:
        assert (count, size) == (len(texture), texture.shape[-1])
        assert rng is not None
        asked.append(decay)
        return texture

    return plasma


@pytest.mark.parametrize(
    ("severity", "kept", "ice"),
    [(1, 1, 0.2), (2, 1, 0.3), (3, 0.9, 0.4), (4, 0.85, 0.4), (5, 0.75, 0.45)],
)
def test_frost_is_laid_over_with_the_published_shares(
    severity: int, kept: float, ice: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    texture = np.random.default_rng(0).random((2, SIDE, SIDE))
    asked: list[float] = []
    monkeypatch.setattr(corruptions, "plasma", clouds(asked, texture))
    needles = (1 - np.abs(2 * texture - 1)) ** 4
    frosted = (0.2 + needles) * (0.3 + 0.7 * texture)
    frosted = np.stack([part / part.max() for part in frosted])
    tint = np.array([0.86, 0.95, 1])
    wanted = kept * floats(2) + ice * frosted[:, None] * tint[None, :, None, None]
    assert apply("frost", floats(2), severity) == pytest.approx(wanted)
    assert asked == [1.9, 2.3, 3]


@pytest.mark.parametrize(
    ("severity", "density", "decay"),
    [(1, 0.2, 3), (2, 0.5, 3), (3, 0.75, 2.5), (4, 1, 2), (5, 1.5, 1.75)],
)
def test_fog_has_the_published_density(
    severity: int, density: float, decay: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    texture = np.random.default_rng(0).random((2, SIDE, SIDE))
    asked: list[float] = []
    monkeypatch.setattr(corruptions, "plasma", clouds(asked, texture))
    found = apply("fog", floats(2), severity)
    for picture, cloud, fogged in zip(floats(2), texture, found, strict=True):
        most = picture.max()
        assert fogged == pytest.approx((picture + density * cloud) * most / (most + density))
    assert asked == [decay**2]


@pytest.mark.parametrize(("severity", "added"), levels(0.05, 0.1, 0.15, 0.2, 0.3))
def test_brightness_raises_the_value_of_hsv(severity: int, added: float) -> None:
    picture = np.array([[0.4, 0.2, 0.1], [0.9, 0.9, 0.3], [0, 0, 0], [0.7, 0, 0.7]])
    found = apply("brightness", picture.T.reshape(1, 3, 2, 2), severity).reshape(3, 4).T
    for before, after in zip(picture, found, strict=True):
        raised = min(1, before.max() + added)
        wanted = before * raised / before.max() if before.any() else np.full(3, raised)
        assert after == pytest.approx(wanted)


@pytest.mark.parametrize(("severity", "kept"), levels(0.75, 0.5, 0.4, 0.3, 0.15))
def test_contrast_keeps_the_published_share(severity: int, kept: float) -> None:
    picture = floats(2)
    mean = picture.mean((2, 3), keepdims=True)
    wanted = (picture - mean) * kept + mean
    assert apply("contrast", picture, severity) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("severity", "alpha", "sigma", "shift"),
    [
        (1, 0, 1, 0.08),
        (2, 0.05, 0.2, 0.07),
        (3, 0.08, 0.06, 0.06),
        (4, 0.1, 0.04, 0.05),
        (5, 0.1, 0.03, 0.03),
    ],
)
def test_elastic_transform_has_the_published_constants(
    severity: int, alpha: float, sigma: float, shift: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[float, float]] = []
    moves = np.full((2, 3, 1, 1, 1), 1 / SIDE)  # every point moves by one pixel, right and down

    def uniform(low: float, high: float, shape: tuple[int, ...]) -> np.ndarray:
        asked.append((low, high))
        return moves if len(asked) == 1 else np.ones(shape)

    sigmas: list[float] = []

    def blur(noise: Floats, width: float) -> Floats:
        sigmas.append(width)
        return noise

    monkeypatch.setattr(corruptions, "gaussian_blur", blur)
    ramp = np.broadcast_to(np.arange(SIDE, dtype=float), (1, 3, SIDE, SIDE))
    for picture, axis in ((ramp, 3), (ramp.swapaxes(2, 3), 2)):
        asked.clear()
        sigmas.clear()
        found = apply("elastic_transform", picture, severity, uniform=uniform)
        moved = np.take(found - picture, range(8, 20), axis=axis)
        assert moved == pytest.approx(np.full(moved.shape, 1 + alpha * SIDE))
        assert asked == [(-shift, shift), (-1, 1)][: 1 + bool(alpha)]
        assert sigmas == [sigma * SIDE] * bool(alpha)


def test_elastic_transform_moves_three_points_of_a_triangle() -> None:
    rng = np.random.default_rng(0)
    moves = rng.uniform(-0.02, 0.02, (2, 3, 1, 1, 1))
    ramp = np.broadcast_to(np.arange(SIDE, dtype=float), (1, 3, SIDE, SIDE))
    inner = slice(4, SIDE - 4)
    rows, columns = np.mgrid[:SIDE, :SIDE][:, inner, inner] - (SIDE - 1) / 2
    terms = np.stack([np.ones(rows.size), rows.ravel(), columns.ravel()], axis=1)
    third = SIDE / 3
    corners = np.array([[1, -third, -third], [1, third, -third], [1, -third, third]])
    for axis, picture in enumerate((ramp.swapaxes(2, 3), ramp)):
        found = apply("elastic_transform", picture, 1, uniform=[moves])
        moved = (found - picture)[0, 0, inner, inner].ravel()
        weights, *_ = np.linalg.lstsq(terms, moved, rcond=None)
        assert terms @ weights == pytest.approx(moved, abs=1e-9), "the map is affine"
        assert corners @ weights == pytest.approx(moves[axis].ravel() * SIDE, abs=1e-9)


@pytest.mark.parametrize(("severity", "share"), levels(0.95, 0.9, 0.85, 0.75, 0.65))
def test_pixelate_shows_the_published_number_of_pixels(severity: int, share: float) -> None:
    few = int(SIDE * share)
    ramp = np.repeat(np.arange(SIDE, dtype=np.uint8)[None, :, None] * 8, SIDE, 0).repeat(3, 2)
    for pixels in (ramp, ramp.swapaxes(0, 1)):
        shown = corrupt(pixels[None], "pixelate", severity, 0)
        assert len(np.unique(shown)) == few
    # Each is the mean over its part of the line: S / few pixels, the outer ones in part.
    picture = floats(1)
    found = apply("pixelate", picture, severity)[0, 0]
    width = SIDE / few
    cover = np.array([1.0, *[0.0] * (SIDE - 1)])
    cover[1] = width - 1
    assert found[0, 0] == pytest.approx(cover @ picture[0, 0] @ cover / width**2)
    assert found.mean() == pytest.approx(picture[0, 0].mean(), rel=0.02)


@pytest.mark.parametrize(("severity", "quality"), levels(80, 65, 58, 50, 40))
def test_jpeg_compression_has_the_published_quality(severity: int, quality: int) -> None:
    pixels = pictures(2)
    for picture, saved in zip(
        pixels, corrupt(pixels, "jpeg_compression", severity, 0), strict=True
    ):
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "jpeg", quality=quality)
        assert np.array_equal(np.asarray(Image.open(buffer)), saved)


def test_convolution_is_the_plain_one() -> None:
    rng = np.random.default_rng(0)
    for size, reach in ((9, 5), (4, 9)):
        picture, kernel = rng.random((1, 1, size, size)), rng.random((1, reach, reach))
        wanted = blurred_by_hand(kernel[0], picture[0, 0])
        assert resampling.convolve(picture, kernel)[0, 0] == pytest.approx(wanted)


def test_sampling_in_place_changes_nothing_and_mirrors_outside() -> None:
    picture = np.random.default_rng(0).random((2, 3, 6, 6))
    rows, columns = np.meshgrid(np.arange(6.0), np.arange(6.0), indexing="ij")
    rows, columns = (np.stack([part, part]) for part in (rows, columns))
    assert resampling.sample(picture, rows, columns) == pytest.approx(picture)
    assert resampling.sample(picture, -rows, 10 - columns) == pytest.approx(picture)
    half = resampling.sample(picture, rows * 0 + 1, columns * 0 + 2.25)[..., 0, 0]
    assert half == pytest.approx(0.75 * picture[..., 1, 2] + 0.25 * picture[..., 1, 3])


@pytest.mark.parametrize("size", [5, 32, 33])
def test_clouds_fill_the_range_and_are_rougher_the_slower_they_decay(size: int) -> None:
    def roughness(decay: float) -> float:
        texture = resampling.plasma(40, size, decay, np.random.default_rng(0))
        assert texture.shape == (40, size, size)
        assert (texture.min(), texture.max()) == (0, 1) if size == 32 else texture.max() <= 1
        return float(np.abs(np.diff(texture, axis=2)).mean() / texture.std())

    assert roughness(1.5) > roughness(2) > roughness(3)
