"""How many signs a split shows, and what is said of a test set of few."""

import pandas as pd

from signwise.data.signs import few_signs, group_counts, worth_of_test

ROWS = pd.DataFrame(
    [
        ("a", "a/1", "train"), ("a", "a/1", "train"), ("a", "a/2", "val"), ("a", "a/3", "test"),
        ("a", "a/3", "test"), ("b", "b/1", "train"), ("b", "b/2", "test"), ("b", "b/3", "test"),
    ],
    columns=["label", "group", "split"],
    dtype=object,
)  # fmt: skip


def test_groups_are_counted_by_split_and_class() -> None:
    assert group_counts(ROWS, ("a", "b", "c")) == {
        "train": {"a": 1, "b": 1, "c": 0}, "val": {"a": 1, "b": 0, "c": 0},
        "test": {"a": 1, "b": 2, "c": 0},
    }  # fmt: skip


def test_what_the_test_set_is_worth_goes_by_its_signs() -> None:
    assert worth_of_test(ROWS, "track").startswith("The test set shows 3 signs: even without")
    assert "43.9 to 100" in worth_of_test(ROWS, "regex")
    assert worth_of_test(ROWS, "duplicates") == ""
    assert worth_of_test(ROWS[ROWS["split"] == "train"], "track") == ""


def test_classes_with_one_sign_are_named() -> None:
    assert few_signs({"test": {"a": 2, "b": 0}}, "track") == []
    (one,) = few_signs(group_counts(ROWS, ("a", "b")), "track")
    assert one.startswith("the test set shows 1 sign of a: even if")
    (many,) = few_signs({"test": dict.fromkeys("abcdef", 1)}, "csv")
    assert many.startswith("the test set shows 1 group of a, b, c and 3 more each:")
    (alike,) = few_signs({"test": {"a": 1}}, "duplicates")
    assert alike.startswith("the test set shows 1 group of look-alike pictures of a:")
