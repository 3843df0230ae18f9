"""How much of the training loop is the model's own arithmetic.

    python bench/overhead.py [--pictures 2048] [--repeats 7] [--device cpu]

Images per second of one epoch of signwise's loop, reading a memory map, augmenting and summing up
included, against forward, backward and optimiser step alone on random tensors of the same batch.
Both count the pictures that pass through the network, negatives too. In turn in one run; medians.
The last line is one JSON document.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

import record
from signwise.config import IMAGE_SIZE, ResolvedConfig, TrainConfig, Traits
from signwise.runtime import available_cores
from signwise.training.augment import view_of_epoch
from signwise.training.batches import training_batches
from signwise.training.device import half_precision, layout
from signwise.training.loop import plain_loss, train_one_epoch
from signwise.training.network import build_model
from signwise.training.optim import make_train_state
from signwise.training.pools import Pool, TrainingData, empty_pool, to_device, whole_pool

NEGATIVES = 1000
CLASSES = 2
RATE = 1e-4


def random_data(pictures: int, folder: Path, *, negatives: bool) -> TrainingData:
    """Random pixels in a memory map, as the cache is."""
    rng, file = np.random.default_rng(0), folder / "pixels.npy"
    shape = (pictures, IMAGE_SIZE, IMAGE_SIZE, 3)
    np.save(file, rng.integers(0, 256, shape, dtype=np.uint8))
    pixels = np.load(file, mmap_mode="r")
    rendered = empty_pool(IMAGE_SIZE)
    if negatives:
        some = np.array(pixels[:NEGATIVES])
        rendered = whole_pool(some, np.full(len(some), CLASSES))
    return TrainingData(
        train=Pool(
            pixels=pixels, rows=np.arange(pictures), labels=rng.integers(0, CLASSES, pictures)
        ),
        val=empty_pool(IMAGE_SIZE),
        rendered=rendered,
        held_out=empty_pool(IMAGE_SIZE),
        folder=empty_pool(IMAGE_SIZE),
        class_weights=np.ones(CLASSES, np.float32),
    )


def batches_of(
    data: TrainingData, config: ResolvedConfig, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of the last epoch."""
    view = view_of_epoch(config.epochs, config.epochs, config.augmentation)
    return training_batches(
        data, config.batch_size, 0, device, view=view, negatives=config.negatives
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure both in turn."""
    parser = record.arguments(__doc__)
    parser.add_argument("--pictures", type=int, default=2048)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--unknown", choices=["none", "synthetic"], default="synthetic")
    options = parser.parse_args(arguments)
    torch.set_num_threads(available_cores())
    device, negatives = torch.device(options.device), options.unknown != "none"
    config = TrainConfig(weights="none").resolve(
        Traits(
            kind="signs",
            pictures=options.pictures,
            data_size=IMAGE_SIZE,
            usual_side=IMAGE_SIZE,
        )
    )
    network = build_model("resnet18", CLASSES + negatives, IMAGE_SIZE, "none").to(device)
    network.to(memory_format=layout(network))
    state = make_train_state(network, config)
    loss = plain_loss(torch.ones(CLASSES, device=device), 0.0)
    with tempfile.TemporaryDirectory() as folder:
        data = random_data(options.pictures, Path(folder), negatives=negatives)
        data = to_device(data, device)
        sizes = [len(labels) for _, labels in batches_of(data, config, device)]
        batches = {
            size: (
                torch.randn(size, 3, IMAGE_SIZE, IMAGE_SIZE, device=device).contiguous(
                    memory_format=layout(network)
                ),
                torch.zeros(size, dtype=torch.int64, device=device),
            )
            for size in set(sizes)
        }

        def loop() -> None:
            taken = batches_of(data, config, device)
            train_one_epoch(state, taken, lambda _: RATE, classes=CLASSES, loss=loss)

        def arithmetic() -> None:
            network.train()
            for size in sizes:
                pictures, labels = batches[size]
                with torch.autocast(device.type, torch.bfloat16, enabled=half_precision(device)):
                    logits = network(pictures)
                state.optimizer.zero_grad(set_to_none=True)
                error = functional.cross_entropy(logits.float(), labels)
                error.backward()  # type: ignore[no-untyped-call]
                state.optimizer.step()

        parts = {"loop": loop, "arithmetic": arithmetic}
        speeds = measure(parts, sum(sizes), options.repeats, device)
    ratios = [one / other for one, other in zip(*speeds.values(), strict=True)]
    record.finish(
        "overhead",
        options,
        variant="" if device.type == "cpu" else device.type,
        gpu=torch.cuda.get_device_name(device) if device.type == "cuda" else "",
        n=sum(sizes),
        counted=f"pictures an epoch, medians of {options.repeats} pairs",
        figures=[
            record.figure(
                "the training loop's speed to its own arithmetic's",
                statistics.median(ratios),
                spread=ratios,
            ),
            *(
                record.figure(name, statistics.median(values), "images/s", spread=values)
                for name, values in speeds.items()
            ),
        ],
    )


def measure(
    parts: dict[str, Callable[[], None]], images: int, repeats: int, device: torch.device
) -> dict[str, list[float]]:
    """Images per second of each part, in turn, after one round that does not count."""
    speeds: dict[str, list[float]] = {name: [] for name in parts}
    for repeat in range(repeats + 1):
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
