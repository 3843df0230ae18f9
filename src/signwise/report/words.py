"""Figures in words: what reports and the terminal say, each rate with its count and intervals."""

import os
from collections.abc import Sequence

from signwise.files import printable_path
from signwise.results import CalibrationFigures, Evaluation, Rate, SelectiveFigures

UNIT = "\u00a0%"
"""Per cent, on one line with its number."""
DASH = "\u2013"
"""Stands for what could not be measured."""
LEVEL = f"95{UNIT} interval"

GROUP_NAMES = {"csv": "group", "regex": "group", "track": "sign"}
"""What a group is called, by how groups are known."""
SPLIT_NAMES = {"train": "training", "val": "validation", "test": "test"}

FEW_GROUPS = 20
"""With fewer groups, no figure is firm."""
SMALL_ERROR = 0.01
"""A calibration error below this is small."""

GROUPINGS = {
    "csv": "The groups come from the CSV that the data was prepared from.",
    "regex": "The groups come from the pattern that was given with --group.",
    "track": "The file names (track_frame, as in GTSRB) tell which pictures show the same sign.",
    "duplicates": (
        "It is not known which pictures show the same physical sign: only near duplicates were"
        " kept together. Frames of one sign may be in both training and test, which makes every"
        " figure too good. If you know the signs, name them with --group or in a CSV with a column"
        " group."
    ),
}


def percent(share: float | None) -> str:
    """A fraction in per cent, never rounded to a 0 or 100 that it is not; a dash for None."""
    if share is None:
        return DASH
    if share in (0, 1):
        return f"{share * 100:.0f}{UNIT}"
    for digits in (1, 2, 3):
        text = f"{share * 100:.{digits}f}"
        if 0 < float(text) < 100:
            return text + UNIT
    return f"above 99.999{UNIT}" if share > 0.5 else f"below 0.001{UNIT}"


def between(interval: Sequence[float] | None) -> str:
    """An interval of fractions in per cent; a dash for None."""
    if interval is None:
        return DASH
    low, high = (percent(bound) for bound in interval)
    return f"{low.removesuffix(UNIT)} to {high}"


def score(value: float | None) -> str:
    """A figure from 0 to 1 that is no rate, never rounded to a 1 that it is not."""
    if value is None:
        return DASH
    for digits in range(4, 8):
        text = f"{value:.{digits}f}"
        if value == 1 or float(text) < 1:
            return text
    return "above 0.9999999"


def number(value: float | None) -> str:
    """A figure that is no rate, to three significant digits; a dash for None."""
    return DASH if value is None else f"{value:.3g}"


def counted(part: int, whole: int) -> str:
    """`12 of 1,000`."""
    return f"{part:,} of {whole:,}"


