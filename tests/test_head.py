"""The head of a network: found by name, and replaced by a fresh one."""

import pytest
import torch
from torch import nn
from torchvision import models

from signwise.training.head import head_name, replace_head


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("resnet18", "fc"),
        ("vgg11", "classifier.6"),
        ("mobilenet_v3_small", "classifier.3"),
        ("densenet121", "classifier"),
        ("vit_b_16", "heads.head"),
        ("maxvit_t", "classifier.5"),
        ("squeezenet1_1", "classifier.1"),  # a 1x1 convolution
    ],
)
def test_the_head_is_what_gives_the_logits(model: str, name: str) -> None:
    with torch.device("meta"):
        network = models.get_model(model)
        assert head_name(network) == name
        assert replace_head(network, 5) == name
    assert head_name(network) == name
    head = network.get_submodule(name)
    assert 5 in (getattr(head, "out_features", 0), getattr(head, "out_channels", 0))


@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_head_is_replaced_by_a_fresh_one(bias: bool) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten(), nn.Linear(16, 7, bias=bias))
    body = network.state_dict()["0.weight"].clone()
    assert replace_head(network, 2) == "2"
    assert network[2].weight.shape == (2, 16)
    assert network[2].bias.shape == (2,)
    assert torch.equal(network.state_dict()["0.weight"], body)
    assert network(torch.zeros(5, 3, 2, 2)).shape == (5, 2)


def test_a_convolution_is_the_head_where_no_layer_is_linear() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 7, 1), nn.AdaptiveAvgPool2d(1))
    assert replace_head(network, 2) == "1"
    assert network[1].weight.shape == (2, 4, 1, 1)
    assert network.num_classes == 2  # by which SqueezeNet shapes its logits


def test_a_linear_layer_comes_before_a_later_convolution() -> None:
    network = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 4), nn.Conv2d(1, 1, 1))
    assert head_name(network) == "1"
