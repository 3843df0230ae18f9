"""Finds a model and reads what it says of itself, without building a session."""

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from signwise.errors import SignwiseError
from signwise.files import Json, real_path
from signwise.model_file import protobuf
from signwise.model_file.record import (
    FORMAT,
    METADATA_KEY,
    BrokenRecord,
    ModelRecord,
    NewerFormat,
    parse_record,
)
from signwise.opening import MOST_MODEL, is_no_input, read_regular
from signwise.results import Problem

MODEL_FILE = "model.onnx"
OPENVINO_FILE = "model.xml"
"""What `export --format openvino` writes, its weights beside it in model.bin."""
TORCH_FILE = "model.pt2"
"""What `export --format torch` writes; signwise itself never opens one."""
SHIPPED_MODELS = Path(__file__).parents[1] / "models"


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """A model whose metadata have been checked: ONNX or, where it ends in .xml, OpenVINO."""

    path: Path
    content: bytes
    """The file itself: what has been checked is what is run."""
    weights: bytes = b""
    """Of OpenVINO, which keeps them in a file of their own."""
    record: ModelRecord
    metadata: str
    """The metadata entry as it stands in the file, JSON."""


class ShippedModel(TypedDict):
    """A model that ships, as `models` lists it."""

    name: str
    classes: list[str]
    image_size: int
    """Side of the input, in pixels."""
    crop: str
    """How a picture becomes that square, as in the model's record."""
    threshold: float
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
                crop=record.crop,
                threshold=record.threshold,
                megabytes=round(len(model.content) / 1e6, 2),
                figures=record.figures.to_json(),
                path=str(path),
            )
        )
    return ModelsResult(out=None, counts={"models": len(rows)}, problems=[], rows=rows)


def run_of(model: str | Path) -> Path | None:
    """The run directory that the model lies in; None where it is no run."""
    folder = find_model(model).parent
    shipped = real_path(folder).is_relative_to(real_path(SHIPPED_MODELS))
    return folder if (folder / "manifest.csv").is_file() and not shipped else None


def find_model(model: str | Path) -> Path:
    """The path of the model meant by a run directory, a file or the name of a shipped model.

    A folder that `export` wrote is a model, too.

    What exists on disk goes before a shipped name. Raises SignwiseError that lists what ships.
    """
    path = Path(model)
    if not str(model):  # Path("") would be the folder that one stands in
        raise SignwiseError("`model` is empty: give a run directory, a model.onnx, or a name")
    if path.is_dir():
        return _in_folder(path)
    if path.suffix == Path(TORCH_FILE).suffix and path.exists():
        raise _never_opened(path)
    if path.exists():
        return path
    shipped = shipped_models()
    if str(model) in shipped:
        return shipped[str(model)]
    names = ", ".join(shipped) or "none"
    raise SignwiseError(
        f"{model} {is_no_input(path)}: give a run directory, a model.onnx,"
        f" or the name of a model that ships ({names})"
    )


def _in_folder(folder: Path) -> Path:
    """The model of a run, or of a folder that `export` wrote."""
    for name in (MODEL_FILE, OPENVINO_FILE):
        if (folder / name).is_file():
            return folder / name
    if (folder / TORCH_FILE).is_file():
        raise _never_opened(folder / TORCH_FILE)
    if (folder / "data.json").is_file():
        raise SignwiseError(f"{folder} is prepared data, and no run: train on it first")
    served = sorted(folder.glob(f"*/1/{MODEL_FILE}"))  # a model repository of Triton
    if len(served) == 1:
        return served[0]
    raise SignwiseError(f"{folder} holds no {MODEL_FILE}: finish its training (train --resume)")


def _never_opened(path: Path) -> SignwiseError:
    return SignwiseError(
        f"{path} is for programs of your own: PyTorch would run code that such a file holds, so"
        " signwise opens none; give the model.onnx that it was made of"
    )


def read_model(model: str | Path) -> ModelFile:
    """Read a model and check its metadata.

    Raises SignwiseError for a file that is no ONNX model, has data outside itself, was not written
    by signwise, or has a newer format.
    """
    path = find_model(model)
    content = _read(path)
    if path.suffix == Path(OPENVINO_FILE).suffix:
        weights = _read(path.with_suffix(".bin"))
        text = _openvino_metadata(path, content)
        return ModelFile(
            path=path, content=content, weights=weights, record=_record(path, text), metadata=text
        )
    text = _onnx_metadata(path, content)
    return ModelFile(path=path, content=content, record=_record(path, text), metadata=text)


def _read(path: Path) -> bytes:
    try:
        return read_regular(path, MOST_MODEL)
    except OSError as error:
        raise SignwiseError(f"{path} can't be read ({error.strerror})") from None


def _openvino_metadata(path: Path, content: bytes) -> str:
    """The record in a model.xml: OpenVINO keeps the metadata of the ONNX file that it was made of.

    Python's parser opens no other file, and bounds what entities may grow to.
    """
    try:
        found = ElementTree.fromstring(content).find(f"rt_info/framework/{METADATA_KEY}")
    except ElementTree.ParseError as error:
        raise SignwiseError(
            f"{path} is not a model, or is cut off ({error}): export it again"
        ) from None
    if found is None:
        raise SignwiseError(f"{path} is no model that signwise wrote: export one, or give a run")
    return found.get("value", "")


def _onnx_metadata(path: Path, content: bytes) -> str:
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
    return entries[METADATA_KEY]


def _record(path: Path, text: str) -> ModelRecord:
    try:
        return parse_record(text)
    except NewerFormat as error:
        raise SignwiseError(
            f"{path} is of the newer format {error}, and this signwise reads up to {FORMAT}:"
            " update with pip install -U signwise"
        ) from None
    except BrokenRecord as error:
        raise SignwiseError(
            f"{path}: its metadata entry {METADATA_KEY!r} is broken ({error}): train again"
        ) from None
