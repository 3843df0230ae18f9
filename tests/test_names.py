"""Names of classes: what is one name, and which can be none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signwise.names import class_name, nearly_the_same, strange_letter, wrong_class_name


@given(st.text())
def test_a_name_is_made_one_of_once(text: str) -> None:
    assert class_name(class_name(text)) == class_name(text)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vorfa\u0308hrt", "vorf\u00e4hrt"),
        (" red\t", "red"),
        ("\u00a0stop sign\u3000", "stop sign"),
        ("stop\n", "stop\n"),
        ("Stop", "Stop"),
    ],
)
def test_one_name_for_what_looks_the_same(name: str, expected: str) -> None:
    assert class_name(name) == expected


def test_control_characters_are_refused() -> None:
    for name in ("stop\n", "a\x1b[31m", "red\u200b", "\u202egnp", "a\ufeff", "\udce9", " "):
        assert wrong_class_name(class_name(name)) is not None
    for name in ("stop", "道路", "120", "-1", "vorf\u00e4hrt", "a, b"):
        assert wrong_class_name(class_name(name)) is None


def test_names_that_nearly_are_one() -> None:
    assert nearly_the_same(["Stop", "go", "stop", "STOP"]) == [("STOP", "Stop", "stop")]
    assert nearly_the_same(["a-b", "a b", "a__b", "ab", "\uff41b"]) == [
        ("a b", "a-b", "a__b"),
        ("ab", "\uff41b"),
    ]
    assert nearly_the_same(["10", "1-0", "stra\u00dfe", "straBe"]) == []


def test_letters_of_other_alphabets_look_the_same() -> None:
    assert nearly_the_same(["stop", "st\u043ep"]) == [("stop", "st\u043ep")]
    assert nearly_the_same(["cop", "\u0441\u043e\u0440"]) == [("cop", "\u0441\u043e\u0440")]
    assert nearly_the_same(["\u0392\u0391\u03a4", "bat"]) == [("bat", "\u0392\u0391\u03a4")]
    assert nearly_the_same(["стоп", "\u03b2", "\u03bcm", "b", "um"]) == []
    assert strange_letter("st\u043ep") == "CYRILLIC SMALL LETTER O"
    assert strange_letter("stop") == ""
