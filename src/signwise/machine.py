"""What this machine lends to a process."""

import os

# Pictures of one pass through a network up to this side; of larger ones, as many pixels.
BATCH_SIZE, BATCH_SIDE = 256, 64


def available_cores() -> int:
    """The CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def default_batch_size(image_size: int) -> int:
    """Pictures of one pass through a network, without gradients, that keep its memory in bounds."""
    return max(1, int(BATCH_SIZE * min(1.0, (BATCH_SIDE / image_size) ** 2)))
