"""The verb serve: what it refuses, what it prints, and how it ends."""

import json
import logging
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from console import failure
from serving import form, png
from signwise.service.telemetry import close_log, open_log
from test_process import WITHOUT_TRAIN
from toy import toy_model

WITHOUT_TORCH = f"import sys\n{WITHOUT_TRAIN.partition('status')[0]}sys.exit(main(sys.argv[1:]))"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_model(tmp_path_factory.mktemp("models") / "toy" / "model.onnx").parent


@contextmanager
def serving(*arguments: object, log: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`signwise serve` as a process, without PyTorch, and its address; its log goes to a file."""
    command = [sys.executable, "-c", WITHOUT_TORCH, "serve", *map(str, arguments), "--port", "0"]
    with log.open("w") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)
    try:
        deadline = time.monotonic() + 60
        while '"serving"' not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        first = next(line for line in log.read_text().splitlines() if '"serving"' in line)
        yield process, json.loads(first)["url"]
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.skipif(sys.platform == "win32", reason="another operating system: no SIGTERM")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_under_load_leaves_no_request_without_its_answer(
    model: Path, tmp_path: Path, how: signal.Signals
) -> None:
    answers: list[int] = []
    stop = threading.Event()

    def ask(url: str) -> None:
        with httpx.Client(trust_env=False, timeout=30) as client:
            while not stop.is_set():
                try:
                    files = form(*[("a.png", png(1))] * 8)
                    answers.append(client.post(f"{url}/v1/predict", files=files).status_code)
                except httpx.TransportError:
                    return  # nobody listens any more; what was taken is counted below

    with (
        serving(model, log=tmp_path / "log") as (process, url),
        ThreadPoolExecutor(8) as several,
    ):
        asking = [several.submit(ask, url) for _ in range(8)]
        while len(answers) < 40:
            time.sleep(0.01)
        process.send_signal(how)
        output, _ = process.communicate(timeout=60)
        stop.set()
        for one in asking:
            one.result()
    assert process.returncode == 0
    assert set(answers) <= {200, 503}
    assert answers.count(200) > 40
    assert output.startswith("stopped after ")
    assert f"{len(answers):,} requests" in output
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [line["event"] for line in lines if line["level"] != "info"] == []
    assert lines[-1]["event"] == "stopped"
    assert sum(line["event"] == "request" for line in lines) == len(answers)
    assert all(line["model"] == "toy" for line in lines if line.get("status") == 200)


@pytest.mark.skipif(sys.platform == "win32", reason="another operating system: no SIGTERM")
def test_a_request_on_its_way_is_answered_and_new_ones_are_told_to_go(
    model: Path, tmp_path: Path
) -> None:
    with serving(model, "--json", log=tmp_path / "log") as (process, url):
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            content = png(1)
            head = f"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n"
            connection.sendall(head.encode() + content[:50])
            time.sleep(0.2)
            process.send_signal(signal.SIGTERM)
            time.sleep(0.15)
            ready = httpx.get(f"{url}/v2/health/ready", trust_env=False)
            assert ready.status_code == 503
            assert ready.headers["connection"] == "close"
            connection.sendall(content[50:])
            answer = b""
            while part := connection.recv(65536):
                answer += part
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in answer
        assert b'"label":"stop"' in answer
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    result = json.loads(output)
    assert result["counts"] == {"requests": 2, "pictures": 1}
    assert (result["models"], result["problems"]) == (["toy"], [])


def test_errors_of_the_command_line(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "does not exist" in failure(capsys, "serve", tmp_path / "none")
    again = toy_model(tmp_path / "toy" / "model.onnx")
    alike = failure(capsys, "serve", model, again)
    assert "two models are called 'toy'" in alike
    assert "MODELS is empty" in failure(capsys, "serve")
    assert "--port must be between 0 and 65535" in failure(capsys, "serve", model, "--port", 70000)
    assert "--root-path must begin with a slash" in failure(
        capsys, "serve", model, "--root-path", "signs"
    )
    missing = failure(capsys, "serve", model, "--api-key-file", tmp_path / "keys")
    assert "--api-key-file" in missing
    for content in ("", "\n\n", "short\n", "a-key-that-is-long-enough\nshort\n"):
        (tmp_path / "keys").write_text(content)
        found = failure(capsys, "serve", model, "--api-key-file", tmp_path / "keys")
        assert "a key a line, of at least 16 characters" in found


def test_a_port_in_use(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"--port {port} can't be had" in failure(capsys, "serve", model, "--port", port)


def test_a_host_that_is_not_there(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = failure(capsys, "serve", model, "--host", "192.0.2.1", "--port", 0)
    assert "--host 192.0.2.1" in text
    text = failure(capsys, "serve", model, "--host", "127.0.0..1", "--port", 0)
    assert "--host 127.0.0..1 is no address" in text


def test_the_log_leaves_loggers_as_they_were() -> None:
    logger = logging.getLogger("signwise.service")
    before = (list(logger.handlers), logger.propagate)
    close_log(open_log())
    assert (list(logger.handlers), logger.propagate) == before


@pytest.mark.skipif(sys.platform == "win32", reason="another operating system: no SIGTERM")
def test_the_log_is_json_and_quotes_no_damaged_body(model: Path, tmp_path: Path) -> None:
    kind = {"Content-Type": "multipart/form-data; boundary=abc"}
    with serving(model, log=tmp_path / "log") as (process, url):
        answer = httpx.post(f"{url}/v1/predict", content=b"xyz", headers=kind, trust_env=False)
        assert answer.status_code == 422
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [line["status"] for line in lines if line["event"] == "request"] == [422]


def test_serving_leaves_nothing_on_the_disk(model: Path, tmp_path: Path) -> None:
    """Large parts too are kept in memory: the service runs where nothing can be written."""
    home = tmp_path / "home"
    home.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME"):
            patch.setenv(name, str(home))
        with serving(model, log=tmp_path / "log") as (_, url):
            large = png(1, size=1500)
            assert len(large) > 2**20
            answer = httpx.post(f"{url}/v1/predict", files=form(("a", large)), trust_env=False)
            assert answer.json()["predictions"][0]["label"] == "stop"
    assert list(home.rglob("*")) == []
