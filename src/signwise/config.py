"""Every knob once, with its unit and range; JSON in and out."""

import dataclasses
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Self, get_args, get_origin, get_type_hints

from signwise.errors import SignwiseError
from signwise.files import read_json

IMAGE_SIZE = 32
MAX_PIXELS = 64_000_000
EPOCHS = 12
PRETRAINED_EPOCHS = 4
LEAST_STEPS = 32
SIGNS_SIZE = 64
MAX_SEED = 2**32 - 1
MAX_THREADS = 1024
WEIGHTS = ("none", "imagenet", "signs")
"""What --weights means unless it is a file."""
UNKNOWN = ("none", "synthetic")
"""What --unknown means unless it is a folder."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """What every configuration can do."""

    def __post_init__(self) -> None:
        """Bring every field into its own type; raises SignwiseError for a value of another."""
        hints = get_type_hints(type(self))
        for field in dataclasses.fields(self):
            flag = "--" + field.name.replace("_", "-")
            value = _read(flag, hints[field.name], getattr(self, field.name))
            object.__setattr__(self, field.name, value)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read the fields from JSON; raises SignwiseError on one that is unknown or wrong."""
        names = [field.name for field in dataclasses.fields(cls)]
        for name in content:
            if name not in names:
                raise SignwiseError(f"--config: no setting {name!r}; there are {', '.join(names)}")
        try:
            return cls(**content)
        except SignwiseError as error:
            raise SignwiseError(f"--config: {error}") from None

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read a JSON file of settings, or a run's config.json."""
        content = read_json(path)
        if isinstance(content, dict) and "settings" in content:
            content = content["settings"]
        if not isinstance(content, dict):
            raise SignwiseError(f"--config {path}: a JSON object of settings is wanted")
        return cls.from_json(content)

    def to_json(self) -> dict[str, Any]:
        """The fields in JSON's types, so that `from_json` gives an equal configuration."""
        return {
            name: str(value) if isinstance(value, Path) else value
            for name, value in dataclasses.asdict(self).items()
        }


def _read(flag: str, hint: Any, value: Any) -> Any:
    """The value in the field's type, as JSON or a caller may give it; raises SignwiseError."""
    kind, options = get_origin(hint), get_args(hint)
    if kind is UnionType:
        hint = next(option for option in options if option is not type(None))
        return None if value is None else _read(flag, hint, value)
    if kind is Literal:
        if value in options:
            return value
        raise SignwiseError(f"{flag} must be one of {', '.join(options)}, not {value!r}")
    if kind is tuple and isinstance(value, list | tuple):
        return tuple(_read(flag, options[0], item) for item in value)
    if hint in (Path, str) and isinstance(value, str | os.PathLike):
        return hint(os.fspath(value))
    if hint is bool and isinstance(value, bool):
        return value
    number = {int: Integral, float: Real}.get(hint)  # NumPy's numbers are such, too
    if number is not None and isinstance(value, number) and not isinstance(value, bool):
        return hint(value)
    wanted = {int: "a whole number", float: "a number", bool: "true or false"}.get(hint, "text")
    raise SignwiseError(f"{flag} must be {wanted}, not {value!r}")


def _absolute(value: str, words: tuple[str, ...]) -> str:
    """A path that holds in any folder, since a run may be resumed from there; a word as it is."""
    return value if value in words else os.path.abspath(value)  # noqa: PTH100 (it drops `..`)


def _check(condition: bool, flag: str, wanted: str) -> None:
    if not condition:
        raise SignwiseError(f"{flag} must be {wanted}")


