"""A run's network as a program of torch.export, for PyTorch without signwise: model.pt2."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from signwise.errors import SignwiseError
from signwise.model_file.read import TORCH_FILE, ModelFile
from signwise.model_file.record import METADATA_KEY, ModelRecord, parse_record
from signwise.runtime import default_batch_size
from signwise.training.restore import load_graph

RECORD_FILE = f"{METADATA_KEY}.json"
"""The record in the archive, among its extra files."""
TRACES = ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn", "from_node")
"""What a graph remembers of this machine's source files."""


@dataclass(frozen=True, kw_only=True)
class TorchProgram:
    """A model.pt2 that runs."""

    record: ModelRecord
    module: torch.nn.Module

    @property
    def threshold(self) -> float:
        """`known` below it is answered `unknown`."""
        return self.record.threshold

    @torch.inference_mode()
    def scores(self, pixels: NDArray[np.uint8]) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities (N, K) and known (N,) of pictures uint8 (N, S, S, 3)."""
        size = default_batch_size(pixels.shape[1])
        batches = [torch.from_numpy(np.array(part)) for part in _parts(pixels, size)]
        answers = [self.module(batch) for batch in batches]
        first, second = (torch.cat(answer).numpy() for answer in zip(*answers, strict=True))
        return first, second


def write_program(model: ModelFile, run: Path | None, out: Path) -> Path:
    """Write model.pt2 into `out`; its path. Raises SignwiseError where there is no run."""
    if run is None or not (run / "model.safetensors").is_file():
        raise SignwiseError(
            f"`format` torch: {model.path} has no model.safetensors beside it: give a run directory"
        )
    graph = load_graph(run, model.record)
    side = model.record.image_size
    program = torch.export.export(
        graph,
        (torch.zeros(2, side, side, 3, dtype=torch.uint8),),
        dynamic_shapes={"images": {0: torch.export.Dim.DYNAMIC}},
    )
    program.example_inputs = None
    for node in program.graph.nodes:
        for trace in TRACES:
            node.meta.pop(trace, None)
    path = out / TORCH_FILE
    torch.export.save(program, path, extra_files={RECORD_FILE: model.metadata})
    return path


def read_program(path: Path) -> TorchProgram:
    """Read a model.pt2 that this very process wrote: PyTorch would run what another may hold."""
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/" + RECORD_FILE))
        record = parse_record(archive.read(name).decode())
    return TorchProgram(record=record, module=torch.export.load(path).module())


def _parts(pixels: NDArray[np.uint8], size: int) -> list[NDArray[np.uint8]]:
    return [pixels[start : start + size] for start in range(0, len(pixels), size)]
