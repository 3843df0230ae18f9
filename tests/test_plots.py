"""Charts show the data they are given, on the axes they name; each test reads the drawn figure."""

import io
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from signwise.metrics.selective import RiskCoverage
from signwise.report.charts import (
    BLUE,
    INK,
    ORANGE,
    corruption_heatmap,
    curves,
    ink_on,
    reliability,
    risk_coverage,
    unknown_histogram,
)
from signwise.report.confusion_chart import class_label, draw_confusion_matrix, most_confused
from signwise.results import Epoch
from toy_report import toy_bins, toy_history


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that were drawn."""
    figures: list[Figure] = []
    save = Figure.savefig

    def record(figure: Figure, *arguments: object, **options: object) -> None:
        figures.append(figure)
        save(figure, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Figure, "savefig", record)
    return figures


def read(png: bytes) -> np.ndarray:
    """The pixels (H, W, 3)."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def colour_at(pixels: np.ndarray, axes: Axes, x: float, y: float) -> np.ndarray:
    """The RGB colour (3,) of the picture at a place in the data's own coordinates."""
    across, up = axes.transData.transform((x, y))
    return np.asarray(pixels[len(pixels) - 1 - round(up), round(across)], int)


def texts(axes: Axes) -> dict[tuple[float, float], str]:
    """What is written inside the axes, by place."""
    return {text.get_position(): text.get_text() for text in axes.texts}


def ticks(labels: Sequence[object]) -> list[str]:
    return [label.get_text() for label in labels]  # type: ignore[attr-defined]


def lines(axes: Axes) -> dict[str, list[tuple[float, float]]]:
    """The points of each line that has a name."""
    return {
        str(line.get_label()): [tuple(point) for point in line.get_xydata().tolist()]  # type: ignore[union-attr]
        for line in axes.lines
        if not str(line.get_label()).startswith("_")
    }


def confusion(classes: int) -> np.ndarray:
    """A matrix (K, K) whose cells all differ, and which is not symmetric."""
    return np.arange(classes * classes).reshape(classes, classes) + 1


def test_the_confusion_matrix_has_true_rows_and_predicted_columns(drawn: list[Figure]) -> None:
    draw_confusion_matrix(("priority", "stop"), [[90, 10], [1, 19]])
    axes = drawn[0].axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true")
    assert ticks(axes.get_xticklabels()) == ticks(axes.get_yticklabels()) == ["priority", "stop"]
    # x is the column: what was predicted.
    assert texts(axes) == {
        (0, 0): "90\n90.0%", (1, 0): "10\n10.0%", (0, 1): "1\n5.0%", (1, 1): "19\n95.0%",
    }  # fmt: skip
    right, wrong = (np.ma.filled(image.get_array(), np.nan) for image in axes.images)  # type: ignore[arg-type]
    assert right[0, 0] == 0.9
    assert right[1, 1] == 0.95
    assert wrong[0, 1] == 0.1
    assert wrong[1, 0] == 0.05
    assert np.isnan(right[0, 1])
    assert np.isnan(wrong[0, 0])
    low, high = sorted(axes.get_ylim())
    assert axes.get_ylim() == (high, low), "the first class stands on top"


def test_the_confusion_matrix_is_painted_where_it_says(drawn: list[Figure]) -> None:
    pixels = read(draw_confusion_matrix(("a", "b"), [[50, 50], [0, 100]]))
    # Blue where correct, orange where wrong, white-ish where there is nothing; beside the text.
    (aa, ab), (ba, bb) = (
        [colour_at(pixels, drawn[0].axes[0], column + 0.4, row + 0.4) for column in (0, 1)]
        for row in (0, 1)
    )
    for correct in (aa, bb):
        assert correct[2] > correct[0] + 50
    assert ab[0] > ab[2] + 50
    assert ba.min() > 220
    assert bb.sum() < aa.sum(), "the darker, the larger the share"


@pytest.mark.parametrize("classes", [1, 2, 12, 13, 25])
def test_each_cell_of_a_matrix_has_its_count(classes: int, drawn: list[Figure]) -> None:
    names = [f"a sign of the number {index}" for index in range(classes)]
    counts = confusion(classes)
    pixels = read(draw_confusion_matrix(names, counts))
    assert max(pixels.shape) < 4000
    found = texts(drawn[0].axes[0])
    assert {place: int(text.split("\n")[0]) for place, text in found.items()} == {
        (column, row): counts[row, column] for row in range(classes) for column in range(classes)
    }


