"""The command line: finds the verb, lets its signature parse the flags, turns errors into a line.

Nothing heavy is imported before a verb runs, so that `signwise --help` answers at once.
"""

import contextlib
import dataclasses
import errno
import gc
import inspect
import io
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from signwise.cli.flags import documentation, in_flags, unknown_flags
from signwise.cli.signals import STOPPED, Stopped, stopping
from signwise.cli.verbs import VERBS
from signwise.config import Config
from signwise.config.meant import meant
from signwise.errors import SignwiseError, ToldElsewhere, printable
from signwise.runtime import launched

SHELLS = ("bash", "zsh")
_PLACES = ("data", "unknown", "out")
"""Arguments that may lie in a store, and are text then: a Path would fold the slashes of s3://."""
HEARD_SECONDS = 5.0
"""So much later than the process that says what is wrong the others end, since a launcher then
stops all."""


def command() -> int:
    """What a shell starts: `main`, in a process that ends with it; gives the exit status.

    Python would look for garbage among all of torch's objects before it ends: 1.2 s of `train`
    (LOG.md).
    """
    try:
        return main()
    finally:
        gc.freeze()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; gives the exit status: 0 done, 1 done in part, 2 nothing done.

    130 and 143: stopped by Ctrl-C or SIGTERM, and cleaned up.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    _open_streams()
    shown = warnings.showwarning
    warnings.showwarning = partial(_one_line_warning, verb=_verb(arguments))
    try:
        with _silence(sys.stdout if _another_says_it(arguments) else None):
            return _run(arguments)
    finally:
        warnings.showwarning = shown


def _run(arguments: list[str]) -> int:
    try:
        with stopping():
            return _dispatch(arguments)
    except BrokenPipeError:
        _discard_output()  # the reader has seen enough, as `head` does
        return 0
    except ToldElsewhere:
        return 2
    except SignwiseError as error:
        return _fail(in_flags(str(error), _verb(arguments)))
    except OSError as error:
        _discard_output()
        if error.errno == errno.ENOENT and not error.filename:  # as os.getcwd has it
            return _fail("the folder that you are in is gone: change into another one")
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror or error}")
    except MemoryError:
        return _fail("out of memory: try smaller pictures, or fewer at a time")
    except KeyboardInterrupt as stop:
        if not _another_says_it(arguments):
            print("interrupted", file=sys.stderr)
        return stop.status if isinstance(stop, Stopped) else STOPPED + signal.SIGINT
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
        from signwise.cli import about, terminal

        terminal.show(about.versions(), sys.stdout)
        return 0
    if name == "--completion":
        return _print_completion(rest)
    if name not in VERBS:
        raise SignwiseError(f"no verb {name!r}{meant(name, VERBS)}: signwise --help lists them")

    silent = _another_says_it(arguments)
    try:
        with _silence(sys.stderr if silent else None):
            call = _parse(name, rest)
    except SignwiseError as error:
        if not silent:
            raise
        time.sleep(HEARD_SECONDS)
        raise ToldElsewhere(str(error)) from None
    except SystemExit as stop:  # tyro has printed the help, or what it can't parse
        if silent:
            time.sleep(HEARD_SECONDS)
            return _status(stop)
        for line in unknown_flags(rest, VERBS[name]):
            print(line, file=sys.stderr)
        return _status(stop)
    return call()


def _another_says_it(arguments: list[str]) -> bool:
    """Whether this is one of several processes that train, and not the one that speaks."""
    return arguments[:1] == ["train"] and launched().rank > 0


@contextlib.contextmanager
def _silence(stream: object) -> Iterator[None]:
    """Let what the block writes to this of the two streams go nowhere."""
    if stream is None:
        yield
        return
    turned = contextlib.redirect_stdout if stream is sys.stdout else contextlib.redirect_stderr
    with open(os.devnull, "w") as nowhere, turned(nowhere):  # noqa: PTH123 (a device, not a path)
        yield


def _status(stop: SystemExit) -> int:
    return stop.code if isinstance(stop.code, int) else 2 * bool(stop.code)


def _overview() -> str:
    width = max(len(name) for name in VERBS)
    lines = ["usage: signwise VERB ...", "", "A folder of sign photos in, a classifier out.", ""]
    for name, verb in VERBS.items():
        lines.append(f"  {name:<{width}}  {documentation(verb).splitlines()[0]}")
    lines += [
        "",
        "signwise VERB --help          what a verb takes",
        "signwise --version            versions and devices, for a bug report",
        f"signwise --completion SHELL   a completion script for {', '.join(SHELLS)}",
    ]
    return "\n".join(lines)


