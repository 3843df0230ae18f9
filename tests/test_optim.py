"""The train state: optimiser, schedule, average; and that a saved state goes on as it was."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from signwise.config import OptimConfig, ScheduleConfig, TrainConfig
from signwise.errors import SignwiseError
from signwise.training import optim
from signwise.training.checkpoint import CheckpointFacts, load_facts, load_tensors, save_tensors
from signwise.training.optim import (
    SavedState,
    TrainState,
    learning_rate,
    load_state,
    make_optimizer,
    make_train_state,
    save_state,
)

pytestmark = pytest.mark.numeric

Optimizer = Callable[[nn.Module], torch.optim.Optimizer]

OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": lambda network: make_optimizer(network, TrainConfig()),
    "sgd with a gentle body": lambda network: make_optimizer(network, TrainConfig(), 0.25),
    "plain sgd": lambda network: torch.optim.SGD(network.parameters(), lr=0.1),
    "adam": lambda network: torch.optim.Adam(network.parameters(), lr=0.01, betas=(0.8, 0.95)),
    "adamw": lambda network: torch.optim.AdamW(network.parameters(), lr=0.01, amsgrad=True),
    "fused adam": lambda network: torch.optim.Adam(network.parameters(), lr=0.01, fused=True),
    "nadam": lambda network: torch.optim.NAdam(network.parameters(), lr=0.01),
    "asgd": lambda network: torch.optim.ASGD(network.parameters(), lr=0.01),
}


def network(channels: int = 3) -> nn.Module:
    """With a norm, whose statistics are part of the state, and a kernel in the loop's layout."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        whole = nn.Sequential(
            nn.Conv2d(3, channels, 3),
            nn.BatchNorm2d(channels),
            nn.Flatten(),
            nn.Linear(channels * 4, 2),
        )
    return whole.to(memory_format=torch.channels_last)


def state_with(make: Optimizer, channels: int = 3) -> TrainState:
    state = make_train_state(network(channels), TrainConfig())
    optimizer = make(state.network)
    for group in optimizer.param_groups:
        group.setdefault("rate_share", 1.0)
    return replace(state, optimizer=optimizer)


def follow(state: TrainState, steps: range) -> None:
    """So many steps, each on a batch of its own."""
    state.network.train()
    for step in steps:
        pictures = torch.randn(6, 3, 4, 4, generator=torch.Generator().manual_seed(step))
        state.set_learning_rate(0.01 / (1 + step))
        state.optimizer.zero_grad()
        state.network(pictures).pow(2).sum().backward()
        state.step()


def through_a_file(state: TrainState, file: Path) -> SavedState:
    """What `save_state` gives, as a checkpoint's file gives it back."""
    saved = save_state(state)
    save_tensors(
        file,
        saved.tensors,
        CheckpointFacts(history=(), lowest_losses=(), optimizer=saved.optimizer),
    )
    facts = load_facts(file, CheckpointFacts)
    return SavedState(tensors=load_tensors(file), optimizer=facts.optimizer)


def tensors_of(state: TrainState) -> dict[str, torch.Tensor]:
    """Every tensor of the state by name."""
    return {name: value.clone() for name, value in save_state(state).tensors.items()}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_state_from_a_checkpoint_goes_on_to_the_same_bits(name: str, tmp_path: Path) -> None:
    make = OPTIMIZERS[name]
    whole, first, second = (state_with(make) for _ in range(3))
    follow(whole, range(8))
    follow(first, range(3))
    saved = through_a_file(first, tmp_path / "last.safetensors")
    follow(second, range(90, 95))  # what a new process makes of it must not matter
    load_state(second, saved)
    for group in second.optimizer.state_dict()["param_groups"]:
        assert group["lr"] == 0.01 / 3 * group["rate_share"]
    follow(second, range(3, 8))
    wanted, found = tensors_of(whole), tensors_of(second)
    assert wanted.keys() == found.keys()
    assert [key for key in wanted if not torch.equal(wanted[key], found[key])] == []
    assert not torch.equal(wanted["weights.0.weight"], tensors_of(first)["weights.0.weight"])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_state_before_its_first_step_is_saved_too(name: str, tmp_path: Path) -> None:
    first, second = (state_with(OPTIMIZERS[name]) for _ in range(2))
    follow(second, range(2))
    load_state(second, through_a_file(first, tmp_path / "last.safetensors"))
    for state in (first, second):
        follow(state, range(2))
    wanted, found = tensors_of(first), tensors_of(second)
    assert [key for key in wanted if not torch.equal(wanted[key], found[key])] == []


