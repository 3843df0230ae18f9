"""What a bug report needs: versions and devices."""

import importlib.metadata
import importlib.util
import os
import platform

from rich.markup import escape

LIBRARIES = (
    "numpy",
    "pillow",
    "onnxruntime",
    "torch",
    "torchvision",
    "pandas",
    "scikit-learn",
    "onnx",
    "safetensors",
    "pyarrow",
)


def versions() -> list[str]:
    """What a bug report needs: versions of signwise, Python and libraries, and the devices."""
    found = {
        "signwise": importlib.metadata.version("signwise"),
        "python": f"{platform.python_version()} on {platform.platform()}",
        "cpu": f"{os.cpu_count()} cores, {platform.machine()}",
    }
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
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
