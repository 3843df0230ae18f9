"""Every colour mode of a picture, and every array, to eight bits a channel of RGB."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from signwise.errors import UnreadableImage

MID_GREY = 128
PIECE_PIXELS = 2**20
"""Pixels that are converted at a time: no more than a piece is there in wide types."""
_FULL_OF_BITS = {12: 4095}
"""The largest value of TIFFs whose samples have so many bits; any other has 16."""

_SIGNED = 2
"""What the tag 339 of a TIFF says of whole numbers that may be below 0."""


def to_eight_bits(image: Image.Image) -> Image.Image:
    """The picture in mode RGB or, where it is grey, L; transparent parts over mid-grey.

    By the type of its values alone, so that two pictures of one kind are never scaled differently:
    integers from 0 to 65535, floats from 0 to 1. Raises UnreadableImage where one is beyond.
    """
    mode, clear = image.mode, "transparency" in image.info
    if mode == "L" and _SIGNED in _tag(image, 339):
        raise UnreadableImage("signed whole numbers of 8 bits: save it with unsigned ones")
    if mode in ("RGB", "L") and not clear:
        return image
    if mode.startswith("I"):
        full = _FULL_OF_BITS.get((*_tag(image, 258), 16)[0], 65535)
        return _turned(_in_pieces(image, lambda piece: _from_integers(piece, full), "L"), image)
    if mode == "F":
        return _turned(_in_pieces(image, _from_floats, "L"), image)
    if mode == "LAB":
        return _in_pieces(image, _lab_converter(), "RGB")
    if clear or mode in ("LA", "PA", "La", "RGBA", "RGBa"):
        return _in_pieces(image, _over_grey, "RGB")
    return image.convert("L" if mode == "1" else "RGB")


def _in_pieces(
    image: Image.Image, convert: Callable[[Image.Image], Image.Image], mode: str
) -> Image.Image:
    """The picture converted, some rows at a time."""
    width, height = image.size
    rows = max(1, PIECE_PIXELS // width)
    if rows >= height:
        return convert(image)
    whole = Image.new(mode, image.size)
    for top in range(0, height, rows):
        piece = image.crop((0, top, width, min(top + rows, height)))
        whole.paste(convert(piece), (0, top))
    return whole


def _over_grey(piece: Image.Image) -> Image.Image:
    if piece.mode == "La":
        piece = piece.convert("LA")
    grey = Image.new("RGBA", piece.size, (MID_GREY, MID_GREY, MID_GREY, 255))
    grey.alpha_composite(piece.convert("RGBA"))
    return grey.convert("RGB")


def _lab_converter() -> Callable[[Image.Image], Image.Image]:
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")

    def convert(piece: Image.Image) -> Image.Image:
        converted = ImageCms.profileToProfile(piece, lab, srgb, outputMode="RGB")
        assert converted is not None
        return converted

    return convert


def _tag(image: Image.Image, number: int) -> tuple[Any, ...]:
    """The values of a tag of a TIFF; none where it has no such tag, or is no TIFF."""
    found = getattr(image, "tag_v2", {}).get(number, ())
    return found if isinstance(found, tuple) else (found,)


def _turned(converted: Image.Image, image: Image.Image) -> Image.Image:
    """The converted picture, inverted where 0 is white: Pillow does that for 8 bits alone."""
    return ImageChops.invert(converted) if 0 in _tag(image, 262) else converted


def _from_integers(piece: Image.Image, full: int) -> Image.Image:
    values = np.asarray(piece)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > full:
        beyond = low if low < 0 else high
        raise UnreadableImage(
            f"whole numbers that are not within 0 to {full}, as {beyond}: save it with 8 bits"
        )
    return Image.fromarray(_scaled(values, full))


def _scaled(values: NDArray[Any], full: int) -> NDArray[np.uint8]:
    """Integers from 0 to `full` as 0 to 255, rounded; those of 16 bits are divided by 257."""
    scaled: NDArray[np.uint8] = ((values.astype(np.uint32) * 510 + full) // (2 * full)).astype(
        np.uint8
    )
    return scaled


def _from_floats(piece: Image.Image) -> Image.Image:
    return Image.fromarray(_scaled_floats(np.asarray(piece), "save it with 8 bits"))


def _scaled_floats(values: NDArray[Any], mend: str) -> NDArray[np.uint8]:
    """Floats from 0 to 1 as 0 to 255, rounded."""
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= 1):  # so written, NaN is refused as well
        beyond = high if low >= 0 else low
        raise UnreadableImage(f"floats that are not within 0 to 1, as {beyond!s}: {mend}")
    scaled: NDArray[np.uint8] = np.rint(values * 255).astype(np.uint8)
    return scaled


def from_array(array: NDArray[Any]) -> Image.Image:
    """An array of RGB or grey values as a picture; raises UnreadableImage on any other."""
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise UnreadableImage(f"an array of shape {array.shape}: give (H, W), (H, W, 3 or 4)")
    if array.dtype == np.uint16:
        array = _scaled(array, 65535)
    elif array.dtype == np.bool_:
        array = array.astype(np.uint8) * np.uint8(255)
    elif np.issubdtype(array.dtype, np.floating):
        array = _scaled_floats(array, "divide by 255")
    elif array.dtype != np.uint8:
        raise UnreadableImage(f"an array of {array.dtype}: give uint8, uint16 or floats 0 to 1")
    return Image.fromarray(np.ascontiguousarray(array))
