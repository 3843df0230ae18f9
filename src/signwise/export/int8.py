"""model.onnx in int8: about a quarter of the bytes, and faster where the processor has VNNI."""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from signwise.errors import SignwiseError
from signwise.files import atomic_path
from signwise.model_file.read import MODEL_FILE, ModelFile
from signwise.model_file.write import write_model
from signwise.runtime import default_batch_size, onnx_runtime

Pixels = NDArray[np.uint8]

QUANTISED = ("Conv", "Gemm", "Relu", "Add")
"""What runs in integers. Normalisation, probabilities and `known` stay in float32."""


def quantise(model: ModelFile, out: Path, pixels: Pixels) -> Path:
    """Write model.onnx with convolutions and head in int8 into `out`; gives its path.

    Weights are signed, by channel, activations not. The ranges of activations are those over
    `pixels`, uint8 (N, S, S, 3): a few hundred pictures as the model's training saw. Weights have 7
    bits, so that sums of two products can't saturate 16 bits on processors without VNNI. Raises
    SignwiseError without pictures, and for a model that is in int8 already.
    """
    if not len(pixels):
        raise SignwiseError("onnx-int8: pictures are wanted, to learn the ranges from")
    floating = onnx.load_model_from_string(model.content)
    if any(node.op_type == "QuantizeLinear" for node in floating.graph.node):
        raise SignwiseError(f"{model.path} is in int8 already: deploy it as it is")
    onnx_runtime()
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    path = out / MODEL_FILE
    with tempfile.TemporaryDirectory() as scratch, atomic_path(path) as temporary, _quiet():
        # As a file: ONNX Runtime 1.18 fails on a model in memory.
        source = Path(scratch) / MODEL_FILE
        source.write_bytes(model.content)
        quantize_static(
            source,
            temporary,
            _Pictures(pixels),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[n.name for n in floating.graph.node if n.op_type not in QUANTISED],
        )
        # The quantiser keeps no metadata.
        write_model(onnx.load(temporary), model.record, temporary)
    return path


@contextmanager
def _quiet() -> Iterator[None]:
    """No warnings in the log: the quantiser advises a preparation that gains nothing here."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)


class _Pictures:
    """Batches for the quantiser, which asks for one after the other."""

    def __init__(self, pixels: Pixels) -> None:
        size = default_batch_size(pixels.shape[1])
        starts = range(0, len(pixels), size)
        self.batches: Iterator[Pixels] = (pixels[start : start + size] for start in starts)

    def get_next(self) -> dict[str, Pixels] | None:
        """The next batch, or None after the last."""
        batch = next(self.batches, None)
        return None if batch is None else {"images": np.ascontiguousarray(batch)}
