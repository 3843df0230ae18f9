"""The one way in which files from outside are opened: regular files only, their size first.

A link may lead to a pipe, which waits for ever, to a device without an end, or to itself; a name
may be one that no file can have. Each of these is an OSError whose `strerror` a person can read.
"""

import codecs
import errno
import io
import os
import stat
from typing import BinaryIO, TypeVar

import msgspec

from signwise.errors import SignwiseError
from signwise.files import Json
from signwise.places import is_remote, open_remote

Record = TypeVar("Record")

MOST_JSON = 64 * 2**20
"""Bytes of a JSON file; the longest that signwise writes, for 10,000 classes, have about 5 MB."""
MOST_TABLE = 2 * 2**30
"""Bytes of a CSV: some ten million rows."""
MOST_PICTURE = 512 * 2**20
"""Bytes of a picture's file: 64 million pixels of four samples of 16 bits each."""
MOST_MODEL = 2**31
"""Bytes of a model.onnx: protocol buffers end there."""
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""Without waiting: a name may become that of a pipe between the two looks at it."""


def open_regular(
    path: str | os.PathLike[str], most: int | None = None, *, in_memory: int = 0
) -> BinaryIO:
    """The file, opened to read bytes; raises OSError where it is none, or has more than `most`.

    One in a store (see `places`) is fetched as a whole. One of at most `in_memory` bytes is read at
    once: a buffered file costs a small picture a tenth of its reading.
    """
    if is_remote(path):
        return open_remote(os.fspath(path), most)
    try:
        _check(path, os.stat(path), most)  # noqa: PTH116  (a Path costs 7 % of a picture)
        descriptor = os.open(path, _FLAGS)
    except ValueError:  # a zero byte, or a letter that the file system can't spell
        raise OSError(errno.EINVAL, "no file can have this name", os.fspath(path)) from None
    try:
        found = os.fstat(descriptor)
        _check(path, found, most)
        if found.st_size <= in_memory:
            content = os.read(descriptor, found.st_size + 1)
            if len(content) == found.st_size:  # else it grows, or does not say how long it is
                os.close(descriptor)
                return io.BytesIO(content)
            os.lseek(descriptor, 0, os.SEEK_SET)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: str | os.PathLike[str], most: int | None = None) -> bytes:
    """The bytes of the file; raises OSError as `open_regular` does."""
    with open_regular(path, most) as file:
        # Some files, as those of /proc, hold more than they say.
        content: bytes | None = file.read(-1 if most is None else most + 1)
    if content is None:
        raise OSError(errno.EAGAIN, "no regular file", os.fspath(path))
    if most is not None and len(content) > most:
        raise _too_large(path, most)
    return content


def read_json(path: str | os.PathLike[str]) -> Json:
    """Read a JSON file; raises SignwiseError that names the file."""
    try:
        content: Json = msgspec.json.decode(_json_bytes(path))
    except (OSError, msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise SignwiseError(f"{path} is no readable JSON file ({_reason(error)})") from None
    return content


def read_record(path: str | os.PathLike[str], kind: type[Record]) -> Record:
    """Read a JSON file that signwise wrote into a record of this type.

    What the record does not name is left alone. Raises SignwiseError that names the file and what
    is wrong in it.
    """
    try:
        return msgspec.json.decode(_json_bytes(path), type=kind)
    except (OSError, msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise SignwiseError(f"{path} is not as signwise writes it ({_reason(error)})") from None


def _json_bytes(path: str | os.PathLike[str]) -> bytes:
    """The content without the mark that some editors put before UTF-8."""
    return read_regular(path, MOST_JSON).removeprefix(codecs.BOM_UTF8)


def is_no_input(path: str | os.PathLike[str]) -> str:
    """Why a path is neither a folder nor a file to read, as the rest of a sentence about it."""
    try:
        os.stat(path)  # noqa: PTH116
    except FileNotFoundError:
        return "does not exist"
    except (OSError, ValueError) as error:
        return f"can't be opened ({_reason(error)})"
    return "is no regular file"


def reason_of(error: OSError) -> str:
    """What the system says, as the end of a sentence."""
    text = error.strerror or "can't be read"
    return text[:1].lower() + text[1:]


def _check(path: str | os.PathLike[str], found: os.stat_result, most: int | None) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "no regular file", os.fspath(path))
    if most is not None and found.st_size > most:
        raise _too_large(path, most)


def _too_large(path: str | os.PathLike[str], most: int) -> OSError:
    limit = f"{most / 2**20:,.0f} MiB" if most >= 2**20 else f"{most:,} bytes"
    return OSError(errno.EINVAL, f"larger than the limit of {limit}", os.fspath(path))


def _reason(error: Exception) -> str:
    return str((isinstance(error, OSError) and error.strerror) or error)
