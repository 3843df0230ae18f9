"""What a file is that is no picture, told by its first bytes."""

import io
import zipfile

import pytest

from signwise.data.images import read_image
from signwise.errors import UnreadableImage


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("a.txt", "a" * 100)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
            "a Git LFS pointer, not the picture itself: run git lfs pull",
        ),
        (archive(), "an archive, not an image: unpack it"),
        (b"\x1f\x8b\x08\0" + bytes(60), "an archive, not an image"),
        (b"%PDF-1.7\n%\xe2\xe3", "a PDF, not an image: export its pictures"),
        (b"<!DOCTYPE html>\n<html>", "a web page, not an image"),
        (b"\xef\xbb\xbf\r\n <HTML lang='en'>", "a web page, not an image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", "SVG is not supported: convert to PNG"),
        (b"\xff\x0a" + bytes(60), "JPEG XL is not supported: convert to JPEG or PNG"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(60), "JPEG XL is not supported"),
        (b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + bytes(60), "a video, not an image"),
        (b"\x1aE\xdf\xa3" + bytes(60), "a video, not an image: take pictures from it"),
        (b"icns\0\0\0\x08", "not an image"),
        (b"II*\0\xff\xff\xff\x7f" + bytes(60), "truncated or damaged: TIFF without"),
        (b"II+\0\x08\0\0\0" + b"\xff" * 60, "damaged"),
        (b"PNG is a format", "not an image"),
    ],
)
def test_what_is_no_picture_is_said_to_be_what_it_is(content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableImage, match=reason) as caught:
        read_image(content, 8)
    assert "\n" not in str(caught.value)
