"""From pixels to model.onnx."""

import os

# Threads that spin while they wait fight over cores that other processes need too: on 2 busy cores
# a training step took 4.5 s, and 0.4 s with threads that sleep. It counts until torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
