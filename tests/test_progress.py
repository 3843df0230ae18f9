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


class Clock:
    """Time that passes when a test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 1000.0
        monkeypatch.setattr("time.monotonic", lambda: self.seconds)


def test_long_work_prints_a_plain_line_every_ten_seconds_to_standard_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    with progress.track("reading", 9) as advance:
        for seconds in (9.9, 0.1, 9.9, 0.1, 5.0):
            clock.seconds += seconds
            advance(1)
        advance(4)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "reading: 2 of 9", "reading: 4 of 9", "reading: 9 of 9",
    ]  # fmt: skip


@pytest.mark.parametrize(("seconds", "lines"), [(9.9, []), (10.0, ["reading: 3 of 3"])])
def test_long_work_ends_with_its_total_once(
    seconds: float,
    lines: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch)
    with progress.track("reading", 3) as advance:
        clock.seconds += seconds
        advance(3)
    assert capsys.readouterr().err.splitlines() == lines


def test_work_that_ends_early_says_how_far_it_came(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.track("reading", 3) as advance:
        advance(2)
    assert capsys.readouterr().err.splitlines() == ["reading: 2 of 3"]


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


class Log:
    """A stream of an application: not all that a file has."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text


class Full(Log):
    """A log on a full disk."""

    def write(self, _: str) -> None:
        raise OSError(28, "No space left on device")


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [None, Log(), Full(), closed()], ids=range(4))
def test_work_goes_on_whatever_standard_error_is(
    stream: object, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    monkeypatch.setattr(sys, "stderr", stream)
    done = []
    with progress.track("reading", 3) as advance:
        progress.say("begun")
        clock.seconds += 60
        advance(1)
        done.append(1)
        advance(2)
    assert done == [1]
    assert capsys.readouterr().out == "", "standard output is for results"
    if type(stream) is Log:
        assert stream.text == "begun\nreading: 1 of 3\nreading: 3 of 3\n"


@pytest.mark.parametrize(
    ("done", "total", "seconds", "text"),
    [
        (3, 9, 4.0, "a &lt;b&gt;: 3 of 9, 8 s left"),
        (9, 9, 12.0, "a &lt;b&gt;: 9 of 9, 12 s"),
        (0, 9, 4.0, "a &lt;b&gt;: 0 of 9"),
        (5, None, 4.0, "a &lt;b&gt;: 5"),
    ],
)
def test_a_bar_below_a_cell_says_what_is_done_and_left(
    done: int, total: int | None, seconds: float, text: str
) -> None:
    bar = progress.cell_bar("a <b>", done, total, seconds)
    assert bar.endswith("</progress> " + text)
    assert ("max='9'" in bar) == (total is not None)


def test_long_work_in_a_notebook_shows_one_bar_in_place(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock, shown = Clock(monkeypatch), []

    class Handle:
        def update(self, bar: object) -> None:
            shown.append(("update", bar.data))  # type: ignore[attr-defined]

    def display(bar: object, *, display_id: bool) -> Handle:
        assert display_id
        shown.append(("display", bar.data))  # type: ignore[attr-defined]
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr("IPython.get_ipython", type("ZMQInteractiveShell", (), {}))
    with progress.track("reading", 4) as advance:
        advance(1)
    assert shown == []  # short work
    with progress.track("reading", 4) as advance:
        for seconds in (0.4, 0.2, 0.3, 0.5):
            clock.seconds += seconds
            advance(1)
    assert [how for how, _ in shown] == ["display", "update", "update"]
    assert shown[-1][1].endswith("reading: 4 of 4, 1 s")
    assert capsys.readouterr().err == ""
