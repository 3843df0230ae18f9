"""Errors and warnings name arguments as the command line spells them, for each verb."""

import ast
import dataclasses
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import signwise
from console import failure
from signwise.cli.flags import in_flags
from signwise.cli.main import main
from signwise.cli.verbs import VERBS
from signwise.config import Config, TrainConfig
from signwise.synthetic.write import MAX_SIZE
from toy import toy_folder, toy_model

PACKAGE = Path(signwise.__file__).parent
QUOTED = re.compile(r"`([^`\s]+)`")


def texts(path: Path) -> Iterator[str]:
    """The string literals of a module that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documentation = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        found = isinstance(node, ast.Constant) and node not in documentation and node.value
        if isinstance(found, str):
            yield found


NAMED = sorted(
    {
        name
        for path in PACKAGE.rglob("*.py")
        if path.name not in ("flags.py", "data_page.py") and path.parent.name != "service"
        for text in texts(path)
        for name in QUOTED.findall(text)
    }
    - {"signwise"}  # the name of a metadata entry
)


def arguments_of(verb: str) -> set[str]:
    parameters = inspect.signature(VERBS[verb]).parameters
    names = set(parameters)
    if "settings" in parameters:
        settings = vars(parameters["settings"].default).items()
        names |= {name for name, value in settings if not isinstance(value, Config)}
    return names


def test_texts_name_arguments() -> None:
    assert {"out", "batch_size", "unknown", "images", "split", "resume"} <= set(NAMED)
    assert len(NAMED) > 20


@pytest.mark.parametrize("name", NAMED)
def test_what_a_text_names_is_an_argument_of_some_verb(name: str) -> None:
    assert any(name in arguments_of(verb) for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_no_backtick_reaches_the_command_line(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A flag that the verb's help lists, a positional argument in capitals, or the bare name."""
    main([verb, "--help"])
    words = set(capsys.readouterr().out.replace("[", " ").replace("...]", " ").split())
    for name in NAMED:
        shown = in_flags(f"`{name}` must be so", VERBS[verb]).removesuffix(" must be so")
        assert "`" not in shown
        if name in arguments_of(verb):
            assert shown != name
            assert shown in words
        else:
            assert shown == name


def test_a_name_becomes_the_verbs_own_spelling() -> None:
    predict, train = VERBS["predict"], VERBS["train"]
    text = "`batch_size` and `images`: see `model`, `epochs` and `optim.momentum`"
    assert in_flags(text, predict) == (
        "--batch-size and IMAGES: see MODEL, epochs and optim.momentum"
    )
    assert in_flags(text, train) == (
        "--batch-size and images: see --model, --epochs and optim.momentum"
    )
    assert in_flags(text, None) == "batch_size and images: see model, epochs and optim.momentum"
    assert in_flags("`A` and ``", train) == "`A` and ``", "what is no argument is left alone"


def test_every_setting_that_is_no_flag_loses_its_backticks() -> None:
    for each in dataclasses.fields(TrainConfig):
        for name in (each.name, f"{each.name}.part"):
            assert "`" not in in_flags(f"`{name}` must be so", VERBS["train"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("flags")
    toy_folder(root / "photos", per_class=9)
    toy_model(root / "toy.onnx")
    (root / "empty").mkdir()
    (root / "notes").mkdir()
    (root / "notes" / "mine.txt").write_text("dear diary")
    (root / "nested.json").write_text(json.dumps({"augmentation": {"noise": -1}}))
    (root / "part.json").write_text(json.dumps({"negatives": 3}))
    (root / "flat.json").write_text(json.dumps({"epochs": "many"}))
    return root


COMMANDS = {
    "synth new --per-class 0": "--per-class must be at least 1",
    "synth new --seed -1": "--seed must be at least 0",
    "synth new --size 2": f"--size must be between 8 and {MAX_SIZE}",
    "synth new --classes stop stop": "--classes must name at least one design, each once",
    "synth notes": "notes holds files that signwise did not write: give OUT a new folder",
    "download gtsrb new --classes 99=x": "--classes ",
    "prepare photos --out notes": "notes holds files that signwise did not write: give --out a new",
    "prepare photos --out photos/new": "--out ",
    "prepare photos --out new --split 0.5 0.5 0.5": "--split must be",
    "prepare photos --out new --group (": "--group ",
    "prepare photos --out new --exclude nowhere.csv": "--exclude ",
    "prepare photos --out new --image-size 0": "--image-size must be between 1 and 1024",
    "train photos --out new --epochs 0": "--epochs must be at least 1",
    "train photos --out new --keep-known 2": "--keep-known must be",
    "train photos --out new --config nested.json": "--config: augmentation.noise must be",
    "train photos --out new --config flat.json": "--config: --epochs must be a whole number",
    "train photos --out new --config part.json": "--config: negatives must be a JSON object, not 3",
    "evaluate toy.onnx --data photos": "toy.onnx is no run directory: say with --out where",
    "evaluate toy.onnx --data nowhere --out new": "--data nowhere does not exist",
    "evaluate toy.onnx --data photos --unknown nowhere --out new": "--unknown nowhere is no folder",
    "evaluate toy.onnx --data photos --unknown empty --out new": "--unknown empty holds no usable",
    "predict toy.onnx photos --threshold 2": "--threshold must be between 0 and 1, not 2.0",
    "predict toy.onnx photos --batch-size 0": "--batch-size must be at least 1, not 0",
    "predict toy.onnx photos --out rows.txt": "--out rows.txt: its name must end in",
    "predict toy.onnx empty": "IMAGES holds no picture",
    "explain toy.onnx empty": "IMAGES holds no picture",
    "explain toy.onnx photos --out notes": "did not write: give --out a new folder",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_an_error_names_the_flag(
    command: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    before = {path.name for path in folder.iterdir()}
    line = failure(capsys, *command.split())
    assert COMMANDS[command] in line.removeprefix("error: ")
    assert "`" not in line
    assert {path.name for path in folder.iterdir()} == before


def test_a_warning_names_the_flag(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for split in ("train", "val", "test"):
        toy_folder(tmp_path / "photos" / split, per_class=6, seed=len(split))
    command = ["prepare", tmp_path / "photos", "--out", tmp_path / "data", "--split", 0.8, 0.1, 0.1]
    assert main([str(part) for part in command]) == 0
    shown = capsys.readouterr().out
    assert "warning: --split has no effect" in " ".join(shown.split())
    assert main([*map(str, command), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert any(text.startswith("--split has no effect") for text in document["warnings"])
