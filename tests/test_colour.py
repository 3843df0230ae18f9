"""Every colour mode, and every array, as eight bits a channel of RGB."""

import io
import struct
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


def tiff(
    width: int,
    height: int,
    data: bytes,
    *,
    samples: int,
    bits: int,
    kind: int,
    big: bool = False,
    white: int = 1,
) -> bytes:
    """An uncompressed TIFF by hand, since Pillow writes few kinds.

    `big`: of 64-bit offsets. `white`: 0 where 0 is white in grey.
    """
    tags: dict[int, tuple[int, list[int]]] = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [bits] * samples),
        259: (3, [1]),
        262: (3, [2 if samples in (3, 4, 6) else white]),
        273: (4, [0]),
        277: (3, [samples]),
        278: (4, [height]),
        279: (4, [len(data)]),
        339: (3, [kind] * samples),
    }
    extra = samples - (3 if samples in (3, 4, 6) else 1)
    if extra:
        tags[338] = (3, [0] * extra)
    word, entry, inline = ("<Q", "<HHQ", 8) if big else ("<I", "<HHI", 4)
    header = b"II+\0\x08\0\0\0" + struct.pack("<Q", 16) if big else b"II*\0\x08\0\0\0"
    count = struct.pack("<Q" if big else "<H", len(tags))
    after = len(header) + len(count) + len(tags) * (12 + 2 * (inline - 4)) + inline
    body, more = b"", b""
    packed = {
        tag: struct.pack(f"<{len(values)}{'H' if kind == 3 else 'I'}", *values)
        for tag, (kind, values) in tags.items()
    }
    where = after + sum(len(raw) for raw in packed.values() if len(raw) > inline)
    packed[273] = struct.pack("<I", where)
    for tag, raw in sorted(packed.items()):
        place = raw.ljust(inline, b"\0")
        if len(raw) > inline:
            place = struct.pack(word, after + len(more))
            more += raw
        body += struct.pack(entry, tag, tags[tag][0], len(tags[tag][1])) + place
    return header + count + body + bytes(inline) + more + data


MODES = ("P", "RGB", "RGBA", "RGBa", "RGBX", "PA", "CMYK", "YCbCr", "HSV")


@pytest.mark.parametrize("mode", [*MODES, "1", "L", "LA", "La"])
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
    def content(grey: NDArray[Any]) -> bytes:
        if format == "PPM":  # which Pillow before 11 does not write
            return b"P5 %d %d 65535\n" % grey.shape[::-1] + grey.astype(">u2").tobytes()
        return encode(Image.fromarray(grey), format)

    pixels = read_image(content(halves(0, 65535, np.uint16)), None)
    assert (pixels[:, :4] == 0).all()
    assert (pixels[:, 4:] == 255).all()
    middle = read_image(content(halves(32896, 65535, np.uint16)), None)
    assert (middle[:, :4] == 128).all()


@pytest.mark.parametrize(
    ("left", "right", "dtype", "expected"),
    [
        (257, 65535, np.int32, (1, 255)),
        (257, 40_000, np.int32, (1, 156)),
        (0, 255, np.int32, (0, 1)),
        (0, 4095, np.uint16, (0, 16)),
        (0, 0, np.uint16, (0, 0)),
        (0.5, 1.0, np.float32, (128, 255)),
        (0.25, 0.5, np.float32, (64, 128)),
        (0, 0.004, np.float32, (0, 1)),
    ],
)
def test_wide_modes_are_scaled_by_their_type_and_not_by_their_brightest_pixel(
    left: float, right: float, dtype: type, expected: tuple[int, int]
) -> None:
    pixels = read_image(encode(Image.fromarray(halves(left, right, dtype)), "TIFF"), None)
    assert (int(pixels[0, 0, 0]), int(pixels[0, 7, 0])) == expected
    assert (pixels[:, :4] == expected[0]).all()
    assert (pixels[:, 4:] == expected[1]).all()


@pytest.mark.parametrize(
    ("left", "right", "dtype", "reason"),
    [
        (-5, 65535, np.int32, "whole numbers that are not within 0 to 65535, as -5: save it"),
        (0, 65536, np.int32, "whole numbers that are not within 0 to 65535, as 65536"),
        (0, 2**31 - 1, np.int32, "whole numbers that are not within 0 to 65535, as 2147483647"),
        (0, 1.001, np.float32, "floats that are not within 0 to 1, as 1.001: save it with 8 bits"),
        (51, 255, np.float32, "floats that are not within 0 to 1, as 255"),
        (0, 3.4e38, np.float32, r"floats that are not within 0 to 1, as 3.4e\+38"),
        (-1, 1, np.float32, "floats that are not within 0 to 1, as -1"),
        (np.nan, 1, np.float32, "floats that are not within 0 to 1, as nan"),
        (-np.inf, 1, np.float32, "floats that are not within 0 to 1, as -inf"),
        (np.inf, 1, np.float32, "floats that are not within 0 to 1, as inf"),
    ],
)
def test_values_beyond_the_range_of_their_type_are_refused(
    left: float, right: float, dtype: type, reason: str
) -> None:
    content = encode(Image.fromarray(halves(left, right, dtype)), "TIFF")
    with pytest.raises(UnreadableImage, match=reason):
        read_image(content, None)


