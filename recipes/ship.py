"""Turn trained networks into the files that ship, and measure those very files on held-out tracks.

    python recipes/ship.py PHOTOS --signs NETWORK --priority-stop NETWORK --machine NAME
    python recipes/ship.py PHOTOS --measure

Writes src/signwise/models/signs/{backbone.safetensors,model.onnx,README.md} and
src/signwise/models/priority-stop/{model.onnx,README.md}. With --measure the models stay as they
are: their record and their cards get what the present code measures. PHOTOS as for the other
recipes.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from card import priority_stop_card, signs_card, with_figures
from common import NetworkFacts, say
from photos import (
    CLASSES,
    PRIORITY_STOP,
    Labels,
    Photos,
    priority_stop_labels,
    read_photos,
)
from priority_stop import SIZE, small_network
from signwise import __version__
from signwise.config import SIGNS_SIZE, CalibrationConfig
from signwise.data.images import RESIZE_RULES
from signwise.errors import SignwiseError
from signwise.export.certificate import compare
from signwise.export.int8 import quantise
from signwise.files import atomic_path, sha256_bytes, write_bytes, write_text
from signwise.inference.predictor import Predictor
from signwise.metrics.detection import unknown_figures
from signwise.metrics.rates import grouped_bootstrap, wilson_interval
from signwise.metrics.selective import accepted
from signwise.model_file.read import MODEL_FILE, SHIPPED_MODELS, read_model
from signwise.model_file.record import MeasuredSet, MeasuredUnknown, ModelFigures, ModelRecord
from signwise.model_file.write import write_model
from signwise.synthetic import GTSRB_DESIGNS, render_negatives
from signwise.training.calibration import calibrate
from signwise.training.checkpoint import load_facts, load_tensors, save_tensors
from signwise.training.graph import compared, export_onnx
from signwise.training.loop import network_logits
from signwise.training.network import build_model

THRESHOLD = 0.5
"""The middle of the sigmoid: as likely a picture of the class as not. A share of the validation
pictures, which the network has seen, would be too strict for photos that it has not."""
QUANTISER_PICTURES = 512
NEGATIVES, NEGATIVES_SEED = 4000, 990_001
"""Rendered pictures of no class, where the photos hold none."""
CARD = "README.md"
CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class Shipped:
    """A model that ships: what is the same of it however its network was trained."""

    name: str
    size: int
    """Side of its pictures, in pixels."""
    classes: tuple[str, ...]
    labels: Callable[[Photos], Labels]
    """(N,), from the number of classes on where a picture is of none."""
    network: Callable[[NetworkFacts], nn.Module]
    """Without its weights."""
    card: Callable[[ModelRecord, NetworkFacts], str]
    int8: bool
    """Whether it ships in int8."""


SIGNS = Shipped(
    name="signs",
    size=SIGNS_SIZE,
    classes=tuple(f"{number:02d}_{design}" for number, design in enumerate(GTSRB_DESIGNS)),
    labels=lambda photos: photos.labels,
    network=lambda facts: build_model("resnet18", CLASSES + 1, facts.size, "none"),
    card=signs_card,
    int8=True,
)
PRIORITY_AND_STOP = Shipped(
    name="priority-stop",
    size=SIZE,
    classes=tuple(GTSRB_DESIGNS[number] for number in PRIORITY_STOP),
    labels=priority_stop_labels,
    network=lambda facts: small_network(facts.widths),
    card=priority_stop_card,
    int8=False,
)


def describe(shipped: Shipped, network: nn.Module, photos: Photos) -> ModelRecord:
    """The record, without figures; its temperature is fitted on the validation tracks."""
    labels, classes = shipped.labels(photos), len(shipped.classes)
    rows = photos.rows("val")
    pool = photos.pool(rows[labels[rows] < classes], labels)
    logits = network_logits(network, pool, CPU)[:, :classes].astype(np.float64)
    calibration = calibrate(logits, pool.labels, np.ones(classes), CalibrationConfig())
    return ModelRecord(
        signwise_version=__version__,
        classes=shipped.classes,
        image_size=shipped.size,
        resize=RESIZE_RULES["none"],
        temperature=calibration.temperature,
        offsets=tuple(calibration.offsets.tolist()),
        threshold=THRESHOLD,
        unknown="folder",
        data_sha256=sha256_bytes(photos.pixels.tobytes()),
        grouping="track",
    )


def measure(shipped: Shipped, predictor: Predictor, photos: Photos) -> MeasuredSet:
    """Figures of the file itself on the held-out tracks, and on pictures of no class."""
    rows = photos.rows("held_out")
    labels = shipped.labels(photos)[rows]
    own = labels < len(shipped.classes)
    probabilities, known = predictor.scores(photos.pixels[rows])
    right = probabilities[own].argmax(1) == labels[own]
    signs = np.array([f"{photos.labels[row]}/{photos.tracks[row]}" for row in rows[own]])
    correct, count = int(right.sum()), int(own.sum())
    by_picture = wilson_interval(correct, count)
    if by_picture is None:
        raise SignwiseError("the photos hold no track of these classes that was held out")
    return MeasuredSet(
        n=count,
        correct=correct,
        accuracy=correct / count,
        accuracy_ci95=by_picture,
        accuracy_ci95_grouped=grouped_bootstrap(right, signs),
        refused=int((~accepted(known[own], predictor.threshold)).sum()),
        signs=len(np.unique(signs)),
        signs_with_mistakes=tuple(np.unique(signs[~right]).tolist()),
        unknown=_unknown(predictor, known[own], known[~own]),
    )


def _unknown(
    predictor: Predictor, known: NDArray[np.float32], other: NDArray[np.float32]
) -> MeasuredUnknown:
    """How `known` tells others, which are rendered where the photos hold none."""
    source = "other GTSRB classes"
    if not len(other):
        source = "rendered"
        exclude = frozenset(GTSRB_DESIGNS)
        pixels = render_negatives(NEGATIVES, predictor.image_size, NEGATIVES_SEED, exclude)
        other = predictor.scores(pixels)[1]
    found = unknown_figures(known, other, predictor.threshold)
    assert found.auroc.value is not None
    assert found.fpr_at_95_tpr.value is not None
    return MeasuredUnknown(
        n=found.n,
        source=source,
        auroc=found.auroc.value,
        fpr_at_95_tpr=found.fpr_at_95_tpr.value,
        accepted=found.accepted,
    )


def put_record(path: Path, record: ModelRecord) -> None:
    """Give a model.onnx another record; its graph stays as it is, byte for byte."""
    model = onnx.load(path)
    graph = model.graph.SerializeToString()
    with atomic_path(path) as temporary:
        write_model(model, record, temporary)
        written = onnx.load(temporary).graph.SerializeToString()
        assert written == graph, "a record is no part of the graph"


def measure_shipped(shipped: Shipped, photos: Photos, folder: Path) -> ModelRecord:
    """Measure the model.onnx in the folder; put the figures into its record and its card."""
    predictor = Predictor(folder)
    figures = ModelFigures(held_out=measure(shipped, predictor, photos))
    record = replace(predictor.record, figures=figures)
    put_record(folder / MODEL_FILE, record)
    say(shipped.name, record.figures)
    return record


def ship(shipped: Shipped, network: nn.Module, photos: Photos, folder: Path) -> ModelRecord:
    """Export, write in its format, and measure on held out; writes model.onnx into the folder."""
    record = describe(shipped, network, photos)
    val = photos.pixels[photos.rows("val")]
    with tempfile.TemporaryDirectory() as name:
        exported = Path(name) / MODEL_FILE
        scale = CalibrationConfig().known_scale
        export_onnx(network, exported, val[compared(len(val))], record, scale)
        if shipped.int8:
            draws = np.random.default_rng(0).permutation(len(val))[:QUANTISER_PICTURES]
            quantise(read_model(exported), folder, val[draws])
            say(shipped.name, compare(Predictor(exported), Predictor(folder), val))
        else:
            write_bytes(folder / MODEL_FILE, exported.read_bytes())
    return measure_shipped(shipped, photos, folder)


def ship_network(shipped: Shipped, file: Path, photos: Path, machine: str, models: Path) -> None:
    """Ship what a recipe wrote to `file`."""
    folder = models / shipped.name
    folder.mkdir(parents=True, exist_ok=True)
    state = load_tensors(file)
    facts = replace(load_facts(file, NetworkFacts), machine=machine)
    network = shipped.network(facts)
    network.load_state_dict(state)
    record = ship(shipped, network.eval(), read_photos(photos, shipped.size), folder)
    write_text(folder / CARD, shipped.card(record, facts))
    if shipped is SIGNS:
        save_tensors(folder / "backbone.safetensors", halved(state), facts)


def halved(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights in float16; batch statistics stay: half precision would lose small variances."""
    return {
        name: value if "running" in name or not value.is_floating_point() else value.half()
        for name, value in state.items()
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Ship one or both, or measure what ships."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--signs", type=Path)
    parser.add_argument("--priority-stop", type=Path)
    parser.add_argument("--machine", default="", help="what they were trained on, for the cards")
    parser.add_argument("--measure", action="store_true", help="measure what ships, anew")
    parser.add_argument("--models", type=Path, default=SHIPPED_MODELS, help="where the models lie")
    options = parser.parse_args(arguments)
    for shipped, file in (
        (SIGNS, options.signs),
        (PRIORITY_AND_STOP, options.priority_stop),
    ):
        folder = options.models / shipped.name
        if file is not None:
            ship_network(shipped, file, options.photos, options.machine, options.models)
        elif options.measure and (folder / MODEL_FILE).is_file():
            record = measure_shipped(shipped, read_photos(options.photos, shipped.size), folder)
            card = (folder / CARD).read_text(encoding="utf-8")
            write_text(folder / CARD, with_figures(card, shipped.name, record))


if __name__ == "__main__":
    main()
