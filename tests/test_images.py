"""One picture of any format and shape read: upright, whole or refused with the reason."""

import io
import threading
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, PngImagePlugin

from signwise.data.images import Source, decoded, image_suffixes, read_image
from signwise.errors import UnreadableImage


def encode(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def scene(width: int = 40, height: int = 30) -> Image.Image:
    small = np.random.default_rng(0).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def test_every_source_gives_the_same_pixels(tmp_path: Path) -> None:
    content = encode(scene())
    path = tmp_path / "Straße 道.png"
    path.write_bytes(content)
    expected = read_image(content, 16)
    assert expected.shape == (16, 16, 3)
    assert expected.dtype == np.uint8
    sources: list[Source] = [path, str(path), io.BytesIO(content), scene(), np.asarray(scene())]
    for source in sources:
        np.testing.assert_array_equal(read_image(source, 16), expected)


def test_size_none_is_as_decoded() -> None:
    np.testing.assert_array_equal(read_image(encode(scene()), None), np.asarray(scene()))


@pytest.mark.parametrize(("width", "height"), [(1, 1), (20_000, 10), (3, 700)])
def test_extreme_shapes(width: int, height: int) -> None:
    pixels = read_image(encode(Image.new("RGB", (width, height), (10, 200, 30))), 32)
    assert pixels.shape == (32, 32, 3)
    assert (pixels == (10, 200, 30)).all()


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 24))
def test_the_square_in_the_middle_is_what_a_cut_picture_gives(
    width: int, height: int, size: int
) -> None:
    image, side = scene(width, height), min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    cut = image.crop((left, top, left + side, top + side))
    found = read_image(image, size, crop="center")
    np.testing.assert_array_equal(found, read_image(cut, size))
    if width == height:
        np.testing.assert_array_equal(found, read_image(image, size))


def test_a_large_jpeg_is_cut_as_what_it_shows_and_upright() -> None:
    wide = Image.new("RGB", (1600, 400), "red")
    wide.paste("blue", (600, 0, 1000, 400))
    exif = Image.Exif()
    exif[0x0112] = 6
    for picture in (encode(wide, "JPEG"), encode(wide, "JPEG", exif=exif.tobytes())):
        pixels = read_image(picture, 16, crop="center")[4:12, 4:12].astype(int)
        assert np.abs(pixels - (0, 0, 254)).max() < 8
        assert np.abs(read_image(picture, 16).astype(int) - (0, 0, 254)).max() > 200


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_first_frame_of_an_animation(format: str) -> None:
    first, second = Image.new("RGB", (9, 9), "black"), Image.new("RGB", (9, 9), "white")
    content = encode(first, format, save_all=True, append_images=[second])
    assert (read_image(content, 9) <= 2).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation(format: str, orientation: int) -> None:
    upright = Image.new("RGB", (48, 32))
    upright.paste((255, 255, 255), (0, 0, 16, 16))  # the corner that must end up top left
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # as Image.Transpose numbers them
    turned = upright.transpose(Image.Transpose(undo[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if format == "WEBP" else {}
    content = encode(turned, format, exif=exif, **options)
    pixels = read_image(content, None)
    assert pixels.shape == (32, 48, 3)
    assert pixels[4, 4].min() > 200
    assert max(pixels[4, 40].max(), pixels[28, 4].max(), pixels[28, 40].max()) < 60
    with decoded(content, 4) as (_, size):
        assert size == (48, 32)


def test_damaged_exif_costs_no_picture_and_no_warning() -> None:
    content = encode(scene(), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01" * 9)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(content, 8).shape == (8, 8, 3)


def test_large_jpeg_is_scaled_while_decoding_and_keeps_its_true_size() -> None:
    image = scene(1600, 1200)
    content = encode(image, "JPEG", quality=95)
    with decoded(content, 32) as (small, size):
        assert size == (1600, 1200)
        assert small.width < 400
    exact = np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR), float)
    assert np.abs(read_image(content, 32) - exact).mean() < 2


def test_downscaling_is_antialiased() -> None:
    stripes = np.zeros((256, 256), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(read_image(stripes, 16).astype(int) - 127).max() <= 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"This is a text, not a picture.\n" * 9, "not an image"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 40, "HEIC is not supported"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(8) + b"\x08\x02\0\0\0" + bytes(9), "no pixels"),
        (b"GIF89a" + bytes(20), "no pixels"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "EPS is not"),
        (encode(scene())[:20], "truncated"),
    ],
)
def test_reasons(content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableImage, match=reason) as caught:
        read_image(content, 32)
    assert "\n" not in str(caught.value)


