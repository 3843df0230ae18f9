"""The numbers behind the settings of training, one part a component: for a JSON file to change."""

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from signwise.config.base import (
    Amount,
    Config,
    Count,
    CountFrom0,
    Positive,
    Range,
    Share,
    ShareAbove0,
    ShareBelow1,
    check,
)

Exposure = Annotated[float, Meta(ge=-10, le=10)]

Kind = Literal["signs", "photos"]
"""Road signs, or other photos."""
Crop = Literal["none", "center"]
"""What is left of a picture before it is resized to S x S: all, so that it is stretched, or the
largest square in its middle."""


@dataclass(frozen=True, kw_only=True)
class PicturesConfig(Config):
    """What the pictures are: weights, image size, augmentation and negatives follow from it."""

    _part = "pictures."

    kind: Literal["auto", "signs", "photos"] = "auto"
    """Road signs, or other photos; auto asks the backbone that ships, which knows road signs."""
    signs_share: Share = 0.5
    """They are road signs where the backbone is sure of this share of the classes."""
    crop: Literal["auto", "none", "center"] = "auto"
    """none stretches them to a square, center takes the square in their middle; auto is center for
    photos that are no road signs, pre-trained weights and at least 224 pixels (LOG.md)."""


@dataclass(frozen=True, kw_only=True)
class HeadConfig(Config):
    """Stage one: the new head, fitted on features of the frozen backbone."""

    _part = "head."

    views: Range[Count] = (1, 3)
    """Least and most views of each training picture: as it is, and augmented ones. Of a single
    view, half of the pictures are augmented."""
    pictures: Count = 4000
    """As many views as give at most so many pictures, within these bounds."""
    penalties: tuple[Amount, ...] = (3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
    """L2 penalties, on standardised features, of which the validation loss chooses one."""
    patience: Count = 2
    """The search, from the strongest penalty on, ends after so many in a row that do worse."""
    sharpness: Range[Positive] = (0.25, 4.0)
    """Least and largest factor that makes the logits as sharp as is best on validation."""
    iterations: Count = 50
    """Most iterations of L-BFGS with each penalty."""
    batch_size: Count = 128
    """Pictures of known classes that go through the backbone at a time, each with its negatives."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(len(self.penalties) > 0, self._part + "penalties", "one or more")

    def views_of(self, pictures: int) -> int:
        """How many views of so many training pictures are fitted on."""
        return min(max(self.pictures // pictures, self.views[0]), self.views[1])


@dataclass(frozen=True, kw_only=True)
class FineTuningConfig(Config):
    """Stage two, from pre-trained weights: the whole network, gently."""

    _part = "fine_tuning."

    learning_rate: Positive = 0.25
    """Peak of the head's, as a share of `learning_rate`."""
    body: Amount = 1.0
    """The body's, as a share of the head's; with less it learned nothing (LOG.md)."""
    mixtures: tuple[ShareAbove0, ...] = (0.125, 0.25, 0.5)
    """Shares of an epoch's weights in mixtures with stage one's: the best of them, of the weights
    themselves and of stage one's is what the epoch came to."""
    tolerance: Amount = 0.05
    """Of several, the nearest to stage one whose loss is by at most this share above the lowest."""
    gain: Amount = 0.3
    """Stage one itself is kept where its loss is by at most this share above the lowest: a smaller
    gain cost more on pictures of no class than it was worth (LOG.md)."""
    statistics: Share = 0.1
    """By how much batch norms' running statistics move towards the batch's at a step."""
    always: bool | None = None
    """All epochs, whatever the validation pictures say; unless given, where `epochs` is given."""
    patience: Count = 2
    """Epochs without a gain after which it ends, unless `always`."""
    min_delta: ShareBelow1 = 0.1
    """What counts as a gain: the lowest validation loss of any mixture has fallen by this share
    since it last did."""
    enough: Amount = 0.25
    """Fine-tuning is left out, or ends, where all validation pictures are right and the validation
    loss of history.csv is at most this, unless `always`."""


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig(Config):
    """The learning rate over a run, in shares of its peak: see `optim.learning_rate`."""

    _part = "schedule."

    warm_up: ShareBelow1 = 0.2
    """Share of the steps in which the rate rises to its peak."""
    start: ShareAbove0 = 0.1
    """Where the rate begins."""
    end: ShareAbove0 = 0.001
    """Where the rate ends."""


@dataclass(frozen=True, kw_only=True)
class OptimConfig(Config):
    """How the weights follow the gradients, beside learning_rate, momentum and weight_decay."""

    _part = "optim."

    name: Literal["sgd"] = "sgd"
    """The optimiser: stochastic gradient descent with momentum."""
    nesterov: bool = True
    """Nesterov's form of momentum, where there is momentum."""
    average_decay: ShareBelow1 = 0.85
    """Share of the moving average of the weights that stays at each step: at 0.85 some 7 count."""


@dataclass(frozen=True, kw_only=True)
class AugmentationConfig(Config):
    """How training pictures are changed; lengths are shares of the side, shares are of a batch.

    The defaults are those of road signs: for other photos a setting that has its default takes that
    of `PHOTO_AUGMENTATION`.
    """

    _part = "augmentation."

    flip: bool = False
    """Mirror half of the pictures; handedness is lost."""
    easy_epochs: Share = 1 / 6
    """Share of the epochs, the first ones, that change the light alone."""
    rotation: Amount = 12.0
    """Largest rotation, in degrees."""
    shift: Amount = 0.12
    """Largest shift."""
    shear: Amount = 0.15
    """Largest shear."""
    scale: Range[Positive] = (0.75, 1.25)
    """Smallest and largest scale."""
    stretch: Amount = 0.12
    """Largest stretch of one axis against the other, in logarithms."""
    brightness: Range[Exposure] = (-1.3, 0.5)
    """Least and most exposure, in logarithms."""
    contrast: Amount = 0.4
    """Largest change of contrast, in logarithms."""
    colour_cast: Amount = 0.12
    """Largest gain or loss of one channel."""
    shadow_share: Share = 0.25
    """Share that gets a shadow."""
    shadow_depth: Range[Share] = (0.2, 0.65)
    """How much light a shadow takes."""
    shadow_reach: Amount = 0.8
    """How far from the middle a shadow's edge lies at most, of half the side."""
    shadow_sharpness: Positive = 12.0
    """How steep the edge is: it lies over some 4 / this of half the side."""
    haze_share: Share = 0.25
    """Share that gets haze."""
    haze: Range[Share] = (0.1, 0.65)
    """How much of the picture the haze covers."""
    haze_light: Range[Share] = (0.2, 1.0)
    """How bright the haze is."""
    blur_share: Share = 0.35
    """Share that is blurred."""
    blur_length: Range[Positive] = (0.4, 1.8)
    """Standard deviation along the blur's longer axis, in 1/32 of the side."""
    blur_ratio: Range[Positive] = (0.2, 1.0)
    """The shorter axis of the blur to the longer."""
    blur_kernel: Positive = 3.0
    """Half the side of the blur's kernel, in 1/32 of the side; at least 2 pixels."""
    low_resolution_share: Share = 0.2
    """Share that is shown as if taken from far."""
    low_resolution: Range[Share] = (0.35, 0.8)
    """The side that is left of it, as a share."""
    noise_share: Share = 0.5
    """Share that gets noise."""
    noise: Amount = 0.14
    """Largest standard deviation of the noise, of full scale."""
    erase_share: Share = 0.25
    """Share in which a rectangle is covered."""
    erase: Range[Amount] = (0.03, 0.2)
    """Half the width, and half the height, of the rectangle."""


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

    rendered: Amount = 0.3125
    """Rendered pictures, of the classes' own signs and of others."""
    folder: Amount = 0.0625
    """Pictures of `unknown` FOLDER."""
    destroyed: Amount = 0.125
    """Pictures of the classes, destroyed in the ways of `negatives.DESTROYERS`."""
    swapped: Amount = 0.3125
    """Pictures of the classes with the middle of a rendered negative."""
    rendered_each: Amount = 2.0
    """Rendered negatives in all, to each training picture."""
    rendered_range: Range[CountFrom0] = (1000, 20_000)
    """Least and most rendered negatives in all."""
    rendered_each_draw: Amount = 1.5
    """From pre-trained weights at most so many rendered pictures, to each that stage one draws."""
    own_share: Amount = 0.5
    """Rendered pictures of the user's own signs to each rendered negative."""
    held_out_share: Amount = 0.25
    """Rendered pictures that are not trained on, to each training picture: for the validation loss
    and the threshold."""
    held_out_range: Range[CountFrom0] = (16, 256)
    """Least and most of these."""
    sure_share: Share = 0.5
    """A class is taken for the sign that the backbone sees in this share of its pictures."""
    seen_share: Share = 0.2
    """A sign that the backbone sees in this share of a class is no negative."""
    pictures_to_see: CountFrom0 = 960
    """Training pictures that the backbone looks at, of all classes together."""
    pictures_of_a_class: Range[Count] = (4, 16)
    """Least and most of one class."""
    max_bytes: CountFrom0 = 2**30
    """Bytes of memory for rendered negatives, and as many for pictures of `unknown` FOLDER;
    rendered signs of the classes come on top."""
    patches: tuple[Count, Count] = (8, 4)
    """Tiles to a side where a picture is shuffled: finely, and coarsely."""
    crop_zoom: Range[Share] = (0.12, 0.3)
    """The side of an extreme crop."""
    crop_reach: Range[Amount] = (0.5, 0.85)
    """How far from the middle it lies, of half the side."""
    mixture: Range[Share] = (0.4, 0.6)
    """Share of the first picture in a mixture of two."""
    swap_radius: Range[Amount] = (0.5, 0.85)
    """Radius of the middle that is swapped, of half the side."""
    swap_sharpness: Positive = 12.0
    """How steep its edge is: one gives way to the other over some 4 / this of half the side."""
    swap_gain: Range[Amount] = (0.2, 4.0)
    """Least and largest gain that makes the middle put in as bright as the one taken out."""


@dataclass(frozen=True, kw_only=True)
class CalibrationConfig(Config):
    """How logits become probabilities and `known`, and where its threshold may lie."""

    _part = "calibration."

    temperature: Range[Positive] = (0.25, 8.0)
    """Least and largest temperature."""
    known_scale: Positive = 4.0
    """`known` is the sigmoid of the largest logit divided by this, so that float32 keeps order."""
    pooled_scores: Amount = 50.0
    """The variance of the known, and of the negative, scores is shrunk towards the pooled variance
    of both, which counts as so many further scores of each (LOG.md)."""
    largest_threshold: Share = 0.5
    """Where a share of the validation pictures is kept, and that is all, the threshold is at most
    this."""
    keep_alone: ShareAbove0 = 0.99
    """What `keep_known` is unless given, where no pictures of no class are held out."""
    keep_untold: ShareAbove0 = 0.5
    """What it is where `known` is no higher on pictures of the classes than on these."""

    def __post_init__(self) -> None:
        super().__post_init__()
        low, high = self.temperature
        check(low <= 1 <= high, self._part + "temperature", "above 0, with 1 between them")


@dataclass(frozen=True, kw_only=True)
class LossConfig(Config):
    """The loss, beside label_smoothing and class_weights."""

    _part = "loss."

    max_class_weight: Annotated[float, Meta(ge=1)] = 3.0
    """How many times another's a class's weight may be."""


@dataclass(frozen=True, kw_only=True)
class EpochsConfig(Config):
    """How long to train, where `epochs` is not given."""

    _part = "usual_epochs."

    from_scratch: Count = 12
    """Epochs from `weights` none."""
    pretrained: Count = 7
    """Most epochs of fine-tuning, from other weights."""
    least_steps: Count = 32
    """More epochs where pictures are so few that a run had fewer steps."""
