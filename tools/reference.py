"""docs/reference/, out of the code: `python tools/reference.py`. No page of it is typed by hand."""

import ast
import contextlib
import inspect
import io
import os
import re
import sys
from pathlib import Path
from typing import get_args

import signwise
from signwise.cli.main import main as run
from signwise.cli.verbs import VERBS
from signwise.config import Config, PrepareConfig, TrainConfig
from signwise.files import write_text

PAGES = Path(__file__).parents[1] / "docs" / "reference"
WIDTH = "88"
EXIT = """
## Exit status

| status | meaning |
|---|---|
| 0 | done |
| 1 | done, but some inputs could not be used; they are listed with reasons |
| 2 | nothing done; one line `error: ...` names the flag or file, and the fix |
| 130, 143 | stopped by Ctrl-C, by SIGTERM; for `serve` that is the normal end, 0 |

`--json` prints the result as one JSON document on standard output, and all else on standard error.
"""


def main(folder: Path = PAGES) -> None:
    """Write every page of the reference into the folder."""
    write_text(folder / "commands.md", commands())
    write_text(folder / "settings.md", settings())
    write_text(folder / "python.md", python())


def commands() -> str:
    """What each verb says of itself."""
    parts = ["# Commands", "What `signwise VERB --help` prints.", EXIT.strip()]
    for name in VERBS:
        parts += [f"## {name}", f"```text\n{_help(name)}\n```"]
    return "\n\n".join(parts) + "\n"


def _help(name: str) -> str:
    before = {key: os.environ.get(key) for key in ("COLUMNS", "NO_COLOR", "TERM")}
    os.environ.update(COLUMNS=WIDTH, NO_COLOR="1", TERM="dumb")
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            status = run([name, "--help"])
    finally:
        for key, value in before.items():
            os.environ.pop(key) if value is None else os.environ.update({key: value})
    assert status == 0, name
    return "\n".join(line.rstrip() for line in out.getvalue().strip().splitlines())


def settings() -> str:
    """Every setting with its default and its meaning."""
    parts = [
        "# Settings",
        "Flat settings are flags, with dashes: `learning_rate` is "
        "`--learning-rate`. Those with a dot are for files: for `--config`, for `tune --space`.",
    ]
    for title, kind in (("train", TrainConfig), ("prepare", PrepareConfig)):
        parts += [f"## {title}", _table(kind(), "")]
        for name, part in vars(kind()).items():
            if isinstance(part, Config):
                about = (inspect.getdoc(type(part)) or "").splitlines()[0]
                parts += [f"### {name}", about, _table(part, f"{name}.")]
    return "\n\n".join(parts) + "\n"


def _table(config: Config, prefix: str) -> str:
    about = field_docs(type(config))
    rows = [
        f"| `{prefix}{name}` | `{_default(value)}` | {_cell(about[name])} |"
        for name, value in vars(config).items()
        if not isinstance(value, Config)
    ]
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *rows])


def _default(value: object) -> str:
    return "not set" if value is None else str(value).replace("|", "\\|")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def field_docs(kind: type) -> dict[str, str]:
    """The docstring under each field of a dataclass."""
    (body,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    name = ""
    for node in body.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
        elif name and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            found[name] = str(node.value.value)
            name = ""
    return found


def python() -> str:
    """Every public name with its signature and docstring."""
    parts = [
        "# Python",
        "Each verb is a function of the same meaning that returns a typed result. Nothing heavy is "
        "imported before it is asked for.",
    ]
    for name in signwise.__all__:
        value = getattr(signwise, name)
        if name == "__version__":
            continue
        parts += [f"## signwise.{name}", f"```text\n{_signature(name, value)}\n```"]
        parts.append(_prose(inspect.getdoc(value) or ""))
        if inspect.isclass(value):
            parts += _methods(value)
    return "\n\n".join(parts) + "\n"


def _methods(kind: type) -> list[str]:
    parts = []
    for name, value in vars(kind).items():
        if not name.startswith("_") and inspect.isfunction(value) and value.__doc__:
            parts += [
                f"```text\n.{_signature(name, value)}\n```",
                _prose(inspect.getdoc(value) or ""),
            ]
    return parts


def _signature(name: str, value: object) -> str:
    assert callable(value)
    try:
        signature = inspect.signature(value)
    except ValueError:  # an exception of Python's own making
        return name
    lines = [f"    {_named_default(str(each))}," for each in signature.parameters.values()]
    if len(str(signature)) <= int(WIDTH) - len(name) or not lines:
        return f"{name}{_named_default(str(signature))}"
    returned = signature.return_annotation
    arrow = "" if returned is inspect.Signature.empty else f" -> {_named_default(_named(returned))}"
    return "\n".join([f"{name}(", *lines, f"){arrow}"])


def _named_default(text: str) -> str:
    """The text with names in place of where things lie: of functions in memory, of types."""
    text = re.sub(
        r"<function (?:<lambda>|(\w+)) at 0x[0-9a-f]+>", lambda found: found[1] or "...", text
    )
    text = re.sub(r"\b(?:[a-z_]+\.)+(?=\w)", "", text)
    return re.sub(r"ndarray\[tuple\[Any, \.\.\.\], dtype\[\w+\]\]", "ndarray", text)


def _named(annotation: object) -> str:
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation.__name__
    return str(annotation)


def _prose(text: str) -> str:
    return inspect.cleandoc(text).replace("<", "&lt;")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PAGES)
