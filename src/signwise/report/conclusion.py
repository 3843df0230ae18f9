"""What an evaluation comes to, in plain words, and what to do next: one conclusion, not a list.

What makes all other figures void comes first; where nothing stands against the model, that is said.
"""

from collections.abc import Sequence

from signwise.report.words import (
    FEW_GROUPS,
    are,
    between,
    counted,
    group_name,
    percent,
    plural,
)
from signwise.results import Evaluation, Interval

WIDE = 0.1
"""An interval of accuracy that is wider says little."""
MANY_ACCEPTED = 0.02
"""More pictures of no class that are wrongly accepted are too many."""
MANY_REJECTED = 0.1
"""More pictures of the classes that are rejected are too many."""
LOW_RECALL = 0.9
"""A class that is recognised less often is weak."""


def conclusion(evaluation: Evaluation) -> str:
    """What the figures are worth, or what is wrong with the model, and what to do about it."""
    checks = (_seen, _guesses, _few, _accepts, _weak_class, _rejects, _unmeasured)
    return next((text for check in checks if (text := check(evaluation))), _good(evaluation))


def _seen(evaluation: Evaluation) -> str | None:
    name = group_name(evaluation.grouping) if evaluation.groups_known else "picture"
    parts = (
        ("trained on", evaluation.seen_in_training, "picture"),
        ("chosen on", evaluation.seen_in_validation, "picture"),
        ("trained on other pictures of", evaluation.groups_seen_in_training, name),
    )
    seen = [f"{how} {plural(count, what)}" for how, count, what in parts if count]
    if not seen:
        return None
    return (
        f"These figures flatter: the model was {' and '.join(seen)} of these. Measure it on new"
        f" {name}s: the test set, or a folder of other photos."
    )


def _guesses(evaluation: Evaluation) -> str | None:
    """The balanced accuracy, by picture, can't be told from that of a guess."""
    balanced = evaluation.balanced_accuracy
    classes = sum(figures.support > 0 for figures in evaluation.per_class.values())
    if evaluation.correct == evaluation.n or balanced.ci95 is None or classes < 2:
        return None
    if balanced.ci95[0] > 1 / classes:
        return None
    return (
        f"The model is not shown to be better than guessing: {percent(balanced.value)} of each"
        f" class is right on average, and guessing gives {percent(1 / classes)}. Look at the labels"
        " and the pictures, then train longer or on more pictures."
    )


def _few(evaluation: Evaluation) -> str | None:
    """The interval to trust is wide, since there are few signs or few pictures."""
    accuracy, n = evaluation.accuracy, evaluation.n
    if accuracy.ci95_grouped is not None:
        name = group_name(evaluation.grouping)
        if evaluation.groups >= FEW_GROUPS and not _wide(accuracy.ci95_grouped):
            return None
        return (
            f"{_these(n)} {plural(evaluation.groups, name)}: too few to say how good the model is"
            f" on others. On new {name}s its accuracy may be anything from"
            f" {between(accuracy.ci95_grouped)}. Photograph more {name}s"
            + (f", at least {FEW_GROUPS} to test on." if evaluation.groups < FEW_GROUPS else ".")
        )
    if accuracy.ci95 is None or not _wide(accuracy.ci95):
        return None
    return (
        f"{are(n, 'picture').capitalize()} too few: the accuracy may be anything from"
        f" {between(accuracy.ci95)}. Photograph more, of signs that are not in the training set."
    )


def _these(n: int) -> str:
    return "This 1 picture shows" if n == 1 else f"These {n:,} pictures show"


def _wide(interval: Interval) -> bool:
    return interval[1] - interval[0] > WIDE


def _accepts(evaluation: Evaluation) -> str | None:
    unknown = evaluation.unknown
    if unknown is None or (unknown.acceptance.value or 0) <= MANY_ACCEPTED:
        return None
    return (
        f"It wrongly accepts {counted(unknown.accepted, unknown.n)} pictures of no class. Train"
        " with --unknown and a folder of such pictures (others than these), or answer at a higher"
        " threshold: the table of thresholds says what that costs."
    )


def _weak_class(evaluation: Evaluation) -> str | None:
    recalls = {
        name: figures.recall
        for name, figures in evaluation.per_class.items()
        if (figures.recall.value if figures.recall.value is not None else 1) < LOW_RECALL
    }
    if not recalls:
        return None
    name = min(recalls, key=lambda each: recalls[each].value or 0)
    weakest = recalls[name]
    return (
        f"It is weakest at {name}: {counted(weakest.count, weakest.n)} pictures are right. Look at"
        " its mistakes below, then train on more pictures like those."
    )


def _rejects(evaluation: Evaluation) -> str | None:
    selective = evaluation.selective
    if not selective.n or selective.rejected <= MANY_REJECTED * selective.n:
        return None
    return (
        f"It answers \u201cunknown\u201d to {counted(selective.rejected, selective.n)} pictures of"
        " its own classes. Train on more pictures like those, or answer at a lower threshold: the"
        " table of thresholds says what that costs."
    )


def _unmeasured(evaluation: Evaluation) -> str | None:
    if evaluation.unknown is not None:
        return None
    return (
        f"{_sound(evaluation)} What it does with pictures of no class was not measured: give a"
        " folder of them with --unknown."
    )


def _good(evaluation: Evaluation) -> str:
    return (
        f"{_sound(evaluation)} Use it on pictures like these, and measure it again on photos from"
        " another place, season or camera."
    )


def _sound(evaluation: Evaluation) -> str:
    low = _lowest((evaluation.accuracy.ci95_grouped, evaluation.accuracy.ci95))
    if_new = "" if evaluation.groups_known else ", if none shows what was trained on too"
    return (
        "Nothing here speaks against the model: of new pictures like these, it gets at least"
        f" {percent(low)} right (95\u00a0% interval){if_new}."
    )


def _lowest(intervals: Sequence[Interval | None]) -> float | None:
    """The lower end of the first interval that there is."""
    return next((interval[0] for interval in intervals if interval is not None), None)
