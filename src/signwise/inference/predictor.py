"""A model and pictures to predictions."""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, cast

import msgspec
import numpy as np
from PIL import Image

from signwise.data.images import Source, Sources, read_image
from signwise.data.strict_pillow import strict_pillow
from signwise.errors import SignwiseError, UnreadableImage, one_line
from signwise.files import Json, printable_path
from signwise.inference.session import Device, Run, open_session
from signwise.metrics.selective import accepted
from signwise.model_file.read import ModelFile, read_model
from signwise.names import UNKNOWN
from signwise.runtime import default_batch_size, default_threads

GIVE_PICTURES = "give paths, bytes, PIL images, or NumPy arrays (H, W, 3) of RGB, or a list of them"
PIECE = 32
"""Pictures that a thread takes at once, on the CPU."""


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


@dataclass(frozen=True, slots=True)
class Decoded:
    """Pictures that went through read_image, in order."""

    paths: list[str | None]
    errors: list[str | None]
    """Why a picture could not be read; None where it could."""
    pixels: np.ndarray
    """uint8 (N, S, S, 3), only of the pictures without an error."""


class _Scored(NamedTuple):
    """Pictures that went through the model as well."""

    batch: list[Decoded]
    probabilities: np.ndarray
    known: np.ndarray


class Predictor:
    """A model, ready to answer; its methods may be called from several threads.

    `model`: a run directory, a .onnx file, a folder that `export` wrote, or the name of a model
    that ships. `threshold` replaces the model's own; `batch_size`, unless given, goes by the image
    size; `device` is cpu or cuda. Raises SignwiseError for a file or a device that can't be used.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        threshold: float | None = None,
        batch_size: int | None = None,
        threads: int | None = None,
        device: Device = "cpu",
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
        self.crop = file.record.crop
        self.threshold = file.record.threshold if threshold is None else float(threshold)
        self.metadata: dict[str, Json] = msgspec.json.decode(file.metadata)
        self.batch_size = batch_size or default_batch_size(self.image_size)
        self.threads = threads or default_threads()
        self.device = device
        self._run = self._single = open_session(file, self.threads, device)
        self._file: ModelFile | None = file
        self._building = Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the model's path: a session can't travel between processes."""
        path = self.path.absolute()
        return _rebuild, (path, self.threshold, self.batch_size, self.threads, self.device)

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
        return self._scores(pixels, self._run)

    def _scores(self, pixels: np.ndarray, run: Run) -> tuple[np.ndarray, np.ndarray]:
        count = len(pixels)
        probabilities = np.empty((count, len(self.classes)), dtype=np.float32)
        known = np.empty(count, dtype=np.float32)
        for start in range(0, count, self.batch_size):
            batch = slice(start, min(start + self.batch_size, count))
            images = np.ascontiguousarray(pixels[batch])
            try:
                first, second = run(images)
            except Exception as error:  # the runtimes' errors share no narrower class
                raise SignwiseError(f"{self.path} fails on pictures ({one_line(error)})") from None
            if first.shape != probabilities[batch].shape or second.shape != known[batch].shape:
                raise SignwiseError(
                    f"{self.path} answers shapes {first.shape} and {second.shape} to"
                    f" {len(images)} pictures of {len(self.classes)} classes: train again"
                )
            probabilities[batch], known[batch] = first, second
        return probabilities, known

    def predict(self, images: Sources) -> list[Prediction]:
        """The predictions of any mix of paths, bytes, PIL images and RGB arrays, in their order.

        A picture that comes alone is answered by a list of one.
        """
        return list(self.stream(images))

    def stream(self, images: Sources) -> Iterator[Prediction]:
        """Yield the predictions in order, a piece at a time, in bounded memory.

        Each thread decodes a piece and runs the model on it, on its own core: threads that share
        one run of a small network wait for each other. A picture that can't be read becomes a
        prediction with an `error`.
        """
        source = iter(single_pictures(images))
        size = self._piece_size()
        first = list(islice(source, size))
        if len(first) < size:  # a few pictures are not worth a pool of threads
            decoded = self.decode(first)
            yield from self.decide([decoded], *self.scores(decoded.pixels))
            return
        run = self._run_on_one_core()
        pieces = chain([first], iter(lambda: list(islice(source, size)), []))
        pool = ThreadPoolExecutor(self.threads, thread_name_prefix="signwise-predict")
        try:
            waiting: deque[Future[_Scored]] = deque()
            for piece in pieces:
                waiting.append(pool.submit(self._score, piece, run))
                if len(waiting) > self.threads + 1:  # none waits for work while rows are written
                    yield from self.decide(*waiting.popleft().result())
            for future in waiting:
                yield from self.decide(*future.result())
        finally:
            pool.shutdown(cancel_futures=True)

    def _piece_size(self) -> int:
        """Pictures that a thread takes at once: enough to hide the cost of handing them over.

        A GPU is fast with whole batches alone.
        """
        return self.batch_size if self.device == "cuda" else min(PIECE, self.batch_size)

    def _run_on_one_core(self) -> Run:
        """The model for threads that run it at the same time; built when first wanted."""
        with self._building:
            if self._file is not None:
                if self.device == "cpu" and self.threads > 1:
                    self._single = open_session(self._file, 1, self.device, at_once=self.threads)
                self._file = None
        return self._single

    def _score(self, piece: list[Source], run: Run) -> _Scored:
        decoded = self.decode(piece)
        return _Scored([decoded], *self._scores(decoded.pixels, run))

    def decode(self, piece: Sequence[Source]) -> Decoded:
        """Read pictures as the model wants them; those that can't be read get an error."""
        paths: list[str | None] = []
        errors: list[str | None] = []
        pixels = np.empty((len(piece), self.image_size, self.image_size, 3), dtype=np.uint8)
        readable = 0
        with strict_pillow():
            for image in piece:
                path = printable_path(image) if isinstance(image, str | os.PathLike) else None
                paths.append(path)
                try:
                    pixels[readable] = read_image(image, self.image_size, crop=self.crop)
                    readable += 1
                    errors.append(None)
                except UnreadableImage as error:
                    errors.append(str(error))
        return Decoded(paths, errors, pixels[:readable])

    def decide(
        self, batch: Sequence[Decoded], probabilities: np.ndarray, known: np.ndarray
    ) -> Iterator[Prediction]:
        """Yield the predictions of decoded pictures, given the scores of all their pixels.

        `probabilities` float32 (N, K) and `known` float32 (N,), as `scores` gives them.
        """
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


