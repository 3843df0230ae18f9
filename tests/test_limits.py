"""What a picture may take of memory and time: refused by its header, and in turns."""

import io
import struct
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from signwise.config import MAX_PIXELS
from signwise.data import limits
from signwise.data.images import LargeImage, decoded, hashed, read_image
from signwise.data.limits import IN_FLIGHT, bytes_needed, give_back, take
from signwise.errors import UnreadableImage
from signwise.files import sha256_file


def encode(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def wide_webp(width: int, height: int) -> bytes:
    """A few bytes of lossless WebP that make a picture of one colour, as large as may be."""
    content = bytearray(encode(Image.new("RGB", (16, 16), (200, 0, 20)), "WEBP", lossless=True))
    at = content.index(b"VP8L") + 9
    (bits,) = struct.unpack_from("<I", content, at)
    struct.pack_into("<I", content, at, bits >> 28 << 28 | (height - 1) << 14 | width - 1)
    return bytes(content)


def test_a_few_bytes_that_take_a_gigabyte_are_refused_before_they_are_decoded() -> None:
    assert len(wide_webp(8000, 8000)) < 100
    with pytest.raises(UnreadableImage, match=r"1,\d\d\d MB of memory to decode it, more than the"):
        read_image(wide_webp(8000, 8000), 32)
    assert (np.abs(read_image(wide_webp(800, 800), 8).astype(int) - (200, 0, 20)) <= 1).all()


@pytest.mark.parametrize("kind", ["png", "bmp"])
def test_an_icon_is_checked_before_it_is_decoded(kind: str) -> None:
    options = {"bitmap_format": "bmp"} if kind == "bmp" else {}
    content = bytearray(encode(Image.new("RGBA", (16, 16)), "ICO", sizes=[(16, 16)], **options))
    (start,) = struct.unpack_from("<I", content, 6 + 12)
    assert read_image(bytes(content), 8).shape == (8, 8, 3)
    if kind == "png":
        struct.pack_into(">II", content, start + 16, 9000, 9000)
    else:
        struct.pack_into("<II", content, start + 4, 9000, 18000)
    with pytest.raises(UnreadableImage, match="81,000,000 pixels, more than the limit of"):
        read_image(bytes(content), 8)
    with pytest.raises(UnreadableImage):
        read_image(bytes(content[: start + 10]), 8)


def test_what_a_picture_takes_is_never_below_its_own_pixels() -> None:
    for mode in ("1", "L", "P", "RGB", "RGBA", "I;16", "F", "CMYK"):
        image = Image.new(mode, (10, 20))
        once = bytes_needed(image, image.size, scans=1, turned=False)
        assert 200 <= once <= bytes_needed(image, image.size, scans=1, turned=True) <= 1600
        assert bytes_needed(image, image.size, scans=2, turned=False) == once + 1200
    assert IN_FLIGHT == 10 * MAX_PIXELS == 640_000_000, "as the documentation says"


def test_a_file_that_is_too_long_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(encode(Image.new("RGB", (4, 4))) + bytes(2_000_000))
    assert read_image(path, 4).shape == (4, 4, 3)
    monkeypatch.setattr(limits, "MOST_PICTURE", 1_000_000)
    with pytest.raises(UnreadableImage, match="a file of 2 MB, more than the limit of 1"):
        read_image(path.read_bytes(), 4)
    monkeypatch.setattr("signwise.data.images.MOST_PICTURE", 1_000_000)
    with pytest.raises(UnreadableImage, match="larger than the limit of 1,000,000 bytes"):
        read_image(path, 4)
    with pytest.raises(OSError, match="larger than the limit"), hashed(path):
        pass


def test_padding_can_not_hold_the_reader_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    content = encode(Image.new("RGB", (4, 4)), "JPEG")
    padded = content[:2] + b"\xff" * 2**21 + content[2:]
    monkeypatch.setattr(limits, "MOST_SECONDS", 0.01)
    with pytest.raises(UnreadableImage, match=r"not read within the limit of 0\.01 seconds"):
        read_image(padded, 4)
    assert read_image(content + bytes(2**21), 4).shape == (4, 4, 3)


def test_decoders_in_python_are_timed_whatever_the_size_of_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "MOST_SECONDS", -1)
    for content in (b"qoif" + bytes(60), b"/* XPM */" + bytes(60), b"SIMPLE" + bytes(60)):
        with pytest.raises(UnreadableImage, match="not read within the limit"):
            read_image(content, 4)
    assert read_image(encode(Image.new("RGB", (4, 4))), 4).shape == (4, 4, 3)


def test_scans_without_end_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8)
    progressive = encode(Image.fromarray(noise), "JPEG", progressive=True)
    plain = encode(Image.fromarray(noise), "JPEG")
    count = progressive.count(b"\xff\xda")
    assert count > 2
    assert limits.count_scans(io.BytesIO(progressive), 6400, len(progressive), 10**8) == 1
    monkeypatch.setattr(limits, "MAX_PIXELS", 6400)
    monkeypatch.setattr(limits, "_MOST_SCANS", count - 1)
    with pytest.raises(UnreadableImage, match=f"a JPEG of about {count} scans, which would take"):
        read_image(progressive, None, max_pixels=6400)
    monkeypatch.setattr(limits, "_BLOCK", 7)
    with pytest.raises(UnreadableImage, match=f"about {count} scans"):
        read_image(progressive, None, max_pixels=6400)
    assert read_image(plain, None, max_pixels=6400).shape == (80, 80, 3)


def test_threads_take_turns_where_pictures_are_large() -> None:
    take(IN_FLIGHT - 10)
    take(10)
    entered = threading.Event()

    def wait() -> None:
        take(2 * IN_FLIGHT)  # more than there is: alone, then
        entered.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert not entered.wait(0.1)
    give_back(10)
    assert not entered.wait(0.1)
    give_back(IN_FLIGHT - 10)
    assert entered.wait(60)
    thread.join()
    give_back(2 * IN_FLIGHT)


@pytest.mark.parametrize("whole", [True, False])
def test_what_was_taken_is_given_back(whole: bool) -> None:
    content = encode(Image.new("RGB", (2000, 2000)))
    try:
        with decoded(content if whole else content[:-50], 8):
            assert limits._taken >= 2000 * 2000 * 4
            raise KeyError
    except (KeyError, UnreadableImage):
        assert limits._taken == 0
    read_image(content, None)
    assert limits._taken == 0
    with pytest.raises(LargeImage), decoded(content, 8, most_memory=2000 * 2000):
        pass
    assert limits._taken == 0


def test_a_large_file_is_hashed_and_read_without_being_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    for more in (0, 2**21):
        path.write_bytes(encode(Image.new("RGB", (4, 4), "red")) + bytes(more))
        with hashed(path) as (file, sha256):
            assert sha256 == sha256_file(path)
            assert isinstance(file, io.BytesIO) == (more == 0)
            assert (read_image(file, 4) == (255, 0, 0)).all()
