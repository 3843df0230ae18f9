"""Batch norms folded into convolutions: the same answers."""

import pytest
import torch
from torch import Tensor, nn

from signwise.training.batch_renorm import renormalise
from signwise.training.folding import folded
from signwise.training.network import build_model

ROOM = 1e-4
"""Of the largest logit."""


def stirred(network: nn.Module) -> nn.Module:
    """The network with statistics and weights that are none of a fresh one, in evaluation mode."""
    draws = torch.Generator().manual_seed(0)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            layer.running_mean.normal_(generator=draws)
            layer.running_var.uniform_(0.5, 2, generator=draws)
            nn.init.uniform_(layer.weight, 0.5, 1.5, generator=draws)
    return network.eval()


def same(network: nn.Module, size: int) -> nn.Module:
    """The folded network, whose answers were compared."""
    pictures = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        wanted, found = network(pictures), folded(network)(pictures)
    assert torch.allclose(found, wanted, atol=ROOM * float(wanted.abs().max()), rtol=0)
    return folded(network)


def norms(network: nn.Module) -> int:
    return sum(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "densenet121"])
def test_a_folded_network_answers_the_same(name: str) -> None:
    network = stirred(build_model(name, 3, 32, "none"))
    before = norms(network)
    left = norms(same(network, 32))
    # In a DenseNet most come before their convolution.
    assert left == 0 if name != "densenet121" else 0 < left < before
    assert norms(network) == before


def test_renormalising_batch_norms_are_folded_and_training_networks_too() -> None:
    network = stirred(build_model("mobilenet_v2", 2, 32, "none"))
    renormalise(network, 0.1)
    assert norms(same(network, 32)) == 0
    network.train()
    found = folded(network)
    assert network.training
    assert not found.training
    assert norms(found) == 0


class Twice(nn.Module):
    """Calls a convolution twice, and uses what another gives with and without its norm."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)
        self.second, self.other = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) of the same shape."""
        maps = self.norm(self.first(self.first(images)))
        maps = self.second(maps)
        found: Tensor = maps + self.other(maps)
        return found


class Branching(Twice):
    """Looks at its numbers, so that it can't be traced."""

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) of the same shape."""
        return super().forward(images) if images.sum() > 0 else images


@pytest.mark.parametrize("kind", [Twice, Branching])
def test_what_is_used_twice_or_not_traced_stays(kind: type[nn.Module]) -> None:
    assert norms(same(stirred(kind()), 8)) == 2
