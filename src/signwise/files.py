"""Atomic writes, output folders, JSON files and hashes."""

import contextlib
import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import msgspec

from signwise.errors import SignwiseError

Record = TypeVar("Record")

if TYPE_CHECKING:
    Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
else:
    # msgspec can't read into a type that names itself; of JSON it makes nothing but these anyway.
    Json = Any

MARKER = ".signwise"
"""The file that says which verb an output folder is of."""
_TOKEN_BYTES = 6
_LEFT = "." + 2 * _TOKEN_BYTES * "[0-9a-f]" + ".partial*"
"""The temporary files that a killed process left."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, moved there, flushed to disk, when the block ends well.

    The temporary file keeps the suffix of `path`, since many writers choose the format by it. An
    error, or a kill, leaves the old file whole. Raises SignwiseError where the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(_TOKEN_BYTES)}.partial{path.suffix}")
    try:
        # Made by the system's own rules, so that a result is as readable as any other new file.
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except OSError as error:
        error.filename = str(path)  # and not the temporary one, which nobody knows
        raise
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise SignwiseError(
                f"{path}: {os.strerror(error.errno)}: free some space, or write elsewhere"
            ) from None
        raise
    finally:
        temporary.unlink(missing_ok=True)


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


def read_json(path: Path) -> Json:
    """Read a JSON file; raises SignwiseError that names the file."""
    try:
        content: Json = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SignwiseError(f"{path} is no readable JSON file ({error})") from None
    return content


def read_record(path: Path, kind: type[Record]) -> Record:
    """Read a JSON file that signwise wrote into a record of this type.

    What the record does not name is left alone. Raises SignwiseError that names the file and what
    is wrong in it.
    """
    try:
        return msgspec.json.decode(Path(path).read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise SignwiseError(f"{path} is not as signwise writes it ({error})") from None


@dataclass(frozen=True)
class _Marker:
    """The content of `MARKER`."""

    kind: str


def sha256_bytes(content: bytes) -> str:
    """Hexadecimal SHA-256 of the bytes."""
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: Path) -> str:
    """Hexadecimal SHA-256 of the file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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


def claim_folder(out: Path, kind: str) -> Path:
    """Make `out`, marked as signwise's own output of this kind, and return it.

    Output of this kind may be there already. Raises SignwiseError where `out` is a file, or holds
    what signwise did not write or output of another kind. Nothing is deleted but the temporary
    files that a killed process left.
    """
    if out.exists() and not out.is_dir():
        raise SignwiseError(f"{out} is a file: give `out` a folder")
    marker = out / MARKER
    left = set(out.glob(_LEFT))
    if out.is_dir() and set(out.iterdir()) - left:
        owner = read_record(marker, _Marker).kind if marker.is_file() else None
        if owner is None:
            raise SignwiseError(
                f"{out} holds files that signwise did not write: give `out` a new folder"
            )
        if owner != kind:
            raise SignwiseError(f"{out} holds signwise {owner} output: give `out` another folder")
    for path in left:
        with contextlib.suppress(OSError):
            path.unlink()
    if not marker.is_file():
        write_json(marker, {"kind": kind})
    return out


@contextmanager
def output_folder(
    out: Path, kind: str, *, keep: Callable[[Path], bool] = lambda _: False
) -> Iterator[Path]:
    """Hold `out` as the output folder of a verb while the verb writes into it.

    Where the block fails, a folder that held nothing before is as it was, so that nothing stands in
    the way of the corrected command; unless `keep` says of what was written that it is of use. See
    `claim_folder` for what is refused.
    """
    existed, marked = out.is_dir(), (out / MARKER).is_file()
    folder = claim_folder(out, kind)
    try:
        yield folder
    except BaseException:
        if not marked and not keep(folder):
            _clear(folder)
            if not existed:
                shutil.rmtree(folder, ignore_errors=True)
        raise


def _clear(folder: Path) -> None:
    """Delete what the folder holds, as far as that can be done, and not the folder itself.

    It may be a link or another disk, and has its own rights.
    """
    with contextlib.suppress(OSError):
        for path in list(folder.iterdir()):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
