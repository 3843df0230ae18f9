"""Which names a class can have."""

import pytest

from signwise.names import wrong_class_name


@pytest.mark.parametrize(
    "name", ["stop", "Vorfahrt gewähren", "标志", "-1", "+", "=", "@", "3.5e-4", "a=b", "80 km/h"]
)
def test_names_that_a_class_can_have(name: str) -> None:
    assert wrong_class_name(name) is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "no letters"),
        (" ", "no letters"),
        ("\x1b[2Jstop", "can't be printed"),
        ("stop\n", "can't be printed"),
        ("\u202epots", "can't be printed"),
        ("\udcff", "can't be printed"),
        ("=1+1", "begins with =, as a formula"),
        ("=cmd|' /C calc'!A0", "begins with ="),
        ("@SUM(A1)", "begins with @"),
        ("+A1", "begins with +"),
        ("-A1", "begins with -"),
        ("Unknown ", "no class"),
    ],
)
def test_names_that_no_class_can_have(name: str, reason: str) -> None:
    assert reason in str(wrong_class_name(name))
