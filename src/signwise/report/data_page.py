"""report.html of a data set: counts, samples, what is worth a look, what could not be used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from signwise.files import Json
from signwise.results import Problem


@dataclass(frozen=True, kw_only=True)
class ClassCounts:
    """Usable pictures of a class, or of all classes."""

    name: str
    by_split: Mapping[str, int]
    pictures: int
    groups: int


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One picture of a class."""

    pixels: NDArray[np.uint8]
    """(S, S, 3)."""
    name: str
    """Of the file."""


@dataclass(frozen=True, kw_only=True)
class FlaggedPicture:
    """One picture that is worth a look."""

    pixels: Sequence[NDArray[np.uint8]]
    """The picture and, for a duplicate, the one that it resembles: (S, S, 3) each."""
    path: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class FlaggedGroup:
    """The pictures that are worth a look for one reason."""

    reason: str
    count: int
    shown: Sequence[FlaggedPicture]
    """The first of these."""


@dataclass(frozen=True, kw_only=True)
class DataPage:
    """All that the page shows."""

    name: str
    """Of the source."""
    usable: int
    """Pictures."""
    groups: int
    counts: Sequence[ClassCounts]
    """One a class, in order."""
    grouping: str
    """csv, regex, track or duplicates."""
    split_given: bool
    """Whether the source brought its own split."""
    leaking_groups: int
    """Groups that lie in more than one split."""
    shares: Sequence[float]
    """Of train, validation and test, where the split was made here."""
    seed: int
    warnings: Sequence[str]
    samples: Mapping[str, Sequence[Sample]]
    """By class, of the first classes."""
    flagged: Sequence[FlaggedGroup]
    flagged_pictures: int
    problems: Sequence[Problem]
    skipped: Mapping[str, int]
    """Entries left out by their name alone, by reason."""
    settings: Mapping[str, Json]


def data_page(page: DataPage) -> str:
    """The whole page as HTML that loads nothing."""
    raise NotImplementedError
