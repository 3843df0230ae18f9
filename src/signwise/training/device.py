"""Where to compute, and in what form."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from signwise.errors import SignwiseError
from signwise.training import ranks


def choose_device(name: str) -> torch.device:
    """The device by name, for auto the fastest; raises SignwiseError if it is not there."""
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        # Several processes can't speak through it.
        "mps": torch.backends.mps.is_available() and ranks.count() == 1,
    }
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if there[kind])
    if not there[name]:
        raise SignwiseError(f"`device` {name}: this machine or this PyTorch has none; use auto")
    if name == "cuda" and ranks.count() > 1:
        return _own_gpu()
    return torch.device(name)


def _own_gpu() -> torch.device:
    """The GPU of this one of several processes."""
    number, there = ranks.local_rank(), torch.cuda.device_count()
    if number >= there:
        raise SignwiseError(
            f"`device` cuda: more processes than the {there} GPUs of this machine: start torchrun "
            f"with --nproc-per-node {there}, or with `device` cpu"
        )
    torch.cuda.set_device(number)
    return torch.device("cuda", number)


def half_precision(device: torch.device) -> bool:
    """Whether to train in bfloat16, with weights in float32.

    Not on a CPU: beside another busy process it can be 20 times slower there (LOG.md). Not on a GPU
    that only imitates it.
    """
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def bfloat16_features(device: torch.device) -> bool:
    """Whether features of training pictures are computed in bfloat16.

    Also on a CPU that has instructions for it, where threads do not wait for each other, unless the
    environment says which PyTorch or oneDNN may use: without them it takes five times as long.
    """
    if device.type != "cpu":
        return half_precision(device)
    held = any(f"{name}_MAX_CPU_ISA" in os.environ for name in ("DNNL", "ONEDNN"))
    able: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    own = torch.backends.cpu.get_cpu_capability() == "AVX512"
    return own and not held and bool(able.get("avx512_bf16"))


def layout(network: nn.Module) -> torch.memory_format:
    """How the pictures and kernels of a network lie in memory."""
    device = next(network.parameters()).device.type
    return layout_on(device, depthwise=device == "cuda" and _is_depthwise(network))


def layout_on(device: str, *, depthwise: bool) -> torch.memory_format:
    """Channels last, which is faster on CUDA and on CPUs, but for depthwise convolutions on CUDA.

    For these cuDNN compiles kernels, for each shape of a batch anew: 20 s in a first epoch of
    mobilenet_v2, while a step takes 18 ms contiguous and 14 ms channels last (LOG.md).
    """
    if device == "mps" or (device == "cuda" and depthwise):
        return torch.contiguous_format
    return torch.channels_last


def _is_depthwise(network: nn.Module) -> bool:
    layers = (layer for layer in network.modules() if isinstance(layer, nn.Conv2d))
    return any(1 < layer.groups == layer.in_channels for layer in layers)


@contextmanager
def torch_as_found(device: torch.device, threads: int) -> Iterator[None]:
    """Compute with so many CPU threads; they and torch's random state are then as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        torch.set_num_threads(before)
