"""Pictures worth a look: duplicates, poor photos, likely label errors."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from signwise.data.manifest import Scan
from signwise.errors import require_extra

COLUMNS = ("path", "label", "reason", "detail", "other")
DARK = 0.06
FLAT = 0.025
BLURRED = 0.2
TINY = 16
ODD = 3.0


def find_suspects(scan: Scan) -> pd.DataFrame:
    """The rows path, label, reason, detail, other: pictures a person should look at.

    `other` is the picture that a duplicate is compared with. Of duplicates of one class every one
    but the first is listed, of those under two labels all. Frames of one sign are no suspects.
    """
    rows = [*_duplicates(scan), *_poor(scan)]
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)


def label_suspects(
    labels: NDArray[np.int_], probabilities: NDArray[np.floating]
) -> NDArray[np.intp]:
    """The pictures whose label is likely wrong, the likeliest first.

    labels (N,), and out-of-sample probabilities (N, K): of a model that did not learn from these
    pictures. Northcutt, Jiang and Chuang,
    "Confident learning", JAIR 70, 2021.
    """
    require_extra("train", "cleanlab")
    with warnings.catch_warnings():
        # It warns of classes with few pictures, and takes those it can judge; tqdm, which it
        # imports, warns of a missing progress bar for notebooks that it does not show here.
        warnings.filterwarnings("ignore", module="cleanlab")
        warnings.filterwarnings("ignore", message="IProgress not found")
        from cleanlab.filter import find_label_issues

        found: NDArray[np.intp] = find_label_issues(
            labels,
            probabilities,
            filter_by="confident_learning",
            return_indices_ranked_by="self_confidence",
            n_jobs=1,
        )
    return found


def _duplicates(scan: Scan) -> list[tuple[str, ...]]:
    table = scan.table
    rows: list[tuple[str, ...]] = []
    for index in np.flatnonzero(table["problem"].str.startswith("conflict")):
        found = table.iloc[index]
        rows.append((found["path"], found["label"], "two labels", found["problem"], ""))
    usable = table[table["problem"] == ""]
    first: dict[tuple[str, str], str] = {}
    for path, label, sha256 in zip(usable["path"], usable["label"], usable["sha256"], strict=True):
        other = first.setdefault((label, sha256), path)
        if path != other:
            rows.append((path, label, "exact duplicate", f"same bytes as {other}", other))
    # Lists, since one cell of a table costs as much as a hundred of a list.
    paths, labels, groups, hashes = (
        table[name].tolist() for name in ("path", "label", "group", "sha256")
    )

    seen: set[tuple[int, str]] = set()

    def compare(index: int, other: int, reason: str) -> None:
        if (index, reason) not in seen:
            seen.add((index, reason))
            detail = f"looks like {paths[other]} ({labels[other]})"
            rows.append((paths[index], labels[index], reason, detail, paths[other]))

    for one, two in np.sort(scan.pairs, axis=1).tolist():
        if hashes[one] == hashes[two]:
            continue
        if labels[one] != labels[two]:
            compare(one, two, "alike under another label")
            compare(two, one, "alike under another label")
        elif groups[one] != groups[two] or scan.grouping == "duplicates":
            compare(two, one, "near duplicate")
    return rows


def _poor(scan: Scan) -> list[tuple[str, ...]]:
    table, looks = scan.table, scan.looks
    usable = table["problem"] == ""
    sides = table[["width", "height"]].astype(float)
    short, long = sides.min(axis=1), sides.max(axis=1)
    checks: tuple[tuple[str, Any, Any, str], ...] = (
        ("very dark", looks["brightness"] < DARK, looks["brightness"], "mean grey {:.3f} of 1"),
        ("little contrast", looks["contrast"] < FLAT, looks["contrast"], "deviation {:.3f} of 1"),
        ("blurred", looks["sharpness"] < BLURRED, looks["sharpness"], "steepest edge {:.2f}"),
        ("tiny", short < TINY, short, "shorter side {:.0f} pixels"),
        ("oddly shaped", long / short > ODD, long / short, "one side {:.1f} times the other"),
    )
    return [
        (table["path"][index], table["label"][index], reason, text.format(figure[index]), "")
        for reason, is_poor, figure, text in checks
        for index in figure[usable & is_poor].sort_values(ascending=reason != "oddly shaped").index
    ]
