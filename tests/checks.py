"""What several tests ask of a value."""

from typing import TypeVar

T = TypeVar("T")


def some(value: T | None) -> T:
    """The value, which must be there."""
    assert value is not None
    return value