def test_a_kernel_keeps_its_layout_in_the_optimiser(tmp_path: Path) -> None:
    first, second = (state_with(OPTIMIZERS["adam"], channels=4) for _ in range(2))
    follow(first, range(1))
    load_state(second, through_a_file(first, tmp_path / "last.safetensors"))
    kernel = next(second.network.parameters())
    assert not kernel.is_contiguous()
    assert second.optimizer.state[kernel]["exp_avg"].stride() == kernel.stride()


def test_names_and_numbers_are_apart() -> None:
    state = state_with(OPTIMIZERS["adam"])
    follow(state, range(2))
    saved = save_state(state)
    prefixes = {name.split(".")[0] for name in saved.tensors}
    assert prefixes == {"weights", "average", "optimizer"}
    assert {"weights.0.weight", "average.module.0.weight", "average.n_averaged"} <= set(
        saved.tensors
    )
    assert {"optimizer.0.exp_avg", "optimizer.5.exp_avg_sq"} <= set(saved.tensors)
    assert saved.optimizer.kind == "Adam"
    (group,) = saved.optimizer.param_groups
    assert group["lr"] == 0.005


def adam_by_groups() -> TrainState:
    """Adam over the groups of parameters that SGD has."""
    state = state_with(OPTIMIZERS["sgd"])
    groups = [{"params": group["params"]} for group in state.optimizer.param_groups]
    return replace(state, optimizer=torch.optim.Adam(groups, lr=0.1))


def other_shapes() -> TrainState:
    return state_with(OPTIMIZERS["sgd"], channels=4)


def other_groups() -> TrainState:
    return state_with(OPTIMIZERS["plain sgd"])


def another_network() -> TrainState:
    return make_train_state(nn.Linear(3, 2), TrainConfig())


@pytest.mark.parametrize("steps", [0, 2])
@pytest.mark.parametrize("make", [adam_by_groups, other_shapes, other_groups, another_network])
def test_a_checkpoint_of_something_else_is_refused(
    make: Callable[[], TrainState], steps: int, tmp_path: Path
) -> None:
    state = state_with(OPTIMIZERS["sgd"])
    follow(state, range(steps))
    saved = through_a_file(state, tmp_path / "last.safetensors")
    with pytest.raises(SignwiseError, match=r"^`resume`: the checkpoint is of another network, "):
        load_state(make(), saved)


def broken(saved: SavedState) -> dict[str, SavedState]:
    """States in which something is missing or out of place."""
    without = {name: value for name, value in saved.tensors.items() if "average." not in name}
    one = torch.zeros(1)
    no_groups = replace(saved.optimizer, param_groups=[])
    unnumbered = replace(saved.optimizer, numbers={"step": 3})
    return {
        "no average": replace(saved, tensors=without),
        "one weight more": replace(saved, tensors=saved.tensors | {"weights.9.weight": one}),
        "of no parameter": replace(saved, tensors=saved.tensors | {"optimizer.99.exp_avg": one}),
        "unnumbered": replace(saved, tensors=saved.tensors | {"optimizer.exp_avg": one}),
        "no groups": replace(saved, optimizer=no_groups),
        "an unnumbered number": replace(saved, optimizer=unnumbered),
    }


@pytest.mark.parametrize("fault", broken(save_state(state_with(OPTIMIZERS["sgd"]))))
def test_a_broken_checkpoint_is_refused(fault: str) -> None:
    state = state_with(OPTIMIZERS["sgd"])
    follow(state, range(2))
    with pytest.raises(SignwiseError, match=r"^`resume`: .*: start a new run$"):
        load_state(state, broken(save_state(state))[fault])


@given(
    steps=st.integers(1, 500),
    peak=st.floats(1e-4, 1),
    warm_up=st.floats(0, 0.9),
    start=st.floats(0.01, 1),
    end=st.floats(1e-4, 1),
)
def test_learning_rate_rises_to_the_peak_and_falls_to_the_end(
    steps: int, peak: float, warm_up: float, start: float, end: float
) -> None:
    schedule = ScheduleConfig(warm_up=warm_up, start=start, end=end)
    rates = np.array([learning_rate(step, steps, peak, schedule) for step in range(steps)])
    assert (rates > 0).all()
    assert (rates <= peak * (1 + 1e-9)).all()
    assert rates[0] == pytest.approx(peak * start)
    top = max(1, round(steps * warm_up))
    near = peak * 1e-9
    assert (np.diff(rates[: top + 1]) >= -near).all()
    assert (np.diff(rates[top:]) <= near).all()
    if top < steps:
        assert rates[top] == pytest.approx(peak)
        assert learning_rate(steps, steps, peak, schedule) == pytest.approx(peak * end)


