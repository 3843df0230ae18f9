"""A headless Chromium, driven over its debugging pipe: no driver and no package is needed."""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGUMENTS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-sandbox",  # in containers, where tests run as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--hide-scrollbars",
)


class Page:
    """One tab; everything that it asked for and complained of is kept."""

    def __init__(self, requests: Any, answers: Any) -> None:
        self._requests, self._answers, self._number = requests, answers, 0
        self._session: str | None = None
        self.requested: list[str] = []
        """Addresses that the page tried to load, its own file and data: apart."""
        self.complaints: list[str] = []
        """Console errors and warnings, exceptions, and the browser's own log."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def open(self, url: str, width: int, height: int = 900, *, dark: bool = False) -> None:
        """Load the page at a width in pixels of the page, light or dark, and wait for it."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 500,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=url)
        self._wait_for("Page.loadEventFired")

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited where it is a promise."""
        result = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def screenshot(self, path: Path) -> None:
        """Write a PNG of the whole page."""
        result = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(result["data"]))

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol and give its result."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        self._requests.write(json.dumps(message).encode() + b"\0")
        self._requests.flush()
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return dict(answer["result"])

    def _wait_for(self, event: str) -> None:
        while self._read().get("method") != event:
            pass

    def _read(self) -> dict[str, Any]:
        content = bytearray()
        while (byte := self._answers.read(1)) != b"\0":
            assert byte, "Chromium ended"
            content += byte
        message: dict[str, Any] = json.loads(content)
        self._keep(message.get("method"), message.get("params", {}))
        return message

    def _keep(self, method: str | None, found: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            url = found["request"]["url"]
            if not url.startswith("data:") and url != found["documentURL"]:
                self.requested.append(url)
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(found["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and found["type"] in ("error", "warning"):
            self.complaints.append(str(found["args"]))
        elif method == "Log.entryAdded":
            self.complaints.append(f"{found['entry']['text']} {found['entry'].get('url', '')}")


def find_browser() -> str:
    """The path of Chromium; without one the test is skipped, which CI counts as a failure."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    pytest.skip("no Chromium: install the package chromium")


@contextmanager
def open_browser(profile: Path) -> Iterator[Page]:
    """A page of a fresh browser with its profile in an empty folder; it ends with the block."""
    if sys.platform == "win32":
        pytest.skip("another operating system: no debugging pipe on Windows")
    program = find_browser()
    their_in, our_out = os.pipe()
    our_in, their_out = os.pipe()

    def connect() -> None:
        # Chromium reads from file 3 and writes to file 4. Both pipes are moved out of the way
        # first, since one of them may have been given these very numbers.
        first, second = os.dup(their_in), os.dup(their_out)
        while first in (3, 4):
            first = os.dup(first)
        while second in (3, 4):
            second = os.dup(second)
        os.dup2(first, 3)
        os.dup2(second, 4)

    with (profile / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, *ARGUMENTS, f"--user-data-dir={profile / 'profile'}"],
            preexec_fn=connect,
            close_fds=False,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    os.close(their_in)
    os.close(their_out)
    try:
        with os.fdopen(our_out, "wb") as requests, os.fdopen(our_in, "rb") as answers:
            yield Page(requests, answers)
    finally:
        process.terminate()
        process.wait(timeout=20)
