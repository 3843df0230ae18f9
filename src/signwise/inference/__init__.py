"""From model.onnx and pictures to predictions."""
