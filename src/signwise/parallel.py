"""One function over many items: in this process, in several, or on a cluster, in their order."""

import multiprocessing
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TypeVar

from signwise.cluster import connected, spread
from signwise.errors import SignwiseError
from signwise.progress import track
from signwise.runtime import available_cores

Item = TypeVar("Item")
Result = TypeVar("Result")

WORTH_A_PROCESS = 1000
"""Starting a process costs about as much as reading this many small pictures."""
IDLE_SECONDS = 10
WATCH_SECONDS = 0.5
MOST_WORKERS = 60
"""Windows can't wait for many more."""
CHUNKS_AT_ONCE = 16
"""That one worker of a cluster gets: what is handed over costs some milliseconds."""
_on_cluster = ContextVar("on_cluster", default=False)


@contextmanager
def working_on(cluster: str | None) -> Iterator[None]:
    """While the block runs, `map_chunks` works on this cluster, if any: see `cluster.connected`."""
    if cluster is None:
        yield
        return
    with connected(cluster):
        token = _on_cluster.set(True)
        try:
            yield
        finally:
            _on_cluster.reset(token)


def on_cluster() -> bool:
    """Whether `map_chunks` works on other machines now, which see no temporary file of this one."""
    return _on_cluster.get()


def map_chunks(
    function: Callable[[Item], Result],
    chunks: Sequence[Item],
    *,
    total: int,
    chunk_size: int,
    description: str | None = None,
    workers: int | None = None,
    worth_a_process: int = WORTH_A_PROCESS,
    here: bool = False,
) -> Iterator[Result]:
    """The results of `function` in the order of the chunks.

    `total` counts pictures, `chunk_size` of them a chunk. Without a number of workers there are as
    many as the work is worth, `worth_a_process` pictures each, at most one a core; one is this very
    process. `here`: on this machine in any case. A description shows progress. Raises SignwiseError
    where a worker dies, as when the memory runs out.
    """
    count = workers or min(available_cores(), max(1, total // worth_a_process))
    if on_cluster() and not here:
        results = _elsewhere(function, chunks)
    else:
        results = _results(function, chunks, min(count, max(1, len(chunks)), MOST_WORKERS))
    if description is None:
        yield from results
        return
    with track(description, total) as advance:
        for number, result in enumerate(results):
            advance(min(chunk_size, total - number * chunk_size))
            yield result


def _elsewhere(function: Callable[[Item], Result], chunks: Sequence[Item]) -> Iterator[Result]:
    several = [
        chunks[start : start + CHUNKS_AT_ONCE] for start in range(0, len(chunks), CHUNKS_AT_ONCE)
    ]
    for results in spread(partial(_for_each, function), several, ordered=True):
        yield from results


def _for_each(
    function: Callable[[Item], Result],
) -> Callable[[Sequence[Item]], list[Result]]:
    return partial(_list_of, function)


def _list_of(function: Callable[[Item], Result], chunks: Sequence[Item]) -> list[Result]:
    return [function(chunk) for chunk in chunks]


def _results(
    function: Callable[[Item], Result], chunks: Sequence[Item], workers: int
) -> Iterator[Result]:
    if workers <= 1 or not _has_processes():
        yield from map(function, chunks)
        return
    # loky neither forks, which can lock up a process with PyTorch's threads in it, nor imports the
    # user's script again in every worker.
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import BrokenProcessPool

    # The arrays of a worker are small: more threads would only wait for each other. Workers end
    # soon after their work, so that their memory is free for what comes next. They watch this
    # process from their start: one that is killed before the first of them has work leaves them
    # waiting for a lock that nobody gives back.
    with parallel_config(
        "loky", n_jobs=workers, inner_max_num_threads=1, idle_worker_timeout=IDLE_SECONDS
    ):
        run = Parallel(
            return_as="generator",
            pre_dispatch="4*n_jobs",
            max_nbytes=None,
            initializer=_end_with,
            initargs=(os.getpid(),),
        )
        try:
            results = run(delayed(function)(chunk) for chunk in chunks)
        except OSError:  # no further process, or no memory to share, is to be had
            yield from map(function, chunks)
            return
    try:
        yield from results
    except BrokenProcessPool:
        raise SignwiseError("a worker process died: is the memory full?") from None


def _has_processes() -> bool:
    """Whether this process can have workers.

    A daemonic one, as in a multiprocessing.Pool or of Celery, may have none; without shared memory,
    as where /dev/shm is missing, they can't wait for each other.
    """
    if multiprocessing.current_process().daemon:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # joblib would say that it works in one process then
        import joblib

        return bool(joblib.effective_n_jobs(2) > 1)


def _end_with(parent: int) -> None:
    """Watch the process that started this worker: where it was killed, the worker ends, too.

    On Windows the number stays that of a process that is gone, and the worker ends when it is idle.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
