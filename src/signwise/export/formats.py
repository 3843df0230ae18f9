"""The formats that a model.onnx can be written in; a further one is one more entry in `FORMATS`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from signwise.errors import require_extra
from signwise.export.int8 import quantise
from signwise.export.torch_program import read_program, write_program
from signwise.export.triton import write_repository
from signwise.inference.predictor import Predictor
from signwise.model_file.read import OPENVINO_FILE, ModelFile
from signwise.model_file.record import ModelRecord
from signwise.runtime import openvino

Pixels = NDArray[np.uint8]


class Scorer(Protocol):
    """A model that runs; `inference.predictor.Predictor` is one."""

    @property
    def threshold(self) -> float:
        """`known` below it is answered `unknown`."""

    @property
    def record(self) -> ModelRecord:
        """What the file says of itself."""

    def scores(self, pixels: Pixels, /) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities (N, K) and known (N,) of pictures uint8 (N, S, S, 3)."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """What is exported."""

    model: ModelFile
    name: str
    """What a server may call the model."""
    run: Path | None
    """The run that the model is of, where there is one."""
    pixels: Pixels
    """(N, S, S, 3), a few hundred pictures of the training."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """How a format is written, run, and judged."""

    write: Callable[[Source, Path], Path]
    """Writes its files into a folder; gives the path of the model."""
    read: Callable[[Path], Scorer]
    """The model at the path that `write` gave, in the runtime of the format."""
    differing_share: float = 0.0
    """Of the validation pictures, the share whose decision may differ from model.onnx."""
    largest_difference: float | None = 1e-3
    """Of a probability or of `known`, before the format counts as computing something else: what
    float32 leaves is a hundred times smaller. None where it is no float format."""
    packages: tuple[str, ...] = ("train", "torch", "onnx")
    """The extra that it needs, and its modules."""


def _openvino(source: Source, out: Path) -> Path:
    """model.xml and model.bin, in float32; the metadata of the ONNX file go with it."""
    module = openvino()
    path = out / OPENVINO_FILE
    # Not convert_model, which would tell OpenVINO's maker of it.
    model = module.Core().read_model(source.model.content)
    module.save_model(model, path, compress_to_fp16=False)
    return path


FORMATS: Mapping[str, Format] = {
    "onnx-int8": Format(
        write=lambda source, out: quantise(source.model, out, source.pixels),
        read=Predictor,
        differing_share=0.002,
        largest_difference=None,
    ),
    "openvino": Format(write=_openvino, read=Predictor, packages=("openvino", "openvino")),
    "torch": Format(
        write=lambda source, out: write_program(source.model, source.run, out), read=read_program
    ),
    "triton": Format(
        write=lambda source, out: write_repository(source.model, source.name, out), read=Predictor
    ),
}
"""By name."""


def require_format(name: str) -> None:
    """Check that the packages of a format are there; raises SignwiseError."""
    require_extra(*FORMATS[name].packages)
