"""Save and resume: tensors in safetensors, all else as JSON in its metadata; nothing is pickled."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from signwise.errors import SignwiseError
from signwise.files import write_bytes


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
