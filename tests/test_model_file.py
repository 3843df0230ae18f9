"""model.onnx is found and checked before a runtime sees it."""

import contextlib
import json
from pathlib import Path

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from signwise.errors import SignwiseError
from signwise.inference.predictor import Predictor
from signwise.model_file import read
from signwise.model_file.read import find_model, models, read_model, shipped_models
from signwise.model_file.record import ModelRecord, parse_record
from signwise.model_file.write import write_model
from toy import toy_graph, toy_metadata, toy_model


def test_a_run_directory_and_a_file_are_found(tmp_path: Path) -> None:
    path = toy_model(tmp_path / "run" / "model.onnx")
    assert find_model(tmp_path / "run") == path
    assert find_model(str(path)) == path


def test_a_run_without_a_model_says_how_to_finish_it(tmp_path: Path) -> None:
    with pytest.raises(SignwiseError, match=r"holds no model\.onnx.*--resume"):
        find_model(tmp_path)


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    toy_model(folder / "toy" / "model.onnx", figures={"best_epoch": 3})
    toy_model(folder / "other" / "model.onnx", classes=("a", "b", "c"))
    monkeypatch.setattr(read, "SHIPPED_MODELS", folder)
    return folder


def test_a_shipped_name_is_found_where_nothing_on_disk_has_it(
    shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_model("toy") == shipped / "toy" / "model.onnx"
    mine = toy_model(tmp_path / "toy" / "model.onnx")
    assert find_model("toy").resolve() == mine


@pytest.mark.usefixtures("shipped")
@pytest.mark.parametrize("name", ["tow", "../models/tow", "toy/", "toy/model"])
def test_another_name_lists_what_ships(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SignwiseError, match=r"\(other, toy\)"):
        find_model(name)


def test_an_empty_name_is_not_the_folder_one_stands_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_model(tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SignwiseError, match="`model` is empty"):
        find_model("")
    assert find_model(".") == Path("model.onnx")


def test_prepared_data_are_no_run(tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text("{}")
    with pytest.raises(SignwiseError, match="is prepared data, and no run"):
        find_model(tmp_path)


def test_a_file_that_cannot_be_read_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = toy_model(tmp_path / "model.onnx")

    def refuse(*_: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(read, "read_regular", refuse)
    with pytest.raises(SignwiseError, match=r"model\.onnx can't be read \(Permission denied\)"):
        read_model(path)


def test_models_lists_what_ships_with_its_figures(shipped: Path) -> None:
    result = models()
    assert [row["name"] for row in result.rows] == ["other", "toy"]
    assert result.rows[1]["figures"] == {"best_epoch": 3}
    assert result.rows[0]["classes"] == ["a", "b", "c"]
    record = read_model(shipped / "other" / "model.onnx").record
    facts = {name: result.rows[0][name] for name in ("image_size", "crop", "threshold")}
    assert facts == {"image_size": 32, "crop": record.crop, "threshold": record.threshold}
    size = (shipped / "toy" / "model.onnx").stat().st_size
    assert result.rows[1]["megabytes"] == pytest.approx(size / 1e6, abs=0.005)
    assert result.counts == {"models": 2}
    assert result.rows[1]["path"] == str(shipped / "toy" / "model.onnx")


def test_models_is_empty_where_none_ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "SHIPPED_MODELS", tmp_path / "none")
    assert shipped_models() == {}
    assert models().rows == []


def test_what_ships_can_be_used() -> None:
    for path in shipped_models().values():
        assert Predictor(path).classes


def test_metadata_is_read_without_a_session(tmp_path: Path) -> None:
    file = read_model(toy_model(tmp_path / "model.onnx", ("x", "ÿ", "停"), 48, 0.25))
    assert file.record.classes == ("x", "ÿ", "停")
    assert (file.record.image_size, file.record.threshold) == (48, 0.25)
    assert json.loads(file.metadata)["figures"] == {"accuracy": 1.0}
    assert file.content == file.path.read_bytes()


def test_broken_metadata_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SignwiseError, match=r"metadata entry 'signwise' is broken .*image_size"):
        read_model(toy_model(tmp_path / "model.onnx", image_size=0))


@pytest.mark.parametrize("content", [b"", b"hello, this is text\n" * 50, b"\0" * 100, b"\xff" * 99])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(SignwiseError, match=r"model\.onnx is not a model, or is cut off"):
        Predictor(path)


def test_a_truncated_model_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    content = toy_model(tmp_path / "model.onnx").read_bytes()
    path = tmp_path / "cut.onnx"
    for length in range(0, len(content), 3):
        path.write_bytes(content[:length])
        with pytest.raises(SignwiseError, match=r"cut off|did not write"):
            read_model(path)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return toy_model(tmp_path_factory.mktemp("toy") / "model.onnx").read_bytes()


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged") / "model.onnx"


@given(data=st.data())
def test_a_damaged_model_is_read_or_refused_in_one_way(
    content: bytes, damaged: Path, data: st.DataObject
) -> None:
    changed = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed)))
        much = data.draw(st.integers(0, 3))
        changed[at : at + much] = data.draw(st.binary(max_size=3))
    damaged.write_bytes(changed)
    with contextlib.suppress(SignwiseError):
        assert read_model(damaged).record.classes


