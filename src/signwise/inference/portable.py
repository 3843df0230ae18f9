"""A predictor for the workers of a cluster, which need not see the model's file."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from signwise.files import scratch_folder
from signwise.inference.predictor import Predictor
from signwise.inference.session import Device
from signwise.model_file.read import read_model


@dataclass(frozen=True, kw_only=True)
class PortablePredictor:
    """All that a predictor is made of, to be made again elsewhere."""

    name: str
    content: bytes
    weights: bytes
    threshold: float
    batch_size: int
    device: Device

    def build(self) -> Predictor:
        """The predictor; on the CPU with one thread, since a cluster has a worker a core."""
        with scratch_folder() as folder:
            path = folder / self.name
            path.write_bytes(self.content)
            if self.weights:
                path.with_suffix(".bin").write_bytes(self.weights)
            return Predictor(
                path,
                threshold=self.threshold,
                batch_size=self.batch_size,
                threads=1 if self.device == "cpu" else None,
                device=self.device,
            )


def portable_predictor(predictor: Predictor) -> PortablePredictor:
    """What is needed to make this predictor elsewhere."""
    file = read_model(predictor.path)
    return PortablePredictor(
        name=Path(file.path).name,
        content=file.content,
        weights=file.weights,
        threshold=predictor.threshold,
        batch_size=predictor.batch_size,
        device=predictor.device,
    )


def build_scorer(portable: PortablePredictor) -> "partial[tuple[np.ndarray, np.ndarray]]":
    """What a worker does to pixels: see `Predictor.scores`."""
    return partial(portable.build().scores)
