"""What lies in SOURCE: a folder or a CSV -> the rows of pictures, none opened yet."""

import contextlib
import os
import unicodedata
import warnings
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from signwise.data.class_folders import list_folder
from signwise.data.manifest import SPLITS
from signwise.data.split_names import split_of
from signwise.data.walk import Folder
from signwise.errors import SignwiseError, one_line
from signwise.files import real_path
from signwise.names import UNKNOWN, class_name, wrong_class_name
from signwise.opening import MOST_TABLE, is_no_input, open_regular
from signwise.places import entry_of, is_remote, join

_ARCHIVES = (
    b"PK\x03\x04",
    b"\x1f\x8b",
    b"7z\xbc\xaf",
    b"Rar!",
    b"BZh",
    b"\xfd7zXZ",
    b"\x28\xb5\x2f\xfd",
)
_TAR, _TAR_AT = b"ustar", 257
COLUMNS = ("path", "label", "group", "split", "problem", "within")
_SHEETS = (".xlsx", ".xlsm", ".ods", ".numbers")


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The pictures that a source names."""

    table: pd.DataFrame
    """The columns path, label, group, split, problem, and `within`: the path within the class."""
    root: Path
    """The folder that the paths are relative to; of a store they are whole."""
    skipped: Counter[str]
    """How many entries were left out, by reason."""


def list_source(source: Folder, *, classes: Collection[str] | None = None) -> Listing:
    """The pictures of a folder or a CSV.

    `classes` are those that a folder's folders can only be, where that is known; see `list_folder`.
    Raises SignwiseError where SOURCE has no classes, an empty one, or one named unknown.
    """
    skipped: Counter[str] = Counter()
    if isinstance(source, str):
        root = Path.cwd()
        table = _list_store(source, skipped, classes)
    elif source.is_file():
        root = real_path(source).parent
        table = _list_csv(source, root, skipped)
    elif source.is_dir():
        root = real_path(source)
        table = _list_folder(source, skipped, classes)
    else:
        raise SignwiseError(f"{source} {is_no_input(source)}: give a folder of pictures, or a CSV")
    _check_labels(source, table)
    return Listing(table=table, root=root, skipped=skipped)


def _list_store(
    source: str, skipped: Counter[str], classes: Collection[str] | None
) -> pd.DataFrame:
    """As a folder or a CSV of this machine, with whole paths."""
    entry = entry_of(source)
    if entry is None:
        raise SignwiseError(f"{source} does not exist: give a folder of pictures, or a CSV")
    if entry.is_folder:
        table, folder = _list_folder(source, skipped, classes), source
    else:
        folder = source.rpartition("/")[0]
        table = _list_csv(source, folder, skipped)
    table["path"] = pd.Series([join(folder, path) for path in table["path"]], dtype=object)
    return table


def _list_folder(
    source: Folder, skipped: Counter[str], classes: Collection[str] | None
) -> pd.DataFrame:
    columns = vars(list_folder(source, skipped, classes=classes)) | {"group": ""}
    return pd.DataFrame({name: columns[name] for name in COLUMNS}, dtype=object)


def _list_csv(source: Folder, root: Folder, skipped: Counter[str]) -> pd.DataFrame:
    try:
        _check_kind(source)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pd.errors.ParserWarning)  # of commas at a line's end
            with open_regular(source, MOST_TABLE) as file:
                table = pd.read_csv(
                    file, dtype=object, keep_default_na=False, encoding="utf-8-sig",
                    skipinitialspace=True, index_col=False,
                )  # fmt: skip
    except SignwiseError:
        raise
    except UnicodeDecodeError:
        raise SignwiseError(f"{source} is not UTF-8: save it as CSV UTF-8") from None
    except (OSError, ValueError) as error:
        raise SignwiseError(f"{source} is no readable CSV ({one_line(error)})") from None
    table.columns = pd.Index([str(name).strip().lower() for name in table.columns])
    for name in ("path", "label", "group", "split"):
        found = list(table.columns).count(name)
        if found > 1 or (not found and name in ("path", "label")):
            raise SignwiseError(
                f"{source} has {found or 'no'} column{'s' * (found > 1)} {name}: its first line "
                "must name it once, and commas stand between the columns"
            )
    # Others may have a name in common, once it is in lower case.
    table = table.loc[:, ~table.columns.duplicated()]
    table = table.reindex(columns=["path", "label", "group", "split"], fill_value="").astype(object)
    for name in ("path", "group"):
        table[name] = table[name].str.strip()
    table["path"] = [_as_it_lies(root, path) for path in table["path"]]
    table["label"] = [class_name(label) for label in table["label"]]
    wanted = table["split"].str.strip()
    splits = {name: split_of(name) if name else "" for name in set(wanted)}
    wrong = [splits[name] is None for name in wanted]
    if any(wrong):
        line = wrong.index(True)
        raise SignwiseError(
            f"{source}, line {line + 2}: split {table['split'].iloc[line]!r} is none of "
            f"{', '.join(SPLITS)}"
        )
    table["split"] = wanted.map(splits).astype(object)
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


def _check_kind(source: Folder) -> None:
    """Say what a file is that is likely no CSV."""
    with open_regular(source) as file:
        start = file.read(_TAR_AT + len(_TAR))
    if str(source).lower().endswith(_SHEETS):
        raise SignwiseError(f"{source} is a spreadsheet: save it as CSV UTF-8")
    if start.startswith(_ARCHIVES) or start[_TAR_AT:] == _TAR:
        raise SignwiseError(f"{source} is an archive: unpack it, and give the folder")


def _as_it_lies(root: Folder, path: str) -> str:
    """The path as the file system here has it, where that is another spelling of the same.

    A CSV of Windows has backslashes; macOS takes accents apart, and others do not.
    """
    if path.isascii() and "\\" not in path:
        return path
    slashes = path.replace("\\", "/")
    if is_remote(root):
        return path
    for way in (path, slashes):
        for form in (way, *(unicodedata.normalize(kind, way) for kind in ("NFC", "NFD"))):
            with contextlib.suppress(OSError, ValueError):
                if os.path.exists(join(str(root), form)):  # noqa: PTH110  (a Path each is slow)
                    return form
    return slashes


def _check_labels(source: Folder, table: pd.DataFrame) -> None:
    for name in sorted(set(table["label"])):
        wrong = wrong_class_name(name) if name else None  # none is a problem of its row
        if wrong is not None and name.strip().casefold() != UNKNOWN:
            raise SignwiseError(f"{source}: a class is named {name!r}, which {wrong}: rename it")
        if wrong is not None:
            raise SignwiseError(
                f"{source}: no class can be named {name}: take it out of there, and give its "
                f"pictures to signwise train --unknown FOLDER"
            )
