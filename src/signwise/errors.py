"""The few exceptions a user can meet, and how their texts name what was given.

A text names an argument in backticks, as the Python function has it: "`batch_size` must be at least
2". The command line shows its own spelling instead, `--batch-size` or `SOURCE`; see
`cli.flags.in_flags`.
"""

import importlib.util
import unicodedata


class SignwiseError(ValueError):
    """What was asked for can't be done: one line that names the file or argument, and the fix."""


class ToldElsewhere(SignwiseError):
    """The same, where another process of the run tells the user."""


class UnreadableImage(SignwiseError):
    """One picture can't be used; the text is the reason."""


def one_line(error: Exception) -> str:
    """What another library says was wrong, in one line, without what a terminal obeys."""
    text = (isinstance(error, OSError) and error.strerror) or str(error)  # without the path again
    return printable(" ".join(text.split()))


def printable(text: str) -> str:
    r"""The text for a terminal: control characters, which could move or hide things, as \xNN."""
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(letter: str) -> str:
    plain = letter.isprintable() or unicodedata.category(letter) == "Zs"  # spaces of any width
    return letter if plain else ascii(letter)[1:-1]


def require_extra(extra: str, *modules: str) -> None:
    """Check that the modules of an optional dependency can be found.

    Raises SignwiseError with the command that installs them.
    """
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise SignwiseError(f"this needs {', '.join(missing)}: run pip install 'signwise[{extra}]'")
