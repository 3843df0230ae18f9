"""Tensors in safetensors, all else as JSON in its metadata; nothing is pickled."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from signwise.errors import SignwiseError
from signwise.files import write_bytes
from signwise.results import Epoch, json_document
from signwise.training.optim import OptimizerFacts

Facts = TypeVar("Facts")

SAME = "same"
"""In the metadata: tensors that are not in the file, and which others they are equal to."""


@dataclass(frozen=True, kw_only=True)
class CheckpointFacts:
    """What last.safetensors holds beside its tensors."""

    history: tuple[Epoch, ...]
    lowest_losses: tuple[float, ...]
    """Of each epoch, the lowest validation loss of any mixture with stage one."""
    optimizer: OptimizerFacts


@dataclass(frozen=True, kw_only=True)
class BestFacts:
    """What model.safetensors holds beside its tensors.

    No seconds: a run that is repeated ends in the same file.
    """

    epoch: int
    val_loss: float
    val_accuracy: float


def save_tensors(
    path: Path,
    tensors: Mapping[str, Tensor],
    facts: object,
    twins: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write tensors and a record, as JSON, as one safetensors file, whole or not at all.

    `twins` names tensors that may be equal to others, which it also names: where they are, to the
    bit, they are written once.
    """
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    same = {name: other for name, other in twins.items() if _equal(whole[name], whole[other])}
    once = {name: tensor for name, tensor in whole.items() if name not in same}
    metadata = {"signwise": json_document(facts)} | ({SAME: json.dumps(same)} if same else {})
    # Not save_file: it has a temporary file of its own, which a kill would leave.
    write_bytes(path, save(once, metadata=metadata))


def _equal(one: Tensor, other: Tensor) -> bool:
    """To the bit: 0 is not -0."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return torch.equal(one.flatten().view(torch.uint8), other.flatten().view(torch.uint8))


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file that `save_tensors` wrote; raises SignwiseError for another file."""
    try:
        with safe_open(path, framework="pt") as file:
            found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            same = (file.metadata() or {}).get(SAME, "{}")
        for name, other in msgspec.json.decode(same, type=dict[str, str]).items():
            found[name] = found[other].clone()
        return found
    except (SafetensorError, OSError, KeyError, msgspec.MsgspecError) as error:
        raise SignwiseError(f"{path} is no checkpoint of signwise ({error})") from None


def load_facts(path: Path, kind: type[Facts]) -> Facts:
    """The record in a file that `save_tensors` wrote; raises SignwiseError for another file."""
    try:
        with safe_open(path, framework="pt") as file:
            return msgspec.json.decode((file.metadata() or {})["signwise"], type=kind)
    except (SafetensorError, OSError, KeyError, msgspec.MsgspecError) as error:
        raise SignwiseError(f"{path} is no checkpoint of signwise ({error})") from None
