"""How many signs each split shows, and what a figure on those of the test set can be worth."""

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from signwise.data.manifest import SPLITS
from signwise.metrics.rates import wilson_interval
from signwise.report.words import LEVEL, between, group_name, plural
from signwise.results import KNOWN_GROUPINGS

NAMED = 3
"""Classes that a warning names."""


def group_counts(usable: pd.DataFrame, classes: Sequence[str]) -> dict[str, dict[str, int]]:
    """Groups of the usable rows of a manifest by split and class."""
    once = usable[["split", "label", "group"]].drop_duplicates()
    counts = Counter(zip(once["split"], once["label"], strict=True))
    return {split: {name: counts[split, name] for name in classes} for split in SPLITS}


def worth_of_test(usable: pd.DataFrame, grouping: str) -> str:
    """What the best of figures on the test set could say; empty where signs are not known."""
    groups = len(set(usable["group"][usable["split"] == "test"]))
    if grouping not in KNOWN_GROUPINGS or not groups:
        return ""
    name = group_name(grouping)
    return (
        f"The test set shows {plural(groups, name)}: even without a mistake, the accuracy on new"
        f" {name}s is only known to be {between(wilson_interval(groups, groups))} ({LEVEL})."
    )


def few_signs(counts: dict[str, dict[str, int]], grouping: str) -> list[str]:
    """The warning of classes of which the test set shows one sign, or one group of look-alikes."""
    lone = [name for name, count in counts["test"].items() if count == 1]
    if not lone:
        return []
    known = grouping in KNOWN_GROUPINGS
    name = group_name(grouping) if known else "group of look-alike pictures"
    classes = ", ".join(lone[:NAMED]) + (f" and {len(lone) - NAMED} more" * (len(lone) > NAMED))
    each = " each" if len(lone) > 1 else ""
    return [
        f"the test set shows 1 {name} of {classes}{each}: even if all its pictures are right, the"
        f" recall is only known to be {between(wilson_interval(1, 1))} ({LEVEL}): photograph more"
        f" {name if known else 'sign'}s"
    ]
