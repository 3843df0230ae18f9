"""Kernels without the taps that read nothing but padding: the same function, smaller and faster.

At 32 pixels the last maps of a ResNet are 1 x 1: of a kernel's nine taps one sees a pixel, the
others zeros. They are left out of what is computed, trained, averaged and exported. State dicts
keep the whole kernels, zeros where a tap is left out, so that weights go to and come from any size.
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

Taps = tuple[int, int]


def trim_kernels(network: nn.Module, image_size: int) -> None:
    """Leave out, in place, the taps that no picture of (B, 3, S, S) reaches; exact at this S."""
    for layer, sizes in _input_sizes(network, image_size).items():
        if len(sizes) == 1:
            _trim(layer, sizes.pop())


@torch.inference_mode()
def _input_sizes(network: nn.Module, image_size: int) -> dict[nn.Conv2d, set[tuple[int, int]]]:
    """Heights and widths that each convolution is given."""
    sizes: dict[nn.Conv2d, set[tuple[int, int]]] = {}

    def note(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(layer, nn.Conv2d)
        height, width = inputs[0].shape[-2:]
        sizes.setdefault(layer, set()).add((height, width))

    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    handles = [layer.register_forward_pre_hook(note) for layer in layers]
    mode = network.training
    network.eval()(torch.zeros(1, 3, image_size, image_size))
    network.train(mode)
    for handle in handles:
        handle.remove()
    return sizes


def seen_taps(length: int, kernel: int, stride: int, padding: int, dilation: int) -> Taps | None:
    """The first tap that reads the input and the one after the last, along one side.

    None where less padding can't make up for those left out.
    """
    count = _outputs(length, kernel, stride, padding, dilation)
    seen = [
        tap
        for tap in range(kernel)
        if any(0 <= place * stride - padding + tap * dilation < length for place in range(count))
    ]
    if not seen:
        return None
    first, end = seen[0], seen[-1] + 1
    left = padding - first * dilation
    if left < 0 or _outputs(length, end - first, stride, left, dilation) != count:
        return None
    return first, end


def _outputs(length: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    return (length + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def _trim(layer: nn.Conv2d, size: tuple[int, int]) -> None:
    if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        return
    whole = (layer.kernel_size[0], layer.kernel_size[1])
    sides = zip(size, whole, layer.stride, layer.padding, layer.dilation, strict=True)
    rows, columns = (seen_taps(*side) for side in sides)
    if rows is None or columns is None or (rows, columns) == ((0, whole[0]), (0, whole[1])):
        return
    cut = (..., slice(*rows), slice(*columns))
    layer.weight = nn.Parameter(
        layer.weight.detach()[cut].clone(), requires_grad=layer.weight.requires_grad
    )
    layer.kernel_size = (rows[1] - rows[0], columns[1] - columns[0])
    layer.padding = (
        layer.padding[0] - rows[0] * layer.dilation[0],
        layer.padding[1] - columns[0] * layer.dilation[1],
    )
    margins = (columns[0], whole[1] - columns[1], rows[0], whole[0] - rows[1])
    layer.register_state_dict_post_hook(partial(_fill, margins=margins))  # type: ignore[no-untyped-call]
    layer.register_load_state_dict_pre_hook(partial(_cut, cut=cut, whole=whole))  # type: ignore[no-untyped-call]


def _fill(
    _: nn.Module,
    state: dict[str, Any],
    prefix: str,
    __: dict[str, Any],
    margins: tuple[int, int, int, int],
) -> None:
    """Zeros for the taps that are left out, as a state dict is written."""
    state[prefix + "weight"] = functional.pad(state[prefix + "weight"], margins)


def _cut(
    _: nn.Module, state: dict[str, Any], prefix: str, *__: Any, cut: tuple[Any, ...], whole: Taps
) -> None:
    """The taps that are seen, as a state dict is read; another kernel's torch itself refuses."""
    name = prefix + "weight"
    if name in state and state[name].shape[2:] == whole:
        state[name] = state[name][cut]
