"""From pixels to model.onnx."""

import os

WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "2000"}
"""How OpenMP's threads wait for each other; it counts until torch is loaded.

Threads that spin for long fight over cores that other processes need too, threads that sleep at
once wake too late: these spin for microseconds, then sleep (in PyTorch's usual builds, which use
libgomp; elsewhere they sleep at once). LOG.md has the figures.
"""

if not WAITING.keys() & os.environ.keys():
    os.environ.update(WAITING)
