"""The model card, README.md of a run: what the model is, how good, on what it was trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from signwise.files import Json
from signwise.model_file.record import ModelRecord
from signwise.report.words import between, percent
from signwise.results import Epoch

SHOWN_CLASSES = 20


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """What a card says beside the model's own record."""

    record: ModelRecord
    counts: Mapping[str, Mapping[str, int]]
    """Pictures by class and split."""
    negatives: int
    """Pictures of no class that were trained against."""
    history: Sequence[Epoch]
    difference: float
    """The largest, in a probability, of model.onnx from the network."""
    warnings: Sequence[str]
    settings: Mapping[str, Json]
    """By dotted name."""


def model_card(facts: CardFacts) -> str:
    """Markdown."""
    record = facts.record
    measured = record.figures.validation
    assert measured is not None, "training measures on the validation set"
    interval = between(measured.accuracy_ci95) + " by picture"
    if measured.accuracy_ci95_grouped is not None:
        # Pictures of one sign are no independent trials.
        interval += f", {between(measured.accuracy_ci95_grouped)} by {record.grouping}"
    rows = "\n".join(
        f"| {name} | {counts['train']} | {counts['val']} | {counts['test']} |"
        for name, counts in facts.counts.items()
    )
    settings = "\n".join(f"- `{name}`: {value}" for name, value in facts.settings.items())
    notes = "\n".join(f"- {note}" for note in facts.warnings) or "- none"
    seconds = sum(row.seconds for row in facts.history)
    names, size = record.classes, record.image_size
    return f"""# A classifier of {len(names)} classes: {", ".join(names[:SHOWN_CLASSES])}

{record.model}, {size} x {size} pixels, made with signwise {record.signwise_version}.
`model.onnx` is the file to deploy: it holds the weights, the class names, the preprocessing,
the temperature and the threshold.

## How good it is

Right on {measured.correct} of {measured.n} validation pictures: {percent(measured.accuracy)}
(95 % interval {interval}). The weights and the threshold were
chosen on these pictures, so the figure is too good: run `signwise evaluate` for the test set's.

At the threshold {record.threshold:.4f} of `known` it rejects {measured.refused} of them; the
temperature is {record.temperature:.3f}. Probabilities take the classes to be as frequent as
they are here. model.onnx differs from the network by at most {facts.difference:.1e} in any
probability.

Notes:

{notes}

## What it was trained on

Pictures by class and split, grouped by {record.grouping}; negatives: {record.unknown}
({facts.negatives} pictures; where there are any, pictures of the classes themselves too, destroyed
or with another centre).

| class | train | validation | test |
|---|---|---|---|
{rows}

Data hash `{record.data_sha256}`.

## What it is for, and what not

It names the one sign that a cropped picture shows, or answers `unknown`. It does not find signs in
a street photo, and it has seen only what is listed above.

## Settings

{len(facts.history)} epochs in {seconds:.0f} s; the best by validation loss was epoch
{record.figures.best_epoch}.

{settings}
"""
