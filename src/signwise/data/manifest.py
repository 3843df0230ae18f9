"""What `prepare` wrote, read back: the table of usable pictures and where they are."""

import contextlib
import csv
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
from filelock import FileLock

from signwise.config.base import Count, ImageSize
from signwise.data.pixels import cache_path
from signwise.data.walk import inside
from signwise.errors import SignwiseError, one_line
from signwise.files import atomic_path, cache_folder, printable_path, sha256_bytes, sha256_file
from signwise.folders import MARKER
from signwise.names import class_name
from signwise.opening import MOST_TABLE, open_regular, read_record
from signwise.places import fetch_file, is_file, is_folder, join, located
from signwise.progress import say
from signwise.results import Grouping, Problem

COLUMNS = ("path", "label", "group", "split", "width", "height", "sha256", "problem")
SPLITS = ("train", "val", "test")
MANIFEST, FACTS = "manifest.csv", "data.json"
"""The files that say what prepared data is."""
FETCHED = "prepared"
"""In the cache folder: what was fetched of prepared data in stores."""
ROWS = 65_536
"""Of a CSV that are text in memory at a time."""


@dataclass(frozen=True, kw_only=True)
class PreparedData:
    """A prepared data set of N usable pictures in K classes."""

    directory: Path
    """A folder of this machine."""
    place: str | Path
    """The same, or the folder of a store that it was fetched from."""
    root: Path
    """The folder that `path` in the table is relative to."""
    classes: tuple[str, ...]
    """In the order of the network's outputs."""
    table: pd.DataFrame
    """The N usable rows of manifest.csv in the order of the pixels, index 0 to N - 1."""
    problems: list[Problem]
    """The rows that can't be used: path and problem."""
    grouping: str
    """csv, regex, track or duplicates: what a group is."""
    image_size: int
    max_pixels: int
    sha256: str
    """Of manifest.csv."""


def load_data(directory: str | Path, *, size: int | None = None) -> PreparedData:
    """Read a folder that `prepare` wrote; raises SignwiseError that names what is missing.

    One of a store, as `s3://bucket/data`, is fetched once into the user's cache folder, with the
    pixels of this size, or of that in which it was prepared.
    """
    place = located(directory)
    for name in (FACTS, MANIFEST):
        if not is_file(inside(place, name)):
            # A folder that prepare did not make is likely what it wants to read.
            photos = is_folder(place) and not is_file(inside(place, MARKER))
            source, out = (place, "DATA") if photos else ("SOURCE", place)
            raise SignwiseError(
                f"{place} is no prepared data, it has no {name}: "
                f"run signwise prepare {source} --out {out} first"
            )
    facts = read_record(inside(place, FACTS), _Facts)
    directory = place if isinstance(place, Path) else _fetched(place, facts, size)
    manifest = directory / MANIFEST
    table = read_manifest(manifest)
    sha256 = sha256_file(manifest)
    if facts.manifest_sha256 != sha256:
        raise _apart(place)
    classes = tuple(map(class_name, facts.classes))
    if len(set(classes)) < len(classes):
        raise SignwiseError(
            f"{place} has two classes that look the same ({', '.join(sorted(classes))}), as an "
            "older version made them: run signwise prepare again"
        )
    named = {label: class_name(label) for label in set(table["label"])}
    # As objects: pandas' own strings can't hold what is no UTF-8.
    labels = [named[label] for label in table["label"]]
    table["label"] = pd.Series(labels, table.index, dtype=object)
    usable = table["problem"] == ""
    strange = sorted(set(table["label"][usable]) - set(classes))
    if strange:
        raise SignwiseError(
            f"{manifest} has the label {strange[0]!r}, which is no class of data.json: "
            "run signwise prepare again"
        )
    return PreparedData(
        directory=directory,
        place=place,
        table=table[usable].reset_index(drop=True),
        problems=problems_in(table),
        sha256=sha256,
        root=Path(facts.root),
        classes=classes,
        grouping=facts.grouping,
        image_size=facts.settings.image_size,
        max_pixels=facts.settings.max_pixels,
    )


@dataclass(frozen=True, kw_only=True)
class _Settings:
    """What is needed of the settings in data.json."""

    image_size: ImageSize
    max_pixels: Count


@dataclass(frozen=True, kw_only=True)
class _Facts:
    """What data.json adds to the manifest."""

    root: str
    classes: tuple[str, ...]
    grouping: Grouping
    settings: _Settings
    manifest_sha256: str


