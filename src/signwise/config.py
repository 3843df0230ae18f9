"""Every setting once, with its unit and default: what a run computes follows from these alone.

`PrepareConfig` and `TrainConfig` are what a user asks for. `TrainConfig.resolve` gives the
`ResolvedConfig` that a run is made with and that its config.json records, so that the file alone
repeats the run. The settings that people change are flat and are flags of the command line; the
numbers behind them stand in nested parts, one a component, which a JSON file for --config can
change, nested or by dotted name: {"augmentation": {"noise": 0.1}} or {"augmentation.noise": 0.1}.
"""

import dataclasses
import math
import os
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from pathlib import Path
from typing import Literal, Self, TypeVar, get_args, get_origin, get_type_hints

from signwise.errors import SignwiseError
from signwise.files import Json, read_json

IMAGE_SIZE = 32
MAX_IMAGE_SIZE = 1024
MAX_PIXELS = 64_000_000
MAX_SEED = 2**32 - 1
MAX_THREADS = 1024
WEIGHTS = ("auto", "none", "imagenet", "signs")
"""What `weights` means unless it is a file."""
UNKNOWN = ("none", "synthetic")
"""What `unknown` means unless it is a folder."""

C = TypeVar("C", bound="Config")

Range = tuple[float, float]
"""The least and the largest value."""


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
    """CSV with a column `path`: pictures to leave out, as prepare's own flagged.csv."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(
            len(self.split) == 3
            and all(share >= 0 for share in self.split)
            and abs(sum(self.split) - 1) < 1e-6
            and self.split[0] > 0,
            "split",
            "three shares of at least 0 that add up to 1, the first above 0",
        )
        _check_image_size(self.image_size)
        _check(self.max_pixels >= 1, "max_pixels", "at least 1")
        _check_seed(self.seed)


Kind = Literal["signs", "photos"]
"""Road signs, or other photos."""


@dataclass(frozen=True, kw_only=True)
class PicturesConfig(Config):
    """What the pictures are: weights, image size, augmentation and negatives follow from it."""

    _part = "pictures."

    kind: Literal["auto", "signs", "photos"] = "auto"
    """Road signs, or other photos; auto asks the backbone that ships, which knows road signs."""
    signs_share: float = 0.5
    """They are road signs where the backbone is sure of this share of the classes."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_range("pictures.signs_share", self.signs_share, 0, 1)


