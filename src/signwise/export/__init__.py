"""Other formats of a model, each run against model.onnx before it gets its name."""
