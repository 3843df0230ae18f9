"""uvicorn with patience that ends, and a stop that answers what was taken."""

import asyncio
import socket
from dataclasses import dataclass
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from signwise.service.limits import Limits

KEEP_ALIVE_SECONDS = 20
PIPELINED = 16
"""Requests that one connection may send ahead of the answers; uvicorn itself would keep any number.
"""
LAST_CALL_SECONDS = 0.3
"""After a signal to stop: requests that were on their way are still taken."""


@dataclass
class Life:
    """What the server tells the app."""

    stopping: bool = False


class Connection(HttpToolsProtocol):
    """A connection that is cut where its client is too slow.

    Bodies have limits of their own (`bodies`): this one cuts clients that send the head of a
    request drop by drop, or nothing at all, that go on sending what was refused, or that do not
    take their answer.
    """

    limits = Limits()

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._until: dict[str, asyncio.TimerHandle] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a first request."""
        super().connection_made(transport)
        # asyncio does so itself only where a socket names its protocol; else the end of an answer
        # waits 40 ms for the client's word that it has the head.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._wait("request")

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        for what in tuple(self._until):
            self._came(what)
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Wait for the rest of a head."""
        super().on_message_begin()
        self._wait("request")

    def on_headers_complete(self) -> None:
        """Leave the body to those who read it; cut off who asks and asks and waits for nothing."""
        self._came("request")
        super().on_headers_complete()
        if len(self.pipeline) > PIPELINED:
            self.transport.abort()

    def on_message_complete(self) -> None:
        """Wait for the next request, where the answer is out already."""
        super().on_message_complete()
        if self.cycle.response_complete:
            self._wait("request", KEEP_ALIVE_SECONDS)

    def on_response_complete(self) -> None:
        """Wait for the end of a body that nobody reads."""
        super().on_response_complete()
        if self.cycle.more_body:
            self._wait("request")

    def pause_writing(self) -> None:
        """Wait for the client to take what it was sent."""
        super().pause_writing()
        self._wait("taking")

    def resume_writing(self) -> None:
        """Go on."""
        super().resume_writing()
        self._came("taking")

    def timeout_keep_alive_handler(self) -> None:
        """Let go of who asks for nothing more."""
        self._let_go()

    def _wait(self, what: str, seconds: float | None = None) -> None:
        self._came(what)
        seconds = self.limits.head_seconds if seconds is None else seconds
        self._until[what] = self.loop.call_later(seconds, self._let_go)

    def _let_go(self) -> None:
        # Who does not take its answer would never let a closed connection end.
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def _came(self, what: str) -> None:
        if what in self._until:
            self._until.pop(what).cancel()


class Server(uvicorn.Server):
    """A server that ends well on SIGTERM and Ctrl-C."""

    def __init__(self, config: uvicorn.Config, life: Life) -> None:
        super().__init__(config)
        self._life = life

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop; a second signal stops more quickly."""
        if self._life.stopping:
            super().handle_exit(sig, frame)
            self._captured_signals.clear()  # or uvicorn would send it again, and not exit with 0
        self._life.stopping = True

    async def on_tick(self, counter: int) -> bool:
        """Stop once the last call is over."""
        if self._life.stopping and not self.should_exit:
            await asyncio.sleep(LAST_CALL_SECONDS)
            self.should_exit = True
        return await super().on_tick(counter)


def connections(limits: Limits) -> type[asyncio.Protocol]:
    """The kind of connection that has these limits."""
    return type("LimitedConnection", (Connection,), {"limits": limits})
