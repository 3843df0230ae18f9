import io

import numpy as np
import pytest
from PIL import Image

from signwise.data.images import read_image
from signwise.errors import UnreadableImage

GREY = 128


def encode(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def halves(left: int, right: int, dtype: type = np.uint8) -> np.ndarray:
    grey = np.full((8, 8), left, dtype)
    grey[:, 4:] = right
    return grey


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "PA", "CMYK", "YCbCr", "HSV"])
def test_colour_modes(mode: str) -> None:
    white = Image.new("RGB", (4, 4), "white")
    source = (
        white.convert("L").convert("LA" if mode == "LA" else "P").convert(mode)
        if mode
        in (
            "LA",
            "PA",
        )
        else white.convert(mode)
    )
    assert (read_image(source, 8) >= 254).all()


def test_cmyk_jpeg() -> None:
    content = encode(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95)
    assert (np.abs(read_image(content, 4).astype(int) - (255, 0, 0)) < 12).all()


def test_lab_is_converted_by_its_profile() -> None:
    grey = Image.merge("LAB", [Image.new("L", (4, 4), value) for value in (255, 128, 128)])
    assert (read_image(encode(grey, "TIFF"), 4) >= 250).all()


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
        (257, 65535, np.int32, 1),
        (0, 2**31 - 1, np.int32, 0),
        (0.5, 1.0, np.float32, 128),
        (51, 255, np.float32, 51),
        (257, 65535, np.float32, 1),
    ],
)
def test_wide_modes_take_the_smallest_usual_range(
    left: float, right: float, dtype: type, expected: int
) -> None:
    array = np.full((4, 8), left, dtype)
    array[:, 4:] = right
    pixels = read_image(encode(Image.fromarray(array), "TIFF"), None)
    assert (pixels[:, :4] == expected).all()
    assert (pixels[:, 4:] == 255).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_lies_over_mid_grey(mode: str) -> None:
    # Fully transparent white must not bleed into the edge when resized.
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[..., :3] = 255
    content = encode(Image.fromarray(rgba).convert(mode))
    assert (read_image(content, 5) == GREY).all()
    rgba[..., 3] = 128
    half = read_image(encode(Image.fromarray(rgba).convert(mode)), None)
    assert (abs(half.astype(int) - 192) <= 1).all()


def test_transparent_palette_and_colour_key() -> None:
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    assert (read_image(encode(palette, transparency=1), None) == GREY).all()
    assert (read_image(encode(palette, transparency=b"\xff\x00"), None) == GREY).all()
    assert (read_image(encode(palette, "GIF", transparency=1), None) == GREY).all()
    keyed = Image.new("RGB", (4, 4), (1, 2, 3))
    assert (read_image(encode(keyed, transparency=(1, 2, 3)), None) == GREY).all()


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 5, 3), np.uint8),
        np.zeros((5,), np.uint8),
        np.zeros((5, 5, 2), np.uint8),
        np.zeros((5, 5), np.int64),
        np.full((5, 5), 200.0),
        np.full((5, 5), np.nan),
    ],
)
def test_arrays_that_are_no_pictures(array: np.ndarray) -> None:
    with pytest.raises(UnreadableImage):
        read_image(array, 8)


def test_arrays_by_type() -> None:
    for array in (halves(0, 255), halves(0, 65535, np.uint16), halves(0, 1, np.float64)):
        np.testing.assert_array_equal(read_image(array, None)[..., 0], halves(0, 255))
    rgb = np.dstack([halves(10, 20), halves(30, 40), halves(50, 60)])
    np.testing.assert_array_equal(read_image(rgb, None), rgb)
