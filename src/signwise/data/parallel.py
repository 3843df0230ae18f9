"""One function over many chunks of pictures, in several processes, with progress."""

import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

from signwise.errors import SignwiseError
from signwise.machine import available_cores
from signwise.progress import track

Item = TypeVar("Item")
Result = TypeVar("Result")

# Starting a process costs about as much as reading this many small pictures.
WORTH_A_PROCESS = 1000


def map_chunks(
    function: Callable[[Item], Result],
    chunks: Sequence[Item],
    description: str,
    total: int,
    chunk_size: int,
    workers: int | None = None,
) -> Iterator[Result]:
    """The results of `function` in the order of the chunks, computed in several processes.

    Few pictures are done in this process. `total` counts pictures, `chunk_size` of them a chunk.
    Raises SignwiseError where a worker dies, as when the memory runs out.
    """
    count = workers or min(available_cores(), max(1, total // WORTH_A_PROCESS))
    with track(description, total) as advance:
        for number, result in enumerate(_results(function, chunks, min(count, len(chunks)))):
            advance(min(chunk_size, total - number * chunk_size))
            yield result


def _results(
    function: Callable[[Item], Result], chunks: Sequence[Item], workers: int
) -> Iterator[Result]:
    if workers <= 1:
        yield from map(function, chunks)
        return
    # Forking a process that has threads, as one with PyTorch in it has, can lock up: spawn.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        queue = iter(chunks)
        ahead = 4 * workers
        try:
            with _main_hidden():
                pending = [pool.submit(function, chunk) for chunk in islice(queue, ahead)]
            while pending:
                yield pending.pop(0).result()
                pending.extend(pool.submit(function, chunk) for chunk in islice(queue, 1))
        except BrokenProcessPool:
            raise SignwiseError("a worker process died: is the memory full?") from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _main_hidden() -> Iterator[None]:
    """Start workers that do not import the user's script, of which they need nothing.

    Otherwise a script without `if __name__ == "__main__"` would run again in every worker.
    """
    main = vars(sys.modules["__main__"])
    hidden: dict[str, object] = {
        name: main.pop(name) for name in ("__file__", "__spec__") if name in main
    }
    main["__spec__"] = None
    try:
        yield
    finally:
        main.update(hidden)
