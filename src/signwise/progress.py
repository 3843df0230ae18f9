"""One progress display for all long work."""

import contextlib
import html
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.display import DisplayHandle
    from rich.console import Console

PLAIN_INTERVAL_SECONDS = 10.0
CELL_INTERVAL_SECONDS = 0.5


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
    """Give `advance(n)`: a bar on a terminal and below a notebook's cell, plain lines elsewhere.

    Without a total, where it is known only at the end, what is done is counted.
    """
    if any(_muted):
        yield lambda _: None
    elif _on_terminal():
        yield from _bar(description, total)
    elif _in_notebook():
        yield from _cell(description, total)
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


def _in_notebook() -> bool:
    """Whether a notebook's kernel runs this: it has loaded IPython then."""
    found = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(found).__name__ == "ZMQInteractiveShell"


def _cell(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar below the cell, in place; short work shows none."""
    from IPython.display import HTML, display

    done, begun = 0, time.monotonic()
    last = begun
    shown: DisplayHandle | None = None

    def show() -> None:
        nonlocal last, shown
        last = time.monotonic()
        bar = HTML(cell_bar(description, done, total, last - begun))  # type: ignore[no-untyped-call]
        if shown is None:
            shown = display(bar, display_id=True)  # type: ignore[no-untyped-call]
        else:
            shown.update(bar)  # type: ignore[no-untyped-call]

    def advance(n: int) -> None:
        nonlocal done
        done += n
        if time.monotonic() - last >= CELL_INTERVAL_SECONDS:
            show()

    try:
        yield advance
    finally:
        if shown is not None:
            show()


def cell_bar(description: str, done: int, total: int | None, seconds: float) -> str:
    """HTML of a bar, and of the time that is left, or that it took where all is done."""
    of_all, time_text = "", ""
    if total is not None:
        of_all = f" of {total}"
    if total is not None and done:
        left = seconds * (total - done) / done
        time_text = f", {left:.0f} s left" if done < total else f", {seconds:.0f} s"
    value = "" if total is None else f" value='{done}' max='{total}'"
    return (
        f"<progress{value} style='vertical-align:middle'></progress> "
        f"{html.escape(description)}: {done}{of_all}{time_text}"
    )


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
