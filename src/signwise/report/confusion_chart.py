"""The confusion matrix as a chart, from 2 classes to thousands, whatever their names."""

from collections.abc import Sequence
from functools import cache
from typing import Any, Literal

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont
from matplotlib.ft2font import FT2Font
from numpy.typing import ArrayLike, NDArray

from signwise.report.charts import BLUE, draw, ink_on

FEW_CLASSES = 12
"""Up to it the numbers are large enough to be read on a phone."""
MOST_CLASSES = 60
"""Above it a confusion matrix is no longer legible, and the most confused pairs are drawn."""
MOST_PAIRS = 30
LABEL_LENGTH = 22
"""Letters of a class name beside the matrix."""

Counts = NDArray[np.integer[Any]]


def draw_confusion_matrix(classes: Sequence[str], matrix: ArrayLike) -> bytes:
    """PNG of the confusion matrix (K, K), rows true and columns predicted.

    Shaded by the share of the row. Above `MOST_CLASSES` the most confused pairs as bars.
    """
    counts: Counts = np.asarray(matrix)
    if len(classes) > MOST_CLASSES:
        return _pairs_chart(classes, counts)
    return _matrix_chart(classes, counts)


def most_confused(counts: Counts, most: int = MOST_PAIRS) -> list[tuple[int, int]]:
    """The pairs (true, predicted) with the most mistakes, the most first."""
    mistakes = counts * (1 - np.eye(len(counts), dtype=counts.dtype))
    order = np.argsort(-mistakes, axis=None, kind="stable")[:most]
    rows, columns = np.unravel_index(order, mistakes.shape)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if mistakes[i, j]]


def class_label(name: str, index: int, length: int = LABEL_LENGTH) -> str:
    """A class name as a chart can show it: no longer than `length`, only signs that the font has.

    What the font lacks is left out and the class's index added, by which a table can name it.
    """
    text = _drawable(name)
    return _shortened(text if text == name else f"{text.strip()} #{index}".strip(), length)


def _matrix_chart(classes: Sequence[str], counts: Counts) -> bytes:
    size = len(classes)
    names = [class_label(name, index) for index, name in enumerate(classes)]
    few = size <= FEW_CLASSES
    side = max(0.95 * size if few else 0.2 * size, 1.9)
    label_room = 0.07 * max(map(len, names))
    # Above the columns, names stand upright where they are wider than a cell.
    upright = not few or label_room > side / size
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        correct = np.eye(size, dtype=bool)
        aspect: Literal["auto", "equal"] = "auto" if few else "equal"
        # Correct in blue, wrong in orange: a mistake never looks like a success.
        layers = [
            axes.imshow(
                np.ma.masked_array(share, mask), cmap=colours, vmin=0, vmax=1.15, aspect=aspect
            )
            for mask, colours in ((~correct, "Blues"), (correct, "Oranges"))
        ]
        axes.grid(False)
        axes.tick_params(length=0, labelsize=9 if few else 7)
        # A dollar sign in a name is no formula.
        axes.set_xticks(range(size), names, rotation=90 if upright else 0, parse_math=False)
        axes.set_yticks(range(size), names, parse_math=False)
        axes.xaxis.tick_top()
        axes.xaxis.set_label_position("top")
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        axes.spines[:].set_visible(False)
        edges = np.arange(1, size) - 0.5
        axes.hlines(edges, -0.5, size - 0.5, color="white", linewidth=1)
        axes.vlines(edges, -0.5, size - 0.5, color="white", linewidth=1)
        for true, predicted in np.argwhere(np.ones_like(counts) if few else counts):
            count, wrong = counts[true, predicted], true != predicted
            axes.text(
                predicted,
                true,
                f"{count}\n{share[true, predicted]:.1%}" if size <= 5 else str(count),
                ha="center",
                va="center",
                fontsize=10 if few else 5,
                fontweight="bold" if wrong and count else "normal",
                color=ink_on(layers[int(wrong)].to_rgba(share[true, predicted])),
                alpha=1 if count else 0.35,
            )

    height = 0.75 * side + 0.9 if few else side + 0.5
    return draw(paint, side + label_room + 0.7, height + (label_room if upright else 0))


def _pairs_chart(classes: Sequence[str], counts: Counts) -> bytes:
    pairs = most_confused(counts)
    names = [f"{_numbered(classes, i)} \u2192 {_numbered(classes, j)}" for i, j in pairs]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.set_title(f"Most confused of {len(classes):,} classes (true \u2192 predicted)")
        bars = axes.barh(range(len(pairs)), [int(counts[pair]) for pair in pairs], color=BLUE)
        axes.bar_label(
            bars,
            [f"{counts[i, j]} of {counts[i].sum()}" for i, j in pairs],
            padding=3,
            fontsize=7,
        )
        axes.set_yticks(range(len(pairs)), names, fontsize=7, parse_math=False)
        axes.invert_yaxis()
        axes.margins(x=0.15)
        axes.grid(False)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        if not pairs:
            axes.text(0.5, 0.5, "no picture was confused", ha="center", transform=axes.transAxes)
            axes.set_yticks([])

    return draw(paint, 6.4, 0.7 + 0.19 * max(len(pairs), 4))


def _numbered(classes: Sequence[str], index: int) -> str:
    name, text = classes[index], _drawable(classes[index])
    if text == name and len(text) <= 20:
        return text
    # Shortened names may look the same; the index does not.
    return f"{_shortened(text.strip(), 14)} #{index}".strip()


def _shortened(text: str, length: int) -> str:
    if len(text) <= length:
        return text
    half = (length - 1) // 2
    return f"{text[: length - 1 - half]}\u2026{text[-half:]}"


def _drawable(text: str) -> str:
    return "".join(sign for sign in text if sign == " " or ord(sign) in _signs_of_the_font())


@cache
def _signs_of_the_font() -> frozenset[int]:
    return frozenset(code for code in FT2Font(findfont("DejaVu Sans")).get_charmap() if code > 32)
