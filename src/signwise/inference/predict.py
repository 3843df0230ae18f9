"""Predictions of pictures as rows: CSV, JSON Lines or Parquet, in input order."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from signwise.data.images import Source, Sources
from signwise.data.walk import walk
from signwise.errors import SignwiseError
from signwise.inference.predictor import UNKNOWN, Prediction, Predictor, single_pictures
from signwise.inference.tables import CsvWriter, open_table
from signwise.progress import track
from signwise.results import Problem, Row


@dataclass(frozen=True, kw_only=True)
class PredictResult:
    """What was predicted."""

    out: Path | None
    counts: dict[str, int]
    """images, predicted, unknown (of those), unreadable, skipped (files that are no pictures)."""
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
    out: Path | None = None,
    threshold: float | None = None,
    batch_size: int | None = None,
    stream: TextIO | None = None,
    keep_rows: bool = True,
) -> PredictResult:
    """Say what each picture shows.

    `images`: a path, a folder, bytes, a PIL image, an RGB array (H, W, 3), or any mix of these in a
    list or an iterator. `out`: a .csv, .jsonl or .parquet file, written whole or not at all.
    `stream`: a text file that gets CSV as it comes. With `keep_rows` false, memory stays bounded
    whatever the number of pictures. Raises SignwiseError for a model that can't be used, an `out`
    of another kind, and where there is no picture at all; a picture that can't be read is a row.
    """
    predictor = Predictor(model, threshold=threshold, batch_size=batch_size)
    skipped: Counter[str] = Counter()
    sources, total = find_pictures(images, skipped)
    columns = column_names(predictor.classes)
    counts = Counter(dict.fromkeys(("images", "predicted", "unknown", "unreadable"), 0))
    labels = Counter(dict.fromkeys((*predictor.classes, UNKNOWN), 0))
    problems: list[Problem] = []
    rows: list[Row] = []
    table = nullcontext() if out is None else open_table(Path(out), columns)
    # Rows on standard output are progress enough.
    progress = nullcontext() if total is None or out is None else track("predict", total)
    with table as file_writer, progress as advance:
        writers = [] if file_writer is None else [file_writer]
        if stream is not None:
            writers.append(CsvWriter(stream, columns))
        for number, prediction in enumerate(predictor.stream(sources), 1):
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


def _at_least_one(found: Iterator[Source], skipped: Counter[str]) -> Iterator[Source]:
    empty = True
    for image in found:
        empty = False
        yield image
    if empty:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(skipped.items()))
        raise SignwiseError(
            "`images` holds no picture"
            + (f" (skipped: {reasons})" if reasons else "")
            + ": give picture files, or a folder of them"
        )
