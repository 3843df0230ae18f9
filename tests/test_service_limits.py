"""What the service refuses, and whom it does not wait for."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest

from serving import form, png, predict, raw, running, until_closed
from signwise import Predictor
from signwise.service.limits import Limits
from signwise.service.serve import Service
from toy import toy_model

TIGHT = Limits(
    body_bytes=20_000,
    pictures=4,
    in_work=4,
    heat_maps=2,
    held_bytes=60_000,
    head_seconds=0.3,
    idle_seconds=0.3,
    body_seconds=1,
)
CUT = r"reset|pipe|abort"
POST = b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_model(tmp_path_factory.mktemp("models") / "toy" / "model.onnx").parent


@pytest.fixture(scope="module")
def service(model: Path) -> Iterator[Service]:
    with running(model, TIGHT) as opened:
        yield opened


def test_too_many_pictures(service: Service) -> None:
    answer = predict(service, *[("a", png())] * 5)
    assert answer.status_code == 413
    assert answer.json() == {"detail": "more than 4 pictures in one request"}
    assert predict(service, *[("a", png())] * 4).status_code == 200


def test_too_many_other_parts(service: Service) -> None:
    parts = [(f"part{n}", ("", b"1")) for n in range(20)]
    answer = httpx.post(f"{service.url}/v1/predict", files=parts, trust_env=False)
    assert answer.status_code == 413
    assert answer.json() == {"detail": "more than 16 fields that hold no picture"}


def test_a_body_that_is_too_large(service: Service) -> None:
    large = b"0" * 20_001
    for path in ("/v1/predict", "/v2/models/toy/infer"):
        whole = httpx.post(f"{service.url}{path}", content=large, trust_env=False)
        assert whole.status_code == 413, "by its length"
        pieces = httpx.post(f"{service.url}{path}", content=iter([large]), trust_env=False)
        assert pieces.status_code == 413, "by what came"
        assert "larger than" in pieces.text


def test_a_body_that_is_announced_is_not_waited_for(service: Service) -> None:
    answer = raw(service, POST + b"Content-Length: 999999999999\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_who_goes_on_sending_what_was_refused_is_cut_off(service: Service) -> None:
    start = time.monotonic()
    with socket.create_connection(service.listener.getsockname(), timeout=10) as connection:
        connection.sendall(POST + b"Content-Length: 999999999999\r\n\r\n")
        with pytest.raises(OSError, match=CUT):  # noqa: PT012
            while time.monotonic() - start < 10:
                connection.sendall(b"0" * 10_000)
                time.sleep(0.01)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", b""),
        (b"GET / HT", b""),
        (b"GET /v1/models HTTP/1.1\r\nHost", b""),
        (POST + b"Content-Length: 100\r\n\r\n", b"HTTP/1.1 408 "),
        (POST + b"Content-Length: 100\r\n\r\nabc", b"HTTP/1.1 408 "),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n", b"HTTP/1.1 408 "),
    ],
)
def test_a_client_that_stops_sending_is_let_go(
    service: Service, sent: bytes, status: bytes
) -> None:
    answer = raw(service, sent)
    assert answer.startswith(status)
    assert bool(answer) == bool(status)
    assert predict(service, ("a", png())).status_code == 200


@pytest.mark.parametrize(
    "head", [b"GET /v1/models HTTP/1.1\r\n", POST + b"Content-Length: 1000\r\n\r\n"]
)
def test_a_client_that_sends_drop_by_drop_is_let_go(service: Service, head: bytes) -> None:
    start = time.monotonic()
    with socket.create_connection(service.listener.getsockname(), timeout=10) as connection:
        connection.sendall(head)
        connection.settimeout(0.05)
        while time.monotonic() - start < 10:
            try:
                connection.sendall(b"x")
                if not connection.recv(65536):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
    assert time.monotonic() - start < 9


def test_a_client_that_leaves_is_no_error(service: Service) -> None:
    with socket.create_connection(service.listener.getsockname(), timeout=10) as connection:
        connection.sendall(POST + b"Content-Length: 100\r\n\r\nabc")
        time.sleep(0.05)
    deadline = time.monotonic() + 10
    while 'outcome="gone"' not in metrics(service):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert 'outcome="failed"' not in metrics(service)


def test_a_client_that_takes_no_answer_is_let_go(service: Service) -> None:
    """A large file is asked for several times, more than the system keeps, and never read."""
    asking = b"GET /static-offline-docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(10)
        connection.connect(service.listener.getsockname())
        connection.sendall(asking * 10)
        time.sleep(1)
        with pytest.raises(OSError, match=CUT):  # noqa: PT012
            for _ in range(2):
                connection.sendall(asking)
                time.sleep(0.1)
    assert predict(service, ("a", png())).status_code == 200


def test_a_client_that_asks_without_end_is_cut_off(service: Service) -> None:
    asking = b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n" * 200_000
    with socket.create_connection(service.listener.getsockname(), timeout=10) as connection:
        with pytest.raises(OSError, match=CUT):
            connection.sendall(asking)
        assert predict(service, ("a", png())).status_code == 200


def metrics(service: Service) -> str:
    return httpx.get(f"{service.url}/metrics", trust_env=False).text


class SlowNetwork:
    """A network that, once it is held, waits until it is let go."""

    def __init__(self) -> None:
        self.free, self.holds = threading.Event(), threading.Event()
        self.free.set()


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> SlowNetwork:
    slow = SlowNetwork()
    scores = Predictor.scores

    def waiting(self: Predictor, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if not slow.free.is_set():
            slow.holds.set()
            assert slow.free.wait(20)
        return scores(self, pixels)

    monkeypatch.setattr(Predictor, "scores", waiting)
    return slow


def test_a_full_queue_is_503_with_retry_after(model: Path, network: SlowNetwork) -> None:
    with running(model, TIGHT) as service, ThreadPoolExecutor(4) as several:
        network.free.clear()
        taken = [several.submit(predict, service, ("a", png()), ("b", png())) for _ in range(2)]
        url = f"{service.url}/v2/models/toy/infer"
        deadline = time.monotonic() + 10
        while httpx.post(url, content=b"{}", trust_env=False).status_code != 503:
            assert time.monotonic() < deadline
        refused = predict(service, ("c", png()))
        assert refused.status_code == 503
        assert refused.headers["Retry-After"] == "1"
        assert "try again" in refused.json()["detail"]
        assert set(httpx.post(url, content=b"{}", trust_env=False).json()) == {"error"}
        assert httpx.get(f"{service.url}/v1/models", trust_env=False).status_code == 200
        network.free.set()
        assert [one.result().status_code for one in taken] == [200, 200]
        assert predict(service, ("a", png())).status_code == 200, "the room is free again"
        assert 'outcome="busy",route="/v1/predict"' in metrics(service)


def test_a_request_that_is_alone_is_taken_however_large(model: Path, network: SlowNetwork) -> None:
    limits = Limits(in_work=2, pictures=8)
    with running(model, limits) as service, ThreadPoolExecutor(2) as several:
        assert predict(service, *[("a", png())] * 8).status_code == 200
        network.free.clear()
        taken = several.submit(predict, service, ("a", png()))
        assert network.holds.wait(10)
        assert predict(service, *[("a", png())] * 8).status_code == 503
        network.free.set()
        assert taken.result().status_code == 200


def test_bodies_in_memory_are_bounded(service: Service) -> None:
    head = POST + b"Content-Length: 20000\r\n\r\n"
    address = service.listener.getsockname()
    connections = [socket.create_connection(address, timeout=10) for _ in range(4)]
    answers = []
    try:
        for connection in connections:
            connection.sendall(head + b"0" * 19_000)
        answers = [until_closed(connection)[:12] for connection in connections]
    finally:
        for connection in connections:
            connection.close()
    assert answers.count(b"HTTP/1.1 503") == 1
    assert answers.count(b"HTTP/1.1 408") == 3
    assert predict(service, ("a", png())).status_code == 200


def test_heat_maps_have_a_queue_of_their_own(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, drawing = threading.Event(), threading.Event()

    def waiting(_: Predictor, pixels: np.ndarray) -> np.ndarray:
        drawing.set()
        assert go_on.wait(20)
        return np.zeros(pixels.shape[:3], np.float32)

    monkeypatch.setattr("signwise.service.models.occlusion_map", waiting)
    with ThreadPoolExecutor(2) as several:
        taken = several.submit(predict, service, ("a", png()), ("b", png()), explain=1)
        assert drawing.wait(10)
        refused = predict(service, ("c", png()), explain=1)
        assert refused.status_code == 503
        assert predict(service, ("c", png())).status_code == 200, "answers go on"
        go_on.set()
        assert taken.result().status_code == 200


def test_a_bad_picture_never_spoils_its_batch(service: Service) -> None:
    with ThreadPoolExecutor(4) as several:
        answers = list(several.map(
            lambda n: predict(service, ("good", png(1))) if n % 2 else
            predict(service, ("bad", png()[: 20 + n])), range(20)
        ))  # fmt: skip
    for n, answer in enumerate(answers):
        assert answer.status_code == (200 if n % 2 else 422)


def test_what_is_no_http_is_refused(service: Service) -> None:
    assert raw(service, b"\x16\x03\x01 hello\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert predict(service, ("a", png())).status_code == 200


def test_form_of_httpx_is_read(service: Service) -> None:
    with httpx.Client(base_url=service.url, trust_env=False) as client:
        for _ in range(3):  # one connection
            assert client.post("/v1/predict", files=form(("a", png()))).status_code == 200
