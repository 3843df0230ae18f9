"""Read one picture: decode, orientation, colour mode, limits, resize. THE preprocessing.

The training cache, evaluation and every prediction go through `read_image`, so that a network
never sees pixels made in another way than those it learned from.
"""

import io
import os
import re
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from signwise.config import MAX_PIXELS
from signwise.data.colour import from_array, to_rgb
from signwise.errors import UnreadableImage

Pixels = NDArray[np.uint8]
Source = str | os.PathLike[str] | bytes | IO[bytes] | Image.Image | NDArray[Any]
"""One picture."""
Sources = Source | Iterable[Source]
"""One picture or several; a path may be a folder where a function says so."""

DRAFT_FACTOR = 2
REDUCING_GAP = 2.0
RESIZE_RULE = (
    "Pillow bilinear, antialiased, stretched to S x S, reducing gap 2; JPEG decoded at the scale "
    "of 1, 1/2, 1/4 or 1/8 that leaves at least 2 S; alpha over grey 128"
)

# Formats that Pillow can name but not decode by itself. EPS would start Ghostscript.
_NO_PICTURES = frozenset({"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG", "FPX", "MIC"})
_HEIC_SUFFIXES = frozenset({".heic", ".heif", ".hif"})
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_MAGIC = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"RIFF": "WebP",
}
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


def read_image(source: Source, size: int | None, *, max_pixels: int = MAX_PIXELS) -> Pixels:
    """The picture as uint8 RGB (size, size, 3), or (H, W, 3) as decoded where size is None.

    Upright by its EXIF orientation, the first frame of an animation, alpha over mid-grey,
    stretched to the square with antialiasing. Arrays are RGB: (H, W), (H, W, 3) or (H, W, 4), of
    uint8, uint16 or floats in 0 to 1. Raises UnreadableImage, whose text is the reason.
    """
    image, _ = decode(source, size, max_pixels=max_pixels)
    return np.array(image if size is None else resize(image, size))


def resize(image: Image.Image, size: int) -> Image.Image:
    """The RGB picture stretched to size x size as RESIZE_RULE says."""
    return image.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=REDUCING_GAP)


def decode(
    source: Source, size: int | None, *, max_pixels: int = MAX_PIXELS
) -> tuple[Image.Image, tuple[int, int]]:
    """The upright RGB picture and its true (width, height).

    A JPEG much larger than `size` comes out smaller than its true size, though never below twice
    `size`. Raises UnreadableImage.
    """
    try:
        with _strict_pillow(max_pixels):
            if isinstance(source, np.ndarray):
                _check_pixels(source.shape[1::-1], max_pixels)
                return _finish(from_array(source), None)
            if isinstance(source, Image.Image):
                _check_pixels(source.size, max_pixels)
                return _finish(source, None)
            if isinstance(source, bytes | bytearray | memoryview):
                return _decode_file(io.BytesIO(source), size, max_pixels)
            if isinstance(source, str | os.PathLike):
                with open(source, "rb") as file:  # noqa: PTH123  (a Path costs 7 % of a picture)
                    return _decode_file(file, size, max_pixels)
            return _decode_file(io.BytesIO(source.read()), size, max_pixels)
    except UnreadableImage:
        raise
    except Exception as error:  # a decoder given hostile bytes may raise anything
        raise UnreadableImage(_reason(error, max_pixels)) from None


@cache
def image_suffixes() -> frozenset[str]:
    """The lower-case suffixes, with their dot, that are taken for pictures in a folder."""
    known = Image.registered_extensions().items()
    readable = {
        suffix.lower() for suffix, name in known if name in Image.OPEN and name not in _NO_PICTURES
    }
    return frozenset(readable) | _HEIC_SUFFIXES


