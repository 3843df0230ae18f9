"""A ResNet-18 of the contract without training: as fast as a trained one, there in seconds."""

from pathlib import Path

import numpy as np

SIZE = 32


def export_resnet18(path: Path, size: int = SIZE, classes: tuple[str, ...] = ("a", "b")) -> Path:
    """Write a model.onnx with torchvision's ResNet-18 inside and give its path."""
    import torch

    from signwise.model_file.record import ModelRecord
    from signwise.training.graph import export_onnx
    from signwise.training.network import build_model

    torch.manual_seed(0)
    network = build_model("resnet18", len(classes) + 1, size, "none").eval()
    record = ModelRecord(classes=classes, image_size=size, threshold=0.0, model="resnet18")
    export_onnx(network, path, np.zeros((2, size, size, 3), np.uint8), record, known_scale=4.0)
    return path
