"""model.onnx is found and checked before a runtime sees it."""

import contextlib
import json
from pathlib import Path

import onnx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from signwise.errors import SignwiseError
from signwise.inference import model_file, protobuf
from signwise.model_file.read import find_model, models, read_model, shipped_models
from signwise.inference.predictor import Predictor
from toy import toy_graph, toy_metadata, toy_model


def save_with_entry(path: Path, entry: object) -> Path:
    model = toy_graph()
    helper.set_model_props(
        model, {"signwise": entry if isinstance(entry, str) else json.dumps(entry)}
    )
    onnx.save(model, str(path))
    return path


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
    toy_model(folder / "toy" / "model.onnx", figures={"accuracy": 0.5})
    toy_model(folder / "other" / "model.onnx", classes=("a", "b", "c"))
    monkeypatch.setattr(model_file, "SHIPPED_MODELS", folder)
    return folder


def test_a_shipped_name_is_found_where_nothing_on_disk_has_it(
    shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_model("toy") == shipped / "toy" / "model.onnx"
    mine = toy_model(tmp_path / "toy" / "model.onnx")
    assert find_model("toy").resolve() == mine


@pytest.mark.parametrize("name", ["tow", "../models/tow", "", "toy/", "toy/model"])
def test_another_name_lists_what_ships(
    shipped: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shipped.is_dir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SignwiseError) as caught:
        find_model(name)
    if name:
        assert "(other, toy)" in str(caught.value)


def test_models_lists_what_ships_with_its_figures(shipped: Path) -> None:
    result = models()
    assert [row["name"] for row in result.rows] == ["other", "toy"]
    assert result.rows[1]["figures"] == {"accuracy": 0.5}
    assert result.rows[0]["classes"] == ["a", "b", "c"]
    assert result.rows[0]["image_size"] == 32
    size = (shipped / "toy" / "model.onnx").stat().st_size
    assert result.rows[1]["megabytes"] == pytest.approx(size / 1e6, abs=0.005)
    assert result.counts == {"models": 2}


def test_models_is_empty_where_none_ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_file, "SHIPPED_MODELS", tmp_path / "none")
    assert shipped_models() == {}
    assert models().rows == []


def test_what_ships_can_be_used() -> None:
    for path in shipped_models().values():
        assert Predictor(path).classes


def test_metadata_is_read_without_a_session(tmp_path: Path) -> None:
    file = read_model(toy_model(tmp_path / "model.onnx", ("x", "ÿ", "停"), 48, 0.25))
    assert file.classes == ("x", "ÿ", "停")
    assert (file.image_size, file.threshold) == (48, 0.25)
    assert file.metadata["figures"] == {"accuracy": 1.0}


@pytest.mark.parametrize("content", [b"", b"hello, this is text\n" * 50, b"\0" * 100, b"\xff" * 99])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(SignwiseError, match=r"model\.onnx is not a model, or is cut off"):
        Predictor(path)


def test_a_truncated_model_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    content = toy_model(tmp_path / "model.onnx").read_bytes()
    path = tmp_path / "cut.onnx"
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        with pytest.raises(SignwiseError, match=r"cut off|did not write"):
            Predictor(path)


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


@pytest.mark.parametrize(
    "entry",
    [
        "{",
        "[" * 100_000,
        [],
        toy_metadata(format="1"),
        toy_metadata(format=True),
        toy_metadata(classes=()),
        toy_metadata(classes=("a", "a")),
        toy_metadata() | {"classes": "ab"},
        toy_metadata(size=0),
        toy_metadata(image_size=32.0),
        toy_metadata(threshold=2),
        json.dumps(toy_metadata()).replace('"threshold": 0.0', '"threshold": NaN'),
        toy_metadata() | {"threshold": None},
    ],
)
def test_broken_metadata_are_refused(tmp_path: Path, entry: object) -> None:
    with pytest.raises(SignwiseError, match="metadata entry 'signwise' is broken"):
        read_model(save_with_entry(tmp_path / "model.onnx", entry))


def external_tensor(name: str, location: str) -> onnx.TensorProto:
    tensor = numpy_helper.from_array(numpy_helper.np.zeros(4, dtype="float32"), name)
    onnx.external_data_helper.set_external_data(tensor, location)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    return tensor


