"""The verb cache: what is kept in the user's cache folder between runs."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from signwise.files import cache_folder
from signwise.results import Problem


@dataclass(frozen=True, kw_only=True)
class CacheResult:
    """What the cache folder holds or, where it was cleared, held."""

    out: Path
    counts: dict[str, int]
    """files and bytes."""
    problems: list[Problem] = field(default_factory=list)
    cleared: bool
    rows: list[dict[str, str | float | None]]
    """name, under the cache folder, and bytes of each file."""


def cache(*, clear: bool = False) -> CacheResult:
    """List what is kept outside of DATA and RUN, or remove it.

    Rendered pictures, downloads, and what was fetched of prepared data in stores.
    """
    folder = cache_folder()
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    rows: list[dict[str, str | float | None]] = [
        {"name": path.relative_to(folder).as_posix(), "bytes": path.stat().st_size}
        for path in files
        if path.suffix != ".lock"
    ]
    if clear and folder.is_dir():
        shutil.rmtree(folder)
    size = sum(int(row["bytes"] or 0) for row in rows)
    return CacheResult(
        out=folder, counts={"files": len(rows), "bytes": size}, cleared=clear, rows=rows
    )
