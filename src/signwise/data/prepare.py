"""SOURCE -> DATA: scan, split, cache, report."""

import contextlib
import dataclasses
import os
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from signwise.config import PrepareConfig
from signwise.data.class_folders import did_you_mean
from signwise.data.flagged import find_flagged
from signwise.data.manifest import COLUMNS, FACTS, MANIFEST, SPLITS, problems_in, write_csv
from signwise.data.overview import data_overview
from signwise.data.pixels import cache_key, cache_path, seal
from signwise.data.scan import Scan, scan
from signwise.data.shards import remove_shards, write_shards
from signwise.data.signs import few_signs, group_counts, worth_of_test
from signwise.data.split import Leaks, assign_splits, count_leaks
from signwise.data.walk import Folder, inside
from signwise.errors import SignwiseError
from signwise.files import (
    atomic_path,
    printable_path,
    real_path,
    saying_what_is_full,
    sha256_file,
    write_json,
    write_text,
)
from signwise.folders import output_place, place_in
from signwise.names import class_name
from signwise.opening import MOST_PICTURE, read_regular
from signwise.parallel import working_on
from signwise.places import is_folder, is_remote, join, located
from signwise.report.data_page import data_page
from signwise.results import Problem, to_json


@dataclass(frozen=True, kw_only=True)
class PrepareResult:
    """What `prepare` made."""

    out: str | Path
    """Where it lies; in a store, as text."""
    counts: dict[str, int]
    """Pictures in train, val and test; problems, skipped entries, flagged pictures, groups."""
    problems: list[Problem]
    """The pictures that could not be used: path and problem."""
    classes: tuple[str, ...]
    class_counts: dict[str, dict[str, int]]
    """Pictures of each class in each split."""
    group_counts: dict[str, dict[str, int]]
    """Groups of these: signs, where signs are known."""
    worth: str
    """What a figure on the test set can be worth; empty where signs are not known."""
    grouping: str
    warnings: list[str]
    skipped: dict[str, int]
    """Entries left out by their name alone, by reason."""
    written: list[str | Path]


def prepare(
    source: str | Path,
    out: str | Path,
    config: PrepareConfig | None = None,
    *,
    cluster: str | None = None,
    **changes: Any,
) -> PrepareResult:
    """Make DATA at `out` from the pictures in `source`; `changes` replace fields of `config`.

    Either may lie in a store, as `s3://bucket/folder`. `cluster`: auto, or the address of a Ray
    cluster, whose workers read the pictures. Raises SignwiseError where SOURCE can't be split or
    `out` can't be written.
    """
    source, out = located(source), located(out)
    config = dataclasses.replace(config or PrepareConfig(), **changes)
    _check_apart(source, out)
    try:
        with output_place(out, "data", last=FACTS) as folder, working_on(cluster):
            done = _prepare(source, folder, config)
        written = [place_in(out, folder, Path(path)) for path in done.written]
        return dataclasses.replace(done, out=out, written=written)
    except OSError as error:
        place = Path(os.fsdecode(error.filename or out))
        ours = Path(out) in (place, *place.parents)
        fix = "give `out` elsewhere" if ours else "make it readable"
        raise SignwiseError(f"{place}: {error.strerror or error}: {fix}") from None


