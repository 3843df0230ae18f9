"""What a bug report needs: versions and devices."""

import importlib.metadata
import importlib.util
import os
import platform

from rich.markup import escape

from signwise.runtime import own_version

LIBRARIES = (
    "numpy",
    "PIL",
    "onnxruntime",
    "torch",
    "torchvision",
    "pandas",
    "sklearn",
    "onnx",
    "safetensors",
    "pyarrow",
)
"""Modules: the distribution that brings one may have another name."""


def versions() -> list[str]:
    """What a bug report needs: versions of signwise, Python and libraries, and the devices."""
    found = {
        "signwise": own_version(),
        "python": f"{platform.python_version()} on {platform.platform()}",
        "cpu": f"{os.cpu_count()} cores, {platform.machine()}",
    }
    distributions = importlib.metadata.packages_distributions()
    for name in LIBRARIES:
        for distribution in sorted(set(distributions.get(name, ()))):
            found[distribution] = importlib.metadata.version(distribution)
        if name not in distributions:
            found[name] = "not installed"
    found["devices"] = ", ".join(_devices())
    return [f"{name:<12} {escape(value)}" for name, value in found.items()]


def _devices() -> list[str]:
    devices = ["cpu"]
    if importlib.util.find_spec("torch"):
        import torch

        cards = range(torch.cuda.device_count())
        devices += [f"cuda:{index} {torch.cuda.get_device_name(index)}" for index in cards]
        if torch.backends.mps.is_available():
            devices.append("mps")
    return devices
