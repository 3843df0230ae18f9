import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from signwise import metrics
from signwise.report import confusion_chart as plot_confusion
from signwise.report import charts as plots


def read(png: bytes) -> np.ndarray:
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    assert pixels.std() > 1, "something is drawn"
    return pixels


def confusion(classes: int, errors: int = 0) -> np.ndarray:
    counts = np.diag(np.arange(1, classes + 1) * 10)
    rng = np.random.default_rng(0)
    for _ in range(errors):
        counts[rng.integers(classes), rng.integers(classes)] += 1
    return counts


def history(epochs: int) -> dict[str, Any]:
    epoch = np.arange(1, epochs + 1)
    return {
        "epoch": epoch,
        "train_loss": 2 / epoch,
        "val_loss": 2 / epoch + 0.1 * (epoch > 3),
        "train_accuracy": 1 - 0.5 / epoch,
        "val_accuracy": 1 - 0.6 / epoch,
    }


@pytest.mark.parametrize("classes", [1, 2, 12, 43, 61, 1000])
def test_confusion_is_drawn_for_any_number_of_classes(classes: int) -> None:
    names = [f"a sign of the number {index}" for index in range(classes)]
    pixels = read(plot_confusion.confusion_matrix(names, confusion(classes, 3 * classes)))
    assert max(pixels.shape) < 4000
    assert not np.array_equal(
        pixels, read(plot_confusion.confusion_matrix(names, confusion(classes)))
    )


def test_empty_rows_and_no_confusion_are_drawn() -> None:
    read(plot_confusion.confusion_matrix(["a", "b"], np.zeros((2, 2), int)))
    read(plot_confusion.confusion_matrix([str(i) for i in range(70)], confusion(70)))


@pytest.mark.parametrize(
    "name",
    ["停车", "🛑 stop", "a$b$c", r"\frac{1}", "tab\tnew\nline", "ümläut", "x" * 300, "\u0301"],
)
def test_any_class_name_can_be_drawn(name: str) -> None:
    # A sign that the font lacks would be a warning, and warnings are errors.
    read(plot_confusion.confusion_matrix([name, "stop"], confusion(2)))


@pytest.mark.parametrize("colour", [(1, 1, 1), (0.03, 0.19, 0.42), (0.85, 0.3, 0.0), (1, 0.6, 0.2)])
def test_ink_is_the_one_that_is_told_better(colour: tuple[float, float, float]) -> None:
    def luminance(rgb: tuple[float, ...]) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
        return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))

    def contrast(ink: float) -> float:
        high, low = sorted((luminance(colour), ink), reverse=True)
        return (high + 0.05) / (low + 0.05)

    dark, white = contrast(luminance((0.2, 0.2, 0.2))), contrast(1.0)
    assert plots.ink_on(colour) == ("white" if white > dark else plots.INK)


def test_most_confused_leaves_out_what_is_right() -> None:
    counts = np.array([[9, 2, 0], [5, 9, 1], [0, 0, 9]])
    assert plot_confusion.most_confused(counts) == [(1, 0), (0, 1), (1, 2)]
    assert plot_confusion.most_confused(counts, 1) == [(1, 0)]


def test_labels_keep_what_the_font_has() -> None:
    assert plot_confusion.class_label("stop", 3, 20) == "stop"
    assert plot_confusion.class_label("停车", 3, 20) == "#3"
    assert plot_confusion.class_label("停 stop", 3, 20) == "stop #3"
    assert len(plot_confusion.class_label("x" * 50, 3, 20)) == 20


@pytest.mark.parametrize("epochs", [1, 2, 12, 100])
def test_curves_are_drawn_from_the_first_epoch_on(epochs: int) -> None:
    read(plots.curves(history(epochs)))


def test_charts_take_the_edges_of_their_range() -> None:
    read(plots.reliability([]))
    read(plots.reliability(metrics.reliability_bins(np.ones(50), np.ones(50))))
    read(plots.reliability(metrics.reliability_bins(np.full(5, 0.5), np.zeros(5))))
    read(plots.risk_coverage(*metrics.risk_coverage(np.ones(4), np.zeros(4)), (1.0, 1.0)))
    read(plots.risk_coverage(*metrics.risk_coverage(np.arange(4), np.ones(4))))
    read(plots.unknown_histogram(np.ones(3), np.zeros(1), 0.0))
    read(plots.corruption_heatmap(["gaussian noise"], np.zeros((1, 5))))


def test_the_same_figures_give_the_same_bytes_whatever_the_users_style() -> None:
    import matplotlib as mpl

    before = plots.curves(history(5))
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        assert plots.curves(history(5)) == before
