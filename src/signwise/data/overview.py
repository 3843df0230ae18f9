"""What the report on a data set shows: counts, samples, what is worth a look, problems."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from signwise.config import PrepareConfig
from signwise.data.manifest import SPLITS, problems_in
from signwise.data.scan import Scan
from signwise.data.signs import group_counts, worth_of_test
from signwise.data.split import Leaks
from signwise.data.walk import Folder
from signwise.report.data_page import ClassCounts, DataPage, FlaggedGroup, FlaggedPicture, Sample

SAMPLES = 16
SAMPLES_IN_ALL = 400
SHOWN = 24
SHOWN_CLASSES = 60


def data_overview(
    source: Folder,
    found: Scan,
    flagged: pd.DataFrame,
    config: PrepareConfig,
    leaks: Leaks,
    warnings: list[str],
    pixels: Path,
) -> DataPage:
    """The contents of report.html; `pixels` is the array file with a row for each row scanned."""
    array: NDArray[np.uint8] = np.load(pixels, mmap_mode="r")
    usable = found.table[found.table["problem"] == ""]
    return DataPage(
        name=PurePath(source).name,
        usable=len(usable),
        groups=usable["group"].nunique(),
        counts=_counts(usable, found.classes),
        total=_counts(usable.assign(label="all classes"), ["all classes"])[0],
        worth=worth_of_test(usable, found.grouping),
        grouping=found.grouping,
        split_given=found.split_given,
        leaking_groups=leaks.groups,
        shares=config.split,
        seed=config.seed,
        warnings=warnings,
        samples=_samples(usable, found.classes, array, config.seed),
        flagged=_flagged(found.table, flagged, array),
        flagged_pictures=flagged["path"].nunique(),
        problems=problems_in(found.table),
        skipped=dict(found.skipped),
        settings=config.to_json(),
    )


def _counts(usable: pd.DataFrame, classes: Sequence[str]) -> list[ClassCounts]:
    """Of each class, in one pass: a pass for each of a thousand would take minutes."""
    pictures = Counter(zip(usable["label"], usable["split"], strict=True))
    groups = group_counts(usable, classes)
    in_all = Counter(usable[["label", "group"]].drop_duplicates()["label"])
    return [
        ClassCounts(
            name=name,
            by_split={split: pictures[name, split] for split in SPLITS},
            groups_by_split={split: groups[split][name] for split in SPLITS},
            pictures=sum(pictures[name, split] for split in SPLITS),
            groups=in_all[name],
        )
        for name in classes
    ]


def _samples(
    usable: pd.DataFrame, classes: tuple[str, ...], array: NDArray[np.uint8], seed: int
) -> dict[str, list[Sample]]:
    random = np.random.default_rng(seed)
    count = max(4, min(SAMPLES, SAMPLES_IN_ALL // len(classes)))
    samples = {}
    for name in classes[:SHOWN_CLASSES]:
        # From as many groups as there are: frames of one sign say little about the class.
        rows = usable[usable["label"] == name]
        rows = rows.iloc[random.permutation(len(rows))].drop_duplicates("group").head(count)
        # Copies: the file gets shorter while the page is written.
        samples[name] = [
            Sample(pixels=np.array(array[row]), name=Path(path).name)
            for row, path in zip(rows.index.to_numpy(), rows["path"], strict=True)
        ]
    return samples


def _flagged(
    table: pd.DataFrame, flagged: pd.DataFrame, array: NDArray[np.uint8]
) -> list[FlaggedGroup]:
    every = flagged.groupby("reason", sort=False).head(SHOWN)
    wanted = {*every["path"], *every["other"]}
    row_of = {path: row for row, path in enumerate(table["path"]) if path in wanted}
    groups = []
    for reason, rows in flagged.groupby("reason", sort=False):
        shown = rows.head(SHOWN)
        pictures = [
            FlaggedPicture(
                pixels=[np.array(array[row_of[name]]) for name in (path, other) if name],
                path=path,
                detail=detail,
            )
            for path, detail, other in zip(
                shown["path"], shown["detail"], shown["other"], strict=True
            )
        ]
        groups.append(FlaggedGroup(reason=str(reason), count=len(rows), shown=pictures))
    return groups
