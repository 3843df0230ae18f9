"""report.html of a search: the verdict, what was tried, and how the loss hangs on each setting."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from signwise.files import Json
from signwise.report import charts, comparison_words, study_words
from signwise.report.page import chart, render
from signwise.report.words import group_name
from signwise.studies import StudyFigures, Trial

MOST_OPTIONS = 5
"""So many values stand side by side; more, where they are numbers, on a scale."""
COLUMNS = 3
"""Settings side by side in their chart."""
SHOWN_TRIALS = 20


@dataclass(frozen=True, kw_only=True)
class StudyPage:
    """All that the page shows."""

    figures: StudyFigures
    space: Mapping[str, str]
    """What was searched: each setting in words."""
    by_ratio: Set[str]
    """The settings of which the ratio counts."""
    defaults: Mapping[str, Json]
    """What each is by default."""


def study_page(page: StudyPage) -> str:
    """The whole page as HTML that loads nothing."""
    figures = page.figures
    pair, comparison = figures.pair, figures.comparison
    ranked = sorted(
        (trial for trial in figures.trials if trial.loss is not None),
        key=lambda trial: (trial.state != "complete", trial.loss or 0.0),
    )
    return render(
        "study.html",
        title="Search for settings",
        lead=study_words.verdict(figures),
        page=page,
        counts=study_words.counts(figures),
        flattery=study_words.flattery(figures),
        recommended=study_words.recommended(figures),
        accuracies=study_words.held_out_accuracy(figures),
        rows=[] if comparison is None or pair is None
        else comparison_words.differences(comparison, pair),
        power="" if comparison is None or pair is None
        else comparison_words.power_statement(comparison, pair),
        group="group" if comparison is None else group_name(comparison.grouping),
        history=chart(history_chart(figures.trials)),
        settings_chart=_settings_chart(page),
        ranked=ranked[:SHOWN_TRIALS],
        names=list(page.space),
        show=study_words.setting,
    )  # fmt: skip


def history_chart(trials: Sequence[Trial]) -> bytes:
    """The validation loss of each trial, and the lowest so far."""
    complete = [trial for trial in trials if trial.state == "complete"]
    pruned = [trial for trial in trials if trial.state == "pruned" and trial.loss is not None]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        lowest: list[float] = []
        for trial in complete:
            lowest.append(min([trial.loss or 0.0, *lowest[-1:]]))
        numbers = [trial.number for trial in complete]
        axes.step(numbers, lowest, where="post", color=charts.INK, linewidth=1.2, label="lowest")
        for kept, marker, colour, label in (
            (complete, "o", charts.BLUE, "complete"),
            (pruned, "x", charts.GREY, "stopped early"),
        ):
            if kept:
                losses = [trial.loss or 0.0 for trial in kept]
                axes.scatter(
                    [trial.number for trial in kept], losses, s=22, marker=marker, color=colour,
                    label=label, zorder=3,
                )  # fmt: skip
        defaults = [trial for trial in complete if trial.defaults]
        for trial in defaults[:1]:
            axes.axhline(
                trial.loss or 0.0, color=charts.ORANGE, linewidth=1.2, linestyle="--",
                label="the defaults",
            )  # fmt: skip
        axes.set_xlabel("trial")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_ylabel("validation loss")
        charts.log_where_wide(axes, [trial.loss or 0.0 for trial in (*complete, *pruned)])
        figure.legend(loc="outside lower center", ncols=4)

    return charts.draw(paint, 6.4, 3.4)


def _settings_chart(page: StudyPage) -> object:
    tried = [trial for trial in page.figures.trials if trial.loss is not None and trial.settings]
    return chart(settings_chart(tried, list(page.space), page.by_ratio)) if tried else None


def settings_chart(trials: Sequence[Trial], names: Sequence[str], by_ratio: Set[str]) -> bytes:
    """The validation loss against each setting, a small chart each, some of them by ratio."""
    rows = -(-len(names) // COLUMNS)
    columns = min(COLUMNS, len(names))

    def paint(figure: Figure) -> None:
        grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
        for index, axes in enumerate(grid.flat):
            if index >= len(names):
                axes.set_visible(False)
                continue
            name = names[index]
            _paint_setting(axes, trials, name, by_ratio=name in by_ratio)
            if index % columns == 0:
                axes.set_ylabel("validation loss")

    return charts.draw(paint, 2.9 * columns, 0.3 + 1.9 * rows)


def _paint_setting(axes: Axes, trials: Sequence[Trial], name: str, *, by_ratio: bool) -> None:
    values = [trial.settings.get(name) for trial in trials]
    numbers = [
        float(value)
        for value in values
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    numeric = len(numbers) == len(values) and (
        any(isinstance(value, float) for value in values) or len(set(numbers)) > MOST_OPTIONS
    )
    options = list(
        dict.fromkeys(study_words.setting(value) for value in sorted(values, key=_order))
    )
    for trial, value in zip(trials, values, strict=True):
        place = float(str(value)) if numeric else options.index(study_words.setting(value))
        done = trial.state == "complete"
        axes.scatter(
            place, trial.loss or 0.0, s=16, marker="o" if done else "x",
            color=charts.BLUE if done else charts.GREY,
        )  # fmt: skip
    axes.set_title(name, fontsize=8.5)
    charts.log_where_wide(axes, [trial.loss or 0.0 for trial in trials])
    if numeric and by_ratio:
        axes.set_xscale("log")
    if not numeric:
        axes.set_xticks(range(len(options)), options)
        axes.set_xlim(-0.5, len(options) - 0.5)


def _order(value: Json) -> tuple[float, str]:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return (float(str(value)) if number else 0.0, str(value))
