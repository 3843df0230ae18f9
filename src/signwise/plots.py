"""Charts as PNG bytes: dark ink on white, legible from a phone to a page.

Drawn on matplotlib's Agg canvas without pyplot: no window, no global state, the same bytes for
the same figures.
"""

import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from signwise.html import CHART_DPI

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, ORANGE, GREY = "#1f5fbf", "#d1570a", "#8a8780"

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


def curves(history: Mapping[str, Any]) -> bytes:
    """Loss and accuracy on training and validation pictures by epoch, the best epoch marked.

    `history` has the columns of history.csv, as a DataFrame or a mapping to sequences.
    """
    epoch = np.asarray(history["epoch"], float)
    best = int(np.nanargmin(np.asarray(history["val_loss"], float)))

    def paint(figure: "Figure") -> None:
        from matplotlib.ticker import MaxNLocator, PercentFormatter

        for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
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
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            positive = np.concatenate(lines)
            positive = positive[positive > 0]
            if name == "loss":
                axes.set_title("Loss")
                # A loss that falls a hundredfold is a flat line on a linear axis.
                if len(positive) and positive.max() > 30 * positive.min():
                    axes.set_yscale("log")
                axes.legend()
            else:
                value = lines[1][best]
                axes.set_title(f"Accuracy: {value:.1%} at epoch {epoch[best]:g}, the best by loss")
                axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))

    return draw(paint, 8.4, 3.1)
