"""Other formats of a model, each run against model.onnx before it is written."""
