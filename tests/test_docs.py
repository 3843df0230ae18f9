"""The documentation: its commands run, its links lead somewhere, its claims are tested."""

import ast
import contextlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import reference
import signwise
from serving import running
from signwise.cli.main import _parse, main
from signwise.cli.verbs import VERBS
from signwise.config import TrainConfig, dotted
from signwise.files import write_json
from toy_training import QUICK

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [DOCS / "tutorial.md", *sorted((DOCS / "how-to").glob("*.md"))]
TOY = "--model toy_net --weights none --epochs 1 --threads 1"
QUICKER = {
    "synth": "--per-class 60 --size 24",
    "prepare": "--image-size 16",
    "train": TOY,
    "tune": f"{TOY} --trials 2",
}
"""What the tests add to a command to be quick: the last of equal flags counts."""
SLOW = ("other-photos", "tune")
"""How-tos that are followed by night; by day their commands are read."""
FILES = {"flip.json": {"augmentation.flip": True}}
"""Files that pages name without showing them."""


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a language on a page."""
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def commands(page: Path) -> list[list[str]]:
    """The command lines of a page, in order, without the program's name."""
    lines = [line for block in blocks(page, "bash") for line in block.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("signwise ")]


def quick(command: list[str], folder: Path) -> list[str]:
    """The command with settings that make it quick."""
    more = QUICKER.get(command[0], "").split()
    if "--freeze" in command:
        more += ["--weights", str(folder / "run" / "model.safetensors")]
    if command[0] in ("train", "tune") and "--config" not in command:
        more = [*more, "--config", str(folder / "quick.json")]
    return command + more


@pytest.fixture(scope="module")
def place(toy_net: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which the tutorial was followed to its end."""
    assert toy_net == QUICK.model
    folder = tmp_path_factory.mktemp("docs")
    write_json(folder / "quick.json", {"negatives": QUICK.negatives.to_json()})
    for name, content in FILES.items():
        write_json(folder / name, dict(content))
    (space,) = blocks(DOCS / "how-to" / "tune.md", "json")
    (folder / "space.json").write_text(space)
    with contextlib.chdir(folder):
        follow(PAGES[0], folder)
        yield folder


def follow(page: Path, folder: Path) -> None:
    """Run every command and all Python of a page, but for a service, which would not end."""
    for command in commands(page):
        if command[0] == "serve":
            continue
        assert main(quick(command, folder)) == 0, command
    for block in blocks(page, "python"):
        exec(compile(block, page.name, "exec"), {})


def test_the_tutorial_leaves_what_it_says(place: Path) -> None:
    for name in (
        "data/report.html", "run/model.onnx", "run/README.md", "run/curves.png", "answers.csv",
        "run/evaluation/test/report.html", "run-int8/certificate.json", "compare/report.html",
    ):  # fmt: skip
        assert (place / name).is_file(), name


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
def test_the_service_of_the_tutorial_answers_its_curl(place: Path) -> None:
    (served,) = [command[1:] for command in commands(PAGES[0]) if command[0] == "serve"]
    (line,) = [one for one in blocks(PAGES[0], "sh") if one.startswith("curl ")]
    with contextlib.chdir(place), running(served) as service:
        command = shlex.split(line.replace("http://127.0.0.1:8000", service.url))
        asked = subprocess.run(
            [*command, "--silent", "--noproxy", "*"], capture_output=True, check=True, timeout=30
        )
    (row,) = json.loads(asked.stdout)["predictions"]
    assert row["path"] == "00000_00000.png"
    assert row["error"] is None


@pytest.mark.filterwarnings("ignore:.*learned nothing:UserWarning", "ignore::UserWarning:signwise")
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=page.stem, marks=[pytest.mark.nightly] if page.stem in SLOW else [])
        for page in PAGES[1:]
    ],
)
def test_a_how_to_can_be_followed(place: Path, page: Path) -> None:
    with contextlib.chdir(place):
        follow(page, place)


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.stem)
def test_every_command_parses(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, content in FILES.items():
        write_json(tmp_path / name, dict(content))
    write_json(tmp_path / "study" / "config.json", TrainConfig().to_json())
    for command in commands(page):
        _parse(command[0], command[1:])


def test_python_uses_public_names() -> None:
    found = 0
    for page in PAGES:
        for block in blocks(page, "python"):
            for node in ast.walk(ast.parse(block)):
                if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "signwise":
                    assert node.attr in signwise.__all__
                    found += 1
    assert found >= 3


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it, links checked."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(DOCS, folder / "docs", ignore=shutil.ignore_patterns("reference"))
    shutil.copy(ROOT / "zensical.toml", folder)
    reference.main(folder / "docs" / "reference")
    program = Path(sys.executable).with_name("zensical")
    built = subprocess.run(
        [program, "build", "--strict"],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONUTF8": "1"},
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_the_site_has_every_page_and_asks_no_server(site: Path) -> None:
    pages = {path.relative_to(site / "docs") for path in (site / "docs").rglob("*.md")}
    assert len(pages) >= 14
    for page in pages:
        text = (site / "site" / page.with_suffix(".html")).read_text(encoding="utf-8")
        asked = re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="?(https?:[^" >]+)', text)
        assert asked == []


def test_every_page_is_in_the_contents(site: Path) -> None:
    contents = (ROOT / "zensical.toml").read_text(encoding="utf-8")
    for path in (site / "docs").rglob("*.md"):
        assert f'"{path.relative_to(site / "docs").as_posix()}"' in contents


def test_the_reference_is_whole(site: Path) -> None:
    folder = site / "docs" / "reference"
    commands, settings, python = (
        (folder / f"{name}.md").read_text(encoding="utf-8")
        for name in ("commands", "settings", "python")
    )
    for verb in VERBS:
        assert f"\n## {verb}\n" in commands
        assert f"usage: signwise {verb} " in commands
    for name in dotted(TrainConfig().to_json()):
        assert f"\n| `{name}` | " in settings
    for name in signwise.__all__:
        assert name == "__version__" or f"\n## signwise.{name}\n" in python
    assert "Pictures of known classes in one step." in settings
    assert "0x" not in python, "a default that shows where it lies in memory"


def test_a_line_of_elsewhere_has_its_tests() -> None:
    lines = (DOCS / "elsewhere.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| ")][1:]
    assert len(rows) >= 12
    for row in rows:
        named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", row.rsplit("|", 2)[1])
        assert named, row
        for file, test in named:
            tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
            functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
            assert test in functions, f"{file}::{test}"


def test_figures_of_numbers_are_those_of_the_code() -> None:
    from signwise.evaluation.corruptions import CORRUPTIONS, SEVERITIES
    from signwise.metrics.calibration import BINS
    from signwise.metrics.paired import DRAWS
    from signwise.studies import MEANT_DIFFERENCE
    from signwise.study.holdout import HELD_OUT

    text = (DOCS / "numbers.md").read_text(encoding="utf-8")
    for said in (
        f"{len(CORRUPTIONS)} kinds at {len(SEVERITIES)} severities",
        f"{BINS} bins of equal mass",
        f"{DRAWS:,} times",
        f"true difference of {100 * MEANT_DIFFERENCE:.0f} points",
    ):
        assert said in text
    assert HELD_OUT == 0.25, "how-to/tune.md says a quarter"


def test_help_is_taken_as_it_is_shown() -> None:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["models", "--help"]) == 0
    first = out.getvalue().splitlines()[0]
    assert first in reference.commands()
