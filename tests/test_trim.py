"""Kernels without the taps that see padding only: the same function and the same state dict."""

from copy import deepcopy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional
from torchvision import models

from signwise.training.trim import seen_taps, trim_kernels

pytestmark = pytest.mark.numeric


def bare(name: str) -> nn.Module:
    torch.manual_seed(0)
    network: nn.Module = models.get_model(name, weights=None)
    return network.eval()


@pytest.mark.parametrize(
    ("name", "size"), [("resnet18", 32), ("mobilenet_v3_small", 32), ("densenet121", 33)]
)
def test_a_trimmed_network_is_smaller_and_answers_the_same(name: str, size: int) -> None:
    network = bare(name)
    trimmed = deepcopy(network)
    trim_kernels(trimmed, size)
    count, less = (sum(p.numel() for p in n.parameters()) for n in (network, trimmed))
    assert less < count
    pictures = torch.randn(2, 3, size, size)
    with torch.inference_mode():
        assert torch.allclose(network(pictures), trimmed(pictures), rtol=1e-4, atol=1e-5)


def test_most_of_a_resnet18_at_32_pixels_is_not_computed() -> None:
    network = bare("resnet18")
    trim_kernels(network, 32)
    sizes = {
        name: tuple(network.get_submodule(f"layer4.{name}").kernel_size)  # type: ignore[arg-type]
        for name in ("0.conv1", "0.conv2", "1.conv1", "1.conv2")
    }
    assert sizes == {"0.conv1": (2, 2), "0.conv2": (1, 1), "1.conv1": (1, 1), "1.conv2": (1, 1)}


def test_where_every_tap_sees_a_pixel_nothing_changes() -> None:
    network = bare("resnet18")
    before = {name: value.shape for name, value in network.named_parameters()}
    trim_kernels(network, 64)
    assert {name: value.shape for name, value in network.named_parameters()} == before
    assert not network.training


def test_state_dicts_are_those_of_the_whole_network() -> None:
    network = bare("resnet18")
    trimmed = deepcopy(network)
    trim_kernels(trimmed, 32)
    copied = deepcopy(trimmed)  # as the moving average is made
    state = copied.state_dict()
    assert {k: v.shape for k, v in state.items()} == {
        k: v.shape for k, v in network.state_dict().items()
    }
    kernel, whole = (s["layer4.1.conv2.weight"] for s in (state, network.state_dict()))
    assert torch.equal(kernel[:, :, 1, 1], whole[:, :, 1, 1])
    assert torch.count_nonzero(kernel) == torch.count_nonzero(kernel[:, :, 1, 1])
    other = deepcopy(trimmed)
    for parameter in other.parameters():
        nn.init.normal_(parameter)
    other.load_state_dict(network.state_dict())
    for one, two in zip(trimmed.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)
    network.load_state_dict(state)
    pictures = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        assert torch.allclose(network(pictures), trimmed(pictures), rtol=1e-4, atol=1e-5)


def test_a_layer_that_sees_two_sizes_keeps_its_kernel() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(3, 3, 3, stride=2, padding=1)

        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            return self.layer(self.layer(pictures))  # type: ignore[no-any-return]

    network = Twice()
    trim_kernels(network, 2)
    assert network.layer.kernel_size == (3, 3)


@given(
    length=st.integers(1, 9),
    kernel=st.integers(1, 7),
    stride=st.integers(1, 3),
    padding=st.integers(0, 4),
    dilation=st.integers(1, 3),
)
def test_leaving_taps_out_is_exact(
    length: int, kernel: int, stride: int, padding: int, dilation: int
) -> None:
    if length + 2 * padding < dilation * (kernel - 1) + 1:
        return  # no output at all
    taps = seen_taps(length, kernel, stride, padding, dilation)
    if taps is None:
        return
    first, end = taps
    generator = torch.Generator().manual_seed(0)
    row = torch.randn(1, 1, length, generator=generator)
    weight = torch.randn(1, 1, kernel, generator=generator)
    whole = functional.conv1d(row, weight, None, stride, padding, dilation)
    less = functional.conv1d(
        row, weight[..., first:end], None, stride, padding - first * dilation, dilation
    )
    assert less.shape == whole.shape
    assert torch.allclose(less, whole, atol=1e-5)
    if length == 1 and kernel == 2 * padding + 1 and dilation == stride == 1:
        assert end - first == 1
