"""One function over many items: in this process, or in several, in the order of the items."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from signwise.errors import SignwiseError
from signwise.progress import track
from signwise.runtime import available_cores

Item = TypeVar("Item")
Result = TypeVar("Result")

WORTH_A_PROCESS = 1000
"""Starting a process costs about as much as reading this many small pictures."""
IDLE_SECONDS = 10


def map_chunks(
    function: Callable[[Item], Result],
    chunks: Sequence[Item],
    *,
    total: int,
    chunk_size: int,
    description: str | None = None,
    workers: int | None = None,
    worth_a_process: int = WORTH_A_PROCESS,
) -> Iterator[Result]:
    """The results of `function` in the order of the chunks.

    `total` counts pictures, `chunk_size` of them a chunk. Without a number of workers there are as
    many as the work is worth, `worth_a_process` pictures each, at most one a core; one is this very
    process. A description shows progress. Raises SignwiseError where a worker dies, as when the
    memory runs out.
    """
    count = workers or min(available_cores(), max(1, total // worth_a_process))
    results = _results(function, chunks, min(count, max(1, len(chunks))))
    if description is None:
        yield from results
        return
    with track(description, total) as advance:
        for number, result in enumerate(results):
            advance(min(chunk_size, total - number * chunk_size))
            yield result


def _results(
    function: Callable[[Item], Result], chunks: Sequence[Item], workers: int
) -> Iterator[Result]:
    if workers <= 1:
        yield from map(function, chunks)
        return
    # loky neither forks, which can lock up a process with PyTorch's threads in it, nor imports the
    # user's script again in every worker.
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import BrokenProcessPool

    # The arrays of a worker are small: more threads would only wait for each other. Workers end
    # soon after their work, so that their memory is free for what comes next.
    with parallel_config(
        "loky", n_jobs=workers, inner_max_num_threads=1, idle_worker_timeout=IDLE_SECONDS
    ):
        run = Parallel(return_as="generator", pre_dispatch="4*n_jobs", max_nbytes=None)
        results = run(delayed(function)(chunk) for chunk in chunks)
    try:
        yield from results
    except BrokenProcessPool:
        raise SignwiseError("a worker process died: is the memory full?") from None
