"""The one way in which folders of pictures are walked."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from signwise.data.images import image_suffixes
from signwise.errors import SignwiseError


def walk(root: str | Path, skipped: Counter[str] | None = None) -> Iterator[str]:
    """Yield the pictures under the folder in sorted order; each path begins with `root` as given.

    Hidden entries, `__MACOSX` and files whose suffix is no picture's are left out, and counted in
    `skipped` under "hidden", "__MACOSX" and the suffix ("no suffix" for none). Links are followed,
    each folder only once on a way down. Raises SignwiseError for a folder that can't be listed.
    """
    counts = Counter() if skipped is None else skipped
    yield from _walk(os.fspath(root), image_suffixes(), counts, frozenset())


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
        if entry.name.startswith("."):
            skipped["hidden"] += 1
        elif entry.name == "__MACOSX":
            skipped["__MACOSX"] += 1
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
