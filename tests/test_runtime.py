"""What this process and this machine lend, and the extras that a verb asks for."""

import importlib.metadata
import os
from pathlib import Path

import pytest

from signwise import runtime
from signwise.errors import SignwiseError, UnreadableImage, require_extra
from signwise.runtime import (
    OPENMP_WAITING,
    available_cores,
    default_batch_size,
    default_threads,
    let_openmp_sleep,
)


def test_cores_are_those_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2, 5}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert available_cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    assert available_cores() == 64
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cores() == 1


@pytest.mark.parametrize(
    ("size", "batch"), [(8, 256), (64, 256), (65, 248), (128, 64), (1024, 1), (4096, 1)]
)
def test_a_batch_of_larger_pictures_is_smaller(size: int, batch: int) -> None:
    assert default_batch_size(size) == batch


@pytest.mark.parametrize("own", [None, *OPENMP_WAITING])
def test_threads_wait_as_the_user_says(own: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OPENMP_WAITING:
        monkeypatch.setenv(name, "own")  # so that all is restored
        if name != own:
            monkeypatch.delenv(name)
    let_openmp_sleep()
    found = {name: os.environ[name] for name in OPENMP_WAITING if name in os.environ}
    assert found == ({own: "own"} if own else OPENMP_WAITING)


@pytest.mark.parametrize(("own", "used"), [(None, "1"), ("0", "0")])
def test_onnx_runtime_sends_nothing_unless_the_user_says_so(
    own: str | None, used: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", own or "")
    if own is None:
        monkeypatch.delenv("ORT_DISABLE_TELEMETRY")
    assert runtime.onnx_runtime().__name__ == "onnxruntime"
    assert os.environ["ORT_DISABLE_TELEMETRY"] == used


def test_a_missing_extra_is_an_error_that_installs_it() -> None:
    require_extra("train", "os", "json")
    with pytest.raises(SignwiseError) as caught:
        require_extra("train", "os", "no_such_module", "nor_this")
    assert str(caught.value) == (
        "this needs no_such_module, nor_this: run pip install 'signwise[train]'"
    )


def test_errors_are_values_that_a_user_gave() -> None:
    assert issubclass(UnreadableImage, SignwiseError)
    assert issubclass(SignwiseError, ValueError)


QUOTA, PERIOD = "cpu.cfs_quota_us", "cpu.cfs_period_us"


@pytest.mark.parametrize(
    ("groups", "files", "cores"),
    [
        ("0::/\n", {"cpu.max": "max 100000"}, 8),
        ("0::/\n", {"cpu.max": "50000 100000"}, 1),
        ("0::/\n", {"cpu.max": "250000 100000"}, 3),
        ("0::/a/b\n", {"cpu.max": "max 100000", "a/cpu.max": "200000 100000"}, 2),
        ("0::/a\n", {"a/cpu.max": "900000 100000"}, 8),
        ("4:memory:/\n3:cpu,cpuacct:/x\n", {f"cpu/x/{QUOTA}": "4", f"cpu/x/{PERIOD}": "1"}, 4),
        ("3:cpu:/docker/1\n", {f"cpu/{QUOTA}": "150000", f"cpu/{PERIOD}": "100000"}, 2),
        ("3:cpu:/\n", {f"cpu/{QUOTA}": "-1", f"cpu/{PERIOD}": "100000"}, 8),
        ("nonsense\n0::/\n", {"cpu.max": "much"}, 8),
    ],
)  # fmt: skip
def test_the_quota_of_a_container_counts(
    groups: str,
    files: dict[str, str],
    cores: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "own").write_text(groups)
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content + "\n")
    monkeypatch.setattr(runtime, "CGROUPS", tmp_path)
    monkeypatch.setattr(runtime, "CGROUPS_OF_PROCESS", tmp_path / "own")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert available_cores() == cores


@pytest.mark.parametrize(
    ("asked", "threads"),
    [(None, 8), ("3", 3), ("12", 12), ("2,4", 2), (" 5 ", 5), ("0", 8), ("-1", 8), ("9" * 400, 8)],
)  # fmt: skip
def test_threads_are_as_many_as_the_user_has_set(
    asked: str | None, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "available_cores", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", asked or "")
    if asked is None:
        monkeypatch.delenv("OMP_NUM_THREADS")
    assert default_threads() == threads


def test_signwise_that_is_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    assert runtime.own_version() == importlib.metadata.version("signwise")
    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert runtime.own_version() == "unknown"
