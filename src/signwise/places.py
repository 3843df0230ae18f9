"""Places that are no files of this machine: `s3://bucket/folder` and `gs://bucket/folder`.

By pyarrow's file systems, imported when first used. Which server and which keys is said as for any
other tool: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION; the files in
~/.aws; on Google's, the application default credentials.
"""

import errno
import io
import os
import posixpath
import shutil
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from signwise.errors import SignwiseError, one_line, require_extra

SCHEMES = ("s3://", "gs://")
PATIENCE_SECONDS = 30
"""How long Google's store is asked again and again."""
PIECE = 8 * 2**20
"""Bytes of a large file that are in memory while it is copied."""


class Unreachable(SignwiseError):
    """A store that does not answer, or lets nobody in: no fault of a single file there."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What lies in a folder of a store."""

    name: str
    is_folder: bool
    size: int
    """Bytes; 0 of a folder."""
    modified: int
    """Nanoseconds since 1970; 0 where the store does not say."""


def is_remote(path: object) -> bool:
    """Whether it names a place in a store."""
    return isinstance(path, str) and path.startswith(SCHEMES)


def located(path: str | Path) -> str | Path:
    """A path of this machine as a Path, one in a store as text without a slash at its end."""
    return path.rstrip("/") if isinstance(path, str) and is_remote(path) else Path(path)


def is_folder(path: str | Path) -> bool:
    """Whether a folder is there; a store has one wherever it has files below."""
    if isinstance(path, str) and is_remote(path):
        entry = entry_of(path)
        return entry is not None and entry.is_folder
    return Path(path).is_dir()


def is_file(path: str | Path) -> bool:
    """Whether a file is there."""
    if isinstance(path, str) and is_remote(path):
        entry = entry_of(path)
        return entry is not None and not entry.is_folder
    return Path(path).is_file()


def join(folder: str, name: str) -> str:
    """The path of what `name` is in a folder, local or not; a whole path stays as it is."""
    if is_remote(name):
        return name
    return posixpath.join(folder, name) if is_remote(folder) else os.path.join(folder, name)  # noqa: PTH118


def open_remote(path: str, most: int | None = None) -> BinaryIO:
    """The bytes of a file in a store, fetched as a whole.

    Raises OSError where it is none or has more than `most` bytes, and Unreachable.
    """
    system, inner = file_system(path)
    with _reaching(path), system.open_input_file(inner) as file:
        if most is not None and file.size() > most:
            limit = f"larger than the limit of {most / 2**20:,.0f} MiB"
            raise OSError(errno.EINVAL, limit, path)
        return io.BytesIO(file.read())


def entry_of(path: str) -> Entry | None:
    """What lies there; None where nothing does."""
    system, inner = file_system(path)
    with _reaching(path):
        return _entry(system.get_file_info(inner))


def list_remote(folder: str) -> list[Entry]:
    """What lies in the folder itself, sorted by name; raises SignwiseError where it is none."""
    system, inner = file_system(folder)
    import pyarrow.fs

    with _reaching(folder):
        found = system.get_file_info(pyarrow.fs.FileSelector(inner, allow_not_found=True))
    entries = [entry for info in found if (entry := _entry(info)) is not None]
    return sorted(entries, key=lambda entry: entry.name)


def files_below(folder: str) -> list[str]:
    """The files in the folder and all below it, by their paths in it, sorted."""
    system, inner = file_system(folder)
    import pyarrow.fs

    selector = pyarrow.fs.FileSelector(inner, allow_not_found=True, recursive=True)
    with _reaching(folder):
        found = system.get_file_info(selector)
    files = (info.path for info in found if info.type == pyarrow.fs.FileType.File)
    return sorted(path.removeprefix(f"{inner}/") for path in files)


def remove_remote(path: str) -> None:
    """Remove a file, or a folder with all that is in it; nothing where nothing is."""
    entry = entry_of(path)
    system, inner = file_system(path)
    with _reaching(path):
        if entry is not None and entry.is_folder:
            system.delete_dir(inner)
        elif entry is not None:
            system.delete_file(inner)


def write_remote(path: str, content: bytes) -> None:
    """Write a file, which a store shows when it is whole, and not before."""
    system, inner = file_system(path)
    with _reaching(path), system.open_output_stream(inner) as file:
        file.write(content)


def put_file(path: Path, there: str) -> None:
    """Copy a file of this machine into a store, a piece at a time.

    Where that fails half way, what is there then may be a part of it.
    """
    system, inner = file_system(there)
    with (
        path.open("rb") as file,
        _reaching(there),
        system.open_output_stream(inner, compression=None) as target,
    ):
        shutil.copyfileobj(file, target, PIECE)


def fetch_file(there: str, path: Path) -> None:
    """Copy a file of a store to this machine, a piece at a time; raises OSError where none is."""
    system, inner = file_system(there)
    with (
        _reaching(there),
        system.open_input_stream(inner, compression=None) as file,
        path.open("wb") as target,
    ):
        shutil.copyfileobj(file, target, PIECE)


def file_system(path: str) -> tuple[Any, str]:
    """pyarrow's file system of a remote path, and the path in it."""
    scheme, _, inner = path.partition("://")
    inner = inner.strip("/")
    bucket = inner.partition("/")[0]
    if not bucket:
        raise SignwiseError(f"{path} names no bucket: write {scheme}://BUCKET/FOLDER")
    if "//" in inner:
        raise SignwiseError(f"{path} has a folder without a name: write one / between two names")
    with _reaching(path):
        return _system(scheme, bucket), inner


@cache
def _system(scheme: str, bucket: str) -> Any:
    require_extra("cluster", "pyarrow")
    import pyarrow.fs

    if scheme == "gs":
        limit = timedelta(seconds=PATIENCE_SECONDS)  # it would try for a quarter of an hour
        return pyarrow.fs.GcsFileSystem(retry_time_limit=limit)
    given = {name: os.environ.get(name) for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")}
    endpoint = next((value for value in given.values() if value), None)
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if endpoint is None and region is None:
        region = pyarrow.fs.resolve_s3_region(bucket)
    return pyarrow.fs.S3FileSystem(
        endpoint_override=endpoint,
        region=region,
        background_writes=False,  # else a file waits in memory for a slow line
    )


def _entry(info: Any) -> Entry | None:
    import pyarrow.fs

    if info.type == pyarrow.fs.FileType.NotFound:
        return None
    return Entry(
        name=info.base_name,
        is_folder=info.type == pyarrow.fs.FileType.Directory,
        size=info.size or 0,
        modified=info.mtime_ns or 0,
    )


class _reaching:  # noqa: N801 (a context manager that runs for each picture: a generator costs more)
    """Turns what the store's client raises into Unreachable; that a file is not there stays."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, OSError) and error.errno is None:
            text = one_line(error)[:200]
            raise Unreachable(
                f"{self._path} can't be reached ({text}): see address, keys and network"
            ) from None
