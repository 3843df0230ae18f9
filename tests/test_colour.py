"""Every colour mode, and every array, as eight bits a channel of RGB."""

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from signwise.data.images import read_image
from signwise.errors import UnreadableImage

GREY = 128


def encode(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def halves(left: float, right: float, dtype: type = np.uint8) -> NDArray[Any]:
    grey: NDArray[Any] = np.full((8, 8), left, dtype)
    grey[:, 4:] = right
    return grey


def in_mode(mode: str, colour: tuple[int, int, int]) -> Image.Image:
    image = Image.new("RGB", (4, 4), colour)
    if mode in ("LA", "La"):
        return image.convert("L").convert("LA").convert(mode)
    if mode == "RGBa":
        return image.convert("RGBA").convert(mode)
    if mode == "PA":
        return image.convert("P").convert(mode)
    return image.convert(mode)


MODES = ("P", "RGB", "RGBA", "RGBa", "RGBX", "PA", "CMYK", "YCbCr", "HSV")


@pytest.mark.parametrize("mode", [*MODES, "1", "L", "LA", "La", "F"])
def test_white_and_black_in_every_mode(mode: str) -> None:
    assert (read_image(in_mode(mode, (255, 255, 255)), 8) >= 254).all()
    assert (read_image(in_mode(mode, (0, 0, 0)), 8) <= 1).all()


@pytest.mark.parametrize("mode", MODES)
def test_colours_stay(mode: str) -> None:
    found = read_image(in_mode(mode, (204, 51, 0)), 4).astype(int)
    assert (np.abs(found - (204, 51, 0)) < 4).all()


def test_cmyk_jpeg() -> None:
    content = encode(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95)
    assert (np.abs(read_image(content, 4).astype(int) - (255, 0, 0)) < 12).all()


def test_lab_is_converted_by_its_profile() -> None:
    for lightness, expected in ((255, 255), (137, 128), (0, 0)):
        planes = [Image.new("L", (4, 4), value) for value in (lightness, 128, 128)]
        found = read_image(encode(Image.merge("LAB", planes), "TIFF"), 4).astype(int)
        assert (np.abs(found - expected) <= 5).all()


@pytest.mark.parametrize("format", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_are_scaled(format: str) -> None:
    content = encode(Image.fromarray(halves(0, 65535, np.uint16)), format)
    pixels = read_image(content, None)
    assert (pixels[:, :4] == 0).all()
    assert (pixels[:, 4:] == 255).all()
    middle = read_image(encode(Image.fromarray(halves(32896, 65535, np.uint16)), format), None)
    assert (middle[:, :4] == 128).all()


@pytest.mark.parametrize(
    ("left", "right", "dtype", "expected"),
    [
        (257, 65535, np.int32, (1, 255)),
        (257, 40_000, np.int32, (1, 156)),
        (0, 255, np.int32, (0, 1)),  # 16 bits, unless a value is beyond them
        (-5, 65535, np.int32, (0, 255)),
        (0, 65536, np.int32, (0, 0)),
        (0, 2**29, np.int32, (0, 64)),
        (0, 2**31 - 1, np.int32, (0, 255)),
        (0.5, 1.0, np.float32, (128, 255)),
        (0.25, 0.5, np.float32, (64, 128)),
        (51, 255, np.float32, (51, 255)),
        (0.6, 100, np.float32, (1, 100)),
        (257, 65535, np.float32, (1, 255)),
        (257, 256, np.float32, (1, 1)),
        (0, 131_070, np.float32, (0, 255)),
        (65_535, 131_070, np.float32, (128, 255)),
        (-1, 1, np.float32, (0, 255)),
        (np.nan, 1, np.float32, (0, 255)),
        (-np.inf, 1, np.float32, (0, 255)),
        (np.inf, 1, np.float32, (0, 255)),
    ],
)
def test_wide_modes_take_the_smallest_usual_range(
    left: float, right: float, dtype: type, expected: tuple[int, int]
) -> None:
    pixels = read_image(encode(Image.fromarray(halves(left, right, dtype)), "TIFF"), None)
    assert (int(pixels[0, 0, 0]), int(pixels[0, 7, 0])) == expected
    assert (pixels[:, :4] == expected[0]).all()
    assert (pixels[:, 4:] == expected[1]).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_alpha_lies_over_mid_grey(mode: str) -> None:
    # Fully transparent white must not bleed into the edge when resized.
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[..., :3] = 255
    source = Image.fromarray(rgba).convert(mode)
    assert (read_image(source, 5) == GREY).all()
    rgba[..., 3] = 128
    half = read_image(Image.fromarray(rgba).convert(mode), None)
    assert (abs(half.astype(int) - 192) <= 1).all()


@pytest.mark.parametrize("mode", ["La", "RGBa"])
def test_alpha_that_the_colours_are_multiplied_by_counts_once(mode: str) -> None:
    rgba = np.full((8, 8, 4), 255, np.uint8)
    rgba[..., 3] = 128
    source = Image.fromarray(rgba).convert("LA" if mode == "La" else "RGBA").convert(mode)
    assert (abs(read_image(source, None).astype(int) - 192) <= 1).all()


def test_transparent_palette_and_colour_key() -> None:
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    assert (read_image(encode(palette, transparency=1), None) == GREY).all()
    assert (read_image(encode(palette, transparency=b"\xff\x00"), None) == GREY).all()
    assert (read_image(encode(palette, "GIF", transparency=1), None) == GREY).all()
    keyed = Image.new("RGB", (4, 4), (1, 2, 3))
    assert (read_image(encode(keyed, transparency=(1, 2, 3)), None) == GREY).all()
    assert (read_image(encode(keyed, transparency=(1, 2, 4)), None) == (1, 2, 3)).all()


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((0, 5, 3), np.uint8), "no pixels"),
        (np.zeros((5,), np.uint8), "an array that is no picture: give"),
        (np.zeros((5, 5, 2), np.uint8), r"an array of shape \(5, 5, 2\): give"),
        (np.zeros((5, 5, 5), np.uint8), r"an array of shape \(5, 5, 5\): give"),
        (np.zeros((1, 5, 5, 3), np.uint8), r"an array of shape \(1, 5, 5, 3\): give"),
        (np.zeros((5, 5), np.int64), "an array of int64: give uint8"),
        (np.full((5, 5), 1.01), "floats outside 0 to 1: divide by 255"),
        (np.full((5, 5), -0.01), "floats outside 0 to 1"),
        (np.full((5, 5), np.nan), "floats outside 0 to 1"),
    ],
)
def test_arrays_that_are_no_pictures(array: NDArray[Any], reason: str) -> None:
    with pytest.raises(UnreadableImage, match=reason):
        read_image(array, 8)


