"""Batch norms in fine-tuning: evaluation's answers, training's gradients, slow statistics."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from signwise.training.batch_renorm import BatchRenorm2d, renormalise

pytestmark = pytest.mark.numeric


def layers() -> tuple[nn.BatchNorm2d, BatchRenorm2d]:
    """A batch norm that has seen other pictures, and the same one renormalising."""
    torch.manual_seed(0)
    plain = nn.BatchNorm2d(3)
    nn.init.uniform_(plain.weight, 0.5, 2)
    nn.init.normal_(plain.bias)
    for _ in range(20):
        plain(2 * torch.randn(8, 3, 5, 5) + 1)
    network = nn.Sequential(copy.deepcopy(plain))
    renormalise(network, 0.1)
    assert isinstance(network[0], BatchRenorm2d)
    return plain, network[0]


def pictures() -> Tensor:
    return 3 * torch.randn(8, 3, 5, 5, generator=torch.Generator().manual_seed(1)) - 1


def test_training_computes_what_evaluation_does() -> None:
    plain, layer = layers()
    wanted = plain.eval()(pictures())
    found = layer.train()(pictures())
    assert (found - wanted).abs().max() < 1e-5
    plain.train()
    assert (plain(pictures()) - wanted).abs().max() > 0.5  # which a batch norm does not


def test_evaluation_is_a_batch_norms() -> None:
    plain, layer = layers()
    assert torch.equal(layer.eval()(pictures()), plain.eval()(pictures()))
    assert torch.equal(layer.running_mean, plain.running_mean)  # type: ignore[arg-type]


def test_the_gradient_goes_through_the_statistics_of_the_batch() -> None:
    """So nothing is gained by moving or scaling a whole batch, as in a batch norm's training."""
    _, layer = layers()
    shown = pictures().requires_grad_()
    target = torch.randn(8, 3, 5, 5, generator=torch.Generator().manual_seed(2))
    (layer.train()(shown) * target).sum().backward()
    assert shown.grad is not None
    along_all = shown.grad.sum((0, 2, 3)).abs().max()
    assert along_all < 1e-3 * shown.grad.abs().sum()
    along_scale = (shown.grad * (shown - shown.mean((0, 2, 3), keepdim=True))).sum((0, 2, 3)).abs()
    assert along_scale.max() < 1e-3 * shown.grad.abs().sum()


def test_the_running_statistics_follow_the_batch_slowly() -> None:
    plain, layer = layers()
    layer.train()(pictures())
    variance, mean = torch.var_mean(pictures(), (0, 2, 3), correction=0)
    for moved, before, seen in (
        (layer.running_mean, plain.running_mean, mean),
        (layer.running_var, plain.running_var, variance),
    ):
        assert moved is not None
        assert before is not None
        assert torch.allclose(moved, 0.9 * before + 0.1 * seen, atol=1e-5)


def test_a_network_keeps_its_weights_names_and_answers() -> None:
    torch.manual_seed(0)
    network = models.get_model("mobilenet_v2", num_classes=3).eval()
    state = {name: value.clone() for name, value in network.state_dict().items()}
    parameters = {id(each) for each in network.parameters()}
    shown = torch.rand(2, 3, 32, 32)
    wanted = network(shown)
    renormalise(network, 0.01)
    kinds = {type(layer) for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)}
    assert kinds == {BatchRenorm2d}
    assert not any(layer.training for layer in network.modules())
    assert {id(each) for each in network.parameters()} == parameters
    assert list(network.state_dict()) == list(state)
    assert torch.equal(network(shown), wanted)
    network.load_state_dict(state)
