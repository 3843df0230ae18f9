"""Predictions of pictures as rows: CSV, JSON Lines or Parquet, in input order."""

import dataclasses
import os
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TextIO, TypeVar

from signwise.cluster import connected, spread
from signwise.data.images import Source, Sources
from signwise.data.portions import Portion, cut, is_table, read
from signwise.data.walk import walk
from signwise.errors import SignwiseError
from signwise.files import printable_path
from signwise.inference.parts import (
    Origin,
    Parts,
    Summary,
    Total,
    counts_of,
    is_parts,
    origin_of,
    part_table,
    parts_folder,
)
from signwise.inference.portable import PortablePredictor, portable_predictor
from signwise.inference.predictor import Prediction, Predictor, single_pictures
from signwise.inference.session import Device
from signwise.inference.tables import CsvWriter, open_table
from signwise.model_file.read import read_model
from signwise.names import UNKNOWN
from signwise.places import is_remote
from signwise.progress import track
from signwise.results import Problem, Row

Found = TypeVar("Found")


@dataclass(frozen=True, kw_only=True)
class PredictResult:
    """What was predicted."""

    out: Path | str | None
    """A string where it lies in a store."""
    counts: dict[str, int]
    """images, predicted, unknown (of those), unreadable, skipped (files that are no pictures); of a
    folder of parts also parts, parts_kept (those that were there already)."""
    problems: list[Problem]
    """Pictures that could not be used: path and problem."""
    labels: dict[str, int]
    """How many pictures got each label."""
    rows: list[Row]
    """One a picture, in input order; empty where `keep_rows` was false."""


def predict(
    model: str | Path,
    images: Sources,
    *,
    out: str | Path | None = None,
    threshold: float | None = None,
    batch_size: int | None = None,
    device: Device = "cpu",
    cluster: str | None = None,
    stream: TextIO | None = None,
    keep_rows: bool = True,
) -> PredictResult:
    """Say what each picture shows.

    `images`: a path, a folder, bytes, a PIL image, an RGB array (H, W, 3), or any mix of these in a
    list or an iterator; a path may also be of a list or a shard, and lie in a store (see
    `data.portions`). `out`: a .csv, .jsonl or .parquet file, written whole or not at all; any other
    name is a folder of parts, which a second call goes on with (see `inference.parts`).
    `cluster`: auto, or the address of a Ray cluster, whose workers do the work; it wants a folder
    of parts. `stream`: a text file that gets CSV as it comes. With `keep_rows` false, memory stays
    bounded whatever the number of pictures. Raises SignwiseError for a model that can't be used, an
    `out` of another kind, and where there is no picture at all; a picture that can't be read is a
    row.
    """
    in_parts = out is not None and is_parts(out)
    if cluster is not None and not in_parts:
        raise SignwiseError("`cluster` writes a folder of parts: give `out` a folder's name")
    if out is not None and in_parts:
        return _predict_parts(
            model, images, str(out), threshold=threshold, batch_size=batch_size, device=device,
            cluster=cluster, keep_rows=keep_rows,
        )  # fmt: skip
    if is_remote(out):
        raise SignwiseError(f"`out` {out}: a store takes a folder of parts: give a folder's name")
    predictor = Predictor(model, threshold=threshold, batch_size=batch_size, device=device)
    skipped: Counter[str] = Counter()
    sources, total = _find(images, skipped)
    columns = column_names(predictor.classes)
    counts = Counter(dict.fromkeys(("images", "predicted", "unknown", "unreadable"), 0))
    labels = Counter(dict.fromkeys((*predictor.classes, UNKNOWN), 0))
    problems: list[Problem] = []
    rows: list[Row] = []
    table = nullcontext() if out is None else open_table(Path(out), columns)
    # Rows that come as a stream are progress enough, and so are the few of a single batch.
    few = out is None and total is not None and total <= predictor.batch_size
    progress = nullcontext() if stream is not None or few else track("predict", total)
    with table as file_writer, progress as advance:
        writers = [] if file_writer is None else [file_writer]
        if stream is not None:
            writers.append(CsvWriter(stream, columns))
        named = _at_least_one(_named(sources), skipped)  # a shard may hold none
        for number, prediction in enumerate(_predictions(predictor, named), 1):
            counts["images"] += 1
            if prediction.error is None:
                counts["predicted"] += 1
                counts["unknown"] += prediction.label == UNKNOWN
                labels[str(prediction.label)] += 1
            else:
                counts["unreadable"] += 1
                path = prediction.path or f"picture {number}"
                problems.append(Problem(path=path, problem=prediction.error))
            row = _row(prediction, predictor.classes)
            for writer in writers:
                writer.write(row)
            if keep_rows:
                rows.append(dict(zip(columns, row, strict=True)))
            if advance is not None:
                advance(1)
    return PredictResult(
        out=None if out is None else Path(out),
        counts={**counts, "skipped": skipped.total()},
        problems=problems,
        labels=dict(labels),
        rows=rows,
    )


