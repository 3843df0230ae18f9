"""What predict answers to bad and odd pictures: real bytes, made here."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from signwise.inference.predict import predict
from toy import class_colour, toy_model

RED, GREY = class_colour(1), (128, 128, 128)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Answers `unknown` for grey, so that a picture filled with grey is found out."""
    folder = tmp_path_factory.mktemp("model")
    return toy_model(folder / "model.onnx", known="colour", threshold=0.5)


@pytest.fixture(scope="module")
def upper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Looks at the upper half alone."""
    folder = tmp_path_factory.mktemp("upper")
    upper_half = (0, 0, 16, 32)
    return toy_model(folder / "model.onnx", known="colour", threshold=0.5, region=upper_half)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def red(mode: str = "RGB", size: tuple[int, int] = (40, 40)) -> Image.Image:
    return Image.new("RGB", size, RED).convert(mode)


def noisy(size: int = 200) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def png_of_no_pixels() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 0, 10, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims to be huge."""
    content = bytearray(encoded(red(), "PNG"))
    content[16:24] = struct.pack(">II", width, height)
    content[29:33] = struct.pack(">I", zlib.crc32(bytes(content[12:29])))
    return bytes(content)


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty.png": (lambda: b"", "empty file"),
    "text.jpg": (lambda: b"this is a text, renamed\n", "not an image"),
    "cut.png": (lambda: encoded(noisy(), "PNG")[:5000], "truncated"),
    "cut.jpg": (lambda: encoded(noisy(), "JPEG")[:5000], "truncated"),
    "cut.webp": (lambda: encoded(noisy(), "WEBP")[:5000], ""),
    "cut.gif": (lambda: encoded(noisy(), "GIF")[:5000], "truncated"),
    "cut.ppm": (lambda: encoded(noisy(), "PPM")[:5000], "truncated"),
    "headless.png": (lambda: encoded(noisy(), "PNG")[:20], "truncated"),
    "zero.png": (png_of_no_pixels, "no pixels"),
    "bomb.png": (lambda: png_that_claims(60_000, 60_000), "more than the limit of 64,000,000"),
    "phone.heic": (lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99), "HEIC"),
}


def test_bad_pictures_are_rows_and_the_rest_goes_on(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, (make, _) in BAD.items():
        (folder / name).write_bytes(make())
    red().save(folder / "good.png")
    result = predict(model, folder)
    assert result.counts["images"] == len(BAD) + 1
    assert result.counts["unreadable"] == len(result.problems) == len(BAD)
    for row in result.rows:
        name, error = Path(str(row["path"])).name, row["error"]
        if name == "good.png":
            assert (row["label"], error) == ("stop", None)
            continue
        assert isinstance(error, str)
        assert BAD[name][1] in error
        assert len(error.splitlines()) == 1
        assert [key for key, value in row.items() if value is not None] == ["path", "error"]


def test_what_is_named_outright_is_always_tried(model: Path, tmp_path: Path) -> None:
    (tmp_path / ".hidden").write_bytes(encoded(red(), "PNG"))
    (tmp_path / "picture.txt").write_bytes(encoded(red(), "JPEG"))
    (tmp_path / "notes.txt").write_text("no picture")
    sources = [tmp_path / name for name in (".hidden", "picture.txt", "notes.txt", "gone.png")]
    rows = predict(model, sources).rows
    assert [row["label"] for row in rows] == ["stop", "stop", None, None]
    assert [row["error"] for row in rows] == [None, None, "not an image", "no such file"]


@pytest.mark.parametrize("size", [(1, 1), (20_000, 10), (10, 20_000), (3, 2)])
def test_any_shape_is_read(model: Path, size: tuple[int, int]) -> None:
    assert predict(model, encoded(red(size=size), "PNG")).rows[0]["label"] == "stop"


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("P", "PNG"), ("P", "GIF"), ("RGBA", "PNG"), ("RGBA", "WEBP"), ("CMYK", "JPEG"),
        ("CMYK", "TIFF"), ("YCbCr", "JPEG"), ("RGB", "BMP"), ("RGB", "PPM"), ("RGB", "TIFF"),
    ],
)  # fmt: skip
def test_any_colour_mode_is_read(model: Path, mode: str, kind: str) -> None:
    assert predict(model, encoded(red(mode), kind)).rows[0]["label"] == "stop"


@pytest.mark.parametrize("mode", ["L", "1", "LA", "I;16"])
def test_grey_modes_are_grey(model: Path, mode: str) -> None:
    grey = np.full((20, 20), 30_000, np.uint16)
    image = Image.fromarray(grey) if mode == "I;16" else Image.new("L", (20, 20), 120).convert(mode)
    row = predict(model, encoded(image, "PNG")).rows[0]
    assert (row["label"], row["error"]) == ("unknown", None)


def test_alpha_lies_over_mid_grey(model: Path) -> None:
    clear = Image.new("RGBA", (20, 20), (*RED, 0))
    assert predict(model, encoded(clear, "PNG")).rows[0]["label"] == "unknown"


def test_an_animation_is_its_first_frame(model: Path) -> None:
    second = Image.new("RGB", (40, 40), GREY)
    for kind in ("GIF", "PNG", "WEBP"):
        content = encoded(red(), kind, save_all=True, append_images=[second, second])
        assert predict(model, content).rows[0]["label"] == "stop"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_upright(upper: Path, orientation: int) -> None:
    # What a camera stores when it is held so: the upright picture, turned back.
    upright = np.full((64, 48, 3), 128, dtype=np.uint8)
    upright[:32] = RED
    stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
        5: upright.transpose(1, 0, 2), 6: np.rot90(upright),
        7: np.rot90(upright, 2).transpose(1, 0, 2), 8: np.rot90(upright, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(stored))
    for kind in ("JPEG", "PNG"):
        assert predict(upper, encoded(image, kind, exif=exif)).rows[0]["label"] == "stop"


def test_a_name_that_is_not_ascii_is_read(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "Vorfahrtsstraße 停 🛑.png"
    red().save(path)
    row = predict(model, path).rows[0]
    assert (row["path"], row["label"]) == (str(path), "stop")


@pytest.mark.parametrize("array", [np.zeros((0, 5, 3), np.uint8), np.zeros(5), np.zeros((2, 2, 7))])
def test_an_array_that_is_no_picture_is_a_row(model: Path, array: np.ndarray) -> None:
    row = predict(model, [array]).rows[0]
    assert row["error"]
    assert row["label"] is None