def _prepare(source: Folder, out: Path, config: PrepareConfig) -> PrepareResult:
    cache = cache_path(out, config.image_size)
    with atomic_path(cache) as pixels:
        found = scan(
            source,
            group=config.group,
            image_size=config.image_size,
            max_pixels=config.max_pixels,
            pixels=pixels,
            exclude=config.exclude,
        )
        if printable_path(found.root) != str(found.root):
            raise SignwiseError(
                f"{printable_path(found.root)} has a name that is no UTF-8, which data.json can't"
                " hold: rename the folder"
            )
        table = found.table
        usable = table["problem"] == ""
        divided, shares = _divided(found, config)
        _check_classes(source, found, divided, shares)
        _check_copy(found.classes, config)
        chosen = table[divided]
        table.loc[divided, "split"] = assign_splits(
            list(chosen["label"]), list(chosen["group"]), shares, config.seed
        )
        table.loc[~usable, "split"] = ""
        leaks = count_leaks(table[usable])
        groups = group_counts(table[usable], found.classes)
        warnings = [
            *found.warnings,
            *_warnings(source, found, leaks, config, divided),
            *few_signs(groups, found.grouping),
        ]
        flagged = find_flagged(found)
        overview = data_overview(source, found, flagged, config, leaks, warnings, pixels)
        # Pixels of other sizes and features, made from pictures that may have changed.
        for stale in (*out.glob("pixels-*.npy"), *out.glob("features-*.npz")):
            stale.unlink()
        seal(
            pixels,
            np.flatnonzero(usable),
            cache_key(list(table["sha256"][usable]), config.image_size),
        )
    manifest = out / MANIFEST
    doubted = out / "flagged.csv"
    written: list[str | Path] = [manifest, out / FACTS, cache, out / "report.html"]
    if config.exclude is None or real_path(config.exclude) != real_path(doubted):
        # Else it is the user's now: written anew, it would forget what was excluded.
        write_csv(doubted, flagged)
        written.append(doubted)
    write_text(out / "report.html", data_page(overview))
    written += _copy_split(out, found, copy=config.copy)
    if config.shards:
        written += write_shards(out, table, found.root, found.classes, config.seed)
    else:
        remove_shards(out)  # those of an earlier run
    # Late, and the two after one another: killed in between, the data can't be used.
    write_csv(manifest, table[list(COLUMNS)])
    class_counts = _class_counts(table[usable], found.classes)
    exclude = None if config.exclude is None else printable_path(config.exclude)
    write_json(
        out / FACTS,
        {
            "format": 1,
            "source": printable_path(source),
            "root": str(found.root),
            "classes": list(found.classes),
            "counts": to_json(class_counts),
            "grouping": found.grouping,
            "groups": to_json(table[usable].groupby("label")["group"].nunique().to_dict()),
            "split_given": found.split_given,
            "leaks": to_json(leaks),
            "seed": config.seed,
            "settings": config.to_json() | {"exclude": exclude},
            "problems": int((~usable).sum()),
            "skipped": {printable_path(name): count for name, count in found.skipped.items()},
            "warnings": list(warnings),
            "manifest_sha256": sha256_file(manifest),
        },
    )
    counts = {name: int((table["split"] == name).sum()) for name in SPLITS}
    return PrepareResult(
        out=out,
        counts={
            **counts,
            "problems": int((~usable).sum()),
            "skipped": sum(found.skipped.values()),
            "flagged": flagged["path"].nunique(),
            "groups": table[usable]["group"].nunique(),
        },
        problems=problems_in(table),
        classes=found.classes,
        class_counts=class_counts,
        group_counts=groups,
        worth=worth_of_test(table[usable], found.grouping),
        grouping=found.grouping,
        warnings=warnings,
        skipped=dict(found.skipped),
        written=written,
    )


def _check_apart(source: Folder, out: Folder) -> None:
    here: PurePath
    there: PurePath
    if isinstance(source, str) or isinstance(out, str):
        # Of two in stores their names tell; pictures and output on two sides are always apart.
        here, there = PurePosixPath(source), PurePosixPath(out)
    else:
        here, there = real_path(source), real_path(out)
    if here == there or here in there.parents:
        raise SignwiseError(f"`out` {out} lies in {source}: give a folder elsewhere")
    if is_folder(source) and there in here.parents:
        raise SignwiseError(f"{source} lies in `out` {out}: give a folder elsewhere")


def _divided(
    found: Scan, config: PrepareConfig
) -> tuple[NDArray[np.bool_], tuple[float, float, float]]:
    """Which pictures (N,) are split here, and by which shares: all, none, or train into two.

    Where the source has train, but no val, that is taken from train.
    """
    table = found.table
    usable = (table["problem"] == "").to_numpy()
    if not found.split_given:
        return usable, config.split
    train, val, _ = config.split
    given = set(table["split"][usable])
    if "train" not in given or "val" in given or not val:
        return np.zeros(len(table), bool), config.split
    return usable & (table["split"] == "train").to_numpy(), (
        train / (train + val),
        val / (train + val),
        0,
    )


def _check_classes(
    source: Folder, found: Scan, divided: NDArray[np.bool_], shares: tuple[float, float, float]
) -> None:
    """Each class can be split; the least count is said, and why pictures can't be used."""
    if len(found.classes) < 2:
        only = found.classes[0] if found.classes else "none"
        raise SignwiseError(
            f"{source} has one class only ({only}), at least 2 are needed: add a folder of pictures"
            f"{did_you_mean(source)}"
        )
    usable = found.table[found.table["problem"] == ""]
    given = sorted(set(usable["split"])) if found.split_given else []
    if given and "train" not in given:
        where = " and ".join(given)
        raise SignwiseError(
            f"all {len(usable):,} pictures of {source} are in {where}, and none is left to train "
            f"on: measure a model on them with signwise evaluate MODEL --data {source}, or leave "
            f"out what says {where} to have them split"
        )
    if divided.any() or not found.split_given:
        counts = found.table[divided].groupby("label")["group"].nunique()
        least = sum(share > 0 for share in shares)
        what = "group(s) of usable pictures to split"
        if found.split_given:
            what = "group(s) of usable pictures in train, of which val is to take some"
    else:
        counts = usable[usable["split"] == "train"]["label"].value_counts()
        least, what = 1, "usable picture(s) in train"
    for name in found.classes:
        count = int(counts.get(name, 0))
        if count < least:
            place = (
                inside(source, name)
                if is_folder(source) and not found.split_given
                else f"{source}: {name}"
            )
            rows = found.table[found.table["label"] == name]
            raise SignwiseError(
                f"{place} has {count} {what}, at least {least} needed: "
                f"{_why(found.root, problems_in(rows)) or 'add pictures of other signs'}"
            )