def _predict_parts(
    model: str | Path,
    images: Sources,
    out: str,
    *,
    threshold: float | None,
    batch_size: int | None,
    device: Device,
    cluster: str | None,
    keep_rows: bool,
) -> PredictResult:
    predictor = Predictor(model, threshold=threshold, batch_size=batch_size, device=device)
    columns = column_names(predictor.classes)
    origin = origin_of(read_model(predictor.path), predictor.threshold, columns)
    skipped: Counter[str] = Counter()
    portions = _at_least_one(cut(images, skipped), skipped)
    total = Total()
    with parts_folder(out, origin) as parts, track("predict", None) as advance:
        left = _left(portions, parts, total, advance)
        if cluster is None:
            _write(map(partial(_numbered_part, predictor, origin), left), parts, total, advance)
        else:
            with connected(cluster):
                build = partial(_build_worker, portable_predictor(predictor), origin)
                _write(spread(build, left, gpu=device == "cuda"), parts, total, advance)
        if total.remade:
            warnings.warn(
                f"{out}: {len(total.remade):,} parts held predictions of other pictures, or of"
                f" pictures that have changed, and were made anew: {total.remade[0]} is the first",
                stacklevel=3,
            )
        if not total.images:
            raise _no_picture(skipped)
        parts.finish(total)
        return PredictResult(
            out=parts.out if is_remote(out) else Path(out),
            counts=counts_of(total, skipped.total()),
            problems=list(parts.problems()),
            labels={name: total.labels[name] for name in (*predictor.classes, UNKNOWN)},
            rows=list(parts.rows()) if keep_rows else [],
        )


def _left(
    portions: Iterable[Portion], parts: Parts, total: Total, advance: Any
) -> Iterator[tuple[int, Portion]]:
    """The portions, by number, whose part is not there, or not theirs."""
    for number, portion in enumerate(portions):
        summary = parts.summary(number)
        if summary is not None and summary.pictures == portion.key:
            total.kept += 1
            total.add(summary)
            advance(summary.images)
            continue
        if summary is not None:
            total.remade.append(parts.names[number])
        yield number, portion


def _write(
    made: Iterable[tuple[int, tuple[Any, Summary]]], parts: Parts, total: Total, advance: Any
) -> None:
    for number, (table, summary) in made:
        parts.write(number, table)
        total.add(summary)
        advance(summary.images)


def _numbered_part(
    predictor: Predictor, origin: Origin, item: tuple[int, Portion]
) -> tuple[int, tuple[Any, Summary]]:
    number, portion = item
    predictions = _predictions(predictor, read(portion))
    rows = (_row(one, predictor.classes) for one in predictions)
    return number, part_table(rows, origin, portion.key)


def _build_worker(
    portable: PortablePredictor, origin: Origin
) -> Callable[[tuple[int, Portion]], tuple[int, tuple[Any, Summary]]]:
    return partial(_numbered_part, portable.build(), origin)


def _predictions(
    predictor: Predictor, named: Iterable[tuple[str | None, Source]]
) -> Iterator[Prediction]:
    """The predictions of pictures that have names, with these as their paths."""
    names: deque[str | None] = deque()

    def sources() -> Iterator[Source]:
        for name, source in named:
            names.append(name)
            yield source

    for prediction in predictor.stream(sources()):
        name = names.popleft()
        same = prediction.path == name
        yield prediction if same else dataclasses.replace(prediction, path=name)


def _find(images: Sources, skipped: Counter[str]) -> tuple[Iterator[Source | Portion], int | None]:
    """As `find_pictures`, with the portions of what holds more than one picture."""
    pictures = single_pictures(images)
    found = _at_least_one(_divided(pictures, skipped), skipped)
    if isinstance(pictures, Iterator):
        return found, None
    listed = list(found)
    counts = [1 if not isinstance(one, Portion) else one.count for one in listed]
    return iter(listed), None if None in counts else sum(count or 0 for count in counts)


def _divided(images: Iterable[Source], skipped: Counter[str]) -> Iterator[Source | Portion]:
    for image in images:
        if isinstance(image, str | os.PathLike) and (
            is_remote(image) or is_table(image) or os.path.isdir(image)  # noqa: PTH112
        ):
            yield from cut(image, skipped)
        else:
            yield image


def _named(sources: Iterable[Source | Portion]) -> Iterator[tuple[str | None, Source]]:
    """Each picture with its name."""
    for source in sources:
        if isinstance(source, Portion):
            yield from read(source)
        else:
            yield printable_path(source) if isinstance(source, str | os.PathLike) else None, source


def column_names(classes: Iterable[str]) -> list[str]:
    """The columns of a row: path, label, confidence, known, p_<class>..., error."""
    return ["path", "label", "confidence", "known", *(f"p_{name}" for name in classes), "error"]


def _row(prediction: Prediction, classes: tuple[str, ...]) -> list[str | float | None]:
    return [
        prediction.path,
        prediction.label,
        prediction.confidence,
        prediction.known,
        *(prediction.probabilities.get(name) for name in classes),
        prediction.error,
    ]


def find_pictures(images: Sources, skipped: Counter[str]) -> tuple[Iterator[Source], int | None]:
    """The single pictures, folders walked, and their number where it can be known beforehand.

    Raises SignwiseError where there is none, at once or, for an iterator, at its end.
    """
    pictures = single_pictures(images)
    found = _walked(pictures, skipped)
    if isinstance(pictures, Iterator):
        return _at_least_one(found, skipped), None
    # Paths are small: with all of them at hand, progress can say how far it has come.
    listed = list(_at_least_one(found, skipped))
    return iter(listed), len(listed)


def _walked(images: Iterable[Source], skipped: Counter[str]) -> Iterator[Source]:
    for image in images:
        if isinstance(image, str | os.PathLike) and os.path.isdir(image):  # noqa: PTH112
            yield from walk(os.fspath(image), skipped)
        else:
            yield image


def _at_least_one(found: Iterator[Found], skipped: Counter[str]) -> Iterator[Found]:
    empty = True
    for image in found:
        empty = False
        yield image
    if empty:
        raise _no_picture(skipped)


def _no_picture(skipped: Counter[str]) -> SignwiseError:
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(skipped.items()))
    return SignwiseError(
        "`images` holds no picture"
        + (f" (skipped: {reasons})" if reasons else "")
        + ": give picture files, or a folder of them"
    )
