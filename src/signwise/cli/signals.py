"""What asks a program to stop: SIGTERM and SIGHUP end a verb as Ctrl-C does, cleaned up."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPPED = 128
"""A stopped program's exit status is this and the signal's number, as shells have it."""


class Stopped(KeyboardInterrupt):
    """The program was asked to stop; a KeyboardInterrupt, so that all code takes it for one."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = STOPPED + number


@contextmanager
def stopping() -> Iterator[None]:
    """Raise Stopped in the block where the system asks the program to stop.

    A second request while the first one is cleaned up changes nothing. What the program was told to
    ignore, as SIGHUP under nohup, stays ignored; handlers of others stay theirs.
    """
    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        yield  # Python hands signals to the main thread alone
        return
    numbers = [getattr(signal, name) for name in names]
    taken = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]

    def stop(number: int, _: FrameType | None) -> None:
        for each in taken:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(number)

    try:
        for number in taken:
            signal.signal(number, stop)
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)
