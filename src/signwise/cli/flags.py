"""Arguments as a verb's command line spells them, in the texts of errors and warnings; its help."""

import ast
import inspect
import re
from collections.abc import Callable, Sequence

from signwise.config import Config
from signwise.config.meant import meant

ARGUMENT = re.compile("`([a-z_.]+)`")
"""An argument as `errors` says that texts name it."""


def documentation(verb: Callable[..., object]) -> str:
    """The verb's docstring; from its source where `python -OO` has dropped it."""
    if verb.__doc__ is not None:
        return verb.__doc__
    try:
        (function,) = ast.parse(inspect.getsource(verb)).body
    except (OSError, SyntaxError, ValueError):
        return " "
    return (isinstance(function, ast.FunctionDef) and ast.get_docstring(function)) or " "


def in_flags(text: str, verb: Callable[..., object] | None) -> str:
    """The text with each argument in backticks as the verb's command line has it.

    A flag becomes `--batch-size`, a positional argument `SOURCE`; what the verb does not take, as a
    setting that only a file for --config can have, loses its backticks, as all do without a verb.
    """
    parameters = {} if verb is None else inspect.signature(verb).parameters
    flags = _flags_of(verb)
    positional = {name for name, each in parameters.items() if each.kind is each.POSITIONAL_ONLY}

    def spelt(match: re.Match[str]) -> str:
        name = match[1]
        if name in flags:
            return "--" + name.replace("_", "-")
        return name.upper() if name in positional else name

    return ARGUMENT.sub(spelt, text)


def unknown_flags(arguments: Sequence[str], verb: Callable[..., object]) -> list[str]:
    """A line for each flag that the verb does not take and that was likely meant for another."""
    flags = _flags_of(verb)
    there = {*flags, *(f"no_{each}" for each in flags), "help", "h", ""}
    lines = []
    for argument in arguments:
        name = argument.partition("=")[0].lstrip("-").replace("-", "_")
        if not argument.startswith("-") or name in there:
            continue
        if "." in name and name.partition(".")[0] in _parts_of(verb):
            lines.append(f"{argument}: a setting of this kind goes into a file: --config FILE")
        elif close := meant(name, [f"--{each}".replace("_", "-") for each in flags]):
            lines.append(f"{argument.partition('=')[0]}:{close}")
    return lines


def _flags_of(verb: Callable[..., object] | None) -> set[str]:
    """The names of the verb's flags; what is nested in its settings is none."""
    parameters = {} if verb is None else inspect.signature(verb).parameters
    flags = {name for name, each in parameters.items() if each.kind is each.KEYWORD_ONLY}
    if "settings" in parameters:
        flags.remove("settings")
        fields = vars(parameters["settings"].default).items()
        flags |= {name for name, value in fields if not isinstance(value, Config)}
    return flags


def _parts_of(verb: Callable[..., object]) -> set[str]:
    """The names of the parts of the verb's settings."""
    settings = inspect.signature(verb).parameters.get("settings")
    fields = {} if settings is None else vars(settings.default)
    return {name for name, value in fields.items() if isinstance(value, Config)}
