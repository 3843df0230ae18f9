"""Output folders: marked as signwise's own, written by one process at a time, cleaned up."""

import contextlib
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from signwise.errors import SignwiseError
from signwise.files import LEFT, remove_left, write_json
from signwise.opening import read_record
from signwise.places import SCHEMES, join

MARKER = ".signwise"
"""The file that says which verb an output folder is of."""
LOCK, HOLDER = ".signwise.lock", ".signwise.holder"
"""While a process writes into a folder: the file that it has locked, and who it is."""
_LOCK_SECONDS = 0.2
"""How long another process may take to let go of a folder."""


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
    owner = read_record(join(out, MARKER), _Marker).kind if MARKER in found else None
    if owner is None:
        raise SignwiseError(
            f"{out} holds files that signwise did not write: give `out` a new folder"
        )
    if owner != kind:
        raise SignwiseError(f"{out} holds signwise {owner} output: give `out` another folder")


def _check_own(out: Path, kind: str) -> None:
    if out.parts[:1] in [(scheme.rstrip("/"),) for scheme in SCHEMES]:  # as Path makes of it
        there = str(out).replace(":/", "://", 1)
        raise SignwiseError(
            f"`out` {there} is in a store, where only predict writes: give a folder of this machine"
        )
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