def _why(root: Path, problems: list[Problem]) -> str | None:
    """How many pictures of a class can't be used, and the first reason; None where all can be."""
    if not problems:
        return None
    path, reason = problems[0]["path"], problems[0]["problem"]
    text = f"{len(problems):,} can't be used, the first is {path} ({reason})"
    if not reason.startswith("no such file") or is_remote(path):
        return text
    folder, name = os.path.split(root / path)
    with contextlib.suppress(OSError, ValueError):
        like = next((n for n in sorted(os.listdir(folder)) if os.path.splitext(n)[0] == name), None)  # noqa: PTH122, PTH208
        if like is not None:
            return f"{text}; there is {like}: write names with their suffix"
    return f"{text}; paths are relative to {root}"


def _check_copy(classes: tuple[str, ...], config: PrepareConfig) -> None:
    for name in classes:
        if config.copy and (PurePosixPath(name).name != name or name.startswith(".")):
            raise SignwiseError(
                f"`copy`: class {name!r} can't be a folder's name: rename it, or leave `copy` out"
            )


def _warnings(
    source: Folder, found: Scan, leaks: Leaks, config: PrepareConfig, divided: NDArray[np.bool_]
) -> list[str]:
    usable = found.table[found.table["problem"] == ""]
    warnings = []
    if found.split_given and divided.any():
        taken = int((usable["split"] == "val").sum())
        warnings.append(
            f"the source has no validation pictures: {taken:,} of {int(divided.sum()):,} of its "
            "train are taken for it, by groups"
        )
    elif found.split_given and config.split != PrepareConfig().split:
        warnings.append("`split` has no effect: the source brings its own split, which is kept")
    if leaks.groups:
        warnings.append(
            f"leak: {leaks.groups} groups with {leaks.pictures} pictures lie in more than "
            f"one split of {PurePath(source).name}, so test figures will be too good"
        )
    if found.grouping == "duplicates":
        warnings.append(
            "physical signs are not known for all pictures, which are grouped by likeness then: "
            "photos of one sign may lie in train and test (give `group`, or a CSV with a "
            "column group)"
        )
    for split in SPLITS:
        missing = sorted(set(found.classes) - set(usable["label"][usable["split"] == split]))
        if missing and len(missing) < len(found.classes):
            warnings.append(f"no picture of {', '.join(missing)} in {split}")
        elif missing:
            warnings.append(f"no pictures in {split}")
    return warnings


def _class_counts(usable: pd.DataFrame, classes: tuple[str, ...]) -> dict[str, dict[str, int]]:
    counts = usable.groupby(["split", "label"]).size()
    return {
        split: {name: int(counts.get((split, name), 0)) for name in classes} for split in SPLITS
    }


def _copy_split(out: Path, found: Scan, *, copy: bool) -> list[Path]:
    """Replace the split folders; without `copy`, those of an earlier run go."""
    partial = out / ".copy"
    shutil.rmtree(partial, ignore_errors=True)
    if copy:
        rows = found.table[found.table["problem"] == ""]
        for path, label, split in zip(rows["path"], rows["label"], rows["split"], strict=True):
            target = _free_path(partial / split / label / _name_in_class(path, label))
            target.parent.mkdir(parents=True, exist_ok=True)
            content = read_regular(join(str(found.root), path), MOST_PICTURE)
            with saying_what_is_full(target):
                target.write_bytes(content)
    written = []
    for split in SPLITS:
        if (out / split).is_dir():
            shutil.rmtree(out / split)
        if (partial / split).is_dir():
            (partial / split).replace(out / split)
            written.append(out / split)
    shutil.rmtree(partial, ignore_errors=True)
    return written


def _free_path(path: Path) -> Path:
    """The path, with a number where another picture has it already."""
    free, number = path, 1
    while free.exists():
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free


def _name_in_class(path: str, label: str) -> str:
    """The path below the class folder, or as much of it as is safe below another folder."""
    parts = [part for part in PurePosixPath(path).parts if part not in ("/", "..")]
    names = [class_name(part) for part in parts]
    return "/".join(parts[names.index(label) + 1 :] if label in names[:-1] else parts)
