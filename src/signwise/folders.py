"""Output folders: marked as signwise's own, written by one process at a time, cleaned up.

In a store there is no lock, and no file has its name in one moment with another: what a verb writes
is made on this machine, and put there when it is whole.
"""

import contextlib
import json
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

from signwise.errors import SignwiseError
from signwise.files import LEFT, printable_path, remove_left, scratch_folder, write_json
from signwise.opening import read_record
from signwise.places import (
    SCHEMES,
    fetch_file,
    files_below,
    is_file,
    is_remote,
    join,
    list_remote,
    put_file,
    remove_remote,
    write_remote,
)
from signwise.progress import track

MARKER = ".signwise"
"""The file that says which verb an output folder is of."""
LOCK, HOLDER = ".signwise.lock", ".signwise.holder"
"""While a process writes into a folder: the file that it has locked, and who it is."""
_LOCK_SECONDS = 0.2
"""How long another process may take to let go of a folder."""
AT_ONCE = 8
"""Files that are copied to a store at a time, since most of that is waiting."""


@dataclass(frozen=True)
class _Marker:
    """The content of `MARKER`."""

    kind: str


@contextmanager
def output_folder(
    out: Path, kind: str, *, keep: Callable[[Path], bool] = lambda _: False
) -> Iterator[Path]:
    """Make `out`, marked as output of this kind, and hold it while the block writes into it.

    Output of this kind may be there already. Raises SignwiseError where `out` is a file, holds
    what signwise did not write or output of another kind, or where another process is writing into
    it. Nothing is deleted at first but the temporary files that a killed process left.

    Where the block fails, a folder that held nothing before is as it was, so that nothing stands in
    the way of the corrected command; unless `keep` says of what was written that it is of use.
    """
    _check_own(out, kind)
    existed = out.is_dir()
    out.mkdir(parents=True, exist_ok=True)
    marked = True
    try:
        with _held(out):
            _check_own(out, kind)  # another process may have been there meanwhile
            remove_left(out)
            marked = (out / MARKER).is_file()
            try:
                if not marked:
                    write_json(out / MARKER, {"kind": kind})
                yield out
            except BaseException:
                if not marked and not keep(out):
                    _clear(out, but=(LOCK, HOLDER))
                else:
                    marked = True
                raise
    except BaseException:
        if not existed and not marked:
            with contextlib.suppress(OSError):  # not where another process has begun there
                out.rmdir()
        raise


@contextmanager
def output_place(out: str | Path, kind: str, *, last: str, fetched: bool = False) -> Iterator[Path]:
    """As `output_folder`, where `out` may also be a folder of a store; gives the folder to fill.

    That is `out` itself or, for one of a store, a folder of this machine that stands for it: its
    files are there by name, empty but for those that lie in it directly where they are `fetched`.
    When the block ends well, what it wrote is put into the store and what it removed goes there.
    The file `last`, which the block writes, makes the output valid: it goes first, and comes when
    all else is there. Where the block fails the store is as it was.
    """
    if not is_remote(out):
        with output_folder(Path(out), kind) as folder:
            yield folder
        return
    there = str(out)
    claimed = claim_remote(there, kind)  # now, and not after hours: it can be written to
    try:
        with scratch_folder() as scratch:
            folder = scratch / "out"
            folder.mkdir()
            stood = {}
            for name in files_below(there):
                if name == MARKER or ".." in name.split("/"):
                    continue
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
                if fetched and path.parent == folder:
                    fetch_file(join(there, name), path)
                stood[name] = _state(path)
            yield folder
            claimed = False  # from here on, what is there is ours whatever happens
            _put(folder, there, stood, last)
    except BaseException:
        if claimed:
            with contextlib.suppress(SignwiseError, OSError):
                remove_remote(join(there, MARKER))
        raise


def place_in(out: str | Path, folder: Path, path: Path) -> str | Path:
    """Where a file of the folder that `output_place` gave for `out` lies for its user."""
    return join(str(out), path.relative_to(folder).as_posix()) if is_remote(out) else path


def claim_remote(out: str, kind: str) -> bool:
    """Mark a folder of a store as output of this kind; whether it was not yet.

    See `output_folder` for what is refused.
    """
    names = {entry.name for entry in list_remote(out)}
    check_own(out, names, kind)
    if MARKER not in names:
        write_remote(join(out, MARKER), json.dumps({"kind": kind}).encode())
    return MARKER not in names


