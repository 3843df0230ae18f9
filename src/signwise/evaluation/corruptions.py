"""The 15 common corruptions at 5 severities: noise, blur, weather and digital.

Source: Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common
Corruptions and Perturbations", 3 and appendix B, with the severities published for pictures of 32
pixels (CIFAR-10-C). Lengths are in 1/32 of the side, so that a corruption looks the same at any S.
Frost is rendered here, where the paper takes photos of it.

For judging only: nothing in training or in the synthetic data may use these functions.
"""

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from signwise.evaluation.resampling import (
    Floats,
    box_matrix,
    convolve,
    gaussian_blur,
    gaussian_kernel,
    motion_kernels,
    plasma,
    sample,
    to_floats,
    to_pixels,
    zoom_matrix,
)

SEVERITIES = (1, 2, 3, 4, 5)
LUMA = np.array([0.299, 0.587, 0.114])


def corrupt(pixels: NDArray[np.uint8], name: str, severity: int, seed: int) -> NDArray[np.uint8]:
    """The pictures (N, S, S, 3) with one corruption of `CORRUPTIONS` at severity 1 to 5.

    The same seed gives the same bytes, on any CPU.
    """
    if not len(pixels):
        return pixels
    rng = np.random.default_rng([seed, list(CORRUPTIONS).index(name), severity])
    return to_pixels(CORRUPTIONS[name](to_floats(pixels), severity - 1, rng))


def gaussian_noise(pictures: Floats, level: int, rng: np.random.Generator) -> Floats:
    """Sensor noise in low light."""
    scale = (0.04, 0.06, 0.08, 0.09, 0.10)[level]
    return pictures + scale * rng.standard_normal(pictures.shape)


def shot_noise(pictures: Floats, level: int, rng: np.random.Generator) -> Floats:
    """The noise of counting photons."""
    photons = (500, 250, 100, 75, 50)[level]
    return np.asarray(rng.poisson(pictures * photons) / photons)


def impulse_noise(pictures: Floats, level: int, rng: np.random.Generator) -> Floats:
    """Single values at 0 or 1: salt and pepper."""
    amount = (0.01, 0.02, 0.03, 0.05, 0.07)[level]
    chance = rng.random(pictures.shape)
    salted = np.where(chance < amount / 2, 0, pictures)
    return np.where(chance > 1 - amount / 2, 1, salted)


def defocus_blur(pictures: Floats, level: int, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    """Out of focus: a disk, its edge softened."""
    radius, soft = ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))[level]
    unit = pictures.shape[-1] / 32
    reach = max(1, int(np.ceil(radius * unit)))
    across = np.arange(-reach, reach + 1)
    disk = (np.hypot(across[:, None], across) <= max(radius * unit, 0.5)).astype(float)
    sharp = convolve(pictures, (disk / disk.sum())[None])
    return convolve(sharp, gaussian_kernel(soft * unit, max(1, round(unit))))


def glass_blur(pictures: Floats, level: int, rng: np.random.Generator) -> Floats:
    """Frosted glass: each place shows a pixel from nearby.

    The paper speaks of swapped pixels; the published pictures were made by copying, and so is this.
    """
    sigma, rounds = ((0.05, 1), (0.25, 1), (0.4, 1), (0.25, 2), (0.4, 2))[level]
    count, _, size, _ = pictures.shape
    unit = size / 32
    reach = max(1, round(unit))
    glass = gaussian_blur(pictures, sigma * unit)
    every, grid = np.arange(count)[:, None, None], np.arange(size)
    inside = (grid >= reach) & (grid < size - reach)
    moving = inside[:, None] & inside
    for _ in range(rounds):
        down, right = rng.integers(-reach, reach, (2, count, size, size)) * moving
        glass = glass[every, :, grid[:, None] + down, grid + right].transpose(0, 3, 1, 2)
    return gaussian_blur(glass, sigma * unit)


def motion_blur(pictures: Floats, level: int, rng: np.random.Generator) -> Floats:
    """The camera moved."""
    length, sigma = ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5))[level]
    return _moved(pictures, length, sigma, rng.uniform(-45, 45, len(pictures)))


def _moved(pictures: Floats, length: int, sigma: float, degrees: NDArray[np.float64]) -> Floats:
    unit = pictures.shape[-1] / 32
    tail = max(1, round(2 * length * unit))
    return convolve(pictures, motion_kernels(min(tail, pictures.shape[-1]), sigma * unit, degrees))


