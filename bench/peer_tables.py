"""The section of docs/benchmarks.md on signwise beside other tools: two tables and a plot."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

import record
from peers import GOAL, LARGE, NONE, ONES, SMALL, SURE, PeerRow
from record import Record
from signwise.report.charts import BLUE, GREY, draw
from signwise.report.words import DASH, percent

PLOT = "peers.png"
TRAINING = (
    *("tool", "trained", "installed", "epochs", "to 99.5 %", "whole command"),
    *("peak memory", "deployed", "right", "of no class, over 0.9"),
)
ANSWERING = (
    *("tool", "installed", "first import", "PNG, 32 pixels", "photos of signs"),
    *("JPEG, 12 megapixels", "one picture: median", "99 %", "one process", "peak memory"),
)
BARS = (
    ("Small PNGs a CPU second", "small_per_cpu_second"),
    ("Training, CPU seconds", "training_cpu"),
    ("Of no class, over 0.9, in %", "none_percent"),
)


def section(measured: Record) -> tuple[str, ...]:
    """Its paragraphs and tables, Markdown; what is not measured is a dash."""
    rows = record.rows_of(measured, PeerRow)
    text = (
        "Everybody gets the same pictures and the same cores; each tool is used as its own"
        " documentation shows it (`bench/peer_tools.py`), at 64 pixels unless another side stands"
        " here. No weights could be fetched: where nothing is said the others begin from nothing,"
        " and `ImageNet` is torchvision's MobileNetV2 with its own weights. signwise begins from"
        " `signs`, which has seen frames of these road signs, so that its accuracy is no held-out"
        " figure there. Seconds by the clock depend on what else the machine did; CPU seconds"
        " compare better, and stand in brackets. A whole command of signwise is `prepare` and"
        f" `train`, calibration and export included. The goal is {percent(GOAL)} on validation."
        " Installed: the package and all that it requires, CUDA's libraries among it, as pip takes"
        f" them on Linux. Of no class: up to {NONE:,} signs of GTSRB's other classes, answered with"
        f" a class and a confidence above {SURE:g}."
    )
    answering = (
        f"Images a second from paths to answers, the model loaded before ({SMALL:,} PNGs of 32"
        f" pixels, 2,880 photos of signs, {LARGE} JPEGs), in brackets a second of the CPU; one"
        f" picture at a time in a running process ({ONES} of them); and a whole process with one"
        " picture. `as it ships` is the small `priority-stop`, which others have no like of."
    )
    return (
        "## Beside other tools",
        f"![Speed, training and pictures of no class, a bar a tool]({PLOT})",
        _table(TRAINING, [_training(row) for row in rows]),
        text,
        _table(ANSWERING, [_answering(row) for row in rows]),
        answering,
    )


def plot(measured: Record) -> bytes:
    """PNG: a bar a tool, signwise's in blue; what is not measured has none."""
    rows = record.rows_of(measured, PeerRow)[::-1]

    def paint(figure: Figure) -> None:
        every = figure.subplots(1, len(BARS), sharey=True)
        for axes, (title, name) in zip(every, BARS, strict=True):
            values = [_with_share(row.values).get(name, np.nan) for row in rows]
            colours = [BLUE if row.tool.startswith("signwise") else GREY for row in rows]
            axes.barh([row.tool for row in rows], values, color=colours, height=0.65)
            axes.set_title(title)
            axes.grid(visible=False, axis="y")
            for place, value in enumerate(values):
                if np.isfinite(value):
                    text = f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"
                    axes.annotate(f" {text}", (value, place), va="center", fontsize=8)
            axes.margins(x=0.2)

    return draw(paint, 9.6, 0.6 + 0.3 * len(rows))


def _with_share(values: dict[str, float]) -> dict[str, float]:
    if not values.get("none_n"):
        return values
    return values | {"none_percent": 100 * values["none_sure"] / values["none_n"]}


def _training(row: PeerRow) -> tuple[str, ...]:
    found = row.values
    goal = _one(found, "goal_seconds", "{:,.0f} s")
    if "training_seconds" in found and "goal_seconds" not in found:
        goal = f"not reached: {percent(found['best_accuracy'])}"
    return (
        row.tool,
        row.learns,
        _installed(found, "training"),
        _one(found, "epochs", "{:.0f}"),
        goal,
        _two(found, "training_seconds", "training_cpu", "{:,.0f} s"),
        _one(found, "training_peak_mb", "{:,.0f} MB"),
        _one(found, "deployed_mb", "{:,.1f} MB"),
        _share(found, "right", "n"),
        _share(found, "none_sure", "none_n"),
    )


def _answering(row: PeerRow) -> tuple[str, ...]:
    found = row.values
    return (
        row.tool,
        _installed(found, "answering"),
        _two(found, "import_seconds", "import_cpu", "{:.3g} s"),
        _two(found, "small_per_second", "small_per_cpu_second", "{:,.4g}"),
        _two(found, "real_per_second", "real_per_cpu_second", "{:,.4g}"),
        _two(found, "large_per_second", "large_per_cpu_second", "{:,.3g}"),
        _one(found, "one_p50_ms", "{:.3g} ms"),
        _one(found, "one_p99_ms", "{:.3g} ms"),
        _two(found, "process_seconds", "process_cpu", "{:.3g} s"),
        _one(found, "answering_peak_mb", "{:,.0f} MB"),
    )


def _installed(found: dict[str, float], what: str) -> str:
    size = _one(found, f"installed_mb_{what}", "{:,.0f} MB")
    return size if size == DASH else f"{size}, {found[f'packages_{what}']:.0f} packages"


def _one(found: dict[str, float], name: str, form: str) -> str:
    return form.format(found[name]) if name in found else DASH


def _two(found: dict[str, float], clock: str, cpu: str, form: str) -> str:
    first = _one(found, clock, form)
    return first if first == DASH else f"{first} ({_one(found, cpu, form)})"


def _share(found: dict[str, float], name: str, of: str) -> str:
    return f"{found[name]:,.0f} of {found[of]:,.0f}" if of in found else DASH


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
