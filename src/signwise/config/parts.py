"""The numbers behind the settings of training, one part a component: for a JSON file to change."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal

from signwise.config.base import Config, check, check_range

Range = tuple[float, float]
"""The least and the largest value."""

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
        check_range(self._part + "signs_share", self.signs_share, 0, 1)


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
        check(1 <= self.views[0] <= self.views[1], self._part + "views", "at least 1, in order")
        check(self.pictures >= 1, self._part + "pictures", "at least 1")
        check(len(self.penalties) > 0, self._part + "penalties", "one or more")
        check_range(self._part + "penalties", self.penalties, 0, ordered=False)
        check(self.iterations >= 1, self._part + "iterations", "at least 1")


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
        check(0 < self.learning_rate < math.inf, self._part + "learning_rate", "above 0")
        check_range(self._part + "body", self.body, 0)
        check(self.patience >= 1, self._part + "patience", "at least 1")


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
        check(0 <= self.warm_up < 1, self._part + "warm_up", "at least 0 and below 1")
        check(0 < self.start <= 1, self._part + "start", "above 0 and at most 1")
        check(0 < self.end <= 1, self._part + "end", "above 0 and at most 1")


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
        check(0 <= self.average_decay < 1, self._part + "average_decay", "at least 0 and below 1")


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
            check_range(self._part + each.name, getattr(self, each.name), low, high)
        for positive in ("scale", "blur_length", "blur_ratio"):
            check(getattr(self, positive)[0] > 0, self._part + positive, "above 0")


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
            check_range(name, value, low, high, ordered=each.name != "patches")


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
        check(within, self._part + "temperature", "above 0, with 1 between them")
        check(0 < self.known_scale < math.inf, self._part + "known_scale", "above 0")
        check(0 <= self.largest_threshold <= 1, self._part + "largest_threshold", "within 0 and 1")


@dataclass(frozen=True, kw_only=True)
class LossConfig(Config):
    """The loss, beside label_smoothing and class_weights."""

    _part = "loss."

    max_class_weight: float = 3.0
    """How many times another's a class's weight may be."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(1 <= self.max_class_weight < math.inf, self._part + "max_class_weight", "at least 1")


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
            check(getattr(self, each.name) >= 1, self._part + each.name, "at least 1")
