"""Concurrent requests share batches: what waits goes through the network together."""

import asyncio
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from signwise.inference.predictor import Predictor
from signwise.service.telemetry import Measures


@dataclass(frozen=True, slots=True)
class Scores:
    """What the network says of N pictures."""

    probabilities: np.ndarray
    """float32 (N, K)."""
    known: np.ndarray
    """float32 (N,)."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    pixels: np.ndarray
    scores: asyncio.Future[Scores]
    since: float


class Batches:
    """The queue in front of one model. All but the network runs in the event loop's own thread.

    `coming`: how many requests were taken whose pixels are not in the queue yet.
    """

    def __init__(self, predictor: Predictor, wait_seconds: float, measures: Measures) -> None:
        self.coming = 0
        self._predictor = predictor
        self._wait_seconds = wait_seconds
        self._measures = measures
        self._waiting: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()

    async def scores(self, pixels: np.ndarray) -> Scores:
        """The scores of pixels uint8 (N, S, S, 3), as `Predictor.scores` gives them."""
        future: asyncio.Future[Scores] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(pixels, future, time.perf_counter()))
        self._arrived.set()
        return await future

    def nothing_comes(self) -> None:
        """Say that one of those coming has no pixels, so that nobody waits for it."""
        self._arrived.set()

    async def run(self) -> None:
        """Answer for ever; one batch is in the network while the next one gathers."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, thread_name_prefix="signwise-network") as network:
            while True:
                await self._gather()
                batch = self._take()
                try:
                    pixels = [one.pixels for one in batch]
                    whole = pixels[0] if len(pixels) == 1 else np.concatenate(pixels)
                    found = await loop.run_in_executor(network, self._predictor.scores, whole)
                except Exception as error:  # the next batch may do
                    for one in batch:
                        if not one.scores.done():
                            one.scores.set_exception(error)
                    continue
                start = 0
                for one in batch:
                    part = slice(start, start + len(one.pixels))
                    start = part.stop
                    if not one.scores.done():
                        one.scores.set_result(Scores(found[0][part], found[1][part]))

    async def _gather(self) -> None:
        """Wait for a picture, then a moment for those that are being decoded."""
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        until = self._waiting[0].since + self._wait_seconds
        while self.coming and self._pictures() < self._predictor.batch_size:
            self._arrived.clear()
            try:
                async with asyncio.timeout(until - time.perf_counter()):
                    await self._arrived.wait()
            except TimeoutError:
                return

    def _pictures(self) -> int:
        return sum(len(one.pixels) for one in self._waiting)

    def _take(self) -> list[_Waiting]:
        """Whole requests, in order, that fill a batch; a request larger than that goes alone."""
        batch: list[_Waiting] = []
        pictures = 0
        now = time.perf_counter()
        while self._waiting and (
            not batch or pictures + len(self._waiting[0].pixels) <= self._predictor.batch_size
        ):
            one = self._waiting.popleft()
            batch.append(one)
            pictures += len(one.pixels)
            self._measures.queue_seconds.observe(now - one.since)
        self._measures.batch_pictures.observe(pictures)
        return batch
