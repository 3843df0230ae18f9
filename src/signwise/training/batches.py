"""What the loop reads, and the batches that it is fed: the user's pictures and those beside them.

Shapes: B pictures of known classes in a batch, K classes, S the side in pixels. Labels 0 to K - 1
are the classes; K, where the network has a further output, is unknown. What stands beside the
user's pictures is called extra: rendered signs, of the classes and others, and strangers, the
pictures of `--unknown FOLDER`. Whatever is labelled K is a negative.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from signwise.training.augment import augment
from signwise.training.negatives import WAYS, destroy, swap_centres

# What is trained against, in pictures to each of the user's.
RENDERED_SHARE = 0.3125
STRANGER_SHARE = 0.0625
DESTROYED_SHARE = 0.125
SWAPPED_SHARE = 0.3125


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """What the loop reads: pixels uint8 (N, S, S, 3), labels (N,), the two splits' rows."""

    pixels: NDArray[np.uint8] | Tensor
    """Where they are: a memory map, or already on the GPU."""
    labels: NDArray[np.int64]
    train_rows: NDArray[np.int64]
    val_rows: NDArray[np.int64]
    extra: NDArray[np.uint8] | Tensor
    """(M, S, S, 3), rendered pictures and strangers; none where nothing is trained against."""
    extra_labels: NDArray[np.int64]
    """(M,), a class or, for a picture of no class, K."""
    held_out_count: int = 0
    """So many of the first of `extra` are not trained on: the validation loss counts them."""
    stranger_count: int = 0
    """So many of the last of `extra` are the user's own."""
    class_weights: NDArray[np.float32]
    """(K,), weights of the classes in the loss."""

    @property
    def classes(self) -> int:
        """K, the number of known classes."""
        return len(self.class_weights)

    @property
    def exposed(self) -> bool:
        """Whether there is something to train against."""
        return len(self.extra) > 0


def steps_in_epoch(pictures: int, batch_size: int) -> int:
    """How many batches: of nearly equal size, so that none is too small for its statistics."""
    return max(1, math.ceil(pictures / batch_size))


def to_device(data: TrainingData, device: torch.device) -> TrainingData:
    """The same data with its pixels on the GPU, where they fit into half of the free memory."""
    if device.type != "cuda":
        return data
    needed = data.pixels.nbytes + data.extra.nbytes
    if needed > torch.cuda.mem_get_info(device)[0] / 2:
        return data
    pixels, extra = (
        torch.from_numpy(np.array(part)).to(device)  # a copy: a memory map can't be written to
        for part in (data.pixels, data.extra)
    )
    return replace(data, pixels=pixels, extra=extra)


def take(
    pixels: NDArray[np.uint8] | Tensor, rows: NDArray[np.int64], device: torch.device
) -> Tensor:
    """Pictures `rows` of uint8 (N, S, S, 3) as float32 (B, 3, S, S) in [0, 1] on the device."""
    if isinstance(pixels, Tensor):
        taken = pixels[torch.from_numpy(rows).to(pixels.device)]
    else:
        taken = torch.from_numpy(pixels[rows])
    return taken.to(device).permute(0, 3, 1, 2).float().div_(255).contiguous()


def training_batches(
    data: TrainingData,
    batch_size: int,
    seed: int,
    device: torch.device,
    view: Callable[[Tensor, torch.Generator], Tensor] = augment,
) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch of augmented pictures (B', 3, S, S) in [0, 1] and labels (B',), in random order.

    `view` augments a batch: pictures and generator to pictures of the same shape and range.

    Where the network has an unknown output to train, the user's pictures come with rendered ones,
    with copies of their own that are destroyed or get another centre, and with the user's strangers
    if there are any. These take no rendered picture's place, since rendered signs are of more
    kinds than a folder is likely to hold.
    """
    # PyTorch on MPS lacks some of what augmentation does, by version one thing or another.
    place = torch.device("cpu") if device.type == "mps" else device
    generator = torch.Generator(place).manual_seed(seed)
    draws = np.random.default_rng(seed)
    order = draws.permutation(data.train_rows)
    for rows in np.array_split(order, steps_in_epoch(len(order), batch_size)):
        # Ascending rows read the memory map forwards.
        rows = np.sort(rows)
        pictures = take(data.pixels, rows, place)
        labels = data.labels[rows]
        if data.exposed:
            pictures, labels = _with_extra(pictures, labels, data, draws, generator)
        yield view(pictures, generator).to(device), torch.from_numpy(labels).to(device)


def _with_extra(
    pictures: Tensor,
    labels: NDArray[np.int64],
    data: TrainingData,
    draws: np.random.Generator,
    generator: torch.Generator,
) -> tuple[Tensor, NDArray[np.int64]]:
    """The user's pictures (B, 3, S, S), labels (B,), and after them what is trained against."""
    device, count = pictures.device, len(pictures)
    end = len(data.extra) - data.stranger_count
    drawn = draws.integers(data.held_out_count, end, size=round(count * RENDERED_SHARE))
    rendered = count + len(drawn)
    if data.stranger_count:
        some = draws.integers(end, len(data.extra), size=math.ceil(count * STRANGER_SHARE))
        drawn = np.append(drawn, some)
    pictures = torch.cat((pictures, take(data.extra, drawn, device)))
    labels = np.append(labels, data.extra_labels[drawn])

    def pick(rows: NDArray[np.int64], share: float, least: int = 1) -> Tensor:
        picked = rows[draws.integers(len(rows), size=max(least, round(count * share)))]
        return torch.from_numpy(picked).to(device)

    # Rows are chosen on the CPU: to ask the GPU for them would wait for it at every step.
    known = pick(np.flatnonzero(labels < data.classes), DESTROYED_SHARE, WAYS)
    on_device = torch.from_numpy(labels).to(device)
    parts = [pictures, destroy(pictures[known], on_device[known], generator)]
    donors = np.flatnonzero(labels[:rendered] == data.classes)
    if len(donors):
        own, other = pick(np.arange(count), SWAPPED_SHARE), pick(donors, SWAPPED_SHARE)
        parts.append(swap_centres(pictures[own], pictures[other], generator))
    made = sum(len(part) for part in parts[1:])
    return torch.cat(parts), np.append(labels, np.full(made, data.classes))
