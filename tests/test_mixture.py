"""Mixtures of two networks' weights: the best by the loss wins, and nothing else is touched."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from signwise.training.loop import Fit
from signwise.training.mixture import best_mixture


def network(weight: float, mean: float = 0.0, seen: int = 7) -> nn.Module:
    """A batch norm of one channel: a weight, a float statistic and a counter."""
    layer = nn.BatchNorm1d(1)
    with torch.no_grad():
        layer.weight.fill_(weight)
        assert layer.running_mean is not None
        assert layer.num_batches_tracked is not None
        layer.running_mean.fill_(mean)
        layer.num_batches_tracked.fill_(seen)
    return layer


def distance_from(aim: float, asked: list[float]) -> Callable[[nn.Module], Fit]:
    """A measure: how far the weight is from the aim."""

    def measure(net: nn.Module) -> Fit:
        weight = float(net.get_parameter("weight").detach())
        asked.append(weight)
        return Fit(loss=abs(weight - aim), accuracy=weight)

    return measure


@pytest.mark.parametrize(
    ("aim", "chosen"), [(0.0, 1.0), (1.2, 1.0), (1.9, 2.0), (2.9, 3.0), (4.0, 5.0), (9.0, 5.0)]
)
def test_the_mixture_of_lowest_loss_wins(aim: float, chosen: float) -> None:
    asked: list[float] = []
    start, tuned = network(1.0).state_dict(), network(5.0)
    shares = (0.0, 0.25, 0.5)
    fit = Fit(loss=abs(5.0 - aim), accuracy=5.0)
    found = best_mixture(tuned, fit, start, shares, distance_from(aim, asked))
    assert asked == pytest.approx([1.0, 2.0, 3.0])
    assert float(found.weights["weight"]) == pytest.approx(chosen)
    assert found.fit.accuracy == pytest.approx(chosen)
    assert float(tuned.get_parameter("weight").detach()) == 5.0


def test_statistics_are_mixed_and_counters_are_not() -> None:
    start, tuned = network(1.0, mean=2.0, seen=3).state_dict(), network(5.0, mean=4.0, seen=9)
    found = best_mixture(
        tuned, Fit(loss=9.0, accuracy=0.0), start, (0.5,), lambda _: Fit(loss=1.0, accuracy=1.0)
    ).weights
    assert isinstance(found["running_mean"], Tensor)
    assert float(found["running_mean"]) == pytest.approx(3.0)
    assert int(found["num_batches_tracked"]) == 9


def test_without_shares_the_weights_stay_as_they_are() -> None:
    tuned = network(5.0)
    fit = Fit(loss=9.0, accuracy=0.5)
    found = best_mixture(tuned, fit, network(1.0).state_dict(), (), lambda _: fit)
    assert found.fit is fit
    assert float(found.weights["weight"]) == 5.0
