"""How fast pictures are read, and what each short cut costs: `python bench/images.py [FOLDER]`.

Without FOLDER it renders small PNGs, as cut-out signs are, and large JPEGs and PNGs, as phones
write them. Each way of reading is timed on the same bytes, in turn, and compared with the slow and
exact one: decoded whole, then resized with the same filter. The last line is one JSON document.
"""

import datetime
import io
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageDraw, ImageFilter

from signwise.data.images import read_image
from signwise.data.walk import walk

SIZES = (32, 224)
ROUNDS = 5
Way = Callable[[bytes, int], np.ndarray]


def plain(resample: Image.Resampling, draft: int | None = None, gap: float | None = None) -> Way:
    """Decode with Pillow alone, with these short cuts."""

    def read(content: bytes, size: int) -> np.ndarray:
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
    image = image.filter(ImageFilter.GaussianBlur(0.7))
    noise = random.normal(0, 4, (height, width, 1))
    return Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))


def rendered() -> dict[str, list[bytes]]:
    """Encoded pictures by kind."""
    random = np.random.default_rng(0)

    def encode(count: int, width: int, height: int, **how: object) -> list[bytes]:
        files = []
        for _ in range(count):
            buffer = io.BytesIO()
            photo(width, height, random).save(buffer, **how)
            files.append(buffer.getvalue())
        return files

    return {
        "PNG 48 x 48": encode(200, 48, 48, format="PNG"),
        "JPEG 640 x 480": encode(20, 640, 480, format="JPEG", quality=90),
        "JPEG 4000 x 3000": encode(2, 4000, 3000, format="JPEG", quality=90),
        "PNG 2000 x 1500": encode(2, 2000, 1500, format="PNG"),
    }


def measure(files: list[bytes], size: int) -> dict[str, dict[str, float]]:
    """Pictures per second, median of rounds that alternate, and the error in grey levels."""
    exact = [WAYS["whole, bilinear"](content, size).astype(float) for content in files]
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(ROUNDS):
        for name, way in WAYS.items():
            start = time.perf_counter()
            for content in files:
                way(content, size)
            seconds[name].append(time.perf_counter() - start)
    errors = {
        name: statistics.mean(
            float(np.sqrt(((way(content, size) - truth) ** 2).mean()))
            for content, truth in zip(files, exact, strict=True)
        )
        for name, way in WAYS.items()
    }
    return {
        name: {
            "images_per_second": round(len(files) / statistics.median(seconds[name]), 1),
            "rms_difference": round(errors[name], 2),
        }
        for name in WAYS
    }


def main() -> None:
    """Measure, print a table, and one line of JSON."""
    if len(sys.argv) > 1:
        paths = list(walk(sys.argv[1]))[:500]
        kinds = {sys.argv[1]: [Path(path).read_bytes() for path in paths]}
    else:
        kinds = rendered()
    results = []
    for kind, files in kinds.items():
        for size in SIZES:
            figures = measure(files, size)
            results.append({"pictures": kind, "n": len(files), "size": size, "ways": figures})
            print(f"{kind}, n = {len(files)}, to {size} x {size}")
            for name, row in figures.items():
                speed, error = row["images_per_second"], row["rms_difference"]
                print(f"  {name:27}{speed:10,.1f} a second{error:8.2f} levels off")
    machine = {"processor": platform.machine(), "cores": os.cpu_count(), "pillow": PIL.__version__}
    today = datetime.date.today().isoformat()
    print(json.dumps({"bench": "images", "date": today, "machine": machine, "results": results}))


if __name__ == "__main__":
    main()
