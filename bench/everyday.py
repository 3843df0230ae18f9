"""How many everyday pictures a model lets in: squares cut out of photos that nobody chose it on.

    python bench/everyday.py PHOTOS RUN=DATA [RUN=DATA...]

PHOTOS is any folder of pictures without the model's signs, such as the wallpapers of a Linux
distribution; of each that is large enough 60 squares are cut, at random but the same each time, a
thirtieth to nine tenths of its shorter side. Each run is measured on the test split of its own
data. The last line is one JSON document.
"""

import argparse
import json
import platform
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image

import signwise
from signwise.data.walk import walk
from signwise.runtime import available_cores

SQUARES = 60
LEAST_SIDE = 400
SIDES = (0.03, 0.9)
SAVED_SIDE = 128


def cut(photos: Path, out: Path) -> int:
    """Cut squares out of every photo into OUT; how many photos were large enough."""
    draws = random.Random(0)
    used = 0
    for path in walk(photos):
        photo = Image.open(path).convert("RGB")
        shorter = min(photo.size)
        if shorter < LEAST_SIDE:
            continue
        for number in range(SQUARES):
            side = int(shorter * draws.uniform(*SIDES))
            left, top = (draws.randint(0, whole - side) for whole in photo.size)
            square = photo.crop((left, top, left + side, top + side))
            square.thumbnail((SAVED_SIDE, SAVED_SIDE))
            square.save(out / f"{used:04d}_{number:02d}.png")
        used += 1
    return used


def main() -> None:
    """Cut the squares once and measure every run on them."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("runs", nargs="+", metavar="RUN=DATA")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        squares = Path(name) / "squares"
        squares.mkdir()
        photos = cut(arguments.photos, squares)
        for pair in arguments.runs:
            run, _, data = pair.partition("=")
            measured = signwise.evaluate(run, data, unknown=squares, out=Path(name) / "out").metrics
            rows.append({"run": run, "coverage": measured["selective"]["coverage"]})
            rows[-1] |= measured["unknown"]
            print(json.dumps(rows[-1]), flush=True)
    document = {
        "bench": "everyday",
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, {available_cores()} cores",
        "photos": photos,
        "runs": rows,
    }
    print(json.dumps(document))


if __name__ == "__main__":
    main()