def test_data_outside_the_file_is_refused_though_it_is_there(tmp_path: Path) -> None:
    path = toy_model(tmp_path / "model.onnx")
    model = onnx.load(str(path))
    onnx.save(
        model, str(path), save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    assert (tmp_path / "weights.bin").is_file()
    with pytest.raises(SignwiseError, match="keeps data outside itself, which is never opened"):
        Predictor(path)


@pytest.mark.parametrize("place", ["initializer", "attribute", "subgraph", "sparse", "function"])
def test_data_outside_the_file_is_found_wherever_it_hides(place: str) -> None:
    model = toy_graph()
    tensor = external_tensor("secret", "/etc/passwd")
    constant = helper.make_node("Constant", [], ["secret"], value=tensor)
    if place == "initializer":
        model.graph.initializer.append(tensor)
    elif place == "attribute":
        model.graph.node.append(constant)
    elif place == "subgraph":
        inner = helper.make_graph([constant], "inner", [], [])
        model.graph.node.append(helper.make_node("If", ["c"], ["o"], then_branch=inner))
    elif place == "sparse":
        sparse = model.graph.sparse_initializer.add()
        sparse.values.CopyFrom(tensor)
    else:
        function = helper.make_function("d", "f", [], ["secret"], [constant], [])
        model.functions.append(function)
    assert not protobuf.has_external_data(toy_graph().SerializeToString())
    assert protobuf.has_external_data(model.SerializeToString())


def test_external_data_without_the_flag_counts_as_well() -> None:
    model = toy_graph()
    entry = model.graph.initializer[0].external_data.add()
    entry.key, entry.value = "location", "somewhere"
    assert protobuf.has_external_data(model.SerializeToString())


def test_graphs_without_end_are_refused() -> None:
    graph = helper.make_graph([], "g", [], [])
    for _ in range(protobuf.MAX_DEPTH // 3 + 1):  # a graph, a node and an attribute each
        node = helper.make_node("If", ["c"], ["o"], then_branch=graph)
        graph = helper.make_graph([node], "g", [], [])
    content = helper.make_model(graph).SerializeToString()
    with pytest.raises(protobuf.Malformed, match="too deep"):
        protobuf.has_external_data(content)


@given(st.dictionaries(st.text(), st.text(), max_size=4))
def test_metadata_are_what_the_onnx_library_wrote(entries: dict[str, str]) -> None:
    model = toy_graph()
    helper.set_model_props(model, entries)
    assert protobuf.metadata(model.SerializeToString()) == entries


@given(st.binary(max_size=200))
@example(b"\x3a\x02\x08")
def test_any_bytes_are_read_or_refused_in_one_way(content: bytes) -> None:
    with contextlib.suppress(protobuf.Malformed):
        assert isinstance(protobuf.metadata(content), dict)
        assert isinstance(protobuf.has_external_data(content), bool)


def changed(**changes: object) -> onnx.ModelProto:
    """A model whose outputs or input are not those of the contract."""
    model = toy_graph()
    if "size" in changes:
        model = toy_graph(size=16)
    for value in [*model.graph.input, *model.graph.output]:
        if value.name in changes:
            value.CopyFrom(changes[value.name])
    helper.set_model_props(model, {"signwise": json.dumps(toy_metadata())})
    return model


def test_a_graph_that_is_not_of_the_contract_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    fixed = helper.make_tensor_value_info("images", TensorProto.UINT8, [1, 32, 32, 3])
    floats = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 32, 32, 3])
    renamed = toy_graph()
    renamed.graph.output[1].name = renamed.graph.node[-1].output[0] = "certainty"
    helper.set_model_props(renamed, {"signwise": json.dumps(toy_metadata())})
    second = toy_graph()
    second.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))
    helper.set_model_props(second, {"signwise": json.dumps(toy_metadata())})
    third_class = toy_graph(("a", "b", "c"))
    helper.set_model_props(third_class, {"signwise": json.dumps(toy_metadata())})
    for model, message in (
        (changed(size=16), r"images is tensor\(uint8\)"),
        (changed(images=fixed), r"images is tensor\(uint8\) \[1, 32, 32, 3\]"),
        (changed(images=floats), "images"),
        (renamed, "has no known"),
        (second, "wants more than images"),
        (third_class, r"probabilities is tensor\(float\)"),
    ):
        onnx.save(model, str(path))
        with pytest.raises(SignwiseError, match=message) as caught:
            Predictor(path)
        assert "\n" not in str(caught.value)


def test_a_graph_that_the_runtime_refuses_is_one_line(tmp_path: Path) -> None:
    model = toy_graph()
    model.graph.node[0].op_type = "NoSuchOperator"
    helper.set_model_props(model, {"signwise": json.dumps(toy_metadata())})
    onnx.save(model, str(tmp_path / "model.onnx"))
    with pytest.raises(SignwiseError, match=r"can't be run .*NoSuchOperator") as caught:
        Predictor(tmp_path / "model.onnx")
    assert "\n" not in str(caught.value)
