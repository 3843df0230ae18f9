"""Between stage one and fine-tuning: mixtures of both weights, of which validation chooses one.

What fine-tuning gains on few pictures it loses elsewhere; weights in between often have both.
Wortsman et al., "Robust fine-tuning of zero-shot models", 2022, sections 3 and 4. Batch statistics
are mixed as weights are.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

from torch import Tensor, nn

from signwise.training.loop import Fit

Weights = Mapping[str, Tensor]
"""A network's `state_dict`."""


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """Weights, and how well they fit the validation pictures."""

    weights: Weights
    fit: Fit


def best_mixture(
    tuned: nn.Module,
    fit: Fit,
    start: Weights,
    shares: Sequence[float],
    measure: Callable[[nn.Module], Fit],
) -> Mixture:
    """The weights of lowest loss among those of `tuned`, whose fit is `fit`, and its mixtures.

    Each share is that of `tuned` in a mixture with the weights `start`, from before fine-tuning.
    """
    own = tuned.state_dict()
    best = Mixture(weights=own, fit=fit)
    network = deepcopy(tuned)
    for share in shares:
        mixed = {
            name: start[name].to(value.device).lerp(value, share)
            if value.is_floating_point()
            else value
            for name, value in own.items()
        }
        network.load_state_dict(mixed)
        found = measure(network)
        if found.loss < best.fit.loss:
            best = Mixture(weights=mixed, fit=found)
    return best
