"""Other formats of a model: `formats` writes them, `certificate` compares them with model.onnx."""