def test_twelve_bits_of_a_tiff_are_twelve_bits() -> None:
    """Two samples lie in three bytes; 4095 is white."""
    row = bytes([0x00, 0x0F, 0xFF] * 4)  # 0, 4095, 0, 4095, ...
    pixels = read_image(tiff(8, 2, row * 2, samples=1, bits=12, kind=1), None)
    assert pixels[..., 0].tolist() == [[0, 255] * 4] * 2


@pytest.mark.parametrize(
    ("bits", "kind", "one"),
    [(1, 1, b"\xff"), (8, 1, b"\xff"), (16, 1, b"\xff\xff"), (32, 3, b"\0\0\x80?")],
)
def test_zero_is_white_where_a_tiff_says_so(bits: int, kind: int, one: bytes) -> None:
    for value, expected in ((0, 255), (1, 0)):
        data = (one if value else bytes(len(one))) * (8 * 2 * bits // 8 // len(one))
        content = tiff(8, 2, data, samples=1, bits=bits, kind=kind, white=0)
        assert (read_image(content, None) == expected).all()


@pytest.mark.parametrize(
    ("samples", "bits", "kind", "reason"),
    [
        (1, 8, 2, "signed whole numbers of 8 bits: save it with unsigned ones"),
        (3, 32, 3, "a TIFF of 3 float samples of 32 bits is not supported: convert to RGB"),
        (1, 64, 3, "a TIFF of 1 float sample of 64 bits is not supported"),
        (5, 16, 1, "a TIFF of 5 whole-number samples of 16 bits is not supported"),
        (2, 16, 2, "a TIFF of 2 signed samples of 16 bits is not supported"),
        (1, 64, 6, "a TIFF of 1 complex float sample of 64 bits is not supported"),
    ],
)
def test_a_sound_tiff_that_can_not_be_read_is_said_to_be_what_it_is(
    samples: int, bits: int, kind: int, reason: str
) -> None:
    data = bytes(8 * 2 * samples * bits // 8)
    for big in (False, True):
        content = tiff(8, 2, data, samples=samples, bits=bits, kind=kind, big=big)
        with pytest.raises(UnreadableImage, match=reason):
            read_image(content, 8)
        with pytest.raises(UnreadableImage, match="truncated or damaged: TIFF"):
            read_image(content[:20], 8)


@pytest.mark.parametrize(("samples", "bits"), [(3, 8), (4, 8), (6, 8), (3, 16), (1, 8)])
def test_a_tiff_of_several_bands_is_read_where_pillow_can(samples: int, bits: int) -> None:
    white = b"\xff" * (8 * 2 * samples * bits // 8)
    content = tiff(8, 2, white, samples=samples, bits=bits, kind=1)
    assert (read_image(content, None) == 255).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "La", "PA", "F", "I", "I;16", "LAB", "P"])
def test_a_large_picture_is_converted_in_pieces_to_the_same_pixels(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (37, 21), dtype=np.uint8)
    wide = grey.astype(np.int32) * 256
    made: dict[str, Image.Image] = {
        "F": Image.fromarray((grey / 255).astype(np.float32)),
        "I": Image.fromarray(wide),
        "I;16": Image.fromarray(wide.astype(np.uint16)),
        "LAB": Image.merge("LAB", [Image.fromarray(grey)] * 3),
        "La": Image.merge("LA", [Image.fromarray(grey)] * 2).convert("La"),
        "P": Image.fromarray(grey).convert("P"),
    }
    image = made.get(mode) or Image.merge("RGBA", [Image.fromarray(grey)] * 4).convert(mode)
    if mode == "P":
        image.info["transparency"] = 3
    whole = [read_image(image, size) for size in (None, 8)]
    monkeypatch.setattr("signwise.data.colour.PIECE_PIXELS", 100)
    monkeypatch.setattr("signwise.data.images.PIECE_PIXELS", 100)
    for size, expected in zip((None, 8), whole, strict=True):
        np.testing.assert_array_equal(read_image(image, size), expected)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_alpha_lies_over_mid_grey(mode: str) -> None:
    # Fully transparent white must not bleed into the edge when resized.
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[..., :3] = 255
    source = Image.fromarray(rgba).convert(mode)
    source.putalpha(0)  # which older versions of Pillow lose on the way to PA
    assert (read_image(source, 5) == GREY).all()
    source.putalpha(128)
    half = read_image(source, None)
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
        (np.full((5, 5), 1.01), "floats that are not within 0 to 1, as 1.01: divide by 255"),
        (np.full((5, 5), -0.01), "floats that are not within 0 to 1"),
        (np.full((5, 5), np.nan), "floats that are not within 0 to 1"),
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
