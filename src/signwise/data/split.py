"""Groups of pictures that belong together, and a split that keeps them so."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from signwise.data.codes import sorted_codes
from signwise.data.duplicates import HASH, leaders
from signwise.data.manifest import SPLITS
from signwise.errors import SignwiseError

TRACK = re.compile(r"(?:^|/)(\d{5})_\d{5}\.[^./]+$")


def group_pictures(
    table: pd.DataFrame,
    pairs: NDArray[np.intp],
    group: str | None,
) -> tuple[str, list[str]]:
    """Fill the column `group` of the usable rows; returns the grouping and warnings.

    csv: the group that the table has. regex: the first capture of `group` in the path within the
    class. track: the track of GTSRB file names. duplicates: the picture with its near duplicates,
    `pairs` of rows (P, 2), or with the group that one of them has. What applies first counts, for
    every picture by itself; where likeness is all there is for some, signs are not known. In each,
    identical pictures of a class share a group.
    """
    warnings: list[str] = []
    usable = table.index[table["problem"] == ""].to_numpy()
    rows = table.loc[usable]
    tracks = _by_track(rows)
    if (rows["group"] != "").any():
        grouping, lack = "csv", "have no group in the CSV"
        rest = _by_regex(rows, group) if group is not None else tracks
        names = [given or name for given, name in zip(rows["group"], rest, strict=True)]
    elif group is not None:
        grouping, lack, names = "regex", "", _by_regex(rows, group)
    elif any(tracks):
        grouping, lack, names = "track", "have no track (TTTTT_FFFFF) in their file name", tracks
    else:
        grouping, lack, names = "duplicates", "", [""] * len(rows)
    alone = names.count("")
    if alone:
        names = _by_likeness(table, names, pairs)
        if grouping != "duplicates":
            grouping = "duplicates"
            warnings.append(f"{alone} of {len(rows)} pictures {lack}: they are grouped by likeness")
    table["group"] = table["group"].where(table["problem"] == "", "")
    table.loc[usable, "group"] = _join_identical(names, rows)
    return grouping, warnings


def assign_splits(
    labels: Sequence[str], groups: Sequence[str], shares: Sequence[float], seed: int
) -> list[str]:
    """A split (train, val or test) for each picture: whole groups, each class by its shares.

    Groups come in random order, the large ones first, and each goes where its classes are furthest
    below their share. Every split with a share gets a group of each class that has enough groups of
    its own; where groups hold several classes, that may not be possible. The order of the pictures
    does not matter.
    """
    wanted = [index for index, share in enumerate(shares) if share > 0]
    classes, class_of = sorted_codes(labels)
    names, group_of = sorted_codes(groups)
    totals = np.bincount(class_of, minlength=len(classes)).tolist()
    # Cells: a group's pictures of a class. Those of one group follow one another.
    cells, counts = np.unique(group_of * len(classes) + class_of, return_counts=True)
    starts = np.searchsorted(cells, np.arange(len(names) + 1) * len(classes))
    group_of_cell, kind_of_cell = np.divmod(cells, max(1, len(classes)))
    sizes = np.bincount(group_of, minlength=len(names))
    order = np.random.default_rng(seed).permutation(len(names))
    # Sizes in powers of two: large ones first, yet another seed gives another split.
    order = order[np.argsort(-np.floor(np.log2(sizes[order])), kind="stable")]
    place = np.empty(len(names), np.intp)
    place[order] = np.arange(len(names))
    # The cells as they will be asked for: a million in another order would be fetched from memory
    # one by one. Lists, since one number of an array costs as much as twenty of a list.
    asked = np.argsort(place[group_of_cell], kind="stable")
    kinds, counts = kind_of_cell[asked].tolist(), counts[asked].tolist()
    squares = [total**2 for total in totals]
    below = np.outer(shares, totals).astype(float).tolist()
    targets, end = [], 0
    for cells_in_group in np.diff(starts)[order].tolist():
        start, end = end, end + cells_in_group
        content = range(start, end)
        need = [
            sum(counts[cell] * below[split][kinds[cell]] / squares[kinds[cell]] for cell in content)
            for split in wanted
        ]
        chosen = wanted[need.index(max(need))]
        targets.append(chosen)
        for cell in content:
            below[chosen][kinds[cell]] -= counts[cell]
    target = np.zeros(len(names), np.int8)
    target[order] = targets
    by_class = np.lexsort((place[group_of_cell], kind_of_cell))
    ends = np.searchsorted(kind_of_cell[by_class], np.arange(len(classes) + 1))
    for kind in range(len(classes)):
        _spread(target, group_of_cell[by_class[ends[kind] : ends[kind + 1]]], wanted)
    return [SPLITS[split] for split in target[group_of].tolist()]


def _spread(target: NDArray[np.int8], members: NDArray[np.intp], wanted: list[int]) -> None:
    """Give each split that has no group of the class the smallest of the split with most."""
    for split in wanted:
        held = {k: members[target[members] == k] for k in wanted}
        richest = max(wanted, key=lambda k: len(held[k]))
        if not len(held[split]) and len(held[richest]) > 1:
            target[held[richest][-1]] = split


@dataclass(frozen=True, kw_only=True)
class Leaks:
    """What lies in more than one split."""

    groups: int
    pictures: int
    """In these groups."""


def count_leaks(table: pd.DataFrame) -> Leaks:
    """How many groups, with how many pictures, lie in more than one split."""
    names, group_of = sorted_codes(table["group"])
    splits, split_of = sorted_codes(table["split"])
    held = np.zeros((len(names), len(splits)), bool)
    held[group_of, split_of] = True
    leaking = held.sum(axis=1) > 1
    return Leaks(groups=int(leaking.sum()), pictures=int(leaking[group_of].sum()))


def _by_track(rows: pd.DataFrame) -> list[str]:
    """The track in each file name, as GTSRB has it, empty where there is none."""
    tracks = [TRACK.search(within) for within in rows["within"]]
    return [
        f"{label}/{track[1]}" if track else ""
        for label, track in zip(rows["label"], tracks, strict=True)
    ]


def _by_regex(rows: pd.DataFrame, group: str) -> list[str]:
    try:
        pattern = re.compile(group)
    except re.error as error:
        raise SignwiseError(f"`group` {group!r} is no regular expression: {error}") from None
    if not pattern.groups:
        raise SignwiseError(f"`group` {group!r} captures nothing: put (...) round the sign's name")
    names = []
    for label, within in zip(rows["label"], rows["within"], strict=True):
        match = pattern.search(within)
        if match is None or match[1] is None:
            raise SignwiseError(
                f"`group` {group!r} does not match {label}/{within}: it must match every picture"
            )
        names.append(f"{label}/{match[1]}")
    return names


def _by_likeness(table: pd.DataFrame, names: list[str], pairs: NDArray[np.intp]) -> list[str]:
    """The names of the usable pictures' groups, those that are empty filled by likeness.

    Such a picture goes into the group of a near duplicate of the same class that has one. Those
    left go with their leader among each other, into a group that is named after it.
    """
    _, labels = sorted_codes(table["label"])
    pairs = pairs[labels[pairs[:, 0]] == labels[pairs[:, 1]]]
    # What a picture goes with is chosen by content, so that renaming files moves none.
    usable = np.flatnonzero(table["problem"] == "")
    order = np.argsort(table["sha256"].to_numpy()[usable].astype(HASH), kind="stable")
    rank = np.empty(len(table), np.intp)
    rank[usable[order]] = np.arange(len(order))
    named = np.array([bool(name) for name in names], bool)[order]
    leader = np.empty(len(order), np.intp)
    leader[order] = order[_leaders_of_unnamed(named, np.sort(rank[pairs], axis=1))]
    rows = table.iloc[usable]
    own = [f"{label}/{within}" for label, within in zip(rows["label"], rows["within"], strict=True)]
    # train/a/1.png and test/a/1.png are two pictures
    for row in np.flatnonzero(pd.Series(own, dtype=object).duplicated(keep=False)):
        own[row] = rows["path"].iloc[row]
    leads = leader.tolist()
    return [name or names[index] or own[index] for name, index in zip(names, leads, strict=True)]


def _leaders_of_unnamed(named: NDArray[np.bool_], pairs: NDArray[np.intp]) -> NDArray[np.intp]:
    """What each of N pictures goes with, (N,), itself if it has a name, of near duplicates (P, 2).

    Its first near duplicate with a name, else its leader among those that have none either.
    """
    both = np.concatenate([pairs, pairs[:, ::-1]])
    both = both[~named[both[:, 0]] & named[both[:, 1]]]
    both = both[np.lexsort((both[:, 1], both[:, 0]))]
    joining, first = np.unique(both[:, 0], return_index=True)
    free = ~named
    free[joining] = False
    leader = leaders(len(named), pairs[free[pairs].all(axis=1)])
    leader[joining] = both[first, 1]
    return leader


def _join_identical(names: list[str], rows: pd.DataFrame) -> list[str]:
    """Merge groups that hold identical bytes of one class; a merged group has its first name."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        way = []
        while name in parent:
            way.append(name)
            name = parent[name]
        parent.update(dict.fromkeys(way, name))  # else thousands of copies make it a long one
        return name

    first: dict[tuple[str, str], str] = {}
    for row in np.flatnonzero(rows.duplicated(["label", "sha256"], keep=False)).tolist():
        name = names[row]
        content = (rows["label"].iloc[row], rows["sha256"].iloc[row])
        low, high = sorted((root(name), root(first.setdefault(content, name))))
        if low != high:
            parent[high] = low
    return [root(name) for name in names]
