"""The sweep of 75 corruptions over 400 pictures: `python bench/corruptions.py [MODEL]`.

Without MODEL a ResNet-18 without training is exported, 32 pixels: the sweep's time does not depend
on what the model answers. The last line is one JSON document.
"""

import datetime
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from resnet import export_resnet18

from signwise.evaluation.robustness import measure_corruptions
from signwise.inference.predictor import Predictor
from signwise.runtime import available_cores

COUNT = 400
GOAL_SECONDS = 60


def main(arguments: list[str]) -> None:
    """Time the sweep, and the model's part of it."""
    with tempfile.TemporaryDirectory() as name:
        model = Path(arguments[0]) if arguments else export_resnet18(Path(name) / "model.onnx")
        predictor = Predictor(model)
    rng = np.random.default_rng(0)
    side = predictor.image_size
    pixels = rng.integers(0, 256, (COUNT, side, side, 3), np.uint8)
    labels = rng.integers(0, len(predictor.classes), COUNT)
    predictor.scores(pixels)
    start = time.perf_counter()
    for _ in range(75):
        predictor.scores(pixels)
    inference = time.perf_counter() - start
    start = time.perf_counter()
    measure_corruptions(predictor, labels, pixels, None, seed=0)
    seconds = time.perf_counter() - start
    print(f"sweep {seconds:.1f} s, of which the model {inference:.1f} s (goal {GOAL_SECONDS} s)")
    document = {
        "benchmark": "corruptions",
        "seconds": round(seconds, 2),
        "model_seconds": round(inference, 2),
        "goal_seconds": GOAL_SECONDS,
        "reached": seconds <= GOAL_SECONDS,
        "n": COUNT,
        "cells": 75,
        "image_size": side,
        "cores": available_cores(),
        "load": os.getloadavg()[0],
        "machine": platform.platform(),
        "date": datetime.date.today().isoformat(),
    }
    print(json.dumps(document))


if __name__ == "__main__":
    main(sys.argv[1:])
