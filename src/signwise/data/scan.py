"""A folder or a CSV of pictures -> a table, one row a picture, problems included."""

import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from signwise.config import IMAGE_SIZE, MAX_PIXELS, Crop
from signwise.data.duplicates import HASH, first_rivals, near_pairs
from signwise.data.limits import WORKER_MEMORY
from signwise.data.manifest import read_table
from signwise.data.pixels import create
from signwise.data.quality import (
    SIGNATURE_SIDE,
    Batch,
    Inspection,
    inspect_batch,
    inspect_elsewhere,
)
from signwise.data.sources import list_source
from signwise.data.split import group_pictures
from signwise.errors import SignwiseError
from signwise.names import nearly_the_same, strange_letter
from signwise.parallel import map_chunks, on_cluster
from signwise.places import located
from signwise.runtime import available_cores

CHUNK = 64
LOOKS = ("brightness", "contrast", "sharpness")


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What lies in SOURCE: N pictures, usable or not."""

    root: Path
    """The folder that the paths in the table are relative to, but for those of a store."""
    table: pd.DataFrame
    """The columns of manifest.csv, in the order of the paths; index 0 to N - 1."""
    looks: pd.DataFrame
    """Row by row with the table: brightness, contrast, sharpness (see quality.Inspection)."""
    pairs: NDArray[np.intp]
    """Near duplicates among the usable pictures: rows of the table (P, 2)."""
    classes: tuple[str, ...]
    grouping: str
    """csv, regex, track or duplicates."""
    split_given: bool
    skipped: Counter[str]
    """How many entries were left out, by reason."""
    warnings: list[str]


def scan(
    source: str | Path,
    *,
    group: str | None = None,
    image_size: int = IMAGE_SIZE,
    crop: Crop = "none",
    max_pixels: int = MAX_PIXELS,
    pixels: Path | None = None,
    exclude: Path | None = None,
    classes: Collection[str] | None = None,
) -> Scan:
    """Read every picture of SOURCE once, in several processes.

    With `pixels`, an array file is made there that has the pictures (N, S, S, 3) row by row.
    `classes`: those that folders can only be, where that is known, as it is of a model.
    Raises SignwiseError where SOURCE has no classes, an empty one, or one named unknown.
    """
    source = located(source)
    # Who says how the pictures in a class belong together knows that folders lie in it.
    listed = list_source(source, classes=() if group is not None and classes is None else classes)
    listing, root, skipped = listed.table, listed.root, listed.skipped
    labels = tuple(sorted(set(listing["label"]) - {""}))
    excluded, missed = _excluded(exclude, root, listing)
    if excluded.any():
        listing = listing[~excluded].reset_index(drop=True)
        skipped[f"excluded by {exclude}"] = int(excluded.sum())
    if listing.empty:
        raise SignwiseError(f"{source} holds no pictures: give a folder with one folder a class")
    if pixels is not None:
        create(pixels, len(listing), image_size)
    found = _inspect(listing, root, image_size, crop, max_pixels, pixels)
    table = listing.assign(
        width=pd.arrays.IntegerArray(found.width, found.width == 0),
        height=pd.arrays.IntegerArray(found.height, found.height == 0),
        # As objects: of pandas' own strings every look at the column would make new ones.
        sha256=pd.Series(found.sha256, dtype=object),
        problem=listing["problem"].where(listing["problem"] != "", found.problem),
    )
    _mark_conflicts(table)
    pairs = _near_pairs(table, found.fingerprints, found.signatures)
    looks = pd.DataFrame(found.looks, columns=list(LOOKS))
    del found  # its signatures take as much memory as the table
    grouping, notes = group_pictures(table, pairs, group)
    return Scan(
        root=root,
        table=table.drop(columns="within"),
        looks=looks,
        pairs=pairs,
        classes=labels,
        grouping=grouping,
        split_given=bool((listing["split"] != "").any()),
        skipped=skipped,
        warnings=notes + missed + _alike(labels),
    )


class _Inspections:
    """What was found of N files, by column: N objects would take several times the memory."""

    def __init__(self, count: int) -> None:
        self.problem = np.full(count, "", object)
        self.sha256 = np.full(count, "", object)
        self.width, self.height = np.zeros(count, np.int64), np.zeros(count, np.int64)
        self.looks = np.zeros((count, len(LOOKS)))
        self.fingerprints = np.zeros(count, np.uint64)
        self.signatures = np.zeros((count, SIGNATURE_SIDE**2), np.uint8)

    def put(self, start: int, found: Sequence[Inspection]) -> None:
        """Fill the rows from `start` on."""
        rows = slice(start, start + len(found))
        self.problem[rows] = [one.problem for one in found]
        self.sha256[rows] = [one.sha256 for one in found]
        self.width[rows] = [one.width for one in found]
        self.height[rows] = [one.height for one in found]
        self.looks[rows] = [[getattr(one, name) for name in LOOKS] for one in found]
        self.fingerprints[rows] = [one.fingerprint for one in found]
        blank = bytes(SIGNATURE_SIDE**2)
        content = b"".join(one.signature or blank for one in found)
        self.signatures[rows] = np.frombuffer(content, np.uint8).reshape(len(found), -1)


def _inspect(
    listing: pd.DataFrame,
    root: Path,
    size: int,
    crop: Crop,
    max_pixels: int,
    pixels: Path | None,
) -> _Inspections:
    names = listing["path"].tolist()

    def batch(start: int, end: int, most_memory: int | None) -> Batch:
        return Batch(
            rows=range(start, end),
            root=str(root),
            names=names[start:end],
            pixels=pixels,
            size=size,
            crop=crop,
            max_pixels=max_pixels,
            most_memory=most_memory,
        )

    count = len(names)
    batches = [
        batch(start, min(start + CHUNK, count), WORKER_MEMORY) for start in range(0, count, CHUNK)
    ]
    work = partial(map_chunks, total=count, chunk_size=CHUNK, description="Pictures")
    if pixels is not None and on_cluster():
        results = _written(pixels, batches, work(inspect_elsewhere, batches))
    else:
        results = work(inspect_batch, batches)
    found, large = _Inspections(count), []
    for part, result in zip(batches, results, strict=True):
        found.put(part.rows.start, [one or Inspection() for one in result])
        large += [row for row, one in zip(part.rows, result, strict=True) if one is None]
    # Processes know nothing of each other's memory. What takes much is read by this one alone.
    with ThreadPoolExecutor(available_cores()) as pool:
        again = pool.map(lambda row: inspect_batch(batch(row, row + 1, None)), large)
        for row, result in zip(large, again, strict=True):
            found.put(row, [one for one in result if one is not None])
    return found


def _written(
    path: Path,
    batches: list[Batch],
    results: Iterable[tuple[list[Inspection | None], NDArray[np.uint8]]],
) -> Iterator[list[Inspection | None]]:
    """Write the pixels that came from afar to their rows of the array file."""
    array = np.load(path, mmap_mode="r+")
    for batch, (found, pixels) in zip(batches, results, strict=True):
        array[batch.rows.start : batch.rows.stop] = pixels
        yield found
    array.flush()


def _excluded(
    exclude: Path | None, root: Path, listing: pd.DataFrame
) -> tuple[NDArray[np.bool_], list[str]]:
    """Which pictures (N,) `exclude` names, and a warning where it names others."""
    if exclude is None:
        return np.zeros(len(listing), bool), []
    try:
        rows = read_table(exclude)
    except SignwiseError as error:
        raise SignwiseError(f"`exclude` {error}") from None
    if "path" not in rows.columns:
        raise SignwiseError(f"`exclude` {exclude} has no column path")
    there = [os.path.normpath(root / name) for name in listing["path"]]
    known = set(there)
    named, unmatched = set(), []
    for name in rows["path"]:
        # A path from the root of the disk may go there by a link.
        ways = (os.path.normpath(root / name), os.path.realpath(root / name))
        way = next((way for way in ways if way in known), None)
        if way is None:
            unmatched.append(name)
        else:
            named.add(way)
    warned = [
        f"`exclude` {exclude}: {len(unmatched):,} of {len(rows):,} rows name no picture of this "
        f"source, the first is {unmatched[0]}"
    ] if unmatched else []  # fmt: skip
    return np.array([path in named for path in there], bool), warned


def _alike(classes: tuple[str, ...]) -> list[str]:
    def told(name: str) -> str:
        letter = strange_letter(name)
        return f"{name} (with {letter})" if letter else name

    return [
        f"the classes {', '.join(map(told, same))} look the same but for case, blanks, - or _: "
        "if they are one, give them one name"
        for same in nearly_the_same(classes)
    ]


def _near_pairs(
    table: pd.DataFrame, fingerprints: NDArray[np.uint64], signatures: NDArray[np.uint8]
) -> NDArray[np.intp]:
    usable = np.flatnonzero(table["problem"] == "")
    # In the order of the content, so that renaming files changes no pair.
    order = usable[np.argsort(table["sha256"].to_numpy()[usable].astype(HASH), kind="stable")]
    return near_pairs(fingerprints, signatures, order)


def _mark_conflicts(table: pd.DataFrame) -> None:
    """Identical bytes under several labels: nobody knows which is right, so none is used."""
    usable = table[(table["problem"] == "") & (table["sha256"] != "")]
    twice = usable[usable.duplicated("sha256", keep=False)]
    paths, labels, hashes = (twice[name].tolist() for name in ("path", "label", "sha256"))
    problems = table["problem"].to_numpy(object, copy=True)
    for row, other in zip(twice.index, first_rivals(hashes, labels), strict=True):
        if other is not None:
            problems[row] = (
                f"conflict: the same picture is labelled {labels[other]} as {paths[other]}"
            )
    table["problem"] = pd.Series(problems, table.index, dtype=object)
