"""How fast pictures are read, and what each short cut costs: `python bench/images.py [FOLDER]`.

Without FOLDER it renders small PNGs, as cut-out signs are, and large JPEGs and PNGs, as phones
write them. Each way of reading is timed on the same bytes, in turn, and compared with the slow and
exact one: decoded whole, then resized with the same filter. The last line is one JSON document.
"""

import io
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

import record
from signwise.data.images import read_image
from signwise.data.walk import walk

SIZES = (32, 224)
ROUNDS = 5
MOST = 500
"""Pictures of a folder."""

Way = Callable[[bytes, int], NDArray[np.uint8]]
"""Encoded picture and side S to pixels (S, S, 3)."""


def plain(resample: Image.Resampling, draft: int | None = None, gap: float | None = None) -> Way:
    """Decode with Pillow alone, with these short cuts."""

    def read(content: bytes, size: int) -> NDArray[np.uint8]:
        with Image.open(io.BytesIO(content)) as image:
            if draft is not None:
                image.draft(None, (draft * size, draft * size))
            rgb = image.convert("RGB")
        return np.array(rgb.resize((size, size), resample, reducing_gap=gap))

    return read


BILINEAR, BOX, LANCZOS = (
    Image.Resampling.BILINEAR,
    Image.Resampling.BOX,
    Image.Resampling.LANCZOS,
)
WAYS: dict[str, Way] = {
    "read_image": read_image,
    "whole, bilinear": plain(BILINEAR),
    "whole, bilinear, gap 2": plain(BILINEAR, gap=2.0),
    "draft 1x, bilinear, gap 2": plain(BILINEAR, draft=1, gap=2.0),
    "draft 2x, bilinear, gap 2": plain(BILINEAR, draft=2, gap=2.0),
    "draft 4x, bilinear, gap 2": plain(BILINEAR, draft=4, gap=2.0),
    "whole, box": plain(BOX),
    "whole, Lanczos": plain(LANCZOS),
}


def photo(width: int, height: int, random: np.random.Generator) -> Image.Image:
    """Something as detailed as a photo: soft light, shapes with edges, noise."""
    light = random.integers(0, 255, (6, 8, 3), dtype=np.uint8)
    image = Image.fromarray(light).resize((width, height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(40):
        x, y = random.integers(0, width), random.integers(0, height)
        side = random.integers(1, max(2, width // 4))
        colour = tuple(int(value) for value in random.integers(0, 255, 3))
        draw.regular_polygon((int(x), int(y), int(side)), int(random.integers(3, 9)), fill=colour)
    soft = np.asarray(image.filter(ImageFilter.GaussianBlur(0.7)))
    noise = random.normal(0, 4, (height, width, 1))
    return Image.fromarray((soft + noise).clip(0, 255).astype(np.uint8))


def rendered() -> dict[str, list[bytes]]:
    """Encoded pictures by kind."""
    random = np.random.default_rng(0)

    def encode(count: int, width: int, height: int, form: str) -> list[bytes]:
        files = []
        for _ in range(count):
            buffer = io.BytesIO()
            photo(width, height, random).save(buffer, form, quality=90)
            files.append(buffer.getvalue())
        return files

    return {
        "PNG 48 x 48": encode(200, 48, 48, "PNG"),
        "JPEG 640 x 480": encode(20, 640, 480, "JPEG"),
        "JPEG 4000 x 3000": encode(2, 4000, 3000, "JPEG"),
        "PNG 2000 x 1500": encode(2, 2000, 1500, "PNG"),
    }


@dataclass(frozen=True, kw_only=True)
class ImagesRow:
    """One way of reading one kind of pictures."""

    pictures: str
    n: int
    size: int
    """Side that they are read at, in pixels."""
    way: str
    images_per_second: float
    rms_difference: float
    """From the slow and exact way, in grey levels."""


def measure(kind: str, files: list[bytes], size: int, rounds: int) -> list[ImagesRow]:
    """Every way: the median speed of rounds that alternate, and the error."""
    exact = [WAYS["whole, bilinear"](content, size).astype(float) for content in files]
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name, way in WAYS.items():
            start = time.perf_counter()
            for content in files:
                way(content, size)
            seconds[name].append(time.perf_counter() - start)
    return [
        ImagesRow(
            pictures=kind,
            n=len(files),
            size=size,
            way=name,
            images_per_second=round(len(files) / statistics.median(seconds[name]), 1),
            rms_difference=round(error(way, files, exact, size), 2),
        )
        for name, way in WAYS.items()
    ]


def error(way: Way, files: list[bytes], exact: list[NDArray[np.float64]], size: int) -> float:
    """The mean of the pictures' root mean square differences, in grey levels."""
    pairs = zip(files, exact, strict=True)
    return statistics.mean(
        float(np.sqrt(np.square(way(content, size) - truth).mean())) for content, truth in pairs
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table, and one line of JSON."""
    parser = record.arguments(__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    options = parser.parse_args(arguments)
    if options.folder is None:
        kinds = rendered()
    else:
        paths = list(walk(options.folder))[:MOST]
        kinds = {options.folder.name: [Path(path).read_bytes() for path in paths]}
    rows: list[ImagesRow] = []
    for kind, files in kinds.items():
        for size in options.sizes:
            rows += measure(kind, files, size, options.rounds)
            print(f"{kind}, n = {len(files)}, to {size} x {size}")
            for row in rows[-len(WAYS) :]:
                speed, wrong = row.images_per_second, row.rms_difference
                print(f"  {row.way:27}{speed:10,.1f} a second{wrong:8.2f} levels off")
    record.finish(
        "images",
        options,
        variant="" if options.folder is None else options.folder.name,
        n=sum(len(files) for files in kinds.values()),
        counted=f"pictures, medians of {options.rounds} rounds",
        figures=[
            record.figure(
                f"reading, {row.pictures} to {row.size} x {row.size}",
                row.images_per_second,
                "images/s",
            )
            for row in rows
            if row.way == "read_image"
        ],
        rows=rows,
    )


if __name__ == "__main__":
    main()
