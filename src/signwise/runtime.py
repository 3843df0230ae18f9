"""What this process and this machine lend: the runtimes of models, threads and cores.

Each function says which global state of the process it changes; nothing happens when this module
is imported.
"""

import importlib
import math
import os
import platform
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

OPENMP_WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "2000"}
"""How OpenMP's threads wait for each other.

Threads that spin for long take cores that other processes need; threads that sleep at once wake too
late. These spin for microseconds, then sleep (in PyTorch's usual builds, which use libgomp;
elsewhere they sleep at once). LOG.md has the figures.
"""

CGROUPS, CGROUPS_OF_PROCESS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
MOST_THREADS = 1024

BATCH_SIZE, BATCH_SIDE = 256, 64
"""Pictures of one pass through a network up to this side; of larger ones, as many pixels."""


def own_version() -> str:
    """The version of signwise; "unknown" where it runs from its source and is not installed."""
    import importlib.metadata

    try:
        return importlib.metadata.version("signwise")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def onnx_runtime() -> ModuleType:
    """The module onnxruntime, its telemetry switched off before it loads.

    Since 1.32 it otherwise writes a device id into the user's home and sends events to its maker.
    Changes the environment variable ORT_DISABLE_TELEMETRY, unless it is set.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    module: ModuleType = onnxruntime
    return module


def openvino() -> ModuleType:
    """The module openvino, its telemetry left out.

    Imported as it comes it writes an id into the user's home and sends an event to its maker; where
    its package openvino_telemetry can't be imported it has a stub for it. So that package is hidden
    while openvino loads.
    """
    if "openvino" not in sys.modules:
        hidden = "openvino_telemetry"
        before = sys.modules.get(hidden)
        sys.modules[hidden] = None  # type: ignore[assignment]  # how Python says: no such module
        try:
            return importlib.import_module("openvino")
        finally:
            del sys.modules[hidden]
            if before is not None:
                sys.modules[hidden] = before
    return sys.modules["openvino"]


def let_openmp_sleep() -> None:
    """Set `OPENMP_WAITING` in the environment, unless the user has set one of its variables.

    It counts only until torch is loaded.
    """
    if not OPENMP_WAITING.keys() & os.environ.keys():
        os.environ.update(OPENMP_WAITING)


def available_cores() -> int:
    """The CPU cores that this process may use: by its affinity, and by its container's quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min([cores or 1, *map(math.ceil, _quotas())]))


def default_threads() -> int:
    """Threads that compute: as OMP_NUM_THREADS says, unless it is set one a core."""
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if asked.isdecimal() and 1 <= int(asked) <= MOST_THREADS:
        return int(asked)
    return available_cores()


@dataclass(frozen=True)
class Launched:
    """Which of the processes that a launcher started together this one is."""

    rank: int = 0
    size: int = 1
    local: int = 0
    """Its number on its machine."""


def launched() -> Launched:
    """What the launcher, torchrun or one like it, says by the environment; else one process."""
    numbers = [os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE")]
    if not all(map(str.isdecimal, numbers)) or int(numbers[1]) < 2:
        return Launched()
    local = os.environ.get("LOCAL_RANK", "")
    rank, size = map(int, numbers)
    return Launched(rank, size, int(local) if local.isdecimal() else rank)


def _quotas() -> Iterator[float]:
    """The cores that each control group of this process may use (Linux, versions 1 and 2).

    Those above count as well. In a container, its own group lies at the top.
    """
    try:
        lines = CGROUPS_OF_PROCESS.read_text().splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        controllers, _, path = line.partition(":")[2].partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = CGROUPS / "cpu" if controllers else CGROUPS
        group = top / path.lstrip("/")
        for folder in (group, *group.parents):
            if folder.is_relative_to(top):
                yield from _quota(folder, version=1 if controllers else 2)


def _quota(folder: Path, version: int) -> Iterator[float]:
    names = ("cpu.max",) if version == 2 else ("cpu.cfs_quota_us", "cpu.cfs_period_us")
    try:
        quota, period, *_ = " ".join((folder / name).read_text() for name in names).split()
        if float(quota) > 0 and float(period) > 0:  # else there is no limit
            yield float(quota) / float(period)
    except (OSError, ValueError):
        return


def cpu_name() -> str:
    """What the processor calls itself."""
    listing = Path("/proc/cpuinfo")
    text = listing.read_text(encoding="utf-8") if listing.is_file() else ""
    named = re.search(r"model name\s*: (.+)", text)
    return named[1] if named else platform.processor() or platform.machine()


def default_batch_size(image_size: int) -> int:
    """Pictures of one pass through a network, without gradients, that keep its memory in bounds."""
    return max(1, int(BATCH_SIZE * min(1.0, (BATCH_SIDE / image_size) ** 2)))
