"""Charts as PNG bytes: dark ink on white, legible from a phone to a page.

Drawn on matplotlib's Agg canvas without pyplot: no window, no global state, the same bytes for
the same figures.
"""

import io
from collections.abc import Callable, Sequence

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import ArrayLike

from signwise.metrics.selective import RiskCoverage
from signwise.results import Epoch, ReliabilityBin

DPI = 200
"""Charts have two pixels for each pixel of the page, for sharp screens."""

BLUE, ORANGE, GREY, INK = "#1f5fbf", "#d1570a", "#8a8780", "#333333"

STYLE = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelcolor": "#444444",
    "axes.edgecolor": "#999999",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.7,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.8,
}


def draw(paint: Callable[[Figure], None], width: float, height: float) -> bytes:
    """PNG of what `paint` puts on a figure of this size in inches."""
    # "default" first: a user's own matplotlibrc must not change a report.
    with matplotlib.style.context(["default", STYLE]):
        figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        paint(figure)
        buffer = io.BytesIO()
        # Without matplotlib's version in the file, its bytes depend on the drawing alone.
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def ink_on(colour: ArrayLike) -> str:
    """Dark or white, whichever is told better from a ground of this RGB(A) colour in [0, 1].

    Source: WCAG 2.2, relative luminance and contrast ratio.
    """
    channels = np.asarray(colour, float)[:3]
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ (0.2126, 0.7152, 0.0722))
    dark = 0.033  # of INK
    return INK if (luminance + 0.05) / (dark + 0.05) > 1.05 / (luminance + 0.05) else "white"


NARROWEST_ACCURACY = 0.02
"""The least range of an axis of accuracy: less would draw chance as a cliff."""


def curves(history: Sequence[Epoch], parts: Sequence[str] = ("loss", "accuracy")) -> bytes:
    """Loss and accuracy, side by side, on training and validation pictures by epoch.

    The epoch of the lowest validation loss is marked; `parts` names what is drawn. Raises
    ValueError for an empty history.
    """
    epoch = [row.epoch for row in history]
    best = int(np.argmin(np.nan_to_num([row.val_loss for row in history], nan=np.inf)))
    marker = "o" if len(epoch) < 40 else ""

    def paint(figure: Figure) -> None:
        for part, axes in zip(parts, figure.subplots(1, len(parts), squeeze=False)[0], strict=True):
            train = [getattr(row, f"train_{part}") for row in history]
            val = [getattr(row, f"val_{part}") for row in history]
            for values, colour, name in ((train, BLUE, "training"), (val, ORANGE, "validation")):
                axes.plot(epoch, values, color=colour, label=name, marker=marker, markersize=3)
            axes.axvline(epoch[best], color=GREY, linewidth=0.9, linestyle=":", zorder=0)
            axes.plot(
                epoch[best], val[best], "o", markersize=8, markerfacecolor="none", color=ORANGE
            )
            axes.set_title(part.capitalize())
            axes.set_xlabel("epoch")
            # Where the head alone was fitted there is one epoch: its point stands in the middle.
            axes.set_xlim(epoch[0] - 0.5, epoch[-1] + 0.5)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axes.legend()
            if part == "accuracy":
                axes.yaxis.set_major_formatter(PercentFormatter(1))
                low, high = axes.get_ylim()
                axes.set_ylim(min(low, high - NARROWEST_ACCURACY), high + NARROWEST_ACCURACY / 20)
            else:
                _log_where_wide(axes, [*train, *val])

    return draw(paint, 4.2 * len(parts), 3.1)


def _log_where_wide(axes: Axes, values: Sequence[float]) -> None:
    # A loss that falls a hundredfold is a flat line on a linear axis.
    positive = [value for value in values if value > 0]
    if positive and max(positive) > 30 * min(positive):
        axes.set_yscale("log")


