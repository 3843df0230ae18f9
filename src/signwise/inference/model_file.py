"""Finds a model.onnx and reads what it says of itself."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from signwise.errors import SignwiseError
from signwise.files import FORMAT, METADATA_KEY, SHIPPED_MODELS
from signwise.inference import protobuf

MODEL_FILE = "model.onnx"


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """A model.onnx whose metadata have been checked."""

    path: Path
    content: bytes
    """The file itself: what has been checked is what is run."""
    metadata: dict[str, Any]
    """The whole metadata entry `signwise`."""
    classes: tuple[str, ...]
    image_size: int
    """Side of the input, in pixels."""
    threshold: float
    """`known` below this is answered `unknown`."""


@dataclass(frozen=True, kw_only=True)
class ModelsResult:
    """What ships: one row a model."""

    out: Path | None
    counts: dict[str, int]
    problems: list[dict[str, str]]
    rows: list[dict[str, Any]]
    """name, classes, image_size (pixels), megabytes (10^6 bytes), figures, path."""


def shipped_models() -> dict[str, Path]:
    """The models that ship with signwise: name -> path, in the order of their names."""
    return {path.parent.name: path for path in sorted(SHIPPED_MODELS.glob(f"*/{MODEL_FILE}"))}


def models() -> ModelsResult:
    """List what ships, with its figures."""
    rows = []
    for name, path in shipped_models().items():
        model = read_model(path)
        rows.append(
            {
                "name": name,
                "classes": list(model.classes),
                "image_size": model.image_size,
                "megabytes": round(len(model.content) / 1e6, 2),
                "figures": model.metadata.get("figures", {}),
                "path": str(path),
            }
        )
    return ModelsResult(out=None, counts={"models": len(rows)}, problems=[], rows=rows)


def find_model(model: str | Path) -> Path:
    """The path of the model.onnx meant by a run directory, a file or the name of a shipped model.

    What exists on disk goes before a shipped name. Raises SignwiseError that lists what ships.
    """
    path = Path(model)
    if not str(model):  # Path("") would be the folder that one stands in
        raise SignwiseError("MODEL is empty: give a run directory, a model.onnx, or a name")
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
    """Read a model.onnx and check its metadata, without building a session.

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
    return _checked(path, content, entries[METADATA_KEY])


def _checked(path: Path, content: bytes, text: str) -> ModelFile:
    broken = f"{path}: its metadata entry {METADATA_KEY!r} is broken"
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError):
        raise SignwiseError(f"{broken} (no JSON): train again") from None
    version = entry.get("format") if isinstance(entry, dict) else None
    if version is None or not _is_integer(version):
        raise SignwiseError(f"{broken} (no format number): train again")
    if version > FORMAT:
        raise SignwiseError(
            f"{path} is of the newer format {version}, and this signwise reads up to {FORMAT}:"
            " update with pip install -U signwise"
        )
    classes = entry.get("classes")
    if (
        not isinstance(classes, list)
        or not classes
        or not all(isinstance(name, str) for name in classes)
        or len(set(classes)) < len(classes)
    ):
        raise SignwiseError(f"{broken} (classes): train again")
    size = entry.get("image_size")
    if not _is_integer(size) or not 1 <= size <= 1024:
        raise SignwiseError(f"{broken} (image_size): train again")
    threshold = entry.get("threshold")
    if isinstance(threshold, bool) or not isinstance(threshold, int | float):
        raise SignwiseError(f"{broken} (threshold): train again")
    if not (math.isfinite(threshold) and 0 <= threshold <= 1):
        raise SignwiseError(f"{broken} (threshold): train again")
    return ModelFile(
        path=path,
        content=content,
        metadata=entry,
        classes=tuple(classes),
        image_size=size,
        threshold=float(threshold),
    )


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
