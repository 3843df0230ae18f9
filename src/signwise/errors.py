"""The few exceptions a user can meet."""

import importlib.util


class SignwiseError(ValueError):
    """What a user did can't be done: one line that names the file or flag, and the mend."""


class UnreadableImage(SignwiseError):
    """One picture can't be used; the text is the reason."""


def require_extra(extra: str, *modules: str) -> None:
    """Check that the modules of an optional dependency can be found.

    Raises SignwiseError with the command that installs them.
    """
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise SignwiseError(f"this needs {', '.join(missing)}: run pip install 'signwise[{extra}]'")
