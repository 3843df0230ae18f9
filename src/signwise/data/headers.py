"""What the first bytes of a file say where Pillow can't: what it is instead, and what is in it."""

import contextlib
import io
import os
import struct
from typing import IO

from PIL import Image, TiffImagePlugin

from signwise.data.limits import check_pixels

HEAD = 64
"""Bytes of a file's beginning that suffice to say what it is."""

_PICTURES = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"RIFF": "WebP",
}
_OTHERS = {
    b"version https://git-lfs": "a Git LFS pointer, not the picture itself: run git lfs pull",
    b"PK\x03\x04": "an archive, not an image: unpack it",
    b"\x1f\x8b": "an archive, not an image: unpack it",
    b"7z\xbc\xaf\x27\x1c": "an archive, not an image: unpack it",
    b"Rar!": "an archive, not an image: unpack it",
    b"\x28\xb5\x2f\xfd": "an archive, not an image: unpack it",
    b"%PDF": "a PDF, not an image: export its pictures",
    b"\xff\x0a": "JPEG XL is not supported: convert to JPEG or PNG",
    b"\0\0\0\x0cJXL ": "JPEG XL is not supported: convert to JPEG or PNG",
    b"\x1aE\xdf\xa3": "a video, not an image: take pictures from it",
}
_TEXTS = {
    b"<!doctype html": "a web page, not an image: load the picture itself",
    b"<html": "a web page, not an image: load the picture itself",
    b"<svg": "SVG is not supported: convert to PNG",
}
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_VIDEO_BRANDS = (b"isom", b"mp4", b"iso2", b"qt  ", b"M4V", b"3gp")
_SAMPLES = {1: "whole-number", 2: "signed", 3: "float", 5: "complex", 6: "complex float"}
ICON = b"\0\0\1\0"
"""How an ICO begins."""


def unidentified(head: bytes, file: IO[bytes]) -> str:
    """Why Pillow knows no format for a file that starts so."""
    if head[4:8] == b"ftyp":
        brands = head[8:]
        if b"avif" in brands or b"avis" in brands:
            known = "AVIF" in Image.OPEN
            return "truncated or damaged" if known else "AVIF needs Pillow 11.3 or newer"
        if any(brand in brands for brand in _HEIC_BRANDS):
            return "HEIC is not supported: convert to JPEG or PNG"
        if brands.startswith(_VIDEO_BRANDS):
            return "a video, not an image: take pictures from it"
    if _no_pixels(head):
        return "no pixels"
    for magic, name in _PICTURES.items():
        if head.startswith(magic):
            sound = _tiff(file) if name == "TIFF" else None
            return sound or f"truncated or damaged: {name} without a readable header"
    others = (reason for magic, reason in _OTHERS.items() if head.startswith(magic))
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    texts = (reason for magic, reason in _TEXTS.items() if start.startswith(magic))
    return next(others, None) or next(texts, "not an image")


def _no_pixels(head: bytes) -> bool:
    """Whether the header of a PNG, GIF or BMP declares a width or height of zero."""
    for magic, start, width in ((b"\x89PNG", 16, 4), (b"GIF8", 6, 2), (b"BM", 18, 4)):
        if head.startswith(magic) and len(head) >= start + 2 * width:
            sides = head[start : start + width], head[start + width : start + 2 * width]
            return any(not any(side) for side in sides)
    return False


def _tiff(file: IO[bytes]) -> str | None:
    """What a sound TIFF holds that Pillow can't read; None for one that is damaged."""
    try:
        file.seek(0)
        header = file.read(8)
        if header[2:3] == b"+" or header[3:4] == b"+":  # more than 4 GB may be in it
            header += file.read(8)
        tags = TiffImagePlugin.ImageFileDirectory_v2(header)
        file.seek(tags.next)
        tags.load(file)
        width, height = int(tags[256]), int(tags[257])
        samples, bits = int(tags.get(277, 1)), int(tags.get(258, (1,))[0])
        kind = _SAMPLES.get(int(tags.get(339, (1,))[0]), "unknown")
        whole = (width > 0 and height > 0 and 273 in tags) or 324 in tags
    except Exception:  # whatever a damaged directory gives rise to
        return None
    if not whole:
        return None
    return (
        f"a TIFF of {samples} {kind} sample{'s' * (samples != 1)} of {bits} bits is not "
        "supported: convert to RGB of 8 bits"
    )


def check_icons(head: bytes, file: IO[bytes], max_pixels: int) -> None:
    """Raise UnreadableImage where a picture inside an ICO has too many pixels.

    Pillow decodes an icon when it opens it, and what the directory says of the sizes need not hold.
    """
    for number in range(int.from_bytes(head[4:6], "little")):
        file.seek(6 + 16 * number + 12)
        where = file.read(4)
        file.seek(int.from_bytes(where, "little"))
        start = file.read(24)
        if len(start) < 24:
            break
        if start.startswith(b"\x89PNG"):
            width, height = struct.unpack(">II", start[16:24])
        else:  # a bitmap, of twice its height
            width, height = struct.unpack("<II", start[4:12])
            height //= 2
        check_pixels((max(1, width), max(1, height)), max_pixels)


def file_size(file: IO[bytes]) -> int:
    """How many bytes a file has that is at its beginning, and stays there."""
    if not isinstance(file, io.BytesIO):
        with contextlib.suppress(OSError, AttributeError):
            return os.fstat(file.fileno()).st_size
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    return size
