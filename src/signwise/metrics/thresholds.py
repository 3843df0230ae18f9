"""What other thresholds of `known` would keep, and wrongly accept: to choose one by."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from signwise.metrics.rates import rate
from signwise.metrics.selective import accepted
from signwise.results import Rate

KEPT = (1.0, 0.99, 0.95, 0.9)
"""Shares of the pictures of the classes that are kept."""
ACCEPTED = (0.05, 0.01, 0.0)
"""Shares of the pictures of no class that are wrongly accepted."""
DIGITS = 9
"""Of a threshold that no shorter number can stand for: float32 has no more."""


@dataclass(frozen=True, kw_only=True)
class ThresholdChoice:
    """What is answered where `known` is at least the threshold."""

    threshold: float
    kept: Rate
    """Share of the pictures of the classes that gets an answer."""
    wrong: Rate
    """Share of errors among the answered."""
    accepted: Rate | None
    """Share of the pictures of no class that gets an answer; None where there are none."""
    own: bool
    """Whether it is the model's own threshold."""


def threshold_choices(
    known: NDArray[np.floating],
    right: NDArray[np.bool_],
    unknown: NDArray[np.floating] | None,
    own: float,
) -> tuple[ThresholdChoice, ...]:
    """The model's own threshold among others, in ascending order, no two with the same outcome.

    `known` (N,) with whether each answer is `right` (N,), and `unknown` (M,), the scores of
    pictures of no class. The others keep the shares `KEPT` of the N, as long as scores are not
    equal, and accept at most the shares `ACCEPTED` of the M.
    """
    found: dict[tuple[int, ...], ThresholdChoice] = {}
    for threshold in (own, *_others(known, unknown)):
        answered = accepted(known, threshold)
        count = int(answered.sum())
        others = None if unknown is None else int(accepted(unknown, threshold).sum())
        choice = ThresholdChoice(
            threshold=threshold,
            kept=rate(count, len(known)),
            wrong=rate(int((answered & ~right).sum()), count),
            accepted=None if unknown is None or others is None else rate(others, len(unknown)),
            own=threshold == own,
        )
        found.setdefault((count, others or 0), choice)
    return tuple(sorted(found.values(), key=lambda choice: choice.threshold))


def _others(known: NDArray[np.floating], unknown: NDArray[np.floating] | None) -> Iterator[float]:
    scores = [known] if unknown is None else [known, unknown]
    every = np.unique(np.concatenate([np.zeros(1), *scores]).astype(np.float32))
    for share in KEPT if len(known) else ():
        ordered = np.sort(known.astype(np.float32))
        lowest = ordered[min(int(len(ordered) * (1 - share) + 1e-9), len(ordered) - 1)]
        yield _between(every[every < lowest], float(lowest))
    for share in ACCEPTED if unknown is not None and len(unknown) else ():
        assert unknown is not None
        ordered = np.sort(unknown.astype(np.float32))
        highest = ordered[len(ordered) - 1 - int(len(ordered) * share + 1e-9)]
        if len(above := every[every > highest]):
            yield _between(every[every < above[0]], float(above[0]))


def _between(below: NDArray[np.float32], score: float) -> float:
    """The shortest number that keeps the score and none of those `below` it, in order."""
    for digits in range(1, DIGITS):
        threshold = float(np.floor(score * 10**digits) / 10**digits)
        if not len(below) or np.float32(threshold) > below[-1]:
            return threshold
    return score
