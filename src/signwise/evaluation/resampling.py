"""Whole-batch arithmetic on pictures (N, 3, S, S), float64 in [0, 1], that corruptions share.

The order in which a CPU sums, and how it rounds exp or sin, changes the last bit of a float64: less
than 1e-13 here. `to_pixels` rounds at a place where no value lies for a reason, so that the pixels
are the same on every CPU.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
TIE = 1e-6
"""In grey levels. A mean of two grey levels can lie half-way between two: it is rounded up, and so
is what lies below the half by less than this."""


def to_floats(pixels: NDArray[np.uint8]) -> Floats:
    """(N, S, S, 3) uint8 -> (N, 3, S, S) in [0, 1]."""
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), np.float64) / 255


def to_pixels(pictures: Floats) -> NDArray[np.uint8]:
    """(N, 3, S, S), clipped to [0, 1] -> (N, S, S, 3) uint8."""
    values = np.floor(np.clip(pictures, 0, 1) * 255 + (0.5 + TIE)).astype(np.uint8)
    return np.ascontiguousarray(values.transpose(0, 2, 3, 1))


def convolve(pictures: Floats, kernels: Floats) -> Floats:
    """Each picture (N, C, S, S) with its kernel (N or 1, R, R), R odd; edges are mirrored."""
    size, radius = pictures.shape[-1], kernels.shape[-1] // 2
    # A mirror shows no more than what stands before it.
    edges = [(0, 0), (0, 0), (radius, radius), (radius, radius)]
    padded = np.pad(pictures, edges, mode="symmetric")
    side = padded.shape[-1]
    spectrum = np.fft.rfft2(padded) * np.fft.rfft2(kernels, s=(side, side))[:, None]
    whole = np.fft.irfft2(spectrum, s=(side, side))
    part = slice(2 * radius, 2 * radius + size)
    return np.ascontiguousarray(whole[..., part, part])


def gaussian_kernel(sigma: float, radius: int) -> Floats:
    """(1, R, R), R = 2 radius + 1, sum 1."""
    line = np.exp(-0.5 * np.square(np.arange(-radius, radius + 1) / sigma))
    kernel = np.outer(line, line)
    return np.asarray((kernel / kernel.sum())[None])


def gaussian_blur(pictures: Floats, sigma: float) -> Floats:
    """Gaussian blur, sigma in pixels."""
    return convolve(pictures, gaussian_kernel(sigma, max(1, round(4 * sigma))))


def motion_kernels(length: int, sigma: float, degrees: NDArray[Any]) -> Floats:
    """Kernels (N, R, R) that draw a tail of `length` pixels in each direction of `degrees` (N,)."""
    radius, count = length, len(degrees)
    kernels = np.zeros((count, 2 * radius + 1, 2 * radius + 1))
    angle = np.deg2rad(degrees)
    for step in np.arange(0, length, 0.5):
        weight = np.exp(-0.5 * (step / sigma) ** 2)
        row, column = radius + step * np.sin(angle), radius + step * np.cos(angle)
        top, left = np.floor(row).astype(int), np.floor(column).astype(int)
        for down in (0, 1):
            for right in (0, 1):
                share = (1 - np.abs(row - top - down)) * (1 - np.abs(column - left - right))
                at = (np.arange(count), (top + down).clip(0, 2 * radius))
                kernels[(*at, (left + right).clip(0, 2 * radius))] += weight * share
    return np.asarray(kernels / kernels.sum(axis=(1, 2), keepdims=True))


def zoom_matrix(size: int, zoom: float) -> Floats:
    """(S, S) bilinear weights: a line of S pixels, enlarged about its middle."""
    centre = (size - 1) / 2
    return line_weights(centre + (np.arange(size) - centre) / zoom, size)


def line_weights(at: NDArray[Any], size: int) -> Floats:
    """(M, size) bilinear weights that read a line of `size` pixels at M places."""
    at = np.clip(at, 0, size - 1)
    return np.asarray(np.maximum(0, 1 - np.abs(at[:, None] - np.arange(size))))


def box_matrix(size: int, to: int) -> Floats:
    """(to, size) weights of the mean over the part of the line that each of `to` pixels covers."""
    edges = np.arange(to + 1) * (size / to)
    low, high = edges[:-1, None], edges[1:, None]
    pixel = np.arange(size)
    cover = np.clip(np.minimum(high, pixel + 1) - np.maximum(low, pixel), 0, None)
    return np.asarray(cover / cover.sum(axis=1, keepdims=True))


def sample(pictures: Floats, rows: Floats, columns: Floats) -> Floats:
    """Read each picture bilinearly at places (N, S, S), mirrored at the edges."""
    size = pictures.shape[-1]
    rows, columns = _mirrored(rows, size), _mirrored(columns, size)
    top = np.minimum(rows.astype(np.intp), size - 2)
    left = np.minimum(columns.astype(np.intp), size - 2)
    down, right = rows - top, columns - left
    picture = np.arange(len(pictures))[:, None, None]
    result = np.zeros_like(pictures)
    for row, weight in ((top, 1 - down), (top + 1, down)):
        for column, share in ((left, 1 - right), (left + 1, right)):
            # Advanced indices round the channels' slice put these last: (N, S, S, C).
            values = pictures[picture, :, row, column]
            result += (values * (weight * share)[..., None]).transpose(0, 3, 1, 2)
    return result


def _mirrored(at: Floats, size: int) -> Floats:
    period = max(1, 2 * (size - 1))
    return np.asarray((size - 1) - np.abs((at % period) - (size - 1)))


def plasma(count: int, size: int, decay: float, rng: np.random.Generator) -> Floats:
    """Cloud textures (N, S, S) in [0, 1]: midpoint displacement, amplitude / `decay` each level.

    Source: Fournier, Fussell and Carpenter 1982, "Computer rendering of stochastic models".
    """
    side = 1 << max(1, (size - 1).bit_length())
    clouds = np.zeros((count, side, side))
    step, amplitude = side, 1.0

    def jitter(shape: tuple[int, ...]) -> NDArray[np.float64]:
        return rng.uniform(-amplitude, amplitude, shape)

    while step >= 2:
        half = step // 2
        corners = clouds[:, ::step, ::step]
        beside = corners + np.roll(corners, -1, axis=1)
        middle = (beside + np.roll(beside, -1, axis=2)) / 4
        clouds[:, half::step, half::step] = middle + jitter(middle.shape)
        middles = clouds[:, half::step, half::step]
        across = corners + np.roll(corners, -1, axis=2) + middles + np.roll(middles, 1, axis=1)
        clouds[:, ::step, half::step] = across / 4 + jitter(across.shape)
        along = corners + np.roll(corners, -1, axis=1) + middles + np.roll(middles, 1, axis=2)
        clouds[:, half::step, ::step] = along / 4 + jitter(along.shape)
        step, amplitude = half, amplitude / decay
    low = clouds.min(axis=(1, 2), keepdims=True)
    spread = np.maximum(clouds.max(axis=(1, 2), keepdims=True) - low, 1e-6)
    return np.asarray(((clouds - low) / spread)[:, :size, :size])