@dataclass(frozen=True, kw_only=True)
class HeadConfig(Config):
    """Stage one: the new head, fitted on features of the frozen backbone."""

    _part = "head."

    views: tuple[int, int] = (2, 3)
    """Least and most views of each training picture: as it is, and augmented ones."""
    pictures: int = 4000
    """As many views as give so many pictures, within these bounds."""
    penalties: tuple[float, ...] = (0.1, 0.03, 0.01, 0.003, 0.001)
    """L2 penalties, on standardised features, of which the validation loss chooses one."""
    iterations: int = 200
    """Most iterations of L-BFGS with each."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(1 <= self.views[0] <= self.views[1], "head.views", "at least 1, in order")
        _check(self.pictures >= 1, "head.pictures", "at least 1")
        _check(len(self.penalties) > 0, "head.penalties", "one or more")
        _check_range("head.penalties", self.penalties, 0, ordered=False)
        _check(self.iterations >= 1, "head.iterations", "at least 1")


@dataclass(frozen=True, kw_only=True)
class FineTuningConfig(Config):
    """Stage two, from pre-trained weights: the whole network, gently."""

    _part = "fine_tuning."

    learning_rate: float = 0.005
    """Peak of the head's, as a share of `learning_rate`; at 0.015 ImageNet's weights diverged."""
    body: float = 1.0
    """The body's, as a share of the head's; with less it learned nothing (LOG.md)."""
    always: bool | None = None
    """All epochs, whatever the validation pictures say; unless given, where `epochs` is given."""
    patience: int = 2
    """Epochs without a better validation loss after which it ends, unless `always`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(0 < self.learning_rate < math.inf, "fine_tuning.learning_rate", "above 0")
        _check_range("fine_tuning.body", self.body, 0)
        _check(self.patience >= 1, "fine_tuning.patience", "at least 1")


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig(Config):
    """The learning rate over a run, in shares of its peak: see `optim.learning_rate`."""

    _part = "schedule."

    warm_up: float = 0.2
    """Share of the steps in which the rate rises to its peak."""
    start: float = 0.1
    """Where the rate begins."""
    end: float = 0.001
    """Where the rate ends."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(0 <= self.warm_up < 1, "schedule.warm_up", "at least 0 and below 1")
        _check(0 < self.start <= 1, "schedule.start", "above 0 and at most 1")
        _check(0 < self.end <= 1, "schedule.end", "above 0 and at most 1")


@dataclass(frozen=True, kw_only=True)
class OptimConfig(Config):
    """How the weights follow the gradients, beside learning_rate, momentum and weight_decay."""

    _part = "optim."

    name: Literal["sgd"] = "sgd"
    """The optimiser: stochastic gradient descent with momentum."""
    nesterov: bool = True
    """Nesterov's form of momentum, where there is momentum."""
    average_decay: float = 0.85
    """Share of the moving average of the weights that stays at each step: at 0.85 some 7 count."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(0 <= self.average_decay < 1, "optim.average_decay", "at least 0 and below 1")


@dataclass(frozen=True, kw_only=True)
class AugmentationConfig(Config):
    """How training pictures are changed; lengths are shares of the side, shares are of a batch."""

    _part = "augmentation."

    flip: bool = False
    """Mirror half of the pictures; handedness is lost."""
    easy_epochs: float = 1 / 6
    """Share of the epochs, the first ones, that change the light alone."""
    rotation: float = 12.0
    """Largest rotation, in degrees."""
    shift: float = 0.12
    """Largest shift."""
    shear: float = 0.15
    """Largest shear."""
    scale: Range = (0.75, 1.25)
    """Smallest and largest scale."""
    stretch: float = 0.12
    """Largest stretch of one axis against the other, in logarithms."""
    brightness: Range = (-1.3, 0.5)
    """Least and most exposure, in logarithms."""
    contrast: float = 0.4
    """Largest change of contrast, in logarithms."""
    colour_cast: float = 0.12
    """Largest gain or loss of one channel."""
    shadow_share: float = 0.25
    """Share that gets a shadow."""
    shadow_depth: Range = (0.2, 0.65)
    """How much light a shadow takes."""
    haze_share: float = 0.25
    """Share that gets haze."""
    haze: Range = (0.1, 0.65)
    """How much of the picture the haze covers."""
    haze_light: Range = (0.2, 1.0)
    """How bright the haze is."""
    blur_share: float = 0.35
    """Share that is blurred."""
    blur_length: Range = (0.4, 1.8)
    """Standard deviation along the blur's longer axis, in 1/32 of the side."""
    blur_ratio: Range = (0.2, 1.0)
    """The shorter axis of the blur to the longer."""
    low_resolution_share: float = 0.2
    """Share that is shown as if taken from far."""
    low_resolution: Range = (0.35, 0.8)
    """The side that is left of it, as a share."""
    noise_share: float = 0.5
    """Share that gets noise."""
    noise: float = 0.14
    """Largest standard deviation of the noise, of full scale."""
    erase_share: float = 0.25
    """Share in which a rectangle is covered."""
    erase: Range = (0.03, 0.2)
    """Half the width, and half the height, of the rectangle."""

    def __post_init__(self) -> None:
        super().__post_init__()
        shares = {"easy_epochs", "shadow_depth", "haze", "haze_light", "low_resolution"}
        bounds: dict[str, Range] = {"brightness": (-10, 10), **dict.fromkeys(shares, (0, 1))}
        for each in dataclasses.fields(self):
            if isinstance(getattr(self, each.name), bool):
                continue
            usual = (0, 1 if each.name.endswith("_share") else math.inf)
            low, high = bounds.get(each.name, usual)
            _check_range(self._part + each.name, getattr(self, each.name), low, high)
        for positive in ("scale", "blur_length", "blur_ratio"):
            _check(getattr(self, positive)[0] > 0, self._part + positive, "above 0")


