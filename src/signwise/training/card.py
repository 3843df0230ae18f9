"""The model card, README.md of a run: what the model is, how good, on what it was trained."""

from collections.abc import Sequence
from typing import Any

from signwise.config import TrainConfig
from signwise.data.prepared import PreparedData
from signwise.training.batches import TrainingData
from signwise.training.loop import Epoch


def model_card(
    metadata: dict[str, Any],
    config: TrainConfig,
    prepared: PreparedData,
    data: TrainingData,
    history: list[Epoch],
    difference: float,
    warnings: list[str],
) -> str:
    """Markdown from the metadata of model.onnx and what they were made of.

    difference: the largest, in a probability, of model.onnx from the network.
    """
    figures = metadata["figures"]["validation"]
    interval = _interval(figures["accuracy_ci95"]) + " by picture"
    if figures["accuracy_ci95_grouped"] is not None:
        # Pictures of one sign are no independent trials.
        interval += f", {_interval(figures['accuracy_ci95_grouped'])} by {prepared.grouping}"
    counts = prepared.table.groupby(["label", "split"]).size()
    rows = "\n".join(
        f"| {name} | "
        + " | ".join(str(counts.get((name, s), 0)) for s in ("train", "val", "test"))
        + " |"
        for name in prepared.classes
    )
    settings = "\n".join(f"- `{name}`: {value}" for name, value in config.to_json().items())
    notes = "\n".join(f"- {note}" for note in warnings) or "- none"
    seconds = sum(row.seconds for row in history)
    size, best = metadata["image_size"], metadata["figures"]["best_epoch"]
    return f"""# A classifier of {len(prepared.classes)} classes: {", ".join(prepared.classes[:20])}

{config.model}, {size} x {size} pixels, made with signwise {metadata["signwise_version"]}.
`model.onnx` is the file to deploy: it holds the weights, the class names, the preprocessing,
the temperature and the threshold.

## How good it is

Right on {figures["correct"]} of {figures["n"]} validation pictures: {figures["accuracy"]:.2%}
(95 % interval {interval}). The weights and the threshold were
chosen on these pictures, so the figure flatters: run `signwise evaluate` for the test set's.

The threshold {metadata["threshold"]:.4f} of `known` refuses {figures["refused"]} of them; the
temperature is {metadata["temperature"]:.3f}. Probabilities take the classes to be as frequent as
they are here. model.onnx differs from the network by at most {difference:.1e} in any probability.

Notes:

{notes}

## What it was trained on

Pictures by class and split, grouped by {prepared.grouping}; negatives: {config.unknown}
({(data.extra_labels == data.classes).sum()} pictures; besides, where there are any, pictures of
the classes themselves, destroyed or with another centre).

| class | train | validation | test |
|---|---|---|---|
{rows}

Data hash `{prepared.sha256}`.

## What it is for, and what not

It names the one sign that a cropped picture shows, or answers `unknown`. It does not find signs in
a street photo, and it has seen only what is listed above.

## Settings

{len(history)} epochs in {seconds:.0f} s; the best by validation loss was epoch {best}.

{settings}
"""


def _interval(bounds: Sequence[float]) -> str:
    return " to ".join(f"{bound:.2%}" for bound in bounds)
