"""The batches of an epoch: the user's pictures, what is trained against, and their view.

Shapes: B pictures of known classes in a batch, K classes, S the side in pixels.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from signwise.config import NegativesConfig, steps_in_epoch
from signwise.training.augment import View
from signwise.training.negatives import OWN, Batch, Source, add_negatives
from signwise.training.pools import TrainingData


def training_batches(
    data: TrainingData,
    batch_size: int,
    seed: int,
    device: torch.device,
    *,
    view: View,
    negatives: NegativesConfig,
) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch of pictures (B', 3, S, S) in [0, 1] and labels (B',), in random order.

    B' counts what is trained against too, where the network has an output for unknown.
    """
    # PyTorch on MPS lacks some of what augmentation does, by version one thing or another.
    place = torch.device("cpu") if device.type == "mps" else device
    generator = torch.Generator(place).manual_seed(seed)
    draws = np.random.default_rng(seed)
    source = Source(data=data, config=negatives, draws=draws, generator=generator)
    order = draws.permutation(len(data.train))
    for indices in np.array_split(order, steps_in_epoch(len(order), batch_size)):
        # Ascending rows read the memory map forwards.
        indices = indices[np.argsort(data.train.rows[indices], kind="stable")]
        batch = Batch(
            pictures=data.train.take(indices, place),
            labels=data.train.labels[indices],
            origins=np.full(len(indices), OWN),
        )
        if data.has_negatives:
            batch = add_negatives(batch, source)
        pictures = view(batch.pictures, generator).to(device)
        yield pictures, torch.from_numpy(batch.labels).to(device)
