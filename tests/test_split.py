"""Groups of pictures that belong together, and a split that keeps them so."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signwise.data.split import Leaks, _join_identical, assign_splits, count_leaks, group_pictures
from signwise.errors import SignwiseError

SHARES = (0.7, 0.15, 0.15)
NO_PAIRS = np.empty((0, 2), np.intp)


def rows(*paths: str, sha256: Sequence[str] | None = None, group: str = "") -> pd.DataFrame:
    """A table of usable pictures; their hashes ascend unless given."""
    content = {
        "path": paths,
        "label": [path.split("/")[0] for path in paths],
        "within": [path.split("/", 1)[1] for path in paths],
        "group": [group] * len(paths),
        "sha256": list(sha256) if sha256 else [f"{number:03}" for number in range(len(paths))],
        "problem": [""] * len(paths),
    }
    return pd.DataFrame(content, dtype=object)


def groups_of(
    table: pd.DataFrame, *pairs: tuple[int, int], pattern: str | None = None
) -> tuple[str, list[str], list[str]]:
    """The grouping, the groups and the warnings."""
    near = np.array(pairs, np.intp).reshape(-1, 2)
    grouping, warnings = group_pictures(table, near, pattern)
    return grouping, list(table["group"]), warnings


group_sizes = st.lists(st.integers(1, 40), min_size=3, max_size=30)


@given(st.lists(group_sizes, min_size=1, max_size=4), st.integers(0, 5))
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
        found = {split for own, split in zip(labels, splits, strict=True) if own == label}
        assert found == {"train", "val", "test"}


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=1, max_size=60),
    st.sampled_from([SHARES, (0.5, 0.0, 0.5), (1.0, 0.0, 0.0), (0.1, 0.1, 0.8)]),
    st.integers(0, 5),
)
@settings(deadline=None)
def test_groups_of_several_classes_stay_whole_in_any_order_of_pictures(
    pictures: list[tuple[int, int]], shares: tuple[float, float, float], seed: int
) -> None:
    labels = [f"c{kind}" for kind, _ in pictures]
    groups = [f"g{number}" for _, number in pictures]
    splits = assign_splits(labels, groups, shares, seed)
    assert len(set(zip(groups, splits, strict=True))) == len(set(groups))
    wanted = {name for name, share in zip(("train", "val", "test"), shares, strict=True) if share}
    assert set(splits) <= wanted
    order = np.random.default_rng(seed).permutation(len(pictures))
    again = assign_splits(
        [labels[index] for index in order], [groups[index] for index in order], shares, seed
    )
    assert again == [splits[index] for index in order]


@pytest.mark.parametrize("seed", range(20))
def test_shares_come_close_to_those_wanted(seed: int) -> None:
    # As many tracks of 30 frames as the two GTSRB classes have.
    labels = ["priority"] * 2100 + ["stop"] * 780
    groups = [f"{label}{number // 30}" for number, label in enumerate(labels)]
    splits = assign_splits(labels, groups, SHARES, seed)
    counts = Counter(zip(labels, splits, strict=True))
    for split, share in zip(("train", "val", "test"), SHARES, strict=True):
        for label, total in (("priority", 2100), ("stop", 780)):
            assert abs(counts[label, split] - share * total) <= 30


def test_large_groups_go_where_there_is_room() -> None:
    """Drawn by lot alone, one group of half of the pictures would land in test now and then."""
    labels = ["a"] * 64
    groups = ["large"] * 32 + [f"g{number}" for number in range(32)]
    for seed in range(20):
        splits = assign_splits(labels, groups, SHARES, seed)
        assert splits[0] == "train"
        assert splits.count("val") in (9, 10)
        assert splits.count("test") in (9, 10)


def test_another_seed_is_another_split() -> None:
    labels = ["a"] * 60
    groups = [f"g{number // 2}" for number in range(60)]
    drawn = {tuple(assign_splits(labels, groups, SHARES, seed)) for seed in range(5)}
    assert len(drawn) == 5


def test_a_share_of_none_gets_none() -> None:
    splits = assign_splits(["a"] * 10, [str(n) for n in range(10)], (0.8, 0.0, 0.2), 0)
    assert Counter(splits) == {"train": 8, "test": 2}


@pytest.mark.parametrize("seed", range(5))
def test_a_split_without_the_class_gets_the_smallest_group_of_the_richest(seed: int) -> None:
    sizes = {"huge": 100, "large": 50, "middling": 20, "small": 1}
    groups = [name for name, size in sizes.items() for _ in range(size)]
    splits = assign_splits(["a"] * len(groups), groups, (0.98, 0.01, 0.01), seed)
    assert dict(zip(groups, splits, strict=True)) == {
        "huge": "train", "large": "train", "middling": "test", "small": "val",
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(8))
def test_each_class_gets_its_shares_though_groups_hold_several(seed: int) -> None:
    random = np.random.default_rng(seed)
    pictures = [
        (label, f"scene{scene}")
        for scene in range(60)
        for label, most in (("common", 20), ("rare", 2))
        for _ in range(random.integers(0, most + 1))
    ]
    labels, groups = zip(*pictures, strict=True)
    splits = assign_splits(labels, groups, SHARES, seed)
    counts = Counter(zip(labels, splits, strict=True))
    for label, tolerance in (("common", 0.08), ("rare", 0.03)):
        for split, share in zip(("train", "val", "test"), SHARES, strict=True):
            assert abs(counts[label, split] / labels.count(label) - share) < tolerance


def test_a_picture_of_a_rare_class_weighs_as_its_share_of_that_class() -> None:
    content = {"huge": (300, 1), "large": (110, 20), "small": (60, 20)}
    pictures = [
        (label, name)
        for name, counts in content.items()
        for label, count in zip(("common", "rare"), counts, strict=True)
        for _ in range(count)
    ]
    labels, groups = zip(*pictures, strict=True)
    splits = assign_splits(labels, groups, (0.5, 0, 0.5), 0)
    # Its 60 common pictures lack in test, but 20 of 41 rare ones in train.
    assert dict(zip(groups, splits, strict=True)) == {
        "huge": "train", "large": "test", "small": "train",
    }  # fmt: skip


def test_a_class_of_few_groups_is_trained_on_first() -> None:
    assert assign_splits(["a"] * 3, ["one"] * 3, SHARES, 0) == ["train"] * 3
    two = assign_splits(["a"] * 3, ["one", "one", "two"], SHARES, 0)
    assert two == ["train", "train", "val"]


def test_groups_across_classes_stay_whole() -> None:
    labels = ["a", "b"] * 30
    groups = [f"scene{number // 4}" for number in range(60)]
    splits = assign_splits(labels, groups, SHARES, 0)
    assert len(set(zip(groups, splits, strict=True))) == 15
    assert Counter(splits) == {"train": 44, "val": 8, "test": 8}


def test_tracks_are_recognised_within_the_class() -> None:
    table = rows(
        "a/00000_00000.png", "a/00000_00001.ppm", "b/x/00000_00002.png", "b/00001_00000.png"
    )
    assert groups_of(table) == ("track", ["a/00000", "a/00000", "b/00000", "b/00001"], [])


@pytest.mark.parametrize(
    "name", ["2024_00001.png", "100000_00001.png", "00001_00002_copy.png", "00001_00002", "x.png"]
)
def test_names_that_only_resemble_tracks_are_none(name: str) -> None:
    assert groups_of(rows(f"a/{name}")) == ("duplicates", [f"a/{name}"], [])


def test_a_stray_name_among_tracks_claims_no_signs_and_breaks_no_track() -> None:
    table = rows("a/00000_00000.png", "a/00000_00001.png", "b/photo.png")
    warning = (
        "1 of 3 pictures have no track (TTTTT_FFFFF) in their file name: "
        "they are grouped by likeness"
    )
    assert groups_of(table) == ("duplicates", ["a/00000", "a/00000", "b/photo.png"], [warning])


def test_pictures_without_a_track_are_grouped_by_likeness() -> None:
    frames = [f"a/00000_{frame:05d}.png" for frame in range(4)]
    table = rows(*frames, "a/1.png", "a/2.png", "a/3.png")
    # 1 and 2 are copies of each other, 3 is one of a frame.
    grouping, groups, _ = groups_of(table, (4, 5), (1, 6))
    assert grouping == "duplicates"
    assert groups == ["a/00000"] * 4 + ["a/1.png"] * 2 + ["a/00000"]


@pytest.mark.parametrize("hashes", ["xyz", "zyx", "yzx", "yxz"])
def test_a_near_duplicate_of_a_known_sign_goes_with_it_whoever_leads(hashes: str) -> None:
    table = rows("a/copy.png", "a/00003_00000.png", "a/00003_00001.png", sha256=hashes)
    assert groups_of(table, (0, 1))[1] == ["a/00003"] * 3
    assert groups_of(table, (0, 1), (1, 2))[1] == ["a/00003"] * 3


def test_of_two_signs_that_a_picture_is_like_it_goes_with_the_first_by_content() -> None:
    names = ("a/copy.png", "a/00003_00000.png", "a/00004_00000.png")
    assert groups_of(rows(*names, sha256="zyx"), (0, 1), (0, 2))[1][0] == "a/00004"
    assert groups_of(rows(*names, sha256="zxy"), (0, 1), (0, 2))[1][0] == "a/00003"


def test_what_the_csv_leaves_empty_gets_the_next_grouping_that_applies() -> None:
    table = rows("a/1.png", "a/00007_00000.png", "a/00007_00001.png")
    table.loc[0, "group"] = "sign"
    assert groups_of(table) == ("csv", ["sign", "a/00007", "a/00007"], [])
    table = rows("a/1.png", "a/7-1.png", "a/7-2.png")
    table.loc[0, "group"] = "sign"
    assert groups_of(table, pattern=r"(\d+)") == ("csv", ["sign", "a/7", "a/7"], [])
    table = rows("a/1.png", "a/x.png", "a/y.png", "a/z.png")
    table.loc[0, "group"] = "sign"
    warning = "3 of 4 pictures have no group in the CSV: they are grouped by likeness"
    # The signs of three pictures are not known, though one of them looks like the sign.
    groups = ["sign", "a/x.png", "a/x.png", "sign"]
    assert groups_of(table, (1, 2), (0, 3)) == ("duplicates", groups, [warning])


def test_regex_captures_within_the_class() -> None:
    table = rows("a/sign1-x.png", "a/sign1-y.png", "b/sign1-z.png", "b/00001_00002.sign7.png")
    assert groups_of(table, pattern=r"sign(\d)") == ("regex", ["a/1", "a/1", "b/1", "b/7"], [])


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(", "is no regular expression"),
        ("sign", "captures nothing"),
        (r"(\d)", "does not match a/x"),
        ("y(.)|x", "does not match a/x"),
    ],
)
def test_regex_errors_name_the_argument(pattern: str, message: str) -> None:
    with pytest.raises(SignwiseError, match=f"`group` .* {message}"):
        group_pictures(rows("a/x.png"), NO_PAIRS, pattern)


def test_identical_pictures_of_a_class_join_their_tracks() -> None:
    names = ("a/00000_00000.png", "a/00001_00000.png", "a/00001_00001.png", "a/00002_00000.png")
    assert groups_of(rows(*names, sha256="xxyy"))[1] == ["a/00000"] * 4
    # Whatever their order: the first name stands for all.
    assert groups_of(rows(*names[::-1], sha256="yyxx"))[1] == ["a/00000"] * 4


def test_thousands_of_copies_in_groups_of_their_own_are_one_group() -> None:
    count = 8000
    names = [f"g{count - number:06}" for number in range(count)]  # the worst order: a long chain
    rows = pd.DataFrame({"label": ["a"] * count, "sha256": ["x"] * count})
    assert set(_join_identical(names, rows)) == {"g000001"}


def test_identical_pictures_of_two_classes_join_nothing() -> None:
    table = rows("a/00000_00000.png", "b/00000_00000.png", sha256="xx")
    assert groups_of(table)[1] == ["a/00000", "b/00000"]


def test_near_duplicates_join_only_within_their_class() -> None:
    table = rows("a/1.png", "a/2.png", "b/3.png", "a/4.png")
    groups = ["a/1.png", "a/1.png", "b/3.png", "a/1.png"]
    assert groups_of(table, (0, 1), (1, 2), (0, 3)) == ("duplicates", groups, [])
    assert groups_of(rows("a/1.png", "b/2.png"), (0, 1))[1] == ["a/1.png", "b/2.png"]


def test_the_picture_that_leads_is_chosen_by_content() -> None:
    table = rows("a/1.png", "a/2.png", "a/3.png", sha256="zxy")
    # 2 leads, being the first by its hash, whatever the files are called; 1 is like 3 alone.
    assert groups_of(table, (0, 2), (1, 2))[1] == ["a/1.png", "a/2.png", "a/2.png"]


def test_pictures_of_one_name_in_two_folders_are_two_groups() -> None:
    table = rows("a/1.png", "a/1.png", "a/2.png")
    table["path"] = ["train/a/1.png", "test/a/1.png", "train/a/2.png"]
    groups = ["train/a/1.png", "test/a/1.png", "a/2.png"]
    assert groups_of(table) == ("duplicates", groups, [])


def test_unusable_rows_get_no_group() -> None:
    table = rows("a/cut.png", "a/00000_00000.png", "a/x.png", "a/y.png", group="")
    table.loc[0, ["problem", "group", "sha256"]] = "truncated", "given", ""
    # Pairs number the rows of the whole table.
    assert groups_of(table, (1, 2))[:2] == ("duplicates", ["", "a/00000", "a/00000", "a/y.png"])


def test_leaks_are_counted() -> None:
    table = pd.DataFrame(
        {
            "group": ["a", "a", "b", "b", "b", "c"],
            "split": ["val", "val", "train", "test", "test", "test"],
        }
    )
    assert count_leaks(table) == Leaks(groups=1, pictures=3)
    assert count_leaks(table[:1]) == Leaks(groups=0, pictures=0)
