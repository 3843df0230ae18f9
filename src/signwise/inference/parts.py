"""Predictions as a folder of Parquet parts, which a second start goes on with.

`OUT/part-NNNNN.parquet` holds the answers to one portion of the pictures (see `data.portions`), in
the order of the input. Its footer says which pictures and which model it was made of, and how many
got which label; so a part that is whole is not made again, by whatever way it was made. `_SUCCESS`
says that all are there. OUT lies on this machine, or in a store as `s3://bucket/folder`.
"""

import contextlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from signwise.errors import SignwiseError, require_extra
from signwise.files import atomic_path, sha256_bytes, write_text
from signwise.folders import claim_remote, output_folder
from signwise.inference.tables import SUFFIXES, parquet_schema, parquet_table
from signwise.model_file.read import ModelFile
from signwise.names import UNKNOWN
from signwise.places import file_system, is_remote, join, list_remote, remove_remote, write_remote
from signwise.results import Problem, Row

KIND = "predictions"
DONE = "_SUCCESS"
"""Written last; a name that readers of folders of Parquet files pass over."""
_PART = re.compile(r"part-(\d{5,})\.parquet")
_KEY = b"signwise"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What answers depend on beside the pictures."""

    model_sha256: str
    threshold: float
    columns: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What the footer of a part says."""

    origin: Origin
    pictures: str
    """The key of its portion."""
    images: int
    unreadable: int
    labels: dict[str, int]


@dataclass(kw_only=True)
class Total:
    """What all parts together hold."""

    parts: int = 0
    kept: int = 0
    """Parts that were whole already."""
    remade: list[str] = field(default_factory=list)
    """Names of parts that held the answers to other pictures."""
    images: int = 0
    unreadable: int = 0
    labels: Counter[str] = field(default_factory=Counter)

    def add(self, summary: Summary) -> None:
        """Count a part in."""
        self.parts += 1
        self.images += summary.images
        self.unreadable += summary.unreadable
        self.labels.update(summary.labels)


def is_parts(out: str | Path) -> bool:
    """Whether an `out` means a folder of parts; raises SignwiseError for the name of a file."""
    suffix = Path(out).suffix.lower()
    if suffix in SUFFIXES:
        return False
    if suffix in (".json", ".txt", ".tsv", ".gz", ".zip", ".xlsx", ".html", ".feather"):
        raise SignwiseError(
            f"`out` {out}: its name must end in one of {', '.join(SUFFIXES)}, or in no suffix for a"
            " folder of parts"
        )
    return True


def origin_of(file: ModelFile, threshold: float, columns: Sequence[str]) -> Origin:
    """What the answers of this model depend on."""
    return Origin(
        model_sha256=sha256_bytes(file.content + file.weights),
        threshold=threshold,
        columns=tuple(columns),
    )


@contextmanager
def parts_folder(out: str, origin: Origin) -> Iterator["Parts"]:
    """The folder, held and marked as signwise's own, its parts those of this model.

    Raises SignwiseError where it holds anything else, and where its parts are those of another
    model or threshold: hours of work are not thrown away for a slip of the hand.
    """
    require_extra("parquet", "pyarrow")
    if is_remote(out):
        claim_remote(out.rstrip("/"), KIND)
        parts = Parts(out.rstrip("/"), origin)
        parts.check()
        yield parts
        return
    with output_folder(Path(out), KIND, keep=_has_parts) as folder:
        parts = Parts(str(folder), origin)
        parts.check()
        yield parts


