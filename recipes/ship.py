"""Turn trained networks into the files that ship, and measure those very files once on held out.

    python recipes/ship.py PHOTOS --signs NETWORK --priority-stop NETWORK --machine NAME

Writes src/signwise/models/signs/{backbone.safetensors,model.onnx,README.md} and
src/signwise/models/priority-stop/{model.onnx,README.md}. PHOTOS as for the other recipes.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from card import priority_stop_card, signs_card
from common import Photos, read_photos, say
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from priority_stop import NUMBERS, SIZE, small_network, two_class_labels
from torch import nn

from signwise import __version__, metrics
from signwise.metrics import detection
from signwise.data.images import RESIZE_RULE
from signwise.synthetic import GTSRB_DESIGNS, render_negatives
from signwise.files import FORMAT, SHIPPED_MODELS, sha256_bytes, write_text
from signwise.inference.predictor import Predictor
from signwise.training.calibration import calibrate
from signwise.training.checkpoint import load_tensors, save_tensors
from signwise.training.export import export_onnx
from signwise.training.loop import network_logits
from signwise.training.network import build_model

# The middle of the sigmoid: as likely a picture of the class as not. A share of the validation
# pictures, which the network has seen, would be too strict for photos that it has not.
THRESHOLD = 0.5
CALIBRATION_PICTURES = 512
CPU = torch.device("cpu")


class Pictures(CalibrationDataReader):
    """Batches of pictures from which the quantiser learns the ranges of activations."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self.batches: Iterator[NDArray[np.uint8]] = iter(np.array_split(pixels, 16))

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """The next batch, or None after the last."""
        batch = next(self.batches, None)
        return None if batch is None else {"images": batch}


def quantise(source: Path, target: Path, pixels: NDArray[np.uint8]) -> None:
    """int8 convolutions and head: weights signed by channel, activations unsigned."""
    model = onnx.load(source)
    floating = [
        n.name for n in model.graph.node if n.op_type not in ("Conv", "Gemm", "Relu", "Add")
    ]
    quantize_static(
        source,
        target,
        Pictures(pixels),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        reduce_range=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=floating,
    )
    # The quantiser keeps no metadata: put it back.
    quantised = onnx.load(target)
    del quantised.metadata_props[:]
    quantised.metadata_props.extend(model.metadata_props)
    target.write_bytes(quantised.SerializeToString(deterministic=True))


def describe(
    network: nn.Module, photos: Photos, labels: NDArray[np.int64], classes: list[str], size: int
) -> dict[str, Any]:
    """The metadata of model.onnx, its temperature fitted on the validation tracks."""
    rows = photos.rows("val")
    rows = rows[labels[rows] < len(classes)]
    logits = network_logits(network, photos.pixels, rows, CPU)
    own = logits[:, : len(classes)].astype(np.float64)
    calibration = calibrate(own, labels[rows], np.ones(len(classes)))
    return {
        "format": FORMAT,
        "signwise_version": __version__,
        "classes": classes,
        "image_size": size,
        "resize": RESIZE_RULE,
        "temperature": calibration.temperature,
        "offsets": calibration.offsets.tolist(),
        "threshold": THRESHOLD,
        "unknown": "folder",
        "data_sha256": sha256_bytes(photos.pixels.tobytes()),
        "grouping": "track",
    }


def held_out(
    model: Path, photos: Photos, labels: NDArray[np.int64], strangers: NDArray[np.uint8]
) -> dict[str, Any]:
    """Figures of the file itself on the held-out tracks: accuracy, and known against strangers."""
    predictor = Predictor(model)
    rows = photos.rows("held_out")
    own = labels[rows] < len(predictor.classes)
    probabilities, known = predictor.scores(photos.pixels[rows])
    right = probabilities[own].argmax(1) == labels[rows][own]
    groups = np.array([f"{labels[row]}/{photos.tracks[row]}" for row in rows[own]])
    other = known[~own] if (~own).any() else predictor.scores(strangers)[1]
    return {
        "n": int(own.sum()),
        "correct": int(right.sum()),
        "accuracy": float(right.mean()),
        "accuracy_ci95": metrics.wilson_interval(int(right.sum()), int(own.sum())),
        "accuracy_ci95_grouped": metrics.grouped_bootstrap(right, groups),
        "tracks": len(np.unique(groups)),
        "tracks_with_mistakes": sorted(np.unique(groups[~right]).tolist()),
        "refused": int((known[own] < predictor.threshold).sum()),
        "strangers": len(other),
        "strangers_are": "other GTSRB classes" if (~own).any() else "rendered",
        "auroc": detection.auroc(known[own], other)["value"],
        "fpr_at_95_tpr": detection.fpr_at_tpr(known[own], other)["value"],
        "accepted_strangers": int((other >= predictor.threshold).sum()),
    }