def test_large_matrices_leave_zeros_out(drawn: list[Figure]) -> None:
    counts = np.diag(np.arange(13))
    counts[3, 7] = 5
    draw_confusion_matrix([str(index) for index in range(13)], counts)
    assert len(texts(drawn[0].axes[0])) == 12 + 1
    assert texts(drawn[0].axes[0])[(7, 3)] == "5"


@pytest.mark.parametrize("classes", [61, 1000])
def test_of_many_classes_the_most_confused_pairs_are_drawn(
    classes: int, drawn: list[Figure]
) -> None:
    counts = np.diag(np.full(classes, 10))
    counts[5, 2], counts[1, 60] = 7, 3
    pixels = read(draw_confusion_matrix([f"n{index}" for index in range(classes)], counts))
    assert max(pixels.shape) < 4000
    axes = drawn[0].axes[0]
    assert ticks(axes.get_yticklabels()) == ["n5 \u2192 n2", "n1 \u2192 n60"]
    assert [bar.get_width() for bar in axes.patches] == [7, 3]  # type: ignore[attr-defined]
    assert [text.get_text() for text in axes.texts] == ["7 of 17", "3 of 13"]
    draw_confusion_matrix([f"n{index}" for index in range(classes)], np.eye(classes, dtype=int))
    assert [text.get_text() for text in drawn[1].axes[0].texts] == ["no picture was confused"]


def test_a_class_without_pictures_is_drawn(drawn: list[Figure]) -> None:
    draw_confusion_matrix(["a", "b"], np.zeros((2, 2), int))
    assert set(texts(drawn[0].axes[0]).values()) == {"0\n0.0%"}


@pytest.mark.parametrize(
    "name",
    [
        "停车",
        "🛑 stop",
        "a$b$c",
        r"\frac{1}",
        "tab\tnew\nline",
        "ümläut",
        "x" * 300,
        "\u0301",
        r"\$",
    ],
)
def test_any_class_name_can_be_drawn(name: str, drawn: list[Figure]) -> None:
    # A sign that the font lacks would be a warning, and warnings are errors.
    draw_confusion_matrix([name, "stop"], confusion(2))
    assert ticks(drawn[0].axes[0].get_yticklabels()) == [class_label(name, 0), "stop"]
    many = [name, *(f"n{index}" for index in range(70))]
    counts = np.zeros((71, 71), int)
    counts[0, 1] = 1
    draw_confusion_matrix(many, counts)


@pytest.mark.parametrize("classes", [2, 61])
def test_a_dollar_sign_is_no_formula(classes: int, drawn: list[Figure]) -> None:
    counts = np.ones((classes, classes), int)
    draw_confusion_matrix([f"$a$b{index}" for index in range(classes)], counts)
    axes = drawn[0].axes[0]
    labels = axes.get_xticklabels() + axes.get_yticklabels()
    assert "$a$b0" in labels[0].get_text()
    assert not any(label.get_parse_math() for label in labels)


@pytest.mark.parametrize("length", [4, 12, 40])
@pytest.mark.parametrize("classes", [2, 3, 9])
def test_names_above_columns_do_not_overlap(classes: int, length: int, drawn: list[Figure]) -> None:
    draw_confusion_matrix(["n" * length] * classes, confusion(classes))
    labels = drawn[0].axes[0].get_xticklabels()
    boxes = sorted(tuple(label.get_window_extent().extents) for label in labels)
    for left, right in pairwise(boxes):
        assert left[2] < right[0]


def test_labels_keep_what_the_font_has() -> None:
    assert class_label("stop", 3) == "stop"
    assert class_label("a$b", 3) == "a$b"
    assert class_label("停车", 3) == "#3"
    assert class_label("停 stop", 3) == "stop #3"
    assert class_label("abcdefghij", 3, 7) == "abc\u2026hij"
    assert len(class_label("x" * 50, 3, 20)) == 20


def test_pairs_have_the_index_of_a_name_that_is_not_whole(drawn: list[Figure]) -> None:
    names = [f"n{index}" for index in range(61)]
    names[0], names[1] = "停 stop", "a name that is far too long for it"
    counts = np.zeros((61, 61), int)
    counts[0, 1] = 4
    draw_confusion_matrix(names, counts)
    assert ticks(drawn[0].axes[0].get_yticklabels()) == ["stop #0 \u2192 a name \u2026for it #1"]


def test_most_confused_leaves_out_what_is_right() -> None:
    counts = np.array([[9, 2, 0], [5, 9, 1], [0, 0, 9]])
    assert most_confused(counts) == [(1, 0), (0, 1), (1, 2)]
    assert most_confused(counts, 1) == [(1, 0)]


