"""report.html of an evaluation: what was measured, in one file that a person enjoys reading."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from signwise.files import Json
from signwise.metrics.selective import RiskCoverage
from signwise.results import Epoch, Evaluation, Problem


@dataclass(frozen=True, kw_only=True)
class ShownPicture:
    """One picture of the page, and what the model answered to it."""

    pixels: NDArray[np.uint8]
    """(S, S, 3)."""
    path: str
    label: str | None
    """The class that it shows; None for a picture of no class."""
    answer: str
    """The class of the largest probability."""
    confidence: float
    known: float
    accepted: bool
    """Whether `known` reaches the threshold."""
    heat: NDArray[np.float32] | None = None
    """(S, S), how much each pixel speaks for the answer; None where that was not computed."""


@dataclass(frozen=True, kw_only=True)
class LabelReview:
    """The labels that the model doubts, of the pictures that it was not trained on."""

    judged: int
    """Pictures whose labels were judged."""
    seen: int
    """Pictures that were trained on, and so are not judged."""
    doubted: int
    """Labels that are likely wrong."""
    shown: Sequence[ShownPicture]
    """The likeliest of these."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where the model and the pictures come from."""

    model: str
    """The path of model.onnx."""
    image_size: int
    resize: str
    temperature: float
    trained_on: str
    """SHA-256 of the data that the model was trained on."""
    signwise_version: str
    settings: Mapping[str, Json]
    """Of the training, by dotted name; empty where the model is no run."""
    versions: Mapping[str, str]
    """Of the libraries that it was trained with."""
    problems: Sequence[Problem]
    """Pictures that could not be used."""


@dataclass(frozen=True, kw_only=True)
class EvaluationPage:
    """All that the page shows. N pictures were measured, M pictures of no class."""

    evaluation: Evaluation
    confusion_chart: bytes
    """PNG."""
    reliability_chart: bytes
    """PNG."""
    risk_coverage: RiskCoverage
    known: NDArray[np.float32]
    """(N,)."""
    known_of_unknown: NDArray[np.float32] | None
    """(M,); None where no pictures of no class were given."""
    mistakes: Sequence[ShownPicture]
    """The surest mistakes or, where there is none, the least sure pictures."""
    wrong: int
    """How many mistakes there are."""
    review: LabelReview | None
    """None where labels can't be judged."""
    accepted_unknown: Sequence[ShownPicture]
    """Pictures of no class that the model accepts, the surest first."""
    history: Sequence[Epoch]
    """Of the training; empty where it is not known."""
    origin: Origin


def evaluation_page(page: EvaluationPage) -> str:
    """The whole page as HTML that loads nothing."""
    raise NotImplementedError
