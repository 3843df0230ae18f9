"""Between stage one and fine-tuning: mixtures of both weights, of which validation chooses one.

What fine-tuning gains on few pictures it loses elsewhere; weights in between often have both.
Wortsman et al., "Robust fine-tuning of zero-shot models", 2022, sections 3 and 4. Batch statistics
are mixed as weights are. Of mixtures that validate about as well, the one nearest to stage one is
taken, since the little that speaks for the others is chance as often as not, and each step away
from the pre-trained weights costs some of what they know of pictures of no class (LOG.md).
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass

from torch import Tensor, nn

from signwise.config import FineTuningConfig
from signwise.training.loading import load_tensors_into
from signwise.training.loop import Fit

Weights = Mapping[str, Tensor]
"""A network's `state_dict`."""


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """Weights, and how well they fit the validation pictures."""

    weights: Weights
    fit: Fit
    lowest_loss: float
    """Of all that were measured: whether fine-tuning still learns shows there first."""


def best_mixture(
    tuned: nn.Module,
    fit: Fit,
    start: Weights,
    start_fit: Fit,
    config: FineTuningConfig,
    measure: Callable[[nn.Module], Fit],
) -> Mixture:
    """The weights to take between `start`, from before fine-tuning, and `tuned`.

    They are `start` and `tuned`, whose fits are given, and the mixtures of both. Of those whose
    loss is within `config.tolerance` of the lowest, for `start` within `config.gain`, the nearest
    to `start`.
    """
    own = tuned.state_dict()
    if not config.mixtures:
        return Mixture(weights=own, fit=fit, lowest_loss=fit.loss)
    network = deepcopy(tuned)

    def mixed(share: float) -> Weights:
        return {
            name: start[name].to(value.device).lerp(value, share)
            if value.is_floating_point()
            else value
            for name, value in own.items()
        }

    fits = {0.0: start_fit, 1.0: fit}
    for share in config.mixtures:
        load_tensors_into(network, mixed(share))
        fits[share] = measure(network)
    lowest = min(found.loss for found in fits.values())
    allowed = {share: config.tolerance if share else config.gain for share in fits}
    chosen = min(
        share for share, found in fits.items() if found.loss <= lowest * (1 + allowed[share])
    )
    weights = {0.0: start, 1.0: own}.get(chosen) or mixed(chosen)
    return Mixture(weights=weights, fit=fits[chosen], lowest_loss=lowest)