def _decode_file(
    file: IO[bytes], size: int | None, max_pixels: int
) -> tuple[Image.Image, tuple[int, int]]:
    head = file.read(64)
    file.seek(0)
    if not head:
        raise UnreadableImage("empty file")
    try:
        image = Image.open(file)
    except UnidentifiedImageError:
        raise UnreadableImage(_unidentified(head)) from None
    with image:
        if image.format in _NO_PICTURES:
            raise UnreadableImage(f"{image.format} is not supported: convert to JPEG or PNG")
        true_size = image.size
        _check_pixels(true_size, max_pixels)
        if size is None or image.format not in ("JPEG", "MPO"):
            return _finish(image, None)
        image.draft(None, (DRAFT_FACTOR * size, DRAFT_FACTOR * size))
        return _finish(image, true_size)


def _finish(
    image: Image.Image, true_size: tuple[int, int] | None
) -> tuple[Image.Image, tuple[int, int]]:
    """Load, convert, turn upright; `true_size` is what a scaled JPEG had."""
    image.load()
    orientation = _orientation(image)
    rgb = to_rgb(image)
    if orientation in _TRANSPOSE:
        rgb = rgb.transpose(_TRANSPOSE[orientation])
    if true_size is None:
        return rgb, rgb.size
    width, height = true_size
    return rgb, (height, width) if orientation >= 5 else (width, height)


def _orientation(image: Image.Image) -> int:
    """1 to 8; a damaged EXIF block costs the orientation, not the picture."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:
        return 1


def _check_pixels(size: tuple[int, ...], max_pixels: int) -> None:
    if len(size) != 2:
        raise UnreadableImage("an array that is no picture: give (H, W), (H, W, 3 or 4)")
    count = size[0] * size[1]
    if count == 0:
        raise UnreadableImage("no pixels")
    if count > max_pixels:
        raise UnreadableImage(f"{count:,} pixels, more than the limit of {max_pixels:,}")


def _unidentified(head: bytes) -> str:
    """Why Pillow knows no format for a file that starts so."""
    if head[4:8] == b"ftyp":
        brands = head[8:]
        if b"avif" in brands or b"avis" in brands:
            known = "AVIF" in Image.OPEN
            return "truncated or damaged" if known else "AVIF needs Pillow 11.3 or newer"
        if any(brand in brands for brand in _HEIC_BRANDS):
            return "HEIC is not supported: convert to JPEG or PNG"
    if _no_pixels(head):
        return "no pixels"
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            return f"truncated or damaged: {name} without a readable header"
    return "not an image"


def _no_pixels(head: bytes) -> bool:
    """Whether the header of a PNG, GIF or BMP declares a width or height of zero."""
    for magic, start, width in ((b"\x89PNG", 16, 4), (b"GIF8", 6, 2), (b"BM", 18, 4)):
        if head.startswith(magic) and len(head) >= start + 2 * width:
            sides = head[start : start + width], head[start + width : start + 2 * width]
            return any(not any(side) for side in sides)
    return False


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
    if isinstance(error, MemoryError):
        return "too large for the memory"
    if isinstance(error, EOFError) or re.search(
        "truncat|not large enough|not enough|unexpected end|premature", text, re.IGNORECASE
    ):
        return "truncated"
    if re.search("broken data stream|decoder error|could not create decoder", text):
        return "truncated or damaged"
    return f"damaged ({text[:80]})" if text else f"damaged ({type(error).__name__})"


_lock = threading.Lock()
_inside = 0
_stack = ExitStack()


@contextmanager
def _strict_pillow(max_pixels: int) -> Iterator[None]:
    """Pillow as needed here, whatever the program around has set, in any number of threads.

    Its warnings (damaged EXIF, large pictures) are silent, truncated files fail, and its own limit
    does not stand below `max_pixels`. These are globals, so the first thread in sets them and the
    last one out restores them.
    """
    global _inside
    with _lock:
        _inside += 1
        if _inside == 1:
            _stack.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", module="PIL")
            _stack.callback(setattr, Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
            _stack.callback(
                setattr, ImageFile, "LOAD_TRUNCATED_IMAGES", ImageFile.LOAD_TRUNCATED_IMAGES
            )
            ImageFile.LOAD_TRUNCATED_IMAGES = False
        if Image.MAX_IMAGE_PIXELS is None or max_pixels > Image.MAX_IMAGE_PIXELS:
            Image.MAX_IMAGE_PIXELS = max_pixels
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _stack.close()
