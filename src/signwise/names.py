"""Which names a class can have, wherever they come from: a folder, a CSV, a model."""

UNKNOWN = "unknown"
"""The answer to a picture of no class, so no class can have that name."""
_FORMULA = ("=", "+", "-", "@")


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
