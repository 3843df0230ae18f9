"""An epoch over a pixel cache that memory does not hold: `python bench/beyond_memory.py`.

The cache is mapped, as `train` maps it, and is larger than all the memory that the process may
take beyond what it has before (RLIMIT_DATA, set here). Two epochs are run from the same start: one
undisturbed, and one from whose memory the cache is thrown out again and again, as a system does
that needs the memory for something else. Both must end in the same bits. The network is a linear
layer, so that reading is what is measured. The last line is one JSON document. Linux only.
"""

import mmap
import os
import resource
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import record
from signwise.config import ResolvedConfig, TrainConfig, Traits
from signwise.training.loop import run_epoch
from signwise.training.optim import make_train_state
from signwise.training.pools import Pool, TrainingData, empty_pool

SIDE = 32
CLASSES = 10
VALIDATION = 1000
PICTURES = 100_000
LIMIT = 256
"""MiB of memory that is in no file, beyond what the process has when it begins."""
EVERY_SECONDS = 5.0
"""How often the cache is thrown out."""
CACHE, FURTHER = "the cache", "further memory that is allowed"


@dataclass(frozen=True, kw_only=True)
class EpochRow:
    """One epoch."""

    way: str
    """undisturbed or thrown out."""
    seconds: float
    cpu: float
    thrown_out: int
    """How often the cache was."""
    from_disk: float
    """MB that were read from the disk."""
    loss: float
    """Of training; all digits."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run both epochs."""
    parser = record.arguments(__doc__)
    parser.add_argument("--pictures", type=int, default=PICTURES)
    parser.add_argument("--limit", type=int, default=LIMIT, help="MiB of further memory")
    parser.add_argument("--work", type=Path, help="where the cache is written, on a disk")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        file = Path(folder) / "pixels.npy"
        write_cache(file, options.pictures)
        size = file.stat().st_size / 2**20
        if size <= options.limit:
            raise SystemExit(f"the cache has {size:,.0f} MiB, no more than the limit")
        limit = bytes_of("status", "VmData") + options.limit * 2**20
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        plain, weights = epoch(file, "undisturbed")
        thrown, others = epoch(file, "thrown out")
    if plain.loss != thrown.loss or not torch.equal(weights, others):
        raise SystemExit(f"the epochs end in other bits: {plain} {thrown}")
    figures = [
        record.figure(CACHE, size, "MiB"),
        record.figure(FURTHER, options.limit, "MiB"),
    ]
    for row in (plain, thrown):
        figures += [
            record.figure(f"{row.way}, an epoch", row.seconds, "s"),
            record.figure(f"{row.way}, of the CPU", row.cpu, "s"),
            record.figure(f"{row.way}, read from the disk", row.from_disk, "MB"),
        ]
    figures += [
        record.figure("thrown out so often", thrown.thrown_out),
        record.figure("ended in the same bits", 1, of=1, goal=1),
    ]
    record.finish(
        "beyond_memory",
        options,
        n=options.pictures,
        counted=f"pictures of {SIDE} x {SIDE} pixels, one epoch of a linear layer each way",
        figures=figures,
        rows=(plain, thrown),
    )


def write_cache(file: Path, pictures: int) -> None:
    """Pictures of noise, (N, S, S, 3), written a part at a time."""
    shape = (pictures, SIDE, SIDE, 3)
    array = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape)
    random = np.random.default_rng(0)
    for start in range(0, pictures, 10_000):
        part = array[start : start + 10_000]
        part[:] = random.integers(0, 256, part.shape, np.uint8)
    array.flush()


def epoch(file: Path, way: str) -> tuple[EpochRow, Tensor]:
    """One epoch from the same start, and the weights that it ends with."""
    pixels: np.memmap[Any, Any] = np.load(file, mmap_mode="r")
    data, config = training(pixels)
    torch.manual_seed(0)
    state = make_train_state(nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE**2, CLASSES)), config)
    throw_out(pixels, file)
    with thrown_out_meanwhile(pixels, file, often=way == "thrown out") as times:
        begun, cpu, read = time.perf_counter(), time.process_time(), bytes_of("io", "read_bytes")
        found = run_epoch(state, data, config, 1, torch.device("cpu"))
        row = EpochRow(
            way=way,
            seconds=record.rounded(time.perf_counter() - begun),
            cpu=record.rounded(time.process_time() - cpu),
            thrown_out=len(times),
            from_disk=record.rounded((bytes_of("io", "read_bytes") - read) / 1e6),
            loss=found.train_loss,
        )
    print(row, flush=True)
    return row, nn.utils.parameters_to_vector(state.network.parameters()).detach()


def training(pixels: "np.memmap[Any, Any]") -> tuple[TrainingData, ResolvedConfig]:
    """Pools on the mapped pictures, without negatives, and the settings of an epoch."""
    rows = np.arange(len(pixels))
    train, val = (
        Pool(pixels=pixels, rows=part, labels=part % CLASSES)
        for part in (rows[VALIDATION:], rows[:VALIDATION])
    )
    nothing = empty_pool(SIDE)
    data = TrainingData(
        train=train, val=val, rendered=nothing, held_out=nothing, folder=nothing,
        class_weights=np.ones(CLASSES, np.float32),
    )  # fmt: skip
    traits = Traits(kind="signs", pictures=len(train), data_size=SIDE, usual_side=SIDE)
    return data, TrainConfig(weights="none", unknown="none", image_size=SIDE).resolve(traits)


@contextmanager
def thrown_out_meanwhile(
    pixels: "np.memmap[Any, Any]", file: Path, *, often: bool
) -> Iterator[list[float]]:
    """Throw the cache out of memory again and again while the block runs; gives when."""
    ended, times = threading.Event(), []

    def work() -> None:
        while not ended.wait(EVERY_SECONDS):
            throw_out(pixels, file)
            times.append(time.monotonic())

    thread = threading.Thread(target=work)
    if often:
        thread.start()
    yield times
    ended.set()
    if often:
        thread.join()


def throw_out(pixels: "np.memmap[Any, Any]", file: Path) -> None:
    """Take the file's pages from this process, and from the system's page cache."""
    mapped: mmap.mmap = pixels._mmap  # type: ignore[attr-defined]
    mapped.madvise(mmap.MADV_DONTNEED)
    descriptor = os.open(file, os.O_RDONLY)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def bytes_of(file: str, name: str) -> int:
    """What the system says of this process: `io` counts bytes, `status` kB."""
    text = Path(f"/proc/self/{file}").read_text(encoding="ascii")
    value = dict(line.split(":", 1) for line in text.splitlines())[name].split()
    return int(value[0]) * (1024 if value[1:] == ["kB"] else 1)


if __name__ == "__main__":
    main()
