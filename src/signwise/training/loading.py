"""Tensors that were saved, back into a network."""

from collections import OrderedDict
from collections.abc import Mapping

from torch import Tensor, nn


def load_tensors_into(
    network: nn.Module, tensors: Mapping[str, Tensor], *, strict: bool = True
) -> None:
    """As `load_state_dict`, for tensors by name alone.

    A state dict also says the version of each layer's format, which a file of tensors does not
    hold, and MNASNet refuses one that says none: they are taken for the network's own. Raises
    RuntimeError where names or shapes do not fit.
    """
    state = OrderedDict(tensors)
    state._metadata = network.state_dict()._metadata  # type: ignore[attr-defined]
    network.load_state_dict(state, strict=strict)
