"""What every configuration can do: check its values, read JSON, write JSON.

A configuration is a frozen dataclass whose docstrings under the fields are its help. Nested parts
are configurations too; in JSON they are objects, or dotted names: {"augmentation": {"noise": 0.1}}
or {"augmentation.noise": 0.1}.
"""

import dataclasses
import math
import os
import types
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Literal, Self, TypeVar, get_args, get_origin, get_type_hints

from signwise.errors import SignwiseError
from signwise.files import Json, read_json

MAX_IMAGE_SIZE = 1024
MAX_SEED = 2**32 - 1

C = TypeVar("C", bound="Config")


@dataclass(frozen=True, kw_only=True)
class Config:
    """What every configuration can do: check its types, read JSON, write JSON."""

    _part = ""
    """How the names of its settings begin, where it is a part of another configuration."""

    def __post_init__(self) -> None:
        """Bring every field into its own type; raises SignwiseError for a value of another."""
        hints = get_type_hints(type(self))
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


def check_range(
    name: str,
    value: float | tuple[float, ...],
    low: float,
    high: float = math.inf,
    *,
    ordered: bool = True,
) -> None:
    """A finite number within the bounds, or several of which the first is the least."""
    values = value if isinstance(value, tuple) else (value,)
    wanted = f"at least {low}" if high == math.inf else f"between {low} and {high}"
    check(all(low <= each <= high and math.isfinite(each) for each in values), name, wanted)
    check(not ordered or values[0] <= values[-1], name, "the least and the largest, in order")


def check_image_size(size: int) -> None:
    """A side in pixels that a picture can be cached and trained at."""
    check(1 <= size <= MAX_IMAGE_SIZE, "image_size", f"between 1 and {MAX_IMAGE_SIZE} pixels")


def check_seed(seed: int) -> None:
    """A seed that NumPy and torch both take."""
    check(0 <= seed <= MAX_SEED, "seed", f"between 0 and {MAX_SEED}")


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
            raise SignwiseError(f"no setting {prefix + name!r}; there are {names}")
        hint = hints[name]
        if isinstance(hint, type) and issubclass(hint, Config):
            if not isinstance(value, dict):
                raise SignwiseError(f"`{prefix}{name}` must be a JSON object, not {value!r}")
            values[name] = _from_mapping(hint, value, f"{prefix}{name}.")
        else:
            values[name] = value
    return kind(**values)


def _read(name: str, hint: object, value: object) -> object:
    """The value in the field's type, as JSON or a caller may give it; raises SignwiseError."""
    kind, options = get_origin(hint), get_args(hint)
    if kind is types.UnionType:
        hint = next(option for option in options if option is not type(None))
        return None if value is None else _read(name, hint, value)
    if kind is Literal:
        if value in options:
            return value
        raise SignwiseError(f"`{name}` must be one of {', '.join(options)}, not {value!r}")
    if kind is tuple and isinstance(value, list | tuple):
        if options[-1] is Ellipsis:
            options = (options[0],) * len(value)
        if len(value) != len(options):
            raise SignwiseError(f"`{name}` must be {len(options)} values, not {value!r}")
        return tuple(_read(name, option, item) for option, item in zip(options, value, strict=True))
    if isinstance(hint, type) and issubclass(hint, Config) and isinstance(value, hint):
        return value
    if hint in (Path, str) and isinstance(value, str | os.PathLike):
        return Path(value) if hint is Path else os.fspath(value)
    if hint is bool and isinstance(value, bool):
        return value
    # NumPy's numbers are such, too.
    if hint is int and isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    if hint is float and isinstance(value, Real) and not isinstance(value, bool):
        return float(value)
    words = {int: "a whole number", float: "a number", bool: "true or false"}
    wanted = words.get(hint, "text") if isinstance(hint, type) else "a list"
    raise SignwiseError(f"`{name}` must be {wanted}, not {value!r}")


def dotted(content: Mapping[str, Json], prefix: str = "") -> dict[str, Json]:
    """Nested settings as one object of dotted names, as `from_json` takes them too."""
    flat: dict[str, Json] = {}
    for name, value in content.items():
        if isinstance(value, dict):
            flat |= dotted(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
