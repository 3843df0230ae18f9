"""The pictures that a model is measured on: from prepared data, or straight from a folder."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from signwise.data.class_folders import did_you_mean
from signwise.data.manifest import FACTS, MANIFEST, load_data, problems_in
from signwise.data.pixels import load_pixels
from signwise.data.scan import scan
from signwise.data.walk import Folder, inside
from signwise.errors import SignwiseError
from signwise.files import printable_path, real_path, scratch_folder
from signwise.folders import is_output
from signwise.inference.predictor import Predictor
from signwise.opening import is_no_input
from signwise.places import entry_of, is_file, is_folder, is_remote, located
from signwise.results import Problem


@dataclass(frozen=True, kw_only=True, eq=False)
class PixelRows:
    """The pixels of N pictures, uint8 (N, S, S, 3), of a file that may be larger than the memory.

    What is asked for is read, and nothing else.
    """

    file: NDArray[np.uint8]
    """(M, S, S, 3), a memory map."""
    rows: NDArray[np.intp]
    """(N,), which of these they are."""

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int | slice | NDArray[np.intp]) -> NDArray[np.uint8]:
        return np.asarray(self.file[self.rows[index]])


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """N labelled pictures in the size of a model, and how they belong together."""

    name: str
    """What they are called: the split, or the folder's name."""
    split: str
    """train, val, test or all."""
    table: pd.DataFrame
    """N rows with path, label, group, split and sha256; path as a person would open it."""
    labels: NDArray[np.int64]
    """(N,) index into the model's classes."""
    pixels: PixelRows
    grouping: str
    """csv, regex, track or duplicates: what a group is."""
    data_sha256: str | None
    """Of the manifest; None for a folder."""
    labels_by_sha256: dict[str, str]
    """Of every picture of the data, in whatever split."""
    problems: list[Problem]
    skipped: int
    """Entries of a folder that were left out by their name alone; of prepared data, none now."""


@dataclass(frozen=True, kw_only=True)
class UnknownAnswers:
    """What the model answered to M pictures of none of its classes."""

    folder: str
    """The name of the folder that they lie in."""
    paths: list[str]
    sha256: list[str]
    probabilities: NDArray[np.float32]
    """(M, K)."""
    known: NDArray[np.float32]
    """(M,)."""
    problems: list[Problem]
    skipped: int
    """Entries of the folder that were left out by their name alone."""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What the model answered to the N pictures."""

    probabilities: NDArray[np.float32]
    """(N, K)."""
    known: NDArray[np.float32]
    """(N,)."""


@contextmanager
def read_pictures(data: str | Path, split: str, predictor: Predictor) -> Iterator[Pictures]:
    """Read the split of what `prepare` wrote, or of a folder or a CSV as `prepare` takes it.

    Their pixels are as the model wants them. A folder without split folders is read whole; its
    pixels lie in a file that goes at the end of the block. Raises SignwiseError for a class that
    the model does not know, and where there is no picture to measure.
    """
    folder = located(data)
    if isinstance(folder, str):
        if entry_of(folder) is None:
            raise SignwiseError(f"`data` {data} does not exist: give class folders or a CSV")
    elif not (folder.is_dir() or folder.is_file()):
        raise SignwiseError(
            f"`data` {data} {is_no_input(folder)}: give what prepare wrote, class folders or a CSV"
        )
    with scratch_folder() as scratch:
        files = (FACTS, MANIFEST)
        if any(is_file(inside(folder, name)) for name in files) or is_output(folder, "data"):
            yield _prepared(folder, split, predictor, scratch)
        else:
            yield _folder(folder, split, predictor, scratch / "pixels.npy")


def _prepared(folder: Folder, split: str, predictor: Predictor, spare: Path) -> Pictures:
    """`spare`: where the pixels may be written if the folder can't be."""
    classes, size = predictor.classes, predictor.image_size
    data = load_data(folder, size=size)
    _check_classes(data.classes, classes, folder)
    rows = _of_split(data.table, split)
    if not len(rows):
        raise SignwiseError(f"{folder} has no usable picture in split {split}: choose `split` all")
    pixels = load_pixels(data, size, predictor.crop, spare=spare)
    table = _with_full_paths(data.table.iloc[rows], data.root)
    return Pictures(
        name=split,
        split=split,
        table=table,
        labels=_indices(table, classes),
        pixels=PixelRows(file=pixels, rows=rows),
        grouping=data.grouping,
        data_sha256=data.sha256,
        labels_by_sha256=dict(zip(data.table["sha256"], data.table["label"], strict=True)),
        problems=data.problems if split == "all" else [],
        skipped=0,
    )


def _folder(folder: Folder, split: str, predictor: Predictor, decoded: Path) -> Pictures:
    """`decoded`: where the pixels may be written."""
    classes = predictor.classes
    found = scan(
        folder,
        image_size=predictor.image_size,
        crop=predictor.crop,
        pixels=decoded,
        classes=classes,
    )
    _check_classes(found.classes, classes, folder)
    has_splits = found.split_given
    chosen = found.table.iloc[_of_split(found.table, split if has_splits else "all")]
    usable = chosen[chosen["problem"] == ""]
    if usable.empty:
        raise SignwiseError(
            f"{folder} has no usable picture"
            + (f" in split {split}: choose `split` all" if has_splits else _why(chosen))
        )
    table = _with_full_paths(usable, found.root)
    unusable = _with_full_paths(chosen[chosen["problem"] != ""], found.root)
    return Pictures(
        name=split if has_splits else printable_path(name_of(folder)),
        split=split if has_splits else "all",
        table=table,
        labels=_indices(table, classes),
        pixels=PixelRows(file=np.load(decoded, mmap_mode="r"), rows=usable.index.to_numpy()),
        grouping=found.grouping,
        data_sha256=None,
        labels_by_sha256=dict(zip(found.table["sha256"], found.table["label"], strict=True)),
        problems=problems_in(unusable),
        skipped=found.skipped.total(),
    )


def name_of(data: Folder) -> str:
    """Of a folder its name; of a CSV without the suffix."""
    path = PurePath(data) if isinstance(data, str) else real_path(data)
    return path.name if is_folder(data) else path.stem


def _why(rows: pd.DataFrame) -> str:
    problems = problems_in(rows)
    if not problems:
        return ": give class folders"
    first = problems[0]
    return f": {len(problems):,} can't be used, the first is {first['path']} ({first['problem']})"


def _with_full_paths(table: pd.DataFrame, root: Path) -> pd.DataFrame:
    # As objects: pandas' own strings can't hold a name that is no UTF-8.
    paths = [path if is_remote(path) else str(root / path) for path in table["path"]]
    return table.assign(path=pd.Series(paths, table.index, dtype=object)).reset_index(drop=True)


def _of_split(table: pd.DataFrame, split: str) -> NDArray[np.intp]:
    chosen = np.ones(len(table), bool) if split == "all" else (table["split"] == split).to_numpy()
    return np.flatnonzero(chosen)


def _indices(table: pd.DataFrame, classes: Sequence[str]) -> NDArray[np.int64]:
    index = {name: position for position, name in enumerate(classes)}
    return np.array([index[label] for label in table["label"]], np.int64)


def _check_classes(found: Sequence[str], classes: Sequence[str], folder: Folder) -> None:
    strange = [name for name in found if name not in set(classes)]
    if strange:
        raise SignwiseError(
            f"`data` {folder}: the model does not know {', '.join(strange)}; the data's classes are"
            f" {', '.join(found)}, the model's {', '.join(classes)}: give pictures of the model's"
            f" classes, others with `unknown`{did_you_mean(folder)}"
        )