def test_arrays_by_type() -> None:
    for array in (
        halves(0, 255),
        halves(0, 65535, np.uint16),
        halves(0, 1, np.float64),
        halves(0, 1, np.float16),
        halves(0, 1, np.bool_),
        halves(0, 255)[:, :, None],
    ):
        np.testing.assert_array_equal(read_image(array, None)[..., 0], halves(0, 255))
    rgb = np.dstack([halves(10, 20), halves(30, 40), halves(50, 60)])
    np.testing.assert_array_equal(read_image(rgb, None), rgb)
    for array in (rgb.astype(np.uint16) * 257, rgb / 255, (rgb / 255).astype(np.float32)):
        np.testing.assert_array_equal(read_image(array, None), rgb)
    np.testing.assert_array_equal(read_image(rgb > 35, None), (rgb > 35) * 255)
    rgba = np.dstack([rgb, halves(0, 255)])
    over_grey = rgb.copy()
    over_grey[:, :4] = GREY
    np.testing.assert_array_equal(read_image(rgba, None), over_grey)
    np.testing.assert_array_equal(read_image(rgb[::2, ::-1], None), rgb[::2, ::-1])


def test_every_sixteen_bits_are_rounded_to_eight() -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    rgb = np.dstack([values, values, values])
    for array in (values, rgb):
        np.testing.assert_array_equal(read_image(array, None)[..., 0], np.rint(values / 257))


def test_floats_are_rounded_to_eight_bits() -> None:
    values = np.linspace(0, 1, 10_000).reshape(100, 100)
    for array in (values, np.dstack([values, values, values])):
        np.testing.assert_array_equal(read_image(array, None)[..., 0], np.rint(values * 255))
