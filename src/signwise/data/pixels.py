"""The memory-mapped cache of pictures at one size: uint8 RGB (N, S, S, 3).

One file, `pixels-<size>.npy` or, of the squares in their middle, `pixels-<size>-center.npy`: a
plain NumPy array, followed by 64 bytes that say what it was made from. NumPy reads no further than
the array, so that any tool can open it.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from signwise.config import Crop
from signwise.data.images import RESIZE_RULES, LargeImage, decoded, hashed, resize
from signwise.data.limits import WORKER_MEMORY
from signwise.errors import SignwiseError, UnreadableImage
from signwise.files import atomic_path, remove_left, sha256_bytes
from signwise.opening import open_regular
from signwise.parallel import map_chunks
from signwise.places import join
from signwise.runtime import available_cores

if TYPE_CHECKING:  # the table is pandas, which a worker process need not load
    from signwise.data.manifest import PreparedData

Pixels = NDArray[np.uint8]
KEY_BYTES = 64
CHUNK = 64


def load_pixels(
    data: "PreparedData", size: int, crop: Crop = "none", *, spare: Path | None = None
) -> Pixels:
    """The pictures as a read-only memory map (N, size, size, 3), row for row as `data.table`.

    Made anew where it is missing or is of other pictures; in the folder `spare` where that of
    the data can't be written. Raises SignwiseError where a picture has changed or vanished since
    `prepare`, or where the cache can't be written.
    """
    key = cache_key(list(data.table["sha256"]), size, crop)
    shape = (len(data.table), size, size, 3)
    places = [place for place in (data.directory, spare) if place is not None]
    paths = [cache_path(place, size, crop) for place in places]
    for path in paths:
        found = _read(path, key, shape)
        if found is not None:
            return found
    for path in paths:
        try:
            remove_left(path.parent)
            _fill(data, size, crop, path, key)
        except OSError as error:
            if path == paths[-1]:
                raise SignwiseError(
                    f"{path} can't be written ({error.strerror}): prepare into another folder"
                ) from None
            continue
        break
    pixels: Pixels = np.load(path, mmap_mode="r")
    return pixels


def cache_path(directory: Path, size: int, crop: Crop = "none") -> Path:
    """Where the pictures of this size are cached."""
    return directory / f"pixels-{size}{'' if crop == 'none' else '-center'}.npy"


def cache_key(hashes: list[str], size: int, crop: Crop = "none") -> str:
    """What a cache depends on, as 64 hexadecimal digits: the pictures, the size and the rule."""
    return sha256_bytes("\n".join([RESIZE_RULES[crop], str(size), *hashes]).encode())


def create(path: Path, count: int, size: int) -> None:
    """An array file for `count` pictures that workers write into, row by row."""
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(count, size, size, 3))
    array.flush()
    if hasattr(os, "posix_fallocate"):
        # A full disk is an error now, not a bus error in a worker later.
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def seal(path: Path, keep: NDArray[np.intp], key: str) -> None:
    """Keep only the rows `keep` (ascending) of the array file, in place, and add the key."""
    array = np.lib.format.open_memmap(path, mode="r+")
    size = array.shape[1]
    if len(keep) < len(array):
        for start in range(0, len(keep), 1024):
            rows = keep[start : start + 1024]
            array[start : start + len(rows)] = array[rows]
    array.flush()
    offset = path.stat().st_size - array.nbytes
    row_bytes = size * size * 3
    del array
    with path.open("r+b") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(keep), size, size, 3)}
        np.lib.format.write_array_header_1_0(file, header)
        assert file.tell() == offset, "NumPy pads headers so that the number of rows can grow"
        file.truncate(offset + len(keep) * row_bytes)
        file.seek(0, os.SEEK_END)
        file.write(key.encode("ascii"))


def _read(path: Path, key: str, shape: tuple[int, ...]) -> Pixels | None:
    """What is cached there, where it was made from what is wanted now."""
    try:
        with open_regular(path) as file:
            file.seek(-KEY_BYTES, os.SEEK_END)
            if file.read() != key.encode("ascii"):
                return None
        pixels: Pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return pixels if pixels.shape == shape and pixels.dtype == np.uint8 else None


def _fill(data: "PreparedData", size: int, crop: Crop, path: Path, key: str) -> None:
    count = len(data.table)
    paths, hashes = list(data.table["path"]), list(data.table["sha256"])
    with atomic_path(path) as temporary:

        def chunk(start: int, end: int, most_memory: int | None) -> _Chunk:
            return _Chunk(
                array=temporary,
                root=data.root,
                size=size,
                crop=crop,
                max_pixels=data.max_pixels,
                most_memory=most_memory,
                rows=range(start, end),
                paths=paths[start:end],
                hashes=hashes[start:end],
            )

        create(temporary, count, size)
        chunks = [
            chunk(start, min(start + CHUNK, count), WORKER_MEMORY)
            for start in range(0, count, CHUNK)
        ]
        large: list[int] = []
        for left in map_chunks(
            _fill_chunk, chunks, total=count, chunk_size=CHUNK, description=f"Pixels at {size}",
            here=True,  # they write into a file of this machine
        ):  # fmt: skip
            large += left
        # As in `scan`: what takes much memory is read by this process alone.
        with ThreadPoolExecutor(available_cores()) as pool:
            list(pool.map(lambda row: _fill_chunk(chunk(row, row + 1, None)), large))
        seal(temporary, np.arange(count), key)


@dataclass(frozen=True, kw_only=True)
class _Chunk:
    """Pictures for one worker: rows of the array file, and what belongs there."""

    array: Path
    root: Path
    size: int
    crop: Crop
    max_pixels: int
    most_memory: int | None
    """Bytes that one picture may take while it is decoded."""
    rows: range
    paths: list[str]
    hashes: list[str]


def _fill_chunk(chunk: _Chunk) -> list[int]:
    """Write the pictures of one chunk; returns the rows that take more memory than they may.

    Raises SignwiseError for the first picture that can't be used.
    """
    array = np.lib.format.open_memmap(chunk.array, mode="r+")
    large = []
    for row, name, sha256 in zip(chunk.rows, chunk.paths, chunk.hashes, strict=True):
        path = join(str(chunk.root), name)
        try:
            with hashed(path) as (file, found):
                if found != sha256:
                    raise _changed(f"{path} has changed since it was prepared")
                with decoded(
                    file, chunk.size, max_pixels=chunk.max_pixels, most_memory=chunk.most_memory
                ) as (image, _):
                    array[row] = resize(image, chunk.size, chunk.crop)
        except LargeImage:
            large.append(row)
        except UnreadableImage as error:
            raise _changed(f"{path}: {error}") from None
        except OSError as error:
            raise SignwiseError(
                f"{path} can't be read ({error.strerror}), and is not prepared at {chunk.size} "
                "pixels: run signwise prepare again where the pictures are, with --image-size "
                f"{chunk.size}"
            ) from None
    array.flush()
    return large


def _changed(problem: str) -> SignwiseError:
    return SignwiseError(f"{problem}: run signwise prepare again")
