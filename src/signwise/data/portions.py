"""Where many pictures come from: folders, lists, Parquet files, tar shards, cut into portions.

A portion is what one worker reads at a time, and what one part of the answers is made of. It says
where its pictures lie and holds none of them, so that it can travel to another machine.
"""

import csv
import hashlib
import io
import os
import platform
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any, BinaryIO, Literal

from signwise.data.images import Source, image_suffixes
from signwise.data.walk import left_out, walk, walk_remote
from signwise.errors import SignwiseError, UnreadableImage, one_line, require_extra
from signwise.files import printable_path
from signwise.opening import MOST_PICTURE, open_regular
from signwise.places import Entry, entry_of, file_system, is_remote, join, list_remote

MOST = 4096
"""Pictures of one portion: seconds of work for a core."""
TABLES = (".csv", ".parquet", ".tar")
BATCH = 64
"""Rows of a Parquet file with bytes that are in memory at a time."""
BYTES_COLUMNS = ("bytes", "image", "jpg", "jpeg", "png", "webp")
"""Names of the column that holds pictures, in this order; Hugging Face's `image` holds both."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Portion:
    """Pictures that follow one another."""

    kind: Literal["files", "tar", "parquet"]
    paths: tuple[str, ...]
    """The pictures, or the one table that holds them."""
    groups: tuple[int, ...] = ()
    """Row groups of a Parquet file."""
    root: str = field(default_factory=os.getcwd)
    """The folder that a path of this machine counts from; it need not be the worker's."""
    key: str
    """64 hexadecimal digits: other ones where names, sizes or times of change are others."""
    seen: bool = True
    """Whether one of the files was there when they were listed."""

    @property
    def count(self) -> int | None:
        """How many pictures; None where that is known only when they are read."""
        return len(self.paths) if self.kind == "files" else None


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """In the place of a picture: why it can't be had."""

    reason: str

    def read(self) -> bytes:
        """What a picture's file would give."""
        raise UnreadableImage(self.reason)


def cut(images: object, skipped: Counter[str], most: int = MOST) -> Iterator[Portion]:
    """The portions of the pictures, in their order, at most `most` files each.

    `images`: one path or several: of a picture; a folder, walked as `walk` does; a .csv with a
    column path; a .parquet with a column path, or one of bytes; a .tar, as WebDataset writes them,
    which is a portion of its own; a folder of nothing but such files. Any other path is taken for
    a picture's. Raises SignwiseError for a table that is not there or can't be used.
    """
    files: list[tuple[str, str]] = []
    for one in _one_by_one(_paths(images), skipped):
        if isinstance(one, Portion):
            if files:
                yield _files(files)
                files = []
            yield one
            continue
        files.append(one)
        if len(files) == most:
            yield _files(files)
            files = []
    if files:
        yield _files(files)


def read(portion: Portion) -> Iterator[tuple[str, Source]]:
    """Each picture's name, and the picture itself or, of a file, its path.

    Raises SignwiseError where this machine sees none of the files, though another one saw them.
    """
    places = [join(portion.root, path) for path in portion.paths]
    if portion.seen and not any(is_remote(place) or os.path.lexists(place) for place in places):
        raise SignwiseError(
            f"{printable_path(portion.paths[0])} is not seen by {platform.node()}: give pictures on"
            " storage that all machines of the cluster share, or in a store, as s3://BUCKET/FOLDER"
        )
    if portion.kind == "files":
        yield from zip(map(printable_path, portion.paths), places, strict=True)
    elif portion.kind == "tar":
        yield from _members(portion.paths[0], places[0])
    else:
        yield from _bytes_of(portion.paths[0], places[0], portion.groups)


def is_table(path: object) -> bool:
    """Whether a path names a list, a Parquet file or a shard, by its suffix."""
    if not isinstance(path, str | os.PathLike):
        return False
    return os.fspath(path).lower().endswith(TABLES)


def _paths(images: object) -> list[str]:
    if isinstance(images, str | os.PathLike):
        images = [images]
    if not isinstance(images, Iterable):
        raise SignwiseError("`images` must be paths here: pictures in memory can't be gone on with")
    paths = []
    for path in images:
        if not isinstance(path, str | os.PathLike):
            raise SignwiseError(
                f"`images` holds a {type(path).__name__}: give paths, for pictures in memory can't"
                " be gone on with"
            )
        paths.append(os.fspath(path))
    return paths


