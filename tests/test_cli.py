"""The command line: what is printed where, exit statuses, and what is not imported."""

import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest

import signwise
from console import failure
from signwise.cli import verbs
from signwise.cli.main import main
from signwise.cli.verbs import VERBS
from signwise.config import Config
from toy import toy_folder, toy_model, toy_unknown


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cli")
    toy_folder(root / "photos", per_class=18, size=24)
    toy_unknown(root / "others")
    toy_model(root / "toy.onnx")
    return root


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for name in VERBS:
        assert f"\n  {name} " in text
    assert max(map(len, text.splitlines()[1:])) <= 80  # tyro does not wrap the usage


def test_no_verb_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("usage:")
    assert "--help" in failure(capsys, "improve")


def help_entries(text: str) -> dict[str, str]:
    """What a help text says of each argument, by its name or flag."""
    entries: dict[str, str] = {}
    name = ""
    for line in text.replace("│", " ").splitlines():
        first, *rest = line.split() or [""]
        if line[:2] != "  " or not first.strip("-─"):  # the usage, or the title of a part
            name = ""
        elif line[2:3] in ("-", "[") or (line[2:3] != " " and first.isupper()):
            name = first.strip("[.]")
            entries[name] = " ".join(rest)
        elif name:  # what explains it is indented
            entries[name] += f" {line.strip()}"
    return entries


@pytest.mark.parametrize("name", VERBS)
def test_help_of_each_verb_explains_every_argument(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: signwise {name} ")
    assert max(map(len, text.splitlines()[1:])) <= 80  # tyro does not wrap the usage
    entries = help_entries(text)
    wanted = {"-h,"}
    for argument in inspect.signature(VERBS[name]).parameters.values():
        if argument.name == "settings":
            settings = vars(argument.default).items()
            wanted |= {flag(each) for each, value in settings if not isinstance(value, Config)}
        elif argument.kind is argument.POSITIONAL_ONLY:
            wanted.add(argument.name.upper())
        else:
            wanted.add(flag(argument.name))
    assert set(entries) == wanted
    for entry, said in entries.items():
        if entry != "-h,":
            explained = said.split(" (default:")[0].split(" (required)")[0]
            assert re.search(r"[a-z]{3,}.* [^ ]+\.$", explained), (entry, said)


def flag(argument: str) -> str:
    return "--" + argument.replace("_", "-")


def test_every_verb_is_a_python_function() -> None:
    for name in VERBS:
        assert name in signwise.__all__
        assert callable(getattr(signwise, name))


@pytest.mark.parametrize(
    "arguments",
    [["train"], ["train", "data", "--out", "run", "--epochs", "many"], ["predict"]],
)
def test_unparsable_command_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"signwise {arguments[0]}" in captured.err


def test_predict_writes_csv_to_standard_output(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(folder / "toy.onnx"), str(folder / "photos" / "stop")]) == 0
    captured = capsys.readouterr()
    header, *rows = captured.out.splitlines()
    assert header == "path,label,confidence,known,p_priority,p_stop,error"
    assert len(rows) == 18
    assert captured.err == ""


def test_json_is_one_document_and_nothing_else(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"")
    model = folder / "toy.onnx"
    commands: list[tuple[int, list[object]]] = [
        (0, ["prepare", folder / "photos", "--out", tmp_path / "data"]),
        (0, ["evaluate", model, "--data", tmp_path / "data", "--out", tmp_path / "e"]),
        (1, ["predict", model, folder / "photos", bad]),
        (0, ["predict", model, folder / "photos", "--out", tmp_path / "rows.csv"]),
        (0, ["explain", model, next(folder.rglob("*.png")), "--out", tmp_path / "x"]),
        (0, ["models"]),
    ]
    for status, command in commands:
        assert main([*map(str, command), "--json"]) == status, command
        document = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
        assert {"out", "counts", "problems"} <= set(document)
        wanted = [{"path": str(bad), "problem": "empty file"}] if status else []
        assert document["problems"] == wanted
        if command[0] == "predict":
            assert len(document["rows"]) == document["counts"]["images"]
        if command[0] == "evaluate":
            written = json.loads((tmp_path / "e" / "metrics.json").read_text())
            assert document["metrics"] == written


