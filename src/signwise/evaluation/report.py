"""report.html: what the figures say, in one file that a person enjoys reading."""

import csv
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from signwise import html, metrics, plots
from signwise.evaluation.examples import mistakes_section, strangers_section
from signwise.evaluation.pictures import Answers, Pictures
from signwise.evaluation.robustness import robustness_section
from signwise.evaluation.wording import (
    GROUP_NAMES,
    accuracy_beside,
    between,
    calibration_statement,
    counted,
    grouping_statement,
    number,
    percent,
    refused,
    verdict,
)
from signwise.files import read_json
from signwise.html import Html
from signwise.inference.predictor import Predictor
from signwise.plot_confusion import class_label

SHOWN_CLASSES = 15


def report(
    predictor: Predictor,
    pictures: Pictures,
    figures: dict[str, Any],
    answers: Answers,
    charts: dict[str, bytes],
    run: Path | None,
) -> str:
    """The whole page, from the figures of metrics.json and what they were computed from."""
    right = answers.probabilities.argmax(axis=1) == pictures.labels
    sections = [
        _summary(figures),
        _classes(figures, charts["confusion_matrix.png"]),
        mistakes_section(predictor, pictures, answers),
        _confidence(figures, answers.known, right, charts["reliability.png"]),
    ]
    if answers.strangers is not None:
        sections.append(
            strangers_section(predictor, figures["unknown"], answers.known, answers.strangers)
        )
    if "corruptions" in figures:
        sections.append(robustness_section(figures["corruptions"], figures["accuracy"]))
    if run is not None and (run / "history.csv").is_file():
        sections.append(_curves(run / "history.csv"))
    sections.append(_origin(predictor, pictures, figures, run))
    names = figures["classes"]
    title = f"Evaluation: {', '.join(names[:4])}" + (" and others" if len(names) > 4 else "")
    return html.page(title, sections, lead=verdict(figures))


def _summary(figures: dict[str, Any]) -> Html:
    chosen, calibration = figures["selective"], figures["calibration"]
    wrong = round((chosen["risk"] or 0) * chosen["accepted"])
    cards = [
        ("Accuracy", percent(figures["accuracy"]), accuracy_beside(figures)),
        (
            "Answered at the threshold",
            percent(chosen["coverage"]),
            f"{counted(chosen['accepted'], chosen['n'])} pictures; "
            f"95 % interval {between(chosen['coverage_ci95'])}",
        ),
        (
            "Wrong among the answered",
            percent(chosen["risk"]),
            f"{counted(wrong, chosen['accepted'])} pictures; "
            f"95 % interval {between(chosen['risk_ci95'])}",
        ),
        (
            "Balanced accuracy",
            percent(figures["balanced_accuracy"]),
            f"mean recall of the classes, n = {figures['n']:,}; "
            f"95 % interval {between(figures['balanced_accuracy_ci95'])}; {refused(chosen)}",
        ),
        (
            "Calibration error",
            percent(calibration["ece"]),
            f"n = {calibration['n']:,}; chance alone gives up to "
            f"{percent(calibration['ece_by_chance'])} at this n",
        ),
    ]
    unknown = figures.get("unknown")
    if unknown:
        cards.append(
            (
                "Strangers taken for a class",
                percent(unknown["acceptance_rate"]),
                f"{counted(unknown['accepted'], unknown['n'])} pictures; "
                f"95 % interval {between(unknown['acceptance_rate_ci95'])}",
            )
        )
    if "corruptions" in figures:
        swept = figures["corruptions"]
        cards.append(
            (
                "Accuracy under corruption",
                percent(swept["mean_accuracy"]),
                f"mean of 75 cells, {swept['n']:,} pictures each; "
                f"95 % interval {between(swept['mean_accuracy_ci95'])}; "
                f"refused at the threshold {percent(swept['mean_refused'])}",
            )
        )
    parts = []
    seen = figures["seen_in_training"]
    if seen:
        parts.append(
            html.warning(
                f"{counted(seen, figures['n'])} pictures were trained on."
                " The figures say little about pictures that the model has not seen."
            )
        )
    leaks = figures["groups_seen_in_training"]
    if leaks:
        name = GROUP_NAMES[figures["grouping"]]
        parts.append(
            html.warning(
                f"{leaks:,} {name}s have other pictures in the training split, since the split"
                " was given so: the figures are better than they will be on new ones."
            )
        )
    parts.append(html.figures(cards))
    parts.append(html.paragraph(grouping_statement(figures)))
    return html.section("How good it is", *parts)