def _one_by_one(
    paths: Sequence[str], skipped: Counter[str]
) -> Iterator["tuple[str, str] | Portion"]:
    """Files as (path, stamp), and the portions of tables."""
    for path in paths:
        remote = is_remote(path)
        entry = entry_of(path) if remote else None
        if (entry is not None and entry.is_folder) or (not remote and os.path.isdir(path)):  # noqa: PTH112
            tables = _tables_in(path)
            if tables:
                yield from _one_by_one(tables, skipped)
            elif remote:
                yield from ((name, _stamp(found)) for name, found in walk_remote(path, skipped))
            else:
                yield from ((name, _local_stamp(name)) for name in walk(path, skipped))
        elif not is_table(path):
            yield path, _stamp(entry) if remote else _local_stamp(path)
        else:
            yield from _table(path, _stamp(entry) if remote else _local_stamp(path))


def _table(path: str, stamp: str) -> Iterator["tuple[str, str] | Portion"]:
    if not stamp:
        raise SignwiseError(f"{printable_path(path)} does not exist: give a list, or a shard")
    if path.lower().endswith(".tar"):
        yield Portion(kind="tar", paths=(path,), key=_key([(path, stamp)]))
        return
    if path.lower().endswith(".csv"):
        named = _named_in_csv(path)
    else:
        groups = _groups_of_bytes(path)
        if groups is not None:
            for some in groups:
                yield Portion(
                    kind="parquet", paths=(path,), groups=some, key=_key([(path, stamp, *some)])
                )
            return
        named = _named_in_parquet(path)
    folder = path.rpartition("/")[0] if is_remote(path) else os.path.dirname(path)  # noqa: PTH120
    for name in named:
        whole = join(folder, name)
        # A list of a store's files gives no sizes, and asking for each would take hours.
        yield whole, "listed" if is_remote(whole) else _local_stamp(whole)


def _tables_in(folder: str) -> list[str]:
    """The tables of a folder that holds nothing else, of one kind; else none."""
    if is_remote(folder):
        entries = [(one.name, one.is_folder) for one in list_remote(folder)]
    else:
        try:
            with os.scandir(folder) as found:
                entries = sorted((one.name, one.is_dir()) for one in found)
        except OSError:
            return []  # whoever walks it says what is wrong
    seen = [one for one in entries if left_out(one[0]) is None and not one[0].startswith("_")]
    kinds = {os.path.splitext(name)[1].lower() for name, _ in seen}  # noqa: PTH122
    if len(kinds) != 1 or not kinds <= {".parquet", ".tar"} or any(inner for _, inner in seen):
        return []
    return [join(folder, name) for name, _ in seen]


def _files(files: list[tuple[str, str]]) -> Portion:
    return Portion(
        kind="files",
        paths=tuple(path for path, _ in files),
        key=_key(files),
        seen=any(stamp for _, stamp in files),
    )