def join_pixels(batch: Sequence[Decoded]) -> np.ndarray:
    """The pixels uint8 (N, S, S, 3) of all readable pictures of a batch, which is not empty."""
    return batch[0].pixels if len(batch) == 1 else np.concatenate([d.pixels for d in batch])


def single_pictures(images: Sources) -> Iterable[Source]:
    """The pictures one by one; one that comes alone is one.

    One is a path, bytes, an open file, a PIL image, or an array (H, W) or (H, W, C). An array of
    paths is a list of them. Raises SignwiseError for what is neither a picture nor holds any.
    """
    if isinstance(images, np.ndarray) and images.dtype.kind in "OU":
        return [_checked(image) for image in images.ravel().tolist()]
    if _is_picture(images) and not (isinstance(images, np.ndarray) and images.ndim >= 4):
        return [cast(Source, images)]
    if isinstance(images, Mapping | Set) or _is_foreign(images) or not hasattr(images, "__iter__"):
        raise SignwiseError(f"`images` is {_described(images)}: {GIVE_PICTURES}")
    checked = map(_checked, cast(Iterable[object], images))
    return checked if isinstance(images, Iterator) else list(checked)


def _checked(image: object) -> Source:
    if not _is_picture(image):
        raise SignwiseError(f"`images` holds {_described(image)}: {GIVE_PICTURES}")
    return cast(Source, image)


def _is_picture(image: object) -> bool:
    kinds = (str, os.PathLike, bytes, bytearray, memoryview, Image.Image, np.ndarray)
    return isinstance(image, kinds) or hasattr(image, "read")


def _is_foreign(images: object) -> bool:
    """Whether it is an array of another library, whose layout may be any: a tensor is (C, H, W)."""
    if isinstance(images, np.ndarray):
        return False
    return hasattr(images, "__array__") and len(getattr(images, "shape", ())) > 1


def _described(value: object) -> str:
    if value is None:
        return "None"
    return f"a {type(value).__module__}.{type(value).__qualname__}".replace("builtins.", "")


def _failed(path: str | None, error: str) -> Prediction:
    return Prediction(path, None, None, None, {}, error)


def _shortest(value: np.float32) -> float:
    """The shortest decimal that is this float32: no digits are printed that mean nothing."""
    return float(str(value))


def _rebuild(
    path: Path, threshold: float, batch_size: int, threads: int, device: Device
) -> Predictor:
    return Predictor(
        path, threshold=threshold, batch_size=batch_size, threads=threads, device=device
    )
