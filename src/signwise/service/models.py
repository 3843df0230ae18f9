"""One model as it is served: pictures are decoded by threads, and batches answer them."""

import asyncio
import base64
import io
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from starlette.exceptions import HTTPException

from signwise.data.images import read_for_people
from signwise.errors import SignwiseError, UnreadableImage
from signwise.export.triton import CONFIG_FILE
from signwise.files import printable_path, real_path
from signwise.inference.explain import occlusion_map
from signwise.inference.predictor import Decoded, Prediction, Predictor, join_pixels
from signwise.report.heat import PANEL, overlay
from signwise.runtime import available_cores
from signwise.service.batches import Batches, Scores
from signwise.service.limits import Limits
from signwise.service.telemetry import Measures

log = logging.getLogger("signwise.service")

# Pictures that are not worth handing to one more thread.
SMALLEST_PIECE = 4


class Workers:
    """The threads that all models share: as many as there are cores decode, one draws heat maps."""

    def __init__(self) -> None:
        self.count = available_cores()
        self.decoders = ThreadPoolExecutor(self.count, thread_name_prefix="signwise-decode")
        self.explainer = ThreadPoolExecutor(1, thread_name_prefix="signwise-explain")

    def close(self) -> None:
        """Let the threads end."""
        self.decoders.shutdown(cancel_futures=True)
        self.explainer.shutdown(cancel_futures=True)


class ServedModel:
    """A model, its name, and the queue in front of it."""

    def __init__(self, predictor: Predictor, measures: Measures, limits: Limits) -> None:
        self.name = model_name(predictor.path)
        self.predictor = predictor
        self.batches = Batches(predictor, limits.batch_wait_seconds, measures)
        self._measures = measures

    async def predict(self, contents: Sequence[bytes], workers: Workers) -> list[Prediction]:
        """What `predict` says of each picture, in order. Raises HTTPException."""
        loop = asyncio.get_running_loop()
        size = max(SMALLEST_PIECE, -(-len(contents) // workers.count))
        pieces = [contents[start : start + size] for start in range(0, len(contents), size)]
        self.batches.coming += 1
        try:
            decoded: list[Decoded] = await asyncio.gather(
                *(
                    loop.run_in_executor(workers.decoders, self.predictor.decode, piece)
                    for piece in pieces
                )
            )
        finally:
            self.batches.coming -= 1
            self.batches.nothing_comes()
        pixels = join_pixels(decoded)
        scores = await self.scores(pixels)
        predictions = list(self.predictor.decide(decoded, scores.probabilities, scores.known))
        self._measures.answered(self.name, predictions)
        return predictions

    async def scores(self, pixels: np.ndarray) -> Scores:
        """The scores of pixels uint8 (N, S, S, 3). Raises HTTPException where the model fails."""
        if not len(pixels):
            return Scores(*self.predictor.scores(pixels))
        try:
            return await self.batches.scores(pixels)
        except SignwiseError:
            log.exception("the model failed", extra={"model": self.name})
            raise HTTPException(500, "the model failed on these pictures") from None

    async def heat_maps(
        self,
        contents: Sequence[bytes],
        predictions: Sequence[Prediction],
        workers: Workers,
        gone: Callable[[], Awaitable[bool]],
    ) -> list[str | None]:
        """A heat map of each picture that was read, as a data URL of a PNG.

        One picture is drawn at a time. Once `gone` says that nobody waits, the rest is left out.
        """
        loop = asyncio.get_running_loop()
        maps: list[str | None] = []
        for content, prediction in zip(contents, predictions, strict=True):
            if prediction.error is not None or await gone():
                maps.append(None)
                continue
            maps.append(await loop.run_in_executor(workers.explainer, self._heat_map, content))
        return maps

    def _heat_map(self, content: bytes) -> str | None:
        try:
            pixels = self.predictor.decode([content]).pixels
            heat = occlusion_map(self.predictor, pixels)[0]
            picture = Image.fromarray(read_for_people(content, PANEL, self.predictor.crop))
        except UnreadableImage:
            return None
        picture.thumbnail((PANEL, PANEL))
        file = io.BytesIO()
        Image.fromarray(overlay(np.asarray(picture), heat)).save(file, "PNG")
        return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def model_name(path: Path) -> str:
    """The name of a model.onnx: that of its folder, which a model that ships is named after.

    In a model repository of Triton that folder is the version, and the one above has the name.
    """
    folder = real_path(path).parent
    if (folder.parent / CONFIG_FILE).is_file():
        folder = folder.parent
    return printable_path(folder.name or path.stem)  # a container may have it in its root
