"""The network with what stands around it in model.onnx: normalisation before, calibration after."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

MEAN = (0.485, 0.456, 0.406)
STANDARD_DEVIATION = (0.229, 0.224, 0.225)
KNOWN_SCALE = 4.0


class Normalise(nn.Module):
    """Pixels to what the network takes, with ImageNet's constants."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(STANDARD_DEVIATION).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Normalise pictures uint8 (B, S, S, 3) to float32 (B, 3, S, S)."""
        return self.from_unit(images.permute(0, 3, 1, 2).float() / 255)

    def from_unit(self, pixels: Tensor) -> Tensor:
        """Normalise pixels (B, 3, S, S) that are in [0, 1] already."""
        return (pixels - self.mean) / self.deviation


class Deployed(nn.Module):
    """The graph of model.onnx: pictures in, calibrated probabilities and `known` out."""

    offsets: Tensor

    def __init__(self, network: nn.Module, temperature: float, offsets: Sequence[float]) -> None:
        super().__init__()
        self.normalise = Normalise()
        self.network = network
        self.temperature = temperature
        self.register_buffer("offsets", torch.tensor(offsets, dtype=torch.float32))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, S, S, 3) uint8 to probabilities (N, K) and known (N,)."""
        return read_logits(self.network(self.normalise(images)), self.temperature, self.offsets)


def read_logits(logits: Tensor, temperature: float, offsets: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities (N, K) and known (N,) from logits (N, K) or, with unknown, (N, K + 1).

    temperature and offsets (K,) are those of `calibrate`. A network that was trained against
    negatives answers each class's question, this sign or anything else, by a sigmoid: `known` is
    the largest, softened by a constant scale so that float32 keeps the order of the very sure.
    Otherwise it is the largest probability.
    """
    classes = len(offsets)
    own = logits[:, :classes]
    probabilities = torch.softmax(own / temperature - offsets, 1)
    if logits.shape[1] == classes:
        return probabilities, probabilities.amax(1)
    return probabilities, torch.sigmoid(own.amax(1) / KNOWN_SCALE)
