"""The report's part on single classes: the confusion matrix, and each class's figures."""

from typing import Any

import numpy as np

from signwise import html, metrics
from signwise.evaluation.wording import GROUP_NAMES, between, counted, intervals, percent
from signwise.html import Html
from signwise.plot_confusion import FEW_CLASSES, class_label, most_confused

SHOWN_CLASSES = 15


def classes_section(figures: dict[str, Any], confusion: bytes) -> Html:
    """From the figures of metrics.json, and the confusion matrix as PNG."""
    classes, grouping = figures["classes"], figures["grouping"]
    by_group = figures["per_class_grouped"]
    headers = [
        "class",
        "pictures",
        "recall",
        "95 % interval",
        "precision",
        "95 % interval",
        "F1, by picture",
    ]
    if by_group is not None:
        headers.insert(2, f"{GROUP_NAMES[grouping]}s")
    rows = []
    for index, name in enumerate(classes):
        entry = figures["per_class"][name]
        groups = {} if by_group is None else by_group[name]
        # A chart that can't show a name shows its number.
        known_as = name if class_label(name, index, 22) == name else f"{name} (#{index})"
        cells: list[object] = [known_as, f"{entry['support']:,}"]
        if groups:
            cells.append(f"{groups['groups']:,}")
        for kind in ("recall", "precision"):
            found = entry[kind]
            right = round((found["value"] or 0) * found["n"])
            both = intervals(found["ci95"], groups.get(f"{kind}_ci95"), grouping)
            cells += [f"{percent(found['value'])} ({counted(right, found['n'])})", both]
        cells.append(f"{percent(entry['f1']['value'])} ({between(entry['f1']['ci95'])})")
        rows.append((entry["recall"]["value"], cells))
    chart = html.image(
        confusion,
        f"Confusion matrix: {counted(figures['correct'], figures['n'])} pictures are right",
        "Rows: what the picture shows. Columns: the class of the largest probability, whatever the"
        f" threshold; n = {figures['n']:,} pictures.",
    )
    everything = html.table(headers, [cells for _, cells in rows])
    parts = [chart, *_largest_mistakes(figures)]
    if len(rows) <= SHOWN_CLASSES:
        return html.section("Class by class", *parts, everything)
    measured = sorted((row for row in rows if row[0] is not None), key=lambda row: row[0])
    return html.section(
        "Class by class",
        *parts,
        html.paragraph(f"The {SHOWN_CLASSES} classes of lowest recall:"),
        html.table(headers, [cells for _, cells in measured[:SHOWN_CLASSES]]),
        html.details(f"All {len(rows):,} classes", everything),
    )


def _largest_mistakes(figures: dict[str, Any]) -> list[Html]:
    """The most confused pairs as a table, where the matrix is too large to be read."""
    classes, counts = figures["classes"], np.array(figures["confusion_matrix"])
    pairs = most_confused(counts, SHOWN_CLASSES)
    if len(classes) <= FEW_CLASSES or not pairs:
        return []
    rows = []
    for true, predicted in pairs:
        count, n = int(counts[true, predicted]), int(counts[true].sum())
        share = between(metrics.wilson_interval(count, n))
        rows.append(
            (classes[true], classes[predicted], f"{counted(count, n)}", percent(count / n), share)
        )
    return [
        html.paragraph("What is taken for what, the most frequent first:"),
        html.table(["shows", "taken for", "pictures", "share", "95 % interval by picture"], rows),
    ]
