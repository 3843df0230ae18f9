"""torchvision's classification architectures by name, their weights, and a new head."""

import inspect
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision import models

from signwise.errors import SignwiseError
from signwise.training.backbone import backbone_state, to_float32
from signwise.training.head import replace_head
from signwise.training.trim import trim_kernels

SIZES_TO_TRY = (32, 48, 64, 96, 128, 224, 256, 299, 384, 480, 518)


def build_model(name: str, outputs: int, image_size: int, weights: str) -> nn.Module:
    """A torchvision classifier with a new head of `outputs` logits, for (B, 3, S, S) pictures.

    `weights` is none, imagenet, signs (the shipped backbone), or a file of a state dict;
    its head is left out. Raises SignwiseError for an architecture that torchvision
    does not have, an image size that it can't take (naming sizes that work), and weights that
    can't be had or do not fit.
    """
    if name not in models.list_models(module=models):
        raise SignwiseError(f"`model`: torchvision has no classifier {name!r}; try resnet18")
    _check_image_size(name, image_size)
    network = _bare_model(name)
    if weights == "imagenet":
        network.load_state_dict(_imagenet_state(name), strict=False)
    head = replace_head(network, outputs)
    if weights == "signs":
        load_signs(network, name, head)
    elif weights not in ("none", "imagenet"):
        load_body(network, read_state(Path(weights)), head, weights)
    trim_kernels(network, image_size)
    return network


def load_signs(network: nn.Module, name: str, head: str) -> None:
    """Load the shipped backbone into a ResNet-18, in float32."""
    if name != "resnet18":
        raise SignwiseError(f"`weights` signs is a resnet18: set `model` to it, not to {name}")
    load_body(network, backbone_state(), head, "signs")


def _bare_model(name: str) -> nn.Module:
    builder = models.get_model_builder(name)
    options: dict[str, object] = {}
    if "aux_logits" in inspect.signature(builder).parameters or name in (
        "googlenet",
        "inception_v3",
    ):
        # The auxiliary heads are for 1000 classes, and only a training aid of their day.
        options = {"aux_logits": False, "init_weights": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchvision warns of its own slow initialisers
        network: nn.Module = builder(weights=None, **options)
    return network


def _meta_model(name: str) -> nn.Module:
    """The architecture without memory for its weights: all that shapes need."""
    try:
        with torch.device("meta"):
            return _bare_model(name)
    except NotImplementedError:  # RegNet computes its widths with tensors
        return _bare_model(name).to("meta")


def _check_image_size(name: str, image_size: int) -> None:
    if _takes(name, image_size):
        return
    working = [str(size) for size in SIZES_TO_TRY if _takes(name, size)]
    raise SignwiseError(
        f"`image_size` {image_size}: {name} can't take it; of the usual sizes "
        f"{', '.join(working) or 'none'} work"
    )


def _takes(name: str, image_size: int) -> bool:
    network = _meta_model(name).eval()
    try:
        with torch.no_grad():
            network(torch.zeros(2, 3, image_size, image_size, device="meta"))
    except (RuntimeError, AssertionError, ValueError):
        return False
    return True


def set_training_mode(network: nn.Module, *, statistics_frozen: bool) -> None:
    """Training mode; batch norms may stay as in evaluation, with the statistics that they have.

    A few pictures tell less of a batch norm's mean and variance than those that it was trained on.
    """
    network.train()
    if statistics_frozen:
        for layer in network.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.eval()


def _imagenet_state(name: str) -> Mapping[str, Tensor]:
    weights = models.get_model_weights(name).DEFAULT
    file = Path(torch.hub.get_dir()) / "checkpoints" / os.path.basename(weights.url)  # noqa: PTH119
    try:
        state: Mapping[str, Tensor] = weights.get_state_dict(
            progress=True, check_hash=True, weights_only=True
        )
    except (URLError, OSError) as error:
        raise SignwiseError(
            f"`weights` imagenet: could not download {file.name} ({error}): put the file at "
            f"{file} by hand, or train offline with `weights` none or a file of your own"
        ) from None
    except Exception as error:
        raise SignwiseError(
            f"`weights` imagenet: {file} is no state dict ({type(error).__name__}): delete it"
        ) from None
    return state


def read_state(file: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors or .pth state dict, in float32; no code is unpickled."""
    if not file.is_file():
        raise SignwiseError(
            f"`weights` {file}: no such file; give none, signs, imagenet, or a .safetensors or "
            ".pth file"
        )
    try:
        if file.suffix == ".safetensors":
            state: Any = load_file(file)
        else:
            state = torch.load(file, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError) as error:
        raise SignwiseError(f"`weights` {file}: not a .safetensors file ({error})") from None
    except Exception:
        # torch.load raises a dozen kinds; its text runs over a page and advises to unpickle.
        raise SignwiseError(f"`weights` {file}: not a .pth file of tensors alone") from None
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise SignwiseError(f"`weights` {file}: not a state dict, which maps names to tensors")
    return to_float32({str(name).removeprefix("module."): state[name] for name in state})


def load_body(network: nn.Module, state: Mapping[str, Tensor], head: str, source: str) -> None:
    """Load everything but the head; raises SignwiseError where names or shapes do not fit."""
    wanted = {
        name: value
        for name, value in network.state_dict().items()
        if not name.startswith(head + ".")
    }
    missing = [name for name in wanted if name not in state]
    other = [
        name for name, value in wanted.items() if name in state and state[name].shape != value.shape
    ]
    if missing or other:
        fault = f"no {missing[0]}" if missing else f"another shape of {other[0]}"
        raise SignwiseError(
            f"`weights` {source}: made for another architecture ({fault}): set `model` to its own"
        )
    network.load_state_dict({name: state[name] for name in wanted}, strict=False)
