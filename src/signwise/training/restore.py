"""The trained network of a run, back from its files."""

from pathlib import Path

from signwise.config import TrainConfig
from signwise.errors import SignwiseError
from signwise.model_file.record import ModelRecord
from signwise.opening import read_record
from signwise.results import RunConfig
from signwise.training.checkpoint import load_tensors
from signwise.training.graph import ClassifierGraph
from signwise.training.loading import load_tensors_into
from signwise.training.network import build_model


def load_graph(run: Path, record: ModelRecord) -> ClassifierGraph:
    """What the model.onnx of the run computes, from its weights; `record` is that file's.

    Raises SignwiseError where the files of the run do not belong together.
    """
    settings = TrainConfig.from_json(read_record(run / "config.json", RunConfig).settings)
    outputs = len(record.classes) + (settings.unknown != "none")
    network = build_model(record.model, outputs, record.image_size, "none")
    weights = run / "model.safetensors"
    try:
        load_tensors_into(network, load_tensors(weights))
    except RuntimeError:
        raise SignwiseError(f"{weights} holds no weights of the model.onnx beside it") from None
    offsets = record.offsets or (0.0,) * len(record.classes)
    graph = ClassifierGraph(network, record.temperature, offsets, settings.calibration.known_scale)
    graph.eval().requires_grad_(False)
    return graph
