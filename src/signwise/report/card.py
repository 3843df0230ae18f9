"""The model card, README.md of a run: what the model is, how good it is, how it was trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from signwise.files import Json
from signwise.model_file.record import ModelRecord
from signwise.report.page import render
from signwise.report.words import LEVEL, intervals
from signwise.results import Epoch, Rate

SHOWN_CLASSES = 20


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """What a card says beside the model's own record."""

    record: ModelRecord
    counts: Mapping[str, Mapping[str, int]]
    """Pictures by class and split."""
    negatives: int
    """Pictures of no class that the model was trained on."""
    history: Sequence[Epoch]
    difference: float
    """The largest, in a probability, of model.onnx from the network."""
    warnings: Sequence[str]
    settings: Mapping[str, Json]
    """By dotted name."""


def model_card(facts: CardFacts) -> str:
    """The card as Markdown; the record must hold what was measured on the validation set."""
    measured = facts.record.figures.validation
    assert measured is not None, "training measures on the validation set"
    accuracy = Rate(
        value=measured.accuracy,
        n=measured.n,
        ci95=measured.accuracy_ci95,
        ci95_grouped=measured.accuracy_ci95_grouped,
    )
    return render(
        "card.md",
        facts=facts,
        record=facts.record,
        measured=measured,
        level=LEVEL,
        # Pictures of one sign are no independent trials.
        intervals=intervals(accuracy, facts.record.grouping),
        shown_classes=SHOWN_CLASSES,
        seconds=sum(row.seconds for row in facts.history),
    )
