"""What the documentation says can be typed: every command line in it parses."""

import ast
import re
import shlex
from pathlib import Path

import pytest

import signwise
from signwise.cli.main import _parse
from signwise.cli.verbs import VERBS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    shlex.split(line, comments=True)
    for line in re.findall(r"^    (?:[A-Z_]+=\S+ )?signwise (.*)$", README, flags=re.MULTILINE)
]


def test_there_are_commands() -> None:
    assert {command[0] for command in COMMANDS} >= {"prepare", "train", "evaluate", "predict"}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_commands_of_the_readme_parse(command: list[str]) -> None:
    _parse(command[0], command[1:])


def test_python_of_the_readme_uses_public_names() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "signwise":
            assert node.attr in signwise.__all__


def test_every_verb_stands_in_the_readme() -> None:
    for name in VERBS:
        assert re.search(rf"^\| `{name}\b", README, flags=re.MULTILINE)


def test_links_of_the_documentation_lead_somewhere() -> None:
    for page in ROOT.glob("*.md"):
        for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (ROOT / target).exists(), (page.name, target)
