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
from signwise.data.parallel import map_chunks
from signwise.data.pixels import create
from signwise.data.prepared import SPLITS
from signwise.data.quality import Batch, Inspection, inspect_batch
from signwise.data.split import group_pictures
from signwise.data.walk import walk
from signwise.errors import SignwiseError

CHUNK = 64
SPLIT_NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
LOOKS = ("brightness", "contrast", "sharpness")


@dataclass(kw_only=True)
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
    listing, root, skipped = _list_source(source)
    _check_labels(source, listing)
    classes = tuple(sorted(set(listing["label"]) - {""}))
    excluded = _excluded(exclude, root, listing)
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
    grouping, warnings = group_pictures(table, pairs, group)
    return Scan(
        root=root,
        table=table.drop(columns="within"),
        looks=looks,
        pairs=pairs,
        classes=classes,
        grouping=grouping,
        split_given=bool((listing["split"] != "").any()),
        skipped=skipped,
        warnings=warnings + _missing_excluded(exclude, int(excluded.sum())),
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
    results = map_chunks(inspect_batch, batches, "Pictures", count, CHUNK)
    return [inspection for batch in results for inspection in batch]


def _list_source(source: Path) -> tuple[pd.DataFrame, Path, Counter[str]]:
    """The rows path, label, group, split, problem, and `within`: the path within the class."""
    skipped: Counter[str] = Counter()
    if source.is_file():
        return _list_csv(source), source.resolve().parent, skipped
    if not source.is_dir():
        raise SignwiseError(f"{source} does not exist: give a folder of pictures, or a CSV")
    rows = _list_folder(source, skipped)
    columns = ("path", "label", "group", "split", "problem", "within")
    return pd.DataFrame(rows, columns=list(columns), dtype=object), source.resolve(), skipped


def _list_folder(source: Path, skipped: Counter[str]) -> list[tuple[str, ...]]:
    folders = _folders(source)
    splits = {
        name: SPLIT_NAMES[name.casefold()] for name in folders if name.casefold() in SPLIT_NAMES
    }
    by_split = "train" in splits.values() and len(splits) > 1
    if by_split and len(splits) < len(folders):
        other = next(name for name in folders if name not in splits)
        raise SignwiseError(
            f"{source} has split folders ({', '.join(splits)}) beside {other}: "
            f"move {other} into one of them, or away"
        )
    if by_split and len(set(splits.values())) < len(splits):
        raise SignwiseError(f"{source} has two folders for one split: {', '.join(splits)}")
    depth = 1 if by_split else 0
    rows: list[tuple[str, ...]] = []
    for path in walk(source, skipped):
        name = os.path.relpath(path, source).replace(os.sep, "/")
        parts = name.split("/")
        split = splits[parts[0]] if by_split and len(parts) > 1 else ""
        if len(parts) < depth + 2:
            rows.append((name, "", "", split, "lies in no class folder", name))
        else:
            rows.append((name, parts[depth], "", split, "", "/".join(parts[depth + 1 :])))
    _check_class_folders(source, list(splits) if by_split else [""], rows, depth)
    return rows


def _folders(folder: Path) -> list[str]:
    return sorted(
        entry.name
        for entry in folder.iterdir()
        if entry.is_dir() and not entry.name.startswith(".") and entry.name != "__MACOSX"
    )


def _check_class_folders(
    source: Path, tops: list[str], rows: list[tuple[str, ...]], depth: int
) -> None:
    """Every class folder holds a picture, at least one that can be tried."""
    filled = {"/".join(row[0].split("/")[: depth + 1]) for row in rows if row[1]}
    for top in tops:
        names = _folders(source / top)
        if not names:
            raise SignwiseError(
                f"{source / top} has no class folders: put the pictures of each class into a "
                f"folder of their own there"
            )
        for name in names:
            if (f"{top}/{name}" if top else name) not in filled:
                raise SignwiseError(
                    f"{source / top / name} holds no picture, a class needs at least 1: "
                    f"add pictures or remove the folder"
                )


def _list_csv(source: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(
            source, dtype=object, keep_default_na=False, encoding="utf-8-sig",
            encoding_errors="surrogateescape", skipinitialspace=True, index_col=False,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        raise SignwiseError(f"{source} is no readable CSV ({error})") from None
    table.columns = pd.Index([str(name).strip().lower() for name in table.columns])
    for name in ("path", "label"):
        if name not in table.columns:
            raise SignwiseError(f"{source} has no column {name}: its first line must name it")
    table = table.reindex(columns=["path", "label", "group", "split"], fill_value="").astype(object)
    table["label"] = table["label"].str.strip()
    wanted = table["split"].str.strip().str.casefold()
    wrong = ~wanted.isin(["", *SPLIT_NAMES])
    if wrong.any():
        line = int(np.flatnonzero(wrong)[0])
        raise SignwiseError(
            f"{source}, line {line + 2}: split {table['split'].iloc[line]!r} is none of "
            f"{', '.join(SPLITS)}"
        )
    table["split"] = wanted.map(SPLIT_NAMES).fillna("")
    given = table["split"] != ""
    if given.any() and not given.all():
        line = int(np.flatnonzero(~given)[0])
        raise SignwiseError(
            f"{source}, line {line + 2} has no split, though others have: fill it, or drop all"
        )
    table["problem"] = np.where(table["label"] == "", "no label", "")
    table["within"] = table["path"]
    # In the order of the paths, as folders are, so that the order of the lines changes nothing.
    return table.sort_values(["path", "label"], kind="stable").reset_index(drop=True)


def _check_labels(source: Path, listing: pd.DataFrame) -> None:
    for name in sorted(set(listing["label"])):
        if not name.isprintable():
            raise SignwiseError(f"{source}: a class is named {name!r}: rename it in plain letters")
        if name.strip().casefold() == "unknown":
            raise SignwiseError(
                f"{source}: no class can be named {name}: take it out of there, and give its "
                f"pictures to train as --unknown FOLDER"
            )


def _excluded(exclude: Path | None, root: Path, listing: pd.DataFrame) -> NDArray[np.bool_]:
    if exclude is None:
        return np.zeros(len(listing), bool)
    try:
        rows = pd.read_csv(
            exclude, dtype=object, keep_default_na=False, encoding_errors="surrogateescape"
        )
    except (OSError, ValueError) as error:
        raise SignwiseError(f"--exclude {exclude} is no readable CSV ({error})") from None
    if "path" not in rows.columns:
        raise SignwiseError(f"--exclude {exclude} has no column path")
    names = {os.path.normpath(root / name) for name in rows["path"]}
    return np.array([os.path.normpath(root / name) in names for name in listing["path"]], bool)


def _missing_excluded(exclude: Path | None, found: int) -> list[str]:
    if exclude is None or found:
        return []
    return [f"--exclude {exclude} names no picture of this source"]


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
