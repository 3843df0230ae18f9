"""torchvision's classification architectures by name, their weights, and a new head."""

import os
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO
from urllib.error import URLError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision import models

from signwise.errors import SignwiseError
from signwise.opening import open_regular
from signwise.training.backbone import backbone_state, to_float32
from signwise.training.head import replace_head
from signwise.training.loading import load_tensors_into
from signwise.training.trim import trim_kernels

MOST_WEIGHTS = 8 * 2**30
"""Bytes of a file of weights; torchvision's largest have 2.6 GB."""
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
        _load_imagenet(network, name)
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
    if name in ("googlenet", "inception_v3"):
        # The auxiliary heads are for 1000 classes, and only a training aid of their day. The
        # weights of both are for pictures from -1 to 1: torchvision too turns this on with them.
        options = {"aux_logits": False, "init_weights": True, "transform_input": True}
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


def _load_imagenet(network: nn.Module, name: str) -> None:
    try:
        network.load_state_dict(_imagenet_state(name), strict=False)
    except RuntimeError:
        raise SignwiseError(
            f"`weights` imagenet: torchvision's newest of {name} are for pictures of another size:"
            " give an older file of them as `weights`, or choose another `model`"
        ) from None


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
    """The tensors of a .safetensors or .pth state dict; no code is unpickled.

    They are as they stand in the file: a view may say that it is larger than all memory.
    """
    try:
        with open_regular(file, MOST_WEIGHTS) as opened:
            packed = zipfile.is_zipfile(opened) and _is_packed(opened)
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else error.strerror
        raise SignwiseError(
            f"`weights` {file}: {reason}; give none, signs, imagenet, or a .safetensors or "
            ".pth file"
        ) from None
    if packed:  # as torch.save never does: a few bytes could stand for gigabytes
        raise SignwiseError(
            f"`weights` {file}: its tensors are compressed: save them with torch.save"
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
    return {str(name).removeprefix("module."): state[name] for name in state}


def _is_packed(file: BinaryIO) -> bool:
    try:
        with zipfile.ZipFile(file) as archive:
            return any(each.compress_type != zipfile.ZIP_STORED for each in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return False  # nor does torch know it then


def load_body(network: nn.Module, state: Mapping[str, Tensor], head: str, source: str) -> None:
    """Load everything but the head, in float32.

    Raises SignwiseError where names, shapes or kinds of tensors do not fit; they are compared
    before any tensor is copied.
    """
    wanted = {
        name: value
        for name, value in network.state_dict().items()
        if not name.startswith(head + ".")
    }
    missing = [name for name in wanted if name not in state]
    odd = [name for name in wanted if name in state and not _is_plain(state[name])]
    if missing or odd:
        fault = f"no {missing[0]}" if missing else f"{odd[0]} is no plain tensor of numbers"
    else:
        other = [name for name, value in wanted.items() if state[name].shape != value.shape]
        fault = f"another shape of {other[0]}" if other else ""
    if fault:
        raise SignwiseError(
            f"`weights` {source}: made for another architecture ({fault}): set `model` to its own"
        )
    own = to_float32({name: state[name] for name in wanted})
    load_tensors_into(network, own, strict=False)


def _is_plain(tensor: Tensor) -> bool:
    special = tensor.is_nested or tensor.is_quantized or tensor.is_complex()
    return not special and tensor.layout == torch.strided and tensor.device.type == "cpu"
