"""The sweep of 75 corruptions over 400 pictures: `python bench/corruptions.py [MODEL]`.

Without MODEL a ResNet-18 without training is exported, 32 pixels: the sweep's time does not depend
on what the model answers. The last line is one JSON document.
"""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import record
from resnet import export_resnet18
from signwise.evaluation.robustness import measure_corruptions
from signwise.inference.predictor import Predictor

COUNT = 400
CELLS = 75
GOAL_SECONDS = 60


def main(arguments: Sequence[str] | None = None) -> None:
    """Time the sweep, and the model's part of it."""
    parser = record.arguments(__doc__)
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("--pictures", type=int, default=COUNT)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        predictor = Predictor(options.model or export_resnet18(Path(name) / "model.onnx"))
    rng = np.random.default_rng(0)
    side = predictor.image_size
    pixels = rng.integers(0, 256, (options.pictures, side, side, 3), np.uint8)
    labels = rng.integers(0, len(predictor.classes), options.pictures)
    predictor.scores(pixels)
    start = time.perf_counter()
    for _ in range(CELLS):
        predictor.scores(pixels)
    inference = time.perf_counter() - start
    start = time.perf_counter()
    measure_corruptions(predictor, labels, pixels, None, seed=0)
    seconds = time.perf_counter() - start
    record.finish(
        "corruptions",
        options,
        n=options.pictures,
        counted=f"pictures of {side} pixels, in each of {CELLS} cells",
        figures=[
            record.figure("the sweep of all corruptions", seconds, "s", goal=GOAL_SECONDS),
            record.figure("of that the model", inference, "s"),
        ],
    )


if __name__ == "__main__":
    main()
