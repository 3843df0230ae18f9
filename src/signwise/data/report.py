"""The report on a data set: counts, sample sheet, suspects, problems."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from signwise import html
from signwise.config import PrepareConfig
from signwise.data.manifest import Scan
from signwise.data.prepared import SPLITS

SAMPLES = 16
SHOWN = 24
SHOWN_CLASSES = 60
GROUPINGS = {
    "csv": "Groups are those of the CSV.",
    "regex": "Groups are what --group captures in the file names.",
    "track": "Groups are tracks: frames of one physical sign, by their GTSRB file names.",
    "duplicates": "Groups are pictures with their near duplicates. They are not physical signs: "
    "two photos of one sign may be in different groups.",
}


def data_report(
    source: Path,
    found: Scan,
    suspects: pd.DataFrame,
    config: PrepareConfig,
    leaks: dict[str, int],
    warnings: list[str],
    pixels: Path,
) -> str:
    """A self-contained HTML page; `pixels` is the array file with a row for each row scanned."""
    array: NDArray[np.uint8] = np.load(pixels, mmap_mode="r")
    usable = found.table[found.table["problem"] == ""]
    problems = found.table[found.table["problem"] != ""]
    sections = [
        html.section(
            "Pictures and groups",
            *[html.warning(text[:1].upper() + text[1:]) for text in warnings],
            html.table(("Class", *SPLITS, "all", "groups"), _count_rows(usable, found.classes)),
            html.note(GROUPINGS[found.grouping] + " " + _split_text(found, config, leaks)),
        ),
        html.section("Samples", *_samples(usable, found.classes, array, config.seed)),
        html.section("Worth a look", *_suspects(found.table, suspects, array)),
        html.section("Not usable", *_problems(problems, found.skipped)),
        html.section(
            "Settings",
            html.settings(config.to_json().items()),
        ),
    ]
    lead = (
        f"{len(usable):,} usable pictures of {len(found.classes)} classes in "
        f"{usable['group'].nunique():,} groups; {len(problems):,} not usable, "
        f"{suspects['path'].nunique():,} worth a look. "
        + (f"{leaks['groups']} groups straddle the split." if leaks["groups"] else "")
    )
    page = html.page(f"Data: {source.name}", sections, lead=lead)
    # File names may hold bytes that are no UTF-8; a page may not.
    return page.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _count_rows(usable: pd.DataFrame, classes: tuple[str, ...]) -> list[list[str]]:
    rows = []
    for name, of_class in [
        *((name, usable[usable["label"] == name]) for name in classes),
        ("all classes", usable),
    ]:
        counts = [int((of_class["split"] == split).sum()) for split in SPLITS]
        rows.append(
            [name, *(f"{n:,}" for n in (*counts, len(of_class), of_class["group"].nunique()))]
        )
    return rows


def _split_text(found: Scan, config: PrepareConfig, leaks: dict[str, int]) -> str:
    if found.split_given:
        return f"The split is the one given; {leaks['groups']} groups straddle it."
    shares = " / ".join(f"{share:.0%}" for share in config.split)
    return f"Split by groups into {shares} with seed {config.seed}; no group is in two splits."


def _samples(
    usable: pd.DataFrame, classes: tuple[str, ...], array: NDArray[np.uint8], seed: int
) -> list[html.Html]:
    random = np.random.default_rng(seed)
    count = max(4, min(SAMPLES, 400 // len(classes)))
    parts = []
    if len(classes) > SHOWN_CLASSES:
        parts.append(html.note(f"{SHOWN_CLASSES} of {len(classes):,} classes are shown."))
    for name in classes[:SHOWN_CLASSES]:
        # From as many groups as there are: frames of one sign say little about the class.
        rows = usable[usable["label"] == name]
        rows = rows.iloc[random.permutation(len(rows))].drop_duplicates("group").head(count)
        parts.append(html.paragraph(name))
        parts.append(
            html.thumbnails(
                [
                    (html.whole_pixels(array[row]), Path(path).name)
                    for row, path in zip(rows.index.to_numpy(), rows["path"], strict=True)
                ],
                cell=72,
            )
        )
    return parts


def _suspects(
    table: pd.DataFrame, suspects: pd.DataFrame, array: NDArray[np.uint8]
) -> list[html.Html]:
    if suspects.empty:
        return [html.paragraph("No duplicates and no poor pictures were found.")]
    row_of = dict(zip(table["path"], table.index, strict=True))
    parts = [
        html.note(
            "suspects.csv lists all of these. Delete the rows of those to keep, then run prepare "
            "with --exclude suspects.csv: the files themselves stay untouched."
        )
    ]
    for reason, rows in suspects.groupby("reason", sort=False):
        shown = rows.head(SHOWN)
        pictures = [
            (
                _shown([array[row_of[name]] for name in (path, other) if name], str(reason)),
                f"{path}: {detail}",
            )
            for path, detail, other in zip(
                shown["path"], shown["detail"], shown["other"], strict=True
            )
        ]
        count = f"{len(rows):,}" + (f", {SHOWN} shown" if len(rows) > SHOWN else "")
        parts.append(html.details(f"{reason}: {count}", html.thumbnails(pictures, cell=128)))
    return parts


def _shown(pictures: list[NDArray[np.uint8]], reason: str) -> NDArray[np.uint8]:
    """The pictures enlarged, side by side; of a dark one a brightened copy, to be seen at all."""
    if reason == "very dark":
        dark = pictures[0]
        bright = dark * (255 / max(int(dark.max()), 1))
        pictures = [dark, bright.astype(np.uint8)]
    return _beside([html.whole_pixels(picture) for picture in pictures])


def _beside(pictures: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Pictures of one size in a row, a white line between them."""
    line = np.full((pictures[0].shape[0], 2, 3), 255, np.uint8)
    parts = [part for picture in pictures for part in (line, picture)]
    return np.concatenate(parts[1:], axis=1)


def _problems(problems: pd.DataFrame, skipped: dict[str, int]) -> list[html.Html]:
    parts = []
    if problems.empty:
        parts.append(html.paragraph("Every picture could be read."))
    else:
        rows = list(zip(problems["path"], problems["problem"], strict=True))
        parts.append(html.table(("File", "Problem"), rows[:500]))
        if len(rows) > 500:
            parts.append(html.note(f"and {len(rows) - 500:,} more, see manifest.csv"))
    if skipped:
        parts.append(html.paragraph("Left out by their name alone, and not opened:"))
        parts.append(html.table(("What", "Count"), sorted(skipped.items())))
    return parts
