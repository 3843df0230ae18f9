"""The walk over an ONNX file that comes before any runtime: metadata, and data outside the file."""

import contextlib

import numpy as np
import onnx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from onnx import TensorProto, external_data_helper, helper, numpy_helper

from signwise.model_file import protobuf
from toy import toy_graph

GRAPH = b"\x3a\x00"
"""The field of an empty graph."""


def varint(value: int) -> bytes:
    first = bytes([value & 0x7F | (0x80 if value > 0x7F else 0)])
    return first + (varint(value >> 7) if value > 0x7F else b"")


def field(number: int, content: bytes) -> bytes:
    """A field that holds bytes."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def external_tensor() -> onnx.TensorProto:
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), "secret")
    external_data_helper.set_external_data(tensor, "/etc/passwd")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    return tensor


def external_sparse() -> onnx.SparseTensorProto:
    return onnx.SparseTensorProto(values=external_tensor(), dims=[4])


def external_graph() -> onnx.GraphProto:
    return onnx.GraphProto(initializer=[external_tensor()])


def with_attribute(attribute: onnx.AttributeProto) -> onnx.ModelProto:
    node = onnx.NodeProto(op_type="Constant", attribute=[attribute])
    return onnx.ModelProto(graph=onnx.GraphProto(node=[node]))


def with_function(function: onnx.FunctionProto) -> onnx.ModelProto:
    return onnx.ModelProto(graph=onnx.GraphProto(), functions=[function])


def with_training(training: onnx.TrainingInfoProto) -> onnx.ModelProto:
    return onnx.ModelProto(graph=onnx.GraphProto(), training_info=[training])


HIDDEN = {
    "initializer": onnx.ModelProto(graph=external_graph()),
    "sparse values": onnx.ModelProto(graph=onnx.GraphProto(sparse_initializer=[external_sparse()])),
    "sparse indices": onnx.ModelProto(
        graph=onnx.GraphProto(
            sparse_initializer=[onnx.SparseTensorProto(indices=external_tensor(), dims=[4])]
        )
    ),
    "attribute": with_attribute(onnx.AttributeProto(t=external_tensor())),
    "attributes": with_attribute(onnx.AttributeProto(tensors=[external_tensor()])),
    "sparse attribute": with_attribute(onnx.AttributeProto(sparse_tensor=external_sparse())),
    "sparse attributes": with_attribute(onnx.AttributeProto(sparse_tensors=[external_sparse()])),
    "subgraph": with_attribute(onnx.AttributeProto(g=external_graph())),
    "subgraphs": with_attribute(onnx.AttributeProto(graphs=[external_graph()])),
    "function's node": with_function(
        onnx.FunctionProto(
            node=[onnx.NodeProto(attribute=[onnx.AttributeProto(t=external_tensor())])]
        )
    ),
    "function's default": with_function(
        onnx.FunctionProto(attribute_proto=[onnx.AttributeProto(t=external_tensor())])
    ),
    "training's start": with_training(onnx.TrainingInfoProto(initialization=external_graph())),
    "training's step": with_training(onnx.TrainingInfoProto(algorithm=external_graph())),
}


@pytest.mark.parametrize("place", HIDDEN)
def test_data_outside_the_file_is_found_wherever_it_hides(place: str) -> None:
    assert protobuf.has_external_data(HIDDEN[place].SerializeToString())


def test_a_model_that_holds_its_weights_has_no_data_outside() -> None:
    assert protobuf.has_external_data(toy_graph().SerializeToString()) is False


def test_every_field_of_onnx_that_holds_a_tensor_is_walked() -> None:
    """The table of places is that of the ONNX library: none is missing, and none is invented."""
    messages = {
        "ModelProto": "model", "TrainingInfoProto": "training", "FunctionProto": "function",
        "GraphProto": "graph", "NodeProto": "node", "AttributeProto": "attribute",
        "SparseTensorProto": "sparse", "TensorProto": "tensor",
    }  # fmt: skip
    found = {
        name: {
            each.number: messages[each.message_type.name]
            for each in getattr(onnx, kind).DESCRIPTOR.fields
            if each.message_type is not None and each.message_type.name in messages
        }
        for kind, name in messages.items()
        if kind != "TensorProto"
    }
    assert found == protobuf.INSIDE
    fields = onnx.TensorProto.DESCRIPTOR.fields_by_name
    assert fields["external_data"].number == protobuf.TENSOR_EXTERNAL_DATA
    assert fields["data_location"].number == protobuf.TENSOR_DATA_LOCATION
    assert onnx.ModelProto.DESCRIPTOR.fields_by_name["metadata_props"].number == (
        protobuf.MODEL_METADATA
    )


def test_external_data_without_the_flag_count_as_well() -> None:
    model = toy_graph()
    entry = model.graph.initializer[0].external_data.add()
    entry.key, entry.value = "location", "somewhere"
    assert protobuf.has_external_data(model.SerializeToString())


def test_the_flag_without_external_data_counts_as_well() -> None:
    model = toy_graph()
    model.graph.initializer[0].data_location = TensorProto.DEFAULT
    assert not protobuf.has_external_data(model.SerializeToString())
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL
    assert protobuf.has_external_data(model.SerializeToString())


@pytest.mark.parametrize(("depth", "refused"), [(64, False), (65, True)])
def test_graphs_without_end_are_refused(depth: int, refused: bool) -> None:
    # Messages within messages: model, graph, then node, attribute, graph and so on.
    numbers = [7, *[1, 5, 6] * depth][:depth]
    content = b""
    for number in reversed(numbers):
        content = field(number, content)
    if refused:
        with pytest.raises(protobuf.Malformed, match="too deep"):
            protobuf.has_external_data(content)
    else:
        assert not protobuf.has_external_data(content)


@given(st.dictionaries(st.text(), st.text(), max_size=4))
def test_metadata_are_what_the_onnx_library_wrote(entries: dict[str, str]) -> None:
    model = onnx.ModelProto(ir_version=8, producer_name="test", graph=onnx.GraphProto(name="g"))
    helper.set_model_props(model, entries)
    assert protobuf.metadata(model.SerializeToString()) == entries


def test_fields_of_every_wire_type_are_passed_over() -> None:
    entry = field(14, field(1, b"signwise") + field(2, b"{}"))
    number = varint(5 << 3 | 0) + varint(300)
    eight, four = varint(90 << 3 | 1) + bytes(8), varint(91 << 3 | 5) + bytes(4)
    for order in ([number, eight, four, GRAPH, entry], [entry, GRAPH, four, eight, number]):
        assert protobuf.metadata(b"".join(order)) == {"signwise": "{}"}
    with pytest.raises(protobuf.Malformed, match="past the end"):
        protobuf.metadata(GRAPH + eight[:-1])
    with pytest.raises(protobuf.Malformed, match="past the end"):
        protobuf.metadata(GRAPH + four[:-1])


def test_an_entry_without_key_or_value_is_empty_there() -> None:
    assert protobuf.metadata(GRAPH + field(14, field(1, b"a"))) == {"a": ""}
    assert protobuf.metadata(GRAPH + field(14, field(2, b"b"))) == {"": "b"}
    assert protobuf.metadata(GRAPH + varint(14 << 3) + b"\x05") == {}, "a number is no entry"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no graph"),
        (field(14, field(1, b"a")), "no graph"),
        (GRAPH + field(14, field(1, b"\xff")), "not UTF-8"),
        (GRAPH + field(1, b"abc")[:-1], "past the end"),
        (GRAPH + varint(1 << 3 | 3), "wire type 3"),
        (GRAPH + varint(1 << 3 | 4), "wire type 4"),
        (GRAPH + varint(0 << 3 | 2) + b"\x00", "field number 0"),
        (GRAPH + b"\x08", "cut off"),
        (GRAPH + b"\x08" + b"\xff" * 5, "cut off"),
        (GRAPH + b"\x08" + b"\xff" * 10 + b"\x01", "more than ten bytes"),
    ],
)
def test_what_is_no_model_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(protobuf.Malformed, match=message):
        protobuf.metadata(content)


def test_numbers_of_up_to_ten_bytes_are_read() -> None:
    assert protobuf.metadata(GRAPH + b"\x08" + b"\xff" * 9 + b"\x01") == {}
    for length in (127, 128):
        key = b"k" * length
        assert protobuf.metadata(GRAPH + field(14, field(1, key))) == {key.decode(): ""}
    long = field(14, field(1, b"k" * 300) + field(2, b"v" * 20_000))
    assert protobuf.metadata(GRAPH + long) == {"k" * 300: "v" * 20_000}


@given(st.binary(max_size=200))
@example(b"\x3a\x02\x08")
def test_any_bytes_are_read_or_refused_in_one_way(content: bytes) -> None:
    with contextlib.suppress(protobuf.Malformed):
        assert isinstance(protobuf.metadata(content), dict)
        assert isinstance(protobuf.has_external_data(content), bool)


def padded(value: int, length: int) -> bytes:
    """The number in more bytes than it needs."""
    groups = [value >> 7 * place & 0x7F for place in range(length)]
    return bytes(group | 0x80 for group in groups[:-1]) + bytes(groups[-1:])


TENSOR_TAGS = {
    "more bits than a tag has": varint((1 << 32) | (13 << 3 | 2)),
    "more bits, in the highest group": varint((1 << 34) | (14 << 3)),
    "more bytes than a tag has": padded(13 << 3 | 2, 6),
    "ten bytes": padded(13 << 3 | 2, 10),
}


@pytest.mark.parametrize("tag", TENSOR_TAGS.values(), ids=TENSOR_TAGS)
def test_a_tag_that_readers_may_cut_off_is_refused(tag: bytes) -> None:
    """Some drop the bits that are too many, and find data outside the file behind it."""
    tensor = tag + varint(2) + b"\x0a\x00"
    model = field(7, field(5, tensor))
    with pytest.raises(protobuf.Malformed, match="too large"):
        protobuf.has_external_data(model)


def test_a_tag_in_five_bytes_is_read_as_what_it_says() -> None:
    tensor = padded(13 << 3 | 2, 5) + varint(2) + b"\x0a\x00"
    assert protobuf.has_external_data(field(7, field(5, tensor)))
