"""The one way in which folders of pictures are walked."""

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from signwise.data.images import image_suffixes
from signwise.errors import SignwiseError
from signwise.places import Entry, is_remote, join, list_remote

Folder = str | Path
"""In a store, as text, or on this machine: see `places.located`."""
LEFTOVERS = frozenset({
    # Archives of macOS and of tar.
    "__macosx", "paxheader", "paxheaders", "paxheaders.0", "gnusparsefile.0",
    # Network storage: Synology, QNAP, ASUSTOR, NetApp, and Apple's own protocol.
    "@eadir", "#recycle", "#snapshot", "@tmp", "@synoresource", "@sharebin",
    "@recycle", "@recently-snapshot", "@__thumb", "~snapshot",
    "network trash folder", "temporary items", "thevolumesettingsfolder",
    # Windows, Linux, and what synchronises folders.
    "$recycle.bin", "recycler", "recycled", "system volume information", "lost+found", "_gsdata_",
    # Editors of web pages, Python, notebooks that a visible copy was made of.
    "_vti_cnf", "_vti_pvt", "__pycache__", "ipynb_checkpoints",
})  # fmt: skip
"""What systems, storage, editors and notebooks leave in folders, in lower case; most hold small
copies of the pictures beside them. Much else begins with a dot, or has no picture's suffix."""
_FOUND_BY_CHKDSK = re.compile(r"found\.\d{3}", re.IGNORECASE)


def left_out(name: str) -> str | None:
    """As what an entry of this name is left out, whatever it is; None where it is not."""
    if name.startswith("."):
        return "hidden"
    return name if name.casefold() in LEFTOVERS or _FOUND_BY_CHKDSK.fullmatch(name) else None


def inside(folder: Folder, name: str) -> Folder:
    """The path of what lies in a folder."""
    if isinstance(folder, Path):
        return folder / name
    return join(folder, name) if name else folder


def subfolders(folder: Folder) -> list[str]:
    """The names of the folders in a folder, sorted, without what `walk` leaves out."""
    if isinstance(folder, str) and is_remote(folder):
        return [e.name for e in list_remote(folder) if e.is_folder and left_out(e.name) is None]
    try:
        with os.scandir(folder) as entries:
            return sorted(e.name for e in entries if left_out(e.name) is None and _is_folder(e))
    except OSError as error:
        raise SignwiseError(f"{folder} can't be listed ({error.strerror})") from None


def holds_pictures(folder: Folder) -> bool:
    """Whether pictures lie in the folder itself."""
    if isinstance(folder, str) and is_remote(folder):
        return any(_is_picture(e.name) and not e.is_folder for e in list_remote(folder))
    with os.scandir(folder) as entries:
        return any(_is_picture(entry.name) and not _is_folder(entry) for entry in entries)


def _is_picture(name: str) -> bool:
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122  (a Path each is slow)
    return left_out(name) is None and suffix in image_suffixes()


def walk(root: str | Path, skipped: Counter[str] | None = None) -> Iterator[str]:
    """Yield the pictures under the folder in sorted order; each path begins with `root` as given.

    Hidden entries, `LEFTOVERS` and files whose suffix is no picture's are left out, and counted in
    `skipped` under "hidden", their name and the suffix ("no suffix" for none). Links are followed,
    each folder only once on a way down. A folder of a store, as `s3://bucket/folder`, is walked by
    the same rules. Raises SignwiseError for a folder that can't be listed.
    """
    counts = Counter() if skipped is None else skipped
    if is_remote(root):
        yield from (path for path, _ in walk_remote(str(root), counts))
        return
    yield from _walk(os.fspath(root), image_suffixes(), counts, frozenset())


def walk_remote(root: str, skipped: Counter[str]) -> Iterator[tuple[str, Entry]]:
    """As `walk`, in a folder of a store, with what its listing says of each picture."""
    folder, suffixes = root.rstrip("/"), image_suffixes()
    for entry in list_remote(folder):
        reason = left_out(entry.name)
        suffix = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122
        if reason is not None:
            skipped[reason] += 1
        elif entry.is_folder:
            yield from walk_remote(f"{folder}/{entry.name}", skipped)
        elif suffix in suffixes:
            yield f"{folder}/{entry.name}", entry
        else:
            skipped[suffix or "no suffix"] += 1


def _walk(
    folder: str, suffixes: frozenset[str], skipped: Counter[str], above: frozenset[str]
) -> Iterator[str]:
    real = os.path.realpath(folder)
    if real in above:  # a link to a folder that it lies in: a circle
        return
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise SignwiseError(f"{folder} can't be listed ({error.strerror})") from None
    for entry in found:
        reason = left_out(entry.name)
        if reason is not None:
            skipped[reason] += 1
        elif _is_folder(entry):
            yield from _walk(entry.path, suffixes, skipped, above | {real})
        elif not (entry.is_symlink() or entry.is_file()):
            skipped["no regular file"] += 1  # reading from a pipe would wait for ever
        else:
            suffix = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122  (a Path each is slow)
            if suffix in suffixes:
                yield entry.path
            else:
                skipped[suffix or "no suffix"] += 1


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, which becomes a row with this reason
        return False
