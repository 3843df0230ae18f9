"""What every benchmark leaves: one JSON document with its machine, versions, date and n."""

import argparse
import json
import os
import platform
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar

import msgspec

from signwise.files import Json, write_text
from signwise.opening import read_record
from signwise.results import Interval, json_document, to_json
from signwise.runtime import available_cores, cpu_name

Row = TypeVar("Row")

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("signwise", "numpy", "pillow", "onnxruntime", "torch", "torchvision")
DIGITS = 4
"""Significant ones: no benchmark is surer than that."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where it was measured. No name: a processor says more, and nobody's network is told."""

    cpu: str
    """The processor's model."""
    cores: int
    """That the process may use."""
    avx512: bool | None = None
    memory_gib: int | None = None
    gpu: str = ""
    load: float | None = None
    """Processes that wanted to run, mean of the last minute, the benchmark's own among them."""
    note: str = ""

    def in_words(self) -> str:
        """As a table shows it."""
        parts = [f"{self.cores} cores, {self.cpu}"]
        parts += ["AVX-512"] if self.avx512 else []
        parts += [f"{self.memory_gib} GiB"] if self.memory_gib is not None else []
        parts += [f"load {self.load:g}"] if self.load is not None else []
        return ", ".join(part for part in (*parts, self.gpu, self.note) if part)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One thing that was measured."""

    what: str
    value: float
    unit: str = ""
    of: int | None = None
    """Where the value counts some of so many."""
    ci95: Interval | None = None
    spread: Interval | None = None
    """The least and the most, of rounds, runs or seeds."""
    goal: float | None = None

    def in_words(self) -> str:
        """The value, as a table shows it."""
        text = f"{self.value:,.10g}"
        if self.of is not None:
            text += f" of {self.of:,}"
        text += f" {self.unit}" if self.unit else ""
        notes = []
        if self.ci95 is not None:
            notes.append("95 % interval {:,.10g} to {:,.10g}".format(*self.ci95))
        if self.spread is not None:
            notes.append("{:,.10g} to {:,.10g}".format(*self.spread))
        if self.goal is not None:
            notes.append(f"goal {rounded(self.goal):,.10g}")
        return text + (f" ({'; '.join(notes)})" if notes else "")


@dataclass(frozen=True, kw_only=True)
class Record:
    """One run of a benchmark, as it lies in results/."""

    bench: str
    variant: str = ""
    """Which of several, as the model that was measured."""
    date: str
    """YYYY-MM-DD."""
    how: str
    """The command, or what stands in its place."""
    n: int
    counted: str
    """What n counts, and of what the values are means or medians."""
    machine: Machine
    versions: dict[str, str]
    figures: tuple[Figure, ...]
    rows: tuple[Json, ...] = ()
    """Run by run, or as the benchmark's own table wants it."""
    recorded_from: str = ""
    """Where the figures were copied from, if they were not written by the benchmark."""

    @property
    def name(self) -> str:
        """Of its file, without the date."""
        return self.bench + (f"-{self.variant}" if self.variant else "")


def figure(
    what: str,
    value: float,
    unit: str = "",
    *,
    of: int | None = None,
    ci95: Interval | None = None,
    spread: Iterable[float] | None = None,
    goal: float | None = None,
) -> Figure:
    """A figure with its numbers rounded; `spread` is any values that it lies between."""
    values = None if spread is None else [rounded(one) for one in spread]
    return Figure(
        what=what,
        value=rounded(value),
        unit=unit,
        of=of,
        ci95=None if ci95 is None else (rounded(ci95[0]), rounded(ci95[1])),
        spread=None if values is None else (min(values), max(values)),
        goal=goal,
    )


def rounded(value: float) -> float:
    """To significant digits; counts stay as they are."""
    return value if isinstance(value, int) else float(f"{value:.{DIGITS}g}")


def arguments(text: str | None) -> argparse.ArgumentParser:
    """What every benchmark takes."""
    parser = argparse.ArgumentParser(description=str(text).splitlines()[0])
    parser.add_argument("--save", action="store_true", help="also write bench/results/")
    return parser


def finish(
    bench: str,
    options: argparse.Namespace,
    *,
    n: int,
    counted: str,
    figures: Iterable[Figure],
    rows: Iterable[object] = (),
    variant: str = "",
    how: str | None = None,
    gpu: str = "",
    versions: Mapping[str, str] | None = None,
) -> Record:
    """Print the figures, and the record as one line of JSON; write it where that was asked for.

    `versions` are of packages that are not installed in this environment.
    """
    record = Record(
        bench=bench,
        variant=variant,
        date=time.strftime("%Y-%m-%d"),
        how=how or f"bench/{bench}.py {variant}".strip(),
        n=n,
        counted=counted,
        machine=this_machine(gpu),
        versions=installed_versions() | dict(versions or {}),
        figures=tuple(figures),
        rows=tuple(to_json(row) for row in rows),
    )
    for one in record.figures:
        print(f"{one.what}: {one.in_words()}")
    if options.save:
        save(record, RESULTS)
    print(json.dumps(to_json(record)))
    return record


def save(record: Record, folder: Path) -> Path:
    """Write the record under its name and date; gives the path."""
    path = folder / f"{record.name}-{record.date}.json"
    write_text(path, json_document(record) + "\n")
    return path


def newest(folder: Path) -> list[Record]:
    """The newest record of each benchmark and variant, by name."""
    found: dict[str, Record] = {}
    for path in sorted(folder.glob("*.json")):
        record = read_record(path, Record)
        if record.name not in found or found[record.name].date < record.date:
            found[record.name] = record
    return [found[name] for name in sorted(found)]


def rows_of(record: Record, kind: type[Row]) -> list[Row]:
    """The record's rows in the type that its benchmark gave them."""
    return [msgspec.convert(row, kind) for row in record.rows]


def this_machine(gpu: str = "") -> Machine:
    """The machine that this runs on."""
    memory = None
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", ()):
        memory = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    return Machine(
        cpu=cpu_name(),
        cores=available_cores(),
        avx512=" avx512f" in _cpuinfo() if _cpuinfo() else None,
        memory_gib=memory,
        gpu=gpu,
        load=round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
    )


def _cpuinfo() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def installed_versions() -> dict[str, str]:
    """Python's and the packages' that decide a speed."""
    return {"python": platform.python_version()} | versions_of(*PACKAGES)


def versions_of(*packages: str) -> dict[str, str]:
    """Those of them that are installed here."""
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
