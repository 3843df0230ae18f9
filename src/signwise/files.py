"""Atomic writes, output directories and hashes."""

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from signwise.errors import SignwiseError

MARKER = ".signwise"
STRANGERS = "unknown.csv"
"""What a run trained against from `--unknown FOLDER`: path and sha256."""
METADATA_KEY = "signwise"
"""The entry of model.onnx that says what it is."""
FORMAT = 1
"""The newest format of that entry, which this version writes."""
UMASK = os.umask(0)
"""Read once: to ask for it is to change it, for all threads, for a moment."""
os.umask(UMASK)
SHIPPED_MODELS = Path(__file__).parent / "models"


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, moved there, flushed to disk, when the block ends well.

    The temporary file keeps the suffix of `path`, since many writers choose the format by it. An
    error, or a kill, leaves the old file whole. Raises SignwiseError where the disk is full.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = f".partial{path.suffix}"
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=suffix)
    except OSError as error:
        error.filename = str(path)  # and not the temporary one, which nobody knows
        raise
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files private; a result should be as readable as any other new file.
        temporary.chmod(0o666 & ~UMASK)
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


def write_json(path: Path, content: Any) -> None:
    """Write JSON that a person can read; NaN is an error, since JSON has none."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file; raises SignwiseError that names the file."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SignwiseError(f"{path} is no readable JSON file ({error})") from None


def sha256_bytes(content: bytes) -> str:
    """Hexadecimal SHA-256 of the bytes."""
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: Path) -> str:
    """Hexadecimal SHA-256 of the file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def claim_directory(out: Path, kind: str, *, replace: bool) -> Path:
    """Make `out`, marked as signwise's own output of this kind, and return it.

    Raises SignwiseError where `out` is a file, holds what signwise did not write, holds output of
    another kind, or holds output already and `replace` is false. Nothing is deleted but the
    temporary files that a killed process left.
    """
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise SignwiseError(f"{out} is a file: give --out a folder")
    marker = out / MARKER
    if out.is_dir() and any(out.iterdir()):
        owner = read_json(marker).get("kind") if marker.is_file() else None
        if owner is None:
            raise SignwiseError(
                f"{out} holds files that signwise did not write: give --out a new folder"
            )
        if owner != kind:
            raise SignwiseError(f"{out} holds signwise {owner} output: give --out another folder")
        if not replace:
            raise SignwiseError(f"{out} holds a {kind} already: give --out a new folder")
    out.mkdir(parents=True, exist_ok=True)
    for left in out.glob(".*.partial*"):
        left.unlink(missing_ok=True)
    if not marker.is_file():
        write_json(marker, {"kind": kind})
    return out


@contextmanager
def claimed(out: Path, kind: str) -> Iterator[Path]:
    """Hold `out`, which may have output of this kind already; see `claim_directory`.

    If an error comes before anything is written, what was made here goes again.
    """
    existed = Path(out).is_dir()
    marked = (Path(out) / MARKER).is_file()
    folder = claim_directory(out, kind, replace=True)
    try:
        yield folder
    except BaseException:
        if not marked and all(path.name == MARKER for path in folder.iterdir()):
            (folder / MARKER).unlink()
            if not existed:
                folder.rmdir()
        raise
