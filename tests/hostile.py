"""Hostile files and names without end: made from sound ones, the same for the same seed."""

import contextlib
import io
import os
import re
import struct
import zlib
from collections.abc import Iterator
from functools import cache

import numpy as np
from PIL import Image

Random = np.random.Generator

SOUND: tuple[tuple[str, str, str, dict[str, object]], ...] = (
    ("rgb.png", "RGB", "PNG", {}),
    ("grey.png", "L", "PNG", {}),
    ("palette.png", "P", "PNG", {"transparency": 3}),
    ("alpha.png", "RGBA", "PNG", {}),
    ("wide.png", "I;16", "PNG", {}),
    ("bits.png", "1", "PNG", {}),
    ("plain.jpg", "RGB", "JPEG", {}),
    ("scans.jpg", "RGB", "JPEG", {"progressive": True}),
    ("ink.jpg", "CMYK", "JPEG", {}),
    ("grey.jpeg", "L", "JPEG", {}),
    ("still.gif", "P", "GIF", {}),
    ("rgb.bmp", "RGB", "BMP", {}),
    ("palette.bmp", "P", "BMP", {}),
    ("raw.tif", "RGB", "TIFF", {}),
    ("lzw.tif", "RGB", "TIFF", {"compression": "tiff_lzw"}),
    ("zip.tiff", "RGBA", "TIFF", {"compression": "tiff_adobe_deflate"}),
    ("jpeg.tif", "RGB", "TIFF", {"compression": "jpeg"}),
    ("fax.tif", "1", "TIFF", {"compression": "group4"}),
    ("wide.tif", "I;16", "TIFF", {}),
    ("float.tif", "F", "TIFF", {}),
    ("lab.tif", "LAB", "TIFF", {}),
    ("lossy.webp", "RGB", "WEBP", {}),
    ("exact.webp", "RGBA", "WEBP", {"lossless": True}),
    ("a.avif", "RGB", "AVIF", {}),
    ("a.jp2", "RGB", "JPEG2000", {}),
    ("a.j2k", "RGBA", "JPEG2000", {"no_jp2": True}),
    ("png.ico", "RGBA", "ICO", {"sizes": [(16, 16)]}),
    ("bmp.ico", "RGBA", "ICO", {"sizes": [(16, 16)], "bitmap_format": "bmp"}),
    ("a.tga", "RGB", "TGA", {}),
    ("packed.tga", "RGB", "TGA", {"compression": "tga_rle"}),
    ("a.pcx", "RGB", "PCX", {}),
    ("a.sgi", "RGB", "SGI", {}),
    ("a.ppm", "RGB", "PPM", {}),
    ("a.pgm", "I;16", "PPM", {}),
    ("a.pfm", "F", "PPM", {}),
    ("a.xbm", "1", "XBM", {}),
    ("a.msp", "1", "MSP", {}),
    ("a.dds", "RGBA", "DDS", {}),
    ("a.dib", "RGB", "DIB", {}),
)
NAMES = (
    "a\nb", "a\rb", "a\tb", "\x1b[31mred", 'quo"te', "it's", "com,ma", "semi;colon", "=1+1", "@sum",
    "-rf", "--out", "%s%n", "{0}", "$(id)", "`id`", "<script>alert(1)</script>", "a&b", "per%20c",
    "tilde~", "back\\slash", "col:on", "star*", "what?", "pipe|", " lead", "trail ", "dots...",
    "CON", "nul", "vorf\u00e4hrt", "vorfa\u0308hrt", "\u202egnp", "\u200bzero", "道路", "🛑",
    "e\u0301" * 40, "x" * 240, "NaN", "None", "1e999", "0", "true", "#", "a#b", "a=b", "[glob]",
    "!", "\ufeffbom",
)  # fmt: skip
"""What the stem of a file can be; more, which are no UTF-8, are made by chance."""
PIECES = (
    b"\x00", b"\xff", b"\x80" * 9 + b"\x01", b"\xfa\x80\x80\x80\x10", b'"', b"{", b"[" * 3000, b"}",
    b"\\ud800", b"1" + b"0" * 400, b"1e999", b"-1", b"NaN", b"null", b"true", b"[]", b"{}", b'"a"',
    b"\x1b[2J", b"=1+1", b",", b"\n", b'"\n', b"\r", b"\xed\xa0\x80", b"..", b"\\u0000", b"1e-400",
)  # fmt: skip
"""What has broken readers of text before."""
_VALUES = re.compile(rb"(?<=[:\[,]) ?[^][{}:,]+(?=[],}])")
"""The values of JSON."""
_NUMBERS = (
    0, 1, 2, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 2**32 - 1,
)  # fmt: skip