def _parse(name: str, rest: list[str]) -> Callable[[], int]:
    """The verb with its arguments filled in; raises SystemExit where tyro has had the last word."""
    import tyro

    verb = VERBS[name]
    positional, named = tyro.cli(
        _command(verb, rest), args=rest, prog=f"signwise {name}", config=_style()
    )
    if "settings" in named:
        # Checked only now: tyro would put what is out of range into a box of its own.
        kind = type((verb.__kwdefaults__ or {})["settings"])
        named["settings"] = kind(**vars(named["settings"]))
    return lambda: verb(*positional, **named)


def _style() -> tuple[Any, ...]:
    import tyro

    return (tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff)


def _command(verb: Callable[..., int], rest: list[str]) -> Callable[..., tuple[Any, ...]]:
    """A function with the verb's signature, for tyro to read, that gives back its arguments.

    Positional arguments are named in capitals. The defaults of the settings are those of --config
    or, to go on under, those of the run to resume; their nested parts are no flags.
    """
    import tyro

    def command(*positional: Any, **named: Any) -> tuple[Any, ...]:
        return positional, named

    parameters = []
    for name, parameter in inspect.signature(verb).parameters.items():
        hint, default = parameter.annotation, parameter.default
        if isinstance(hint, UnionType):
            hint = Union[get_args(hint)]  # noqa: UP007
        if parameter.kind is parameter.POSITIONAL_ONLY:
            hint = Annotated[hint, tyro.conf.arg(metavar=name.upper())]
            if get_origin(parameter.annotation) is tuple:
                # To check a tuple[str, ...], tyro would import typeguard: a tenth of a prediction.
                several = tyro.constructors.PrimitiveConstructorSpec(
                    nargs="*",
                    metavar=f"{name.upper()}...",
                    instance_from_str=tuple,
                    is_instance=lambda value: isinstance(value, tuple),
                    str_from_instance=list,
                )
                hint = Annotated[tuple, several]
        elif name in _PLACES and hint in (str, str | None):
            optional = "" if hint is str else "{None}|"
            hint = Annotated[hint, tyro.conf.arg(metavar=f"{optional}PATH")]
        elif name == "settings":
            settings = _stored_settings(type(default), rest) or default
            nested = {
                each.name: Annotated[each.type, tyro.conf.Suppress]
                for each in dataclasses.fields(hint)
                if isinstance(getattr(settings, each.name), Config)
            }
            body = {
                "__post_init__": lambda _: None,
                "__doc__": hint.__doc__,
                "__annotations__": nested,
            }
            hint = type(hint.__name__, (hint,), body)
            default = hint(**vars(settings))
        parameters.append(parameter.replace(annotation=hint, default=default))
    command.__doc__ = documentation(verb)
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return command


def _stored_settings(kind: type[Config], rest: list[str]) -> Config | None:
    file, out = _value_of("--config", rest), _value_of("--out", rest)
    if file is not None:
        return kind.from_file(Path(file))
    if out is not None and "--resume" in rest and (Path(out) / "config.json").is_file():
        return kind.from_file(Path(out) / "config.json")
    return None


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

    script = io.StringIO()
    try:
        with contextlib.redirect_stdout(script):
            tyro.extras.subcommand_cli_from_dict(
                {name: _command(verb, []) for name, verb in VERBS.items()},
                prog="signwise",
                args=["--tyro-print-completion", rest[0]],
                config=_style(),
            )
    except SystemExit as stop:
        # Where no flag fits, bash shall complete file names: DATA, MODEL and IMAGES are paths.
        print(script.getvalue().replace("complete -F", "complete -o default -F"))
        return _status(stop)
    raise AssertionError("tyro ends with the script")


def _fail(message: str) -> int:
    print(f"error: {printable(' '.join(message.split()))}", file=sys.stderr)
    return 2


def _open_streams() -> None:
    """Streams that take any text: a name that the terminal can't show is escaped, no error."""
    for name in ("stdout", "stderr"):  # closed by the caller: >&-
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _discard_output() -> None:
    """Send what is left in the buffer nowhere: Python's own flush at the end would fail again."""
    with (
        open(os.devnull, "w") as nowhere,  # noqa: PTH123 (a device, not a path)
        contextlib.suppress(OSError),  # a stream of the caller's, which is no file
    ):
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _verb(arguments: list[str]) -> Callable[..., int] | None:
    return VERBS.get(arguments[0]) if arguments else None


def _one_line_warning(
    message: Warning | str, *_: object, verb: Callable[..., int] | None, **__: object
) -> None:
    text = in_flags(" ".join(str(message).split()), verb)
    print(f"warning: {printable(text)}", file=sys.stderr)
