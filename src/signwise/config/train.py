"""The settings of `signwise train`, as asked for and as a run is made with."""

import dataclasses
import math
import os
from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from signwise.config.base import (
    Amount,
    Config,
    Count,
    ImageSize,
    Positive,
    Seed,
    ShareAbove0,
    ShareBelow1,
)
from signwise.config.parts import (
    PHOTO_AUGMENTATION,
    AugmentationConfig,
    CalibrationConfig,
    Crop,
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
from signwise.places import is_remote

MAX_THREADS = 1024
WEIGHTS = ("auto", "none", "imagenet", "signs")
"""What `weights` means unless it is a file."""
UNKNOWN = ("none", "synthetic")
"""What `unknown` means unless it is a folder."""
SIGNS_SIZE = 64
"""Side in pixels of the pictures that the shipped backbone was trained on."""
IMAGENET_SIZE = 224
"""Side in pixels of the pictures that ImageNet's weights were trained on."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Config):
    """How a network is trained: every setting of `signwise train`."""

    epochs: Count | None = None
    """Passes over the training pictures; unless given, 12 from scratch and, from pre-trained
    weights, as many as help, at most 7; more where that is less than 32 steps. A network without a
    linear head to fit first takes them all."""
    batch_size: Annotated[int, Meta(ge=2)] = 48
    """Pictures of known classes in one step."""
    learning_rate: Positive = 0.02
    """Peak learning rate of the schedule."""
    momentum: ShareBelow1 = 0.9
    """Momentum of SGD."""
    weight_decay: Amount = 5e-4
    """L2 penalty on convolution and linear weights."""
    label_smoothing: ShareBelow1 = 0.0
    """Share of the target probability that is spread over all classes, 0 to below 1."""
    image_size: ImageSize | None = None
    """Side in pixels; unless given, 64 from the weights signs, that of the data from scratch, else
    what suits the pictures, at most 224."""
    model: str = "resnet18"
    """A torchvision classification architecture by name."""
    weights: str = "auto"
    """auto, none, imagenet, signs, or a state dict file; auto is signs for a resnet18 and road
    signs, else imagenet."""
    freeze: bool = False
    """Train the new head alone, on the frozen backbone's features."""
    unknown: str = "synthetic"
    """Negatives to train against: synthetic, none, or a folder of pictures of no class, which may
    be one of s3:// or gs://."""
    keep_known: ShareAbove0 | None = None
    """Share of the validation pictures that the threshold of `known` keeps; unless given, it is set
    between the scores of known and of held-out negative pictures."""
    class_weights: Literal["auto", "none"] = "auto"
    """auto weighs classes in the loss so that rare ones count as much; none takes pictures as they
    come. Probabilities count them as often as they come, either way."""
    seed: Seed = 0
    """Seed of the weights, the order and the augmentation."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute; auto takes a GPU where there is one."""
    threads: Annotated[int, Meta(ge=1, le=MAX_THREADS)] | None = None
    """CPU threads; unless given, OMP_NUM_THREADS or all cores. The same number gives the same
    bits."""
    time_limit: Positive | None = None
    """Seconds that the whole command may take: the best that fits in is kept."""
    track: Literal["none", "wandb", "tensorboard", "mlflow"] = "none"
    """Where to record the run besides its folder: settings and figures."""
    track_images: bool = False
    """Record pictures that the model mistakes there too, and the model itself."""

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

    def resolve(self, traits: "Traits") -> "ResolvedConfig":
        """The settings of a run: every default filled in that depends on others or on the data."""
        kind = traits.kind if self.pictures.kind == "auto" else self.pictures.kind
        weights = self.weights
        if weights == "auto":
            weights = "signs" if kind == "signs" and self.model == "resnet18" else "imagenet"
        size = self.image_size or _usual_size(weights, traits)
        crop = self.pictures.crop
        if crop == "auto":
            alike = kind == "photos" and weights != "none" and size >= IMAGENET_SIZE
            crop = "center" if alike else "none"
        usual = self.usual_epochs
        fixed = usual.from_scratch if weights == "none" else usual.pretrained
        least = math.ceil(usual.least_steps / steps_in_epoch(traits.pictures, self.batch_size))
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
                "image_size": size,
                "pictures": dataclasses.replace(self.pictures, kind=kind, crop=crop),
                "augmentation": _for_kind(self.augmentation, kind),
                "fine_tuning": dataclasses.replace(self.fine_tuning, always=always),
            }
        )


def steps_in_epoch(pictures: int, batch_size: int) -> int:
    """How many batches: of nearly equal size, none of a single picture, which has no statistics."""
    return max(1, min(math.ceil(pictures / batch_size), pictures // 2))


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
    return min(IMAGENET_SIZE, max(SIGNS_SIZE, 32 * round(traits.usual_side / 32)))


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

    epochs: Count
    image_size: ImageSize

    @property
    def kind(self) -> Kind:
        """What the pictures are."""
        assert self.pictures.kind != "auto", "resolve fills it"
        return self.pictures.kind

    @property
    def crop(self) -> Crop:
        """Whether pictures are stretched, or cropped to the square in their middle."""
        assert self.pictures.crop != "auto", "resolve fills it"
        return self.pictures.crop

    @property
    def pretrained(self) -> bool:
        """Whether the network begins from weights that know something."""
        return self.weights != "none"


def _absolute(value: str, words: tuple[str, ...]) -> str:
    """A path that holds in any folder, since a run may be resumed from there; else as it is."""
    return value if value in words or is_remote(value) else os.path.abspath(value)  # noqa: PTH100 (it drops `..`)
