"""Whether a file of another format decides as model.onnx does."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from signwise.errors import SignwiseError
from signwise.metrics.selective import accepted


class Scorer(Protocol):
    """A model that runs; `inference.predictor.Predictor` is one."""

    @property
    def threshold(self) -> float:
        """`known` below it is answered `unknown`."""

    def scores(self, pixels: NDArray[np.uint8], /) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities (N, K) and known (N,) of pictures uint8 (N, S, S, 3)."""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """How far the answers of one file are from those of another."""

    n: int
    """Pictures that both answered."""
    decisions_differ: int
    """Of these, the pictures that another label is given to: another class, or `unknown`."""
    largest_difference: float
    """Of a probability."""
    largest_difference_of_known: float


def certify(reference: Scorer, other: Scorer, pixels: NDArray[np.uint8]) -> Certificate:
    """Compare two models of the same classes over pictures uint8 (N, S, S, 3).

    Each decides by its own threshold. Raises SignwiseError without pictures, and where an answer is
    no number.
    """
    if not len(pixels):
        raise SignwiseError("a certificate needs pictures: give some that the model is for")
    probabilities, known = reference.scores(pixels)
    others, others_known = other.scores(pixels)
    if not all(np.isfinite(answer).all() for answer in (others, others_known)):
        raise SignwiseError("an answer is not a number: this model can't be used in this format")
    decided = _decisions(probabilities, known, reference.threshold)
    differ = decided != _decisions(others, others_known, other.threshold)
    return Certificate(
        n=len(pixels),
        decisions_differ=int(differ.sum()),
        largest_difference=float(np.abs(probabilities - others).max()),
        largest_difference_of_known=float(np.abs(known - others_known).max()),
    )


def _decisions(probabilities: np.ndarray, known: np.ndarray, threshold: float) -> np.ndarray:
    """The class of each picture (N,), or K for unknown."""
    classes = probabilities.shape[1]
    return np.asarray(np.where(accepted(known, threshold), probabilities.argmax(1), classes))
