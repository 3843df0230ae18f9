"""Commands run in the tests' own process."""

import pytest

from signwise.cli.main import main


def failure(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run a command that must do nothing; gives its one line of error."""
    assert main([str(argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert lines[-1].startswith("error: ")
    assert "Traceback" not in captured.err
    return lines[-1]