@cache
def sound_pictures() -> dict[str, bytes]:
    """One small picture of each kind that this Pillow writes."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    rgb = Image.fromarray(small).resize((36, 28), Image.Resampling.BICUBIC)
    grey = np.asarray(rgb.convert("L"))
    made = {
        "I;16": Image.fromarray(grey.astype(np.uint16) * 257),
        "F": Image.fromarray((grey / 255).astype(np.float32)),
        "LAB": Image.merge("LAB", rgb.split()),
    }
    found = {}
    Image.init()
    for name, mode, format, options in SOUND:
        buffer = io.BytesIO()
        # Not every Pillow has every format, and each mode of it.
        with contextlib.suppress(KeyError, OSError):
            (made.get(mode) or rgb.convert(mode)).save(buffer, format, **options)
            found[name] = buffer.getvalue()
    buffer = io.BytesIO()
    rgb.save(buffer, "GIF", save_all=True, append_images=[rgb.rotate(90)] * 3)
    found["moving.gif"] = buffer.getvalue()
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    rgb.save(buffer, "JPEG", exif=exif)
    found["turned.jpg"] = buffer.getvalue()
    found["text.ppm"] = b"P3 2 2 255 " + b"9 200 31 " * 4
    found["a.qoi"] = (
        b"qoif" + struct.pack(">IIBB", 8, 8, 3, 0) + b"\xfd" * 2 + b"\xc1" + bytes(7) + b"\x01"
    )
    found["a.xpm"] = b'/* XPM */\nstatic char *a[] = {\n"2 1 1 1",\n"x c #ff0000",\n"xx"};\n'
    return found


def mutated(content: bytes, rng: Random, others: list[bytes]) -> bytes:
    """The bytes with one to eight things wrong."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 9))):
        at = int(rng.integers(0, len(data) + 1))
        if rng.random() < 0.5:
            at = int(at * rng.random() ** 3)  # headers, above all
        match int(rng.integers(0, 11)):
            case 0 if data:
                data[min(at, len(data) - 1)] ^= 1 << int(rng.integers(0, 8))
            case 1:
                data[at : at + 1] = rng.bytes(1)
            case 2 | 3 | 4:
                number = int(rng.choice(_NUMBERS))
                width = int(rng.choice((2, 4)))
                order = "little" if rng.random() < 0.5 else "big"
                data[at : at + width] = (number % 256**width).to_bytes(width, order)
            case 5:
                del data[at : at + int(rng.integers(1, 40))]
            case 6:
                data[at:at] = data[at : at + int(rng.integers(1, 200))] * int(rng.integers(1, 9))
            case 7:
                other = others[int(rng.integers(0, len(others)))]
                data[at:] = other[int(rng.integers(0, len(other) + 1)) :]
            case 8:
                data[at:at] = PIECES[int(rng.integers(0, len(PIECES)))]
            case 9 if values := list(_VALUES.finditer(data)):
                value = values[int(rng.integers(0, len(values)))]
                data[value.start() : value.end()] = PIECES[int(rng.integers(0, len(PIECES)))]
            case _:
                data[at:at] = rng.bytes(int(rng.integers(1, 60)))
    return bytes(data)