def test_reasons_of_paths(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match="no such file"):
        read_image(tmp_path / "none.png", 32)
    with pytest.raises(UnreadableImage, match="folder"):
        read_image(tmp_path, 32)


def test_what_the_system_refuses_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for error, reason in (
        (PermissionError(13, "Permission denied"), "no permission to read it"),
        (MemoryError(), "too large for the memory"),
        (OSError(5, "Input/output error"), "input/output error"),
        (KeyError(), r"damaged \(KeyError\)"),
    ):
        # The function as the module alone sees it.
        monkeypatch.setattr("signwise.data.images.open_regular", Mock(side_effect=error))
        with pytest.raises(UnreadableImage, match=reason):
            read_image(tmp_path / "x.png", 8)


@pytest.mark.parametrize(
    ("known", "reason"),
    [(True, "truncated or damaged"), (False, "AVIF needs Pillow 11.3 or newer")],
)
def test_a_damaged_avif(known: bool, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.init()
    openers = {name: opener for name, opener in Image.OPEN.items() if name != "AVIF"}
    monkeypatch.setattr(Image, "ID", list(openers))
    monkeypatch.setattr(Image, "OPEN", openers | ({"AVIF": openers["PNG"]} if known else {}))
    with pytest.raises(UnreadableImage, match=reason):
        read_image(b"\0\0\0\x1cftypavif\0\0\0\0mif1avif" + b"\0" * 40, 8)


def test_an_orientation_that_cannot_be_read_costs_no_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Image.Image, "getexif", Mock(side_effect=SyntaxError("not a TIFF file")))
    np.testing.assert_array_equal(read_image(encode(scene()), None), np.asarray(scene()))


FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "TGA", "JPEG2000", "ICO", "PCX")
WHOLE = {format: encode(scene(64, 64), format) for format in FORMATS}


@given(st.sampled_from(FORMATS), st.floats(0, 1, exclude_max=True))
@settings(max_examples=200, deadline=None)
def test_a_truncated_file_never_passes_as_another_picture(format: str, share: float) -> None:
    try:
        pixels = read_image(WHOLE[format][: int(share * len(WHOLE[format]))], None)
    except UnreadableImage:
        return
    # Nothing but a trailer was cut off.
    np.testing.assert_array_equal(pixels, read_image(WHOLE[format], None))


@given(st.sampled_from(FORMATS), st.integers(0, 10_000), st.binary(min_size=1, max_size=8))
@settings(max_examples=200, deadline=None)
def test_hostile_bytes_raise_nothing_but_unreadable(format: str, where: int, patch: bytes) -> None:
    content = bytearray(WHOLE[format])
    start = where % len(content)
    content[start : start + len(patch)] = patch
    with suppress(UnreadableImage):
        assert read_image(bytes(content), 8, max_pixels=1_000_000).shape == (8, 8, 3)


def test_pixel_limit_comes_before_decoding() -> None:
    header_only = encode(Image.new("1", (9000, 9000)))[:60]
    with pytest.raises(
        UnreadableImage, match="81,000,000 pixels, more than the limit of 64,000,000"
    ):
        read_image(header_only, 32)
    with pytest.raises(UnreadableImage, match="100 pixels, more than the limit of 99"):
        read_image(np.zeros((10, 10), np.uint8), 4, max_pixels=99)
    assert read_image(np.zeros((10, 10), np.uint8), 4, max_pixels=100).shape == (4, 4, 3)


def test_pillows_own_limit_stands_in_nobodys_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    content = encode(scene(40, 40))
    with pytest.raises(UnreadableImage, match="1,600 pixels, more than the limit of 150"):
        read_image(content, 8, max_pixels=150)
    assert read_image(content, 8).shape == (8, 8, 3)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_truncated_files_fail_whatever_the_program_around_allows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(UnreadableImage, match="truncated"):
        read_image(WHOLE["JPEG"][:900], 8)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


def test_threads_leave_the_settings_as_they_were() -> None:
    before = (list(warnings.filters), Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
    failures: list[Exception] = []

    def work() -> None:
        try:
            for _ in range(50):
                read_image(WHOLE["PNG"], 8)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    after = (list(warnings.filters), Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
    assert after == before


def test_suffixes() -> None:
    assert {".png", ".jpg", ".jpeg", ".webp", ".ppm", ".heic", ".bmp"} <= image_suffixes()
    assert not {".txt", ".csv", ".pdf", ".eps", ".mp4", ".mpg", ""} & image_suffixes()


def test_text_chunks_of_a_png_do_no_harm() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("comment", "x" * 10_000, zip=True)
    assert read_image(encode(scene(), pnginfo=info), 8).shape == (8, 8, 3)