def _classes(figures: dict[str, Any], confusion: bytes) -> Html:
    classes = figures["classes"]
    rows = []
    for index, name in enumerate(classes):
        entry = figures["per_class"][name]
        # A chart that can't show a name shows its number.
        known_as = name if class_label(name, index, 22) == name else f"{name} (#{index})"
        cells: list[str] = [known_as, f"{entry['support']:,}"]
        for kind in ("recall", "precision", "f1"):
            cells += [percent(entry[kind]["value"]), between(entry[kind]["ci95"])]
        rows.append((entry["recall"]["value"], cells))
    headers = ["class", "pictures"]
    for kind in ("recall", "precision", "F1"):
        headers += [kind, "95 % interval"]
    chart = html.image(
        confusion,
        "Confusion matrix",
        "Rows: what the picture shows. Columns: the class of the largest probability, whatever the"
        f" threshold; n = {figures['n']:,} pictures.",
    )
    everything = html.table(headers, [cells for _, cells in rows])
    if len(rows) <= SHOWN_CLASSES:
        return html.section("Class by class", chart, everything)
    measured = sorted((row for row in rows if row[0] is not None), key=lambda row: row[0])
    return html.section(
        "Class by class",
        chart,
        html.paragraph(f"The {SHOWN_CLASSES} classes of lowest recall:"),
        html.table(headers, [cells for _, cells in measured[:SHOWN_CLASSES]]),
        html.details(f"All {len(rows):,} classes", everything),
    )


def _confidence(
    figures: dict[str, Any], known: NDArray[Any], right: NDArray[Any], diagram: bytes
) -> Html:
    calibration, chosen = figures["calibration"], figures["selective"]
    point = None if chosen["risk"] is None else (chosen["coverage"], chosen["risk"])
    reliability = html.image(
        diagram,
        "Reliability diagram",
        f"Each point: as many pictures as any other, {figures['n']:,} in all; bars: 95 % interval."
        " On the line, confidence means what it says.",
    )
    curve = html.image(
        plots.risk_coverage(*metrics.risk_coverage(known, right), point),
        "Risk-coverage curve",
        f"Area under the curve {number(chosen['aurc'])}, n = {chosen['n']:,}. The model answers"
        f" where known is at least {number(chosen['threshold'])}.",
    )
    return html.section(
        "Whether its confidence means what it says",
        html.paragraph(calibration_statement(calibration)),
        html.row(reliability, curve),
        html.note(
            f"Loss (negative log-likelihood) {number(figures['loss'])}, Brier score"
            f" {number(calibration['brier'])}, n = {figures['n']:,}. Accuracy, confusion matrix and"
            " calibration take every picture, whatever the threshold; what is refused counts in"
            " risk and coverage alone."
        ),
    )


def _curves(path: Path) -> Html:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    history = {name: [float(row[name]) for row in rows] for name in (rows[0] if rows else {})}
    if not rows:
        return Html("")
    return html.section(
        "How it was trained",
        html.image(
            plots.curves(history),
            "Loss and accuracy by epoch",
            "The circle marks the epoch whose weights were kept: the lowest loss on the validation"
            " set. Validation sees pictures as they are and the average of the weights, training"
            " altered pictures and the weights of each step, so validation may look better."
            f" Training took {sum(history['seconds']):,.0f} s for {len(rows)} epochs.",
        ),
    )


def _origin(
    predictor: Predictor, pictures: Pictures, figures: dict[str, Any], run: Path | None
) -> Html:
    metadata = predictor.metadata
    rows: list[tuple[str, object]] = [
        ("model", str(predictor.path)),
        ("classes", len(predictor.classes)),
        ("picture size", f"{predictor.image_size} x {predictor.image_size} pixels"),
        ("resize", metadata.get("resize", "")),
        ("threshold of known", number(predictor.threshold)),
        ("temperature", number(metadata.get("temperature"))),
        ("trained with data, SHA-256", str(metadata.get("data_sha256", ""))[:16]),
        ("measured on", f"{figures['n']:,} pictures: {pictures.name}"),
        ("its data, SHA-256", (pictures.data_sha256 or "a folder")[:16]),
        ("grouping", _grouping_row(figures)),
        ("seen in training", "not known" if run is None else figures["seen_in_training"]),
        ("signwise", metadata.get("signwise_version", "")),
    ]
    parts = [html.table(["", ""], rows)]
    if pictures.problems:
        listed = [(problem["path"], problem["problem"]) for problem in pictures.problems]
        summary = f"{len(listed):,} pictures could not be used"
        parts.append(html.details(summary, html.table(["file", "reason"], listed)))
    if run is not None and (run / "config.json").is_file():
        content = read_json(run / "config.json")
        settings = [
            (name if part == "settings" else f"{part}: {name}", value)
            for part in ("settings", "versions")
            for name, value in content.get(part, {}).items()
        ]
        parts.append(html.details("All settings of the training", html.settings(settings)))
    return html.section("Data and settings", *parts)


def _grouping_row(figures: dict[str, Any]) -> str:
    name = GROUP_NAMES.get(figures["grouping"], "group of look-alikes")
    return f"{figures['grouping']}: {figures['groups']:,} {name}s"
