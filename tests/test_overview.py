"""What the report on a data set is given to show."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from signwise.config import PrepareConfig
from signwise.data import overview
from signwise.data.flagged import COLUMNS
from signwise.data.overview import data_overview
from signwise.data.scan import Scan
from signwise.data.split import Leaks
from signwise.report.data_page import DataPage

CLASSES = ("a", "b")
SPLITS = ("train", "val", "test")
GROUPS = 20
FRAMES = 3


@pytest.fixture
def found() -> Scan:
    """Of each class 20 groups of 3 frames; the very first picture can't be used."""
    rows = [
        (f"{label}/{group:02}_{frame}.png", label, f"{label}/{group}", SPLITS[group % 3], "")
        for label in CLASSES
        for group in range(GROUPS)
        for frame in range(FRAMES)
    ]
    table = pd.DataFrame(rows, columns=["path", "label", "group", "split", "problem"], dtype=object)
    table.loc[0, ["group", "split", "problem"]] = "", "", "truncated"
    return Scan(
        root=Path("/photos"),
        table=table,
        looks=pd.DataFrame(),
        pairs=np.empty((0, 2), np.intp),
        classes=CLASSES,
        grouping="regex",
        split_given=True,
        skipped=Counter(hidden=2),
        warnings=[],
    )


@pytest.fixture
def pixels(tmp_path: Path) -> Path:
    """Each picture is filled with the number of its row."""
    count = len(CLASSES) * GROUPS * FRAMES
    array = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 2, 2, 3))
    np.save(tmp_path / "pixels.npy", array)
    return tmp_path / "pixels.npy"


def page_of(
    found: Scan, pixels: Path, flagged: Sequence[tuple[str, ...]] = (), *, seed: int = 0
) -> DataPage:
    return data_overview(
        Path("/photos/signs"),
        found,
        pd.DataFrame(list(flagged), columns=list(COLUMNS), dtype=object),
        PrepareConfig(seed=seed),
        Leaks(groups=4, pictures=9),
        ["mind the gap"],
        pixels,
    )


def test_what_is_counted(found: Scan, pixels: Path) -> None:
    page = page_of(found, pixels, seed=5)
    assert page.name == "signs"
    assert page.usable == 119
    assert page.groups == 40
    assert [
        (each.name, dict(each.by_split), each.pictures, each.groups) for each in page.counts
    ] == [
        ("a", {"train": 20, "val": 21, "test": 18}, 59, 20),
        ("b", {"train": 21, "val": 21, "test": 18}, 60, 20),
    ]
    assert page.problems == [{"path": "a/00_0.png", "problem": "truncated"}]
    assert page.skipped == {"hidden": 2}
    assert page.leaking_groups == 4
    assert page.warnings == ["mind the gap"]
    assert (page.grouping, page.split_given, page.seed) == ("regex", True, 5)
    assert page.shares == (0.7, 0.15, 0.15)
    assert page.settings == PrepareConfig(seed=5).to_json()
    assert page.flagged == []
    assert page.flagged_pictures == 0


def test_samples_are_of_as_many_groups_as_there_are(found: Scan, pixels: Path) -> None:
    page = page_of(found, pixels)
    assert list(page.samples) == ["a", "b"]
    rows = {name: row for row, name in enumerate(Path(path).name for path in found.table["path"])}
    for label, samples in page.samples.items():
        assert len(samples) == overview.SAMPLES
        assert len({each.name.split("_")[0] for each in samples}) == overview.SAMPLES
        first = CLASSES.index(label) * GROUPS * FRAMES
        for each in samples:
            row = rows[each.name] % (GROUPS * FRAMES)
            np.testing.assert_array_equal(each.pixels, np.full((2, 2, 3), first + row))
    assert "00_0.png" not in {each.name for each in page.samples["a"]}


def test_samples_are_drawn_by_the_seed(found: Scan, pixels: Path) -> None:
    names = [
        [each.name for each in page_of(found, pixels, seed=seed).samples["b"]] for seed in (1, 1, 2)
    ]
    assert names[0] == names[1] != names[2]


def test_many_classes_have_fewer_samples_each(
    found: Scan, pixels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "SAMPLES_IN_ALL", 12)
    assert [len(rows) for rows in page_of(found, pixels).samples.values()] == [6, 6]
    monkeypatch.setattr(overview, "SAMPLES_IN_ALL", 1)
    assert [len(rows) for rows in page_of(found, pixels).samples.values()] == [4, 4]
    monkeypatch.setattr(overview, "SHOWN_CLASSES", 1)
    assert list(page_of(found, pixels).samples) == ["a"]


def test_a_class_without_a_usable_picture_has_no_sample(found: Scan, pixels: Path) -> None:
    page = page_of(replace(found, classes=("a", "b", "c")), pixels)
    assert list(page.samples["c"]) == []
    assert page.counts[2].pictures == page.counts[2].groups == 0


def test_flagged_pictures_stand_beside_what_they_resemble(
    found: Scan, pixels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "SHOWN", 2)
    flagged = [
        ("a/00_1.png", "a", "near duplicate", "looks like a/00_2.png (a)", "a/00_2.png"),
        ("b/00_0.png", "b", "blurred", "steepest edge 0.10", ""),
        ("b/00_1.png", "b", "blurred", "steepest edge 0.12", ""),
        ("a/00_1.png", "a", "blurred", "steepest edge 0.15", ""),
    ]
    page = page_of(found, pixels, flagged)
    assert page.flagged_pictures == 3
    duplicates, blurred = page.flagged
    assert (duplicates.reason, duplicates.count) == ("near duplicate", 1)
    (shown,) = duplicates.shown
    assert (shown.path, shown.detail) == ("a/00_1.png", "looks like a/00_2.png (a)")
    assert [picture[0, 0, 0] for picture in shown.pixels] == [1, 2]
    assert (blurred.reason, blurred.count) == ("blurred", 3)
    assert [each.path for each in blurred.shown] == ["b/00_0.png", "b/00_1.png"]
    assert [[picture[0, 0, 0] for picture in each.pixels] for each in blurred.shown] == [[60], [61]]