def plural(count: int, noun: str) -> str:
    """`1 sign`, `1,000 signs`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def are(count: int, noun: str) -> str:
    """`1 sign is`, `2 signs are`."""
    return f"{plural(count, noun)} {'is' if count == 1 else 'are'}"


def short_path(path: str) -> str:
    """The folder and the name of a file."""
    return "/".join(printable_path(path.replace(os.sep, "/")).split("/")[-2:])


def group_name(grouping: str) -> str:
    """What one group is called: `sign` or `group`."""
    return GROUP_NAMES.get(grouping, "group")


def intervals(rate: Rate, grouping: str) -> str:
    """The interval by picture and, where groups are known, the one by group."""
    text = f"{between(rate.ci95)} by picture"
    if rate.ci95_grouped is None:
        return text
    return f"{text}, {between(rate.ci95_grouped)} by {group_name(grouping)}"


def interval(rate: Rate, grouping: str) -> str:
    """The interval to trust: by group where groups are known, else by picture."""
    if rate.ci95_grouped is None:
        return f"{between(rate.ci95)} by picture"
    return f"{between(rate.ci95_grouped)} by {group_name(grouping)}"


def rejection(selective: SelectiveFigures) -> Rate:
    """The share that is answered `unknown`: the other side of coverage."""
    coverage = selective.coverage
    by_picture, by_group = (
        None if side is None else (1 - side[1], 1 - side[0])
        for side in (coverage.ci95, coverage.ci95_grouped)
    )
    return Rate(
        value=None if coverage.value is None else selective.rejected / selective.n,
        n=selective.n,
        ci95=by_picture,
        ci95_grouped=by_group,
    )


def verdict(evaluation: Evaluation) -> str:
    """The first sentences: how often the model is correct, rejects, and wrongly accepts."""
    kind = SPLIT_NAMES.get(evaluation.split, "")
    sentences = [
        f"Correct on {counted(evaluation.correct, evaluation.n)} {f'{kind} pictures'.strip()}:"
        f" {percent(evaluation.accuracy.value)}"
        f" ({LEVEL} {intervals(evaluation.accuracy, evaluation.grouping)}).",
        _rejection_sentence(evaluation.selective),
    ]
    unknown = evaluation.unknown
    if unknown is not None:
        accepted = counted(unknown.accepted, unknown.n) if unknown.accepted else None
        sentences.append(
            f"{accepted or f'None of {unknown.n:,}'} pictures of no class were wrongly accepted."
        )
        if unknown.seen_in_training:
            sentences.append(
                f"The model was trained on {unknown.seen_in_training:,} of these {unknown.n:,}."
            )
    if evaluation.seen_in_training is None:
        sentences.append("It is not known whether the model was trained on any of these pictures.")
    elif evaluation.groups_seen_in_training is None:
        name = GROUP_NAMES.get(evaluation.grouping, "sign")
        sentences.append(
            f"It is not known whether the model was trained on other pictures of the same {name}s."
        )
    return " ".join(sentences)


def _rejection_sentence(selective: SelectiveFigures) -> str:
    if selective.threshold <= 0:
        return "It rejects nothing: its threshold is 0."
    if not selective.rejected:
        return "It rejected none of them."
    if not selective.accepted:
        return "It answered \u201cunknown\u201d to all of them."
    wrong = f"{selective.risk.count:,}" if selective.risk.count else "none"
    return (
        f"It answered \u201cunknown\u201d to {selective.rejected:,} of them and was wrong on"
        f" {wrong} of the other {selective.accepted:,}."
    )


def rates(evaluation: Evaluation) -> list[tuple[str, str]]:
    """The rates behind the verdict, each as its name and a text with count and intervals."""
    selective, unknown = evaluation.selective, evaluation.unknown
    found = []
    if selective.threshold > 0:
        rejected, risk = rejection(selective), selective.risk
        for name, count, rate in (
            ("rejected", selective.rejected, rejected),
            ("wrong among the answered", risk.count, risk),
        ):
            both = intervals(rate, evaluation.grouping)
            text = f"{percent(rate.value)} ({counted(count, rate.n)}; {LEVEL} {both})"
            found.append((name, text))
    if unknown is not None:
        text = (
            f"{percent(unknown.acceptance.value)} ({counted(unknown.accepted, unknown.n)} pictures"
            f" of no class; {LEVEL} {intervals(unknown.acceptance, evaluation.grouping)})"
        )
        found.append(("false accept rate", text))
    return found


def cautions(evaluation: Evaluation) -> list[str]:
    """What makes the figures too good, a sentence or two each."""
    found, unknown = [], evaluation.unknown
    if evaluation.seen_in_training:
        found.append(
            f"The model was trained on {evaluation.seen_in_training:,} of these {evaluation.n:,}"
            " pictures. The figures say little about new pictures."
        )
    if evaluation.seen_in_validation:
        found.append(
            "Weights, temperature and threshold were chosen on"
            f" {evaluation.seen_in_validation:,} of these {evaluation.n:,} pictures, the run's"
            " validation set. The figures are better than they would be on new pictures."
        )
    if evaluation.groups_seen_in_training:
        name = group_name(evaluation.grouping)
        found.append(
            f"The model was trained on other pictures of {evaluation.groups_seen_in_training:,} of"
            f" these {plural(evaluation.groups, name)}, because the split was given that way. The"
            f" figures are better than they would be on new {name}s."
        )
    if unknown is not None and unknown.seen_in_training:
        found.append(
            f"The model was trained on {unknown.seen_in_training:,} of these {unknown.n:,} pictures"
            " of no class. Its false accept rate on new ones is likely higher."
        )
    return found


def grouping_statement(evaluation: Evaluation) -> str:
    """Which interval to trust, and why."""
    known = GROUPINGS[evaluation.grouping]
    if evaluation.accuracy.ci95_grouped is None:
        if evaluation.data_sha256 is None:
            known = "It is not known which of these pictures show the same physical sign."
        return (
            f"{known} The intervals count every picture as an independent trial. Where several"
            " pictures show one sign, they are too narrow."
        )
    name, groups = group_name(evaluation.grouping), evaluation.groups
    text = (
        f"{known} The {plural(evaluation.n, 'picture')} show {plural(groups, name)}. Pictures of"
        f" one {name} look alike, and the model tends to be correct on all of them or wrong on all"
        f" of them. They are not independent trials, so the interval by picture is too narrow. The"
        f" interval by {name} resamples whole {name}s and is never narrower than their number"
        f" allows: where nothing is wrong, each {name} counts as one trial. Trust this one: it"
        f" says what to expect on {name}s that the model has never seen."
    )
    if groups < FEW_GROUPS:
        text += f" {are(groups, name).capitalize()} too few for a firm figure."
    return text


def calibration_statement(calibration: CalibrationFigures) -> str:
    """What the calibration error means at this number of pictures."""
    ece, chance = calibration.ece, calibration.ece_by_chance
    if ece is None or chance is None:
        return "There are no pictures to measure calibration on."
    text = (
        f"On average, confidence and accuracy differ by {percent(ece)} (expected calibration error,"
        f" {plural(len(calibration.bins), 'bin')} of equal mass, n = {calibration.n:,}). At this n,"
        f" a perfectly calibrated model shows up to {percent(chance)} by chance (95{UNIT} of the"
        " time)."
    )
    if ece > chance:
        return f"{text} This model is not perfectly calibrated."
    if chance > SMALL_ERROR:
        return (
            f"{text} The error may be chance alone, and n is too small to tell whether the true"
            f" error is below {SMALL_ERROR * 100:.0f}{UNIT}."
        )
    return f"{text} The error may be chance alone."
