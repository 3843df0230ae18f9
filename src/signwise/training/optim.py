"""What a training step changes: the network, its optimiser, and the moving average of its weights.

The learning-rate schedule stands here too. A further optimiser is one more entry of `OPTIMIZERS`
and its name in the config: a checkpoint holds `state_dict()`, whatever it is.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from signwise.config import ScheduleConfig, TrainConfig
from signwise.errors import SignwiseError
from signwise.files import Json
from signwise.training import ranks
from signwise.training.head import head_name
from signwise.training.loading import load_tensors_into

WEIGHTS, OPTIMIZER, AVERAGE = "weights.", "optimizer.", "average."
"""How the names of a saved state's tensors begin."""


def learning_rate(step: int, steps: int, peak: float, schedule: ScheduleConfig) -> float:
    """The one-cycle schedule: linear up to `peak`, then down by a cosine.

    Smith and Topin, "Super-Convergence", 2018.
    """
    warm_up = max(1, round(steps * schedule.warm_up))
    if step < warm_up:
        return peak * (schedule.start + (1 - schedule.start) * step / warm_up)
    done = (step - warm_up) / max(1, steps - warm_up)
    return peak * (schedule.end + (1 - schedule.end) * 0.5 * (1 + math.cos(math.pi * done)))


@dataclass(frozen=True, kw_only=True)
class TrainState:
    """A network in training."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    parallel: nn.Module
    """The network as a step calls it: where several processes train, gradients are of all."""
    average: AveragedModel
    """The moving average of the network's weights and batch statistics over the last steps: calmer
    than the network itself, it is what is validated, kept and exported."""

    @property
    def averaged(self) -> nn.Module:
        """The network of averages."""
        return self.average.module

    def set_learning_rate(self, rate: float) -> None:
        """The rate of the next step: the head's, of which other groups may have a share."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["rate_share"]

    def step(self) -> None:
        """Follow the gradients once, and let the average follow."""
        self.optimizer.step()
        self.average.update_parameters(self.network)


def make_train_state(
    network: nn.Module, config: TrainConfig, body_share: float = 1.0
) -> TrainState:
    """The state of a network on its device before its first step, or before `load_state`.

    The average follows Polyak and Juditsky, "Acceleration of Stochastic Approximation by
    Averaging", 1992, but forgets: `config.optim.average_decay` of it stays at each step.
    """
    follow = get_ema_multi_avg_fn(config.optim.average_decay)  # type: ignore[no-untyped-call]
    # First of all, since from here on all processes have the writer's weights.
    parallel = ranks.parallel(network)
    average = AveragedModel(network, multi_avg_fn=follow, use_buffers=True)
    return TrainState(
        network=network,
        parallel=parallel,
        optimizer=make_optimizer(network, config, body_share),
        average=average,
    )


def make_optimizer(
    network: nn.Module, config: TrainConfig, body_share: float = 1.0
) -> torch.optim.Optimizer:
    """The optimiser of `config.optim.name`, over all parameters.

    Biases and batch-norm scales are not decayed; all but the head learns at `body_share` of the
    rate.
    """
    head = head_name(network) + "."
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        share = 1.0 if name.startswith(head) else body_share
        decay = config.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((share, decay), []).append(parameter)
    listed = [
        {"params": parameters, "rate_share": share, "weight_decay": decay}
        for (share, decay), parameters in groups.items()
    ]
    return OPTIMIZERS[config.optim.name](listed, config)


def _sgd(groups: list[dict[str, Any]], config: TrainConfig) -> torch.optim.Optimizer:
    device = groups[0]["params"][0].device
    return torch.optim.SGD(
        groups,
        lr=config.learning_rate,
        momentum=config.momentum,
        nesterov=config.optim.nesterov and config.momentum > 0,
        fused=device.type != "mps",
    )


OPTIMIZERS = {"sgd": _sgd}
"""By the names that the config knows: parameter groups, as torch takes them, to an optimiser."""


@dataclass(frozen=True, kw_only=True)
class OptimizerFacts:
    """`optimizer.state_dict()` without its tensors."""

    kind: str
    """The optimiser's class."""
    numbers: dict[str, Json]
    """By parameter number and name, `3.step`."""
    param_groups: list[dict[str, Json]]


@dataclass(frozen=True, kw_only=True)
class SavedState:
    """A train state as a checkpoint holds it."""

    tensors: dict[str, Tensor]
    """Weights, averages, and the optimiser's tensors by parameter number and name."""
    optimizer: OptimizerFacts


def save_state(state: TrainState) -> SavedState:
    """All that resuming needs."""
    tensors = {WEIGHTS + name: value for name, value in state.network.state_dict().items()}
    tensors |= {AVERAGE + name: value for name, value in state.average.state_dict().items()}
    content = state.optimizer.state_dict()
    numbers: dict[str, Json] = {}
    for index, slots in content["state"].items():
        for name, value in slots.items():
            if isinstance(value, Tensor):
                tensors[f"{OPTIMIZER}{index}.{name}"] = value
            else:
                numbers[f"{index}.{name}"] = value
    facts = OptimizerFacts(
        kind=type(state.optimizer).__name__, numbers=numbers, param_groups=content["param_groups"]
    )
    return SavedState(tensors=tensors, optimizer=facts)


def load_state(state: TrainState, saved: SavedState) -> None:
    """Put back what `save_state` gave, on the state's own device.

    Raises SignwiseError where it is of another network, another optimiser or another version.
    """
    other = SignwiseError(
        "`resume`: the checkpoint is of another network, another optimiser or another version of "
        "signwise: start a new run"
    )
    own, facts = save_state(state), saved.optimizer
    wanted, given = (
        {name for name in tensors if not name.startswith(OPTIMIZER)}
        for tensors in (own.tensors, saved.tensors)
    )
    if wanted != given or facts.kind != own.optimizer.kind:
        raise other
    parameters = [p for group in state.optimizer.param_groups for p in group["params"]]
    slots: dict[int, dict[str, object]] = {}
    try:
        for prefix, module in ((WEIGHTS, state.network), (AVERAGE, state.average)):
            load_tensors_into(module, _below(prefix, saved.tensors))
        for name, tensor in _below(OPTIMIZER, saved.tensors).items():
            index, _, slot = name.partition(".")
            slots.setdefault(int(index), {})[slot] = _laid_out(tensor, parameters[int(index)])
        for name, number in facts.numbers.items():
            index, _, slot = name.partition(".")
            slots.setdefault(int(index), {})[slot] = number
        state.optimizer.load_state_dict({"state": slots, "param_groups": facts.param_groups})
    except (KeyError, IndexError, RuntimeError, TypeError, ValueError):
        raise other from None


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _laid_out(tensor: Tensor, parameter: Tensor) -> Tensor:
    """The tensor, in memory as its parameter: else a resumed step could differ in its last bits."""
    if tensor.shape != parameter.shape:
        return tensor
    return torch.empty_like(parameter, dtype=tensor.dtype).copy_(tensor)
