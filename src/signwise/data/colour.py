"""Every colour mode of a picture, and every array, to eight bits a channel of RGB."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from signwise.errors import UnreadableImage

MID_GREY = 128


def to_rgb(image: Image.Image) -> Image.Image:
    """The picture in mode RGB, transparent parts over mid-grey."""
    mode = image.mode
    if mode == "RGB" and "transparency" not in image.info:
        return image
    if mode.startswith("I") or mode == "F":
        return Image.fromarray(_to_eight_bits(np.asarray(image))).convert("RGB")
    if mode == "LAB":
        from PIL import ImageCms

        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
        assert converted is not None
        return converted
    if mode == "La":
        image = image.convert("LA")
    if mode in ("LA", "PA", "La", "RGBA", "RGBa") or "transparency" in image.info:
        grey = Image.new("RGBA", image.size, (MID_GREY, MID_GREY, MID_GREY, 255))
        grey.alpha_composite(image.convert("RGBA"))
        return grey.convert("RGB")
    return image.convert("RGB")


def _to_eight_bits(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Grey values of 16 or 32 bits, or floats, as uint8: the smallest usual range that holds them.

    Integers have 16 bits unless a value is beyond them, then 32. Floats are in 0 to 1, or in 0
    to 255, or in 0 to 65535, or else as far as the largest.
    """
    ranges: tuple[float, ...] = (65535, 2**31 - 1)
    if np.issubdtype(values.dtype, np.floating):
        values = np.nan_to_num(values, nan=0, posinf=0)
        ranges = (1, 255, 65535)
    largest = float(values.max())
    full = next((limit for limit in ranges if largest <= limit), largest)
    return np.rint(values.clip(0) * (255 / full)).astype(np.uint8)


def from_array(array: NDArray[Any]) -> Image.Image:
    """An array of RGB or grey values as a picture; raises UnreadableImage on any other."""
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise UnreadableImage(f"an array of shape {array.shape}: give (H, W), (H, W, 3 or 4)")
    if array.dtype == np.uint16:
        array = ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    elif array.dtype == np.bool_:
        array = array.astype(np.uint8) * np.uint8(255)
    elif np.issubdtype(array.dtype, np.floating):
        if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
            raise UnreadableImage("an array of floats outside 0 to 1: divide by 255")
        array = np.rint(array * 255).astype(np.uint8)
    elif array.dtype != np.uint8:
        raise UnreadableImage(f"an array of {array.dtype}: give uint8, uint16 or floats 0 to 1")
    return Image.fromarray(np.ascontiguousarray(array))
