"""Puts the record into an ONNX model, and the model into a file."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from signwise.model_file.record import METADATA_KEY, ModelRecord

if TYPE_CHECKING:
    from onnx import ModelProto

DOC_STRING = "signwise classifier; see the metadata entry `signwise`"


def write_model(model: "ModelProto", record: ModelRecord, path: Path) -> None:
    """Check the model, give it the record in place of an earlier one, and write it to `path`.

    Not atomic: the caller gives the path of `files.atomic_path`, and runs the file before it gets
    its name.
    """
    import onnx

    model.doc_string = DOC_STRING
    del model.metadata_props[:]
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, json.dumps(record.to_json())
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))
