"""ONNX Runtime, told before it loads to keep what it sees to itself.

Since 1.32 it otherwise writes a device id into the user's home, and sends events to its maker.
"""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

__all__ = ["onnxruntime"]
