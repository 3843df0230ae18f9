from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signwise.data.duplicates import leaders, near_pairs
from signwise.data.split import assign_splits, count_leaks, group_pictures
from signwise.errors import SignwiseError

SHARES = (0.7, 0.15, 0.15)
NO_PAIRS = np.empty((0, 2), np.intp)


def rows(*paths: str, sha256: list[str] | None = None, group: str = "") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "path": paths,
            "label": [path.split("/")[0] for path in paths],
            "within": [path.split("/", 1)[1] for path in paths],
            "group": group,
            "sha256": sha256 or [f"{number:03}" for number in range(len(paths))],
            "problem": "",
        },
        dtype=object,
    )


sizes = st.lists(st.lists(st.integers(1, 40), min_size=3, max_size=30), min_size=1, max_size=4)


@given(sizes, st.integers(0, 5))
@settings(deadline=None)
def test_a_split_keeps_groups_whole_and_classes_everywhere(
    classes: list[list[int]], seed: int
) -> None:
    pictures = [
        (f"c{kind}", f"c{kind}/g{number}")
        for kind, groups in enumerate(classes)
        for number, size in enumerate(groups)
        for _ in range(size)
    ]
    labels, groups = zip(*pictures, strict=True)
    splits = assign_splits(labels, groups, SHARES, seed)
    assert len(splits) == len(pictures)
    assert len(set(zip(groups, splits, strict=True))) == len(set(groups))
    for label in set(labels):
        assert {s for own, s in zip(labels, splits, strict=True) if own == label} == {
            "train",
            "val",
            "test",
        }
    order = np.random.default_rng(seed).permutation(len(pictures))
    again = assign_splits(
        [labels[index] for index in order], [groups[index] for index in order], SHARES, seed
    )
    assert again == [splits[index] for index in order]


@pytest.mark.parametrize("seed", range(20))
def test_shares_come_close_to_those_wanted(seed: int) -> None:
    # As many tracks of 30 frames as the two GTSRB classes have.
    labels = ["priority"] * 2100 + ["stop"] * 780
    groups = [f"{label}{number // 30}" for number, label in enumerate(labels)]
    splits = assign_splits(labels, groups, SHARES, seed)
    counts = Counter(splits)
    for split, share in zip(("train", "val", "test"), SHARES, strict=True):
        of_class = sum(
            label == "stop" and own == split for label, own in zip(labels, splits, strict=True)
        )
        assert abs(of_class / counts[split] - 780 / 2880) < 0.02
        assert abs(counts[split] / 2880 - share) < 0.02


def test_another_seed_is_another_split() -> None:
    labels = ["a"] * 60
    groups = [f"g{number // 2}" for number in range(60)]
    drawn = {tuple(assign_splits(labels, groups, SHARES, seed)) for seed in range(5)}
    assert len(drawn) == 5


def test_a_share_of_none_gets_none() -> None:
    splits = assign_splits(["a"] * 10, [str(n) for n in range(10)], (0.8, 0.0, 0.2), 0)
    assert Counter(splits) == {"train": 8, "test": 2}


def test_groups_across_classes_stay_whole() -> None:
    labels = ["a", "b"] * 30
    groups = [f"scene{number // 4}" for number in range(60)]
    splits = assign_splits(labels, groups, SHARES, 0)
    assert len(set(zip(groups, splits, strict=True))) == 15
    assert set(splits) == {"train", "val", "test"}


def test_tracks_are_recognised_within_the_class() -> None:
    table = rows(
        "a/00000_00000.png", "a/00000_00001.ppm", "b/x/00000_00002.png", "b/00001_00000.png"
    )
    assert group_pictures(table, NO_PAIRS, None) == ("track", [])
    assert list(table["group"]) == ["a/00000", "a/00000", "b/00000", "b/00001"]


def test_names_that_only_resemble_tracks_are_none() -> None:
    table = rows("a/2024_00001.png", "a/100000_00001.png", "a/00001_00002_copy.png")
    assert group_pictures(table, NO_PAIRS, None)[0] == "duplicates"
    assert table["group"].is_unique


def test_a_stray_name_among_tracks_claims_no_signs_and_breaks_no_track() -> None:
    table = rows("a/00000_00000.png", "a/00000_00001.png", "b/photo.png")
    grouping, warnings = group_pictures(table, NO_PAIRS, None)
    assert grouping == "duplicates"
    assert "1 of 3 pictures have no track" in warnings[0]
    assert list(table["group"]) == ["a/00000", "a/00000", "b/photo.png"]


