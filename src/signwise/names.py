"""Which names a class can have, wherever they come from: a folder, a CSV, a model."""

import re
import unicodedata
from collections.abc import Iterable

UNKNOWN = "unknown"
"""The answer to a picture of no class, so no class can have that name."""
_BLANKS = "\t \u00a0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_LOOK_ALIKES = str.maketrans(
    "аеорсухіјѕһԁԛԝАВЕКМНОРСТУХІЈЅΑΒΕΖΗΙΚΜΝΟΡΤΥΧορν",  # noqa: RUF001  (Cyrillic and Greek)
    "aeopcyxijshdqwABEKMHOPCTYXIJSABEZHIKMNOPTYXopv",
)
"""Letters that a keyboard in another alphabet gives, to those that they look like."""
_FORMULA = ("=", "+", "-", "@")


def class_name(name: str) -> str:
    """The name as it is compared and stored: accents composed, and nothing blank at its ends.

    Two names that look the same to the eye are the same then, whichever system they come from.
    """
    return unicodedata.normalize("NFC", name).strip(_BLANKS)


def nearly_the_same(names: Iterable[str]) -> list[tuple[str, ...]]:
    """The names that differ in nothing but case, width, blanks, hyphens and underscores.

    Nor does it count from which of the Latin, Greek and Cyrillic alphabets a letter is.
    """
    found: dict[str, list[str]] = {}
    for name in sorted(names):
        key = unicodedata.normalize("NFKC", name).translate(_LOOK_ALIKES).casefold()
        found.setdefault(re.sub(r"[\s_-]+", " ", key), []).append(name)
    return [tuple(same) for same in found.values() if len(same) > 1]


def strange_letter(name: str) -> str:
    """The first letter of the name that looks like a Latin one, by its name; empty without one."""
    found = (unicodedata.name(letter) for letter in name if ord(letter) in _LOOK_ALIKES)
    return next(found, "")


def wrong_class_name(name: str) -> str | None:
    """Why no class can be named so; None where it can.

    Names are printed on terminals, and stand in CSV files that people open as spreadsheets: there
    control characters and formulas from elsewhere would come to life.
    """
    if not name.strip():
        return "has no letters"
    if not name.isprintable():
        return "has letters that can't be printed"
    if name.strip().casefold() == UNKNOWN:
        return "is what pictures of no class are answered with"
    if len(name) > 1 and name.startswith(_FORMULA) and not _is_number(name):
        return f"begins with {name[0]}, as a formula of a spreadsheet does"
    return None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