@pytest.mark.parametrize("colour", [(1, 1, 1), (0.03, 0.19, 0.42), (0.85, 0.3, 0.0), (1, 0.6, 0.2)])
def test_ink_is_the_one_that_is_told_better(colour: tuple[float, float, float]) -> None:
    def luminance(rgb: tuple[float, ...]) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
        return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))

    def contrast(ink: float) -> float:
        high, low = sorted((luminance(colour), ink), reverse=True)
        return (high + 0.05) / (low + 0.05)

    dark, white = contrast(luminance((0.2, 0.2, 0.2))), contrast(1.0)
    assert ink_on(colour) == ("white" if white > dark else INK)


def test_curves_show_the_history_and_mark_the_best_epoch(drawn: list[Figure]) -> None:
    history = toy_history()
    curves(history)
    loss, accuracy = drawn[0].axes
    assert [loss.get_title(loc="left"), accuracy.get_title(loc="left")] == ["Loss", "Accuracy"]
    assert lines(loss) == {
        "training": [(row.epoch, row.train_loss) for row in history],
        "validation": [(row.epoch, row.val_loss) for row in history],
    }
    assert lines(accuracy) == {
        "training": [(row.epoch, row.train_accuracy) for row in history],
        "validation": [(row.epoch, row.val_accuracy) for row in history],
    }
    for axes, value in ((loss, 0.3), (accuracy, history[1].val_accuracy)):
        assert axes.get_xlabel() == "epoch"
        assert axes.lines[-1].get_xydata().tolist() == [[2, value]]  # type: ignore[union-attr]


def test_curves_begin_with_stage_one_where_there_is_one(drawn: list[Figure]) -> None:
    first = replace(toy_history()[0], epoch=0, learning_rate=None, val_loss=0.2)
    history = [first, *toy_history()]
    curves(history)
    loss, accuracy = drawn[0].axes
    assert [x for x, _ in lines(loss)["validation"]] == [0, 1, 2, 3]
    for axes, value in ((loss, 0.2), (accuracy, first.val_accuracy)):
        assert axes.lines[-1].get_xydata().tolist() == [[0, value]]  # type: ignore[union-attr]


def test_one_part_can_be_drawn_alone(drawn: list[Figure]) -> None:
    alone = read(curves(toy_history(), ("accuracy",)))
    assert [axes.get_title(loc="left") for axes in drawn[0].axes] == ["Accuracy"]
    assert 2 * alone.shape[1] == read(curves(toy_history())).shape[1]


@pytest.mark.parametrize("epochs", [1, 2, 100])
def test_curves_are_drawn_from_the_first_epoch_on(epochs: int, drawn: list[Figure]) -> None:
    row = toy_history()[0]
    history = [
        replace(row, epoch=number, train_loss=10.0**-number, val_loss=0.7 if not number else np.nan)
        for number in range(epochs)
    ]
    curves(history)
    loss, accuracy = drawn[0].axes
    assert len(lines(loss)["training"]) == epochs
    # A loss that falls a hundredfold needs the logarithmic axis; what is no number is not the best.
    assert loss.get_yscale() == ("log" if epochs > 2 else "linear")
    assert accuracy.get_yscale() == "linear"
    assert loss.lines[-1].get_xydata().tolist() == [[0, 0.7]]  # type: ignore[union-attr]


def test_reliability_shows_accuracy_over_confidence(drawn: list[Figure]) -> None:
    reliability(toy_bins())
    axes = drawn[0].axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("confidence", "accuracy")
    bars, points = axes.collections
    assert isinstance(points, PathCollection)
    assert points.get_offsets().tolist() == [[0.81, 0.9], [0.97, 1.0]]  # type: ignore[union-attr]
    assert isinstance(bars, LineCollection)
    assert [bar.tolist() for bar in bars.get_segments()] == [
        [[0.81, 0.699], [0.81, 0.972]], [[0.97, 0.839], [0.97, 1.0]],
    ]  # fmt: skip
    (ideal,) = axes.lines
    assert ideal.get_label() == "calibrated"
    assert np.array_equal(ideal.get_xdata(), ideal.get_ydata())
    assert axes.get_xlim() == axes.get_ylim()
    assert axes.get_xlim()[0] < 0.699


