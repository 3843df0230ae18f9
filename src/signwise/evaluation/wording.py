"""Figures in words: what a report says, with the count and the interval in every sentence."""

from collections.abc import Sequence
from typing import Any

UNIT = "\u00a0%"
"""Per cent, on one line with its number."""

GROUP_NAMES = {"csv": "group", "regex": "group", "track": "sign"}
"""What a group is called, by how it was found."""

GROUPINGS = {
    "csv": "Groups come from the table that the data was made from.",
    "regex": "Groups come from the pattern on file names that was given with --group.",
    "track": "File names as GTSRB has them (track_frame) say which pictures show the same sign.",
    "duplicates": (
        "Which pictures show the same physical sign is not known: only pictures that look alike"
        " were kept together. Frames of one sign may stand in training and in test, which would"
        " make every figure too good; --group or a CSV with a group column can say more."
    ),
}


def percent(share: float | None) -> str:
    """A fraction in per cent, never rounded to a 0 or 100 that it is not; a dash for None."""
    if share is None:
        return "–"  # noqa: RUF001
    if share in (0, 1):
        return f"{share * 100:.0f}{UNIT}"
    for digits in (1, 2, 3):
        text = f"{share * 100:.{digits}f}"
        if 0 < float(text) < 100:
            return text + UNIT
    return f"above 99.999{UNIT}" if share > 0.5 else f"below 0.001{UNIT}"


def between(interval: Sequence[float] | None) -> str:
    """An interval of fractions in per cent."""
    if interval is None:
        return "–"  # noqa: RUF001
    low, high = (percent(bound) for bound in interval)
    return f"{low.removesuffix(UNIT)} to {high}"


def counted(part: int, whole: int) -> str:
    """`12 of 1,000`."""
    return f"{part:,} of {whole:,}"


def number(value: float | None) -> str:
    """A figure that is no rate, to three significant digits."""
    return "–" if value is None else f"{value:.3g}"  # noqa: RUF001


def accuracy_beside(figures: dict[str, Any]) -> str:
    """Count and intervals that stand beside an accuracy."""
    text = (
        f"{counted(figures['correct'], figures['n'])} pictures; "
        f"95\u00a0% interval {between(figures['accuracy_ci95'])} by picture"
    )
    if figures["accuracy_ci95_grouped"] is not None:
        name = GROUP_NAMES[figures["grouping"]]
        text += f", {between(figures['accuracy_ci95_grouped'])} by {name}"
    return f"{text}; {refused(figures['selective'])}"


def refused(selective: dict[str, Any]) -> str:
    """What stands beside an accuracy, since it counts the pictures that the threshold refuses."""
    count = selective["n"] - selective["accepted"]
    share = count / selective["n"] if selective["n"] else None
    return f"refused at the threshold {percent(share)} (n = {selective['n']:,})"


def verdict(figures: dict[str, Any]) -> str:
    """The report's first sentences: how often the model is right, refuses, and is fooled."""
    split = figures["split"]
    kind = f"{split} " if split in ("train", "val", "test") else ""
    group = figures["accuracy_ci95_grouped"]
    intervals = f"95\u00a0% interval {between(figures['accuracy_ci95'])} by picture"
    if group is not None:
        intervals += f", {between(group)} by {GROUP_NAMES[figures['grouping']]}"
    text = (
        f"Right on {counted(figures['correct'], figures['n'])} {kind}pictures: "
        f"{percent(figures['accuracy'])} ({intervals})."
    )
    chosen = figures["selective"]
    count = chosen["n"] - chosen["accepted"]
    if count:
        text += (
            f" It answers \u201cunknown\u201d to {count:,} of them"
            f" ({percent(count / chosen['n'])})"
            f" and is wrong on {percent(chosen['risk'])} of the rest."
        )
    else:
        text += " It refuses none of them."
    unknown = figures.get("unknown")
    if unknown:
        text += (
            f" Of {unknown['n']:,} pictures of no class it takes"
            f" {unknown['accepted']:,} ({percent(unknown['acceptance_rate'])}) for one of its own."
        )
    return text


def grouping_statement(figures: dict[str, Any]) -> str:
    """Which interval to believe, and why."""
    known = GROUPINGS[figures["grouping"]]
    if figures["accuracy_ci95_grouped"] is None:
        return f"{known} The intervals treat every picture as a trial of its own."
    name = GROUP_NAMES[figures["grouping"]]
    return (
        f"{known} The {figures['n']:,} pictures show {figures['groups']:,} {name}s. Pictures of one"
        f" {name} resemble each other, and a model tends to be right, or wrong, on all of them:"
        f" they are no independent trials, and an interval that counts them so is too narrow. The"
        f" interval by {name} draws whole {name}s anew and says what to expect on {name}s that the"
        f" model has never seen; it is the honest one."
    )


def calibration_statement(calibration: dict[str, Any]) -> str:
    """What the calibration error means at this n."""
    ece, chance, n = calibration["ece"], calibration["ece_by_chance"], calibration["n"]
    if ece is None:
        return "There is nothing to measure calibration on."
    text = (
        f"On average, confidence and the share that is right differ by {percent(ece)} (expected"
        f" calibration error, {len(calibration['bins'])} bins of equal mass, n = {n:,})."
        f" A perfectly calibrated model would show up to {percent(chance)} by chance"
        f" at this n (95\u00a0%): "
    )
    if ece > chance:
        return text + "this one is not perfectly calibrated."
    if chance > 0.01:
        return text + (
            "the two can't be told apart, and n is too small to tell whether it is below 1\u00a0%."
        )
    return text + "the two can't be told apart."
