"""How results look in a terminal: one function a verb, from its result to what rich prints."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import msgspec
from rich.console import Console, RenderableType
from rich.markup import escape as escape_markup
from rich.table import Table
from rich.text import Text

from signwise.errors import printable
from signwise.files import Json
from signwise.model_file.read import ModelsResult
from signwise.model_file.record import ModelFigures
from signwise.places import join
from signwise.report import comparison_words, study_words
from signwise.report.conclusion import conclusion
from signwise.report.words import (
    LEVEL,
    between,
    counted,
    group_name,
    percent,
    rates,
    score,
    verdict,
)
from signwise.results import Problem

if TYPE_CHECKING:
    from signwise.cli.cache import CacheResult
    from signwise.cli.demo import DemoResult
    from signwise.data.download import DownloadResult
    from signwise.data.prepare import PrepareResult
    from signwise.evaluation.evaluate import EvaluateResult
    from signwise.export.export import ExportResult
    from signwise.inference.explain import ExplainResult
    from signwise.inference.predict import PredictResult
    from signwise.service.serve import ServeResult
    from signwise.study.compare import CompareResult
    from signwise.study.tune import TuneResult
    from signwise.synthetic import SynthResult
    from signwise.training.train import TrainResult


def escape(text: str) -> str:
    """The text as rich and a terminal show it as it is."""
    return escape_markup(printable(text))


SPLITS = ("train", "val", "test")
SHOWN_PROBLEMS = 5
SHOWN_CLASSES = 8
LONGEST_HEADER = 48
"""Letters of all classes together that stand above the columns of a matrix."""


def show(parts: Sequence[RenderableType], file: TextIO) -> None:
    """Print the parts, in colour where the file is a terminal."""
    console = Console(file=file, highlight=False)
    for part in parts:
        # A path that is broken in two can't be copied: lines that hold one are made by `_line`.
        console.print(part, soft_wrap=isinstance(part, Text))


def synth(result: "SynthResult") -> list[RenderableType]:
    """How many pictures of what were rendered, and where they are."""
    counts = ", ".join(f"{count:,} {escape(name)}" for name, count in result.counts.items())
    folders = [_wrote(result.out, "rendered pictures")]
    if result.negatives is not None:
        folders.append(_wrote(result.negatives, "rendered pictures of no class"))
    return [*folders, f"  {counts}"]


def download(result: "DownloadResult") -> list[RenderableType]:
    """How many pictures came, and where they are."""
    counts = ", ".join(f"{count:,} {escape(name)}" for name, count in result.counts.items())
    return [_wrote(result.out, "downloaded pictures"), f"  {counts}"]


def prepare(result: "PrepareResult") -> list[RenderableType]:
    """Pictures of each class and split, what could not be used, and where the report is."""
    title = f"Pictures ({group_name(result.grouping)}s)"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("class", style="bold", overflow="fold")
    for split in SPLITS:
        table.add_column(split, justify="right")
    for label in result.classes[:SHOWN_CLASSES]:
        counts = [
            (result.class_counts[split].get(label, 0), result.group_counts[split].get(label, 0))
            for split in SPLITS
        ]
        table.add_row(escape(label), *(f"{count:,} ({groups:,})" for count, groups in counts))
    if len(result.classes) > SHOWN_CLASSES:
        table.add_row(f"and {len(result.classes) - SHOWN_CLASSES} more")
    skipped = ", ".join(f"{count:,} {name}" for name, count in result.skipped.items())
    flagged = result.counts["flagged"]
    names = {Path(path).name for path in result.written}
    found = ["manifest.csv", "data.json"]
    if "flagged.csv" in names:
        found.append(f"flagged.csv: {flagged:,} worth a look" if flagged else "flagged.csv")
    found += ["the pixel cache", *(f"{split}/" for split in SPLITS if split in names)]
    if any(name.endswith(".tar") for name in names):
        found.append("shards/")
    return [
        table,
        f"grouped by {result.grouping}" + (f"; skipped: {escape(skipped)}" if skipped else ""),
        *([escape(result.worth)] if result.worth else []),
        *_problems(result.problems, join(str(result.out), "manifest.csv")),
        *_warnings(result.warnings),
        _wrote(result.out, ", ".join(found)),
        _report(result.out),
    ]


def train(result: "TrainResult") -> list[RenderableType]:
    """The validation figures with n and interval, and where the model is."""
    found = result.measured.validation
    assert found is not None, "training measures on the validation set"
    interval = f"{between(found.accuracy_ci95)} by picture"
    if found.accuracy_ci95_grouped is not None:
        interval += f", {between(found.accuracy_ci95_grouped)} by sign or group"
    return [
        f"[bold]{percent(found.accuracy)}[/] right on the validation set: "
        f"{counted(found.correct, found.n)}, 95 % interval {interval}; {found.refused:,} rejected. "
        "The weights were chosen on these: evaluate tells more",
        f"[dim]{_best_epoch(result)}[/]",
        *_problems(result.problems),
        *_warnings(result.warnings),
        _wrote(result.out, "model.onnx, history.csv, curves.png, README.md"),
    ]


def _best_epoch(result: "TrainResult") -> str:
    best, last = result.measured.best_epoch, result.history[-1].epoch
    if not last:
        return "the head alone was fitted (epoch 0)"
    return f"best of {last} epochs: {best}" + (", the last" if best == last else "")


def evaluate(result: "EvaluateResult") -> list[RenderableType]:
    """The verdict with n, intervals and what is refused, the confusion matrix, the report."""
    found = result.evaluation
    flagged = result.counts["flagged"]
    doubted = f", flagged.csv: {flagged:,} labels worth a look" if flagged else ""
    return [
        f"[bold]{escape(verdict(found))}[/]",
        *(f"  {name}: {escape(text)}" for name, text in rates(found)),
        escape(conclusion(found)),
        _confusion(found.classes, found.confusion_matrix),
        *_problems(result.problems),
        _wrote(result.out, f"metrics.json, predictions.csv, plots{doubted}"),
        _report(result.out),
    ]


def compare(result: "CompareResult") -> list[RenderableType]:
    """The verdict, each model, each difference with its intervals, and where the report is."""
    found = result.comparison
    table = Table(title="Models", title_justify="left", title_style="bold")
    table.add_column("model", style="bold", overflow="fold")
    table.add_column("accuracy", overflow="fold")
    for name in ("log loss", "coverage", "AUROC of known"):
        table.add_column(name, justify="right")
    for name, *cells in comparison_words.model_lines(found):
        table.add_row(escape(name), *cells)
    parts: list[RenderableType] = [f"[bold]{escape(comparison_words.verdict(found))}[/]", table]
    for pair in found.pairs:
        title = f"{pair.second} less {pair.first}"
        differences = Table(title=escape(title), title_justify="left", title_style="bold")
        differences.add_column("")
        differences.add_column("difference", justify="right")
        differences.add_column("95 % interval", overflow="fold")
        for name, value, intervals, _ in comparison_words.differences(found, pair):
            differences.add_row(name, value, "\n".join(intervals))
        parts += [differences, escape(comparison_words.tests_line(found, pair))]
    return [
        *parts,
        *_problems(result.problems),
        _wrote(result.out, "compare.json"),
        _report(result.out),
    ]


def tune(result: "TuneResult") -> list[RenderableType]:
    """The verdict, what the winner changes, and what to do with it."""
    figures = result.figures
    table = Table(title="What the winner changes", title_justify="left", title_style="bold")
    table.add_column("setting", style="bold", overflow="fold")
    table.add_column("value", overflow="fold")
    for name, value in figures.winner.settings.items():
        table.add_row(escape(name), escape(study_words.setting(value)))
    return [
        f"[bold]{escape(study_words.verdict(figures))}[/]",
        f"[dim]{study_words.counts(figures)}[/]",
        *([table] if figures.winner.settings else []),
        escape(study_words.recommended(figures)),
        _wrote(result.out, f"config.json, trials.csv, {result.measured.name}"),
        _report(result.out),
    ]


def predict(result: "PredictResult") -> list[RenderableType]:
    """How many pictures got which label, and where the rows are."""
    labels = sorted(result.labels.items(), key=lambda item: -item[1])
    found = [f"{count:,} {escape(name)}" for name, count in labels if count]
    more = f" and {len(found) - SHOWN_CLASSES} more" if len(found) > SHOWN_CLASSES else ""
    parts, kept = result.counts.get("parts"), result.counts.get("parts_kept")
    there = f", {kept:,} of them there already" if kept else ""
    return [
        f"{result.counts['predicted']:,} pictures: {', '.join(found[:SHOWN_CLASSES])}{more}",
        *_problems(result.problems, str(result.out)),
        _wrote(result.out) if parts is None else _wrote(result.out, f"{parts:,} parts{there}"),
    ]


def explain(result: "ExplainResult") -> list[RenderableType]:
    """What each picture was taken for, and where its heat map is."""
    table = Table(title="Explained", title_justify="left", title_style="bold")
    for name in ("picture", "label", "heat map"):
        table.add_column(name, overflow="fold")
    table.add_column("confidence", justify="right")
    for row in result.rows[:SHOWN_CLASSES]:
        cells = (row["path"] or "", row["label"], row["file"])
        table.add_row(*(escape(str(cell)) for cell in cells), _three(row["confidence"]))
    return [table, *_problems(result.problems), _wrote(result.out, "explanations.csv, heat maps")]


def serve(result: "ServeResult") -> list[RenderableType]:
    """How much was answered."""
    requests, pictures = result.counts["requests"], result.counts["pictures"]
    return [f"stopped after {requests:,} requests, {pictures:,} pictures"]


def export(result: "ExportResult") -> list[RenderableType]:
    """What the certificate says, and where the files are."""
    found = result.certificate.comparison
    difference = max(found.largest_difference, found.largest_difference_of_known)
    pictures = f"{found.pictures:,} validation pictures"
    return [
        f"[bold]{found.decisions_differ:,} decisions differ[/] from those of model.onnx on"
        f" {pictures}; largest difference of an answer {difference:.1g}",
        f"of other such pictures {between(found.differing_share_ci95)} may differ ({LEVEL})",
        f"{found.images_per_second:,.0f} images/s, model.onnx"
        f" {found.images_per_second_of_model_onnx:,.0f} in the same run (decoded pictures)",
        _wrote(result.out, ", ".join(result.files)),
    ]


def models(result: ModelsResult) -> list[RenderableType]:
    """One row a model that ships."""
    if not result.rows:
        return ["no model ships with this version"]
    table = Table(title="Models that ship", title_justify="left", title_style="bold")
    table.add_column("name", style="bold")
    for name in ("classes", "pixels", "MB"):
        table.add_column(name, justify="right")
    table.add_column("figures", overflow="fold")
    for row in result.rows:
        numbers = (len(row["classes"]), row["image_size"], row["megabytes"])
        table.add_row(
            escape(row["name"]), *(f"{number:,}" for number in numbers), _figures(row["figures"])
        )
    return [table]


def cache(result: "CacheResult") -> list[RenderableType]:
    """Each file that is kept, and how much they are together."""
    table = Table(title="Kept between runs", title_justify="left", title_style="bold")
    table.add_column("file", overflow="fold")
    table.add_column("MB", justify="right")
    for row in result.rows:
        table.add_row(escape(str(row["name"])), f"{float(row['bytes'] or 0) / 1e6:,.1f}")
    total = f"{result.counts['files']:,} files, {result.counts['bytes'] / 1e6:,.1f} MB"
    done = "removed" if result.cleared else "kept"
    place = _line(f"{total} {done} in {escape(str(result.out))}")
    return [table, place] if result.rows else [place]


def demo(result: "DemoResult") -> list[RenderableType]:
    """The figures, what single pictures were taken for, and the path of the report."""
    table = Table(title="Predictions", title_justify="left", title_style="bold")
    for name in ("picture", "shows", "label"):
        table.add_column(name, overflow="fold")
    for name in ("confidence", "known"):
        table.add_column(name, justify="right")
    for row in result.predictions:
        right = row["label"] == row["shows"]
        table.add_row(
            escape(str(row["path"])),
            escape(str(row["shows"])),
            f"[{'green' if right else 'bold red'}]{escape(str(row['label']))}[/]",
            _three(row["confidence"]),
            _three(row["known"]),
        )
    shown = evaluate(result.evaluation)
    place = next(at for at, part in enumerate(shown) if isinstance(part, Table)) + 1
    return [*shown[:place], table, *shown[place:]]


def _line(markup: str) -> Text:
    """A line that is never broken, however narrow the terminal."""
    return Text.from_markup(markup)


def _wrote(path: Path | str | None, what: str = "") -> Text:
    note = f" [dim]({what})[/]" if what else ""
    return _line(f"[bold green]wrote[/] {escape(str(path))}{note}")


def _report(folder: Path | str) -> Text:
    return _line(f"[bold green]report[/] {escape(join(str(folder), 'report.html'))}")


def _warnings(texts: Sequence[str]) -> list[RenderableType]:
    return [f"[yellow]warning:[/] {escape(text)}" for text in texts]


def _three(value: str | float | None) -> str:
    return "" if value is None else f"{float(value):.3f}"


def _problems(found: Sequence[Problem], where: str = "") -> list[RenderableType]:
    """The first inputs that could not be used with their reasons, and how many more there are."""
    if not found:
        return []
    noun = "input" if len(found) == 1 else "inputs"
    lines = [_line(f"[bold yellow]{len(found):,} {noun} could not be used[/]")]
    for problem in found[:SHOWN_PROBLEMS]:
        lines.append(_line(f"  {escape(problem['path'])}: {escape(problem['problem'])}"))
    if len(found) > SHOWN_PROBLEMS:
        rest = f"  and {len(found) - SHOWN_PROBLEMS:,} more"
        lines.append(_line(f"{rest}: see {escape(where)}" if where else rest))
    return list(lines)


def _figures(figures: dict[str, Json]) -> str:
    """Each measured set of a model in a line: accuracy, and pictures of no class."""
    lines = []
    for name, found in msgspec.convert(figures, ModelFigures).measured.items():
        signs = "" if found.signs is None else f" of {found.signs:,} signs"
        text = (
            f"{name.replace('_', ' ')}: {percent(found.accuracy)} right "
            f"({counted(found.correct, found.n)} pictures{signs}; 95 % interval "
            f"{between(found.accuracy_ci95)} by picture, {between(found.accuracy_ci95_grouped)} "
            f"by sign; {found.refused:,} rejected)"
        )
        if found.unknown is not None:
            text += (
                f"; AUROC of known {score(found.unknown.auroc)} against {found.unknown.n:,} "
                f"pictures of no class ({found.unknown.source}), "
                f"{found.unknown.accepted:,} wrongly accepted"
            )
        lines.append(text)
    return "\n".join(map(escape, lines))


def _confusion(classes: Sequence[str], matrix: Sequence[Sequence[int]]) -> RenderableType:
    """The confusion matrix; with many classes, its largest mistakes."""
    if len(classes) > SHOWN_CLASSES or sum(map(len, classes)) > LONGEST_HEADER:
        return _largest_mistakes(classes, matrix)
    table = Table(title="Confusion matrix", title_justify="left", title_style="bold")
    table.add_column("true \\ predicted", style="bold", overflow="fold")
    for name in classes:
        table.add_column(escape(name), justify="right", overflow="fold")
    for i, row in enumerate(matrix):
        table.add_row(escape(classes[i]), *(_cell(n, right=i == j) for j, n in enumerate(row)))
    return table


def _cell(count: int, *, right: bool) -> str:
    if count == 0:
        return "[dim]0[/]"
    return f"[green]{count:,}[/]" if right else f"[bold red]{count:,}[/]"


def _largest_mistakes(classes: Sequence[str], matrix: Sequence[Sequence[int]]) -> RenderableType:
    mistakes = [
        (count, classes[i], classes[j])
        for i, row in enumerate(matrix)
        for j, count in enumerate(row)
        if i != j and count
    ]
    if not mistakes:
        return f"Confusion matrix of {len(classes)} classes: no mistake"
    title = f"Confusion matrix of {len(classes)} classes: its largest mistakes"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("true", overflow="fold")
    table.add_column("predicted", overflow="fold")
    table.add_column("pictures", justify="right")
    for count, true, predicted in sorted(mistakes, reverse=True)[:SHOWN_CLASSES]:
        table.add_row(escape(true), escape(predicted), f"{count:,}")
    return table
