"""How much of the training loop is the model's own arithmetic.

    python bench/overhead.py [--pictures 2048] [--repeats 7] [--device cpu]

Images per second of one epoch of signwise's loop, reading a memory map, augmenting and summing up
included, against forward, backward and optimiser step alone on random tensors of the same batch.
Both count the pictures that pass through the network, negatives too. In turn in one run; medians.
The last line is one JSON document.
"""

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from signwise.config import IMAGE_SIZE, TrainConfig
from signwise.runtime import available_cores
from signwise.training.batches import TrainingData, to_device, training_batches
from signwise.training.device import half_precision, layout
from signwise.training.optim import make_learner
from signwise.training.loop import train_one_epoch
from signwise.training.network import build_model


def random_data(pictures: int, folder: Path, exposed: bool) -> TrainingData:
    """Random pixels in a memory map, as the cache is."""
    rng, file = np.random.default_rng(0), folder / "pixels.npy"
    shape = (pictures, IMAGE_SIZE, IMAGE_SIZE, 3)
    np.save(file, rng.integers(0, 256, shape, dtype=np.uint8))
    pixels = np.load(file, mmap_mode="r")
    return TrainingData(
        pixels=pixels,
        labels=rng.integers(0, 2, pictures),
        train_rows=np.arange(pictures),
        val_rows=np.arange(0),
        extra=np.array(pixels[: 1000 if exposed else 0]),
        extra_labels=np.full(1000 if exposed else 0, 2),
        class_weights=np.ones(2, np.float32),
    )


def main() -> None:
    """Measure both in turn."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--pictures", type=int, default=2048)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--unknown", choices=["none", "synthetic"], default="synthetic")
    arguments = parser.parse_args()
    torch.set_num_threads(available_cores())
    device, config = torch.device(arguments.device), TrainConfig()
    outputs = 2 + (arguments.unknown != "none")
    network = build_model("resnet18", outputs, IMAGE_SIZE, "none").to(device)
    network.to(memory_format=layout(device))
    learner = make_learner(network, config)
    optimiser = learner.optimiser
    weights = torch.ones(2, device=device)
    with tempfile.TemporaryDirectory() as folder:
        data = random_data(arguments.pictures, Path(folder), arguments.unknown != "none")
        sizes = [len(y) for _, y in training_batches(data, config.batch_size, 0, device)]
        data = to_device(data, device)

        def loop() -> None:
            train_one_epoch(
                learner,
                training_batches(data, config.batch_size, 0, device),
                lambda _: 1e-4,
                class_weights=weights,
                label_smoothing=0.0,
                advance=lambda _: None,
            )

        def arithmetic() -> None:
            network.train()
            for size in sizes:
                pictures, labels = batches[size]
                with torch.autocast(device.type, torch.bfloat16, enabled=half_precision(device)):
                    logits = network(pictures)
                optimiser.zero_grad(set_to_none=True)
                functional.cross_entropy(logits.float(), labels).backward()
                optimiser.step()

        batches = {
            size: (
                torch.randn(size, 3, IMAGE_SIZE, IMAGE_SIZE, device=device).contiguous(
                    memory_format=layout(device)
                ),
                torch.zeros(size, dtype=torch.int64, device=device),
            )
            for size in set(sizes)
        }
        speeds = measure({"loop": loop, "arithmetic": arithmetic}, sum(sizes), arguments, device)
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    pairs = zip(speeds["loop"], speeds["arithmetic"], strict=True)
    document = {
        "bench": "overhead",
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, {available_cores()} cores, {device}",
        "torch": torch.__version__,
        "n": sum(sizes),
        "images_per_second": medians,
        "ratio": statistics.median(one / other for one, other in pairs),
        "runs": speeds,
    }
    print(json.dumps(document))


def measure(
    parts: dict[str, Callable[[], None]],
    images: int,
    arguments: argparse.Namespace,
    device: torch.device,
) -> dict[str, list[float]]:
    """Images per second of each part, in turn, after one round that does not count."""
    speeds: dict[str, list[float]] = {name: [] for name in parts}
    for repeat in range(arguments.repeats + 1):
        for name, part in parts.items():
            start = time.perf_counter()
            part()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            if repeat:
                speeds[name].append(images / (time.perf_counter() - start))
                print(name, round(speeds[name][-1]), flush=True)
    return speeds


if __name__ == "__main__":
    main()