def zoom_blur(pictures: Floats, level: int, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    """The camera came nearer while it looked."""
    # As many as the published np.arange gives, whose rounding adds one to the first two.
    steps = (7, 12, 16, 21, 26)[level]
    total = pictures.copy()
    for step in range(steps):
        weights = zoom_matrix(pictures.shape[-1], 1 + 0.01 * step)
        total += weights @ pictures @ weights.T
    return np.asarray(total / (steps + 1))


def snow(pictures: Floats, level: int, rng: np.random.Generator) -> Floats:
    """Flakes drawn out by their fall, over a whitened picture."""
    mean, deviation, zoom, least, length, sigma, kept = (
        (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
        (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    )[level]
    count, _, size, _ = pictures.shape
    flakes = rng.normal(mean, deviation, (count, 1, size, size))
    weights = zoom_matrix(size, zoom * size / 32)
    zoomed = weights @ flakes @ weights.T
    single = np.where(zoomed < least, 0, zoomed).clip(0, 1)
    drawn = _moved(single, length, sigma, rng.uniform(-135, -45, len(single)))
    grey = np.tensordot(LUMA, pictures, axes=(0, 1))[:, None]
    white = np.maximum(pictures, grey * 1.5 + 0.5)
    covered = kept * pictures + (1 - kept) * white + drawn + drawn[..., ::-1, ::-1]
    return np.asarray(covered)


def frost(pictures: Floats, level: int, rng: np.random.Generator) -> Floats:
    """Ice on the lens: rendered needles and ridges, densest at one side."""
    kept, ice = ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45))[level]
    count, _, size, _ = pictures.shape
    # Where a cloud texture crosses its middle runs a fine branching line: a needle of ice.
    needles = np.zeros((count, size, size))
    for decay, weight in ((1.9, 0.6), (2.3, 0.4)):
        needles += weight * (1 - np.abs(2 * plasma(count, size, decay, rng) - 1)) ** 4
    film = 0.3 + 0.7 * plasma(count, size, 3, rng)
    texture = (0.2 + needles) * film
    texture /= texture.max(axis=(1, 2), keepdims=True)
    tint = np.array([0.86, 0.95, 1.0])[:, None, None]
    return np.asarray(kept * pictures + ice * texture[:, None] * tint)


def fog(pictures: Floats, level: int, rng: np.random.Generator) -> Floats:
    """Drifting fog: clouds added, contrast lost."""
    density, decay = ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75))[level]
    brightest = pictures.max(axis=(1, 2, 3), keepdims=True)
    # The published clouds fade by the square of the decay from one level to the next.
    clouds = plasma(len(pictures), pictures.shape[-1], decay**2, rng)[:, None]
    fogged = (pictures + density * clouds) * brightest / (brightest + density)
    return np.asarray(fogged)


def brightness(pictures: Floats, level: int, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    """More light: the value of HSV raised."""
    added = (0.05, 0.1, 0.15, 0.2, 0.3)[level]
    value = pictures.max(axis=1, keepdims=True)
    raised = np.minimum(value + added, 1)
    # Hue and saturation stay where all channels grow by one factor; black has neither.
    factor = raised / np.maximum(value, 1e-6)
    return np.asarray(np.where(value > 1e-6, pictures * factor, raised))


def contrast(pictures: Floats, level: int, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    """Less contrast: each channel drawn to its mean."""
    kept = (0.75, 0.5, 0.4, 0.3, 0.15)[level]
    mean = pictures.mean(axis=(2, 3), keepdims=True)
    return np.asarray((pictures - mean) * kept + mean)


def elastic_transform(pictures: Floats, level: int, rng: np.random.Generator) -> Floats:
    """A random affine map, and small places stretched or pressed."""
    alpha, sigma, shift = (
        (0, 1, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)
    )[level]  # fmt: skip
    count, _, size, _ = pictures.shape
    axis = np.arange(size) - (size - 1) / 2
    rows, columns = (axis[:, None] + 0 * axis)[None], (axis + 0 * axis[:, None])[None]
    # Three points of a triangle of a third of the side move each by its own shift.
    moves = rng.uniform(-shift, shift, (2, 3, count, 1, 1))
    places = []
    for grid, (first, second, third) in zip((rows, columns), moves * size, strict=True):
        slope_rows = (second - first) / (2 * size / 3)
        slope_columns = (third - first) / (2 * size / 3)
        places.append(
            grid + first + slope_rows * (rows + size / 3) + slope_columns * (columns + size / 3)
        )
    if alpha:
        noise = rng.uniform(-1, 1, (count, 2, size, size))
        field = gaussian_blur(noise, sigma * size) * (alpha * size)
        places = [place + field[:, part] for part, place in enumerate(places)]
    middle = (size - 1) / 2
    return sample(pictures, *(np.asarray(place + middle) for place in places))


def pixelate(pictures: Floats, level: int, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    """Fewer pixels, shown in the old size."""
    size = pictures.shape[-1]
    few = max(1, int(size * (0.95, 0.9, 0.85, 0.75, 0.65)[level]))
    nearest = ((np.arange(size) + 0.5) * few / size).astype(int)
    weights = box_matrix(size, few)[nearest]
    return np.asarray(weights @ pictures @ weights.T)


def jpeg_compression(pictures: Floats, level: int, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    """Saved with loss."""
    quality = (80, 65, 58, 50, 40)[level]
    result = []
    for picture in to_pixels(pictures):
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "jpeg", quality=quality)
        result.append(np.asarray(Image.open(buffer)))
    return to_floats(np.stack(result))


CORRUPTIONS: dict[str, Callable[[Floats, int, np.random.Generator], Floats]] = {
    corruption.__name__: corruption
    for corruption in (
        gaussian_noise,
        shot_noise,
        impulse_noise,
        defocus_blur,
        glass_blur,
        motion_blur,
        zoom_blur,
        snow,
        frost,
        fog,
        brightness,
        contrast,
        elastic_transform,
        pixelate,
        jpeg_compression,
    )
}
