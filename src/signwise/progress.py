"""One progress display for all long work."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

PLAIN_INTERVAL_SECONDS = 10.0


_shown: list["Console"] = []
"""The consoles of the bars that are shown now."""
_muted: list[bool] = []


@contextmanager
def muted(really: bool = True) -> Iterator[None]:
    """Show and say nothing in the block, since another process does."""
    _muted.append(really)
    try:
        yield
    finally:
        _muted.pop()


def say(text: str) -> None:
    """A line on standard error, above the bar where one is shown."""
    if any(_muted):
        return
    if _shown:
        _shown[-1].print(text, highlight=False, markup=False)
    else:
        _print(text)


def _print(text: str) -> None:
    """A line on standard error, where there is one; that it can't be written stops no work."""
    if sys.stderr is None:
        return  # to print there would print on standard output
    with contextlib.suppress(OSError, ValueError):  # a full disk, a reader that is gone; closed
        print(text, file=sys.stderr)
        if hasattr(sys.stderr, "flush"):
            sys.stderr.flush()


def _on_terminal() -> bool:
    isatty = getattr(sys.stderr, "isatty", None)
    try:
        return isatty is not None and bool(isatty())
    except ValueError:  # closed
        return False


@contextmanager
def track(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Give `advance(n)`: a bar on standard error where it is a terminal, plain lines elsewhere.

    Without a total, where it is known only at the end, what is done is counted.
    """
    if any(_muted):
        yield lambda _: None
    elif _on_terminal():
        yield from _bar(description, total)
    else:
        yield from _lines(description, total)


def _bar(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
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
        _shown.append(progress.console)
        try:
            yield lambda n: progress.advance(task, n)
        finally:
            _shown.pop()


def _lines(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
    done, begun = 0, time.monotonic()
    last = begun
    of_all = "" if total is None else f" of {total}"

    def advance(n: int) -> None:
        nonlocal done, last
        done += n
        if time.monotonic() - last >= PLAIN_INTERVAL_SECONDS and (total is None or done < total):
            last = time.monotonic()
            _print(f"{description}: {done}{of_all}")

    yield advance
    # Short work stays silent: a pipeline's log is not a terminal.
    if time.monotonic() - begun >= PLAIN_INTERVAL_SECONDS or (total is not None and done != total):
        _print(f"{description}: {done}{of_all}")
