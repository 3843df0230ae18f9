"""report.html of a comparison: which model is better, by how much, and on which pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from signwise.report import charts, comparison_words
from signwise.report.page import Thumbnail, chart, photo, render, whole_pixels
from signwise.report.words import group_name, short_path
from signwise.studies import Comparison, PairFigures

LONGEST_NAME = 32


@dataclass(frozen=True, kw_only=True)
class ShownPicture:
    """A picture that one of two models gets right."""

    pixels: NDArray[np.uint8]
    """(S, S, 3)."""
    path: str
    label: str
    by_first: str
    """The class that the first model takes it for."""
    by_second: str


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """Some pictures that each of two models alone gets right."""

    only_first: Sequence[ShownPicture]
    only_second: Sequence[ShownPicture]


@dataclass(frozen=True, kw_only=True)
class ComparisonPage:
    """All that the page shows."""

    comparison: Comparison
    disagreements: Sequence[Disagreement]
    """One a pair, in order."""


@dataclass(frozen=True, kw_only=True)
class _Side:
    name: str
    other: str
    count: int
    items: Sequence[Thumbnail]


@dataclass(frozen=True, kw_only=True)
class _PairSection:
    pair: PairFigures
    verdict: str
    power: str
    rows: Sequence[tuple[str, str, list[str], str]]
    sides: Sequence[_Side]


def comparison_page(page: ComparisonPage) -> str:
    """The whole page as HTML that loads nothing."""
    comparison = page.comparison
    return render(
        "comparison.html",
        title="Comparison: " + ", ".join(short_path(model.name) for model in comparison.models),
        lead=comparison_words.verdict(comparison),
        comparison=comparison,
        group=group_name(comparison.grouping),
        several=len(comparison.pairs) > 1,
        cautions=comparison_words.cautions(comparison),
        deciding_test=comparison_words.deciding_test(comparison),
        p_value=comparison_words.p_value,
        chart=chart(difference_chart(comparison)),
        sections=[
            _section(comparison, pair, apart)
            for pair, apart in zip(comparison.pairs, page.disagreements, strict=True)
        ],
    )


def _section(comparison: Comparison, pair: PairFigures, apart: Disagreement) -> _PairSection:
    return _PairSection(
        pair=pair,
        verdict=comparison_words.pair_verdict(comparison, pair),
        power=comparison_words.power_statement(comparison, pair),
        rows=comparison_words.differences(comparison, pair),
        sides=[
            _Side(
                name=pair.first,
                other=pair.second,
                count=pair.counts.only_first,
                items=[_thumbnail(each, each.by_second) for each in apart.only_first],
            ),
            _Side(
                name=pair.second,
                other=pair.first,
                count=pair.counts.only_second,
                items=[_thumbnail(each, each.by_first) for each in apart.only_second],
            ),
        ],
    )


def _thumbnail(shown: ShownPicture, wrong: str) -> Thumbnail:
    return Thumbnail(
        pictures=(photo(whole_pixels(shown.pixels), "picture"),),
        lines=(f"{shown.label}, taken for {wrong}", short_path(shown.path)),
    )


def difference_chart(comparison: Comparison) -> bytes:
    """The difference of accuracy of each pair with its intervals, in points."""
    rows = comparison.pairs
    name = group_name(comparison.grouping)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axvline(0, color=charts.INK, linewidth=1)
        for row, pair in enumerate(rows):
            found = pair.accuracy
            for interval, colour, width, label in (
                (found.ci95_grouped, charts.BLUE, 2.2, f"95 % interval by {name}"),
                (found.ci95, charts.ORANGE, 5.0, "by picture"),
            ):
                if interval is not None:
                    low, high = (100 * bound for bound in interval)
                    shown = label if row == 0 else ""
                    axes.hlines(row, low, high, color=colour, linewidth=width, label=shown)
            if found.value is not None:
                axes.plot(100 * found.value, row, "o", color=charts.INK, markersize=6, zorder=3)
        axes.set_yticks(range(len(rows)), [_versus(pair) for pair in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlabel("difference of accuracy in points: right of 0 the first named is better")
        figure.legend(loc="outside lower center", ncols=2)

    return charts.draw(paint, 6.4, 1.3 + 0.45 * len(rows))


def _versus(pair: PairFigures) -> str:
    return "\nless ".join(_short(name) for name in (pair.second, pair.first))


def _short(name: str) -> str:
    text = short_path(name)
    return text if len(text) <= LONGEST_NAME else f"\u2026{text[1 - LONGEST_NAME :]}"