def test_the_usual_schedule_by_hand() -> None:
    schedule = ScheduleConfig()
    rates = [learning_rate(step, 10, 0.5, schedule) for step in range(11)]
    assert rates[:3] == pytest.approx([0.05, 0.275, 0.5])
    assert rates[6] == pytest.approx((0.5 + 0.0005) / 2)  # half-way down
    assert rates[4] == pytest.approx(0.0005 + 0.4995 * 0.5 * (1 + np.cos(np.pi / 4)))
    assert rates[10] == pytest.approx(0.0005)
    assert learning_rate(0, 1, 0.5, schedule) == pytest.approx(0.05)
    assert learning_rate(1, 1, 0.5, schedule) == pytest.approx(0.5)


@pytest.mark.parametrize("decay", [0.0, 0.85])
def test_the_average_follows_the_network_and_its_statistics(decay: float) -> None:
    net = nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1, momentum=1.0))
    config = TrainConfig(learning_rate=1.0, momentum=0.0, optim=OptimConfig(average_decay=decay))
    state = make_train_state(net, config)
    wanted: dict[str, torch.Tensor] = {}
    for step in range(4):
        net(torch.tensor([[0.0], [1.0 + step]])).pow(3).sum().backward()
        state.step()
        for name, value in net.state_dict().items():
            old = wanted.get(name, value)
            wanted[name] = decay * old + (1 - decay) * value
    averaged = state.averaged.state_dict()
    for name in ("0.weight", "1.weight", "1.running_mean", "1.running_var"):
        assert torch.allclose(averaged[name], wanted[name])
        assert torch.allclose(averaged[name], net.state_dict()[name]) == (decay == 0)


def test_every_group_gets_the_rate() -> None:
    state = make_train_state(network(), TrainConfig(learning_rate=0.5))
    groups = state.optimizer.param_groups
    assert [group["lr"] for group in groups] == [0.5, 0.5]
    state.set_learning_rate(0.125)
    assert [group["lr"] for group in groups] == [0.125, 0.125]


def test_biases_and_norms_are_not_decayed() -> None:
    net = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2))
    groups = make_optimizer(net, TrainConfig(weight_decay=0.1)).param_groups
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    assert {name: decay[id(value)] for name, value in net.named_parameters()} == {
        "0.weight": 0.1,
        "0.bias": 0.0,
        "1.weight": 0.0,
        "1.bias": 0.0,
    }


def test_all_but_the_head_learns_at_a_share_of_the_rate() -> None:
    net = network()
    state = make_train_state(net, TrainConfig(learning_rate=0.5, weight_decay=0.1), 0.25)
    state.set_learning_rate(0.4)
    rates = {id(p): group["lr"] for group in state.optimizer.param_groups for p in group["params"]}
    decay = {
        id(p): group["weight_decay"]
        for group in state.optimizer.param_groups
        for p in group["params"]
    }
    for name, parameter in net.named_parameters():
        assert rates[id(parameter)] == pytest.approx(0.4 if name.startswith("3.") else 0.1), name
        assert decay[id(parameter)] == (0.1 if parameter.ndim > 1 else 0), name


def test_a_share_of_0_leaves_the_body_as_it_is() -> None:
    first, state = network().state_dict(), make_train_state(network(), TrainConfig(), 0.0)
    follow(state, range(2))
    moved = {
        name
        for name, value in state.network.named_parameters()
        if not torch.equal(value, first[name])
    }
    assert moved == {"3.weight", "3.bias"}


def test_every_optimiser_that_the_config_names_is_there() -> None:
    assert set(get_args(get_type_hints(OptimConfig)["name"])) == optim.OPTIMIZERS.keys()


@pytest.mark.parametrize(
    ("changes", "nesterov"),
    [({}, True), ({"momentum": 0.0}, False), ({"optim": OptimConfig(nesterov=False)}, False)],
)
def test_the_optimiser_follows_its_settings(changes: dict[str, object], nesterov: bool) -> None:
    config = TrainConfig(learning_rate=0.3, **changes)  # type: ignore[arg-type]
    found = make_optimizer(network(), config)
    assert isinstance(found, torch.optim.SGD)
    for group in found.param_groups:
        assert (group["lr"], group["momentum"], group["nesterov"]) == (
            0.3,
            config.momentum,
            nesterov,
        )
        assert group["fused"]


def test_the_state_trains_the_network_it_was_given() -> None:
    net = network()
    state = make_train_state(net, TrainConfig())
    assert state.network is net
    assert state.averaged is not net
    optimised = {id(p) for group in state.optimizer.param_groups for p in group["params"]}
    assert optimised == {id(parameter) for parameter in net.parameters()}
