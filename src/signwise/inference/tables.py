"""Writes rows as CSV, JSON Lines or Parquet, one at a time, each file whole or not at all."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TextIO

from signwise.errors import SignwiseError, printable, require_extra
from signwise.files import atomic_path, remove_left
from signwise.opening import open_regular

SUFFIXES = (".csv", ".jsonl", ".parquet")
ROW_GROUP = 65_536
"""Rows of one Parquet row group: what is held in memory."""
LONGEST_LINE = 2**26
"""Characters; a row of ten thousand classes takes half a million."""


class Writer(Protocol):
    """Takes one row after the other, its values in the order of the columns."""

    def write(self, row: Sequence[Any]) -> None:
        """Write one row; None is an empty value."""


class CsvWriter:
    """Writes rows to a text file; the header comes with the first row.

    On a terminal control characters in names are escaped, so that none moves or hides anything.
    """

    def __init__(self, file: TextIO, columns: Sequence[str]) -> None:
        self._columns: Sequence[str] | None = columns
        self._on_terminal = file.isatty()
        self._writer = csv.writer(file, lineterminator="\n")
        self._quoting = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)

    def write(self, row: Sequence[Any]) -> None:
        """Write one row; None becomes an empty field."""
        if self._columns is not None:
            self._write(self._columns)
            self._columns = None
        self._write(row)

    def _write(self, row: Sequence[Any]) -> None:
        if self._on_terminal:
            row = [printable(value) if isinstance(value, str) else value for value in row]
        # Before Python 3.13, csv leaves a carriage return bare, and readers end the row there.
        bare = any(isinstance(value, str) and "\r" in value for value in row)
        (self._quoting if bare else self._writer).writerow(row)


class JsonLinesWriter:
    """Writes each row as one JSON object a line, empty values as null."""

    def __init__(self, file: TextIO, columns: Sequence[str]) -> None:
        self._file, self._columns = file, columns

    def write(self, row: Sequence[Any]) -> None:
        """Write one row."""
        line = dict(zip(self._columns, row, strict=True))
        self._file.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")


class ParquetWriter:
    """Gathers rows into row groups; the columns `path`, `label` and `error` are text."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        import pyarrow.parquet

        self._schema = parquet_schema(columns)
        self._file = pyarrow.parquet.ParquetWriter(path, self._schema)
        self._rows: list[Sequence[Any]] = []

    def write(self, row: Sequence[Any]) -> None:
        """Add one row to the row group."""
        self._rows.append(row)
        if len(self._rows) == ROW_GROUP:
            self._flush()

    def close(self) -> None:
        """Write what is left, and the end of the file."""
        self._flush()
        self._file.close()

    def _flush(self) -> None:
        if self._rows:
            self._file.write_table(parquet_table(self._rows, self._schema))
        self._rows = []


def parquet_schema(columns: Sequence[str]) -> Any:
    """pyarrow's schema of the columns."""
    import pyarrow

    text = {"path", "label", "error"}
    return pyarrow.schema(
        [(name, pyarrow.string() if name in text else pyarrow.float32()) for name in columns]
    )


def parquet_table(rows: Sequence[Sequence[Any]], schema: Any) -> Any:
    """The rows as pyarrow's table."""
    import pyarrow

    if not rows:
        return schema.empty_table()
    arrays = [
        pyarrow.array(list(values), type=field.type)
        for values, field in zip(zip(*rows, strict=True), schema, strict=True)
    ]
    return pyarrow.Table.from_arrays(arrays, schema=schema)


@contextmanager
def open_table(path: Path, columns: Sequence[str]) -> Iterator[Writer]:
    """Give a writer of the kind that the suffix says; the file appears when the block ends well.

    Raises SignwiseError for another suffix, a file that is no such table, or a missing extra.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise SignwiseError(f"`out` {path}: its name must end in one of {', '.join(SUFFIXES)}")
    if path.is_dir():
        raise SignwiseError(f"`out` {path} is a folder: give a file name")
    if suffix == ".parquet":
        require_extra("parquet", "pyarrow")
    if path.exists() and not _is_ours(path, suffix, columns):
        raise SignwiseError(f"`out` {path} is a file that signwise did not write: give a new name")
    remove_left(path.parent)
    with atomic_path(path) as temporary:
        if suffix == ".parquet":
            table = ParquetWriter(temporary, columns)
            yield table
            table.close()
            return
        with temporary.open("w", encoding="utf-8", newline="") as file:
            kind = CsvWriter if suffix == ".csv" else JsonLinesWriter
            yield kind(file, columns)


def _is_ours(path: Path, suffix: str, columns: Sequence[str]) -> bool:
    """Whether the file holds predictions: it begins with the columns that every table has."""
    first = list(columns[:4])
    try:
        with open_regular(path) as opened:
            if not opened.read(1):
                return True
        if suffix == ".parquet":
            import pyarrow.parquet

            return list(pyarrow.parquet.read_schema(path).names[:4]) == first
        with io.TextIOWrapper(open_regular(path), "utf-8") as file:
            line = file.readline(LONGEST_LINE)
        return (
            list(json.loads(line) if suffix == ".jsonl" else next(csv.reader([line])))[:4] == first
        )
    except (OSError, ValueError, TypeError, csv.Error):
        return False
