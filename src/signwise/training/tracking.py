"""Recording a run outside its folder: Weights & Biases, TensorBoard or MLflow, if asked for.

A tracker works in a thread of its own. It can fail, or wait for a network that is not there, and
the run goes on: there is one warning, and every figure stands in the run's folder anyway.
"""

import math
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from signwise.config import dotted
from signwise.errors import require_extra
from signwise.files import Json
from signwise.model_file.record import ModelFigures
from signwise.results import Epoch

FINISH_SECONDS = 60.0
"""How long the end of a run waits for a tracker, as for the upload of the model."""
STUCK_SECONDS = 20.0
"""A call that takes longer, but for the last one, waits for a network that is not there."""
SHOWN_MISTAKES = 16
EXTRAS = {
    "wandb": ("wandb", "wandb"),
    "tensorboard": ("tensorboard", "tensorboard"),
    "mlflow": ("mlflow", "mlflow"),
}
"""The extra and the module that each tracker needs."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run came to, on its validation set."""

    figures: Mapping[str, float]
    """By name; intervals as two figures, `_low` and `_high`."""
    classes: tuple[str, ...]
    confusion: NDArray[np.int64]
    """(K, K), rows true, columns predicted."""
    mistakes: Sequence[tuple[NDArray[np.uint8], str]]
    """Pictures (S, S, 3) and what they were taken for, the surest first."""
    model: Path
    """model.onnx."""


class Adapter(Protocol):
    """What a tracker must do. It is made, and called, in the tracker's thread alone."""

    def epoch(self, row: Epoch) -> None:
        """Record one row of history.csv."""

    def finish(self, outcome: Outcome) -> None:
        """Record what the run came to, and close."""


class Tracker:
    """Hands a run's figures to an adapter in a thread; does nothing where there is none."""

    def __init__(self, name: str, make: Callable[[], Adapter] | None) -> None:
        self._name = name
        self._calls: queue.SimpleQueue[Callable[[Adapter], None] | None] = queue.SimpleQueue()
        self._failure: str | None = None
        self._since = time.monotonic()  # when the call that is under way began; infinite for none
        self._finishing = False
        self._thread: threading.Thread | None = None
        if make is not None:
            self._thread = threading.Thread(target=self._work, args=(make,), daemon=True)
            self._thread.start()

    def epoch(self, row: Epoch) -> None:
        """Record one row of history.csv."""
        if self._thread is not None:
            self._calls.put(lambda adapter: adapter.epoch(row))

    def abandon(self) -> None:
        """Let the thread end, since the run has failed."""
        self._calls.put(None)

    def finish(self, outcome: Callable[[], Outcome]) -> list[str]:
        """Record the outcome and wait for the tracker within bounds; gives the warning if any."""
        if self._thread is None:
            return []
        if self._thread.is_alive():

            def close(adapter: Adapter) -> None:
                self._finishing = True
                adapter.finish(outcome())

            self._calls.put(close)
            self._calls.put(None)
            self._wait(self._thread)
        failure = "it did not answer in time" if self._thread.is_alive() else self._failure
        return [] if failure is None else [f"`track` {self._name} failed: {failure}"]

    def _wait(self, thread: threading.Thread) -> None:
        end = time.monotonic() + FINISH_SECONDS
        while thread.is_alive() and (now := time.monotonic()) < end:
            if not self._finishing and now - self._since > STUCK_SECONDS:
                return
            thread.join(0.05)

    def _work(self, make: Callable[[], Adapter]) -> None:
        try:
            adapter = make()
            self._since = math.inf
            while (call := self._calls.get()) is not None:
                self._since = time.monotonic()
                call(adapter)
                self._since = math.inf
        except BaseException as error:  # whatever a tracker does, the run goes on
            text = " ".join(str(error).split())
            self._failure = f"{type(error).__name__}: {text}" if text else type(error).__name__


def require_tracker(name: str) -> None:
    """Check that the tracker is installed; raises SignwiseError with the command that does it."""
    if name != "none":
        require_extra(EXTRAS[name][0], EXTRAS[name][1])


def open_tracker(name: str, out: Path, settings: Mapping[str, Json]) -> Tracker:
    """Start recording the run in the folder `out`, or go on with it where the tracker knows it.

    `name` is none, wandb, tensorboard or mlflow; `settings` may be nested.
    """
    if name == "none":
        return Tracker(name, None)

    def make() -> Adapter:
        from signwise.training import trackers

        return trackers.ADAPTERS[name](out, dotted(settings))

    return Tracker(name, make)


def make_outcome(
    figures: ModelFigures,
    classes: Sequence[str],
    labels: NDArray[np.int64],
    probabilities: NDArray[np.floating[Any]],
    pixels: NDArray[np.uint8],
    model: Path,
) -> Outcome:
    """The outcome from labels (N,), probabilities (N, K) and pixels (N, S, S, 3) of validation."""
    from signwise.metrics.classification import confusion_matrix

    predicted = probabilities.argmax(axis=1)
    lead = probabilities.max(axis=1) - probabilities[np.arange(len(labels)), labels]
    worst = np.argsort(-lead, kind="stable")[:SHOWN_MISTAKES]
    return Outcome(
        figures=flat(figures.to_json()),
        classes=tuple(classes),
        confusion=confusion_matrix(labels, predicted, len(classes)),
        mistakes=[
            (np.asarray(pixels[row]), f"{classes[labels[row]]} taken for {classes[predicted[row]]}")
            for row in worst
            if predicted[row] != labels[row]
        ],
        model=model,
    )


def flat(figures: Mapping[str, Json], prefix: str = "") -> dict[str, float]:
    """The numbers in nested figures by their path; an interval becomes `_low` and `_high`."""
    found: dict[str, float] = {}
    for key, value in figures.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            found |= flat(value, f"{name}/")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found[name] = value
        elif isinstance(value, list) and "ci95" in key:
            bounds = zip(("low", "high"), value, strict=True)
            found |= {f"{name}_{end}": float(str(bound)) for end, bound in bounds}
    return found
