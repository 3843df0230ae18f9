"""Prepared data and settings -> the pools of pictures that training reads."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from signwise.config import (
    UNKNOWN,
    Kind,
    NegativesConfig,
    ResolvedConfig,
    TrainConfig,
    Traits,
)
from signwise.data.manifest import PreparedData
from signwise.data.pixels import load_pixels
from signwise.data.unknown import UnknownPictures, read_unknown
from signwise.errors import SignwiseError
from signwise.places import located
from signwise.synthetic import kept_negatives, kept_signs
from signwise.training.backbone import designs_named, designs_seen


@dataclass(frozen=True, kw_only=True)
class Pool:
    """P pictures and their labels, perhaps a part of the array that they lie in."""

    pixels: NDArray[np.uint8] | Tensor
    """uint8 (N, S, S, 3), where they are: a memory map, memory, or the GPU."""
    rows: NDArray[np.int64]
    """(P,), which rows of `pixels` are the pool's."""
    labels: NDArray[np.int64]
    """(P,), a class or, for a picture of no class, K."""

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, indices: NDArray[np.intp], device: torch.device) -> Tensor:
        """Pictures of the pool, by their place in it, as float32 (B, 3, S, S) in [0, 1]."""
        rows = self.rows[indices]
        if isinstance(self.pixels, Tensor):
            taken = self.pixels[torch.from_numpy(rows).to(self.pixels.device)]
        else:
            taken = torch.from_numpy(self.pixels[rows])
        return taken.to(device).permute(0, 3, 1, 2).float().div_(255).contiguous()

    def images(self, indices: NDArray[np.intp]) -> NDArray[np.uint8]:
        """The same pictures as they lie there, uint8 (B, S, S, 3)."""
        if isinstance(self.pixels, Tensor):
            rows = torch.from_numpy(self.rows[indices]).to(self.pixels.device)
            return np.asarray(self.pixels[rows].cpu().numpy())
        return np.asarray(self.pixels[self.rows[indices]])


def whole_pool(pixels: NDArray[np.uint8] | Tensor, labels: NDArray[np.int64]) -> Pool:
    """The pool of all pictures (N, S, S, 3) of an array, with their labels (N,)."""
    return Pool(pixels=pixels, rows=np.arange(len(labels)), labels=labels)


def empty_pool(size: int) -> Pool:
    """A pool without pictures."""
    return whole_pool(np.empty((0, size, size, 3), np.uint8), np.empty(0, np.int64))


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """What training reads, as named pools."""

    train: Pool
    """The user's pictures that the weights are fitted on."""
    val: Pool
    """Those that the weights, temperature and threshold are chosen on."""
    rendered: Pool
    """Rendered pictures to train on: negatives, and signs of the classes."""
    held_out: Pool
    """Rendered pictures that are not trained on: for the validation loss and the threshold."""
    folder: Pool
    """Pictures of no class that the user gave, to train against."""
    class_weights: NDArray[np.float32]
    """(K,), weights of the classes in the loss."""

    @property
    def classes(self) -> int:
        """K, the number of classes."""
        return len(self.class_weights)

    @property
    def has_negatives(self) -> bool:
        """Whether there is something to train against, and so an output for unknown."""
        return len(self.rendered) + len(self.folder) > 0

    @property
    def negatives(self) -> int:
        """Pictures of no class, rendered and the user's; `held_out` counts too."""
        pools = (self.rendered, self.held_out, self.folder)
        return sum(int((pool.labels == self.classes).sum()) for pool in pools)


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """The pools, and what was met in making them."""

    data: TrainingData
    unknown: UnknownPictures | None
    """What `unknown` FOLDER holds, where it is a folder."""


Seen = Mapping[int, Mapping[str, float]]
"""What `designs_seen` gives: by class, the signs that its pictures show."""


def look_at(prepared: PreparedData, config: NegativesConfig) -> Seen:
    """What the backbone that ships sees in the training pictures, in the size that is cached."""
    pixels = load_pixels(prepared, prepared.image_size)
    train = np.flatnonzero(prepared.table["split"] == "train")
    return designs_seen(pixels, _labels(prepared), train, config)


def traits_of(prepared: PreparedData, config: TrainConfig, seen: Seen) -> Traits:
    """What settings follow from."""
    sure = [
        max(shares.values(), default=0) >= config.negatives.sure_share for shares in seen.values()
    ]
    table = prepared.table
    return Traits(
        kind="signs" if np.mean(sure) >= config.pictures.signs_share else "photos",
        pictures=int((table["split"] == "train").sum()),
        data_size=prepared.image_size,
        usual_side=int(table[["width", "height"]].min(axis=1).median()),
    )


def _labels(prepared: PreparedData) -> NDArray[np.int64]:
    codes = {name: index for index, name in enumerate(prepared.classes)}
    return np.array([codes[name] for name in prepared.table["label"]], np.int64)


