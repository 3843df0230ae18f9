"""What the backbone that ships, `signs`, sees in the user's pictures."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torchvision import models

from signwise.config import NegativesConfig
from signwise.model_file.read import SHIPPED_MODELS
from signwise.synthetic import GTSRB_DESIGNS, design_of
from signwise.training.checkpoint import load_facts, load_tensors
from signwise.training.graph import Normalise

BACKBONE = SHIPPED_MODELS / "signs" / "backbone.safetensors"


@dataclass(frozen=True)
class _Facts:
    size: int
    """Side of the pictures that it was trained on, in pixels."""


def backbone_state() -> dict[str, Tensor]:
    """Its state dict in float32: a torchvision resnet18's, its head for 43 classes and unknown."""
    return to_float32(load_tensors(BACKBONE))


def load_backbone() -> nn.Module:
    """The backbone with its own head, 43 classes and unknown."""
    state = backbone_state()
    network: nn.Module = models.resnet18(num_classes=len(state["fc.bias"]))
    network.load_state_dict(state)
    return network.eval()


def to_float32(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors, floating-point ones in float32."""
    return {
        name: value.float() if value.is_floating_point() else value for name, value in state.items()
    }


def designs_named(classes: tuple[str, ...]) -> frozenset[str]:
    """The signs that the classes' names mean: no negative may show them."""
    return frozenset(design for name in classes if (design := design_of(name)) is not None)


@torch.inference_mode()
def designs_seen(
    pixels: NDArray[np.uint8],
    labels: NDArray[np.int64],
    rows: NDArray[np.int64],
    config: NegativesConfig,
) -> dict[int, dict[str, float]]:
    """The signs that the pictures of each class show, whatever its name, and in what share of them.

    pixels (N, S, S, 3), labels (N,), and the rows to look at. The backbone looks at a few pictures
    of each class; a sign that it sees in less than `config.seen_share` of them does not count.
    """
    network, size = load_backbone(), load_facts(BACKBONE, _Facts).size
    seen: dict[int, dict[str, float]] = {}
    present = np.unique(labels[rows])
    few = int(np.clip(config.pictures_to_see // len(present), *config.pictures_of_a_class))
    for label in present:
        own = rows[labels[rows] == label]
        some = own[np.linspace(0, len(own) - 1, min(len(own), few)).astype(int)]
        unit = torch.from_numpy(pixels[some]).permute(0, 3, 1, 2).float() / 255
        scaled = functional.interpolate(unit, (size, size), mode="bilinear", antialias=True)
        logits = network(Normalise().from_unit(scaled))[:, : len(GTSRB_DESIGNS)]
        best = logits.max(1)
        counts = best.indices[best.values > 0].bincount(minlength=len(GTSRB_DESIGNS))
        shares = zip(GTSRB_DESIGNS, (counts / len(some)).tolist(), strict=True)
        seen[int(label)] = {design: share for design, share in shares if share >= config.seen_share}
    return seen
