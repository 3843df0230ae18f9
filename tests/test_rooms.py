"""The house: a room imports only from those before it, and only training holds torch."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import signwise

PACKAGE = Path(signwise.__file__).parent
ROOMS = ("data", "training", "inference", "evaluation")
FILES = sorted(PACKAGE.rglob("*.py"))


def imported(body: list[ast.stmt] | ast.AST) -> Iterator[str]:
    """The modules that the code names, wherever the import stands."""
    nodes = body if isinstance(body, list) else ast.walk(body)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(parts: tuple[str, ...]) -> int | None:
    return ROOMS.index(parts[0]) if parts and parts[0] in ROOMS else None


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_follow_the_flow_of_data(path: Path) -> None:
    own = room(path.relative_to(PACKAGE).parts)
    code = ast.parse(path.read_text())
    inside = [name.split(".")[1:] for name in imported(code) if name.startswith("signwise.")]
    others = [rank for parts in inside if (rank := room(tuple(parts))) is not None]
    if own is not None:
        assert all(rank <= own for rank in others), f"{path} reaches into a later room"
        assert not any(parts[:1] in (["verbs"], ["cli"]) for parts in inside)
    at_once = {name.split(".")[0] for name in imported(code.body)}
    if own != ROOMS.index("training"):
        assert not at_once & {"torch", "torchvision"}, f"{path} loads torch at once"


def test_there_is_a_house() -> None:
    ranks = [room(path.relative_to(PACKAGE).parts) for path in FILES]
    assert all(ranks.count(index) > 5 for index in range(len(ROOMS)))
