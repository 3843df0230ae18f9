"""What `tune` searches: for each setting, by dotted name, a span of numbers or choices."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from signwise.config import TrainConfig, dotted
from signwise.errors import SignwiseError, printable
from signwise.files import Json
from signwise.opening import read_json

if TYPE_CHECKING:
    from optuna import Trial


@dataclass(frozen=True, kw_only=True)
class Span:
    """Numbers from `low` to `high`; whole ones where both ends are whole."""

    low: int | float
    high: int | float
    log: bool = False
    """Whether what counts is the ratio of two numbers, and not their difference."""


@dataclass(frozen=True, kw_only=True)
class Choices:
    """Any values that JSON has, without an order."""

    choices: tuple[Json, ...]


Space: TypeAlias = Mapping[str, Span | Choices]

SPACE: Space = {
    "learning_rate": Span(low=0.005, high=0.08, log=True),
    "weight_decay": Span(low=1e-5, high=1e-2, log=True),
    "batch_size": Choices(choices=(32, 48, 96)),
    "label_smoothing": Span(low=0.0, high=0.1),
    "class_weights": Choices(choices=("auto", "none")),
    "optim.average_decay": Span(low=0.7, high=0.97),
    "augmentation.noise_share": Span(low=0.0, high=0.8),
    "augmentation.blur_share": Span(low=0.0, high=0.6),
    "augmentation.erase_share": Span(low=0.0, high=0.5),
    "augmentation.shift": Span(low=0.02, high=0.2),
}
"""What is searched unless told otherwise: what people turn first, around the defaults."""


OF_A_PROCESS = ("threads", "device", "time_limit")
"""Settings that each process of a study may have its own of: not to be searched."""


def read_space(path: Path | None, base: TrainConfig) -> Space:
    """The space in a JSON file, or `SPACE`; raises SignwiseError for what the config refuses."""
    if path is None:
        return SPACE
    content = read_json(path)
    if not isinstance(content, dict) or not content:
        raise SignwiseError(
            f'`space` {path}: a JSON object such as {{"momentum": {{"low": 0.8, "high": 0.99}}}} '
            "is wanted"
        )
    space = {name: _entry(path, printable(name), value) for name, value in content.items()}
    for name, entry in space.items():
        if name in OF_A_PROCESS:
            raise SignwiseError(f"`space` {path}: {name} is of the machine: it can't be searched")
        ends = (entry.low, entry.high) if isinstance(entry, Span) else entry.choices
        for value in ends:
            try:
                with_settings(base, {name: value})
            except SignwiseError as error:
                text = str(error).removeprefix("`config`: ")
                raise SignwiseError(f"`space` {path}: {text}") from None
    return space


def _entry(path: Path, name: str, value: Json) -> Span | Choices:
    entry: Span | Choices
    try:
        if isinstance(value, dict) and "choices" in value:
            entry = msgspec.convert(value, Choices)
        else:
            entry = msgspec.convert(value, Span)
    except msgspec.MsgspecError as error:
        raise SignwiseError(
            f"`space` {path}: {name}: {error}: give low and high, with log true if wanted, or"
            " choices"
        ) from None
    if isinstance(entry, Choices):
        if not entry.choices:
            raise SignwiseError(f"`space` {path}: {name} has no choices: give one or more")
    elif not entry.low < entry.high or (entry.log and entry.low <= 0):
        least = " above 0" if entry.log else ""
        raise SignwiseError(f"`space` {path}: {name} must have a low{least} that is below its high")
    return entry


def with_settings(base: TrainConfig, values: Mapping[str, Json]) -> TrainConfig:
    """The settings with some of them replaced, by dotted name; raises SignwiseError."""
    return TrainConfig.from_json(dotted(base.to_json()) | dict(values))


def suggest(trial: "Trial", space: Space) -> dict[str, Json]:
    """A value for each setting, as Optuna's sampler suggests it."""
    values: dict[str, Json] = {}
    for name, entry in space.items():
        if isinstance(entry, Choices):
            # As JSON text: Optuna's storage takes no lists.
            texts = [json.dumps(choice) for choice in entry.choices]
            values[name] = json.loads(trial.suggest_categorical(name, texts))
        elif isinstance(entry.low, int) and isinstance(entry.high, int):
            values[name] = trial.suggest_int(name, entry.low, entry.high, log=entry.log)
        else:
            values[name] = trial.suggest_float(name, entry.low, entry.high, log=entry.log)
    return values


def in_words(entry: Span | Choices) -> str:
    """An entry of the space as a person reads it."""
    if isinstance(entry, Choices):
        return ", ".join(
            choice if isinstance(choice, str) else json.dumps(choice) for choice in entry.choices
        )
    return f"{entry.low:g} to {entry.high:g}" + (", by ratio" if entry.log else "")