def _key(items: Iterable[tuple[object, ...]]) -> str:
    digest = hashlib.sha256()
    for item in items:
        text = "\0".join(map(str, item)) + "\n"
        digest.update(text.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _stamp(entry: Entry | None) -> str:
    return "" if entry is None else f"{entry.size} {entry.modified}"


def _local_stamp(path: str) -> str:
    try:
        found = os.stat(path)  # noqa: PTH116  (a Path each is slow)
    except (OSError, ValueError):
        return ""
    return f"{found.st_size} {found.st_mtime_ns}"


def _named_in_csv(path: str) -> Iterator[str]:
    try:
        with io.TextIOWrapper(_opened(path), "utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, skipinitialspace=True)
            columns = [str(name).strip().lower() for name in rows.fieldnames or ()]
            if columns.count("path") != 1:
                raise SignwiseError(
                    f"{printable_path(path)} has {columns.count('path') or 'no'} columns path: its"
                    " first line must name it once"
                )
            rows.fieldnames = columns
            for row in rows:
                if name := (row["path"] or "").strip():
                    yield name
    except (OSError, UnicodeError, csv.Error) as error:
        raise _broken(path, error) from None


def _named_in_parquet(path: str) -> Iterator[str]:
    with _parquet(path) as file:
        if "path" not in file.schema_arrow.names:
            raise SignwiseError(
                f"{printable_path(path)} has neither a column path nor one of bytes: name them path"
                " or bytes"
            )
        for batch in file.iter_batches(batch_size=MOST, columns=["path"]):
            yield from (name for name in batch.column(0).to_pylist() if name)


def _groups_of_bytes(path: str) -> list[tuple[int, ...]] | None:
    """The row groups, as many together as have about `MOST` rows; None without pictures in it."""
    with _parquet(path) as file:
        if _bytes_column(file.schema_arrow) is None:
            return None
        groups: list[tuple[int, ...]] = []
        rows = MOST
        for number in range(file.num_row_groups):
            count = file.metadata.row_group(number).num_rows
            if not count:  # as an empty table is written
                continue
            if rows + count > MOST:
                groups.append(())
                rows = 0
            groups[-1] += (number,)
            rows += count
        return groups


def _bytes_column(schema: Any) -> str | None:
    import pyarrow.types as types

    def holds(kind: Any) -> bool:
        return bool(types.is_binary(kind) or types.is_large_binary(kind))

    for name in BYTES_COLUMNS:
        if schema.names.count(name) == 1:
            kind = schema.field(name).type
            inner = types.is_struct(kind) and kind.get_field_index("bytes") >= 0
            if holds(kind) or (inner and holds(kind.field("bytes").type)):
                return name
    return None


def _bytes_of(path: str, place: str, groups: Sequence[int]) -> Iterator[tuple[str, Source]]:
    with _parquet(place) as file:
        name = _bytes_column(file.schema_arrow)
        columns = [name, *(["path"] if "path" in file.schema_arrow.names else [])]
        number = sum(file.metadata.row_group(i).num_rows for i in range(groups[0]))
        for batch in file.iter_batches(BATCH, row_groups=list(groups), columns=columns):
            for row in batch.to_pylist():
                inner = row[name] if isinstance(row[name], dict) else {"bytes": row[name]}
                named = row.get("path") or inner.get("path") or f"{path}#{number}"
                content = inner.get("bytes")
                yield printable_path(named), content or _Unreadable("no bytes")  # type: ignore[misc]
                number += 1


@contextmanager
def _parquet(path: str) -> Iterator[Any]:
    require_extra("parquet", "pyarrow")
    import pyarrow.parquet

    system, inner = file_system(path) if is_remote(path) else (None, path)
    try:
        with pyarrow.parquet.ParquetFile(inner, filesystem=system) as file:
            yield file
    except (OSError, ValueError) as error:
        if isinstance(error, SignwiseError):
            raise
        raise _broken(path, error) from None


def _members(path: str, place: str) -> Iterator[tuple[str, Source]]:
    """The pictures of a tar; where it is cut off, a row says so."""
    suffixes = image_suffixes()
    try:
        with _opened(place) as file, tarfile.open(fileobj=file, mode="r|*") as shard:
            for member in shard:
                name = member.name
                if not member.isfile() or os.path.splitext(name)[1].lower() not in suffixes:  # noqa: PTH122
                    continue
                shown = printable_path(f"{path}/{name.removeprefix('./')}")
                if member.size > MOST_PICTURE:
                    yield shown, _Unreadable("a file larger than the limit")  # type: ignore[misc]
                    continue
                content = shard.extractfile(member)
                yield shown, b"" if content is None else content.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        reason = "truncated" if isinstance(error, tarfile.ReadError) else one_line(error)
        yield printable_path(path), _Unreadable(f"shard: {reason}")  # type: ignore[misc]


def _opened(path: str) -> BinaryIO | IO[bytes]:
    """A table, local or in a store, read as it comes."""
    if not is_remote(path):
        return open_regular(path)
    system, inner = file_system(path)
    opened: BinaryIO = system.open_input_stream(inner)
    return opened


def _broken(path: str, error: Exception) -> SignwiseError:
    if isinstance(error, UnicodeError):
        return SignwiseError(f"{printable_path(path)} is not UTF-8: save it as CSV UTF-8")
    return SignwiseError(f"{printable_path(path)} can't be read ({one_line(error)})")
