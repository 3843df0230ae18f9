"""Malformed requests by the hundred: no 500, no path of this machine, and the service lives on."""

import io
import random
import socket
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest
import schemathesis
from hypothesis import strategies
from PIL import Image
from schemathesis.checks import CHECKS
from schemathesis.core.result import Ok

from serving import form, png, predict, raw, running
from signwise.service.limits import Limits
from signwise.service.serve import Service
from toy import toy_model

CHECKED = ("not_a_server_error", "status_code_conformance", "content_type_conformance",
           "response_schema_conformance")  # fmt: skip
QUICK, THOROUGH = 10, 1200
"""Requests by schemathesis to each operation, and bodies made here; nightly."""
HURRIED = Limits(head_seconds=0.5, idle_seconds=0.5, body_seconds=1)


@contextmanager
def surviving(folder: Path, limits: Limits) -> Iterator[Service]:
    """A service that has to answer as ever in the end, and to have failed at nothing."""
    with running(toy_model(folder / "toy" / "model.onnx", size=4), limits) as opened:
        yield opened
        answer = predict(opened, ("a.png", png(1)))
        assert answer.json()["predictions"][0]["label"] == "stop", "it lives"
        counted = httpx.get(f"{opened.url}/metrics", trust_env=False).text
        assert 'outcome="failed"' not in counted


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with surviving(tmp_path_factory.mktemp("secret-place"), HURRIED) as opened:
        yield opened


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One that cuts off no client which a busy machine keeps from sending for half a second."""
    with surviving(tmp_path_factory.mktemp("secret-place"), Limits()) as opened:
        yield opened


def check(answer: bytes) -> None:
    """No server error but 503, and nothing of this machine in the answer."""
    for word in (b"secret-place", b"Traceback", b"site-packages", b"/src/", b".py"):
        assert word not in answer
    if answer:
        status = int(answer[9:12])
        assert status < 500 or status == 503


def by_schema(service: Service, examples: int) -> int:
    """Ask each operation of the OpenAPI document what it allows and forbids; gives how often."""
    schema = schemathesis.openapi.from_url(f"{service.url}/openapi.json")
    checks: list[Any] = [CHECKS.get_one(name) for name in CHECKED]
    asked = 0
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()

        modes = [schemathesis.GenerationMode.POSITIVE]
        if operation.method == "post":  # nothing can be wrong in the others
            modes.append(schemathesis.GenerationMode.NEGATIVE)

        @hypothesis.settings(
            max_examples=examples,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
            phases=[hypothesis.Phase.generate],
        )
        @hypothesis.given(
            case=strategies.one_of(*(operation.as_strategy(generation_mode=m) for m in modes))
        )
        def ask(case: schemathesis.Case[Any]) -> None:
            nonlocal asked
            asked += 1
            response = case.call(timeout=30)
            check(b"HTTP/1.1 %d \r\n" % response.status_code + response.content)
            case.validate_response(response, checks=checks)

        ask()
    assert asked >= examples
    return asked


def bomb(side: int) -> bytes:
    """A PNG of some hundred bytes that says it is side x side pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + head
        + chunk(b"IDAT", zlib.compress(bytes(10_000)))
        + chunk(b"IEND", b"")
    )


def malformed(random: random.Random) -> bytes:
    """One request, whole or damaged: cut, swapped, bombed."""
    picture = random.choice(
        [png(random.randrange(2), random.randrange(99)), bomb(3000), bomb(10**6), b""]
    )
    body = httpx.Request("POST", "http://x/", files=form(("a/../b.png", picture), ("b", png())))
    content = bytearray(body.read())
    kind = body.headers["Content-Type"]
    way = random.randrange(8)
    if way == 0:
        del content[random.randrange(len(content)) :]
    elif way == 1:
        for _ in range(random.randrange(1, 40)):
            content[random.randrange(len(content))] = random.randrange(256)
    elif way == 2:
        start = random.randrange(len(content))
        content[start:start] = content[: random.randrange(len(content))]
    elif way == 3:
        kind = random.choice(["image/png", "text/plain", "application/json", "multipart/form-data",
                              "multipart/form-data; boundary=", "multipart/form-data; boundary=x",
                              "\xff", "a" * 500])  # fmt: skip
    elif way == 4:
        content = bytearray(random.randbytes(random.randrange(500)))
    elif way == 5:
        content, kind = bytearray(picture), "image/png"
    length = len(content) + (random.choice([-7, 0, 5, 10**12]) if way == 6 else 0)
    path = random.choice(["/v1/predict", "/v1/predict?explain=1", "/v1/predict?model=../toy",
                          "/v2/models/toy/infer", "/v2/models/%2e%2e%2f/infer"])  # fmt: skip
    extra = f"Inference-Header-Content-Length: {random.randrange(-5, 900)}\r\n" if way == 7 else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {kind}\r\n{extra}"
    )
    head += f"Content-Length: {length}\r\n\r\n"
    return head.encode("latin-1") + bytes(content)


def by_hand(service: Service, count: int) -> None:
    """Damaged bodies over plain connections."""
    chance = random.Random(0)
    for number in range(count):
        request = malformed(chance)
        if number % 50 == 49:  # slow: half of it, and then nothing
            check(raw(service, request[: len(request) // 2]))
            continue
        with socket.create_connection(service.listener.getsockname(), timeout=30) as connection:
            try:
                connection.sendall(request)
                answer = b""
                while part := connection.recv(65536):
                    answer += part
            except (ConnectionResetError, BrokenPipeError):
                continue  # it was cut off: that is an answer, too
        check(answer)


def test_what_the_schema_allows_and_forbids(patient: Service) -> None:
    by_schema(patient, QUICK)


def test_damaged_bodies(service: Service) -> None:
    by_hand(service, 150)


def test_a_bomb_is_refused_before_it_is_decoded(service: Service) -> None:
    answer = predict(service, ("bomb.png", bomb(10**5)), ("a.png", png()))
    assert "more than the limit" in answer.json()["predictions"][0]["error"]
    with Image.open(io.BytesIO(bomb(100))) as image:
        assert image.size == (100, 100)


@pytest.mark.nightly
def test_five_thousand_malformed_requests(service: Service, patient: Service) -> None:
    by_hand(service, 3000)
    assert by_schema(patient, THOROUGH) >= 2000
