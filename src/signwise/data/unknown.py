"""The one reader of a folder of pictures of no class, for training against and for measuring."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from signwise.config import Crop
from signwise.data.images import hashed, read_image
from signwise.data.walk import Folder, walk
from signwise.errors import SignwiseError, UnreadableImage
from signwise.files import printable_path
from signwise.opening import reason_of
from signwise.places import is_folder
from signwise.progress import track
from signwise.results import Problem

LISTING = "unknown.csv"
"""In a run: the path and SHA-256 of each picture that was trained against."""
AHEAD = 256
"""Pictures that are read at a time."""


@dataclass(frozen=True, kw_only=True)
class UnknownPicture:
    """One picture of no class."""

    path: str
    sha256: str
    pixels: NDArray[np.uint8]
    """(S, S, 3)."""


@dataclass(frozen=True, kw_only=True)
class UnknownPictures:
    """M pictures of no class."""

    paths: list[str]
    sha256: list[str]
    pixels: NDArray[np.uint8]
    """(M, S, S, 3)."""
    problems: list[Problem]


def iter_unknown(
    folder: Folder,
    size: int,
    labels_by_sha256: Mapping[str, str],
    problems: list[Problem],
    *,
    crop: Crop = "none",
    choose: Callable[[list[str]], list[str]] = lambda paths: paths,
    skipped: Counter[str] | None = None,
) -> Iterator[UnknownPicture]:
    """The usable pictures under the folder, in sorted order, in bounded memory.

    `labels_by_sha256` names the class of each picture of the classes: the same bytes can't be of no
    class. `choose` may leave paths out. What can't be used is added to `problems`,
    what `walk` leaves out to `skipped`. Raises
    SignwiseError where the folder is not there, or where no picture can be used.
    """
    if not is_folder(folder):
        raise SignwiseError(f"`unknown` {folder} is no folder: give a folder of pictures")
    paths = choose(list(walk(folder, skipped)))
    usable = 0

    def read(path: str) -> UnknownPicture | Problem:
        try:
            with hashed(path) as (file, sha256):
                if sha256 in labels_by_sha256:
                    reason = f"the same picture is one of {labels_by_sha256[sha256]}"
                    return Problem(path=printable_path(path), problem=reason)
                pixels = read_image(file, size, crop=crop)
                return UnknownPicture(path=path, sha256=sha256, pixels=pixels)
        except UnreadableImage as error:
            return Problem(path=printable_path(path), problem=str(error))
        except OSError as error:
            reason = reason_of(error)
            return Problem(path=printable_path(path), problem=reason)

    with ThreadPoolExecutor() as pool, track("pictures of no class", len(paths)) as advance:
        for start in range(0, len(paths), AHEAD):
            for found in pool.map(read, paths[start : start + AHEAD]):
                advance(1)
                if isinstance(found, UnknownPicture):
                    usable += 1
                    yield found
                else:
                    problems.append(found)
    if not usable:
        reason = f" ({problems[0]['problem']})" if problems else ""
        raise SignwiseError(
            f"`unknown` {folder} holds no usable picture{reason}: give pictures of no class"
        )


def read_unknown(
    folder: Folder,
    size: int,
    labels_by_sha256: Mapping[str, str],
    *,
    most: int,
    seed: int,
    crop: Crop = "none",
) -> UnknownPictures:
    """The usable pictures under the folder; of more than `most` a random choice.

    See `iter_unknown` for what is left out and what is raised.
    """

    def choose(paths: list[str]) -> list[str]:
        if len(paths) <= most:
            return paths
        choice = np.random.default_rng(seed).permutation(len(paths))[:most]
        return [paths[index] for index in np.sort(choice)]

    problems: list[Problem] = []
    pictures = iter_unknown(folder, size, labels_by_sha256, problems, choose=choose, crop=crop)
    found = list(pictures)
    return UnknownPictures(
        paths=[picture.path for picture in found],
        sha256=[picture.sha256 for picture in found],
        pixels=np.stack([picture.pixels for picture in found]),
        problems=problems,
    )
