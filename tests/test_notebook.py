"""examples/quickstart.ipynb, executed from start to end."""

import ast
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import signwise

NOTEBOOK = Path(__file__).parents[1] / "examples" / "quickstart.ipynb"
SMALLER = {'"epochs": 3': '"epochs": 1', '"image_size": 64': '"image_size": 32', "=120": "=40"}
"""What a test changes in it to be quick: the settings, and how many pictures are rendered."""


@pytest.fixture
def notebook() -> nbformat.NotebookNode:
    found: nbformat.NotebookNode = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    return found


def test_it_is_stored_without_outputs(notebook: nbformat.NotebookNode) -> None:
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


def test_it_uses_public_names_only(notebook: nbformat.NotebookNode) -> None:
    source = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_")
            if isinstance(node.value, ast.Name) and node.value.id == "signwise":
                assert node.attr in signwise.__all__
        if isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith("signwise")


def test_the_settings_stand_in_the_first_cell(notebook: nbformat.NotebookNode) -> None:
    first = next(cell.source for cell in notebook.cells if cell.cell_type == "code")
    names = ("learning_rate", "batch_size", "momentum", "epochs", "weights", "freeze", "image_size")
    for name in names:
        assert f'"{name}": ' in first


@pytest.mark.filterwarnings("ignore::DeprecationWarning:jupyter_client", "ignore::ResourceWarning")
def test_every_cell_runs(
    notebook: nbformat.NotebookNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Plain settings of the tools, whatever the machine's user has configured.
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    for before, after in SMALLER.items():
        (cell,) = [cell for cell in notebook.cells if before in cell.source]
        cell.source = cell.source.replace(before, after)
    client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) >= 5
    bars = [output for output in outputs if "<progress" in str(output.get("data", {}))]
    assert any("training: " in str(bar) for bar in bars)
    text = "".join(output.get("text", "") for output in outputs)
    assert "0 of them in two splits" in text
    assert "torch was imported: False" in text
