"""What a step of training changes: the network, its optimiser's momentum, and the average kept."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from signwise.config import TrainConfig
from signwise.errors import SignwiseError

AVERAGE_DECAY = 0.85
WEIGHTS, MOMENTUM, AVERAGE = "weights.", "momentum.", "average."


@dataclass(frozen=True, kw_only=True)
class Learner:
    """A network in training."""

    network: nn.Module
    optimiser: torch.optim.SGD
    average: AveragedModel
    """The moving average of the network's weights and batch statistics over the last steps: calmer
    than the network itself, it is what is validated, kept and exported."""

    @property
    def averaged(self) -> nn.Module:
        """The network of averages."""
        return self.average.module

    def step(self) -> None:
        """Follow the gradients once, and let the average follow."""
        self.optimiser.step()
        self.average.update_parameters(self.network)


def make_learner(
    network: nn.Module, config: TrainConfig, *, decay: float = AVERAGE_DECAY
) -> Learner:
    """A network on its device, before its first step or before `restore_training_state`.

    `decay` is the share of the average that stays at each step (after Polyak and Juditsky,
    "Acceleration of Stochastic Approximation by Averaging", 1992): at 0.85 some 7 steps count, and
    of a run of only 5 the average is half the network of the first.
    """
    follow = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    average = AveragedModel(network, multi_avg_fn=follow, use_buffers=True)
    return Learner(network=network, optimiser=make_optimiser(network, config), average=average)


def make_optimiser(network: nn.Module, config: TrainConfig) -> torch.optim.SGD:
    """SGD with Nesterov momentum; biases and batch-norm scales are not decayed."""
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.SGD(
        [group for group in groups if group["params"]],
        lr=config.learning_rate,
        momentum=config.momentum,
        nesterov=config.momentum > 0,
        fused=trainable[0].device.type != "mps",
    )


def training_state(learner: Learner) -> dict[str, Tensor]:
    """Weights, momentum buffers by parameter name, averages: all tensors that resuming needs."""
    state = {WEIGHTS + name: value for name, value in learner.network.state_dict().items()}
    state |= {AVERAGE + name: value for name, value in learner.average.state_dict().items()}
    for name, parameter in learner.network.named_parameters():
        if "momentum_buffer" in learner.optimiser.state.get(parameter, {}):
            state[MOMENTUM + name] = learner.optimiser.state[parameter]["momentum_buffer"]
    return state


def restore_training_state(learner: Learner, state: Mapping[str, Tensor]) -> None:
    """Put back what `training_state` gave, on the learner's own device.

    Raises SignwiseError where the state has other tensors than `training_state` gives.
    """
    wanted, given = (
        {name for name in names if not name.startswith(MOMENTUM)}
        for names in (training_state(learner), state)
    )
    if wanted != given:
        raise SignwiseError(
            "--resume: the checkpoint is of another version of signwise: start a new run"
        )
    for prefix, module in ((WEIGHTS, learner.network), (AVERAGE, learner.average)):
        own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        module.load_state_dict(own)
    for name, parameter in learner.network.named_parameters():
        if MOMENTUM + name in state:
            buffer = torch.empty_like(parameter).copy_(state[MOMENTUM + name])
            learner.optimiser.state[parameter]["momentum_buffer"] = buffer
