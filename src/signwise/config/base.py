"""What every configuration can do: check its values, read JSON, write JSON.

A configuration is a frozen dataclass whose docstrings under the fields are its help. What a field
may be is its type: `Share` is a number of at least 0 and at most 1. Nested parts are configurations
too; in JSON they are objects, or dotted names: {"augmentation": {"noise": 0.1}} or
{"augmentation.noise": 0.1}.
"""

import dataclasses
import math
import operator
import os
import reprlib
import types
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar, Union, get_args, get_origin, get_type_hints

from msgspec import Meta

from signwise.config.meant import meant
from signwise.errors import SignwiseError
from signwise.files import Json
from signwise.opening import read_json

MAX_IMAGE_SIZE = 1024
LONGEST_VALUE = 80
"""Letters of a wrong value that an error shows."""
MAX_SEED = 2**32 - 1
MOST = 2**63 - 1
"""The largest whole number that NumPy and PyTorch count with."""

ORDERED = "ordered"
"""Marks several values of which the first is the least and the last the largest."""

T = TypeVar("T")
C = TypeVar("C", bound="Config")

BOUNDS = {
    "at least": ("ge", operator.ge),
    "above": ("gt", operator.gt),
    "at most": ("le", operator.le),
    "below": ("lt", operator.lt),
}
"""What the bounds of msgspec's `Meta` are called, and what they mean."""

