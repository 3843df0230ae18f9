"""Where to compute, and in what form."""

import torch

from signwise.errors import SignwiseError


def choose_device(name: str) -> torch.device:
    """The device by name, for auto the fastest; raises SignwiseError if it is not there."""
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if there[kind])
    if not there[name]:
        raise SignwiseError(f"--device {name}: this machine or this PyTorch has none; use auto")
    return torch.device(name)


def half_precision(device: torch.device) -> bool:
    """Whether to train in bfloat16, with weights in float32.

    Not on a CPU: beside another busy process it can be 20 times slower there (LOG.md).
    """
    return device.type == "cuda"


def layout(device: torch.device) -> torch.memory_format:
    """How pictures and kernels lie in memory: channels last is faster on CUDA and on CPUs."""
    return torch.contiguous_format if device.type == "mps" else torch.channels_last
