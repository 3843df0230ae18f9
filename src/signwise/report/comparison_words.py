"""A comparison of models in words: the verdict, and what a reader must know of it."""

from collections.abc import Callable

from signwise.report.words import (
    DASH,
    FEW_GROUPS,
    are,
    counted,
    group_name,
    percent,
    plural,
    score,
)
from signwise.results import Interval
from signwise.studies import (
    MEANT_DIFFERENCE,
    Comparison,
    Difference,
    PairFigures,
    Significance,
)

SMALLEST_P = 0.001


def verdict(comparison: Comparison) -> str:
    """The first sentences: which model is better, or that none is shown to be."""
    if len(comparison.pairs) == 1:
        return pair_verdict(comparison, comparison.pairs[0])
    better = [
        f"{pair.better} is better than {_other(pair)} ({p_value(pair.decisive, corrected=True)})"
        for pair in comparison.pairs
        if pair.better is not None
    ]
    start = f"{len(comparison.models)} models on the same {comparison.n:,} pictures: "
    rest = len(comparison.pairs) - len(better)
    if not better:
        return start + "no difference in accuracy is shown between any two of them."
    return start + "; ".join(better) + "." + (_undecided(rest) if rest else "")


def _undecided(rest: int) -> str:
    return f" For the other {plural(rest, 'pair')} no difference is shown."


def _other(pair: PairFigures) -> str:
    return pair.first if pair.better == pair.second else pair.second


def pair_verdict(comparison: Comparison, pair: PairFigures) -> str:
    """Whether one of two models is better, with the counts and the p-value behind it."""
    counts, name = pair.counts, group_name(comparison.grouping)
    apart = (
        f"of {comparison.n:,} pictures {pair.second} alone gets {counts.only_second:,} right,"
        f" {pair.first} alone {counts.only_first:,}"
    )
    unit = f"by {name}" if pair.by_group is not None else "by picture"
    p = f"{p_value(pair.decisive, corrected=len(comparison.pairs) > 1)} {unit}"
    if pair.better is not None:
        return f"{pair.better} is better than {_other(pair)}: {apart} ({p})."
    if counts.only_first + counts.only_second == 0:
        return (
            f"No difference is shown: {pair.first} and {pair.second} are right on the same"
            f" pictures, {counted(counts.both, counts.n)}."
        )
    return f"No difference is shown between {pair.first} and {pair.second}: {apart} ({p})."


def p_value(test: Significance, *, corrected: bool) -> str:
    """`p = 0.012`, or `p below 0.001`; the corrected one is called so."""
    value = test.corrected if corrected else test.p
    text = f"p below {SMALLEST_P}" if value < SMALLEST_P else f"p = {value:.3f}"
    return f"corrected {text}" if corrected else text


def tests_line(comparison: Comparison, pair: PairFigures) -> str:
    """Both tests and what they could have found, for a terminal."""
    corrected = len(comparison.pairs) > 1
    text = f"exact McNemar by picture: {p_value(pair.by_picture, corrected=corrected)}"
    if pair.by_group is not None:
        name = group_name(comparison.grouping)
        by_group = p_value(pair.by_group, corrected=corrected)
        text = f"permutation of {name}s: {by_group} (this one decides); {text}"
    return f"{text}. {power_statement(comparison, pair)}"


def power_statement(comparison: Comparison, pair: PairFigures) -> str:
    """What the comparison could have found, and at what a model's true worth differs."""
    points = f"{MEANT_DIFFERENCE * 100:.0f} points"
    text = (
        f"With so many pictures, and models that disagree on {percent(pair.counts.disagreement)}"
        f" of them, a true difference of {points} of accuracy is found in"
        f" {chance(pair.by_picture.power)} of 100 comparisons by picture"
    )
    if pair.by_group is None:
        return text + "."
    name = group_name(comparison.grouping)
    return f"{text}, in {chance(pair.by_group.power)} by {name}."


def chance(power: float) -> str:
    """A power as how many of 100, never rounded to a 0 or 100 that it is not."""
    whole = round(100 * power)
    return "fewer than 1" if whole == 0 else "more than 99" if whole == 100 else f"about {whole}"


