"""A folder or a CSV of pictures -> a table, one row a picture, problems included."""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from signwise.config import IMAGE_SIZE, MAX_PIXELS
from signwise.data.duplicates import near_pairs
from signwise.data.pixels import create
from signwise.data.quality import Batch, Inspection, inspect_batch
from signwise.data.sources import list_source
from signwise.data.split import group_pictures
from signwise.errors import SignwiseError
from signwise.parallel import map_chunks

CHUNK = 64
LOOKS = ("brightness", "contrast", "sharpness")


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What lies in SOURCE: N pictures, usable or not."""

    root: Path
    """The folder that the paths in the table are relative to."""
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
    max_pixels: int = MAX_PIXELS,
    pixels: Path | None = None,
    exclude: Path | None = None,
) -> Scan:
    """Read every picture of SOURCE once, in several processes.

    With `pixels`, an array file is made there that has the pictures (N, S, S, 3) row by row.
    Raises SignwiseError where SOURCE has no classes, an empty one, or one named unknown.
    """
    source = Path(source)
    listed = list_source(source)
    listing, root, skipped = listed.table, listed.root, listed.skipped
    classes = tuple(sorted(set(listing["label"]) - {""}))
    excluded, missed = _excluded(exclude, root, listing)
    if excluded.any():
        listing = listing[~excluded].reset_index(drop=True)
        skipped[f"excluded by {exclude}"] = int(excluded.sum())
    if listing.empty:
        raise SignwiseError(f"{source} holds no pictures: give a folder with one folder a class")
    if pixels is not None:
        create(pixels, len(listing), image_size)
    inspections = _inspect(listing, root, image_size, max_pixels, pixels)
    table = listing.assign(
        width=pd.array([found.width or None for found in inspections], dtype="Int64"),
        height=pd.array([found.height or None for found in inspections], dtype="Int64"),
        sha256=[found.sha256 for found in inspections],
        problem=np.array(
            [
                given or found.problem
                for given, found in zip(listing["problem"], inspections, strict=True)
            ],
            object,
        ),
    )
    _mark_conflicts(table)
    blank = bytes(256)
    signatures = np.frombuffer(
        b"".join(found.signature or blank for found in inspections), np.uint8
    ).reshape(-1, 256)
    fingerprints = np.array([found.fingerprint for found in inspections], np.uint64)
    looks = pd.DataFrame({name: [getattr(found, name) for found in inspections] for name in LOOKS})
    pairs = _near_pairs(table, fingerprints, signatures)
    grouping, notes = group_pictures(table, pairs, group)
    return Scan(
        root=root,
        table=table.drop(columns="within"),
        looks=looks,
        pairs=pairs,
        classes=classes,
        grouping=grouping,
        split_given=bool((listing["split"] != "").any()),
        skipped=skipped,
        warnings=notes + missed,
    )


def _inspect(
    listing: pd.DataFrame, root: Path, size: int, max_pixels: int, pixels: Path | None
) -> list[Inspection]:
    count = len(listing)
    paths = [root / name for name in listing["path"]]
    batches = [
        Batch(
            rows=range(start, min(start + CHUNK, count)),
            paths=paths[start : start + CHUNK],
            pixels=pixels,
            size=size,
            max_pixels=max_pixels,
        )
        for start in range(0, count, CHUNK)
    ]
    results = map_chunks(
        inspect_batch, batches, total=count, chunk_size=CHUNK, description="Pictures"
    )
    return [inspection for batch in results for inspection in batch]


def _excluded(
    exclude: Path | None, root: Path, listing: pd.DataFrame
) -> tuple[NDArray[np.bool_], list[str]]:
    """Which pictures (N,) `exclude` names, and a warning where it names others."""
    if exclude is None:
        return np.zeros(len(listing), bool), []
    try:
        rows = pd.read_csv(
            exclude, dtype=object, keep_default_na=False, encoding_errors="surrogateescape"
        )
    except (OSError, ValueError) as error:
        raise SignwiseError(f"`exclude` {exclude} is no readable CSV ({error})") from None
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


def _near_pairs(
    table: pd.DataFrame, fingerprints: NDArray[np.uint64], signatures: NDArray[np.uint8]
) -> NDArray[np.intp]:
    usable = np.flatnonzero(table["problem"] == "")
    # In the order of the content, so that renaming files changes no pair.
    order = usable[np.argsort(table["sha256"].to_numpy(str)[usable], kind="stable")]
    return order[near_pairs(fingerprints[order], signatures[order])]


def _mark_conflicts(table: pd.DataFrame) -> None:
    """Identical bytes under several labels: nobody knows which is right, so none is used."""
    usable = table[(table["problem"] == "") & (table["sha256"] != "")]
    labels = usable.groupby("sha256")["label"].transform("nunique")
    for _, rows in usable[labels > 1].groupby("sha256"):
        for index, label in rows["label"].items():
            other = rows[rows["label"] != label].iloc[0]
            table.loc[index, "problem"] = (
                f"conflict: the same picture is labelled {other['label']} as {other['path']}"
            )
