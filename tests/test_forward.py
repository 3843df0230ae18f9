"""Passes without gradients: in threads as in one, and torch is then as before."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn

from signwise.training import device, forward
from signwise.training.graph import Normalise
from toy_training import CPU, toy_net

pytestmark = pytest.mark.numeric


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """So many threads, while the test runs."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def threads_of_a_new_thread() -> int:
    """What torch is set to; each thread keeps what it began with."""
    with ThreadPoolExecutor(1) as workers:
        return workers.submit(torch.get_num_threads).result()


@pytest.mark.parametrize("count", [1, 2, 7, 20])
def test_parts_in_threads_come_to_what_the_whole_does(
    count: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    net, pictures = toy_net(num_classes=3).eval(), torch.rand(count, 3, 8, 8)
    with torch.inference_mode():
        wanted = net(Normalise().from_unit(pictures))
    monkeypatch.setattr(forward, "CHUNK_PIXELS", 3 * 64)
    found = forward.forward(net, pictures)
    assert torch.allclose(found, wanted, atol=1e-5)
    assert not found.requires_grad
    assert threads_of_a_new_thread() == threads


class Noted(nn.Module):
    """Notes the batches that it gets, and how many threads torch has then."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.sizes: list[int] = []
        self.settings: set[tuple[bool, int, bool]] = set()

    def forward(self, pictures: Tensor) -> Tensor:
        """The means of the pictures (B, 1)."""
        self.sizes.append(len(pictures))
        main = threading.current_thread() is threading.main_thread()
        self.settings.add((main, torch.get_num_threads(), torch.is_grad_enabled()))
        return pictures.mean((1, 2, 3))[:, None] * self.weight


def test_all_threads_take_as_many_pictures_and_each_is_alone(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forward, "CHUNK_PIXELS", 4 * 64)
    noted = Noted()
    forward.forward(noted, torch.rand(24, 3, 8, 8))
    assert sorted(noted.sizes) == [4] * 6
    assert noted.settings == {(threads == 1, 1, False)}


@pytest.mark.usefixtures("threads")
def test_a_large_picture_goes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "CHUNK_PIXELS", 10)
    noted = Noted()
    assert len(forward.forward(noted, torch.rand(5, 3, 8, 8))) == 5
    assert noted.sizes == [1] * 5


def test_what_fails_in_a_thread_is_raised(threads: int) -> None:
    class Full(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))

        def forward(self, _: Tensor) -> Tensor:
            raise MemoryError("full")

    with pytest.raises(MemoryError, match="full"):
        forward.forward(Full(), torch.rand(5, 3, 8, 8))
    assert threads_of_a_new_thread() == threads


@pytest.mark.usefixtures("threads")
def test_half_precision_gives_float32_of_nearly_the_same() -> None:
    torch.manual_seed(0)
    net, pictures = toy_net(num_classes=3).eval(), torch.rand(9, 3, 8, 8)
    wanted = forward.forward(net, pictures)
    halved = forward.in_bfloat16(net)
    assert {each.dtype for each in net.parameters()} == {torch.float32}
    kinds = {name: parameter.dtype for name, parameter in halved.named_parameters()}
    assert {kinds["0.weight"], kinds["5.weight"]} == {torch.bfloat16}
    assert kinds["1.weight"] == torch.float32, "the batch norm's"
    found = forward.forward(halved, pictures, half=True)
    assert found.dtype == torch.float32
    assert not torch.equal(found, wanted)
    assert torch.allclose(found, wanted, atol=0.05)
    assert torch.equal(forward.forward(net, pictures, half=True), found)


CAPABLE = {"avx512_bf16": True}


@pytest.mark.parametrize(
    ("capability", "able", "environment", "wanted"),
    [
        ("AVX512", CAPABLE, {}, True),
        ("AVX512", {"avx512_bf16": False}, {}, False),
        ("AVX512", {}, {}, False),
        ("AVX2", CAPABLE, {}, False),
        ("AVX512", CAPABLE, {"DNNL_MAX_CPU_ISA": "AVX2"}, False),
        ("AVX512", CAPABLE, {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}, False),
    ],
)
def test_a_cpu_computes_features_in_bfloat16_where_it_has_instructions_for_it(
    capability: str,
    able: dict[str, bool],
    environment: dict[str, str],
    wanted: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("DNNL_MAX_CPU_ISA", "ONEDNN_MAX_CPU_ISA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able, raising=False)
    assert device.bfloat16_features(CPU) is wanted
    assert not device.half_precision(CPU), "not to train in"


def test_an_older_torch_computes_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not device.bfloat16_features(CPU)
