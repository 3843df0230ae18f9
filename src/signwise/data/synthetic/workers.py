"""Many pictures on all cores, by plain subprocesses.

`multiprocessing` would run the user's own script again in every process, or fork a process that
has torch's threads; a subprocess that is told its job through a pipe does neither.
"""

import contextlib
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from signwise.machine import available_cores

T = TypeVar("T")

# Starting processes costs about as much as this many pictures.
SMALL = 300
CHUNK = 32
_START = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer);"
    "from signwise.data.synthetic.workers import serve; serve()"
)


def serve() -> None:
    """In a subprocess: read a job, then ranges, and answer each with the list of its results."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    # What a job prints must not get between the answers.
    sys.stdout = sys.stderr
    try:
        job = pickle.load(source)
        while (part := pickle.load(source)) is not None:
            pickle.dump([job(index) for index in range(*part)], sink, protocol=5)
            sink.flush()
    except (KeyboardInterrupt, BrokenPipeError, EOFError):
        # The process that asked is gone or has been stopped; it says so itself.
        os._exit(1)


def run(
    job: Callable[[int], T],
    count: int,
    workers: int | None = None,
    advance: Callable[[int], None] | None = None,
) -> list[T]:
    """The job's results for 0 to count - 1, in that order, whatever the number of workers.

    The job must be a function that a pickle can name. Without a number of workers all cores are
    used where the work is worth it.
    """
    processes = available_cores() if workers is None else workers
    processes = min(processes, -(-count // CHUNK))
    if processes <= 1 or not sys.executable or (workers is None and count < SMALL):
        results = []
        for index in range(count):
            results.append(job(index))
            if advance is not None:
                advance(1)
        return results
    parts = iter([(start, min(count, start + CHUNK)) for start in range(0, count, CHUNK)])
    answers: dict[int, list[T]] = {}
    lock = threading.Lock()

    def feed(process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        pickle.dump(sys.path, process.stdin)
        pickle.dump(job, process.stdin)
        for part in _locked(parts, lock):
            pickle.dump(part, process.stdin)
            process.stdin.flush()
            answer = pickle.load(process.stdout)
            with lock:
                answers[part[0]] = answer
                if advance is not None:
                    advance(len(answer))
        pickle.dump(None, process.stdin)
        process.stdin.close()
        process.wait()

    started = [_start() for _ in range(processes)]
    with ThreadPoolExecutor(processes) as threads:
        try:
            feeds = [threads.submit(feed, process) for process in started]
            wait(feeds, return_when=FIRST_EXCEPTION)
            failed = [error for done in feeds if done.done() and (error := done.exception())]
        finally:
            # Those that are done have ended; after an error, or Ctrl-C, the others must not go on.
            for process in started:
                process.kill()
    for process in started:
        process.wait()
        for pipe in (process.stdin, process.stdout):
            # What was left in a broken pipe has nobody to read it.
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
    if failed:
        raise RuntimeError("a rendering process ended before its work was done") from failed[0]
    return [result for start in sorted(answers) for result in answers[start]]


def _start() -> "subprocess.Popen[bytes]":
    # The arrays are small: threads of the linear algebra library would only stand in line.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", _START],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )


def _locked(parts: Iterator[Any], lock: threading.Lock) -> Iterator[Any]:
    while True:
        with lock:
            part = next(parts, None)
        if part is None:
            return
        yield part