def speed(model: Path, size: int) -> float:
    """Images per second of inference with all cores, the median of nine."""
    predictor = Predictor(model)
    pixels = np.random.default_rng(0).integers(0, 256, (1024, size, size, 3), dtype=np.uint8)
    predictor.scores(pixels)
    seconds = []
    for _ in range(9):
        start = time.perf_counter()
        predictor.scores(pixels)
        seconds.append(time.perf_counter() - start)
    return len(pixels) / float(np.median(seconds))


def attach(model: Path, figures: dict[str, Any]) -> None:
    """Put the figures into the file's metadata; the graph stays as it was measured."""
    loaded = onnx.load(model)
    (entry,) = [entry for entry in loaded.metadata_props if entry.key == "signwise"]
    entry.value = json.dumps(json.loads(entry.value) | {"figures": figures})
    model.write_bytes(loaded.SerializeToString(deterministic=True))


def ship(
    name: str,
    network: nn.Module,
    photos: Photos,
    labels: NDArray[np.int64],
    classes: list[str],
    size: int,
    *,
    int8: bool,
) -> dict[str, Any]:
    """Export, quantise if asked, measure on held out, and write model.onnx; gives its figures."""
    target = SHIPPED_MODELS / name / "model.onnx"
    target.parent.mkdir(parents=True, exist_ok=True)
    strangers = render_negatives(4000, size, 990_001, exclude=frozenset(GTSRB_DESIGNS))
    metadata = describe(network, photos, labels, classes, size)
    val = photos.pixels[photos.rows("val")]
    with tempfile.TemporaryDirectory() as folder:
        floating = Path(folder) / "float.onnx"
        metadata["figures"] = {}
        export_onnx(network, floating, val[:2000], metadata)
        figures: dict[str, Any] = {}
        if int8:
            draws = np.random.default_rng(0).permutation(len(val))[:CALIBRATION_PICTURES]
            quantise(floating, target, val[draws])
            say(model=name, float32_images_per_second=round(speed(floating, size)))
        else:
            target.write_bytes(floating.read_bytes())
    say(model=name, images_per_second=round(speed(target, size)))
    figures["held_out"] = held_out(target, photos, labels, strangers)
    attach(target, figures)
    say(model=name, megabytes=round(target.stat().st_size / 1e6, 2), **figures)
    return metadata | {"figures": figures}


def main() -> None:
    """Ship both."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--signs", type=Path)
    parser.add_argument("--priority-stop", type=Path)
    parser.add_argument("--machine", required=True, help="what they were trained on, for the cards")
    arguments = parser.parse_args()
    if arguments.signs:
        state, facts = load_tensors(arguments.signs)
        facts["machine"] = arguments.machine
        network = build_model("resnet18", len(GTSRB_DESIGNS) + 1, facts["size"], "none")
        network.load_state_dict(state)
        photos = read_photos(arguments.photos, facts["size"])
        names = [f"{number:02d}_{design}" for number, design in enumerate(GTSRB_DESIGNS)]
        metadata = ship(
            "signs", network.eval(), photos, photos.labels, names, facts["size"], int8=True
        )
        # Batch statistics stay float32: half precision would lose small variances.
        half = {
            key: value if "running" in key or not value.is_floating_point() else value.half()
            for key, value in state.items()
        }
        save_tensors(SHIPPED_MODELS / "signs" / "backbone.safetensors", half, facts)
        write_text(SHIPPED_MODELS / "signs" / "README.md", signs_card(metadata, facts))
    if arguments.priority_stop:
        state, facts = load_tensors(arguments.priority_stop)
        facts["machine"] = arguments.machine
        network = small_network(facts["widths"])
        network.load_state_dict(state)
        photos = read_photos(arguments.photos, SIZE)
        labels = two_class_labels(photos)
        names = [GTSRB_DESIGNS[number] for number in NUMBERS]
        metadata = ship("priority-stop", network.eval(), photos, labels, names, SIZE, int8=False)
        card = SHIPPED_MODELS / "priority-stop" / "README.md"
        write_text(card, priority_stop_card(metadata, facts))


if __name__ == "__main__":
    main()
