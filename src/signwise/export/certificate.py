"""Whether a file of another format decides as model.onnx does."""

import dataclasses
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from signwise.errors import SignwiseError
from signwise.export.formats import Format, Scorer
from signwise.files import Json
from signwise.metrics.rates import wilson_interval
from signwise.metrics.selective import accepted
from signwise.progress import track
from signwise.results import Interval, to_json

CHUNK = 1024
"""Pictures that both answer in turn."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How far the answers of one file are from those of model.onnx."""

    pictures: int
    """That both answered."""
    decisions_differ: int
    """Of these, the pictures that another label is given to: another class, or `unknown`."""
    differing_share_ci95: Interval
    """Of all such pictures, the share whose decision may differ: 95 % interval."""
    largest_difference: float
    """Of a probability."""
    largest_difference_of_known: float
    images_per_second: float
    """Of this file, on decoded pictures."""
    images_per_second_of_model_onnx: float
    """In the same minute, by turns."""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """The content of certificate.json."""

    format: str
    comparison: Comparison
    decisions_may_differ: float
    """The bound: a share of the pictures."""
    difference_may_be: float | None
    """The bound of a probability's difference and that of `known`; None in int8."""
    split: str
    data_sha256: str
    """Of the manifest of the pictures."""
    model_sha256: str
    """Of model.onnx."""
    files: dict[str, str]
    """SHA-256 by name of what was written."""
    versions: dict[str, str]
    cpu: str
    cores: int

    def to_json(self) -> dict[str, Json]:
        """The comparison stands beside the rest."""
        rest = {name: to_json(value) for name, value in vars(self).items() if name != "comparison"}
        return {"format": self.format, **vars(self.comparison), **rest}


def compare(reference: Scorer, other: Scorer, pixels: NDArray[np.uint8]) -> Comparison:
    """Run two models of the same classes over pictures uint8 (N, S, S, 3).

    Each decides by its own threshold. Raises SignwiseError without pictures, where the files say
    other things of themselves, and where an answer is no number.
    """
    if not len(pixels):
        raise SignwiseError("a certificate needs pictures: give some that the model is for")
    _check_records(reference, other)
    seconds = [0.0, 0.0]
    differ, largest, largest_known = 0, 0.0, 0.0
    for scorer in (reference, other):  # what a first batch costs is not measured
        scorer.scores(np.array(pixels[:CHUNK]))
    with track("Compare", len(pixels)) as advance:
        for start in range(0, len(pixels), CHUNK):
            part = np.array(pixels[start : start + CHUNK])
            answers = []
            for at, scorer in enumerate((reference, other)):
                began = time.perf_counter()
                answers.append(scorer.scores(part))
                seconds[at] += time.perf_counter() - began
            (probabilities, known), (others, others_known) = answers
            if not all(np.isfinite(answer).all() for answer in (others, others_known)):
                raise SignwiseError(
                    "an answer is not a number: this model can't be used in this format"
                )
            decided = _decisions(probabilities, known, reference.threshold)
            differ += int((decided != _decisions(others, others_known, other.threshold)).sum())
            largest = max(largest, float(np.abs(probabilities - others).max()))
            largest_known = max(largest_known, float(np.abs(known - others_known).max()))
            advance(len(part))
    interval = wilson_interval(differ, len(pixels))
    assert interval is not None, "there are pictures"
    return Comparison(
        pictures=len(pixels),
        decisions_differ=differ,
        differing_share_ci95=interval,
        largest_difference=largest,
        largest_difference_of_known=largest_known,
        images_per_second=round(len(pixels) / seconds[1], 1),
        images_per_second_of_model_onnx=round(len(pixels) / seconds[0], 1),
    )


def check_bounds(name: str, format: Format, found: Comparison) -> None:
    """Raise SignwiseError for a file that answers other things than model.onnx."""
    most = int(format.differing_share * found.pictures)
    if found.decisions_differ > most:
        raise SignwiseError(
            f"{name}: {found.decisions_differ:,} of {found.pictures:,} decisions differ from those"
            f" of model.onnx, more than {most:,}: not written; deploy model.onnx itself"
        )
    difference = max(found.largest_difference, found.largest_difference_of_known)
    if format.largest_difference is not None and difference > format.largest_difference:
        raise SignwiseError(
            f"{name}: an answer differs from that of model.onnx by {difference:.2g}, more than"
            f" {format.largest_difference:g}: not written; deploy model.onnx itself"
        )


def _check_records(reference: Scorer, other: Scorer) -> None:
    """The record is the preprocessing and the threshold: another one is another model."""
    for each in dataclasses.fields(reference.record):
        one, two = (getattr(scorer.record, each.name) for scorer in (reference, other))
        if one != two:
            raise SignwiseError(
                f"the file says another {each.name} ({two}) than model.onnx ({one}): not written"
            )


def _decisions(probabilities: np.ndarray, known: np.ndarray, threshold: float) -> np.ndarray:
    """The class of each picture (N,), or K for unknown."""
    classes = probabilities.shape[1]
    return np.asarray(np.where(accepted(known, threshold), probabilities.argmax(1), classes))
