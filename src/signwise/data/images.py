"""Read one picture: decode, orientation, colour mode, limits, resize. THE preprocessing.

The training cache, evaluation and every prediction go through `read_image`, so that a network
never sees pixels made in another way than those it learned from.
"""

import hashlib
import io
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from signwise.config import MAX_PIXELS, Crop
from signwise.data.colour import PIECE_PIXELS, from_array, to_eight_bits
from signwise.data.headers import HEAD, ICON, check_icons, file_size, unidentified
from signwise.data.limits import (
    TimedFile,
    bytes_needed,
    check_file,
    check_memory,
    check_pixels,
    count_scans,
    give_back,
    take,
)
from signwise.data.strict_pillow import strict_pillow
from signwise.errors import UnreadableImage
from signwise.files import sha256_bytes
from signwise.opening import MOST_PICTURE, open_regular, reason_of
from signwise.places import Unreachable

Pixels = NDArray[np.uint8]
Source = str | os.PathLike[str] | bytes | IO[bytes] | Image.Image | NDArray[Any]
"""One picture."""
Sources = Source | Iterable[Source]
"""One picture or several; a path may be a folder where a function says so."""

SMALL_FILE = 2**20
"""Bytes; such a file is read at once, and kept in memory between hashing and decoding."""
SMALL_PICTURE = 2**19
"""Pixels; what such a picture takes does not count."""
DRAFT_FACTOR = 2
REDUCING_GAP = 2.0
_REST = (
    "reducing gap 2; JPEG decoded at the scale of 1, 1/2, 1/4 or 1/8 that leaves at least 2 S; "
    "alpha over grey 128"
)
RESIZE_RULES: dict[Crop, str] = {
    "none": f"Pillow bilinear, antialiased, stretched to S x S, {_REST}",
    "center": f"the largest square in the middle, Pillow bilinear, antialiased, to S x S, {_REST}",
}

# Formats that Pillow can name but not decode by itself: EPS would start Ghostscript. And two that
# hold a whole file of another format, whose size is known only when it is decoded.
_NO_PICTURES = frozenset(
    {"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG", "FPX", "MIC", "ICNS", "BLP"}
)
# How files begin whose decoders are not written in Python: a small one can't take long.
_QUICK = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"II*\0", b"MM\0*")
_HEIC_SUFFIXES = frozenset({".heic", ".heif", ".hif"})
_ORIENTATION = 0x0112
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class LargeImage(UnreadableImage):
    """The picture takes more memory than it may take here."""


def read_image(
    source: Source,
    size: int | None,
    *,
    crop: Crop = "none",
    max_pixels: int = MAX_PIXELS,
) -> Pixels:
    """The picture as uint8 RGB (size, size, 3), or (H, W, 3) as decoded where size is None.

    Upright by its EXIF orientation, the first frame of an animation, alpha over mid-grey,
    stretched to the square, or cropped to the largest in its middle (`crop`), with antialiasing.
    Arrays are RGB: (H, W), (H, W, 3) or (H, W, 4), of uint8, uint16 or floats in 0 to 1. Raises
    UnreadableImage, whose text is the reason.
    """
    taken: list[int] = []  # as in `decoded`, which costs a small picture 1 % of its time
    try:
        image, _ = _decode(source, size, max_pixels, taken)
        return _array(image) if size is None else np.array(resize(image, size, crop))
    finally:
        if taken:
            give_back(taken[0])


