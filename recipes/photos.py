"""GTSRB's photos and rendered pictures as arrays, and the pools that training reads."""

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from signwise.data.images import read_image
from signwise.data.walk import walk
from signwise.errors import SignwiseError
from signwise.files import atomic_path
from signwise.parallel import map_chunks
from signwise.synthetic import GTSRB_DESIGNS, render_negatives, render_signs
from signwise.training.pools import Pool, TrainingData, empty_pool, whole_pool
from tracks import track_sets

CLASSES = len(GTSRB_DESIGNS)
PRIORITY_STOP = (12, 14)
"""The class numbers of the model `priority-stop`."""
CHUNK = 1000
SEED = 0

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Photos:
    """N pictures; those that are rendered stand behind the photos."""

    pixels: Pixels
    """(N, S, S, 3)."""
    labels: Labels
    """(N,), GTSRB's class numbers."""
    tracks: Labels
    """(N,), by class; -1 where the picture is rendered."""
    sets: NDArray[np.str_]
    """(N,), train, val or held_out by `tracks.track_sets`, or rendered."""

    def rows(self, *sets: str) -> Labels:
        """The rows of the pictures of these sets."""
        return np.flatnonzero(np.isin(self.sets, sets))

    def pool(self, rows: Labels, labels: Labels) -> Pool:
        """The pictures of these rows, with their own among `labels` (N,)."""
        return Pool(pixels=self.pixels, rows=rows, labels=labels[rows])


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many pictures are rendered."""

    signs: int = 500
    """Of every class; of Priority and Stop `FAVOUR` times as many."""
    negatives: int = 24_000
    """Pictures of no class to train against."""
    held_out: int = 2000
    """Further pictures of no class, which only measure."""

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Self:
        """What the flags of `add_flags` ask for."""
        return cls(
            signs=arguments.signs_each,
            negatives=arguments.negatives,
            held_out=arguments.held_out_negatives,
        )


FAVOUR = 6


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `Counts`."""
    usual = Counts()
    parser.add_argument("--signs-each", type=int, default=usual.signs)
    parser.add_argument("--negatives", type=int, default=usual.negatives)
    parser.add_argument("--held-out-negatives", type=int, default=usual.held_out)


def _read(paths: list[Path], size: int) -> Pixels:
    return np.stack([read_image(path, size) for path in paths])


def read_photos(folder: Path, size: int) -> Photos:
    """Read FOLDER/.../000CC/TTTTT_FFFFF.*, the official layout in any picture format.

    Raises SignwiseError where there is none such.
    """
    paths = [Path(path) for path in walk(folder) if Path(path).parent.name.isdigit()]
    if not paths:
        raise SignwiseError(f"no GTSRB class folders (00000 to 00042) under {folder}")
    labels = np.array([int(path.parent.name) for path in paths])
    tracks = np.array([int(path.stem.split("_")[0]) for path in paths])
    chunks = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
    read = map_chunks(
        partial(_read, size=size),
        chunks,
        total=len(paths),
        chunk_size=CHUNK,
        description="reading photos",
    )
    keys = list(zip(labels.tolist(), tracks.tolist(), strict=True))
    dealt = track_sets(keys)
    return Photos(
        pixels=np.concatenate(list(read)),
        labels=labels,
        tracks=tracks,
        sets=np.array([dealt[key] for key in keys]),
    )


def add_rendered(photos: Photos, each: int) -> Photos:
    """The photos, and behind them rendered signs of the 43 classes."""
    size = photos.pixels.shape[1]
    counts = [each * (FAVOUR if n in PRIORITY_STOP else 1) for n in range(CLASSES)]
    drawn = zip(GTSRB_DESIGNS, counts, strict=True)
    signs = np.concatenate([render_signs(design, count, size, SEED) for design, count in drawn])
    return Photos(
        pixels=np.concatenate((photos.pixels, signs)),
        labels=np.concatenate((photos.labels, np.repeat(np.arange(CLASSES), counts))),
        tracks=np.concatenate((photos.tracks, np.full(len(signs), -1))),
        sets=np.concatenate((photos.sets, np.full(len(signs), "rendered"))),
    )


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """What the recipes train on and against."""

    photos: Photos
    negatives: Pixels
    """(M, S, S, 3), rendered pictures of none of the 43 classes, to train against."""
    held_out: Pixels
    """Further ones."""


def load_pictures(folder: Path, size: int, work: Path, counts: Counts) -> Pictures:
    """Read the photos and render the rest; kept in `work` for the next recipe."""
    name = f"{size}-{counts.signs}-{counts.negatives}-{counts.held_out}"
    file = work / f"pictures-{name}.npz"
    if not file.is_file():
        photos = add_rendered(read_photos(folder, size), counts.signs)
        count = counts.negatives + counts.held_out
        negatives = render_negatives(count, size, SEED, exclude=frozenset(GTSRB_DESIGNS))
        with atomic_path(file) as temporary:
            np.savez(temporary, **vars(photos), negatives=negatives)
    with np.load(file) as saved:
        names = ("pixels", "labels", "tracks", "sets")
        photos = Photos(**{name: saved[name] for name in names})
        negatives = saved["negatives"]
    return Pictures(
        photos=photos,
        negatives=negatives[: counts.negatives],
        held_out=negatives[counts.negatives :],
    )


def priority_stop_labels(photos: Photos) -> Labels:
    """0 for Priority, 1 for Stop, 2 for a picture of neither: (N,)."""
    labels = np.full(len(photos.labels), len(PRIORITY_STOP))
    for code, number in enumerate(PRIORITY_STOP):
        labels[photos.labels == number] = code
    return labels


def training_data(
    pictures: Pictures, labels: Labels, classes: int, sets: Iterable[str], repeats: int = 1
) -> TrainingData:
    """The pools of a recipe: trained on these sets and the rendered signs, measured on val.

    labels: (N,), `classes` for a picture of none; the pictures of a class come `repeats` times.
    """
    photos = pictures.photos
    train, val = photos.rows(*sets, "rendered"), photos.rows("val")
    known = train[labels[train] < classes]
    others = val[labels[val] == classes]
    negatives = np.full(len(pictures.negatives), classes)
    held_out = photos.pool(others, labels)
    if not len(others):
        held_out = whole_pool(pictures.held_out, np.full(len(pictures.held_out), classes))
    return TrainingData(
        train=photos.pool(np.concatenate((train, *[known] * (repeats - 1))), labels),
        val=photos.pool(val[labels[val] < classes], labels),
        rendered=whole_pool(pictures.negatives, negatives),
        held_out=held_out,
        folder=empty_pool(photos.pixels.shape[1]),
        class_weights=np.ones(classes, np.float32),
    )
