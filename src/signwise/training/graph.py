"""The graph of model.onnx: normalisation, network, calibrated probabilities and `known`.

Here `known` is defined, by `answers_of`; where its threshold is set stands in calibration.py.
"""

import logging
import warnings
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from signwise.errors import SignwiseError
from signwise.files import atomic_path
from signwise.model_file.record import ModelRecord
from signwise.model_file.write import write_model
from signwise.runtime import default_batch_size, onnx_runtime
from signwise.training.folding import folded

MEAN = (0.485, 0.456, 0.406)
STANDARD_DEVIATION = (0.229, 0.224, 0.225)
"""ImageNet's, of the channels red, green and blue in [0, 1]."""
OPSET = 18
TOLERANCE = 1e-4
COMPARED_PICTURES = 64


def compared(pictures: int) -> NDArray[np.int64]:
    """Rows (M,) of N pictures, evenly spread, on which file and network are compared; M is at most
    `COMPARED_PICTURES`.
    """
    return np.linspace(0, pictures - 1, min(pictures, COMPARED_PICTURES)).astype(np.int64)


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


class ClassifierGraph(nn.Module):
    """The graph of model.onnx: pictures in, calibrated probabilities and `known` out."""

    offsets: Tensor

    def __init__(
        self, network: nn.Module, temperature: float, offsets: Sequence[float], known_scale: float
    ) -> None:
        super().__init__()
        self.normalise = Normalise()
        self.network = network
        self.temperature = temperature
        self.known_scale = known_scale
        self.register_buffer("offsets", torch.tensor(offsets, dtype=torch.float32))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, S, S, 3) uint8 to probabilities (N, K) and known (N,)."""
        logits = self.network(self.normalise(images))
        return answers_of(logits, self.temperature, self.offsets, self.known_scale)


def answers_of(
    logits: Tensor, temperature: float, offsets: Tensor, known_scale: float
) -> tuple[Tensor, Tensor]:
    """Probabilities (N, K) and known (N,) from logits (N, K) or, with unknown, (N, K + 1).

    temperature and offsets (K,) are those of `calibrate`. A network that was trained against
    negatives answers each class's question, this sign or anything else, by a sigmoid: `known` is
    the largest, softened by a constant scale so that float32 keeps the order of the very sure.
    Otherwise it is the largest probability.
    """
    classes = len(offsets)
    own = logits[:, :classes]
    probabilities = torch.softmax(own / temperature - offsets, 1)
    if logits.shape[1] == classes:
        return probabilities, probabilities.amax(1)
    return probabilities, torch.sigmoid(own.amax(1) / known_scale)


def export_onnx(
    network: nn.Module,
    path: Path,
    pixels: NDArray[np.uint8],
    record: ModelRecord,
    known_scale: float,
) -> float:
    """Write model.onnx and give its largest difference from the float32 network over `pixels`.

    pixels: uint8 (N, S, S, 3), those that `compared` names are enough. Raises SignwiseError, and
    writes nothing, where a probability or `known` differs by more than 1e-4.
    """
    offsets = record.offsets or (0.0,) * len(record.classes)
    own = deepcopy(network).cpu().float()
    # Folded, so that there is less to trace: a second less for a ResNet-18, and the same file.
    graph, exported = (
        ClassifierGraph(one, record.temperature, offsets, known_scale).eval().requires_grad_(False)
        for one in (own, _without_in_place(folded(own)))
    )
    with atomic_path(path) as temporary:
        write_model(_to_onnx(exported, record.image_size), record, temporary)
        difference = _largest_difference(graph, temporary, pixels)
        if not difference <= TOLERANCE:
            raise SignwiseError(
                f"{path.name} differs from the network by {difference:.2e} in a probability, more "
                f"than {TOLERANCE:.0e}: not written; report this with the output of "
                "signwise --version"
            )
    return difference


def _without_in_place(network: nn.Module) -> nn.Module:
    """The network, its layers told to leave what they are given.

    The exporter decomposes what is done in place: half of its time for a mobilenet_v2.
    """
    for layer in network.modules():
        if getattr(layer, "inplace", False):
            layer.inplace = False  # type: ignore[assignment]
    return network


def _to_onnx(graph: nn.Module, size: int) -> onnx.ModelProto:
    example = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    quiet = logging.getLogger("torch.onnx")
    level = quiet.level
    quiet.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter warns of torch's own deprecations
            program = torch.onnx.export(
                graph,
                (example,),
                input_names=["images"],
                output_names=["probabilities", "known"],
                dynamic_shapes={"images": {0: torch.export.Dim.DYNAMIC}},
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


def _largest_difference(graph: nn.Module, path: Path, pixels: NDArray[np.uint8]) -> float:
    runtime = onnx_runtime()
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    differences = []
    with torch.inference_mode():
        size = default_batch_size(pixels.shape[1])
        for start in range(0, len(pixels), size):
            batch = np.ascontiguousarray(pixels[start : start + size])
            wanted = graph(torch.from_numpy(batch))
            got = session.run(None, {"images": batch})
            for one, other in zip(wanted, got, strict=True):
                differences.append(np.abs(one.numpy() - other).max())
    # NumPy's, which lets a NaN through: Python's own would drop it.
    return float(np.max(differences))
