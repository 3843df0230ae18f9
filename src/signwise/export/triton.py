"""A model repository that Triton, or KServe with its Triton runtime, serves as it is."""

import json
import re
from pathlib import Path

from signwise.files import write_bytes, write_text
from signwise.model_file.read import MODEL_FILE, ModelFile
from signwise.runtime import default_batch_size

CONFIG_FILE = "config.pbtxt"
LABELS_FILE = "labels.txt"


def write_repository(model: ModelFile, name: str, out: Path) -> Path:
    """Write OUT/<name>/ with config.pbtxt, labels.txt and 1/model.onnx; the path of that.

    The model is the file itself, byte for byte; Triton batches what comes at the same time.
    """
    folder = out / (re.sub(r"[^A-Za-z0-9_.-]", "_", name).strip(".") or "model")
    write_text(folder / CONFIG_FILE, _config(model, folder.name))
    write_text(folder / LABELS_FILE, "".join(f"{label}\n" for label in model.record.classes))
    write_bytes(folder / "1" / MODEL_FILE, model.content)
    return folder / "1" / MODEL_FILE


def _config(model: ModelFile, name: str) -> str:
    """The model configuration, a protocol buffer as text.

    A scalar for each picture is `dims: [ 1 ]` reshaped to none: Triton knows no empty shape.
    """
    record = model.record
    side, classes = record.image_size, len(record.classes)
    # JSON escapes as protocol buffers do, where everything beyond ASCII is left as it is.
    quoted = json.dumps(json.dumps(list(record.classes), ensure_ascii=False), ensure_ascii=False)
    return f"""# The answer is `unknown` where known < threshold, else the label of the largest
# probability. Pictures come as docs/deploy.md says: upright RGB, resized, uint8, not normalised.

name: "{name}"
backend: "onnxruntime"
default_model_filename: "{MODEL_FILE}"
max_batch_size: {default_batch_size(side)}
dynamic_batching {{ }}
input [
  {{ name: "images" data_type: TYPE_UINT8 dims: [ {side}, {side}, 3 ] }}
]
output [
  {{
    name: "probabilities" data_type: TYPE_FP32 dims: [ {classes} ]
    label_filename: "{LABELS_FILE}"
  }},
  {{ name: "known" data_type: TYPE_FP32 dims: [ 1 ] reshape {{ shape: [ ] }} }}
]
parameters [
  {{ key: "threshold" value {{ string_value: "{record.threshold!r}" }} }},
  {{ key: "crop" value {{ string_value: "{record.crop}" }} }},
  {{ key: "classes" value {{ string_value: {quoted} }} }}
]
"""