def test_reliability_takes_the_edges_of_its_range(drawn: list[Figure]) -> None:
    reliability([])
    low, high = toy_bins()
    reliability([replace(low, confidence=0.0, accuracy=0.0, ci95=None)])
    reliability([replace(high, confidence=1.0, accuracy=1.0, ci95=(1.0, 1.0))])
    assert [round(figure.axes[0].get_xlim()[0], 2) for figure in drawn] == [0.98, 0.0, 0.98]


def test_risk_is_drawn_over_coverage(drawn: list[Figure]) -> None:
    curve = RiskCoverage(coverage=np.array([0.25, 0.5, 1.0]), risk=np.array([0.0, 0.1, 0.2]))
    risk_coverage(curve, (0.5, 0.1))
    axes = drawn[0].axes[0]
    assert axes.get_xlabel().startswith("coverage")
    assert axes.get_ylabel().startswith("risk")
    line, point = axes.lines
    assert line.get_xydata().tolist() == [[0.25, 0.0], [0.5, 0.1], [1.0, 0.2]]  # type: ignore[union-attr]
    assert lines(axes)["at the threshold"] == [(0.5, 0.1)]
    assert axes.get_ylim()[1] > 0.2
    assert to_rgb(point.get_color()) == to_rgb(ORANGE)


@pytest.mark.parametrize("risk", [0.0, 1.0])
def test_a_curve_without_a_threshold_has_no_point(risk: float, drawn: list[Figure]) -> None:
    risk_coverage(RiskCoverage(coverage=np.array([1.0]), risk=np.array([risk])))
    axes = drawn[0].axes[0]
    assert len(axes.lines) == 1
    assert axes.get_ylim()[0] < risk < axes.get_ylim()[1]


def test_the_histogram_tells_both_kinds_of_pictures(drawn: list[Figure]) -> None:
    unknown_histogram(np.full(4, 0.99, np.float32), np.array([0.01, 0.01, 0.01, 0.51]), 0.3)
    axes = drawn[0].axes[0]
    assert axes.get_xlabel().startswith("known")
    assert axes.get_ylabel() == "share of pictures"
    heights, colours = {}, {}
    for bars in axes.containers:
        name = str(bars[0].get_label())
        heights[name] = {
            round(bar.get_x(), 3): bar.get_height() for bar in bars if bar.get_height()
        }
        colours[name] = to_rgb(bars[0].get_facecolor())
    assert heights == {
        "pictures of the classes": {0.975: 1.0},
        "pictures of no class": {0.0: 0.75, 0.5: 0.25},
    }
    assert list(colours.values()) == [to_rgb(BLUE), to_rgb(ORANGE)]
    assert [text.get_text() for text in drawn[0].legends[0].get_texts()] == list(heights)
    assert np.asarray(axes.lines[0].get_xdata()).tolist() == [0.3, 0.3]
    assert texts(axes) == {(0.3, 1.01): "threshold"}


def test_the_histogram_takes_the_edges_of_its_range(drawn: list[Figure]) -> None:
    unknown_histogram(np.ones(3), np.zeros(1), 0.0)
    unknown_histogram(np.ones(30_000), np.zeros(0), 1.0)
    for figure, count in zip(drawn, (10, 30_000), strict=True):
        # A single picture is seen.
        assert 0 < figure.axes[0].get_ylim()[0] < 1 / count


def test_the_heatmap_has_a_row_for_each_corruption(drawn: list[Figure]) -> None:
    accuracy = np.array([[1.0, 0.9, 0.8, 0.7, 0.6], [0.5, 0.4, 0.3, 0.2, 0.0]])
    pixels = read(corruption_heatmap(["fog", "snow *"], accuracy)).astype(int)
    axes = drawn[0].axes[0]
    assert ticks(axes.get_yticklabels()) == ["fog", "snow *"]
    assert ticks(axes.get_xticklabels()) == ["1", "2", "3", "4", "5"]
    assert axes.get_xlabel() == "severity"
    assert texts(axes) == {
        (column, row): f"{100 * accuracy[row, column]:.1f}"
        for row in range(2)
        for column in range(5)
    }
    # The lower the accuracy, the darker.
    shades = [
        colour_at(pixels, axes, column + 0.4, row + 0.3).sum()
        for row in range(2)
        for column in range(5)
    ]
    assert shades == sorted(shades, reverse=True)
    assert len(set(shades[:-1])) == 9


def test_the_same_figures_give_the_same_bytes_whatever_the_users_style() -> None:
    before = curves(toy_history())
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        assert curves(toy_history()) == before
    assert curves([*toy_history(), _later()]) != before


def _later() -> Epoch:
    return replace(toy_history()[-1], epoch=4)
