"""model.onnx, the one file that is trained, measured and deployed: what it says of itself.

`record` is the typed record of its metadata, `read` finds a file and checks it, `write` puts the
record in, and `protobuf` looks into a foreign file before any runtime may touch it.
"""
