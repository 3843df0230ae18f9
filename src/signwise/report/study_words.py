"""A search for settings in words: whether the winner is better than the defaults."""

from signwise.files import Json
from signwise.report.comparison_words import p_value, points
from signwise.report.words import counted, group_name, percent, plural
from signwise.studies import StudyFigures


def verdict(figures: StudyFigures) -> str:
    """The first sentences: better than the defaults or not, on what no trial saw."""
    winner, pair = figures.winner, figures.pair
    if pair is None or figures.comparison is None:
        others = len(figures.trials) - 1
        if not others:
            return "Nothing but the defaults was tried: give more time, or more trials."
        return (
            f"No better than the defaults: none of {plural(others, 'other trial')} has a lower"
            " validation loss."
        )
    name = group_name(figures.comparison.grouping)
    found = pair.accuracy.ci95_grouped or pair.accuracy.ci95
    assert found is not None
    unit = f"by {name}" if pair.accuracy.ci95_grouped else "by picture"
    before, after = figures.comparison.models
    gain = points(pair.accuracy.value)
    figure = (
        f"on {plural(figures.held_out, 'picture')} that no trial saw, trial {winner.number} gets"
        f" {after.correct:,} right and the defaults {before.correct:,}: {gain} points"
        f" (95\u00a0% interval {points(found[0])} to {points(found[1])} {unit};"
        f" {p_value(pair.decisive, corrected=False)})."
    )
    if figures.better:
        return f"Better than the defaults: {figure}"
    return f"No better than the defaults, as far as this can tell: {figure}"


def flattery(figures: StudyFigures) -> str:
    """Why the winner's validation figure is no verdict, and where the verdict comes from."""
    complete = plural(sum(trial.state == "complete" for trial in figures.trials), "complete trial")
    held_out = (
        f"{plural(figures.held_out, 'picture')} in {plural(figures.held_out_groups, 'group')}"
        " that were set aside before the first trial"
    )
    tests = "The test pictures were not looked at: evaluate measures on them, once."
    if figures.winner.defaults:
        return (
            f"The defaults have the lowest validation loss of {complete}. What they get right of"
            f" {held_out} stands in defaults/report.html. {tests}"
        )
    return (
        f"The winner, trial {figures.winner.number}, has the lowest validation loss of {complete}."
        " It was picked for that, so that figure flatters it: even among equal settings one is the"
        f" luckiest. The verdict therefore comes from {held_out}. {tests}"
    )


def recommended(figures: StudyFigures) -> str:
    """What config.json holds, and what to do with it."""
    if figures.better:
        whose = f"the settings of trial {figures.winner.number}"
    elif figures.winner.defaults:
        whose = "the defaults"
    else:
        whose = (
            f"the defaults, since trial {figures.winner.number} is not shown to be better; its own"
            f" settings are in trials/{figures.winner.number:04d}/config.json"
        )
    command = "signwise train DATA --config config.json"
    return f"config.json holds {whose}. Train on all pictures: {command}"


def counts(figures: StudyFigures) -> str:
    """How many trials ended how."""
    states = [trial.state for trial in figures.trials]
    return (
        f"{plural(len(states), 'trial')}: {states.count('complete')} complete,"
        f" {states.count('pruned')} stopped early, {states.count('failed')} failed"
    )


def held_out_accuracy(figures: StudyFigures) -> list[tuple[str, str, str]]:
    """What the defaults and the winner get right of what was held out: name, share, count."""
    if figures.comparison is None:
        return []
    names = ("the defaults", f"trial {figures.winner.number}")
    return [
        (name, percent(model.accuracy.value), counted(model.correct, figures.held_out))
        for name, model in zip(names, figures.comparison.models, strict=True)
    ]


def setting(value: Json) -> str:
    """A setting with as many digits as say something."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
