"""What lies in SOURCE: a folder or a CSV -> the rows of pictures, none opened yet."""

import os
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from signwise.data.manifest import SPLITS
from signwise.data.walk import walk
from signwise.errors import SignwiseError
from signwise.names import UNKNOWN, wrong_class_name
from signwise.opening import MOST_TABLE, open_regular

SPLIT_NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The pictures that a source names."""

    table: pd.DataFrame
    """The columns path, label, group, split, problem, and `within`: the path within the class."""
    root: Path
    """The folder that the paths are relative to."""
    skipped: Counter[str]
    """How many entries were left out, by reason."""


def list_source(source: Path) -> Listing:
    """The pictures of a folder or a CSV.

    Raises SignwiseError where SOURCE has no classes, an empty one, or one named unknown.
    """
    skipped: Counter[str] = Counter()
    if source.is_file():
        table = _list_csv(source, skipped)
        _check_labels(source, table)
        return Listing(table=table, root=source.resolve().parent, skipped=skipped)
    if not source.is_dir():
        raise SignwiseError(f"{source} does not exist: give a folder of pictures, or a CSV")
    rows = _list_folder(source, skipped)
    columns = ("path", "label", "group", "split", "problem", "within")
    table = pd.DataFrame(rows, columns=list(columns), dtype=object)
    _check_labels(source, table)
    return Listing(table=table, root=source.resolve(), skipped=skipped)


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
    filled = {"/".join(row[0].split("/")[: depth + 1]) for row in rows}
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


def _list_csv(source: Path, skipped: Counter[str]) -> pd.DataFrame:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pd.errors.ParserWarning)  # of commas at a line's end
            with open_regular(source, MOST_TABLE) as file:
                table = pd.read_csv(
                    file, dtype=object, keep_default_na=False, encoding="utf-8-sig",
                    skipinitialspace=True, index_col=False,
                )  # fmt: skip
    except UnicodeDecodeError:
        raise SignwiseError(f"{source} is not UTF-8: save it as CSV UTF-8") from None
    except (OSError, ValueError) as error:
        raise SignwiseError(f"{source} is no readable CSV ({error})") from None
    table.columns = pd.Index([str(name).strip().lower() for name in table.columns])
    for name in ("path", "label"):
        found = list(table.columns).count(name)
        if found != 1:
            raise SignwiseError(
                f"{source} has {found or 'no'} column{'s' * (found > 1)} {name}: its first line "
                "must name it once, and commas stand between the columns"
            )
    table = table.reindex(columns=["path", "label", "group", "split"], fill_value="").astype(object)
    for name in ("path", "label", "group"):
        table[name] = table[name].str.strip()
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
    table = table.sort_values(["path", "label"], kind="stable")
    again = table.assign(path=[os.path.normpath(path) for path in table["path"]])
    repeated = again.duplicated(["path", "label"])
    if repeated.any():
        skipped["listed twice"] = int(repeated.sum())
    return table[~repeated].reset_index(drop=True)


def _check_labels(source: Path, table: pd.DataFrame) -> None:
    for name in sorted(set(table["label"])):
        wrong = wrong_class_name(name) if name else None  # none is a problem of its row
        if wrong is not None and name.strip().casefold() != UNKNOWN:
            raise SignwiseError(f"{source}: a class is named {name!r}, which {wrong}: rename it")
        if wrong is not None:
            raise SignwiseError(
                f"{source}: no class can be named {name}: take it out of there, and give its "
                f"pictures to signwise train --unknown FOLDER"
            )
