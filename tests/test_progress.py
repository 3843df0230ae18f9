"""The one progress display."""

import io
import sys

import pytest

from signwise import progress


def test_short_work_is_silent_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.track("reading", 3) as advance:
        advance(3)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_long_work_prints_plain_lines_to_standard_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "PLAIN_INTERVAL_SECONDS", 0.0)
    with progress.track("reading", 3) as advance:
        advance(1)
        advance(2)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == ["reading: 1 of 3", "reading: 3 of 3"]


def test_long_work_ends_with_its_total(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter((0.0, 12.0, 12.0, 13.0, 14.0))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(times))
    with progress.track("reading", 3) as advance:
        advance(1)
        advance(2)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["reading: 1 of 3", "reading: 3 of 3"]


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress.track("reading", 2) as advance:
        advance(2)
    assert "reading" in terminal.getvalue()
    assert "2/2" in terminal.getvalue()


@pytest.mark.parametrize("terminal", [False, True])
def test_an_error_inside_comes_out_as_it_is(
    terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    with pytest.raises(KeyError, match="inside"), progress.track("reading", 2):
        raise KeyError("inside")
