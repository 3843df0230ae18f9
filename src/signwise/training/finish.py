"""The end of a run: calibrate, export model.onnx, draw the curves, write the model card."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL
import torch
import torchvision
from numpy.typing import NDArray
from torch import nn

from signwise.config import UNKNOWN, ResolvedConfig, dotted
from signwise.data.images import RESIZE_RULES
from signwise.data.manifest import SPLITS, PreparedData
from signwise.files import write_bytes, write_text
from signwise.metrics.rates import grouped_bootstrap, wilson_interval
from signwise.metrics.selective import accepted
from signwise.model_file.record import MeasuredSet, ModelFigures, ModelRecord
from signwise.report.card import CardFacts, model_card
from signwise.report.charts import curves
from signwise.results import KNOWN_GROUPINGS, Epoch
from signwise.runtime import onnx_runtime, own_version
from signwise.training.calibration import Calibration, calibrate, fit_threshold, notes_on
from signwise.training.graph import answers_of, compared, export_onnx
from signwise.training.loop import network_logits
from signwise.training.pools import TrainingData
from signwise.training.stages import still_improving

CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What a run came to, on its validation set of N pictures."""

    figures: ModelFigures
    """What model.onnx says of itself."""
    warnings: list[str]
    probabilities: NDArray[np.float32]
    """(N, K)."""


def versions() -> dict[str, str]:
    """The versions that decide what a run computes."""
    # The modules' own word: a distribution may have another name, as onnxruntime-gpu has.
    modules = {
        "torch": torch,
        "torchvision": torchvision,
        "numpy": np,
        "pillow": PIL,
        "onnxruntime": onnx_runtime(),
    }
    found = {name: str(module.__version__) for name, module in modules.items()}
    return {"python": platform.python_version(), "signwise": own_version()} | found


def finish_run(
    out: Path,
    network: nn.Module,
    data: TrainingData,
    config: ResolvedConfig,
    prepared: PreparedData,
    history: Sequence[Epoch],
    best_epoch: int,
    logits: NDArray[np.float32] | None = None,
) -> Finished:
    """Calibrate on the validation set, export, draw and describe, with the network on the CPU.

    `logits` (N + H, outputs) are of the N validation and the H held-out pictures, where they are
    known already. The model card is written last: where it stands, the run is complete.
    """
    labels = data.val.labels
    if logits is None:
        pools = [pool for pool in (data.val, data.held_out) if len(pool)]
        logits = np.concatenate([network_logits(network, pool, CPU) for pool in pools])
    of_val, of_held_out = np.split(logits, [len(labels)])
    own = of_val[:, : data.classes].astype(np.float64)
    calibration = calibrate(own, labels, data.class_weights, config.calibration)
    warnings = list(notes_on(own, labels, calibration, config.calibration))
    improving = still_improving(history)
    if improving is not None:
        warnings.append(improving)
    scale = config.calibration.known_scale
    probabilities, known = _answers(of_val, calibration, scale)
    threshold = 0.0
    if data.has_negatives:
        negatives = of_held_out[data.held_out.labels == data.classes]
        of_negatives = _answers(negatives, calibration, scale)[1]
        threshold = fit_threshold(known, of_negatives, config.keep_known, config.calibration)
    elif config.keep_known is not None:
        warnings.append("`keep_known` has no effect: with `unknown` none nothing is rejected")
    right = probabilities.argmax(1) == labels
    correct = int(right.sum())
    interval = wilson_interval(correct, len(labels))
    assert interval is not None, "train checks that there are validation pictures"
    grouped = None
    if prepared.grouping in KNOWN_GROUPINGS:
        grouped = grouped_bootstrap(right, prepared.table["group"].iloc[data.val.rows])
    record = ModelRecord(
        signwise_version=versions()["signwise"],
        classes=prepared.classes,
        image_size=config.image_size,
        resize=RESIZE_RULES[config.crop],
        crop=config.crop,
        temperature=calibration.temperature,
        offsets=tuple(calibration.offsets.tolist()),
        threshold=threshold,
        unknown=config.unknown if config.unknown in UNKNOWN else "folder",
        model=config.model,
        data_sha256=prepared.sha256,
        grouping=prepared.grouping,
        figures=ModelFigures(
            validation=MeasuredSet(
                n=len(labels),
                correct=correct,
                accuracy=correct / len(labels),
                accuracy_ci95=interval,
                accuracy_ci95_grouped=grouped,
                refused=int((~accepted(known, threshold)).sum()),
            ),
            best_epoch=best_epoch,
            notes=tuple(warnings),
        ),
    )
    some = data.val.images(compared(len(labels)))
    difference = export_onnx(network, out / "model.onnx", some, record, scale)
    write_bytes(out / "curves.png", curves(history))
    card = CardFacts(
        record=record,
        counts=_counts(prepared),
        negatives=data.negatives,
        history=history,
        difference=difference,
        warnings=warnings,
        settings=dotted(config.to_json()),
    )
    write_text(out / "README.md", model_card(card))
    return Finished(figures=record.figures, warnings=warnings, probabilities=probabilities)


def _answers(
    logits: NDArray[np.float32], calibration: Calibration, known_scale: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Probabilities (N, K) and known (N,) from logits (N, outputs), as model.onnx gives them."""
    offsets = torch.tensor(calibration.offsets.tolist())
    found = answers_of(torch.from_numpy(logits), calibration.temperature, offsets, known_scale)
    return found[0].numpy(), found[1].numpy()


def _counts(prepared: PreparedData) -> dict[str, dict[str, int]]:
    counts = prepared.table.groupby(["label", "split"]).size()
    return {
        name: {split: int(counts.get((name, split), 0)) for split in SPLITS}
        for name in prepared.classes
    }
