"""Memory while a network trains: what is free is kept, and too little of it is said in words."""

import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from signwise.errors import SignwiseError

TRIM_THRESHOLD, MAP_THRESHOLD, MOST_MAPPED = -1, -3, -4
"""mallopt's names for numbers: M_TRIM_THRESHOLD, M_MMAP_THRESHOLD and M_MMAP_MAX of malloc.h."""
NEVER = -1
USUAL = {TRIM_THRESHOLD: 2**26, MAP_THRESHOLD: 2**25, MOST_MAPPED: 2**16}
"""What glibc itself comes to in a process that uses large blocks; once told, it adapts no more."""
SET_BY_HAND = (
    "GLIBC_TUNABLES",
    "MALLOC_TRIM_THRESHOLD_",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_MMAP_MAX_",
    "MALLOC_TOP_PAD_",
)
"""Variables of the environment that say how glibc is to do it."""


@contextmanager
def free_memory_kept() -> Iterator[None]:
    """Keep what is freed for the next step, and give it back to the system at the end.

    Left to itself glibc gives back each large block when a tensor ends, and the system clears every
    page of it anew at the next step: on a CPU up to two fifths of a step's time (LOG.md). Changes
    the allocator of the whole process for as long. Does nothing with another C library, or where
    the environment says how memory is to be had.
    """
    if platform.libc_ver()[0] != "glibc" or any(name in os.environ for name in SET_BY_HAND):
        yield
        return
    library = ctypes.CDLL(None)
    library.mallopt(TRIM_THRESHOLD, NEVER)
    library.mallopt(MOST_MAPPED, 0)
    try:
        yield
    finally:
        for name, value in USUAL.items():
            library.mallopt(name, value)
        library.malloc_trim(0)


@contextmanager
def explain_memory_errors() -> Iterator[None]:
    """Raise SignwiseError where PyTorch or NumPy runs out of memory, whichever way they say it."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        short = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if short or "can't allocate memory" in str(error):
            raise SignwiseError(
                "out of memory: set a smaller `batch_size` or `image_size`"
            ) from None
        raise