def reliability(bins: Sequence[ReliabilityBin]) -> bytes:
    """Accuracy against confidence in bins, with their intervals."""

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        confidence = [part.confidence for part in bins]
        accuracy = [part.accuracy for part in bins]
        low, high = (
            [part.accuracy if part.ci95 is None else part.ci95[side] for part in bins]
            for side in (0, 1)
        )
        lowest = max(0.0, np.floor(min([*confidence, *low, 1.0]) * 20) / 20 - 0.02)
        axes.plot(
            [lowest, 1], [lowest, 1], color=GREY, linestyle="--", linewidth=1, label="calibrated"
        )
        axes.legend(loc="upper left")
        axes.vlines(confidence, low, high, color=BLUE, linewidth=1.2, alpha=0.7)
        axes.scatter(confidence, accuracy, s=24, color=BLUE, zorder=3)
        axes.set_xlim(lowest, 1 + 0.02 * (1 - lowest))
        axes.set_ylim(lowest, 1 + 0.02 * (1 - lowest))
        axes.set_xlabel("confidence")
        axes.set_ylabel("accuracy")
        axes.set_title("Reliability")

    return draw(paint, 4.0, 3.6)


def risk_coverage(curve: RiskCoverage, point: tuple[float, float] | None = None) -> bytes:
    """The risk-coverage curve, and the `point` (coverage, risk) of the model's threshold."""

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot(curve.coverage, curve.risk, color=BLUE, drawstyle="steps-post")
        if point is not None:
            axes.plot(*point, "o", color=ORANGE, markersize=7, label="at the threshold")
            axes.legend(loc="upper left")
        axes.set_xlim(0, 1.02)
        top = max([*curve.risk, 0.01]) * 1.15
        axes.set_ylim(-0.02 * top, top)
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.set_xlabel("coverage: share that is answered")
        axes.set_ylabel("risk: share wrong among the answered")
        axes.set_title("Risk and coverage")

    return draw(paint, 4.0, 3.6)


def unknown_histogram(known: ArrayLike, unknown: ArrayLike, threshold: float) -> bytes:
    """How `known` is distributed over pictures of the classes (N,) and of no class (M,)."""
    scores = {
        "pictures of the classes": np.asarray(known, float),
        "pictures of no class": np.asarray(unknown, float),
    }

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        edges = np.linspace(0, 1, 41).tolist()
        for (name, values), colour in zip(scores.items(), (BLUE, ORANGE), strict=True):
            shares = np.full(len(values), 1 / max(len(values), 1))
            axes.hist(values, edges, weights=shares, color=colour, alpha=0.55, label=name)
        axes.axvline(threshold, color=INK, linewidth=1.2, linestyle="--")
        axes.annotate(
            "threshold",
            (threshold, 1.01),
            xycoords=("data", "axes fraction"),
            fontsize=7.5,
            ha="center",
            color=INK,
        )
        # The tails are what matters, and they are thousands of times lower than the peaks.
        axes.set_yscale("log")
        axes.set_ylim(0.5 / max(10, *map(len, scores.values())), 1.5)
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g}%")
        axes.set_xlim(-0.01, 1.01)
        axes.set_xlabel("known: the model's score that a picture shows one of the classes")
        axes.set_ylabel("share of pictures")
        figure.legend(loc="outside lower center", ncols=2)

    return draw(paint, 4.6, 3.4)


def corruption_heatmap(names: Sequence[str], accuracy: ArrayLike) -> bytes:
    """Accuracy (C, 5) under each of C corruptions at severities 1 to 5, in per cent."""
    table = np.asarray(accuracy, float)
    rows, columns = table.shape

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        shades = axes.imshow(1 - table, cmap="Oranges", vmin=0, vmax=0.8, aspect="auto")
        axes.grid(False)
        axes.tick_params(length=0, labelsize=8.5)
        axes.set_xticks(range(columns), [str(1 + severity) for severity in range(columns)])
        axes.set_yticks(range(rows), names)
        axes.xaxis.tick_top()
        axes.xaxis.set_label_position("top")
        axes.set_xlabel("severity")
        axes.spines[:].set_visible(False)
        axes.hlines(np.arange(1, rows) - 0.5, -0.5, columns - 0.5, color="white")
        axes.vlines(np.arange(1, columns) - 0.5, -0.5, rows - 0.5, color="white")
        for (row, column), value in np.ndenumerate(table):
            axes.text(
                column,
                row,
                f"{100 * value:.1f}",
                ha="center",
                va="center",
                fontsize=8.5,
                color=ink_on(shades.to_rgba(1 - value)),
            )

    return draw(paint, 4.6, 0.7 + 0.29 * rows)
