"""The settings of `signwise train`, as asked for and as a run is made with."""

import dataclasses
import math
import os
from dataclasses import dataclass, field
from typing import Literal

from signwise.config.base import Config, check, check_image_size, check_seed
from signwise.config.parts import (
    PHOTO_AUGMENTATION,
    AugmentationConfig,
    CalibrationConfig,
    EpochsConfig,
    FineTuningConfig,
    HeadConfig,
    Kind,
    LossConfig,
    NegativesConfig,
    OptimConfig,
    PicturesConfig,
    ScheduleConfig,
)

MAX_THREADS = 1024
WEIGHTS = ("auto", "none", "imagenet", "signs")
"""What `weights` means unless it is a file."""
UNKNOWN = ("none", "synthetic")
"""What `unknown` means unless it is a folder."""
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
        check(self.epochs is None or self.epochs >= 1, "epochs", "at least 1")
        check(self.batch_size >= 2, "batch_size", "at least 2")
        check(0 < self.learning_rate < math.inf, "learning_rate", "above 0")
        check(0 <= self.momentum < 1, "momentum", "at least 0 and below 1")
        check(0 <= self.weight_decay < math.inf, "weight_decay", "at least 0")
        check(0 <= self.label_smoothing < 1, "label_smoothing", "at least 0 and below 1")
        if self.image_size is not None:
            check_image_size(self.image_size)
        check(
            self.keep_known is None or 0 < self.keep_known <= 1,
            "keep_known",
            "above 0 and at most 1",
        )
        check_seed(self.seed)
        check(self.time_limit is None or 0 < self.time_limit < math.inf, "time_limit", "above 0")
        check(
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
    """The settings of a run: what hangs on other settings or on the data is filled in."""

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


def _absolute(value: str, words: tuple[str, ...]) -> str:
    """A path that holds in any folder, since a run may be resumed from there; a word as it is."""
    return value if value in words else os.path.abspath(value)  # noqa: PTH100 (it drops `..`)
