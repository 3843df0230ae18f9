"""The head of a network: the last layer, which gives the logits."""

from torch import nn


def head_name(network: nn.Module) -> str:
    """The name of the layer that gives the logits: the last linear or 1x1 convolution."""
    names = [
        name for name, layer in network.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)
    ]
    linear = [name for name in names if isinstance(network.get_submodule(name), nn.Linear)]
    return str(linear[-1] if linear else names[-1])


def replace_head(network: nn.Module, outputs: int) -> str:
    """Put a fresh head of `outputs` logits in place of the old one; gives its name."""
    name = head_name(network)
    old = network.get_submodule(name)
    new: nn.Module
    if isinstance(old, nn.Conv2d):
        new = nn.Conv2d(old.in_channels, outputs, old.kernel_size)  # type: ignore[arg-type]
        network.num_classes = outputs  # type: ignore[assignment]
    else:
        assert isinstance(old, nn.Linear)
        new = nn.Linear(old.in_features, outputs)
    network.set_submodule(name, new)
    return name
