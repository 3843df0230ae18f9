"""What the service takes at once and how long it waits for a client, and the gate that holds it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.exceptions import HTTPException

MIB = 2**20


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds on memory, on queues and on patience."""

    body_bytes: int = 32 * MIB
    """Of one request; larger ones get 413."""
    pictures: int = 64
    """Of one request; more get 413."""
    in_work: int = 64
    """Pictures that were taken and are not answered yet; what would be more gets 503, unless
    nothing else is in work."""
    heat_maps: int = 16
    """Pictures that may wait for a heat map, counted likewise."""
    held_bytes: int = 256 * MIB
    """All bodies in memory at once."""
    batch_wait_seconds: float = 0.002
    """How long a batch waits for pictures that are still being decoded."""
    head_seconds: float = 10
    """Until the head of a request is there; as long a client may take nothing of its answer."""
    idle_seconds: float = 10
    """Between two parts of a body."""
    body_seconds: float = 60
    """For a whole body."""
    stop_seconds: float = 90
    """For requests in work to end after a signal to stop."""


class Gate:
    """Counts what is in work, and refuses what would be too much with 503."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.pictures = 0
        self.heat_maps = 0
        self.bytes = 0

    def check(self) -> None:
        """Refuse before the body is read where nothing could be taken now."""
        if self.pictures >= self.limits.in_work:
            raise _busy()

    @contextmanager
    def body(self) -> Iterator["Body"]:
        """Give what counts the bytes of one body, until the block ends."""
        held = Body(self)
        try:
            yield held
        finally:
            self.bytes -= held.bytes

    @contextmanager
    def work(self, pictures: int) -> Iterator[None]:
        """Take pictures into work, until the block ends."""
        if self.pictures and self.pictures + pictures > self.limits.in_work:
            raise _busy()
        self.pictures += pictures
        try:
            yield
        finally:
            self.pictures -= pictures

    @contextmanager
    def maps(self, pictures: int) -> Iterator[None]:
        """Take pictures whose heat maps are to be drawn, until the block ends."""
        if self.heat_maps and self.heat_maps + pictures > self.limits.heat_maps:
            raise _busy()
        self.heat_maps += pictures
        try:
            yield
        finally:
            self.heat_maps -= pictures


class Body:
    """The bytes of one body that are in memory."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self.bytes = 0

    def add(self, count: int) -> None:
        """Count bytes that arrived; raises 413 and 503 where they are too many."""
        limits = self._gate.limits
        self.bytes += count
        self._gate.bytes += count
        if self.bytes > limits.body_bytes:
            raise too_large(limits)
        if self._gate.bytes > limits.held_bytes:
            raise _busy()


def too_large(limits: Limits) -> HTTPException:
    """413, for a body."""
    return HTTPException(413, f"the body is larger than {limits.body_bytes / MIB:g} MiB")


def too_many(limits: Limits) -> HTTPException:
    """413, for a number of pictures."""
    return HTTPException(413, f"more than {limits.pictures} pictures in one request")


def _busy() -> HTTPException:
    reason = "the service has as much work as it takes: try again"
    return HTTPException(503, reason, headers={"Retry-After": "1"})