def test_what_is_written_is_read_and_replaces_an_earlier_record(tmp_path: Path) -> None:
    record = ModelRecord(classes=("priority", "stop"), image_size=32, threshold=0.25)
    model = toy_graph()
    helper.set_model_props(model, {"signwise": "old", "author": "somebody"})
    write_model(model, record, tmp_path / "model.onnx")
    found = read_model(tmp_path / "model.onnx")
    assert found.record == record
    written = onnx.load(str(tmp_path / "model.onnx"))
    assert [entry.key for entry in written.metadata_props] == ["signwise"]
    assert "signwise" in written.doc_string
    assert Predictor(tmp_path / "model.onnx").threshold == 0.25
    write_model(model, record, tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == found.content


def test_a_graph_that_is_no_onnx_is_not_written(tmp_path: Path) -> None:
    record = parse_record(json.dumps(toy_metadata()))
    model = toy_graph()
    model.graph.node[0].input[0] = "nothing"
    with pytest.raises(onnx.checker.ValidationError):
        write_model(model, record, tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


def test_an_onnx_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    onnx.save(toy_graph(), str(tmp_path / "other.onnx"))
    with pytest.raises(
        SignwiseError, match=r"other\.onnx is an ONNX file that signwise did not write"
    ):
        Predictor(tmp_path / "other.onnx")


def test_a_newer_format_says_to_update(tmp_path: Path) -> None:
    path = toy_model(tmp_path / "model.onnx", format=2)
    with pytest.raises(SignwiseError, match=r"newer format 2.*pip install -U signwise"):
        Predictor(path)


def with_images(kind: int, shape: list[str | int]) -> onnx.ModelProto:
    """The toy, its input changed."""
    model = toy_graph()
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("images", kind, shape))
    return model


def without_known() -> onnx.ModelProto:
    model = toy_graph()
    model.graph.output[1].name = model.graph.node[-1].output[0] = "certainty"
    return model


def with_two_inputs() -> onnx.ModelProto:
    model = toy_graph()
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))
    return model


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (toy_graph(size=16), r"images is tensor\(uint8\)"),
        (with_images(TensorProto.UINT8, [1, 32, 32, 3]), r"tensor\(uint8\) \[1, 32, 32, 3\]"),
        (with_images(TensorProto.FLOAT, ["N", 32, 32, 3]), r"images is tensor\(float\)"),
        (without_known(), "has no known"),
        (with_two_inputs(), "wants more than images"),
        (toy_graph(("a", "b", "c")), r"probabilities is tensor\(float\)"),
    ],
    ids=["size", "batch", "kind", "output", "inputs", "classes"],
)
def test_a_graph_that_is_not_of_the_contract_is_refused(
    tmp_path: Path, model: onnx.ModelProto, message: str
) -> None:
    helper.set_model_props(model, {"signwise": json.dumps(toy_metadata())})
    onnx.save(model, str(tmp_path / "model.onnx"))
    with pytest.raises(SignwiseError, match=message) as caught:
        Predictor(tmp_path / "model.onnx")
    assert "\n" not in str(caught.value)


def test_a_graph_that_the_runtime_refuses_is_one_line(tmp_path: Path) -> None:
    model = toy_graph()
    model.graph.node[0].op_type = "NoSuchOperator"
    helper.set_model_props(model, {"signwise": json.dumps(toy_metadata())})
    onnx.save(model, str(tmp_path / "model.onnx"))
    with pytest.raises(SignwiseError, match=r"can't be run .*NoSuchOperator") as caught:
        Predictor(tmp_path / "model.onnx")
    assert "\n" not in str(caught.value)