def test_human_output_says_what_was_measured_and_written(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = tmp_path / "data", tmp_path / "evaluation"
    assert main(["prepare", str(folder / "photos"), "--out", str(data)]) == 0
    assert f"wrote {data} (manifest.csv, data.json" in capsys.readouterr().out
    command = ["evaluate", str(folder / "toy.onnx"), "--data", str(data), "--out", str(out)]
    assert main([*command, "--unknown", str(folder / "others")]) == 0
    lines = capsys.readouterr().out.replace("\N{NO-BREAK SPACE}", " ").splitlines()
    metrics = json.loads((out / "metrics.json").read_text())
    text = " ".join(" ".join(lines).split())
    assert text.startswith(
        f"Correct on {metrics['correct']} of {metrics['n']} test pictures: 100 %"
    )
    accepted = metrics["unknown"]["accepted"]
    assert accepted == 8, "the threshold is 0"
    assert f"{accepted} of 8 pictures of no class were wrongly accepted" in text
    assert f"wrote {out} (metrics.json, predictions.csv, plots)" in lines
    assert lines[-1] == f"report {out / 'report.html'}"


def test_models_lists_each_model_that_ships(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    shown = capsys.readouterr().out
    rows = signwise.models().rows
    assert len(rows) >= 2
    for row in rows:
        (line,) = [line for line in shown.splitlines() if line.startswith(f"│ {row['name']} ")]
        assert line.split()[3:8:2] == [
            str(len(row["classes"])), str(row["image_size"]), str(row["megabytes"]),
        ]  # fmt: skip


def test_bad_inputs_are_listed_and_give_status_1(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(7):
        (tmp_path / f"{number}.png").write_bytes(b"no picture")
    out = tmp_path / "rows.csv"
    assert main(["predict", str(folder / "toy.onnx"), str(tmp_path), "--out", str(out)]) == 1
    text = capsys.readouterr().out
    assert "7 inputs could not be used" in text
    assert f"and 2 more: see {out}" in text


def test_errors_are_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "nowhere" in failure(capsys, "train", tmp_path / "nowhere", "--out", tmp_path / "r")
    assert "nowhere" in failure(capsys, "predict", tmp_path / "nowhere", "a.png", "--json")
    assert "IMAGES" in failure(capsys, "predict", folder / "toy.onnx")
    assert "--completion" in failure(capsys, "--completion", "abacus")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device", "a/b.npy"), "a/b.npy: No space left on device"),
        (PermissionError(13, "Permission denied", "a"), "a: Permission denied"),
        (OSError("the device\nis on fire"), "the device is on fire"),
        (MemoryError(), "out of memory"),
        (KeyError("oops"), "SIGNWISE_TRACEBACK=1"),
    ],
)
def test_any_exception_is_one_line(
    error: Exception,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(signwise, "models", fail)
    assert main(["models"]) == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert captured.err.startswith("error: ")
    assert words in captured.err


def test_interrupt_gives_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(signwise, "models", interrupt)
    assert main(["models"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_warnings_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import warnings

    def warn() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("rain\nis coming", stacklevel=1)
        raise signwise.SignwiseError("over")

    monkeypatch.setattr(signwise, "models", warn)
    with monkeypatch.context() as patch:
        patch.setattr(warnings, "showwarning", warnings.showwarning)
        assert main(["models"]) == 2
    assert capsys.readouterr().err.splitlines() == ["warning: rain is coming", "error: over"]


def test_what_is_printed_while_working_is_not_on_standard_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def chatty() -> Any:
        print("a library talks")
        raise signwise.SignwiseError("over")

    monkeypatch.setattr(signwise, "models", chatty)
    assert "over" in failure(capsys, "models", "--json")


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_knows_verbs_and_flags(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--completion", shell]) == 0
    script = capsys.readouterr().out
    assert "evaluate" in script
    assert "learning-rate" in script


def test_version_says_what_a_bug_report_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"signwise     {signwise.__version__}\n")
    for name in ("python", "cpu", "torch", "onnxruntime", "devices"):
        assert f"\n{name} " in text


def test_table_of_verbs_is_the_module() -> None:
    for name, verb in VERBS.items():
        assert getattr(verbs, name) is verb
