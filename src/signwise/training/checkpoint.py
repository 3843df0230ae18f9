"""Tensors in safetensors, all else as JSON in its metadata; nothing is pickled."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from signwise.errors import SignwiseError
from signwise.files import write_bytes
from signwise.results import Epoch, json_document
from signwise.training.optim import OptimizerFacts

Facts = TypeVar("Facts")


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


def save_tensors(path: Path, tensors: dict[str, Tensor], facts: object) -> None:
    """Write tensors and a record, as JSON, as one safetensors file, whole or not at all."""
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # Not save_file: it has a temporary file of its own, which a kill would leave.
    write_bytes(path, save(whole, metadata={"signwise": json_document(facts)}))


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file that `save_tensors` wrote; raises SignwiseError for another file."""
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise SignwiseError(f"{path} is no checkpoint of signwise ({error})") from None


def load_facts(path: Path, kind: type[Facts]) -> Facts:
    """The record in a file that `save_tensors` wrote; raises SignwiseError for another file."""
    try:
        with safe_open(path, framework="pt") as file:
            return msgspec.json.decode((file.metadata() or {})["signwise"], type=kind)
    except (SafetensorError, OSError, KeyError, msgspec.MsgspecError) as error:
        raise SignwiseError(f"{path} is no checkpoint of signwise ({error})") from None