def test_a_few_tracks_among_other_photos_stay_whole() -> None:
    table = rows("a/00000_00000.png", "a/00000_00001.png", "a/x.png", "a/y.png", "b/z.png")
    assert group_pictures(table, NO_PAIRS, None)[0] == "duplicates"
    assert list(table["group"]) == ["a/00000", "a/00000", "a/x.png", "a/y.png", "b/z.png"]


def test_pictures_without_a_track_are_grouped_by_likeness() -> None:
    frames = [f"a/00000_{frame:05d}.png" for frame in range(4)]
    table = rows(*frames, "a/1.png", "a/2.png", "a/3.png")
    # 1 and 2 are copies of each other, 3 is one of a frame.
    assert group_pictures(table, np.array([[4, 5], [1, 6]]), None)[0] == "duplicates"
    assert list(table["group"]) == ["a/00000"] * 4 + ["a/1.png"] * 2 + ["a/00000"]


def test_what_the_csv_leaves_empty_gets_the_next_grouping_that_applies() -> None:
    table = rows("a/1.png", "a/00007_00000.png", "a/00007_00001.png")
    table.loc[0, "group"] = "sign"
    assert group_pictures(table, NO_PAIRS, None) == ("csv", [])
    assert list(table["group"]) == ["sign", "a/00007", "a/00007"]
    table = rows("a/1.png", "a/x.png", "a/y.png")
    table.loc[0, "group"] = "sign"
    grouping, warnings = group_pictures(table, np.array([[1, 2]]), None)
    assert grouping == "duplicates", "the signs of two pictures are not known"
    assert "2 of 3 pictures have no group in the CSV" in warnings[0]
    assert table["group"][1] == table["group"][2] != "sign"


def test_regex_captures_within_the_class() -> None:
    table = rows("a/sign1-x.png", "a/sign1-y.png", "b/sign1-z.png")
    assert group_pictures(table, NO_PAIRS, r"sign(\d)")[0] == "regex"
    assert list(table["group"]) == ["a/1", "a/1", "b/1"]


@pytest.mark.parametrize(
    ("group", "message"),
    [("(", "no regular expression"), ("sign", "captures nothing"), (r"(\d)", "does not match a/x")],
)
def test_regex_errors_name_the_flag(group: str, message: str) -> None:
    with pytest.raises(SignwiseError, match=f"--group .*{message}"):
        group_pictures(rows("a/x.png"), NO_PAIRS, group)


def test_identical_pictures_of_a_class_join_their_tracks() -> None:
    names = ("a/00000_00000.png", "a/00001_00000.png", "a/00001_00001.png", "a/00002_00000.png")
    table = rows(*names, sha256=["x", "x", "y", "y"])
    group_pictures(table, NO_PAIRS, None)
    assert set(table["group"]) == {"a/00000"}


def test_near_duplicates_join_only_within_their_class() -> None:
    table = rows("a/1.png", "a/2.png", "b/3.png", "a/4.png")
    group_pictures(table, np.array([[0, 1], [1, 2], [0, 3]]), None)
    assert list(table["group"]) == ["a/1.png", "a/1.png", "b/3.png", "a/1.png"]


def test_near_duplicates_never_chain() -> None:
    chain = np.stack([np.arange(9), np.arange(1, 10)], axis=1)
    found = leaders(10, chain)
    assert np.abs(found - np.arange(10)).max() == 1


def test_unusable_rows_get_no_group() -> None:
    table = rows("a/00000_00000.png", "a/cut.png")
    table.loc[1, "problem"] = "truncated"
    assert group_pictures(table, NO_PAIRS, None)[0] == "track"
    assert list(table["group"]) == ["a/00000", ""]


def test_leaks_are_counted() -> None:
    table = pd.DataFrame({"group": ["a", "a", "b", "b"], "split": ["train", "test", "val", "val"]})
    assert count_leaks(table) == {"groups": 1, "pictures": 2}


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_planted_near_duplicates_are_found_among_many(seed: int) -> None:
    random = np.random.default_rng(seed)
    signatures = random.integers(0, 256, (400, 256)).astype(np.uint8)
    fingerprints = random.integers(0, 2**64, 400, dtype=np.uint64)
    one, two = 17, 311
    signatures[two] = signatures[one] // 2 + 20
    fingerprints[two] = fingerprints[one] ^ np.uint64(0b1001)
    np.testing.assert_array_equal(near_pairs(fingerprints, signatures), [[one, two]])


def test_flat_pictures_resemble_nothing() -> None:
    signatures = np.full((5, 256), 7, np.uint8)
    assert len(near_pairs(np.zeros(5, np.uint64), signatures)) == 0
