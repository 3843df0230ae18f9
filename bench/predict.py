"""Files on disk to rows in a CSV, against its parts: `python bench/predict.py [MODEL [FOLDER]]`.

Without MODEL a ResNet-18 without training is exported; without FOLDER pictures are drawn, of the
sizes and the format that cut-out signs have. Three things are timed in turn, several rounds, on
the same files: d, decoding alone (read_image, by as many threads or, where that is faster,
processes as there are cores); i, inference alone (the model on decoded pixels, all cores, the
fastest of several batch sizes and of ONNX Runtime's own settings); and `signwise.predict` from the
paths to the finished file, the start of the session included. One after the other, decoding and
inference would give 1 / (1/d + 1/i). The last line is one JSON document.
"""

import datetime
import json
import multiprocessing
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image
from resnet import export_resnet18

import signwise
from signwise.data.images import read_image
from signwise.data.walk import walk
from signwise.inference.predictor import Predictor
from signwise.runtime import available_cores

COUNT = 6000
ROUNDS = 5
BATCH_SIZES = (64, 256)
GOAL = 0.8
PIECE = 64


def draw(folder: Path) -> None:
    """Write PNGs of 25 to 120 pixels, soft shapes with noise."""
    random = np.random.default_rng(0)
    for number in range(COUNT):
        width, height = (int(side) for side in random.integers(25, 120, 2))
        coarse = Image.fromarray(random.integers(0, 256, (5, 5, 3), dtype=np.uint8))
        soft = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.float32)
        noisy = (soft + random.normal(0, 6, soft.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / f"{number:05d}.png")


def decode(paths: list[str], size: int) -> np.ndarray:
    """The pixels (N, S, S, 3)."""
    return np.stack([read_image(path, size) for path in paths])


def decode_all(pool: Executor, paths: list[str], size: int) -> np.ndarray:
    """Decoding alone, a piece a task."""
    pieces = [paths[start : start + PIECE] for start in range(0, len(paths), PIECE)]
    return np.concatenate(list(pool.map(decode, pieces, [size] * len(pieces))))


def timed(work: Callable[[], object]) -> float:
    """Seconds that it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main(arguments: list[str]) -> None:
    """Print a line a figure and the JSON document."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = Path(arguments[0]) if arguments else export_resnet18(folder / "model.onnx")
        if len(arguments) > 1:
            source = Path(arguments[1])
        else:
            source = folder / "pictures"
            source.mkdir()
            draw(source)
        paths = list(walk(source))
        cores = available_cores()
        predictors = {size: Predictor(model, batch_size=size) for size in BATCH_SIZES}
        side = predictors[BATCH_SIZES[0]].image_size
        context = multiprocessing.get_context("spawn")
        with ThreadPoolExecutor(cores) as threads, ProcessPoolExecutor(cores, context) as processes:
            pixels = decode_all(processes, paths, side)  # starts the processes, warms the disk
            work: dict[str, Callable[[], object]] = {
                "decode, threads": lambda: decode_all(threads, paths, side),
                "decode, processes": lambda: decode_all(processes, paths, side),
                "predict": lambda: signwise.predict(
                    model, source, out=folder / "rows.csv", keep_rows=False
                ),
            }
            for size, predictor in predictors.items():
                work[f"inference, batches of {size}"] = lambda predictor=predictor: (
                    predictor.scores(pixels)
                )
            defaults = onnxruntime.InferenceSession(predictors[BATCH_SIZES[0]].path)
            work["inference, as it comes"] = lambda: [
                defaults.run(None, {"images": pixels[start : start + 256]})
                for start in range(0, len(pixels), 256)
            ]
            seconds: dict[str, list[float]] = {what: [] for what in work}
            for number in range(ROUNDS + 1):
                for what, run in work.items():
                    duration = timed(run)
                    if number > 0:  # the first round warms up
                        seconds[what].append(duration)
    rates = {what: len(paths) / statistics.median(found) for what, found in seconds.items()}
    decoding = max(rate for what, rate in rates.items() if what.startswith("decode"))
    inference = max(rate for what, rate in rates.items() if what.startswith("inference"))
    in_turn = 1 / (1 / decoding + 1 / inference)
    # Round by round, so that a busy minute of the machine counts for all three alike.
    ratios = [
        (
            min(found[number] for what, found in seconds.items() if what.startswith("decode"))
            + min(found[number] for what, found in seconds.items() if what.startswith("inference"))
        )
        / seconds["predict"][number]
        for number in range(ROUNDS)
    ]
    for what, rate in rates.items():
        print(f"{what:28} {rate:8.0f} images/s")
    print(f"{'one after the other':28} {in_turn:8.0f} images/s")
    print(f"predict reaches {rates['predict'] / in_turn:.2f} of that, goal {GOAL}")
    document = {
        "bench": "predict",
        "date": datetime.date.today().isoformat(),
        "machine": {
            "cpu": platform.processor() or platform.machine(),
            "cores": cores,
            "load": round(os.getloadavg()[0], 1),
        },
        "model": model.name if not arguments else str(model),
        "n": len(paths),
        "rounds": ROUNDS,
        "images_per_second": {what: round(rate, 1) for what, rate in rates.items()},
        "in_turn": round(in_turn, 1),
        "ratio": round(rates["predict"] / in_turn, 3),
        "ratio_by_round": [round(ratio, 3) for ratio in ratios],
        "goal": GOAL,
        "reached": rates["predict"] / in_turn >= GOAL,
    }
    print(json.dumps(document))


if __name__ == "__main__":
    main(sys.argv[1:])
