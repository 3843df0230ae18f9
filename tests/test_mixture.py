"""Mixtures of two networks' weights: the best by the loss wins, in doubt the nearest one."""

import pytest
import torch
from torch import nn

from signwise.config import FineTuningConfig
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


def chosen(
    losses: dict[float, float], *, tolerance: float = 0.0, gain: float = 0.0
) -> tuple[float, Fit, list[float]]:
    """The weight and fit that are taken where 1 + 4 x share is the weight; and what was asked."""
    asked: list[float] = []

    def measure(net: nn.Module) -> Fit:
        weight = float(net.get_parameter("weight").detach())
        asked.append(weight)
        return Fit(loss=losses[(weight - 1) / 4], accuracy=weight)

    start, tuned = network(1.0).state_dict(), network(5.0)
    shares = tuple(sorted(set(losses) - {0.0, 1.0}))
    found = best_mixture(
        tuned,
        Fit(loss=losses[1.0], accuracy=5.0),
        start,
        Fit(loss=losses[0.0], accuracy=1.0),
        FineTuningConfig(mixtures=shares, tolerance=tolerance, gain=gain),
        measure,
    )
    assert float(tuned.get_parameter("weight").detach()) == 5.0
    assert float(start["weight"]) == 1.0
    assert found.lowest_loss == min(losses.values())
    return float(found.weights["weight"]), found.fit, asked


@pytest.mark.parametrize("best", [0.0, 0.25, 0.5, 1.0])
def test_the_mixture_of_lowest_loss_wins(best: float) -> None:
    losses = {share: abs(share - best) for share in (0.0, 0.25, 0.5, 1.0)}
    weight, fit, asked = chosen(losses)
    assert asked == pytest.approx([2.0, 3.0])
    assert weight == fit.accuracy == pytest.approx(1 + 4 * best)
    assert fit.loss == 0


@pytest.mark.parametrize(
    ("tolerance", "gain", "weight"),
    [
        (0.0, 0.0, 5.0),
        (0.04, 0.2, 5.0),
        (0.06, 0.2, 3.0),
        (0.15, 0.2, 2.0),
        (0.3, 0.2, 2.0),
        (0.0, 0.3, 1.0),
    ],
)
def test_of_several_about_as_good_the_nearest_to_the_start_wins(
    tolerance: float, gain: float, weight: float
) -> None:
    losses = {0.0: 1.25, 0.25: 1.1, 0.5: 1.05, 1.0: 1.0}
    found, fit, _ = chosen(losses, tolerance=tolerance, gain=gain)
    assert found == fit.accuracy == pytest.approx(weight)
    assert fit.loss == losses[(weight - 1) / 4]


def test_statistics_are_mixed_and_counters_are_not() -> None:
    start, tuned = network(1.0, mean=2.0, seen=3).state_dict(), network(5.0, mean=4.0, seen=9)
    bad = Fit(loss=9.0, accuracy=0.0)
    half = FineTuningConfig(mixtures=(0.5,))
    good = Fit(loss=1.0, accuracy=1.0)
    found = best_mixture(tuned, bad, start, bad, half, lambda _: good).weights
    assert float(found["running_mean"]) == pytest.approx(3.0)
    assert int(found["num_batches_tracked"]) == 9


def test_without_shares_the_weights_stay_as_they_are() -> None:
    tuned, none = network(5.0), FineTuningConfig(mixtures=())
    fit, better = Fit(loss=9.0, accuracy=0.5), Fit(loss=1.0, accuracy=0.5)
    found = best_mixture(tuned, fit, network(1.0).state_dict(), better, none, lambda _: better)
    assert found.fit is fit
    assert found.lowest_loss == 9.0
    assert float(found.weights["weight"]) == 5.0