def read_for_people(source: Source, side: int, crop: Crop = "none") -> Pixels:
    """The picture as uint8 RGB (H, W, 3), as large as it is or at least `side`.

    In its own shape, or cropped as a model sees it (`crop`). Raises UnreadableImage.
    """
    with decoded(source, side) as (image, _):
        shown = _cropped(image, crop)
        return _array(shown.reduce(max(1, max(shown.size) // side)))


def resize(image: Image.Image, size: int, crop: Crop = "none") -> Image.Image:
    """The picture at size x size as RESIZE_RULES says, in RGB."""
    square = _cropped(image, crop)
    small = square.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=REDUCING_GAP)
    return small if small.mode == "RGB" else small.convert("RGB")


def _cropped(image: Image.Image, crop: Crop) -> Image.Image:
    if crop == "none" or image.width == image.height:
        return image
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


@contextmanager
def decoded(
    source: Source,
    size: int | None,
    *,
    max_pixels: int = MAX_PIXELS,
    most_memory: int | None = None,
) -> Iterator[tuple[Image.Image, tuple[int, int]]]:
    """The upright picture, in RGB or, where it is grey, in L, and its true (width, height).

    A JPEG much larger than `size` comes out smaller than its true size, though never below twice
    `size`. While the block runs, its memory counts as taken, and other threads may have to wait.
    Raises UnreadableImage, and of its children LargeImage where the picture as such is sound, but
    takes more than `most_memory` bytes to decode.
    """
    taken: list[int] = []
    try:
        yield _decode(source, size, max_pixels, taken, most_memory)
    finally:
        if taken:
            give_back(taken[0])


def _decode(
    source: Source,
    size: int | None,
    max_pixels: int,
    taken: list[int],
    most_memory: int | None = None,
) -> tuple[Image.Image, tuple[int, int]]:
    try:
        with strict_pillow(max_pixels):
            if isinstance(source, np.ndarray):
                check_pixels(source.shape[1::-1], max_pixels)
                return _finish(from_array(source), None)
            if isinstance(source, Image.Image):
                check_pixels(source.size, max_pixels)
                return _finish(source, None)
            if isinstance(source, bytes | bytearray | memoryview):
                return _decode_file(io.BytesIO(source), size, max_pixels, taken, most_memory)
            if isinstance(source, str | os.PathLike):
                with open_regular(source, MOST_PICTURE, in_memory=SMALL_FILE) as file:
                    return _decode_file(file, size, max_pixels, taken, most_memory)
            if not isinstance(source, io.BytesIO | io.BufferedReader) or source.tell():
                source = io.BytesIO(source.read())
            return _decode_file(source, size, max_pixels, taken, most_memory)
    except (UnreadableImage, Unreachable):
        raise
    except Exception as error:  # a decoder given hostile bytes may raise anything
        raise UnreadableImage(_reason(error, max_pixels)) from None


@contextmanager
def hashed(path: str | os.PathLike[str]) -> Iterator[tuple[IO[bytes], str]]:
    """The file, open at its beginning, and the SHA-256 of its bytes, which are not all kept.

    Raises OSError where it can't be read, or is too large.
    """
    with open_regular(path, MOST_PICTURE) as file:
        if file_size(file) <= SMALL_FILE:
            content = file.read()
            yield io.BytesIO(content), sha256_bytes(content)
        else:
            sha256 = hashlib.file_digest(cast(io.BufferedReader, file), "sha256").hexdigest()
            file.seek(0)
            yield file, sha256


@cache
def image_suffixes() -> frozenset[str]:
    """The lower-case suffixes, with their dot, that are taken for pictures in a folder."""
    known = Image.registered_extensions().items()
    readable = {
        suffix.lower() for suffix, name in known if name in Image.OPEN and name not in _NO_PICTURES
    }
    return frozenset(readable) | _HEIC_SUFFIXES


def _decode_file(
    opened: IO[bytes],
    size: int | None,
    max_pixels: int,
    taken: list[int],
    most_memory: int | None,
) -> tuple[Image.Image, tuple[int, int]]:
    size_bytes = file_size(opened)
    check_file(size_bytes)
    head = opened.read(HEAD)
    quick = size_bytes <= SMALL_FILE and head.startswith(_QUICK)
    file: Any = opened if quick else TimedFile(opened)
    if not head:
        raise UnreadableImage("empty file")
    if head.startswith(ICON):
        check_icons(head, file, max_pixels)
    file.seek(0)
    try:
        image = Image.open(file)
    except UnidentifiedImageError:
        raise UnreadableImage(unidentified(head, file)) from None
    with image:
        if image.format in _NO_PICTURES:
            raise UnreadableImage(f"{image.format} is not supported: convert to JPEG or PNG")
        true_size = image.size
        check_pixels(true_size, max_pixels)
        scans, drafted = 1, False
        if image.format in ("JPEG", "MPO"):
            scans = count_scans(file, true_size[0] * true_size[1], size_bytes, max_pixels)
            if size is not None:
                image.draft(None, (DRAFT_FACTOR * size, DRAFT_FACTOR * size))
                drafted = True
        if image.width * image.height > SMALL_PICTURE or scans > 1:
            # A PNG may tell its orientation only after its pixels.
            turned = image.format == "PNG" or _orientation(image) != 1
            needed = bytes_needed(image, true_size, scans=scans, turned=turned)
            check_memory(needed, max_pixels)
            if most_memory is not None and needed > most_memory:
                raise LargeImage(f"about {needed:,} bytes to decode it")
            take(needed)
            taken.append(needed)
        return _finish(image, true_size if drafted else None, ours=True)


def _finish(
    image: Image.Image, true_size: tuple[int, int] | None, *, ours: bool = False
) -> tuple[Image.Image, tuple[int, int]]:
    """Load, convert, turn upright; `true_size` is what a scaled JPEG had, and `ours` is closed."""
    image.load()
    orientation = _orientation(image)
    plain = to_eight_bits(image)
    if ours and plain is not image:
        image.close()  # a large one is not kept while it is turned
    if orientation in _TRANSPOSE:
        plain = plain.transpose(_TRANSPOSE[orientation])
    if true_size is None:
        return plain, plain.size
    width, height = true_size
    return plain, (height, width) if orientation >= 5 else (width, height)


def _array(image: Image.Image) -> Pixels:
    """The picture as an array (H, W, 3), some rows at a time: Pillow would copy it twice."""
    array = np.empty((image.height, image.width, 3), np.uint8)
    rows = max(1, PIECE_PIXELS // image.width)
    for top in range(0, image.height, rows):
        piece = image.crop((0, top, image.width, min(top + rows, image.height)))
        array[top : top + rows] = np.asarray(piece.convert("RGB"))
    return array


def _orientation(image: Image.Image) -> int:
    """1 to 8; a damaged EXIF block costs the orientation, not the picture."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:
        return 1


def _reason(error: Exception, max_pixels: int) -> str:
    """A short text for a person."""
    text = " ".join(str(error).split())
    if isinstance(error, Image.DecompressionBombError):
        count = re.search(r"\d+", text)
        pixels = f"{int(count[0]):,}" if count else "too many"
        return f"{pixels} pixels, more than the limit of {max_pixels:,}"
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "a folder, not a file"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if isinstance(error, OSError) and error.errno is not None:
        return reason_of(error)
    if isinstance(error, MemoryError):
        return "too large for the memory"
    if isinstance(error, EOFError) or re.search(
        "truncat|not large enough|not enough|unexpected end|premature", text, re.IGNORECASE
    ):
        return "truncated"
    if re.search("broken data stream|decoder error|could not create decoder", text):
        return "truncated or damaged"
    return f"damaged ({text[:80]})" if text else f"damaged ({type(error).__name__})"
