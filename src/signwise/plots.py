"""Charts as PNG bytes: dark ink on white, legible from a phone to a page.

Drawn on matplotlib's Agg canvas without pyplot: no window, no global state, the same bytes for
the same figures.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from signwise.html import CHART_DPI

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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


def draw(paint: Callable[["Figure"], None], width: float, height: float) -> bytes:
    """PNG of what `paint` puts on a figure of this size in inches."""
    import matplotlib.style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # "default" first: a user's own matplotlibrc must not change a report.
    with matplotlib.style.context(["default", STYLE]):
        figure = Figure(figsize=(width, height), dpi=CHART_DPI, layout="constrained")
        FigureCanvasAgg(figure)
        paint(figure)
        buffer = io.BytesIO()
        # Without matplotlib's version in the file, its bytes depend on the drawing alone.
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def ink_on(colour: Any) -> str:
    """Dark or white, whichever is told better from a ground of this RGB(A) colour in [0, 1].

    Source: WCAG 2.2, relative luminance and contrast ratio.
    """
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    dark = 0.033  # of INK
    return INK if (luminance + 0.05) / (dark + 0.05) > 1.05 / (luminance + 0.05) else "white"


def curves(history: Mapping[str, Any], parts: Sequence[str] = ("loss", "accuracy")) -> bytes:
    """Loss and accuracy, side by side, on training and validation pictures by epoch.

    The best epoch is marked. `history` has the columns of history.csv, as a DataFrame or a mapping
    to sequences; `parts` names what is drawn.
    """
    epoch = np.asarray(history["epoch"], float)
    best = int(np.nanargmin(np.asarray(history["val_loss"], float)))

    def paint(figure: "Figure") -> None:
        from matplotlib.ticker import MaxNLocator, PercentFormatter

        axes_of = dict(zip(parts, np.ravel(figure.subplots(1, len(parts))), strict=True))
        for name, axes in axes_of.items():
            lines = [np.asarray(history[f"{part}_{name}"], float) for part in ("train", "val")]
            marker = "o" if len(epoch) < 40 else None
            for values, colour, part in zip(
                lines, (BLUE, ORANGE), ("training", "validation"), strict=True
            ):
                axes.plot(epoch, values, color=colour, label=part, marker=marker, markersize=3)
            axes.axvline(epoch[best], color=GREY, linewidth=0.9, linestyle=":", zorder=0)
            axes.plot(
                epoch[best], lines[1][best], "o", markersize=8, markerfacecolor="none", color=ORANGE
            )
            axes.set_title(name.capitalize())
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axes.legend()
            positive = np.concatenate(lines)
            positive = positive[positive > 0]
            if name == "accuracy":
                axes.yaxis.set_major_formatter(PercentFormatter(1))
            # A loss that falls a hundredfold is a flat line on a linear axis.
            elif len(positive) and positive.max() > 30 * positive.min():
                axes.set_yscale("log")

    return draw(paint, 4.2 * len(parts), 3.1)


def reliability(bins: Sequence[Mapping[str, Any]]) -> bytes:
    """Accuracy against confidence in `metrics.reliability_bins`, with their intervals."""

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        sure = np.array([part["confidence"] for part in bins])
        right = np.array([part["accuracy"] for part in bins])
        ends = np.array([part["ci95"] for part in bins]).reshape(-1, 2)
        lowest = min([*sure, *ends[:, 0], 1.0])
        lowest = max(0.0, np.floor(lowest * 20) / 20 - 0.02)
        axes.plot([lowest, 1], [lowest, 1], color=GREY, linestyle="--", linewidth=1, label="ideal")
        axes.legend(loc="upper left")
        axes.vlines(sure, ends[:, 0], ends[:, 1], color=BLUE, linewidth=1.2, alpha=0.7)
        axes.scatter(sure, right, s=24, color=BLUE, zorder=3)
        axes.set_xlim(lowest, 1 + 0.02 * (1 - lowest))
        axes.set_ylim(lowest, 1 + 0.02 * (1 - lowest))
        axes.set_xlabel("confidence of the model")
        axes.set_ylabel("share that is right")
        axes.set_title("Reliability")

    return draw(paint, 4.0, 3.6)


def risk_coverage(coverage: Any, risk: Any, point: tuple[float, float] | None = None) -> bytes:
    """Share of errors among the accepted against the share accepted; the threshold's `point`."""

    def paint(figure: "Figure") -> None:
        from matplotlib.ticker import PercentFormatter

        axes = figure.subplots()
        axes.plot(coverage, risk, color=BLUE, drawstyle="steps-post")
        if point is not None:
            axes.plot(*point, "o", color=ORANGE, markersize=7, label="at the model's threshold")
            axes.legend(loc="upper left")
        axes.set_xlim(0, 1.02)
        top = max([*np.asarray(risk), 0.01]) * 1.15
        axes.set_ylim(-0.02 * top, top)
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.set_xlabel("coverage: pictures that get an answer, the surest first")
        axes.set_ylabel("risk: wrong among them")
        axes.set_title("Risk and coverage")

    return draw(paint, 4.0, 3.6)


def unknown_histogram(known: Any, unknown: Any, threshold: float) -> bytes:
    """How `known` is distributed over pictures of the classes (N,) and of none of them (M,)."""

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        edges = np.linspace(0, 1, 41)
        for values, colour, name in (
            (known, BLUE, "pictures of the classes"),
            (unknown, ORANGE, "pictures of none of them"),
        ):
            weights = np.full(len(values), 1 / max(len(values), 1))
            axes.hist(values, list(edges), weights=weights, color=colour, alpha=0.55, label=name)
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
        axes.set_ylim(0.5 / max(len(known), len(unknown), 10), 1.5)
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g}%")
        axes.set_xlim(-0.01, 1.01)
        axes.set_xlabel("known: how sure the model is that it is one of the classes")
        axes.set_ylabel("share of pictures")
        figure.legend(loc="outside lower center", ncols=2)

    return draw(paint, 4.6, 3.4)


def corruption_heatmap(names: Sequence[str], accuracy: Any) -> bytes:
    """Accuracy (C, 5) under each corruption at severities 1 to 5."""
    table = np.asarray(accuracy, float)

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        shades = axes.imshow(1 - table, cmap="Oranges", vmin=0, vmax=0.8, aspect="auto")
        axes.grid(False)
        axes.tick_params(length=0, labelsize=8.5)
        axes.set_xticks(range(table.shape[1]), [str(1 + s) for s in range(table.shape[1])])
        axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
        axes.xaxis.tick_top()
        axes.xaxis.set_label_position("top")
        axes.set_xlabel("severity")
        axes.spines[:].set_visible(False)
        axes.hlines(np.arange(1, len(names)) - 0.5, -0.5, table.shape[1] - 0.5, color="white")
        axes.vlines(np.arange(1, table.shape[1]) - 0.5, -0.5, len(names) - 0.5, color="white")
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

    return draw(paint, 4.6, 0.7 + 0.29 * len(names))
