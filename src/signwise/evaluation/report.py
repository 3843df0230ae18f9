"""report.html: what the figures say, in one file that a person enjoys reading."""

import csv
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from signwise import html, metrics, plots
from signwise.evaluation.by_class import classes_section
from signwise.evaluation.examples import mistakes_section, strangers_section
from signwise.evaluation.label_errors import label_errors_section
from signwise.evaluation.pictures import Answers, Pictures
from signwise.evaluation.robustness import robustness_section
from signwise.evaluation.wording import (
    GROUP_NAMES,
    accuracy_beside,
    between,
    calibration_statement,
    counted,
    grouping_statement,
    intervals,
    number,
    percent,
    plural,
    short_path,
    verdict,
)
from signwise.files import read_json
from signwise.html import Html
from signwise.inference.predictor import Predictor

SHOWN_PROBLEMS = 500


def report(
    predictor: Predictor,
    pictures: Pictures,
    figures: dict[str, Any],
    answers: Answers,
    suspects: pd.DataFrame | None,
    charts: dict[str, bytes],
    run: Path | None,
) -> str:
    """The whole page, from the figures of metrics.json and what they were computed from."""
    right = answers.probabilities.argmax(axis=1) == pictures.labels
    sections = [
        _summary(figures),
        classes_section(figures, charts["confusion_matrix.png"]),
        mistakes_section(predictor, pictures, answers),
        label_errors_section(
            predictor.classes,
            pictures,
            answers.probabilities,
            suspects,
            figures["seen_in_training"],
        ),
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
    sections.append(_origin(predictor, pictures, answers, figures, run))
    names = figures["classes"]
    title = f"Evaluation: {', '.join(names[:4])}" + (" and others" if len(names) > 4 else "")
    return html.page(title, sections, lead=verdict(figures))


def _summary(figures: dict[str, Any]) -> Html:
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
                f"Of {plural(leaks, name)} other pictures are in the training split, since the"
                " split was given so: the figures are better than they will be on new ones."
            )
        )
    met = (figures.get("unknown") or {}).get("seen_in_training")
    if met:
        parts.append(
            html.warning(
                f"{counted(met, figures['unknown']['n'])} strangers were trained against."
                " What is said of strangers is too good for new ones."
            )
        )
    parts.append(html.figures(_cards(figures)))
    parts.append(html.paragraph(grouping_statement(figures)))
    return html.section("How good it is", *parts)


def _cards(figures: dict[str, Any]) -> list[tuple[str, str, str]]:
    chosen, calibration, grouping = (
        figures[name] for name in ("selective", "calibration", "grouping")
    )

    def interval(part: dict[str, Any], name: str) -> str:
        both = intervals(part[f"{name}_ci95"], part.get(f"{name}_ci95_grouped"), grouping)
        return f"95 % interval {both}"

    wrong = round((chosen["risk"] or 0) * chosen["accepted"])
    cards = [("Accuracy", percent(figures["accuracy"]), accuracy_beside(figures))]
    if chosen["threshold"] > 0:
        cards += [
            (
                "Answered at the threshold",
                percent(chosen["coverage"]),
                f"{counted(chosen['accepted'], chosen['n'])} pictures; "
                f"{interval(chosen, 'coverage')}",
            ),
            (
                "Wrong among the answered",
                percent(chosen["risk"]),
                f"{counted(wrong, chosen['accepted'])} pictures; {interval(chosen, 'risk')}",
            ),
        ]
    cards += [
        (
            "Balanced accuracy",
            percent(figures["balanced_accuracy"]),
            f"mean recall of the classes, n = {figures['n']:,}; "
            f"{interval(figures, 'balanced_accuracy')}; refused "
            f"{counted(chosen['n'] - chosen['accepted'], chosen['n'])}",
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
                f"{interval(unknown, 'acceptance_rate')}",
            )
        )
    if "corruptions" in figures:
        swept = figures["corruptions"]
        cards.append(
            (
                "Accuracy under corruption",
                percent(swept["mean_accuracy"]),
                f"mean of 75 cells, {swept['n']:,} pictures each; "
                f"{interval(swept, 'mean_accuracy')}; refused at the threshold "
                f"{percent(swept['mean_refused'])} ({between(swept['mean_refused_ci95'])})",
            )
        )
    return cards


def _confidence(
    figures: dict[str, Any], known: NDArray[Any], right: NDArray[Any], diagram: bytes
) -> Html:
    calibration, chosen = figures["calibration"], figures["selective"]
    point = None
    if chosen["risk"] is not None and chosen["threshold"] > 0:
        point = (chosen["coverage"], chosen["risk"])
    reliability = html.image(
        diagram,
        f"Reliability diagram: expected calibration error {percent(calibration['ece'])}",
        f"Each point: about as many pictures, but for equal confidences, {figures['n']:,} in all;"
        " bars: 95 % interval by picture. On the line, confidence means what it says.",
    )
    curve = html.image(
        plots.risk_coverage(*metrics.risk_coverage(known, right), point),
        f"Risk-coverage curve: the area under it is {number(chosen['aurc'])}",
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
        html.details(
            "The points of the reliability diagram",
            html.table(
                ["confidence", "pictures", "mean confidence", "right", "95 % interval by picture"],
                [
                    (
                        f"{part['low']:.4f} to {part['high']:.4f}",
                        f"{part['n']:,}",
                        f"{part['confidence']:.4f}",
                        percent(part["accuracy"]),
                        between(part["ci95"]),
                    )
                    for part in calibration["bins"]
                ],
            ),
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
        html.row(
            html.image(plots.curves(history, ("loss",)), "Loss by epoch"),
            html.image(plots.curves(history, ("accuracy",)), "Accuracy by epoch"),
        ),
        html.note(
            "The circle marks the epoch whose weights were kept: the lowest loss on the validation"
            " set. Validation sees pictures as they are and the average of the weights, training"
            " altered pictures and the weights of each step, so validation may look better."
            f" Training took {sum(history['seconds']):,.0f} s for {plural(len(rows), 'epoch')}."
        ),
    )


def _origin(
    predictor: Predictor,
    pictures: Pictures,
    answers: Answers,
    figures: dict[str, Any],
    run: Path | None,
) -> Html:
    metadata = predictor.metadata
    rows: list[tuple[str, object]] = [
        ("model", short_path(str(predictor.path.absolute()))),
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
    problems = pictures.problems + (answers.strangers.problems if answers.strangers else [])
    if problems:
        listed = [(problem["path"], problem["problem"]) for problem in problems[:SHOWN_PROBLEMS]]
        summary = f"{plural(len(problems), 'picture')} could not be used"
        if len(problems) > SHOWN_PROBLEMS:
            summary += f", {SHOWN_PROBLEMS} are listed"
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
    name = GROUP_NAMES.get(figures["grouping"])
    groups = f"{figures['groups']:,} of look-alikes" if name is None else ""
    return f"{figures['grouping']}: {groups or plural(figures['groups'], str(name))}"