@dataclass(frozen=True, kw_only=True)
class NegativesConfig(Config):
    """What is trained against. Shares are in pictures to each of the user's in a batch."""

    _part = "negatives."

    rendered: float = 0.3125
    """Rendered pictures, of the classes' own signs and of others."""
    folder: float = 0.0625
    """Pictures of `unknown` FOLDER."""
    destroyed: float = 0.125
    """Pictures of the classes, destroyed in the ways of `negatives.DESTROYERS`."""
    swapped: float = 0.3125
    """Pictures of the classes with the middle of a rendered negative."""
    rendered_each: float = 2.0
    """Rendered negatives in all, to each training picture."""
    rendered_range: tuple[int, int] = (1000, 20_000)
    """Least and most rendered negatives in all."""
    own_share: float = 0.5
    """Rendered pictures of the user's own signs to each rendered negative."""
    held_out_share: float = 0.25
    """Rendered pictures that the validation loss alone sees, to each training picture."""
    held_out_range: tuple[int, int] = (16, 256)
    """Least and most of these."""
    sure_share: float = 0.5
    """A class is taken for the sign that the backbone sees in this share of its pictures."""
    seen_share: float = 0.2
    """A sign that the backbone sees in this share of a class is no negative."""
    pictures_to_see: int = 960
    """Training pictures that the backbone looks at, of all classes together."""
    pictures_of_a_class: tuple[int, int] = (4, 16)
    """Least and most of one class."""
    max_bytes: int = 2**30
    """Pictures to train against that are held in memory, in bytes."""
    patches: tuple[int, int] = (8, 4)
    """Tiles to a side where a picture is shuffled: finely, and coarsely."""
    crop_zoom: Range = (0.12, 0.3)
    """The side of an extreme crop."""
    crop_reach: Range = (0.5, 0.85)
    """How far from the middle it lies, of half the side."""
    mixture: Range = (0.4, 0.6)
    """Share of the first picture in a mixture of two."""
    swap_radius: Range = (0.5, 0.85)
    """Radius of the middle that is swapped, of half the side."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for each in dataclasses.fields(self):
            name, value = self._part + each.name, getattr(self, each.name)
            low = 1 if each.name in ("patches", "pictures_of_a_class") else 0
            shares = ("sure_share", "seen_share", "crop_zoom", "mixture")
            high = 1 if each.name in shares else math.inf
            _check_range(name, value, low, high, ordered=each.name != "patches")


@dataclass(frozen=True, kw_only=True)
class CalibrationConfig(Config):
    """How logits become probabilities and `known`, and where its threshold may lie."""

    _part = "calibration."

    temperature: Range = (0.25, 8.0)
    """Least and largest temperature."""
    known_scale: float = 4.0
    """`known` is the sigmoid of the largest logit divided by this, so that float32 keeps order."""
    largest_threshold: float = 0.5
    """With `keep_known`, where all validation pictures are kept, the threshold is at most this."""

    def __post_init__(self) -> None:
        super().__post_init__()
        low, high = self.temperature
        within = 0 < low <= 1 <= high < math.inf
        _check(within, "calibration.temperature", "above 0, with 1 between them")
        _check(0 < self.known_scale < math.inf, "calibration.known_scale", "above 0")
        _check(0 <= self.largest_threshold <= 1, "calibration.largest_threshold", "within 0 and 1")


@dataclass(frozen=True, kw_only=True)
class LossConfig(Config):
    """The loss, beside label_smoothing and class_weights."""

    _part = "loss."

    max_class_weight: float = 3.0
    """How many times another's a class's weight may be."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(1 <= self.max_class_weight < math.inf, "loss.max_class_weight", "at least 1")


