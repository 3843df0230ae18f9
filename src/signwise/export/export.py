"""The verb: a model in another format, run against model.onnx before it is written."""

import platform
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from signwise.data.manifest import PreparedData, load_data
from signwise.data.pixels import load_pixels
from signwise.errors import SignwiseError
from signwise.export.certificate import Certificate, check_bounds, compare
from signwise.export.formats import FORMATS, Pixels, Source, require_format
from signwise.files import (
    real_path,
    saying_what_is_full,
    scratch_folder,
    sha256_bytes,
    sha256_file,
    write_json,
)
from signwise.folders import HOLDER, LOCK, MARKER, output_folder
from signwise.inference.predictor import Predictor
from signwise.model_file.read import OPENVINO_FILE, SHIPPED_MODELS, ModelFile, read_model
from signwise.opening import read_record
from signwise.places import is_folder, located
from signwise.results import Problem, RunConfig
from signwise.runtime import available_cores, cpu_name

CERTIFICATE = "certificate.json"
SPLIT = "val"
RANGE_PICTURES = 512
"""Pictures of the training that a format may learn ranges from."""
PACKAGES = ("signwise", "numpy", "pillow", "onnxruntime", "onnx", "openvino", "torch")
"""Whose versions decide what an export computes."""


@dataclass(frozen=True, kw_only=True)
class ExportResult:
    """What was written."""

    out: Path
    counts: dict[str, int]
    """pictures (compared), decisions_differ."""
    problems: list[Problem]
    files: list[str]
    """Relative to `out`."""
    certificate: Certificate


def export(
    model: str | Path, format: str, out: str | Path, *, data: str | Path | None = None
) -> ExportResult:
    """Write a model in another format, with a certificate that it decides as model.onnx does.

    `format` is one of FORMATS. Both files run on the whole validation split of `data`, what
    `prepare` wrote, by default that of the run. Writes into `out`, and replaces an earlier export
    there. Raises SignwiseError, with nothing written, where more decisions differ than the format
    may change, and for a model, data or a package that is not there.
    """
    if format not in FORMATS:
        raise SignwiseError(f"`format` must be one of {', '.join(FORMATS)}, not {format}")
    require_format(format)
    file = read_model(model)
    if file.path.suffix == Path(OPENVINO_FILE).suffix:
        raise SignwiseError(f"{file.path} is an export already: give the model.onnx it is made of")
    run = _run_of(file)
    prepared = _prepared(file, run, data)
    pixels = load_pixels(prepared, file.record.image_size, file.record.crop)
    rows = {split: np.flatnonzero(prepared.table["split"] == split) for split in ("train", SPLIT)}
    if not len(rows[SPLIT]):
        raise SignwiseError(f"{prepared.place} has no picture in its split {SPLIT}")
    chosen = FORMATS[format]
    out = Path(out)
    with output_folder(out, "export") as folder, scratch_folder() as scratch:
        staged = scratch / "export"
        staged.mkdir()
        source = Source(
            model=file, name=_name_of(file), run=run, pixels=_some(pixels, rows["train"])
        )
        scorer = chosen.read(chosen.write(source, staged))
        found = compare(Predictor(file.path), scorer, pixels[rows[SPLIT]])
        check_bounds(format, chosen, found)
        names = sorted(p.relative_to(staged) for p in staged.rglob("*") if p.is_file())
        certificate = Certificate(
            format=format,
            comparison=found,
            decisions_may_differ=chosen.differing_share,
            difference_may_be=chosen.largest_difference,
            split=SPLIT,
            data_sha256=prepared.sha256,
            model_sha256=sha256_bytes(file.content),
            files={name.as_posix(): sha256_file(staged / name) for name in names},
            versions=_versions(),
            cpu=cpu_name(),
            cores=available_cores(),
        )
        del scorer  # Windows moves no file that is open
        with saying_what_is_full(folder):
            _replace(folder, staged)
        write_json(folder / CERTIFICATE, certificate.to_json())
    return ExportResult(
        out=out,
        counts={"pictures": found.pictures, "decisions_differ": found.decisions_differ},
        problems=[],
        files=[*certificate.files, CERTIFICATE],
        certificate=certificate,
    )


def _run_of(file: ModelFile) -> Path | None:
    folder = file.path.parent
    return folder if (folder / "config.json").is_file() else None


def _name_of(file: ModelFile) -> str:
    """The folder of a model.onnx, which a run or a model that ships is called by."""
    folder = file.path.absolute().parent
    shipped = real_path(folder).is_relative_to(real_path(SHIPPED_MODELS))
    return folder.name if shipped or _run_of(file) else file.path.stem


def _prepared(file: ModelFile, run: Path | None, data: str | Path | None) -> PreparedData:
    """The data to compare on; raises SignwiseError where it has to be named."""
    if data is not None:
        place = located(data)
    elif run is None:
        raise SignwiseError(f"{file.path} is of no run: name its pictures, prepared, with `data`")
    else:
        place = located(read_record(run / "config.json", RunConfig).data)
        if not is_folder(place):
            raise SignwiseError(f"{place}, which {run} was trained on, is gone: give it as `data`")
    prepared = load_data(place)
    unknown = set(prepared.classes) - set(file.record.classes)
    if unknown:
        raise SignwiseError(
            f"`data` {place}: the model does not know {', '.join(sorted(unknown))}; its classes are"
            f" {', '.join(file.record.classes)}"
        )
    return prepared


def _some(pixels: Pixels, rows: np.ndarray) -> Pixels:
    """Of the rows of pictures, some that are spread over all of them."""
    return np.array(pixels[rows[:: max(1, len(rows) // RANGE_PICTURES)][:RANGE_PICTURES]])


def _replace(folder: Path, staged: Path) -> None:
    """Put what is staged in place of an earlier export: the certificate goes first, comes last."""
    (folder / CERTIFICATE).unlink(missing_ok=True)
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name not in (MARKER, LOCK, HOLDER):
            path.unlink()
    for path in staged.iterdir():
        shutil.move(path, folder / path.name)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