Count = Annotated[int, Meta(ge=1)]
CountFrom0 = Annotated[int, Meta(ge=0)]
Amount = Annotated[float, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
ShareBelow1 = Annotated[float, Meta(ge=0, lt=1)]
ShareAbove0 = Annotated[float, Meta(gt=0, le=1)]
ImageSize = Annotated[int, Meta(ge=1, le=MAX_IMAGE_SIZE)]
Seed = Annotated[int, Meta(ge=0, le=MAX_SEED)]
Range = Annotated[tuple[T, T], ORDERED]
"""The least and the largest value."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """What every configuration can do: check its types, read JSON, write JSON."""

    _part = ""
    """How the names of its settings begin, where it is a part of another configuration."""

    def __post_init__(self) -> None:
        """Bring every field into its own type; raises SignwiseError for what it does not take."""
        hints = get_type_hints(type(self), include_extras=True)
        for each in dataclasses.fields(self):
            name, value = self._part + each.name, getattr(self, each.name)
            object.__setattr__(self, each.name, _read(name, hints[each.name], value))

    @classmethod
    def from_json(cls, content: Mapping[str, Json]) -> Self:
        """Read the fields from JSON; raises SignwiseError on one that is unknown or wrong.

        Names with dots reach into nested parts; what is not named keeps its default.
        """
        try:
            return _from_mapping(cls, _nested(content), "")
        except SignwiseError as error:
            raise SignwiseError(f"`config`: {error}") from None
        except RecursionError:
            raise SignwiseError("`config`: it is nested too deep") from None

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read a JSON file of settings, or a run's config.json."""
        content = read_json(path)
        if isinstance(content, dict) and "settings" in content:
            content = content["settings"]
        if not isinstance(content, dict):
            raise SignwiseError(f"`config` {path}: a JSON object of settings is wanted")
        return cls.from_json(content)

    def to_json(self) -> dict[str, Json]:
        """The fields in JSON's types, so that `from_json` gives an equal configuration."""
        return {each.name: _plain(getattr(self, each.name)) for each in dataclasses.fields(self)}


def check(condition: bool, name: str, wanted: str) -> None:
    """Raise SignwiseError that names the setting where the condition does not hold."""
    if not condition:
        raise SignwiseError(f"`{name}` must be {wanted}")


def _plain(value: object) -> Json:
    if isinstance(value, Config):
        return value.to_json()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    assert value is None or isinstance(value, str | int | float | bool)
    return value


def _nested(content: Mapping[str, Json]) -> dict[str, Json]:
    """The content with dotted names unfolded into nested objects."""
    unfolded: dict[str, Json] = {}
    for name, value in content.items():
        head, dot, rest = name.partition(".")
        if dot:
            value = {rest: value}
        if isinstance(value, dict):
            before = unfolded.get(head)
            value = _nested((before if isinstance(before, dict) else {}) | value)
        unfolded[head] = value
    return unfolded


def _from_mapping(kind: type[C], content: Mapping[str, Json], prefix: str) -> C:
    hints = get_type_hints(kind)
    values: dict[str, object] = {}
    for name, value in content.items():
        if name not in hints:
            names = ", ".join(prefix + each for each in hints)
            raise SignwiseError(
                f"no setting {_short(prefix + name)}{meant(name, hints)}; there are {names}"
            )
        hint = hints[name]
        if isinstance(hint, type) and issubclass(hint, Config):
            if not isinstance(value, dict):
                raise SignwiseError(f"`{prefix}{name}` must be a JSON object, not {_short(value)}")
            values[name] = _from_mapping(hint, value, f"{prefix}{name}.")
        else:
            values[name] = value
    return kind(**values)


def _read(name: str, hint: object, value: object) -> object:
    """The value in the field's type, as JSON or a caller may give it; raises SignwiseError."""
    kind, options = get_origin(hint), get_args(hint)
    if kind is Annotated:
        bare, *rules = options
        value = _read(name, bare, value)
        for rule in rules:
            _check_rule(name, rule, value)
        return value
    if kind in (types.UnionType, Union):
        hint = next(option for option in options if option is not type(None))
        return None if value is None else _read(name, hint, value)
    if kind is Literal:
        if value in options:
            return value
        close = meant(value, options) if isinstance(value, str) else ""
        wanted = ", ".join(options)
        raise SignwiseError(f"`{name}` must be one of {wanted}, not {_short(value)}{close}")
    if kind is tuple and isinstance(value, list | tuple):
        if options[-1] is Ellipsis:
            options = (options[0],) * len(value)
        if len(value) != len(options):
            raise SignwiseError(f"`{name}` must be {len(options)} values, not {_short(value)}")
        return tuple(_read(name, option, item) for option, item in zip(options, value, strict=True))
    if isinstance(hint, type) and issubclass(hint, Config) and isinstance(value, hint):
        return value
    if hint in (Path, str) and isinstance(value, str | os.PathLike):
        return Path(value) if hint is Path else os.fspath(value)
    if hint is bool and isinstance(value, bool):
        return value
    # NumPy's numbers are such, too.
    if hint is int and isinstance(value, Integral) and not isinstance(value, bool):
        whole = int(value)
        if abs(whole) > MOST:
            raise SignwiseError(f"`{name}` must be within {-MOST} to {MOST}, not {_short(value)}")
        return whole
    if hint is float and isinstance(value, Real) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise SignwiseError(f"`{name}` must be smaller than {_short(value)}") from None
    words = {int: "a whole number", float: "a number", bool: "true or false"}
    wanted = words.get(hint, "text") if isinstance(hint, type) else "a list"
    raise SignwiseError(f"`{name}` must be {wanted}, not {_short(value)}")


def _short(value: object) -> str:
    """What a person needs to find the value."""
    text = reprlib.repr(value)
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "..."


def _check_rule(name: str, rule: object, value: object) -> None:
    """What a field's type says beside its kind; numbers with bounds are finite, too."""
    if isinstance(rule, Meta):
        assert isinstance(value, int | float)
        bounds = {words: getattr(rule, key) for words, (key, _) in BOUNDS.items()}
        given = {words: bound for words, bound in bounds.items() if bound is not None}
        wanted = " and ".join(f"{words} {bound}" for words, bound in given.items())
        if given.keys() == {"at least", "at most"}:
            wanted = f"between {rule.ge} and {rule.le}"
        holds = all(BOUNDS[words][1](value, bound) for words, bound in given.items())
        check(holds and math.isfinite(value), name, wanted)
    else:
        assert rule == ORDERED
        assert isinstance(value, tuple)
        check(value[0] <= value[-1], name, "the least and the largest, in order")


def dotted(content: Mapping[str, Json], prefix: str = "") -> dict[str, Json]:
    """Nested settings as one object of dotted names, as `from_json` takes them too."""
    flat: dict[str, Json] = {}
    for name, value in content.items():
        if isinstance(value, dict):
            flat |= dotted(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
