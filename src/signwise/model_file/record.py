"""What model.onnx says of itself: the metadata entry `signwise`, as one typed record.

The graph's input `images` is uint8 (N, S, S, 3) RGB; its outputs are `probabilities` float32 (N, K)
and `known` float32 (N,). All else that an answer needs stands in this record.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Annotated

import msgspec
from msgspec import Meta

from signwise.config import MAX_IMAGE_SIZE, Crop
from signwise.files import Json
from signwise.names import class_name, wrong_class_name
from signwise.results import Interval, to_json

METADATA_KEY = "signwise"
"""The name of the metadata entry."""
FORMAT = 1
"""The newest format of the entry, which this version writes."""


@dataclass(frozen=True, kw_only=True)
class MeasuredUnknown:
    """How a model tells pictures of no class, as its own record says."""

    n: int
    source: str
    """What these pictures are."""
    auroc: float
    fpr_at_95_tpr: float
    accepted: int
    """At the threshold."""


@dataclass(frozen=True, kw_only=True)
class MeasuredSet:
    """How good a model is on one set of pictures, as its own record says."""

    n: int
    correct: int
    accuracy: float
    accuracy_ci95: Interval
    accuracy_ci95_grouped: Interval | None = None
    refused: int
    """Pictures that the threshold rejects."""
    signs: int | None = None
    """Physical signs that the pictures show, where that is known."""
    signs_with_mistakes: tuple[str, ...] | None = None
    unknown: MeasuredUnknown | None = None

    def to_json(self) -> dict[str, Json]:
        """The fields that are filled, and the interval by sign."""
        always = {"accuracy_ci95_grouped"}
        return {
            name: to_json(value)
            for name, value in vars(self).items()
            if value is not None or name in always
        }


@dataclass(frozen=True, kw_only=True)
class ModelFigures:
    """What was measured of a model before it was written."""

    validation: MeasuredSet | None = None
    """On the pictures that its weights and threshold were chosen on."""
    held_out: MeasuredSet | None = None
    """On signs that nothing was chosen on."""
    best_epoch: int | None = None
    notes: tuple[str, ...] | None = None
    """What a user must know of how the model was calibrated."""

    @property
    def measured(self) -> dict[str, MeasuredSet]:
        """The sets that were measured, by name."""
        sets = {"validation": self.validation, "held_out": self.held_out}
        return {name: found for name, found in sets.items() if found is not None}

    def to_json(self) -> dict[str, Json]:
        """The fields that are filled."""
        return {name: to_json(value) for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """What a model of K classes says of itself."""

    signwise_version: str = ""
    classes: Annotated[tuple[str, ...], Meta(min_length=1)]
    """In the order of the probabilities, each name once."""
    image_size: Annotated[int, Meta(ge=1, le=MAX_IMAGE_SIZE)]
    """Side of the input, in pixels."""
    resize: str = ""
    """The rule by which pictures are brought to that side, in words."""
    crop: Crop = "none"
    """What is left of them before that: all, or the largest square in the middle."""
    temperature: float = 1.0
    offsets: tuple[float, ...] | None = None
    """(K,), what is taken from the scaled logits of each class."""
    threshold: Annotated[float, Meta(ge=0, le=1)]
    """`known` below this is answered `unknown`."""
    unknown: str = ""
    """What was trained against: none, synthetic or folder."""
    model: str = ""
    """The architecture."""
    data_sha256: str = ""
    grouping: str = ""
    figures: ModelFigures = field(default_factory=ModelFigures)

    def to_json(self) -> dict[str, Json]:
        """The metadata entry: the fields that are filled, and the format."""
        filled = {
            name: to_json(value)
            for name, value in vars(self).items()
            if value not in (None, "") and (name, value) != ("crop", "none")
        }
        return {"format": FORMAT, **filled}


class BrokenRecord(ValueError):
    """The metadata entry can't be used; the text says which part of it."""


class NewerFormat(BrokenRecord):
    """The entry is of a format that this version does not know; the text is its number."""


@dataclass(frozen=True)
class _Format:
    format: Annotated[int, Meta(ge=1)]


def parse_record(text: str) -> ModelRecord:
    """Read and check the metadata entry; raises BrokenRecord."""
    try:
        version = msgspec.json.decode(text, type=_Format).format
        if version > FORMAT:
            raise NewerFormat(str(version))
        record = msgspec.json.decode(text, type=ModelRecord)
        msgspec.json.decode(text)  # what the record does not name is JSON, too
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise BrokenRecord(str(error)) from None
    record = dataclasses.replace(record, classes=tuple(map(class_name, record.classes)))
    if len(set(record.classes)) < len(record.classes):
        raise BrokenRecord("a class is named twice")
    for name in record.classes:
        wrong = wrong_class_name(name)
        if wrong is not None:
            raise BrokenRecord(f"its class {name!r} {wrong}")
    return record
