"""The test vectors of docs/deploy.md: `python recipes/vectors.py` writes examples/deploy.

Each is a picture, what it is resized to, and what the model that ships answers. None is taller than
wide: Pillow stretches tall pictures in another order from version 13 on.
"""

import base64
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import signwise
from signwise.data.images import read_image
from signwise.files import Json, write_json
from signwise.inference.predictor import Predictor

MODEL = "priority-stop"
FILE = Path(__file__).parents[1] / "examples" / "deploy" / "vectors.json"
WIDE = (301, 203)
"""Sides of a picture that step 4 makes smaller; they leave a rest."""
FORMULA = "red (5 x + 3 y) mod 256, green (x x div 64 + y) mod 256, blue (x y div 32) mod 256"


def by_formula(width: int, height: int) -> NDArray[np.uint8]:
    """The picture (H, W, 3) of FORMULA."""
    y, x = np.mgrid[:height, :width]
    channels = (5 * x + 3 * y, x * x // 64 + y, x * y // 32)
    return (np.stack(channels, axis=-1) % 256).astype(np.uint8)


def vector(predictor: Predictor, name: str, picture: NDArray[np.uint8]) -> dict[str, Json]:
    """A picture (H, W, 3) with its size, its pixels, and what the model makes of it."""
    prediction = predictor.predict([picture])[0]
    return {
        "name": name,
        "width": picture.shape[1],
        "height": picture.shape[0],
        "rgb": _text(picture),
        "resized": _text(read_image(picture, predictor.image_size)),
        "label": prediction.label,
        "known": prediction.known,
        "probabilities": list(prediction.probabilities.values()),
    }


def _text(pixels: NDArray[np.uint8]) -> str:
    return base64.b64encode(pixels.tobytes()).decode()


def main() -> None:
    """Render two signs, and write the vectors of these and of the formula."""
    predictor = Predictor(MODEL)
    vectors = []
    with tempfile.TemporaryDirectory() as name:
        signwise.synth(Path(name), per_class=1, size=48, seed=7)
        for path in sorted(Path(name).glob("*/*.png")):
            vectors.append(
                vector(predictor, f"rendered {path.parent.name}", read_image(path, None))
            )
    wide = vector(predictor, "formula", by_formula(*WIDE))
    wide["rgb"] = None  # a hundred thousand numbers that nobody needs to store
    record = predictor.record
    write_json(
        FILE,
        {
            "model": MODEL,
            "image_size": record.image_size,
            "classes": list(record.classes),
            "threshold": record.threshold,
            "formula": FORMULA,
            "vectors": [*vectors, wide],
        },
    )


if __name__ == "__main__":
    main()
