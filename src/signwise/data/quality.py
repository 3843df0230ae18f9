"""What one picture looks like: figures to find poor pictures and duplicates by.

Free of pandas, since every worker process loads it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from signwise.config import Crop
from signwise.data.images import LargeImage, Pixels, decoded, hashed, resize
from signwise.errors import UnreadableImage
from signwise.opening import reason_of
from signwise.places import join

SIDE = 64
SIGNATURE_SIDE = 16
# The lowest 8 x 8 frequencies of the cosine transform of a signature, as in the usual pHash.
_COSINES = np.cos(
    np.pi / SIGNATURE_SIDE * np.outer(np.arange(8), np.arange(SIGNATURE_SIDE) + 0.5)
).astype(np.float32)
# So that sorting by fingerprint puts pictures of one coarse look beside each other.
_COARSE_FIRST = np.argsort(np.add.outer(np.arange(8), np.arange(8)).ravel(), kind="stable")


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """One file of a data set, read once. Where `problem` is not empty, the rest may be void."""

    problem: str = ""
    sha256: str = ""
    width: int = 0
    height: int = 0
    brightness: float = 0.0
    """Mean grey, 0 to 1."""
    contrast: float = 0.0
    """Standard deviation of grey, 0 to 1."""
    sharpness: float = 0.0
    """The steepest step of grey from pixel to pixel, over its range: crisp near 0.4."""
    fingerprint: int = 0
    """64 bits: the signs of the lowest cosine frequencies of the signature."""
    signature: bytes = b""
    """Grey values of the picture at 16 x 16."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Files for one worker: rows in the array file `pixels`, and where the pictures lie."""

    rows: range
    root: str
    names: list[str]
    """Paths relative to `root`; a whole path each would take as much memory as the table."""
    pixels: Path | None
    size: int
    crop: Crop
    max_pixels: int
    most_memory: int | None
    """Bytes that one picture may take while it is decoded."""


def inspect_batch(batch: Batch) -> list[Inspection | None]:
    """Read each file once: hash, decode, measure, and write its pixels to its row.

    None for a picture that takes more memory than `most_memory`.
    """
    array = None if batch.pixels is None else np.load(batch.pixels, mmap_mode="r+")
    return _inspect(batch, batch.rows, array)


def inspect_elsewhere(batch: Batch) -> tuple[list[Inspection | None], Pixels]:
    """As `inspect_batch`, where the array file is not seen: the pixels (N, S, S, 3) come along."""
    pixels = np.zeros((len(batch.rows), batch.size, batch.size, 3), np.uint8)
    return _inspect(batch, range(len(pixels)), pixels), pixels


def _inspect(batch: Batch, rows: range, array: Pixels | None) -> list[Inspection | None]:
    found: list[Inspection | None] = []
    for row, name in zip(rows, batch.names, strict=True):
        path = join(batch.root, name)
        try:
            inspection, pixels = inspect_file(
                path, batch.size, batch.max_pixels, batch.most_memory, batch.crop
            )
        except LargeImage:
            found.append(None)
            continue
        if array is not None and pixels is not None:
            array[row] = pixels
        found.append(inspection)
    return found


def inspect_file(
    path: str | Path,
    size: int,
    max_pixels: int,
    most_memory: int | None = None,
    crop: Crop = "none",
) -> tuple[Inspection, Pixels | None]:
    """The figures of one file, and its pixels at this size (size, size, 3).

    Raises LargeImage where that takes more memory than it may.
    """
    try:
        with hashed(path) as (file, sha256):
            try:
                with decoded(file, size, max_pixels=max_pixels, most_memory=most_memory) as (
                    image,
                    true_size,
                ):
                    inspection = _measure(image, true_size, sha256)
                    return inspection, np.asarray(resize(image, size, crop))
            except LargeImage:
                raise
            except UnreadableImage as error:
                return Inspection(problem=str(error), sha256=sha256), None
    except LargeImage:
        raise
    except OSError as error:
        return Inspection(problem=reason_of(error)), None


def _measure(image: Image.Image, true_size: tuple[int, int], sha256: str) -> Inspection:
    """The figures of a picture as decoded, in RGB or L."""
    grey = image.convert("L")
    # Sharpness counts at the scale at which a network looks; a small picture is not enlarged.
    small = grey.resize(
        (min(grey.width, SIDE), min(grey.height, SIDE)), Image.Resampling.BOX, reducing_gap=2.0
    )
    values = np.asarray(small, np.float32)
    signature = np.asarray(
        small.resize((SIGNATURE_SIDE, SIGNATURE_SIDE), Image.Resampling.BOX), np.float32
    )
    contrast = float(values.std())
    return Inspection(
        sha256=sha256,
        width=true_size[0],
        height=true_size[1],
        brightness=float(values.mean()) / 255,
        contrast=contrast / 255,
        sharpness=_sharpness(values),
        fingerprint=fingerprint(signature),
        signature=signature.astype(np.uint8).tobytes(),
    )


def fingerprint(signature: NDArray[np.float32]) -> int:
    """64 bits that hardly change when a picture is scaled, brightened or compressed.

    Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010.
    """
    spectrum = _COSINES @ signature @ _COSINES.T
    spectrum[0, 0] = 0
    bits = spectrum.ravel()[_COARSE_FIRST] > 0
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def _sharpness(values: NDArray[np.float32]) -> float:
    """The steepest edges against the whole range, both without the extreme 1 or 2 per cent."""
    if min(values.shape) < 3:
        return 1.0
    across = values[1:-1, 2:] - values[1:-1, :-2]
    down = values[2:, 1:-1] - values[:-2, 1:-1]
    steps = np.sqrt(across * across + down * down).ravel() / 2
    steepest = np.partition(steps, int(0.99 * (steps.size - 1)))[int(0.99 * (steps.size - 1))]
    low, high = int(0.02 * (values.size - 1)), int(0.98 * (values.size - 1))
    ordered = np.partition(values.ravel(), (low, high))
    return float(steepest / max(ordered[high] - ordered[low], 1.0))
