"""What this process and this machine lend: ONNX Runtime, threads and cores.

Each function says which global state of the process it changes; nothing happens when this module
is imported.
"""

import os
from types import ModuleType

OPENMP_WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "2000"}
"""How OpenMP's threads wait for each other.

Threads that spin for long take cores that other processes need; threads that sleep at once wake too
late. These spin for microseconds, then sleep (in PyTorch's usual builds, which use libgomp;
elsewhere they sleep at once). LOG.md has the figures.
"""

BATCH_SIZE, BATCH_SIDE = 256, 64
"""Pictures of one pass through a network up to this side; of larger ones, as many pixels."""


def onnx_runtime() -> ModuleType:
    """The module onnxruntime, its telemetry switched off before it loads.

    Since 1.32 it otherwise writes a device id into the user's home and sends events to its maker.
    Changes the environment variable ORT_DISABLE_TELEMETRY, unless it is set.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    module: ModuleType = onnxruntime
    return module


def let_openmp_sleep() -> None:
    """Set `OPENMP_WAITING` in the environment, unless the user has set one of its variables.

    It counts only until torch is loaded.
    """
    if not OPENMP_WAITING.keys() & os.environ.keys():
        os.environ.update(OPENMP_WAITING)


def available_cores() -> int:
    """The CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def default_batch_size(image_size: int) -> int:
    """Pictures of one pass through a network, without gradients, that keep its memory in bounds."""
    return max(1, int(BATCH_SIZE * min(1.0, (BATCH_SIDE / image_size) ** 2)))
