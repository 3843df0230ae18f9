"""Arguments as a verb's command line spells them, in the texts of errors and warnings."""

import inspect
import re
from collections.abc import Callable

from signwise.config import Config

ARGUMENT = re.compile("`([a-z_.]+)`")
"""An argument as `errors` says that texts name it."""


def in_flags(text: str, verb: Callable[..., object] | None) -> str:
    """The text with each argument in backticks as the verb's command line has it.

    A flag becomes `--batch-size`, a positional argument `SOURCE`; what the verb does not take, as a
    setting that only a file for --config can have, loses its backticks, as all do without a verb.
    """
    parameters = {} if verb is None else inspect.signature(verb).parameters
    flags = {name for name, each in parameters.items() if each.kind is each.KEYWORD_ONLY}
    positional = {name for name, each in parameters.items() if each.kind is each.POSITIONAL_ONLY}
    if "settings" in parameters:
        # What is nested in the settings is no flag.
        fields = vars(parameters["settings"].default).items()
        flags |= {name for name, value in fields if not isinstance(value, Config)}

    def spelt(match: re.Match[str]) -> str:
        name = match[1]
        if name in flags:
            return "--" + name.replace("_", "-")
        return name.upper() if name in positional else name

    return ARGUMENT.sub(spelt, text)
