"""One progress display for all long work."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PLAIN_INTERVAL_SECONDS = 10.0


@contextmanager
def track(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """Give `advance(n)`: a bar on standard error where it is a terminal, plain lines elsewhere."""
    if sys.stderr.isatty():
        yield from _bar(description, total)
    else:
        yield from _lines(description, total)


def _bar(description: str, total: int) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(description, total=total)
        yield lambda n: progress.advance(task, n)


def _lines(description: str, total: int) -> Iterator[Callable[[int], None]]:
    done, begun = 0, time.monotonic()
    last = begun

    def advance(n: int) -> None:
        nonlocal done, last
        done += n
        if time.monotonic() - last >= PLAIN_INTERVAL_SECONDS and done < total:
            last = time.monotonic()
            print(f"{description}: {done} of {total}", file=sys.stderr, flush=True)

    yield advance
    # Short work stays silent: a pipeline's log is not a terminal.
    if time.monotonic() - begun >= PLAIN_INTERVAL_SECONDS or done != total:
        print(f"{description}: {done} of {total}", file=sys.stderr, flush=True)
