"""model.onnx and pictures to predictions, through ONNX Runtime."""

import json
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from PIL import Image

from signwise.data.images import Source, Sources, read_image
from signwise.errors import SignwiseError, UnreadableImage
from signwise.files import Json, printable_path
from signwise.metrics.selective import accepted
from signwise.model_file.read import ModelFile, read_model
from signwise.runtime import available_cores, default_batch_size, onnx_runtime

UNKNOWN = "unknown"
# Pictures that a decoding thread takes at once: enough to hide the cost of handing them over.
PIECE = 16


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says of one picture; with an `error`, nothing else but the path is filled."""

    path: str | None
    """Where the picture was read from; None for bytes, pictures and arrays."""
    label: str | None
    """The class of the largest probability, or `unknown`."""
    confidence: float | None
    """The largest probability, whatever the label."""
    known: float | None
    """In [0, 1], higher the surer it is that the picture is of one of the classes."""
    probabilities: dict[str, float]
    """By class, given that the picture is of one of them."""
    error: str | None
    """Why the picture could not be used."""


class _Decoded(NamedTuple):
    """Pictures that went through read_image, in order."""

    paths: list[str | None]
    errors: list[str | None]
    pixels: np.ndarray
    """uint8 (N, S, S, 3), only of the pictures without an error."""


class Predictor:
    """A model.onnx, ready to answer; its methods may be called from several threads.

    `model`: a run directory, a .onnx file or the name of a model that ships. `threshold` replaces
    the model's own; `batch_size`, unless given, goes by the image size. Raises SignwiseError for a
    file that can't be used.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        threshold: float | None = None,
        batch_size: int | None = None,
        threads: int | None = None,
    ) -> None:
        if threshold is not None and not 0 <= threshold <= 1:
            raise SignwiseError(f"`threshold` must be between 0 and 1, not {threshold}")
        if batch_size is not None and batch_size < 1:
            raise SignwiseError(f"`batch_size` must be at least 1, not {batch_size}")
        if threads is not None and threads < 1:
            raise SignwiseError(f"`threads` must be at least 1, not {threads}")
        file = read_model(model)
        self.path = file.path
        self.record = file.record
        self.classes = file.record.classes
        self.image_size = file.record.image_size
        self.threshold = file.record.threshold if threshold is None else float(threshold)
        self.metadata: dict[str, Json] = json.loads(file.metadata)
        self.batch_size = batch_size or default_batch_size(self.image_size)
        self.threads = threads or available_cores()
        self._session = _session(file, self.threads)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the model's path: a session can't travel between processes."""
        return _rebuild, (self.path.absolute(), self.threshold, self.batch_size, self.threads)

    def scores(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities float32 (N, K) and known float32 (N,) of pixels uint8 (N, S, S, 3) RGB.

        Runs in batches of `batch_size`. Raises SignwiseError for pixels of another shape or type,
        and for a model that fails on them.
        """
        side = self.image_size
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1:] != (side, side, 3):
            raise SignwiseError(
                f"pixels must be uint8 (N, {side}, {side}, 3), not {pixels.dtype} {pixels.shape}"
            )
        count = len(pixels)
        probabilities = np.empty((count, len(self.classes)), dtype=np.float32)
        known = np.empty(count, dtype=np.float32)
        for start in range(0, count, self.batch_size):
            batch = slice(start, min(start + self.batch_size, count))
            feed = {"images": np.ascontiguousarray(pixels[batch])}
            try:
                first, second = self._session.run(["probabilities", "known"], feed)
            except Exception as error:  # ONNX Runtime's errors share no narrower class
                raise SignwiseError(f"{self.path} fails on pictures ({_line(error)})") from None
            if first.shape != probabilities[batch].shape or second.shape != known[batch].shape:
                raise SignwiseError(
                    f"{self.path} answers shapes {first.shape} and {second.shape} to"
                    f" {len(feed['images'])} pictures of {len(self.classes)} classes: train again"
                )
            probabilities[batch], known[batch] = first, second
        return probabilities, known

    def predict(self, images: Sources) -> list[Prediction]:
        """The predictions of any mix of paths, bytes, PIL images and RGB arrays, in their order.

        A picture that comes alone is answered by a list of one.
        """
        return list(self.stream(single_pictures(images)))

    def stream(self, images: Iterable[Source]) -> Iterator[Prediction]:
        """Yield the predictions in order, a batch at a time, in bounded memory.

        The next batches are decoded by threads (Pillow lets go of Python's lock) while the model
        runs. A picture that can't be read becomes a prediction with an `error`.
        """
        source = iter(images)
        first = list(islice(source, PIECE))
        if len(first) < PIECE:  # a few pictures are not worth a pool of threads
            yield from self._answer([self._decode(first)])
            return
        pieces = chain([first], iter(lambda: list(islice(source, PIECE)), []))
        # While the model runs on one batch, the threads must find the whole next one to work on.
        ahead = -(-self.batch_size // PIECE) + self.threads
        pool = ThreadPoolExecutor(self.threads, thread_name_prefix="signwise-decode")
        try:
            waiting: deque[Future[_Decoded]] = deque()
            batch: list[_Decoded] = []
            for piece in pieces:
                waiting.append(pool.submit(self._decode, piece))
                if len(waiting) > ahead:
                    batch.append(waiting.popleft().result())
                    if sum(len(decoded.paths) for decoded in batch) >= self.batch_size:
                        yield from self._answer(batch)
                        batch = []
            yield from self._answer([*batch, *(future.result() for future in waiting)])
        finally:
            pool.shutdown(cancel_futures=True)

    def _decode(self, piece: list[Source]) -> _Decoded:
        paths: list[str | None] = []
        errors: list[str | None] = []
        pixels = np.empty((len(piece), self.image_size, self.image_size, 3), dtype=np.uint8)
        readable = 0
        for image in piece:
            paths.append(printable_path(image) if isinstance(image, str | os.PathLike) else None)
            try:
                pixels[readable] = read_image(image, self.image_size)
                readable += 1
                errors.append(None)
            except UnreadableImage as error:
                errors.append(str(error))
        return _Decoded(paths, errors, pixels[:readable])

    def _answer(self, batch: list[_Decoded]) -> Iterator[Prediction]:
        if not batch:
            return
        pixels = batch[0].pixels if len(batch) == 1 else np.concatenate([d.pixels for d in batch])
        probabilities, known = self.scores(pixels)
        finite = np.isfinite(probabilities).all(axis=1) & np.isfinite(known)
        answered = accepted(known, self.threshold)
        best = probabilities.argmax(axis=1)
        at = 0
        for decoded in batch:
            for path, error in zip(decoded.paths, decoded.errors, strict=True):
                if error is not None:
                    yield _failed(path, error)
                    continue
                if finite[at]:
                    values = [_shortest(value) for value in probabilities[at]]
                    yield Prediction(
                        path=path,
                        label=self.classes[best[at]] if answered[at] else UNKNOWN,
                        confidence=values[best[at]],
                        known=_shortest(known[at]),
                        probabilities=dict(zip(self.classes, values, strict=True)),
                        error=None,
                    )
                else:
                    yield _failed(path, "the model's answer is not a number")
                at += 1


def single_pictures(images: Sources) -> Iterable[Source]:
    """The pictures one by one; one that comes alone is one.

    One is a path, bytes, an open file, a PIL image, or an array (H, W) or (H, W, C).
    """
    alone = (
        isinstance(images, str | os.PathLike | bytes | bytearray | memoryview | Image.Image)
        or hasattr(images, "read")
        or (isinstance(images, np.ndarray) and images.ndim < 4)
    )
    return [cast(Source, images)] if alone else cast(Iterable[Source], images)


def _failed(path: str | None, error: str) -> Prediction:
    return Prediction(path, None, None, None, {}, error)


def _shortest(value: np.float32) -> float:
    """The shortest decimal that is this float32: no digits are printed that mean nothing."""
    return float(str(value))


def _rebuild(path: Path, threshold: float, batch_size: int, threads: int) -> Predictor:
    return Predictor(path, threshold=threshold, batch_size=batch_size, threads=threads)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _session(file: ModelFile, threads: int) -> Any:
    """Build the session from the bytes that were checked, and check what goes in and out.

    Changes ONNX Runtime's own log level: its errors are raised, and need not be printed too.
    """
    runtime = onnx_runtime()
    runtime.set_default_logger_severity(4)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that spin while they wait take the cores from those that decode: a fifth slower here.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # errors are raised; what ONNX Runtime prints is for its makers
    try:
        session = runtime.InferenceSession(
            file.content, options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime's errors share no narrower class
        raise SignwiseError(f"{file.path} can't be run ({_line(error)}): train again") from None
    side, classes = file.record.image_size, len(file.record.classes)
    wanted: dict[str, tuple[str, list[int | None]]] = {
        "images": ("tensor(uint8)", [None, side, side, 3]),
        "probabilities": ("tensor(float)", [None, classes]),
        "known": ("tensor(float)", [None]),
    }
    found = {one.name: one for one in [*session.get_inputs(), *session.get_outputs()]}
    for name, (kind, shape) in wanted.items():
        if name not in found:
            raise SignwiseError(f"{file.path} has no {name}: give the model.onnx of a run")
        actual = found[name]
        if actual.type != kind or not _fits(actual.shape, shape):
            raise SignwiseError(
                f"{file.path}: {name} is {actual.type} {actual.shape}, not {kind}"
                f" {['N', *shape[1:]]}: give the model.onnx of a run"
            )
    if len(session.get_inputs()) != 1:
        raise SignwiseError(f"{file.path} wants more than images: give the model.onnx of a run")
    return session


def _fits(shape: list[Any], wanted: list[int | None]) -> bool:
    """Whether the shape is the wanted one: None wants any number; what has a name may be any."""
    return len(shape) == len(wanted) and all(
        not isinstance(actual, int) or (size is not None and actual == size)
        for actual, size in zip(shape, wanted, strict=True)
    )
