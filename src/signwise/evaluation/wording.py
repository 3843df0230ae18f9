"""Figures in words: what a report says, with the count and the interval in every sentence."""

import os
from collections.abc import Sequence
from typing import Any

from signwise.inference.predictor import printable_path

UNIT = "\u00a0%"
"""Per cent, on one line with its number."""

GROUP_NAMES = {"csv": "group", "regex": "group", "track": "sign"}
"""What a group is called, by how it was found."""

FEW_GROUPS = 20

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


def short_path(path: str) -> str:
    """The folder and the name of a file."""
    return "/".join(printable_path(path.replace(os.sep, "/")).split("/")[-2:])


def counted(part: int, whole: int) -> str:
    """`12 of 1,000`."""
    return f"{part:,} of {whole:,}"


def number(value: float | None) -> str:
    """A figure that is no rate, to three significant digits."""
    return "–" if value is None else f"{value:.3g}"  # noqa: RUF001


def intervals(by_picture: Sequence[float] | None, by_group: Any, grouping: str) -> str:
    """Both intervals of a rate, and by what; the one by group where groups are known."""
    text = f"{between(by_picture)} by picture"
    return text if by_group is None else f"{text}, {between(by_group)} by {GROUP_NAMES[grouping]}"


def score(value: float | None) -> str:
    """A figure from 0 to 1 that is no rate, never rounded to a 1 that it is not."""
    if value is None:
        return "–"  # noqa: RUF001
    for digits in range(4, 8):
        text = f"{value:.{digits}f}"
        if value == 1 or float(text) < 1:
            return text
    return "above 0.9999999"


def accuracy_beside(figures: dict[str, Any]) -> str:
    """Count and intervals that stand beside an accuracy, and what is refused."""
    both = intervals(
        figures["accuracy_ci95"], figures["accuracy_ci95_grouped"], figures["grouping"]
    )
    return (
        f"{counted(figures['correct'], figures['n'])} pictures; "
        f"95\u00a0% interval {both}; {refused(figures['selective'], figures['grouping'])}"
    )


def refused(selective: dict[str, Any], grouping: str) -> str:
    """What stands beside an accuracy, since it counts the pictures that the threshold refuses."""
    if selective["threshold"] <= 0:
        return "it was trained to refuse nothing"
    share, both = _refused(selective, grouping)
    count = counted(selective["n"] - selective["accepted"], selective["n"])
    return f"refused at the threshold {percent(share)} ({count}; {both})"


def _refused(selective: dict[str, Any], grouping: str) -> tuple[float | None, str]:
    """The share refused and its intervals: the other side of coverage."""
    sides = [
        None if side is None else [1 - side[1], 1 - side[0]]
        for side in (selective["coverage_ci95"], selective["coverage_ci95_grouped"])
    ]
    share = None if selective["coverage"] is None else 1 - selective["accepted"] / selective["n"]
    return share, intervals(sides[0], sides[1], grouping)


def verdict(figures: dict[str, Any]) -> str:
    """The report's first sentences: how often the model is right, refuses, and is fooled."""
    split, grouping, chosen = figures["split"], figures["grouping"], figures["selective"]
    kind = f"{split} " if split in ("train", "val", "test") else ""
    both = intervals(figures["accuracy_ci95"], figures["accuracy_ci95_grouped"], grouping)
    text = (
        f"Right on {counted(figures['correct'], figures['n'])} {kind}pictures: "
        f"{percent(figures['accuracy'])} (95\u00a0% interval {both})."
    )
    count = chosen["n"] - chosen["accepted"]
    if chosen["threshold"] <= 0:
        text += " It was trained without unknown pictures and can refuse none."
    elif count:
        wrong = round((chosen["risk"] or 0) * chosen["accepted"])
        text += (
            f" It answers \u201cunknown\u201d to {count:,} of them and is wrong on"
            f" {_number_or_none(wrong)} of the other {chosen['accepted']:,}."
        )
    else:
        text += " It refuses none of them."
    unknown = figures.get("unknown")
    if unknown:
        let_in = _number_or_none(unknown["accepted"])
        text += f" Of {unknown['n']:,} pictures of no class it takes {let_in} for one of its own."
        if unknown.get("seen_in_training"):
            text += f" {unknown['seen_in_training']:,} of these were trained against."
    return text + _what_is_not_known(figures)


def _number_or_none(count: int) -> str:
    return f"{count:,}" if count else "none"


def rates(figures: dict[str, Any]) -> list[tuple[str, str]]:
    """What the verdict counts, as rates with both intervals: name and text."""
    chosen, grouping, unknown = (figures.get(k) for k in ("selective", "grouping", "unknown"))
    assert chosen is not None
    found = []
    if chosen["threshold"] > 0:
        share, both = _refused(chosen, str(grouping))
        count = counted(chosen["n"] - chosen["accepted"], chosen["n"])
        found.append(("refused", f"{percent(share)} ({count}; 95\u00a0% interval {both})"))
        wrong = counted(round((chosen["risk"] or 0) * chosen["accepted"]), chosen["accepted"])
        both = intervals(chosen["risk_ci95"], chosen["risk_ci95_grouped"], str(grouping))
        found.append(("wrong among the answered", f"{percent(chosen['risk'])} ({wrong}; {both})"))
    if unknown:
        count = counted(unknown["accepted"], unknown["n"])
        both = f"{between(unknown['acceptance_rate_ci95'])} by picture"
        found.append(
            ("strangers let in", f"{percent(unknown['acceptance_rate'])} ({count}; {both})")
        )
    return found


def _what_is_not_known(figures: dict[str, Any]) -> str:
    """Whether the model has met these pictures, or others of the same signs, where nobody knows."""
    if figures["seen_in_training"] is None:
        return " Whether it was trained on any of these pictures is not known."
    if figures["groups_seen_in_training"] is None:
        name = GROUP_NAMES.get(figures["grouping"], "sign")
        return f" Whether it was trained on other pictures of the same {name}s is not known."
    return ""


def grouping_statement(figures: dict[str, Any]) -> str:
    """Which interval to believe, and why."""
    known = GROUPINGS[figures["grouping"]]
    if figures["accuracy_ci95_grouped"] is None:
        if figures["data_sha256"] is None:
            known = "Which of these pictures show the same physical sign is not known."
        return (
            f"{known} The intervals treat every picture as a trial of its own, and are too narrow"
            " where several show one sign."
        )
    name = GROUP_NAMES[figures["grouping"]]
    text = (
        f"{known} The {figures['n']:,} pictures show {plural(figures['groups'], name)}. Pictures of"
        f" one {name} resemble each other, and a model tends to be right, or wrong, on all of them:"
        f" they are no independent trials, and an interval that counts them so is too narrow. The"
        f" interval by {name} draws whole {name}s anew, and is widened to what so many {name}s can"
        f" tell: without a mistake, each {name} is one trial. It says what to expect on {name}s"
        f" that the model has never seen, and is the honest one."
    )
    if figures["groups"] < FEW_GROUPS:
        text += f" {plural(figures['groups'], name).capitalize()} are too few for a firm figure."
    return text


def plural(count: int, noun: str) -> str:
    """`1 sign`, `1,000 signs`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def calibration_statement(calibration: dict[str, Any]) -> str:
    """What the calibration error means at this n."""
    ece, chance, n = calibration["ece"], calibration["ece_by_chance"], calibration["n"]
    if ece is None:
        return "There is nothing to measure calibration on."
    text = (
        f"On average, confidence and the share that is right differ by {percent(ece)} (expected"
        f" calibration error, {plural(len(calibration['bins']), 'bin')} of equal mass, n = {n:,})."
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