class Parts:
    """The parts of a folder, by number."""

    def __init__(self, out: str, origin: Origin) -> None:
        self.out, self.origin = out, origin
        self.names = self._names()
        """The parts that are there, by number."""

    def path(self, number: int) -> str:
        """Where a part lies, or will."""
        return join(self.out, f"part-{number:05d}.parquet")

    def check(self) -> None:
        """Raise SignwiseError where the parts are those of another model; not done any more."""
        for number in sorted(self.names):
            found = self.summary(number)
            if found is None or found.origin == self.origin:
                continue
            what = "another model"
            if found.origin.model_sha256 == self.origin.model_sha256:
                what = f"the threshold {found.origin.threshold}, not {self.origin.threshold}"
            raise SignwiseError(
                f"`out` {self.out} holds predictions of {what}: give a new folder, or remove it"
            )
        self._remove(DONE)

    def summary(self, number: int) -> Summary | None:
        """What the part says of itself; None where there is none, or one that is not whole."""
        if number not in self.names:
            return None
        import pyarrow.parquet

        system, inner = self._inner(self.path(number))
        not_ours = (OSError, ValueError, KeyError, TypeError, msgspec.MsgspecError)
        with contextlib.suppress(*not_ours):
            schema = pyarrow.parquet.read_schema(inner, filesystem=system)
            return msgspec.json.decode(schema.metadata[_KEY], type=Summary)
        return None

    def write(self, number: int, table: Any) -> None:
        """Write the part, whole or not at all; `table` is one that `part_table` made."""
        import pyarrow.parquet

        path = self.path(number)
        if is_remote(path):
            system, inner = file_system(path)
            # A store shows a file when its end has come.
            pyarrow.parquet.write_table(table, inner, filesystem=system)
        else:
            with atomic_path(Path(path)) as temporary:
                pyarrow.parquet.write_table(table, temporary)
        self.names[number] = Path(path).name

    def finish(self, total: Total) -> None:
        """Remove the parts of earlier inputs that were more, and say that all is done."""
        for number in [number for number in self.names if number >= total.parts]:
            self._remove(self.names.pop(number))
        content = {
            "parts": total.parts,
            "images": total.images,
            "unreadable": total.unreadable,
            "labels": dict(total.labels),
            "model_sha256": self.origin.model_sha256,
            "threshold": self.origin.threshold,
        }
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        if is_remote(self.out):
            write_remote(join(self.out, DONE), text.encode())
        else:
            write_text(Path(self.out) / DONE, text)

    def rows(self) -> Iterator[Row]:
        """All rows, in the order of the input."""
        for number in sorted(self.names):
            for batch in self._open(number).to_batches():
                for row in batch.to_pylist():
                    yield {name: _shortest(value) for name, value in row.items()}

    def problems(self) -> Iterator[Problem]:
        """The pictures that could not be used."""
        for number in sorted(self.names):
            found = self.summary(number)
            if found is not None and found.unreadable:
                for row in self._open(number, ["path", "error"]).to_pylist():
                    if row["error"] is not None:
                        yield Problem(path=row["path"] or "", problem=row["error"])

    def _open(self, number: int, columns: list[str] | None = None) -> Any:
        import pyarrow.parquet

        system, inner = self._inner(self.path(number))
        return pyarrow.parquet.ParquetFile(inner, filesystem=system).read(columns=columns)

    @staticmethod
    def _inner(path: str) -> tuple[Any, str]:
        return file_system(path) if is_remote(path) else (None, path)

    def _names(self) -> dict[int, str]:
        if is_remote(self.out):
            names = [entry.name for entry in list_remote(self.out)]
        else:
            names = [path.name for path in Path(self.out).iterdir()]
        found = ((_PART.fullmatch(name), name) for name in names)
        return {int(match[1]): name for match, name in found if match is not None}

    def _remove(self, name: str) -> None:
        path = join(self.out, name)
        if is_remote(path):
            remove_remote(path)
        else:
            Path(path).unlink(missing_ok=True)


def part_table(
    rows: Iterable[Sequence[str | float | None]], origin: Origin, pictures: str
) -> tuple[Any, Summary]:
    """The rows as a table that says in its metadata what it was made of, and its summary."""
    kept = list(rows)
    label, error = origin.columns.index("label"), origin.columns.index("error")
    unreadable = sum(row[error] is not None for row in kept)
    labels = Counter(str(row[label]) for row in kept if row[error] is None)
    summary = Summary(
        origin=origin,
        pictures=pictures,
        images=len(kept),
        unreadable=unreadable,
        labels=dict(labels),
    )
    metadata = {_KEY: msgspec.json.encode(summary)}
    schema = parquet_schema(origin.columns).with_metadata(metadata)
    return parquet_table(kept, schema), summary


def counts_of(total: Total, skipped: int) -> dict[str, int]:
    """As `predict` counts, and the parts."""
    return {
        "images": total.images,
        "predicted": total.images - total.unreadable,
        "unknown": total.labels[UNKNOWN],
        "unreadable": total.unreadable,
        "skipped": skipped,
        "parts": total.parts,
        "parts_kept": total.kept,
    }


def _has_parts(folder: Path) -> bool:
    return any(_PART.fullmatch(path.name) for path in folder.iterdir())


def _shortest(value: Any) -> Any:
    """A float32 as `predict` gives it: the shortest decimal that is this number."""
    import numpy as np

    return float(str(np.float32(value))) if isinstance(value, float) else value
