"""Reads from an ONNX file what must be known before a runtime may touch it.

ONNX files are protocol buffers (onnx.proto; the wire format is protobuf.dev/programming-guides/
encoding). Two things are wanted: the metadata, without the cost of building a session, and
whether a tensor's data lies in another file, since a runtime would open any path that it finds
there. That takes a walk over the fields, and no library.
"""

from collections.abc import Iterator

# Field numbers of onnx.proto, message by message.
MODEL_GRAPH, MODEL_METADATA, MODEL_TRAINING, MODEL_FUNCTIONS = 7, 14, 20, 25
TENSOR_EXTERNAL_DATA, TENSOR_DATA_LOCATION = 13, 14
# For each message: the fields that hold a message in which a tensor can lie, and which message.
INSIDE: dict[str, dict[int, str]] = {
    "model": {MODEL_GRAPH: "graph", MODEL_TRAINING: "training", MODEL_FUNCTIONS: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
# Graphs nest in attributes of control flow; far deeper than any real network needs.
MAX_DEPTH = 64

MAX_TAG, MAX_TAG_BYTES = 2**32 - 1, 5

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5


class Malformed(ValueError):
    """The bytes are no ONNX model."""


def metadata(content: bytes) -> dict[str, str]:
    """The model's metadata entries; raises Malformed where the bytes are no ONNX model."""
    entries = {}
    graphs = 0
    for number, value in _fields(memoryview(content)):
        graphs += number == MODEL_GRAPH
        if number == MODEL_METADATA and isinstance(value, memoryview):
            pair = {key: text for key, text in _fields(value) if isinstance(text, memoryview)}
            try:
                name, text = (bytes(pair.get(key, b"")).decode() for key in (1, 2))
            except UnicodeDecodeError:
                raise Malformed("metadata that is not UTF-8") from None
            entries[name] = text
    if graphs == 0:
        raise Malformed("no graph")
    return entries


def has_external_data(content: bytes) -> bool:
    """Whether any tensor says that its data lies outside the file; raises Malformed."""
    return _external(memoryview(content), "model", 0)


def _external(message: memoryview, kind: str, depth: int) -> bool:
    if depth > MAX_DEPTH:
        raise Malformed("graphs nested too deep")
    for number, value in _fields(message):
        if kind == "tensor":
            # Any trace counts: what a parser makes of an odd encoding is not to be relied on.
            if number == TENSOR_EXTERNAL_DATA or (number == TENSOR_DATA_LOCATION and value != 0):
                return True
        elif isinstance(value, memoryview):
            inner = INSIDE[kind].get(number)
            if inner is not None and _external(value, inner, depth + 1):
                return True
    return False


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Each field's number and value: an integer, or a view of the bytes that it holds."""
    at, end = 0, len(message)
    value: int | memoryview
    while at < end:
        begin = at
        tag, at = _varint(message, at)
        # Readers differ in what they make of a longer tag: some drop the bits that are too many.
        if tag > MAX_TAG or at - begin > MAX_TAG_BYTES:
            raise Malformed("a field number that is too large")
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            value, at = _varint(message, at)
        elif wire == LENGTH:
            length, at = _varint(message, at)
            value, at = message[at : at + length], at + length
        elif wire in (FIXED64, FIXED32):
            width = 8 if wire == FIXED64 else 4
            value, at = message[at : at + width], at + width
        else:
            raise Malformed(f"wire type {wire}")
        if number == 0 or at > end:
            raise Malformed("a field that runs past the end" if number else "field number 0")
        yield number, value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise Malformed("a number that is cut off")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise Malformed("a number of more than ten bytes")
