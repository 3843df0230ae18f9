"""Passes without gradients: on a CPU, a thread for every few pictures.

PyTorch's own threads share each layer of a batch, and so its maps go through memory. A thread that
takes a few pictures through all layers finds them in its cache: mobilenet_v2 takes half the time at
128 pixels, and waits for no other thread, which on a busy machine costs most (LOG.md).
"""

import math
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from functools import partial

import torch
from torch import Tensor, nn

from signwise.training.device import layout
from signwise.training.graph import Normalise

CHUNK_PIXELS = 2**18
"""Of the pictures that a thread takes at a time, at most; but always one picture."""


def forward(network: nn.Module, pictures: Tensor, *, half: bool = False) -> Tensor:
    """Float32 outputs (B, ...) of pictures (B, 3, S, S) in [0, 1], B at least 1.

    The network stays in its mode, of training or evaluation. On a CPU in as many threads as torch
    is set to. With `half` in bfloat16, but for what autocast leaves in float32.
    """
    outputs = partial(_outputs, network, Normalise().to(pictures.device), half)
    if pictures.device.type != "cpu":
        return outputs(pictures)
    threads = torch.get_num_threads()
    parts = torch.split(pictures, _chunk(pictures, threads))
    if threads == 1:
        return torch.cat([outputs(part) for part in parts])
    try:
        with ThreadPoolExecutor(threads, initializer=partial(torch.set_num_threads, 1)) as workers:
            return torch.cat(list(workers.map(outputs, parts)))
    finally:
        # What was set in one thread is what those have that begin later.
        torch.set_num_threads(threads)


def in_bfloat16(network: nn.Module) -> nn.Module:
    """A copy whose convolutions and linear layers have bfloat16 weights, which `half` need not
    cast at each pass.
    """
    copy = deepcopy(network)
    for layer in copy.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.to(torch.bfloat16)
    return copy


@torch.inference_mode()
def _outputs(network: nn.Module, normalise: Normalise, half: bool, pictures: Tensor) -> Tensor:
    images = normalise.from_unit(pictures).contiguous(memory_format=layout(network))
    with torch.autocast(pictures.device.type, torch.bfloat16, enabled=half):
        outputs: Tensor = network(images)
    return outputs.float()


def _chunk(pictures: Tensor, threads: int) -> int:
    """Pictures that a thread takes at a time, so that all have about as many to take."""
    most = max(1, CHUNK_PIXELS // (pictures.shape[-1] * pictures.shape[-2]))
    turns = math.ceil(len(pictures) / (most * threads))
    return math.ceil(len(pictures) / (turns * threads))
