"""Rendered pictures kept in the user's cache folder: a second run need not render them again."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from filelock import FileLock

from signwise.errors import SignwiseError
from signwise.files import atomic_path, cache_folder, sha256_bytes
from signwise.synthetic.render import RENDERER_VERSION, Pixels, render_negatives, render_signs

FOLDER = "rendered"
"""In the cache folder."""


def kept_negatives(count: int, size: int, seed: int, exclude: frozenset[str], kind: str) -> Pixels:
    """What `render_negatives` gives, read-only, rendered at most once on this machine."""
    excluded = sha256_bytes("\n".join(sorted(exclude)).encode())[:16]
    name = f"negatives-{kind}-{size}-{seed}-{excluded}"
    return _kept(name, count, lambda: render_negatives(count, size, seed, exclude, kind=kind))


def kept_signs(design: str, count: int, size: int, seed: int) -> Pixels:
    """What `render_signs` gives, one frame a sign, read-only, rendered at most once."""
    return _kept(f"{design}-{size}-{seed}", count, lambda: render_signs(design, count, size, seed))


def _kept(name: str, count: int, render: Callable[[], Pixels]) -> Pixels:
    """The first `count` pictures of the file of this name, which is made if it has too few.

    Safe with several processes: the second waits, and reads what the first has rendered. Where the
    cache folder can't be written, nothing is kept.
    """
    path = cache_folder() / FOLDER / f"v{RENDERER_VERSION}-{name}.npy"
    found = _read(path, count)
    if found is not None:
        return found
    lock = FileLock(path.with_suffix(".lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        held = lock.acquire()
    except (OSError, NotImplementedError):  # the latter from a file system without locks
        return render()
    with held:
        found = _read(path, count)
        if found is not None:
            return found
        pictures = render()
        with contextlib.suppress(OSError, SignwiseError), atomic_path(path) as temporary:
            np.save(temporary, pictures)
    return pictures


def _read(path: Path, count: int) -> Pixels | None:
    try:
        pictures: Pixels = np.load(path, mmap_mode="r")
    except (OSError, EOFError, ValueError):
        return None
    return pictures[:count] if len(pictures) >= count else None