def _put(folder: Path, there: str, stood: Mapping[str, tuple[int, ...]], last: str) -> None:
    """Make the folder of the store what the folder here is, which was what `stood` says."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    files = {name: path for name, path in files.items() if path.is_file()}
    new = [name for name, path in files.items() if stood.get(name) != _state(path)]
    assert last in new, "the block writes it"
    gone = {_outermost_gone(folder, name) for name in stood.keys() - files.keys()}
    for name in [last, *sorted(gone - {last})]:
        remove_remote(join(there, name))
    copy = partial(_copy, folder, there)
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        with track(f"Files to {there}", len(new)) as advance:
            for _ in pool.map(copy, [name for name in new if name != last]):
                advance(1)
            copy(last)
            advance(1)
    finally:
        pool.shutdown(cancel_futures=True)


def _copy(folder: Path, there: str, name: str) -> None:
    put_file(folder / name, join(there, printable_path(name)))


def _outermost_gone(folder: Path, name: str) -> str:
    """The file of this name, or the folder that it went with."""
    parts = name.split("/")
    paths = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
    return next(path for path in paths if not (folder / path).exists())


def _state(path: Path) -> tuple[int, ...]:
    """Another one when the file was written since."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def claim_folder(out: Path, kind: str) -> Path:
    """Make `out`, marked as output of this kind, and let go of it: several processes may write.

    See `output_folder` for what is refused.
    """
    with output_folder(out, kind) as folder:
        return folder


def check_own(out: str, names: Iterable[str], kind: str) -> None:
    """Raise SignwiseError where a folder, here or in a store, is not for output of this kind.

    `names`: of what lies in it.
    """
    found = {name for name in names if name not in (LOCK, HOLDER) and not fnmatchcase(name, LEFT)}
    if not found:
        return
    owner = _owner(out) if MARKER in found else None
    if owner is None:
        raise SignwiseError(
            f"{out} holds files that signwise did not write: give `out` a new folder"
        )
    if owner != kind:
        raise SignwiseError(f"{out} holds signwise {owner} output: give `out` another folder")


def is_output(folder: str | Path, kind: str) -> bool:
    """Whether a folder, here or in a store, is output of this kind, whole or not."""
    return is_file(join(str(folder), MARKER)) and _owner(str(folder)) == kind


def _owner(folder: str) -> str:
    return read_record(join(folder, MARKER), _Marker).kind


def check_here(out: Path) -> None:
    """Raise SignwiseError where the folder is in a store, for a verb that can't write there."""
    if out.parts[:1] in [(scheme.rstrip("/"),) for scheme in SCHEMES]:  # as Path makes of it
        there = str(out).replace(":/", "://", 1)
        raise SignwiseError(
            f"`out` {there} is in a store, where only predict, prepare and evaluate write: give a "
            "folder of this machine"
        )


def _check_own(out: Path, kind: str) -> None:
    check_here(out)
    if not out.is_dir():
        if out.exists() or out.is_symlink():
            what = "a file" if out.is_file() else "no folder"
            raise SignwiseError(f"{out} is {what}: give `out` a folder")
        return
    check_own(str(out), (path.name for path in out.iterdir()), kind)


@contextmanager
def _held(out: Path) -> Iterator[None]:
    """Hold the folder for this process alone; raises SignwiseError that says who holds it.

    The system frees the lock of a process that was killed. On a file system without locks nothing
    is held.
    """
    from filelock import FileLock, Timeout

    path, holder = out / LOCK, out / HOLDER
    lock = FileLock(path)
    try:
        lock.acquire(timeout=_LOCK_SECONDS)
    except Timeout:
        who = "another process"
        with contextlib.suppress(OSError):
            who = holder.read_text(encoding="utf-8", errors="replace")[:200] or who
        raise SignwiseError(
            f"{out} is being written by {' '.join(who.split())}: wait for it, or give `out` another"
            " folder"
        ) from None
    except (OSError, NotImplementedError):
        yield
        return
    try:
        with contextlib.suppress(OSError):
            holder.write_text(_myself(), encoding="utf-8")
        yield
    finally:
        with contextlib.suppress(OSError):
            holder.unlink(missing_ok=True)
        # While it is held, so that no file goes that another process has locked since; but Windows
        # removes no file that is open.
        for step in (lock.release, path.unlink) if os.name == "nt" else (path.unlink, lock.release):
            with contextlib.suppress(OSError):
                step()


def _myself() -> str:
    """Who this process is, in words."""
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    return f"process {os.getpid()} on {platform.node()}, since {since}"


def _clear(folder: Path, *, but: tuple[str, ...]) -> None:
    """Delete what the folder holds, as far as that can be done, and not the folder itself.

    It may be a link or another disk, and has its own rights.
    """
    with contextlib.suppress(OSError):
        for path in list(folder.iterdir()):
            if path.name in but:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