def crafted() -> dict[str, bytes]:
    """Files that are made to take memory or time, or to mislead; a few kilobytes each at most."""
    sound = sound_pictures()

    def patched(name: str, at: int, form: str, *values: int) -> bytes:
        data = bytearray(sound[name])
        struct.pack_into(form, data, at, *values)
        return bytes(data)

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    def png(width: int, height: int, mode: int, bits: int, more: bytes = b"") -> bytes:
        header = struct.pack(">IIBBBBB", width, height, bits, mode, 0, 0, 0)
        rows = zlib.compress(bytes(min(10**6, height * (1 + width))), 9)
        start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + more
        return start + chunk(b"IDAT", rows) + chunk(b"IEND", b"")

    icon = sound["png.ico"]
    (start,) = struct.unpack_from("<I", icon, 18)
    webp = bytearray(sound["exact.webp"])
    at = webp.index(b"VP8L") + 9
    struct.pack_into("<I", webp, at, 7999 << 14 | 7999 | 1 << 28)
    jpeg = sound["plain.jpg"]
    scans = sound["scans.jpg"]
    last = scans.rindex(b"\xff\xda")
    bomb = zlib.compress(bytes(30_000_000), 9)
    loop = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x01\0\0\0\x08\0\0\0"
    exif = b"\xff\xe1" + struct.pack(">H", 8 + len(loop)) + b"Exif\0\0" + loop
    sides, large = struct.pack(">II", 28, 36), struct.pack(">II", 8000, 8000)
    return {
        "wide.webp": bytes(webp),
        "large.png": png(8000, 8000, 6, 8),
        "grey16.png": png(8000, 8000, 0, 16),
        "larger.png": png(60_000, 60_000, 0, 1),
        "none.png": png(0, 7, 2, 8),
        "icon.ico": icon[: start + 16] + struct.pack(">II", 9000, 9000) + icon[start + 24 :],
        "many.ico": icon[:4] + b"\xff\xff" + icon[6:],
        "text.png": png(8, 8, 2, 8, chunk(b"zTXt", b"a\0\0" + bomb)),
        "profile.png": png(8, 8, 2, 8, chunk(b"iCCP", b"a\0\0" + bomb)),
        "padded.jpg": jpeg[:2] + b"\xff" * 200_000 + jpeg[2:],
        "scans.jpg": scans[:-2] + scans[last:-2] * 400 + scans[-2:],
        "loop.tif": loop,
        "exif.jpg": jpeg[:2] + exif + jpeg[2:],
        "large.bmp": patched("rgb.bmp", 18, "<ii", 30_000, -2000),
        "large.gif": patched("still.gif", 6, "<HH", 65535, 900),
        "frame.gif": sound["still.gif"].replace(b",\0\0\0\0", b",\xff\xff\xff\xff"),
        "large.tga": patched("a.tga", 12, "<HH", 8000, 8000),
        "large.pcx": patched("a.pcx", 8, "<HH", 7999, 7999),
        "large.sgi": patched("a.sgi", 6, ">HH", 8000, 8000),
        "large.qoi": b"qoif" + struct.pack(">IIBB", 8000, 8000, 4, 0) + b"\xfd" * 100_000,
        "large.ppm": b"P6 8000 8000 255 " + bytes(1000),
        "large.pgm": b"P2 8000 8000 65535 " + b"1 " * 50_000,
        "large.dds": patched("a.dds", 12, "<II", 8000, 8000),
        "large.jp2": sound["a.jp2"].replace(sides, large),
        "large.xpm": sound["a.xpm"].replace(b"2 1 1 1", b"8000 8000 1 1"),
        "colours.xpm": sound["a.xpm"].replace(b"2 1 1 1", b"2 1 99999999 1"),
        "pointer.jpg": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "page.jpg": b"<!doctype html><title>404</title>",
        "empty.png": b"",
        "byte.png": b"\x89",
        "text.jpg": b"no photo at all\n" * 50,
        "script.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(x) run\n",
        "other.png": jpeg,
    }  # fmt: skip


def hostile_files(seed: int, count: int) -> Iterator[tuple[bytes, bytes]]:
    """The name, no longer than a file system admits, and the content of each file."""
    rng = np.random.default_rng(seed)
    sound = sound_pictures()
    contents, special = list(sound.values()), list(crafted().items())
    names = list(sound)
    for number in range(count):
        if number < len(special):
            name, content = special[number]
        else:
            name = names[int(rng.integers(0, len(names)))]
            content = mutated(sound[name], rng, contents)
            if rng.random() < 0.1:
                content = content[: int(rng.integers(0, len(content) + 1))]
        suffix = os.path.splitext(name)[1]  # noqa: PTH122
        stem = NAMES[int(rng.integers(0, len(NAMES)))].encode()
        if rng.random() < 0.2:
            stem = rng.bytes(12).replace(b"/", b"").replace(b"\0", b"")
        cut = stem[: 250 - len(suffix) - len(str(number))]
        yield str(number).encode() + cut + suffix.encode(), content
