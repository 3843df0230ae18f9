"""Save and resume: tensors in safetensors, all else as JSON in its metadata; nothing is pickled."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from signwise.errors import SignwiseError
from signwise.files import write_bytes

WEIGHTS, MOMENTUM = "weights.", "momentum."


def save_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors and JSON facts as one safetensors file, whole or not at all."""
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # Not save_file: it has a temporary file of its own, which a kill would leave.
    write_bytes(path, save(whole, metadata={"signwise": json.dumps(facts, allow_nan=False)}))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and facts that `save_tensors` wrote; raises SignwiseError for another file."""
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {})["signwise"])
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise SignwiseError(f"{path} is no checkpoint of signwise ({error})") from None


def training_state(network: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Weights and momentum buffers by parameter name: all tensors that resuming needs."""
    state = {WEIGHTS + name: value for name, value in network.state_dict().items()}
    for name, parameter in network.named_parameters():
        if "momentum_buffer" in optimiser.state.get(parameter, {}):
            state[MOMENTUM + name] = optimiser.state[parameter]["momentum_buffer"]
    return state


def restore_training_state(
    network: nn.Module, optimiser: torch.optim.Optimizer, state: Mapping[str, Tensor]
) -> None:
    """Put back what `training_state` gave, on the network's own device."""
    weights = {
        name.removeprefix(WEIGHTS): value
        for name, value in state.items()
        if name.startswith(WEIGHTS)
    }
    network.load_state_dict(weights)
    for name, parameter in network.named_parameters():
        if MOMENTUM + name in state:
            buffer = torch.empty_like(parameter).copy_(state[MOMENTUM + name])
            optimiser.state[parameter]["momentum_buffer"] = buffer
