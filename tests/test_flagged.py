"""Pictures that are worth a look: each with the reason, none without."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from signwise.data.flagged import COLUMNS, find_flagged
from signwise.data.scan import Scan, scan


def photo(seed: int, size: tuple[int, int] = (80, 80)) -> Image.Image:
    small = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.NEAREST)


def rows_of(found: pd.DataFrame, *names: str) -> list[tuple[str, ...]]:
    return [tuple(row) for row in found[list(names)].itertuples(index=False)]


def reasons(root: Path) -> dict[str, str]:
    found = find_flagged(scan(root))
    return dict(zip(found["path"], found["reason"], strict=True))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed, name in enumerate(("a/1.png", "a/2.png", "b/3.png", "b/4.png")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        photo(seed).save(tmp_path / name)
    return tmp_path


def test_good_pictures_are_not_flagged(folder: Path) -> None:
    found = find_flagged(scan(folder))
    assert found.empty
    assert tuple(found.columns) == COLUMNS


def test_poor_pictures_are_named(folder: Path) -> None:
    ImageEnhance.Brightness(photo(9)).enhance(0.08).save(folder / "a" / "dark.png")
    photo(10).filter(ImageFilter.GaussianBlur(6)).save(folder / "a" / "blurred.png")
    photo(11, (12, 12)).save(folder / "a" / "tiny.png")
    photo(12, (200, 40)).save(folder / "a" / "wide.png")
    Image.new("RGB", (50, 50), (90, 90, 90)).save(folder / "a" / "flat.png")
    found = find_flagged(scan(folder))
    named = set(rows_of(found, "path", "reason"))
    assert {
        ("a/dark.png", "very dark"),
        ("a/blurred.png", "blurred"),
        ("a/tiny.png", "tiny"),
        ("a/wide.png", "oddly shaped"),
        ("a/flat.png", "little contrast"),
    } <= named
    assert not {"a/1.png", "a/2.png", "b/3.png", "b/4.png"} & set(found["path"])


def looks_scan(looks: list[tuple[float, float, float, int, int, str]]) -> Scan:
    """A scan of pictures by brightness, contrast, sharpness, width, height and problem."""
    count = len(looks)
    table = pd.DataFrame(
        {
            "path": [f"a/{number}" for number in range(count)],
            "label": ["a"] * count,
            "group": [f"g{number}" for number in range(count)],
            "problem": [row[5] for row in looks],
            "sha256": [f"{number:03}" for number in range(count)],
            "width": pd.array([row[3] or None for row in looks], dtype="Int64"),
            "height": pd.array([row[4] or None for row in looks], dtype="Int64"),
        }
    )
    measured = [row[:3] for row in looks]
    return Scan(
        root=Path("/"),
        table=table,
        looks=pd.DataFrame(measured, columns=["brightness", "contrast", "sharpness"]),
        pairs=np.empty((0, 2), np.intp),
        classes=("a",),
        grouping="track",
        split_given=False,
        skipped=Counter(),
        warnings=[],
    )


def test_limits_of_poor_pictures_and_their_order() -> None:
    good = (0.5, 0.2, 0.4, 40, 40, "")
    found = find_flagged(
        looks_scan(
            [
                good,
                (0.06, 0.025, 0.2, 16, 48, ""),  # at every limit, beyond none
                (0.05, 0.2, 0.4, 40, 40, ""),
                (0.04, 0.2, 0.4, 40, 40, ""),
                (0.5, 0.02, 0.4, 40, 40, ""),
                (0.5, 0.2, 0.19, 40, 40, ""),
                (0.5, 0.2, 0.4, 15, 17, ""),
                (0.5, 0.2, 0.4, 17, 14, ""),
                (0.5, 0.2, 0.4, 20, 61, ""),
                (0.5, 0.2, 0.4, 90, 20, ""),
                (0.0, 0.0, 0.0, 0, 0, "truncated"),
            ]
        )
    )
    # The worst first.
    assert rows_of(found, "path", "label", "reason", "detail", "other") == [
        ("a/3", "a", "very dark", "mean grey 0.040, below 0.06", ""),
        ("a/2", "a", "very dark", "mean grey 0.050, below 0.06", ""),
        ("a/4", "a", "little contrast", "deviation 0.020, below 0.025", ""),
        ("a/5", "a", "blurred", "steepest edge 0.19, below 0.2", ""),
        ("a/7", "a", "tiny", "shorter side 14 pixels, below 16", ""),
        ("a/6", "a", "tiny", "shorter side 15 pixels, below 16", ""),
        ("a/9", "a", "oddly shaped", "one side 4.5 times the other, above 3", ""),
        ("a/8", "a", "oddly shaped", "one side 3.0 times the other, above 3", ""),
    ]


def test_duplicates(folder: Path) -> None:
    photo(0).save(folder / "a" / "copy.png")
    photo(1).resize((60, 60)).save(folder / "a" / "smaller.jpg", quality=80)
    photo(2).save(folder / "a" / "conflict.png")
    photo(3).save(folder / "a" / "other.jpg", quality=80)
    conflict = "conflict: the same picture is labelled"
    found = rows_of(find_flagged(scan(folder)), *COLUMNS)
    assert found[:3] == [
        ("a/conflict.png", "a", "two labels", f"{conflict} b as b/3.png", "b/3.png"),
        ("b/3.png", "b", "two labels", f"{conflict} a as a/conflict.png", "a/conflict.png"),
        ("a/copy.png", "a", "exact duplicate", "same bytes as a/1.png", "a/1.png"),
    ]
    assert set(found[3:]) == {
        ("a/smaller.jpg", "a", "near duplicate", "looks like a/2.png (a)", "a/2.png"),
        ("a/other.jpg", "a", "alike under another label", "looks like b/4.png (b)", "b/4.png"),
        ("b/4.png", "b", "alike under another label", "looks like a/other.jpg (a)", "a/other.jpg"),
    }


def test_pictures_of_several_labels_come_together(folder: Path) -> None:
    (folder / "c").mkdir()
    for seed, names in (
        (0, ("b/1.png", "c/1.png")),
        (1, ("b/2.png",)),
        (2, ("c/3.png",)),
        (3, ("c/4.png",)),
    ):
        for name in names:
            photo(seed).save(folder / name)
    assert rows_of(find_flagged(scan(folder)), "path", "other") == [
        ("a/1.png", "b/1.png"),
        ("b/1.png", "a/1.png"),
        ("c/1.png", "a/1.png"),
        ("a/2.png", "b/2.png"),
        ("b/2.png", "a/2.png"),
        ("b/3.png", "c/3.png"),
        ("c/3.png", "b/3.png"),
        ("b/4.png", "c/4.png"),
        ("c/4.png", "b/4.png"),
    ]


def test_copies_of_a_copy_are_compared_with_the_first(folder: Path) -> None:
    for name in ("a/copy.png", "a/more.png", "a/0.png"):
        photo(0).save(folder / name)
    found = find_flagged(scan(folder))
    assert rows_of(found, "path", "reason", "other") == [
        ("a/1.png", "exact duplicate", "a/0.png"),
        ("a/copy.png", "exact duplicate", "a/0.png"),
        ("a/more.png", "exact duplicate", "a/0.png"),
    ]


def test_each_near_duplicate_is_named_once(folder: Path) -> None:
    for size in (60, 64, 70):
        photo(0).resize((size, size)).save(folder / "a" / f"1-{size}.png")
        photo(3).resize((size, size)).save(folder / "b" / f"4-{size}.png")
    photo(3).resize((75, 75)).save(folder / "a" / "5.png")
    found = find_flagged(scan(folder))
    # The first by its path is not named.
    assert sorted(rows_of(found, "path", "reason")) == [
        ("a/1-64.png", "near duplicate"),
        ("a/1-70.png", "near duplicate"),
        ("a/1.png", "near duplicate"),
        ("a/5.png", "alike under another label"),
        ("b/4-60.png", "alike under another label"),
        ("b/4-64.png", "alike under another label"),
        ("b/4-64.png", "near duplicate"),
        ("b/4-70.png", "alike under another label"),
        ("b/4-70.png", "near duplicate"),
        ("b/4.png", "alike under another label"),
        ("b/4.png", "near duplicate"),
    ]


def test_frames_of_one_track_are_not_flagged(folder: Path) -> None:
    for path in list(folder.rglob("*.png")):
        path.rename(path.with_name(f"0000{path.stem}_00000.png"))
    photo(0).resize((60, 60)).save(folder / "a" / "00001_00001.png")
    assert reasons(folder) == {}
    photo(1).resize((60, 60)).save(folder / "a" / "00009_00000.png")
    assert reasons(folder) == {"a/00009_00000.png": "near duplicate"}
