"""A folder of pictures -> rows: one folder a class, or the same below folders of splits."""

import os
from collections import Counter
from collections.abc import Collection, Set
from dataclasses import dataclass, field

from signwise.data.manifest import SPLITS
from signwise.data.split_names import split_of
from signwise.data.walk import Folder, holds_pictures, inside, subfolders, walk
from signwise.errors import SignwiseError
from signwise.names import class_name
from signwise.places import is_folder, join


@dataclass(frozen=True, kw_only=True)
class Listed:
    """N pictures by column: N rows would take twice the memory."""

    path: list[str] = field(default_factory=list)
    label: list[str] = field(default_factory=list)
    split: list[str] = field(default_factory=list)
    problem: list[str] = field(default_factory=list)
    within: list[str] = field(default_factory=list)
    """The path within the class."""


def list_folder(
    source: Folder, skipped: Counter[str], *, classes: Collection[str] | None
) -> Listed:
    """The pictures under SOURCE.

    `classes`: where all folders are of these, or where it is empty, folders are taken for classes
    whatever lies in them. Else raises SignwiseError where they may be meant as something else; and
    always where a class folder holds no picture, or where splits and classes lie side by side.
    """
    folders = subfolders(source)
    splits = _splits(source, folders)
    known = classes is not None and (not classes or {*map(class_name, folders)} <= {*classes})
    if not splits and not known:
        _check_meaning(source, folders)
    depth = 1 if splits else 0
    listed, filled = Listed(), set()
    names: dict[str, str] = {}  # one text a class, and not one a picture
    start = len(join(str(source), ""))  # as `walk` begins its paths
    for path in walk(source, skipped):
        name = path[start:].replace(os.sep, "/")
        parts = name.split("/", depth + 1)
        outside = len(parts) < depth + 2
        listed.path.append(name)
        listed.split.append(splits.get(parts[0], "") if len(parts) > 1 else "")
        listed.problem.append("lies in no class folder" if outside else "")
        listed.within.append(name if outside else parts[-1])
        if outside:
            listed.label.append("")
            continue
        if parts[depth] not in names:
            names[parts[depth]] = class_name(parts[depth])
        listed.label.append(names[parts[depth]])
        filled.add("/".join(parts[: depth + 1]))
    _check_filled(source, list(splits) or [""], filled)
    return listed


def inner_folder(source: Folder) -> Folder | None:
    """The folder of class folders that SOURCE is but a wrapper of, as archives are unpacked."""
    folder = source
    while len(names := subfolders(folder)) == 1 and not holds_pictures(folder):
        folder = inside(folder, names[0])
    wraps = folder != source and len(names) > 1 and not holds_pictures(folder)
    return folder if wraps else None


def did_you_mean(source: Folder) -> str:
    """The end of a sentence, where SOURCE is a wrapper."""
    inner = inner_folder(source) if is_folder(source) else None
    return "" if inner is None else f"; did you mean {inner}?"


def _splits(source: Folder, folders: list[str]) -> dict[str, str]:
    """The split of each folder, where the folders are splits; else empty."""
    splits = {name: split for name in folders if (split := split_of(name)) is not None}
    others = [name for name in folders if name not in splits]
    if "train" in splits.values() and len(splits) > 1:
        if others:
            raise SignwiseError(
                f"{source} has split folders ({', '.join(splits)}) beside {others[0]}: "
                f"move {others[0]} into one of them, or away"
            )
    elif others or not splits or not all(_holds_folders(inside(source, name)) for name in splits):
        return {}
    if len(set(splits.values())) < len(splits):
        raise SignwiseError(f"{source} has two folders for one split: {', '.join(splits)}")
    for name in splits:
        inner = inner_folder(inside(source, name))
        if inner is not None:
            raise SignwiseError(
                f"{inside(source, name)} holds nothing but a folder, whose folders are likely the "
                f"classes: move what is in {inner} up into it"
            )
    return splits


def _check_meaning(source: Folder, folders: list[str]) -> None:
    """Refuse folders that hold the same folders each: one of the two are no classes."""
    if len(folders) < 2 or any(holds_pictures(inside(source, name)) for name in folders):
        return
    found = {tuple(map(class_name, subfolders(inside(source, top)))) for top in folders}
    if len(found) > 1 or len(names := found.pop()) < 2:
        return
    tops, subs = ", ".join(folders[:5]), ", ".join(names[:5])
    same = f"the folders {tops} of {source} hold the same folders {subs}"
    if any(split in top.casefold() for top in folders for split in SPLITS):
        mend = "if they are splits, name them train, val and test"
    elif all(split_of(name) for name in names):
        mend = f"if these are splits, put the classes into them ({names[0]}/{folders[0]})"
    else:
        mend = (
            f"if {names[0]} is a class, give {inside(source, folders[0])}, or a CSV with path and "
            f"label; if {folders[0]} is, say with `group` which of its pictures belong together, "
            "as '(.*)'"
        )
    raise SignwiseError(f"{same}: {mend}")


def _holds_folders(folder: Folder) -> bool:
    return bool(subfolders(folder)) and not holds_pictures(folder)


def _check_filled(source: Folder, tops: list[str], filled: Set[str]) -> None:
    """Every class folder holds a picture, at least one that can be tried."""
    for top in tops:
        names = subfolders(inside(source, top))
        if not names:
            raise SignwiseError(
                f"{inside(source, top)} has no class folders: put the pictures of each class into "
                f"a folder of their own there"
            )
        for name in names:
            if (f"{top}/{name}" if top else name) not in filled:
                raise SignwiseError(_nothing_in(inside(inside(source, top), name)))


def _nothing_in(folder: Folder) -> str:
    skipped: Counter[str] = Counter()
    list(walk(folder, skipped))
    seen = ", ".join(f"{count:,} {reason}" for reason, count in skipped.most_common(3))
    mend = "add pictures or remove the folder"
    if skipped["no suffix"]:
        mend = "give the files the suffix of their format, as .jpg, or name them in a CSV"
    return (
        f"{folder} holds no picture{f' (skipped: {seen})' if seen else ''}, "
        f"a class needs at least 1: {mend}"
    )
