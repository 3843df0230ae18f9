"""Pictures worth a look: duplicates and poor photos, as flagged.csv lists them."""

from typing import Any

import numpy as np
import pandas as pd

from signwise.data.duplicates import first_rivals
from signwise.data.scan import Scan

COLUMNS = ("path", "label", "reason", "detail", "other")
DARK = 0.06
FLAT = 0.025
BLURRED = 0.2
TINY = 16
ODD = 3.0


def find_flagged(scan: Scan) -> pd.DataFrame:
    """The rows path, label, reason, detail, other: pictures a person should look at.

    `other` is the picture that a duplicate is compared with. Of duplicates of one class every one
    but the first is listed, of those under two labels all. Frames of one sign are not flagged.
    """
    rows = [*_duplicates(scan), *_poor(scan)]
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)


def _duplicates(scan: Scan) -> list[tuple[str, ...]]:
    table = scan.table
    rows: list[tuple[str, ...]] = []
    reasons = table["problem"].to_numpy()
    conflicts = table[[reason != "" and reason.startswith("conflict") for reason in reasons]]
    named = [conflicts[name].tolist() for name in ("path", "label", "problem", "sha256")]
    rivals = first_rivals(named[3], named[1])
    rank = {content: place for place, content in enumerate(dict.fromkeys(named[3]))}
    for row in sorted(range(len(rivals)), key=lambda row: rank[named[3][row]]):
        path, label, problem, _ = (column[row] for column in named)
        rival = rivals[row]
        assert rival is not None, "a conflict has two labels"
        rows.append((path, label, "two labels", problem, named[0][rival]))
    usable = table[table["problem"] == ""]
    twice = usable[usable.duplicated(["label", "sha256"], keep=False)]
    first: dict[tuple[str, str], str] = {}
    for path, label, sha256 in zip(twice["path"], twice["label"], twice["sha256"], strict=True):
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
        ("very dark", looks["brightness"] < DARK, looks["brightness"],
         f"mean grey {{:.3f}}, below {DARK}"),
        ("little contrast", looks["contrast"] < FLAT, looks["contrast"],
         f"deviation {{:.3f}}, below {FLAT}"),
        ("blurred", looks["sharpness"] < BLURRED, looks["sharpness"],
         f"steepest edge {{:.2f}}, below {BLURRED}"),
        ("tiny", short < TINY, short, f"shorter side {{:.0f}} pixels, below {TINY}"),
        ("oddly shaped", long / short > ODD, long / short,
         f"one side {{:.1f}} times the other, above {ODD:.0f}"),
    )  # fmt: skip
    return [
        (table["path"][index], table["label"][index], reason, text.format(figure[index]), "")
        for reason, is_poor, figure, text in checks
        for index in figure[usable & is_poor].sort_values(ascending=reason != "oddly shaped").index
    ]
