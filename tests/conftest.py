"""What holds for every test: no network, two threads, no silent skip in CI; and what many share."""

import io
import os
import signal
import socket
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from PIL import Image

import signwise.training  # how OpenMP's threads wait, before torch is loaded

# Before numpy or torch is imported: more threads than cores make the suite slower, not faster.
os.environ.setdefault("OMP_NUM_THREADS", "2")
# A plain terminal, whoever runs the tests.
os.environ.update(COLUMNS="80", NO_COLOR="1", TERM="dumb")
os.environ.pop("FORCE_COLOR", None)

# A shell's background job ignores Ctrl-C, and so would every program that a test starts there.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in every run, however long they take on a loaded machine.
hypothesis.settings.register_profile(
    "signwise",
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("signwise")

ALLOWED_SKIPS = ("no GPU", "no ../shared", "another operating system")


@pytest.fixture(autouse=True, scope="session")
def offline() -> Iterator[None]:
    """Let tests connect to this machine alone: what needs the network fails at once."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, _only_loopback(getattr(socket.socket, name)))
        yield


@pytest.fixture(autouse=True, scope="session")
def cache_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of this session's own, which its workers share: the user's is left alone."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(base / "cache"))
        patch.setattr("platformdirs.user_cache_path", lambda name: base / "cache" / name)
        yield base / "cache"


@pytest.fixture(scope="session")
def toy_net() -> Iterator[str]:
    """The name of an architecture of a few neurons, which `train` takes as any of torchvision's."""
    from toy_training import toy_architecture

    with toy_architecture() as name:
        yield name


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that `prepare` wrote: 40 pictures of each of two classes. Leave it as it is."""
    from toy import toy_folder

    folder = tmp_path_factory.mktemp("prepared")
    photos = toy_folder(folder / "photos", per_class=40, frames=4)
    signwise.prepare(photos, folder / "data", image_size=16)
    return folder / "data"


@pytest.fixture(scope="session")
def trained_run(toy_net: str, prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was trained on `prepared`. Leave it as it is."""
    from toy_training import QUICK

    assert toy_net == QUICK.model
    out = tmp_path_factory.mktemp("trained") / "run"
    signwise.train(prepared, out, QUICK, epochs=6, keep_known=0.75)
    return out


@pytest.fixture
def plain_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """A white dot stands for every chart, and no heat map is computed: both take long."""
    import numpy as np

    content = io.BytesIO()
    Image.new("RGB", (1, 1), "white").save(content, "png")
    for module in ("charts", "confusion_chart"):
        monkeypatch.setattr(f"signwise.report.{module}.draw", lambda *_: content.getvalue())
    monkeypatch.setattr(
        "signwise.evaluation.examples.occlusion_map", lambda _, pixels: np.zeros(pixels.shape[:3])
    )


@pytest.fixture
def unfinished(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run ends with the error "finished" where it would calibrate and export: that takes long."""

    def finish(*_: object) -> None:
        raise signwise.SignwiseError("finished")

    monkeypatch.setattr("signwise.training.train.finish_run", finish)


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
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure in CI, unless what is missing can't be installed there."""
    report = yield
    _fail_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole file that is skipped."""
    report = yield
    _fail_skip(report)
    return report