@dataclass(frozen=True, kw_only=True)
class EpochsConfig(Config):
    """How long to train, where `epochs` is not given."""

    _part = "usual_epochs."

    from_scratch: int = 12
    """Epochs from `weights` none."""
    pretrained: int = 6
    """Most epochs of fine-tuning, from other weights."""
    least_steps: int = 32
    """More epochs where pictures are so few that a run had fewer steps."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for each in dataclasses.fields(self):
            _check(getattr(self, each.name) >= 1, f"usual_epochs.{each.name}", "at least 1")


SIGNS_SIZE = 64
"""Side in pixels of the pictures that the shipped backbone was trained on."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Config):
    """How a network is trained: every setting of `signwise train`."""

    epochs: int | None = None
    """Passes over the training pictures; unless given, 12 from scratch and, from pre-trained
    weights, as many as help, at most 6; more where that is less than 32 steps."""
    batch_size: int = 48
    """Pictures of known classes in one step."""
    learning_rate: float = 0.02
    """Peak learning rate of the schedule."""
    momentum: float = 0.9
    """Momentum of SGD."""
    weight_decay: float = 5e-4
    """L2 penalty on convolution and linear weights."""
    label_smoothing: float = 0.0
    """Share of the target probability that is spread over all classes, 0 to below 1."""
    image_size: int | None = None
    """Side in pixels; unless given, 64 from the weights signs, that of the data from scratch, else
    what suits the pictures, at most 224."""
    model: str = "resnet18"
    """A torchvision classification architecture by name."""
    weights: str = "auto"
    """auto, none, imagenet, signs, or a state dict file; auto is signs for road signs, else
    imagenet."""
    freeze: bool = False
    """Train the new head alone, on the frozen backbone's features."""
    unknown: str = "synthetic"
    """Negatives to train against: synthetic, none, or a folder of pictures of no class."""
    keep_known: float | None = None
    """Share of the validation pictures that the threshold of `known` keeps; unless given, it is set
    between the scores of known and of held-out negative pictures."""
    class_weights: Literal["auto", "none"] = "auto"
    """auto weighs classes in the loss so that rare ones count as much; none takes pictures as they
    come. Probabilities count them as often as they come, either way."""
    seed: int = 0
    """Seed of the weights, the order and the augmentation."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute; auto takes a GPU where there is one."""
    threads: int | None = None
    """CPU threads; unless given, all cores. The same number gives the same bits."""
    time_limit: float | None = None
    """Seconds that the whole command may take: the best that fits in is kept."""
    track: Literal["none", "wandb", "tensorboard", "mlflow"] = "none"
    """Where to record the run besides its folder."""

    pictures: PicturesConfig = field(default_factory=PicturesConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    fine_tuning: FineTuningConfig = field(default_factory=FineTuningConfig)
    usual_epochs: EpochsConfig = field(default_factory=EpochsConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    negatives: NegativesConfig = field(default_factory=NegativesConfig)
    calibration: CalibrationConfig = field(default_factory=CalibrationConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self.epochs is None or self.epochs >= 1, "epochs", "at least 1")
        _check(self.batch_size >= 2, "batch_size", "at least 2")
        _check(0 < self.learning_rate < math.inf, "learning_rate", "above 0")
        _check(0 <= self.momentum < 1, "momentum", "at least 0 and below 1")
        _check(0 <= self.weight_decay < math.inf, "weight_decay", "at least 0")
        _check(0 <= self.label_smoothing < 1, "label_smoothing", "at least 0 and below 1")
        if self.image_size is not None:
            _check_image_size(self.image_size)
        _check(
            self.keep_known is None or 0 < self.keep_known <= 1,
            "keep_known",
            "above 0 and at most 1",
        )
        _check_seed(self.seed)
        _check(self.time_limit is None or 0 < self.time_limit < math.inf, "time_limit", "above 0")
        _check(
            self.threads is None or 1 <= self.threads <= MAX_THREADS,
            "threads",
            f"between 1 and {MAX_THREADS}",
        )

    def resolve(self, traits: "Traits") -> "ResolvedConfig":
        """The settings of a run: every default filled in that depends on others or on the data."""
        kind = traits.kind if self.pictures.kind == "auto" else self.pictures.kind
        weights = self.weights
        if weights == "auto":
            weights = "signs" if kind == "signs" and self.model == "resnet18" else "imagenet"
        usual = self.usual_epochs
        fixed = usual.from_scratch if weights == "none" else usual.pretrained
        least = math.ceil(usual.least_steps / math.ceil(traits.pictures / self.batch_size))
        always = self.fine_tuning.always
        if always is None:
            always = self.epochs is not None
        given = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        return ResolvedConfig(
            **given
            | {
                "weights": _absolute(weights, WEIGHTS),
                "unknown": _absolute(self.unknown, UNKNOWN),
                "epochs": self.epochs or max(fixed, least),
                "image_size": self.image_size or _usual_size(weights, traits),
                "pictures": dataclasses.replace(self.pictures, kind=kind),
                "augmentation": _for_kind(self.augmentation, kind),
                "fine_tuning": dataclasses.replace(self.fine_tuning, always=always),
            }
        )


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What the settings of a run depend on in the data."""

    kind: Kind
    pictures: int
    """Training pictures."""
    data_size: int
    """Side of the prepared pictures, in pixels."""
    usual_side: int
    """Median of the pictures' shorter sides, in pixels."""


def _usual_size(weights: str, traits: Traits) -> int:
    """The image size where none is asked for."""
    if weights == "signs":
        return SIGNS_SIZE
    if weights == "none":
        return traits.data_size
    # In steps of what torchvision's networks halve their maps by; ImageNet's own is the largest.
    return min(224, max(SIGNS_SIZE, 32 * round(traits.usual_side / 32)))


def _for_kind(asked: AugmentationConfig, kind: Kind) -> AugmentationConfig:
    """The augmentation as asked for; of photos, theirs where signs' defaults were not changed."""
    if kind == "signs":
        return asked
    usual = AugmentationConfig()
    names = [each.name for each in dataclasses.fields(asked)]
    changed = {name: getattr(asked, name) for name in names}
    changed = {name: value for name, value in changed.items() if value != getattr(usual, name)}
    return dataclasses.replace(PHOTO_AUGMENTATION, **changed)


@dataclass(frozen=True, kw_only=True)
class ResolvedConfig(TrainConfig):
    """The settings that a run is made with: nothing is left open."""

    epochs: int
    image_size: int

    @property
    def kind(self) -> Kind:
        """What the pictures are."""
        assert self.pictures.kind != "auto", "resolve fills it"
        return self.pictures.kind

    @property
    def pretrained(self) -> bool:
        """Whether the network begins from weights that know something."""
        return self.weights != "none"


def _check(condition: bool, name: str, wanted: str) -> None:
    if not condition:
        raise SignwiseError(f"`{name}` must be {wanted}")


def _check_range(
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
    _check(all(low <= each <= high and math.isfinite(each) for each in values), name, wanted)
    _check(not ordered or values[0] <= values[-1], name, "the least and the largest, in order")


def _check_image_size(size: int) -> None:
    _check(1 <= size <= MAX_IMAGE_SIZE, "image_size", f"between 1 and {MAX_IMAGE_SIZE} pixels")


def _check_seed(seed: int) -> None:
    _check(0 <= seed <= MAX_SEED, "seed", f"between 0 and {MAX_SEED}")


def _absolute(value: str, words: tuple[str, ...]) -> str:
    """A path that holds in any folder, since a run may be resumed from there; a word as it is."""
    return value if value in words else os.path.abspath(value)  # noqa: PTH100 (it drops `..`)


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


PHOTO_AUGMENTATION = AugmentationConfig(
    rotation=8.0,
    shift=0.15,
    shear=0.05,
    scale=(1.0, 1.7),
    stretch=0.15,
    brightness=(-0.4, 0.4),
    contrast=0.4,
    colour_cast=0.1,
    shadow_share=0.0,
    haze_share=0.0,
    blur_share=0.1,
    low_resolution_share=0.1,
    noise_share=0.1,
    erase_share=0.1,
)
"""The usual augmentation of photos that are no signs: crops, light and colour."""
