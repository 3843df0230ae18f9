"""From pixels to model.onnx."""