def deciding_test(comparison: Comparison) -> str:
    """Which test to trust, and why."""
    if comparison.groups_known:
        name = group_name(comparison.grouping)
        text = (
            f"The pictures show {plural(comparison.groups, name)}. Pictures of one {name} are no"
            f" independent trials: a model tends to be right on all of them or on none. So the test"
            f" by {name} decides: it asks how often {name}s would favour one model as much if"
            f" each had gone to either by the toss of a coin. Exact McNemar by picture stands"
            f" beside it, and is too sure of itself."
        )
        if comparison.groups < FEW_GROUPS:
            text += (
                f" {are(comparison.groups, name).capitalize()} few: with fewer than 6 that"
                " differ, no difference can be shown."
            )
    else:
        text = (
            "It is not known which pictures show the same physical sign, so exact McNemar by"
            " picture decides. Where several pictures show one sign, it is too sure of itself."
        )
    if len(comparison.pairs) > 1:
        text += (
            f" With {len(comparison.pairs)} comparisons some would seem different by chance: the"
            " p-values are corrected by Holm's method. The intervals are not."
        )
    return text


def points(value: float | None) -> str:
    """A difference of shares in points, with its sign."""
    if value is None:
        return DASH
    shown = round(value * 100, 2)
    return f"{shown:+.2f}".replace("-", "\u2212") if shown else "0.00"


def nats(value: float | None) -> str:
    """A difference that is no share, with its sign."""
    if value is None:
        return DASH
    shown = round(value, 4)
    return f"{shown:+.4f}".replace("-", "\u2212") if shown else "0.0000"


def differences(comparison: Comparison, pair: PairFigures) -> list[tuple[str, str, list[str], str]]:
    """Each figure that differs: its name, the difference, its intervals, and which way is good."""
    name = group_name(comparison.grouping)
    rows: list[tuple[str, Difference, Callable[[float | None], str], str]] = [
        ("accuracy, points", pair.accuracy, points, "above 0"),
        ("log loss, nats", pair.loss, nats, "below 0"),
        ("coverage, points", pair.coverage, points, "as needed"),
    ]
    if pair.auroc is not None:
        rows.append(("AUROC of known", pair.auroc, nats, "above 0"))
    return [
        (title, show(found.value), _intervals(found, show, name), good)
        for title, found, show, good in rows
    ]


def _intervals(found: Difference, show: Callable[[float | None], str], name: str) -> list[str]:
    def between(interval: Interval | None, unit: str) -> list[str]:
        if interval is None:
            return []
        low, high = (show(bound) for bound in interval)
        return [f"{low} to {high} by {unit}"]

    return between(found.ci95, "picture") + between(found.ci95_grouped, name)


def cautions(comparison: Comparison) -> list[str]:
    """What makes a comparison say less than it seems to, a sentence or two each."""
    found = []
    for model in comparison.models:
        if model.seen_in_training:
            found.append(
                f"{model.name} was trained on {model.seen_in_training:,} of these"
                f" {comparison.n:,} pictures: its figures say little about new ones."
            )
        if model.seen_in_validation:
            found.append(
                f"{model.name} was chosen on {model.seen_in_validation:,} of these"
                f" {comparison.n:,} pictures: it looks better here than it is. Compare on the"
                " test pictures."
            )
        if model.changed:
            found.append(
                f"{model.name} holds another model now than the one that was measured: run signwise"
                " evaluate again."
            )
    if len({model.classes for model in comparison.models}) > 1:
        counts = ", ".join(f"{model.name} {len(model.classes):,}" for model in comparison.models)
        found.append(
            f"The models know different classes ({counts}): a model that must tell more apart has"
            " the harder task, and its log loss counts that."
        )
    return found


def model_lines(comparison: Comparison) -> list[tuple[str, str, str, str, str]]:
    """Each model: its name, accuracy, log loss, coverage and AUROC of known."""
    return [
        (
            model.name,
            f"{percent(model.accuracy.value)} ({counted(model.correct, comparison.n)})",
            f"{model.loss:.4f}",
            percent(model.coverage.value),
            score(model.auroc),
        )
        for model in comparison.models
    ]
