"""What the backbone that ships sees in pictures, whatever their classes are called."""

import numpy as np
import pytest
import torch

from signwise.config import NegativesConfig
from signwise.synthetic import GTSRB_DESIGNS, render_signs
from signwise.training import backbone

pytestmark = pytest.mark.numeric

USUAL = NegativesConfig()


def plain(count: int) -> np.ndarray:
    return np.full((count, 64, 64, 3), 90, np.uint8)


def test_a_sign_is_known_by_the_name_of_its_class() -> None:
    assert backbone.designs_named(("Stop", "00012", "cats")) == {"stop", "priority"}
    assert backbone.designs_named(()) == frozenset()


def test_the_backbone_is_in_float32_and_not_in_training() -> None:
    network = backbone.load_backbone()
    assert not network.training
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 64, 64)).shape == (1, len(GTSRB_DESIGNS) + 1)
    state = {"a": torch.ones(2).half(), "b": torch.ones(2, dtype=torch.int64)}
    assert {name: value.dtype for name, value in backbone.to_float32(state).items()} == {
        "a": torch.float32,
        "b": torch.int64,
    }


def test_a_sign_is_known_by_its_looks_whatever_its_name() -> None:
    pixels = np.concatenate([render_signs(name, 12, 64, 1) for name in ("yield", "stop")])
    labels, rows = np.repeat([0, 1], 12), np.arange(24)
    seen = backbone.designs_seen(pixels, labels, rows, USUAL)
    assert [max(shares, key=shares.__getitem__) for shares in seen.values()] == ["yield", "stop"]
    for label, design in enumerate(("yield", "stop")):
        # As a rule all of them: on another machine a doubtful one may be seen otherwise.
        assert seen[label][design] > 0.5
        assert all(0.2 <= share <= 1 for share in seen[label].values())
    # Smaller pictures are brought to the backbone's own size.
    small = backbone.designs_seen(pixels[:, ::2, ::2], labels, rows, USUAL)
    assert [max(shares, key=shares.__getitem__) for shares in small.values()] == ["yield", "stop"]


def test_a_picture_of_no_sign_is_seen_as_none() -> None:
    assert backbone.designs_seen(plain(4), np.zeros(4, np.int64), np.arange(4), USUAL) == {0: {}}


def test_only_the_rows_given_are_looked_at() -> None:
    pixels = np.concatenate([plain(4), render_signs("stop", 4, 64, 1)])
    labels = np.repeat([0, 1], 4)
    assert backbone.designs_seen(pixels, labels, np.arange(4), USUAL) == {0: {}}
    assert "stop" in backbone.designs_seen(pixels, labels, np.arange(4, 8), USUAL)[1]


def test_shares_are_of_the_pictures_looked_at() -> None:
    pixels = np.concatenate([plain(6), render_signs("stop", 2, 64, 1)])
    labels, rows = np.zeros(8, np.int64), np.arange(8)
    for least, wanted in ((0.2, {"stop": 0.25}), (0.25, {"stop": 0.25}), (0.26, {})):
        config = NegativesConfig(seen_share=least)
        assert backbone.designs_seen(pixels, labels, rows, config) == {0: wanted}


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, {"stop": 0.5}),  # all 4
        ({"pictures_to_see": 1, "pictures_of_a_class": (1, 16)}, {}),  # the first
        ({"pictures_of_a_class": (1, 2)}, {"stop": 0.5}),  # the first and the last
        ({"pictures_to_see": 6, "pictures_of_a_class": (1, 16)}, {"stop": 1 / 3}),  # 3 of each
    ],
)
def test_a_few_pictures_of_each_class_are_looked_at(
    changes: dict[str, object], wanted: dict[str, float]
) -> None:
    sign = render_signs("stop", 1, 64, 1)
    pixels = np.concatenate([plain(2), sign, sign, plain(4)])
    labels = np.repeat([0, 1], 4)
    config = NegativesConfig(**changes)  # type: ignore[arg-type]
    seen = backbone.designs_seen(pixels, labels, np.arange(8), config)
    assert seen == {0: pytest.approx(wanted), 1: {}}


def test_all_of_many_classes_are_looked_at() -> None:
    sign = render_signs("stop", 4, 64, 1)
    pixels = np.concatenate([plain(29), sign])
    labels = np.minimum(np.arange(len(pixels)), 29)
    config = NegativesConfig(pictures_to_see=40)
    seen = backbone.designs_seen(pixels, labels, np.arange(len(labels)), config)
    assert len(seen) == 30
    assert "stop" in seen[29]
