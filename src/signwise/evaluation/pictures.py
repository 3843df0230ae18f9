"""The pictures that a model is measured on: from prepared data, or straight from a folder."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from signwise.data.manifest import load_data, problems_in
from signwise.data.pixels import load_pixels
from signwise.data.scan import scan
from signwise.errors import SignwiseError
from signwise.results import Problem


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """N labelled pictures in the size of a model, and how they belong together."""

    name: str
    """What they are called: the split, or the folder's name."""
    split: str
    """train, val, test or all."""
    classes: tuple[str, ...]
    """The classes of the data, all of them known to the model."""
    table: pd.DataFrame
    """N rows with path, label, group, split and sha256; path as a person would open it."""
    labels: NDArray[np.int64]
    """(N,) index into the model's classes."""
    pixels: NDArray[np.uint8]
    """(N, S, S, 3)."""
    grouping: str
    """csv, regex, track or duplicates: what a group is."""
    data_sha256: str | None
    """Of the manifest; None for a folder."""
    labels_by_sha256: dict[str, str]
    """Of every picture of the data, in whatever split."""
    problems: list[Problem]


@dataclass(frozen=True, kw_only=True)
class UnknownAnswers:
    """What the model answered to M pictures of none of its classes."""

    paths: list[str]
    sha256: list[str]
    probabilities: NDArray[np.float32]
    """(M, K)."""
    known: NDArray[np.float32]
    """(M,)."""
    problems: list[Problem]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What the model answered to the N pictures."""

    probabilities: NDArray[np.float32]
    """(N, K)."""
    known: NDArray[np.float32]
    """(N,)."""


def read_pictures(data: str | Path, split: str, classes: Sequence[str], size: int) -> Pictures:
    """Read the split of what `prepare` wrote, or of a folder with one sub-folder a class.

    A folder without split folders is read whole. Raises SignwiseError for a class that the model
    does not know, and where there is no picture to measure.
    """
    folder = Path(data)
    if not folder.is_dir():
        raise SignwiseError(
            f"`data` {data} is no folder: give what prepare wrote, or class folders"
        )
    if (folder / "data.json").is_file() or (folder / "manifest.csv").is_file():
        return _prepared(folder, split, classes, size)
    return _folder(folder, split, classes, size)


def _prepared(folder: Path, split: str, classes: Sequence[str], size: int) -> Pictures:
    data = load_data(folder)
    _check_classes(data.classes, classes, folder)
    pixels = load_pixels(data, size)
    rows = _of_split(data.table, split)
    if not len(rows):
        raise SignwiseError(f"{folder} has no usable picture in split {split}: choose `split` all")
    table = _with_full_paths(data.table.iloc[rows], data.root)
    return Pictures(
        name=split,
        split=split,
        classes=data.classes,
        table=table,
        labels=_indices(table, classes),
        pixels=pixels[rows],
        grouping=data.grouping,
        data_sha256=data.sha256,
        labels_by_sha256=dict(zip(data.table["sha256"], data.table["label"], strict=True)),
        problems=data.problems if split == "all" else [],
    )


def _folder(folder: Path, split: str, classes: Sequence[str], size: int) -> Pictures:
    with tempfile.TemporaryDirectory() as scratch:
        decoded = Path(scratch) / "pixels.npy"
        found = scan(folder, image_size=size, pixels=decoded)
        _check_classes(found.classes, classes, folder)
        has_splits = found.split_given
        chosen = found.table.iloc[_of_split(found.table, split if has_splits else "all")]
        usable = chosen[chosen["problem"] == ""]
        pixels = np.load(decoded, mmap_mode="r")[usable.index.to_numpy()]
    if usable.empty:
        raise SignwiseError(
            f"{folder} has no usable picture"
            + (f" in split {split}: choose `split` all" if has_splits else ": give class folders")
        )
    table = _with_full_paths(usable, found.root)
    unusable = _with_full_paths(chosen[chosen["problem"] != ""], found.root)
    return Pictures(
        name=split if has_splits else folder.resolve().name,
        split=split if has_splits else "all",
        classes=found.classes,
        table=table,
        labels=_indices(table, classes),
        pixels=pixels,
        grouping=found.grouping,
        data_sha256=None,
        labels_by_sha256=dict(zip(found.table["sha256"], found.table["label"], strict=True)),
        problems=problems_in(unusable),
    )


def _with_full_paths(table: pd.DataFrame, root: Path) -> pd.DataFrame:
    # As objects: pandas' own strings can't hold a name that is no UTF-8.
    paths = [str(root / path) for path in table["path"]]
    return table.assign(path=pd.Series(paths, table.index, dtype=object)).reset_index(drop=True)


def _of_split(table: pd.DataFrame, split: str) -> NDArray[np.intp]:
    chosen = np.ones(len(table), bool) if split == "all" else (table["split"] == split).to_numpy()
    return np.flatnonzero(chosen)


def _indices(table: pd.DataFrame, classes: Sequence[str]) -> NDArray[np.int64]:
    index = {name: position for position, name in enumerate(classes)}
    return np.array([index[label] for label in table["label"]], np.int64)


def _check_classes(found: Sequence[str], classes: Sequence[str], folder: Path) -> None:
    strange = [name for name in found if name not in set(classes)]
    if strange:
        raise SignwiseError(
            f"`data` {folder}: the model does not know {', '.join(strange)}; the data's classes are"
            f" {', '.join(found)}, the model's {', '.join(classes)}: give pictures of the model's"
            " classes, others with `unknown`"
        )