def _fetched(place: str, facts: _Facts, size: int | None) -> Path:
    """The folder of this machine with what is needed of prepared data in a store.

    What has the same manifest is fetched once, safe with several processes: the second waits. Files
    that `train` adds to prepared data, pixels of other sizes and features, are kept there as well.
    """
    key = sha256_bytes(f"{place}\n{facts.manifest_sha256}".encode())[:32]
    folder = cache_folder() / FETCHED / key
    pixels = cache_path(folder, size or facts.settings.image_size)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(NotImplementedError):  # of a file system without locks
                stack.enter_context(FileLock(folder.with_suffix(".lock")))
            if not (folder / MANIFEST).is_file():
                with atomic_path(folder / MANIFEST) as temporary:
                    fetch_file(join(place, MANIFEST), temporary)
                    if sha256_file(temporary) != facts.manifest_sha256:
                        raise _apart(place)
            if not pixels.is_file() and is_file(join(place, pixels.name)):
                say(f"fetching {join(place, pixels.name)} into {folder}")
                with atomic_path(pixels) as temporary:
                    fetch_file(join(place, pixels.name), temporary)
            # Always: the same manifest may have come with other settings.
            with atomic_path(folder / FACTS) as temporary:
                fetch_file(join(place, FACTS), temporary)
    except OSError as error:
        raise SignwiseError(
            f"{place} can't be fetched into {folder} ({error.strerror or one_line(error)}): make "
            "that folder one that can be written, or prepare into a folder of this machine"
        ) from None
    return folder


def _apart(place: str | Path) -> SignwiseError:
    return SignwiseError(
        f"{inside(place, MANIFEST)} and data.json do not belong together, as after an interrupted "
        "prepare: run signwise prepare again"
    )


def problems_in(table: pd.DataFrame) -> list[Problem]:
    """The rows of a manifest that can't be used."""
    rows = table[table["problem"] != ""]
    return [
        Problem(path=printable_path(path), problem=problem)
        for path, problem in zip(rows["path"], rows["problem"], strict=True)
    ]


def read_manifest(path: Path, columns: Collection[str] = COLUMNS) -> pd.DataFrame:
    """A manifest.csv as a table: text as text, whatever it looks like; sizes as whole numbers."""
    table = read_table(path, columns)
    missing = [name for name in COLUMNS if name in columns and name not in table.columns]
    if missing:
        raise SignwiseError(f"{path} has no column {missing[0]}: run signwise prepare again")
    try:
        for name in ("width", "height"):
            if name in columns:
                table[name] = pd.to_numeric(table[name]).astype("Int64")
    except (ValueError, TypeError, OverflowError) as error:
        raise SignwiseError(f"{path} is not as signwise writes it ({error})") from None
    return table


def read_table(path: Path, columns: Collection[str] | None = None) -> pd.DataFrame:
    """A CSV that signwise wrote, as text: all of it, or those of the columns that it has.

    Raises SignwiseError for what is no CSV.
    """
    try:
        with open_regular(path, MOST_TABLE) as file:
            return pd.read_csv(
                file,
                dtype=object,
                keep_default_na=False,
                encoding_errors="surrogateescape",
                usecols=None if columns is None else lambda name: name in columns,
            )
    except (OSError, ValueError) as error:
        raise SignwiseError(f"{path} is no readable CSV ({one_line(error)})") from None


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table whole or not at all; names that are no UTF-8 keep their bytes."""
    with atomic_path(path) as temporary:
        # A \r in a file name, left bare, would end the row for readers.
        if not _write_csv(temporary, table, csv.QUOTE_MINIMAL):
            _write_csv(temporary, table, csv.QUOTE_NONNUMERIC)


def _write_csv(path: Path, table: pd.DataFrame, quoting: Literal[0, 2]) -> bool:
    """Write the table, a part at a time; false where that would leave a carriage return bare."""
    with path.open("wb") as file:
        for start in range(0, max(1, len(table)), ROWS):
            rows = table.iloc[start : start + ROWS]
            text = rows.to_csv(index=False, header=start == 0, lineterminator="\n", quoting=quoting)
            if quoting == csv.QUOTE_MINIMAL and "\r" in text:
                return False
            file.write(text.encode("utf-8", "surrogateescape"))
    return True
