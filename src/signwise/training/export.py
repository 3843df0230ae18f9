"""The trained network -> model.onnx, compared with the network before it gets its name."""

import json
import logging
import warnings
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from signwise.errors import SignwiseError
from signwise.files import METADATA_KEY, atomic_path
from signwise.machine import default_batch_size
from signwise.runtime import onnxruntime
from signwise.training.deployed import Deployed

OPSET = 18
TOLERANCE = 1e-4
COMPARED_PICTURES = 1024
"""So many show whether the file computes what the network does."""


def export_onnx(
    network: nn.Module,
    path: Path,
    pixels: NDArray[np.uint8],
    metadata: Mapping[str, Any],
) -> float:
    """Write model.onnx and give its largest difference from the float32 network over `pixels`.

    pixels: uint8 (N, S, S, 3), `COMPARED_PICTURES` are enough; metadata holds `classes`,
    `image_size`, `temperature` and `offsets`. Raises SignwiseError, and writes nothing, where a
    probability differs by more than 1e-4.
    """
    deployed = Deployed(
        deepcopy(network).cpu().float(), metadata["temperature"], metadata["offsets"]
    )
    deployed.eval().requires_grad_(False)
    with atomic_path(path) as temporary:
        model = _graph(deployed, metadata["image_size"])
        model.doc_string = "signwise classifier; see the metadata entry `signwise`"
        entry = model.metadata_props.add()
        entry.key, entry.value = METADATA_KEY, json.dumps(metadata)
        onnx.checker.check_model(model)
        temporary.write_bytes(model.SerializeToString(deterministic=True))
        difference = _largest_difference(deployed, temporary, pixels)
        if not difference <= TOLERANCE:
            raise SignwiseError(
                f"{path.name} differs from the network by {difference:.2e} in a probability, more "
                f"than {TOLERANCE:.0e}: not written; report this with the output of "
                "signwise --version"
            )
    return difference


def _graph(deployed: nn.Module, size: int) -> onnx.ModelProto:
    example = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    batch = torch.export.Dim("N", min=1)
    quiet = logging.getLogger("torch.onnx")
    level = quiet.level
    quiet.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter warns of torch's own deprecations
            program = torch.onnx.export(
                deployed,
                (example,),
                input_names=["images"],
                output_names=["probabilities", "known"],
                dynamic_shapes={"images": {0: batch}},
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
    finally:
        quiet.setLevel(level)
    assert program is not None
    model = program.model_proto
    for node in model.graph.node:
        # Traces of this machine's source files, and most of a small model's bytes.
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    return model


def _largest_difference(deployed: nn.Module, path: Path, pixels: NDArray[np.uint8]) -> float:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    largest = 0.0
    with torch.inference_mode():
        size = default_batch_size(pixels.shape[1])
        for start in range(0, len(pixels), size):
            batch = np.ascontiguousarray(pixels[start : start + size])
            wanted = deployed(torch.from_numpy(batch))
            got = session.run(None, {"images": batch})
            for one, other in zip(wanted, got, strict=True):
                largest = max(largest, float(np.abs(one.numpy() - other).max()))
    return largest
