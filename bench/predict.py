"""Files on disk to rows in a CSV, against its parts: `python bench/predict.py [MODEL [FOLDER]]`.

MODEL is a run, a file or the name of a model that ships; without it a ResNet-18 without training is
exported. Without FOLDER pictures are drawn, of the sizes and the format that cut-out signs have.
Three things are timed in turn, several rounds, on the same files: d, decoding alone (read_image, by
as many threads or, where that is faster, processes as there are cores); i, inference alone (the
model on decoded pixels, all cores, the fastest of several batch sizes and of ONNX Runtime's own
settings); and `signwise.predict` from the paths to the finished file, the start of the session
included. One after the other, decoding and inference would give 1 / (1/d + 1/i). The last line is
one JSON document.
"""

import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import record
import signwise
from resnet import export_resnet18
from signwise.data.images import read_image
from signwise.data.walk import walk
from signwise.inference.predictor import Predictor
from signwise.runtime import available_cores, onnx_runtime

COUNT = 6000
ROUNDS = 5
BATCH_SIZES = (64, 256)
GOAL = 0.8
PIECE = 64
UNTRAINED = "untrained-resnet18"
INFERENCE = "inference alone"
"""The figure of a model's own speed."""

Pixels = NDArray[np.uint8]


def draw(folder: Path, count: int) -> None:
    """Write PNGs of 25 to 120 pixels, soft shapes with noise."""
    random = np.random.default_rng(0)
    for number in range(count):
        width, height = (int(side) for side in random.integers(25, 120, 2))
        coarse = Image.fromarray(random.integers(0, 256, (5, 5, 3), dtype=np.uint8))
        soft = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.float32)
        noisy = (soft + random.normal(0, 6, soft.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / f"{number:05d}.png")


def decode(paths: list[str], size: int) -> Pixels:
    """The pixels (N, S, S, 3)."""
    return np.stack([read_image(path, size) for path in paths])


def decode_all(pool: Executor, paths: list[str], size: int) -> Pixels:
    """Decoding alone, a piece a task."""
    pieces = [paths[start : start + PIECE] for start in range(0, len(paths), PIECE)]
    return np.concatenate(list(pool.map(decode, pieces, [size] * len(pieces))))


def plain_session(path: Path, pixels: Pixels) -> Callable[[], None]:
    """Inference by a session of ONNX Runtime as it comes."""
    session = onnx_runtime().InferenceSession(path)

    def run() -> None:
        for start in range(0, len(pixels), BATCH_SIZES[-1]):
            session.run(None, {"images": pixels[start : start + BATCH_SIZES[-1]]})

    return run


def timed(work: Callable[[], object]) -> float:
    """Seconds that it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(model: str | Path, source: Path, rows: Path, rounds: int) -> dict[str, list[float]]:
    """Seconds of each part over all pictures, in rounds that alternate, after one that warms up."""
    paths, cores = list(walk(source)), available_cores()
    predictors = [Predictor(model, batch_size=size) for size in BATCH_SIZES]
    side = predictors[0].image_size
    context = multiprocessing.get_context("spawn")
    with ThreadPoolExecutor(cores) as threads, ProcessPoolExecutor(cores, context) as processes:
        pixels = decode_all(processes, paths, side)  # starts the processes, warms the disk
        work: dict[str, Callable[[], object]] = {
            "decode, threads": partial(decode_all, threads, paths, side),
            "decode, processes": partial(decode_all, processes, paths, side),
            "predict": partial(signwise.predict, model, source, out=rows, keep_rows=False),
            "inference, as it comes": plain_session(predictors[0].path, pixels),
        }
        for predictor in predictors:
            what = f"inference, batches of {predictor.batch_size}"
            work[what] = partial(predictor.scores, pixels)
        seconds: dict[str, list[float]] = {what: [] for what in work}
        for number in range(rounds + 1):
            for what, run in work.items():
                duration = timed(run)
                if number > 0:
                    seconds[what].append(duration)
    return seconds


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line a figure and the JSON document."""
    parser = record.arguments(__doc__)
    parser.add_argument("model", nargs="?")
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--pictures", type=int, default=COUNT)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = options.folder
        if source is None:
            source = folder / "pictures"
            source.mkdir()
            draw(source, options.pictures)
        model = options.model or export_resnet18(folder / "model.onnx")
        count = len(list(walk(source)))
        seconds = measure(model, source, folder / "rows.csv", options.rounds)

    def fastest(kind: str) -> float:
        medians = [statistics.median(found) for what, found in seconds.items() if kind in what]
        return count / min(medians)

    def best_of(kind: str, number: int) -> float:
        return min(found[number] for what, found in seconds.items() if kind in what)

    speed = count / statistics.median(seconds["predict"])
    in_turn = 1 / (1 / fastest("decode") + 1 / fastest("inference"))
    # Round by round, so that a busy minute of the machine counts for all three alike.
    ratios = [
        (best_of("decode", number) + best_of("inference", number)) / seconds["predict"][number]
        for number in range(options.rounds)
    ]
    variant = UNTRAINED if options.model is None else Path(options.model).name
    what = "files on disk to rows in a CSV"
    record.finish(
        "predict",
        options,
        variant=variant,
        how=f"bench/predict.py {options.model or ''}".strip(),
        n=count,
        counted=f"pictures, {variant}, medians of {options.rounds} rounds",
        figures=[
            record.figure(
                f"{what}, to decoding and inference in turn",
                speed / in_turn,
                spread=ratios,
                goal=GOAL,
            ),
            record.figure(what, speed, "images/s"),
            record.figure("decoding alone", fastest("decode"), "images/s"),
            record.figure(INFERENCE, fastest("inference"), "images/s"),
        ],
        rows=[
            {"part": part, "images_per_second": round(count / statistics.median(found), 1)}
            for part, found in seconds.items()
        ],
    )


if __name__ == "__main__":
    main()