@dataclass(frozen=True, kw_only=True)
class PrepareConfig(Config):
    """How a folder of photos becomes data to train on."""

    split: tuple[float, float, float] = (0.7, 0.15, 0.15)
    """Shares of train, validation and test; they add up to 1."""
    group: str | None = None
    """Regular expression on the path within the class; its first capture is the sign."""
    image_size: int = IMAGE_SIZE
    """Side of the cached pictures, in pixels."""
    max_pixels: int = MAX_PIXELS
    """A picture with more pixels is refused before it is decoded."""
    seed: int = 0
    """Seed of the split."""
    copy: bool = False
    """Also write the split as train/ val/ test/ folders."""
    exclude: Path | None = None
    """CSV with a column `path`: pictures to leave out, as prepare's own suspects.csv."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(
            len(self.split) == 3
            and all(share >= 0 for share in self.split)
            and abs(sum(self.split) - 1) < 1e-6
            and self.split[0] > 0,
            "--split",
            "three shares of at least 0 that add up to 1, the first above 0",
        )
        _check(1 <= self.image_size <= 1024, "--image-size", "between 1 and 1024 pixels")
        _check(self.max_pixels >= 1, "--max-pixels", "at least 1")
        _check(0 <= self.seed <= MAX_SEED, "--seed", f"between 0 and {MAX_SEED}")


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Config):
    """How a network is trained: every setting of `signwise train`."""

    epochs: int | None = None
    """Passes over the training pictures; unless given, 12, from pre-trained weights 4, or more
    where pictures are so few that this is less than 32 steps."""
    batch_size: int = 48
    """Pictures of known classes in one step."""
    learning_rate: float = 0.02
    """Peak learning rate of the schedule."""
    momentum: float = 0.9
    """Momentum of SGD (Nesterov)."""
    weight_decay: float = 5e-4
    """L2 penalty on convolution and linear weights."""
    label_smoothing: float = 0.0
    """Share of the target probability that is spread over all classes, 0 to below 1."""
    image_size: int | None = None
    """Side in pixels; unless given, that of the weights signs, else that of the data."""
    model: str = "resnet18"
    """A torchvision classification architecture by name."""
    weights: str | None = None
    """none, imagenet, signs or a state dict file; unless given, signs for resnet18, else none."""
    freeze: bool = False
    """Train the new head alone."""
    unknown: str = "synthetic"
    """Negatives to train against: synthetic, none, or a folder of pictures of no class."""
    keep_known: float = 0.99
    """Share of the validation pictures that the threshold of `known` keeps."""
    class_weights: Literal["auto", "none"] = "auto"
    """auto weighs classes in the loss so that rare ones count as much; none takes pictures as they
    come. Probabilities count them as often as they come, either way."""
    seed: int = 0
    """Seed of the weights, the order and the augmentation."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute; auto takes a GPU where there is one."""
    threads: int | None = None
    """CPU threads; unless given, all cores. The same number gives the same bits."""
    track: Literal["none", "wandb", "tensorboard", "mlflow"] = "none"
    """Where to record the run besides its folder."""

    def resolve(self, data_size: int, pictures: int) -> Self:
        """The same settings with every default filled in that depends on others or on the data.

        data_size: side of the prepared pictures in pixels; pictures: how many are trained on.
        """
        weights = self.weights or ("signs" if self.model == "resnet18" else "none")
        usual = EPOCHS if weights == "none" else PRETRAINED_EPOCHS
        least = math.ceil(LEAST_STEPS / math.ceil(pictures / self.batch_size))
        return dataclasses.replace(
            self,
            weights=_absolute(weights, WEIGHTS),
            unknown=_absolute(self.unknown, UNKNOWN),
            epochs=self.epochs or max(usual, least),
            image_size=self.image_size or (SIGNS_SIZE if weights == "signs" else data_size),
        )

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self.epochs is None or self.epochs >= 1, "--epochs", "at least 1")
        _check(self.batch_size >= 2, "--batch-size", "at least 2")
        _check(0 < self.learning_rate < math.inf, "--learning-rate", "above 0")
        _check(0 <= self.momentum < 1, "--momentum", "at least 0 and below 1")
        _check(0 <= self.weight_decay < math.inf, "--weight-decay", "at least 0")
        _check(0 <= self.label_smoothing < 1, "--label-smoothing", "at least 0 and below 1")
        _check(
            self.image_size is None or 1 <= self.image_size <= 1024,
            "--image-size",
            "between 1 and 1024 pixels",
        )
        _check(0 < self.keep_known <= 1, "--keep-known", "above 0 and at most 1")
        _check(0 <= self.seed <= MAX_SEED, "--seed", f"between 0 and {MAX_SEED}")
        _check(
            self.threads is None or 1 <= self.threads <= MAX_THREADS,
            "--threads",
            f"between 1 and {MAX_THREADS}",
        )
