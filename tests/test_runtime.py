"""What this process and this machine lend, and the extras that a verb asks for."""

import os

import pytest

from signwise import runtime
from signwise.errors import SignwiseError, UnreadableImage, require_extra
from signwise.runtime import OPENMP_WAITING, available_cores, default_batch_size, let_openmp_sleep


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
