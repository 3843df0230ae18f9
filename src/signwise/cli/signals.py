"""What asks a program to stop: SIGTERM and SIGHUP end a verb as Ctrl-C does, cleaned up."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

AGAIN_SECONDS = 0.02
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

    A second request while the first one is cleaned up changes nothing. One that comes while a
    destructor runs, where Python drops what is raised, comes again a moment later. An error that
    only the stopping gives rise to does not stand for it. What the program was told to ignore, as
    SIGHUP under nohup, stays ignored; handlers of others stay theirs.
    """
    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        yield  # Python hands signals to the main thread alone
        return
    numbers = [getattr(signal, name) for name in names]
    taken = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]

    timers: list[threading.Timer] = []
    hook = sys.unraisablehook

    def stop(number: int, _: FrameType | None) -> None:
        for each in taken:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(number)

    def dropped(found: "sys.UnraisableHookArgs") -> None:
        if not isinstance(found.exc_value, KeyboardInterrupt):
            hook(found)
            return
        number = signal.SIGINT
        if isinstance(found.exc_value, Stopped):
            number = signal.Signals(found.exc_value.status - STOPPED)
            for each in taken:
                signal.signal(each, stop)
        again = threading.Timer(AGAIN_SECONDS, _send, [number])
        again.daemon = True
        timers.append(again)
        again.start()

    try:
        sys.unraisablehook = dropped
        for number in taken:
            signal.signal(number, stop)
        yield
    except Exception as error:
        stopped = _stopped_by(error)
        if stopped is None:
            raise
        raise stopped from None
    finally:
        try:
            for again in timers:  # none of them is sent once the block has ended
                again.cancel()
            for again in timers:
                again.join()
        finally:
            sys.unraisablehook = hook
            for number in taken:
                signal.signal(number, signal.SIG_DFL)


def _stopped_by(error: BaseException | None) -> KeyboardInterrupt | None:
    """The request to stop that was being cleaned up when this error came."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__ or error.__cause__
    return error


def _send(number: signal.Signals) -> None:
    """Send this process the signal; its main thread wakes up from what it waits for."""
    if os.name == "nt":
        signal.raise_signal(number)
    else:
        os.kill(os.getpid(), number)
