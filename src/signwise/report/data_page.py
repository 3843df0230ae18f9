"""report.html of a data set: counts, samples, what is worth a look, what could not be used."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from signwise.files import Json, printable_path
from signwise.report.page import (
    LISTED_CLASSES,
    SHOWN_PROBLEMS,
    Thumbnail,
    photo,
    render,
    whole_pixels,
)
from signwise.report.words import are, group_name, plural
from signwise.results import Problem

ARGUMENT = re.compile("`([a-z_]+)`")
"""An argument as `errors` says that texts name it."""
SPLITS = ("train", "val", "test")
DARK = 16
"""A picture whose mean grey, of 255, is below this can't be made out: a bright copy stands beside
it."""
GROUPINGS = {
    "csv": "Groups come from the column group of the CSV.",
    "regex": "Groups come from the pattern that was given with --group.",
    "track": (
        "A group is a track: the frames of one physical sign, as their GTSRB file names tell."
    ),
    "duplicates": (
        "Groups are pictures with their near duplicates. They are not physical signs: two photos"
        " of one sign may be in different groups."
    ),
}


@dataclass(frozen=True, kw_only=True)
class ClassCounts:
    """Usable pictures of a class, or of all classes."""

    name: str
    by_split: Mapping[str, int]
    groups_by_split: Mapping[str, int]
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
    total: ClassCounts
    """Of all classes together."""
    worth: str
    """What a figure on the test set can be worth; empty where signs are not known."""
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
    leaks = page.leaking_groups
    leak = f"{are(leaks, 'group')} in more than one split." if leaks else ""
    return render(
        "data.html",
        title=f"Data: {page.name}",
        lead=_lead(page, leak),
        leak=leak,
        warnings=[ARGUMENT.sub(_as_flag, text) for text in page.warnings],
        page=page,
        splits=SPLITS,
        rows=[*page.counts[:LISTED_CLASSES], page.total],
        more=max(0, len(page.counts) - LISTED_CLASSES),
        group=group_name(page.grouping),
        grouping=GROUPINGS[page.grouping],
        samples=[
            (name, [_sample(sample) for sample in shown]) for name, shown in page.samples.items()
        ],
        flagged=[(group, [_flagged(each) for each in group.shown]) for group in page.flagged],
        shown_problems=SHOWN_PROBLEMS,
    )


def _lead(page: DataPage, leak: str) -> str:
    sentences = [
        f"{plural(page.usable, 'usable picture')} of {len(page.counts):,} classes in"
        f" {plural(page.groups, 'group')}."
    ]
    if page.flagged_pictures:
        sentences.append(f"{are(page.flagged_pictures, 'picture')} flagged.")
    if page.problems:
        sentences.append(f"{plural(len(page.problems), 'file')} could not be used.")
    return " ".join([*sentences, leak]).strip()


def _as_flag(argument: re.Match[str]) -> str:
    return "--" + argument[1].replace("_", "-")


def _sample(sample: Sample) -> Thumbnail:
    return Thumbnail(
        pictures=(photo(whole_pixels(sample.pixels), "picture"),),
        lines=(printable_path(sample.name),),
    )


def _flagged(flagged: FlaggedPicture) -> Thumbnail:
    """The picture beside the one that it resembles or, where it is dark, a bright copy."""
    first, *others = flagged.pixels
    pictures = [photo(whole_pixels(first), "flagged picture")]
    pictures += [photo(whole_pixels(other), "the picture that it resembles") for other in others]
    if not others and first.mean() < DARK:
        pictures.append(photo(whole_pixels(_brightened(first)), "the same, brightened"))
    return Thumbnail(
        pictures=tuple(pictures),
        lines=(printable_path(flagged.path), printable_path(flagged.detail)),
    )


def _brightened(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return (pixels * (255 / max(int(pixels.max()), 1))).astype(np.uint8)
