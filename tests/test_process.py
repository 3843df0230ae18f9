"""signwise as a process of its own: what it imports, and what its streams get."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import signwise
from toy import toy_folder, toy_model

HEAVY = ("torch", "torchvision", "pandas", "sklearn", "matplotlib", "scipy")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("process")
    toy_folder(root / "photos", per_class=6)
    toy_model(root / "toy.onnx")
    return root


def signwise_process(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "signwise", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_completion_is_valid_bash(tmp_path: Path) -> None:
    script = signwise_process(["--completion", "bash"]).stdout
    (tmp_path / "completion").write_text(script)
    assert subprocess.run(["bash", "-n", str(tmp_path / "completion")]).returncode == 0


def imported(code: str, *arguments: str) -> tuple[set[str], str]:
    """The top-level modules that a fresh interpreter has after the code, and its output."""
    program = (
        f"import sys\n{code}\nprint(*{{n.split('.')[0] for n in sys.modules}}, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split()), done.stdout


def test_predict_imports_nothing_heavy(folder: Path) -> None:
    picture = next((folder / "photos").rglob("*.png"))
    code = "from signwise.cli.main import main; main(sys.argv[1:])"
    modules, output = imported(code, "predict", str(folder / "toy.onnx"), str(picture))
    assert len(output.splitlines()) == 2
    assert not modules & set(HEAVY)
    assert "onnxruntime" in modules


def test_help_imports_nothing_but_python() -> None:
    modules, output = imported("from signwise.cli.main import main; main(['--help'])")
    assert "usage" in output
    assert not modules & {*HEAVY, "numpy", "onnxruntime", "tyro", "rich", "PIL"}


def test_import_signwise_is_light_and_lists_its_names() -> None:
    modules, output = imported("import signwise; print(dir(signwise))")
    assert not modules & {*HEAVY, "numpy", "onnxruntime", "tyro", "rich", "PIL", "json"}
    assert "Predictor" in output


def test_unknown_attribute() -> None:
    with pytest.raises(AttributeError, match="improve"):
        _ = signwise.improve


WITHOUT_TRAIN = """
import importlib.abc, importlib.util
find_spec = importlib.util.find_spec
HEAVY = ("torch", "torchvision", "pandas", "sklearn", "matplotlib", "onnx", "safetensors", "scipy")
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in HEAVY:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
importlib.util.find_spec = lambda name, *rest: None if name in HEAVY else find_spec(name, *rest)
from signwise.cli.main import main
status = main(sys.argv[1:])
print("status", status)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["demo", "--out", "demo"],
        ["synth", "out"],
        ["prepare", "photos", "--out", "data"],
        ["train", "data", "--out", "run"],
        ["evaluate", "toy.onnx", "--data", "data"],
    ],
)
def test_base_install_says_which_extra(arguments: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{WITHOUT_TRAIN}", *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.stdout == "status 2\n", done.stderr
    assert done.stderr.startswith("error: ")
    assert "pip install 'signwise[train]'" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_base_install_predicts_and_explains(folder: Path, tmp_path: Path) -> None:
    picture = str(next((folder / "photos").rglob("*.png")))
    model = str(folder / "toy.onnx")
    for arguments in (["predict", model, picture], ["explain", model, picture], ["models"]):
        done = subprocess.run(
            [sys.executable, "-c", f"import sys\n{WITHOUT_TRAIN}", *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )
        assert done.stdout.endswith("status 0\n"), done.stderr


def test_a_reader_that_leaves_is_no_error(folder: Path) -> None:
    command = f"{sys.executable} -m signwise predict {folder / 'toy.onnx'} {folder / 'photos'}"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} | true"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_any_name_is_printed_whatever_the_terminal_speaks(folder: Path, tmp_path: Path) -> None:
    picture = tmp_path / "标志.png"
    picture.write_bytes((folder / "photos" / "stop" / "00000_00000.png").read_bytes())
    for flags, wanted in ([], "标志.png,stop"), (["--json"], '标志.png", "label": "stop"'):
        done = subprocess.run(
            [sys.executable, "-m", "signwise", "predict", folder / "toy.onnx", picture, *flags],
            capture_output=True,
            env=os.environ | {"PYTHONIOENCODING": "latin-1"},
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert wanted in " ".join(done.stdout.decode().split()), "data are UTF-8"
    done = subprocess.run(
        [sys.executable, "-m", "signwise", "models"],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 0, done.stderr


def test_a_closed_standard_output_is_no_error(folder: Path) -> None:
    command = f"{sys.executable} -m signwise predict {folder / 'toy.onnx'} {folder / 'photos'} >&-"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_predicting_leaves_nothing_in_the_home(folder: Path, tmp_path: Path) -> None:
    picture = folder / "photos" / "stop" / "00000_00000.png"
    subprocess.run(
        [sys.executable, "-m", "signwise", "predict", folder / "toy.onnx", picture],
        check=True,
        capture_output=True,
        env=os.environ | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")},
    )
    assert not list(tmp_path.rglob("*")), "ONNX Runtime's telemetry is off"


def test_full_disk_under_standard_output() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "signwise", "--help"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": ""},
        )
    assert done.returncode == 2
    assert done.stderr == "error: No space left on device\n"
