"""Finds a model.onnx and reads what it says of itself, without building a session."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from signwise.errors import SignwiseError
from signwise.files import Json
from signwise.model_file import protobuf
from signwise.model_file.record import (
    FORMAT,
    METADATA_KEY,
    BrokenRecord,
    ModelRecord,
    NewerFormat,
    parse_record,
)
from signwise.results import Problem

MODEL_FILE = "model.onnx"
SHIPPED_MODELS = Path(__file__).parents[1] / "models"


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """A model.onnx whose metadata have been checked."""

    path: Path
    content: bytes
    """The file itself: what has been checked is what is run."""
    record: ModelRecord
    metadata: str
    """The metadata entry as it stands in the file, JSON."""


class ShippedModel(TypedDict):
    """A model that ships, as `models` lists it."""

    name: str
    classes: list[str]
    image_size: int
    """Side of the input, in pixels."""
    megabytes: float
    """10^6 bytes."""
    figures: dict[str, Json]
    """What it measured itself, by set."""
    path: str


@dataclass(frozen=True, kw_only=True)
class ModelsResult:
    """What ships: one row a model."""

    out: Path | None
    counts: dict[str, int]
    problems: list[Problem]
    rows: list[ShippedModel]


def shipped_models() -> dict[str, Path]:
    """The models that ship with signwise: name -> path, in the order of their names."""
    return {path.parent.name: path for path in sorted(SHIPPED_MODELS.glob(f"*/{MODEL_FILE}"))}


def models() -> ModelsResult:
    """List what ships, with its figures."""
    rows = []
    for name, path in shipped_models().items():
        model = read_model(path)
        record = model.record
        rows.append(
            ShippedModel(
                name=name,
                classes=list(record.classes),
                image_size=record.image_size,
                megabytes=round(len(model.content) / 1e6, 2),
                figures=record.figures.to_json(),
                path=str(path),
            )
        )
    return ModelsResult(out=None, counts={"models": len(rows)}, problems=[], rows=rows)


def find_model(model: str | Path) -> Path:
    """The path of the model.onnx meant by a run directory, a file or the name of a shipped model.

    What exists on disk goes before a shipped name. Raises SignwiseError that lists what ships.
    """
    path = Path(model)
    if not str(model):  # Path("") would be the folder that one stands in
        raise SignwiseError("`model` is empty: give a run directory, a model.onnx, or a name")
    if path.is_dir():
        if not (path / MODEL_FILE).is_file():
            if (path / "data.json").is_file():
                raise SignwiseError(f"{model} is prepared data, and no run: train on it first")
            raise SignwiseError(
                f"{model} holds no {MODEL_FILE}: finish its training (train --resume)"
            )
        return path / MODEL_FILE
    if path.exists():
        return path
    shipped = shipped_models()
    if str(model) in shipped:
        return shipped[str(model)]
    names = ", ".join(shipped) or "none"
    raise SignwiseError(
        f"{model} does not exist: give a run directory, a model.onnx,"
        f" or the name of a model that ships ({names})"
    )


def read_model(model: str | Path) -> ModelFile:
    """Read a model.onnx and check its metadata.

    Raises SignwiseError for a file that is no ONNX model, has data outside itself, was not written
    by signwise, or has a newer format.
    """
    path = find_model(model)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SignwiseError(f"{path} can't be read ({error.strerror})") from None
    try:
        entries = protobuf.metadata(content)
        external = protobuf.has_external_data(content)
    except protobuf.Malformed as error:
        raise SignwiseError(
            f"{path} is not a model, or is cut off ({error}): give the model.onnx of a run"
        ) from None
    if external:
        raise SignwiseError(
            f"{path} keeps data outside itself, which is never opened:"
            " give a model.onnx that holds its weights"
        )
    if METADATA_KEY not in entries:
        raise SignwiseError(
            f"{path} is an ONNX file that signwise did not write: give the model.onnx of a run"
        )
    try:
        record = parse_record(entries[METADATA_KEY])
    except NewerFormat as error:
        raise SignwiseError(
            f"{path} is of the newer format {error}, and this signwise reads up to {FORMAT}:"
            " update with pip install -U signwise"
        ) from None
    except BrokenRecord as error:
        raise SignwiseError(
            f"{path}: its metadata entry {METADATA_KEY!r} is broken ({error}): train again"
        ) from None
    return ModelFile(path=path, content=content, record=record, metadata=entries[METADATA_KEY])
