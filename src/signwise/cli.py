"""The command line: finds the verb, lets its signature parse the flags, turns errors into a line.

Nothing heavy is imported before a verb runs, so that `signwise --help` answers at once.
"""

import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FunctionType
from typing import Annotated, Any, TextIO, get_origin

from signwise.config import Config
from signwise.errors import SignwiseError
from signwise.verbs import VERBS

INTERRUPTED = 130
"""Exit status of a program that the user stopped, as shells have it."""

SHELLS = ("bash", "zsh", "tcsh")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; gives the exit status: 0 done, 1 done in part, 2 nothing done."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    warnings.showwarning = _one_line_warning
    try:
        return _dispatch(arguments)
    except BrokenPipeError:
        _discard_output()  # the reader has seen enough, as `head` does
        return 0
    except SignwiseError as error:
        return _fail(str(error))
    except OSError as error:
        _discard_output()
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror or error}")
    except MemoryError:
        return _fail("out of memory: try a smaller --batch-size or --image-size")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        if os.environ.get("SIGNWISE_TRACEBACK"):
            raise
        kind = type(error).__name__
        return _fail(f"{kind}: {error} (a bug in signwise? SIGNWISE_TRACEBACK=1 shows where)")


def _dispatch(arguments: list[str]) -> int:
    name, rest = arguments[0] if arguments else "", arguments[1:]
    if name in ("", "-h", "--help"):
        print(_overview(), file=sys.stdout if name else sys.stderr, flush=True)
        return 0 if name else 2
    if name == "--version":
        from signwise import terminal

        terminal.show(terminal.versions(), sys.stdout)
        return 0
    if name == "--completion":
        return _print_completion(rest)
    if name not in VERBS:
        raise SignwiseError(f"no verb {name!r}: signwise --help lists them")

    import tyro

    try:
        return tyro.cli(
            _command(VERBS[name], rest),
            args=rest,
            prog=f"signwise {name}",
            config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff),
        )
    except SystemExit as stop:  # tyro has printed the help, or what it can't parse
        return stop.code if isinstance(stop.code, int) else 2


def _overview() -> str:
    width = max(len(name) for name in VERBS)
    lines = ["usage: signwise VERB ...", "", "A folder of sign photos in, a classifier out.", ""]
    for name, verb in VERBS.items():
        lines.append(f"  {name:<{width}}  {(verb.__doc__ or '').splitlines()[0]}")
    lines += [
        "",
        "signwise VERB --help          what a verb takes",
        "signwise --version            versions and devices, for a bug report",
        f"signwise --completion SHELL   a completion script for {', '.join(SHELLS)}",
    ]
    return "\n".join(lines)


def _command(verb: Callable[..., int], rest: list[str]) -> Callable[..., int]:
    """The verb as tyro shall read it: arguments named in capitals, stored settings as defaults.

    Stored are the settings of --config or, to go on under, those of the run to resume.
    """
    import tyro

    assert isinstance(verb, FunctionType)
    copy = FunctionType(verb.__code__, verb.__globals__, verb.__name__)
    copy.__doc__, copy.__kwdefaults__ = verb.__doc__, dict(verb.__kwdefaults__ or {})
    copy.__annotations__ = dict(verb.__annotations__)
    for name in verb.__code__.co_varnames[: verb.__code__.co_posonlyargcount]:
        hint: Any = verb.__annotations__[name]
        metavar = name.upper() + ("..." if get_origin(hint) is tuple else "")
        copy.__annotations__[name] = Annotated[hint, tyro.conf.arg(metavar=metavar)]
    file, out = _value_of("--config", rest), _value_of("--out", rest)
    if file is None and out is not None and "--resume" in rest:
        stored = Path(out) / "config.json"
        file = str(stored) if stored.is_file() else None
    if file is not None and "settings" in copy.__kwdefaults__:
        settings: Config = copy.__kwdefaults__["settings"]
        copy.__kwdefaults__["settings"] = type(settings).from_file(Path(file))
    return copy


def _value_of(flag: str, rest: list[str]) -> str | None:
    value = None
    for position, argument in enumerate(rest):
        if argument == flag and position + 1 < len(rest):
            value = rest[position + 1]
        elif argument.startswith(f"{flag}="):
            value = argument.removeprefix(f"{flag}=")
    return value


def _print_completion(rest: list[str]) -> int:
    if len(rest) != 1 or rest[0] not in SHELLS:
        raise SignwiseError(f"--completion wants one of {', '.join(SHELLS)}")

    import tyro

    try:
        tyro.extras.subcommand_cli_from_dict(
            {name: _command(verb, []) for name, verb in VERBS.items()},
            prog="signwise",
            args=["--tyro-print-completion", rest[0]],
            config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff),
        )
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 2
    return 0


def _fail(message: str) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return 2


def _discard_output() -> None:
    """Send what is left in the buffer nowhere: Python's own flush at the end would fail again."""
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123 (a device, not a path)
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _one_line_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    del category, filename, lineno, file, line
    print(f"warning: {' '.join(str(message).split())}", file=sys.stderr)
