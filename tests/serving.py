"""A service that answers on this machine, run by a thread; and what tests send to it."""

import io
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from signwise.service.limits import Limits
from signwise.service.serve import Service, open_service
from toy import toy_picture


@contextmanager
def running(
    models: str | Path | Sequence[str | Path], limits: Limits | None = None, **arguments: Any
) -> Iterator[Service]:
    """A service on a free port, which stops when the block ends."""
    service = open_service(models, limits=limits or Limits(), **arguments)
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        while not service.server.started:
            assert thread.is_alive(), "the service did not start"
            time.sleep(0.01)
        yield service
    finally:
        service.stop()
        thread.join(30)
        assert not thread.is_alive(), "the service did not stop"


def png(index: int | None = 0, seed: int = 0, size: int = 40) -> bytes:
    """A PNG of a sign of this class; None: of no class."""
    pixels = toy_picture(index, np.random.default_rng(seed), size)
    return encoded(pixels)


def encoded(pixels: np.ndarray) -> bytes:
    """The pixels as a PNG."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def form(*pictures: tuple[str, bytes]) -> list[tuple[str, tuple[str, bytes]]]:
    """The parts of a form, for httpx's `files`."""
    return [("files", picture) for picture in pictures]


def predict(service: Service, *pictures: tuple[str, bytes], **parameters: Any) -> httpx.Response:
    """What the service answers to the pictures, names and contents."""
    with httpx.Client(trust_env=False, timeout=30) as client:
        return client.post(f"{service.url}/v1/predict", files=form(*pictures), params=parameters)


def raw(service: Service, content: bytes, *, seconds: float = 10) -> bytes:
    """Send bytes as they are, and give all that comes until the connection ends."""
    with socket.create_connection(service.listener.getsockname(), timeout=seconds) as connection:
        connection.sendall(content)
        return until_closed(connection)


def until_closed(connection: socket.socket) -> bytes:
    """All that comes."""
    answer = b""
    try:
        while part := connection.recv(65536):
            answer += part
    except ConnectionResetError:
        pass
    return answer