def gather(
    prepared: PreparedData, config: ResolvedConfig, seen: Seen, *, spare: Path | None = None
) -> Gathered:
    """Read the pictures of the prepared data, and render or read what is trained against.

    The folder `spare` takes the cache of pictures where that of the data can't be written.
    Raises SignwiseError where `unknown` names a folder that is not there or has no picture that can
    be used.
    """
    size, table = config.image_size, prepared.table
    labels, classes = _labels(prepared), len(prepared.classes)
    train, val = (np.flatnonzero(table["split"] == split) for split in ("train", "val"))
    pixels = load_pixels(prepared, size, config.crop, spare=spare)
    rendered, held_out, folder = (empty_pool(size) for _ in range(3))
    unknown = None
    if config.unknown != "none":
        negatives = config.negatives
        most = negatives.max_bytes // (size * size * 3)
        rendered, held_out = _rendered_pools(prepared.classes, seen, len(train), most, config)
        if config.unknown not in UNKNOWN:
            known = dict(zip(table["sha256"], table["label"], strict=True))
            place = located(config.unknown)
            unknown = read_unknown(
                place, size, known, most=most, seed=config.seed, crop=config.crop
            )
            folder = whole_pool(unknown.pixels, np.full(len(unknown.pixels), classes))
    weights = np.ones(classes, np.float32)
    if config.class_weights == "auto":
        counts = np.bincount(labels[train], minlength=classes)
        weights = balancing_weights(counts, config.loss.max_class_weight)
    data = TrainingData(
        train=Pool(pixels=pixels, rows=train, labels=labels[train]),
        val=Pool(pixels=pixels, rows=val, labels=labels[val]),
        rendered=rendered,
        held_out=held_out,
        folder=folder,
        class_weights=weights,
    )
    return Gathered(data=data, unknown=unknown)


def balancing_weights(counts: NDArray[np.int64], most: float) -> NDArray[np.float32]:
    """Weights (K,) that make classes of these counts (K,) count alike, as far as is safe.

    The mean over all pictures is 1. None weighs more than `most` times another: the few pictures of
    a very rare class would drive every step, and training diverges (LOG.md).
    """
    weights = counts.sum() / (len(counts) * counts)
    limit = most * weights.min()
    if weights.max() > limit:
        weights = np.minimum(weights, limit)
        weights *= counts.sum() / (weights @ counts)
    return np.asarray(weights, np.float32)


def _rendered_pools(
    classes: tuple[str, ...],
    seen: Mapping[int, Mapping[str, float]],
    photos: int,
    most: int,
    config: ResolvedConfig,
) -> tuple[Pool, Pool]:
    """The pools `rendered` and `held_out`, for so many training photos."""
    negatives = config.negatives
    held_out = int(np.clip(int(negatives.held_out_share * photos), *negatives.held_out_range))
    count = int(np.clip(int(negatives.rendered_each * photos), *negatives.rendered_range))
    if config.pretrained:
        drawn = config.head.views_of(photos) * photos * negatives.rendered
        # Of which `own_share` to each negative may be the classes' own signs.
        enough = negatives.rendered_each_draw * drawn / (1 + negatives.own_share)
        count = min(count, math.ceil(enough))
    count = min(count + held_out, most)
    if count <= held_out and config.unknown == "synthetic":
        low = "max_bytes" if count == most else "rendered_range"
        raise SignwiseError(
            f"`negatives.{low}` leaves no rendered picture to train against: raise it, or choose"
            " `unknown` none"
        )
    both = render_pool(classes, seen, count, config.image_size, config.seed, negatives, config.kind)
    parts = (slice(held_out, None), slice(held_out))
    trained, validated = (
        replace(both, rows=both.rows[part], labels=both.labels[part]) for part in parts
    )
    return trained, validated


def render_pool(
    classes: tuple[str, ...],
    seen: Mapping[int, Mapping[str, float]],
    count: int,
    size: int,
    seed: int,
    config: NegativesConfig,
    kind: Kind = "signs",
) -> Pool:
    """`count` rendered negatives, and pictures of classes whose sign is known, in random order.

    `seen` is what `designs_seen` gives. Were all rendered pictures negatives, a network would learn
    to tell renderings from photos.
    """
    known = designs_named(classes).union(*seen.values())
    sure = {
        label: max(shares, key=shares.__getitem__)
        for label, shares in seen.items()
        if max(shares.values(), default=0) >= config.sure_share
    }
    each = math.ceil(count * config.own_share / len(classes))
    order = np.random.default_rng(seed).permutation(count + each * len(sure))
    place = np.argsort(order)  # where in random order each picture goes
    pixels = np.empty((len(order), size, size, 3), np.uint8)
    labels = np.full(len(order), len(classes))
    pixels[place[:count]] = kept_negatives(count, size, seed, known, kind)
    for number, (label, design) in enumerate(sure.items()):
        rows = place[count + number * each :][:each]
        pixels[rows] = kept_signs(design, each, size, seed)
        labels[rows] = label
    return whole_pool(pixels, labels)


def to_device(data: TrainingData, device: torch.device) -> TrainingData:
    """The same data with its pixels on the GPU, where they fit into half of the free memory."""
    if device.type != "cuda":
        return data
    pools = {name: pool for name, pool in vars(data).items() if isinstance(pool, Pool)}
    arrays = {id(pool.pixels): pool.pixels for pool in pools.values()}
    if sum(pixels.nbytes for pixels in arrays.values()) > torch.cuda.mem_get_info(device)[0] / 2:
        return data
    # A copy: a memory map can't be written to, and torch wants to be able to.
    moved = {key: torch.from_numpy(np.array(pixels)).to(device) for key, pixels in arrays.items()}
    return TrainingData(
        class_weights=data.class_weights,
        **{name: replace(pool, pixels=moved[id(pool.pixels)]) for name, pool in pools.items()},
    )
