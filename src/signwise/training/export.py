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
from torch import Tensor, nn

from signwise.errors import SignwiseError
from signwise.files import atomic_path
from signwise.runtime import onnxruntime

FORMAT_VERSION = 1
OPSET = 18
TOLERANCE = 1e-4
MEAN = (0.485, 0.456, 0.406)
STANDARD_DEVIATION = (0.229, 0.224, 0.225)
KNOWN_SCALE = 4.0
BATCH = 256


class Normalise(nn.Module):
    """Pixels to what the network takes, with ImageNet's constants."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(STANDARD_DEVIATION).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Normalise pictures uint8 (B, S, S, 3) to float32 (B, 3, S, S)."""
        return self.from_unit(images.permute(0, 3, 1, 2).float() / 255)

    def from_unit(self, pixels: Tensor) -> Tensor:
        """Normalise pixels (B, 3, S, S) that are in [0, 1] already."""
        return (pixels - self.mean) / self.deviation


class Deployed(nn.Module):
    """The graph of model.onnx: pictures in, calibrated probabilities and `known` out."""

    def __init__(self, network: nn.Module, classes: int, temperature: float) -> None:
        super().__init__()
        self.normalise = Normalise()
        self.network = network
        self.classes = classes
        self.temperature = temperature

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, S, S, 3) uint8 to probabilities (N, K) and known (N,)."""
        return read_logits(self.network(self.normalise(images)), self.classes, self.temperature)


def read_logits(logits: Tensor, classes: int, temperature: float) -> tuple[Tensor, Tensor]:
    """Probabilities (N, K) and known (N,) from logits (N, K) or, with unknown, (N, K + 1).

    A network that was trained against negatives answers each class's question, this sign or
    anything else, by a sigmoid: `known` is the largest, softened by a constant scale so that
    float32 keeps the order of the very sure. Otherwise it is the largest probability.
    """
    own = logits[:, :classes]
    probabilities = torch.softmax(own / temperature, 1)
    if logits.shape[1] == classes:
        return probabilities, probabilities.amax(1)
    return probabilities, torch.sigmoid(own.amax(1) / KNOWN_SCALE)


def export_onnx(
    network: nn.Module,
    path: Path,
    pixels: NDArray[np.uint8],
    metadata: Mapping[str, Any],
) -> float:
    """Write model.onnx and give its largest difference from the float32 network over `pixels`.

    pixels: uint8 (N, S, S, 3), the validation set. Raises SignwiseError, and writes nothing, where
    a probability differs by more than 1e-4.
    """
    classes = len(metadata["classes"])
    deployed = Deployed(deepcopy(network).cpu().float(), classes, metadata["temperature"])
    deployed.eval().requires_grad_(False)
    with atomic_path(path) as temporary:
        model = _graph(deployed, metadata["image_size"])
        model.doc_string = "signwise classifier; see the metadata entry `signwise`"
        entry = model.metadata_props.add()
        entry.key, entry.value = "signwise", json.dumps(metadata)
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
        for start in range(0, len(pixels), BATCH):
            batch = np.ascontiguousarray(pixels[start : start + BATCH])
            wanted = deployed(torch.from_numpy(batch))
            got = session.run(None, {"images": batch})
            for one, other in zip(wanted, got, strict=True):
                largest = max(largest, float(np.abs(one.numpy() - other).max()))
    return largest
