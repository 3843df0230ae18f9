"""Atomic writes, temporary folders, JSON files and hashes."""

import contextlib
import errno
import hashlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from signwise.errors import SignwiseError

if os.name != "nt":
    import fcntl

if TYPE_CHECKING:
    Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
else:
    # msgspec can't read into a type that names itself; of JSON it makes nothing but these anyway.
    Json = Any

_TOKEN_BYTES = 6
LEFT = "." + 2 * _TOKEN_BYTES * "[0-9a-f]" + ".partial*"
"""The names of temporary files."""
_SCRATCH = "signwise-scratch-"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_FLUSH = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EROFS)
"""What a file system answers that can't flush one file."""


@contextmanager
def atomic_path(path: Path, *, flush: bool = True) -> Iterator[Path]:
    """Give a temporary path beside `path`, moved there, flushed to disk, when the block ends well.

    The temporary file keeps the suffix of `path`, since many writers choose the format by it. An
    error, or a kill, leaves the old file whole. Meanwhile it is held open and locked, which tells
    it from one that a killed process left (see `remove_left`). Without `flush` a machine that loses
    its power may leave an empty file. Raises SignwiseError where the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(_TOKEN_BYTES)}.partial{path.suffix}")
    try:
        # Made by the system's own rules, so that a result is as readable as any other new file.
        held = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
    except OSError as error:
        error.filename = str(path)  # and not the temporary one, which nobody knows
        raise
    try:
        _lock(held)
        with saying_what_is_full(path):
            yield temporary
            if flush:
                _flush(temporary)
            if os.name == "nt":  # an open file can't be moved there
                os.close(held)
                held = -1
            temporary.replace(path)
    finally:
        if held >= 0:
            os.close(held)
        temporary.unlink(missing_ok=True)


@contextmanager
def saying_what_is_full(place: Path) -> Iterator[None]:
    """Turn the errors of a full disk into a SignwiseError that names the place."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise SignwiseError(
                f"{place}: {os.strerror(error.errno)}: free some space, or write elsewhere"
            ) from None
        raise


def _flush(path: Path) -> None:
    with path.open("r+b") as file:  # Windows flushes nothing that is open for reading only
        try:
            os.fsync(file.fileno())
        except OSError as error:
            if error.errno not in _NO_FLUSH:
                raise


def _lock(descriptor: int) -> bool:
    """Whether this process now holds the lock of the open file, for as long as it is open."""
    if os.name == "nt":  # there a file that is open can't be removed, which does as well
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held by another process, or a file system without locks
        return False
    return True


def remove_left(folder: Path) -> None:
    """Remove the temporary files in the folder that killed processes left.

    One that a process is writing stays, and so does one on a file system that has no locks.
    """
    for path in folder.glob(LEFT):
        if _is_left(path):
            with contextlib.suppress(OSError):
                path.unlink()


def _is_left(path: Path) -> bool:
    """Whether no process holds the file any more; none ever will again, since names are not reused.

    On Windows that is for the system to say: it removes no file that is open.
    """
    try:
        opened = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return False
    try:
        return _lock(opened)
    finally:
        os.close(opened)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A temporary folder, gone when the block ends; those that killed processes left go, too.

    Raises SignwiseError where the disk of temporary files is full.
    """
    place = Path(tempfile.gettempdir())
    for left in place.glob(f"{_SCRATCH}*"):
        _remove_scratch(left)
    with saying_what_is_full(place):
        folder = Path(tempfile.mkdtemp(prefix=_SCRATCH))
        held = os.open(folder / ".held", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            _lock(held)
            yield folder
        finally:
            os.close(held)
            shutil.rmtree(folder, ignore_errors=True)


def _remove_scratch(folder: Path) -> None:
    """Remove it where its owner, this user, runs no more."""
    held = folder / ".held"
    with contextlib.suppress(OSError):
        if folder.is_symlink() or (os.name != "nt" and folder.stat().st_uid != os.getuid()):
            return
        if _is_left(held):
            held.unlink()
            shutil.rmtree(folder, ignore_errors=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write the file whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write the UTF-8 file whole or not at all."""
    write_bytes(path, content.encode())


def write_json(path: Path, content: Json) -> None:
    """Write JSON that a person can read; NaN is an error, since JSON has none."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def sha256_bytes(content: bytes) -> str:
    """Hexadecimal SHA-256 of the bytes."""
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: Path) -> str:
    """Hexadecimal SHA-256 of the file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def real_path(path: str | os.PathLike[str]) -> Path:
    """Where the path leads, links followed; one to itself stays, which Path.resolve would not."""
    return Path(os.path.realpath(path))


def printable_path(path: str | os.PathLike[str]) -> str:
    r"""The path as valid text: bytes of a file name that are not UTF-8 become \xNN."""
    text = os.fspath(path)
    if text.isascii():
        return text
    return os.fsencode(text).decode("utf-8", "backslashreplace")


def cache_folder() -> Path:
    """Where what may be kept between runs lies: the user's cache folder, as the system has it."""
    import platformdirs

    return platformdirs.user_cache_path("signwise")
