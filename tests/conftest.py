"""What holds for every test: no network, two threads, and no silent skip in CI."""

import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import signwise.training  # noqa: F401  (how OpenMP's threads wait, before torch is loaded)

# Before numpy or torch is imported: more threads than cores make the suite slower, not faster.
os.environ.setdefault("OMP_NUM_THREADS", "2")
# A plain terminal, whoever runs the tests.
os.environ.update(COLUMNS="80", NO_COLOR="1", TERM="dumb")
os.environ.pop("FORCE_COLOR", None)

ALLOWED_SKIPS = ("no GPU", "no ../shared")


@pytest.fixture(autouse=True, scope="session")
def offline() -> Iterator[None]:
    """Let tests connect to this machine alone: what needs the network fails at once."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, _only_loopback(getattr(socket.socket, name)))
        yield


def _only_loopback(connect: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: socket.socket, address: Any) -> Any:
        inet = self.family in (socket.AF_INET, socket.AF_INET6)
        if inet and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise OSError(f"tests run without network: no connection to {address[0]}")
        return connect(self, address)

    return guarded


def _fail_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not report.skipped or hasattr(report, "wasxfail") or os.environ.get("CI") != "true":
        return
    reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
    if not any(allowed in reason for allowed in ALLOWED_SKIPS):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {reason} (allowed: {', '.join(ALLOWED_SKIPS)})"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[Any]:
    """Turn a skip into a failure in CI, unless what is missing can't be installed there."""
    report = yield
    _fail_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[Any]:
    """The same for a whole file that is skipped."""
    report = yield
    _fail_skip(report)
    return report
