"""What `compare` and `tune` find, as typed records, and their JSON.

Differences are the second model less the first. Shares are fractions, intervals are 95 % intervals
`(low, high)`, None is what could not be measured.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from signwise.files import Json
from signwise.results import KNOWN_GROUPINGS, Interval, Rate, to_json

LEVEL = 0.05
"""Two models are called different where the corrected p-value is below this."""
MEANT_DIFFERENCE = 0.03
"""The difference of accuracy that the power is stated for: 3 points."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A figure of the second model less that of the first, on the same pictures."""

    value: float | None
    ci95: Interval | None
    """By picture."""
    ci95_grouped: Interval | None = None
    """By group; None where groups are not known."""


@dataclass(frozen=True, kw_only=True)
class PairCounts:
    """How often each of two models is right, together and alone."""

    both: int
    only_first: int
    only_second: int
    neither: int

    @property
    def n(self) -> int:
        """All pictures."""
        return self.both + self.only_first + self.only_second + self.neither

    @property
    def disagreement(self) -> float:
        """Share of the pictures that one alone gets right."""
        return (self.only_first + self.only_second) / self.n


@dataclass(frozen=True, kw_only=True)
class Significance:
    """How likely chance alone makes two equally good models differ at least this much."""

    p: float
    corrected: float
    """For the number of comparisons, by Holm's method."""
    power: float
    """Chance to call two models different whose true accuracies are `MEANT_DIFFERENCE` apart."""


@dataclass(frozen=True, kw_only=True)
class ModelFigures:
    """One of the models that are compared, on these pictures alone."""

    name: str
    path: str
    correct: int
    accuracy: Rate
    loss: float
    """Negative log-likelihood of the labels, in nats."""
    coverage: Rate
    auroc: float | None
    """Of `known`, against pictures of no class; None where none were given."""
    classes: tuple[str, ...]
    seen_in_training: int | None
    """How many of the pictures it was trained on; None where that is not known."""
    seen_in_validation: int | None
    """How many of the pictures its weights, temperature and threshold were chosen on; None where
    that is not known."""
    changed: bool
    """Whether the model file is another one now than when it was measured."""


@dataclass(frozen=True, kw_only=True)
class PairFigures:
    """Two models on the same pictures."""

    first: str
    second: str
    counts: PairCounts
    groups_for_first: int | None
    """Groups of which the first has more pictures right; None where groups are not known."""
    groups_for_second: int | None
    by_picture: Significance
    by_group: Significance | None
    """None where groups are not known."""
    accuracy: Difference
    loss: Difference
    auroc: Difference | None
    """Of `known`; None where no pictures of no class were given."""
    coverage: Difference

    @property
    def decisive(self) -> Significance:
        """The test that counts: by group where groups are known."""
        return self.by_picture if self.by_group is None else self.by_group

    @property
    def better(self) -> str | None:
        """The name of the better model; None where no difference is shown."""
        if self.decisive.corrected >= LEVEL:
            return None
        return self.second if self.counts.only_second > self.counts.only_first else self.first

    def to_json(self) -> dict[str, Json]:
        """An entry of `pairs`."""
        return {name: to_json(value) for name, value in vars(self).items()} | {
            "better": self.better
        }


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two or more models on the same pictures: the content of compare.json."""

    data: str
    """What the pictures are called: the split, or the folder's name."""
    n: int
    grouping: str
    """csv, regex, track or duplicates."""
    groups: int
    n_unknown: int | None
    """Pictures of no class; None where none were given."""
    models: tuple[ModelFigures, ...]
    pairs: tuple[PairFigures, ...]
    settings: Mapping[str, tuple[Json, ...]]
    """Settings that differ, by dotted name: one value a model."""

    @property
    def groups_known(self) -> bool:
        """Whether a group is known to be one physical sign, or what the user calls a group."""
        return self.grouping in KNOWN_GROUPINGS

    def to_json(self) -> dict[str, Json]:
        """The content of compare.json."""
        fields = {name: to_json(value) for name, value in vars(self).items()}
        return fields | {"level": LEVEL, "meant_difference": MEANT_DIFFERENCE}


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One try of settings in a study."""

    number: int
    state: str
    """complete, pruned (stopped early) or failed."""
    loss: float | None
    """The lowest validation loss; None where there is none."""
    epochs: int
    """That were validated, stage one among them."""
    seconds: float
    defaults: bool
    """Whether nothing was changed."""
    settings: Mapping[str, Json]
    """What was changed, by dotted name."""


@dataclass(frozen=True, kw_only=True)
class StudyFigures:
    """What a search came to."""

    trials: tuple[Trial, ...]
    winner: Trial
    """The complete trial of the lowest validation loss, which may be the defaults."""
    comparison: Comparison | None
    """The defaults and the winner on groups that no trial saw; None where they are one."""
    held_out: int
    """Pictures of these groups."""
    held_out_groups: int

    @property
    def pair(self) -> PairFigures | None:
        """The winner against the defaults."""
        return None if self.comparison is None else self.comparison.pairs[0]

    @property
    def better(self) -> bool:
        """Whether the winner is shown to be better than the defaults."""
        pair = self.pair
        return pair is not None and pair.better == pair.second
