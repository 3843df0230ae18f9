"""Augmentation: shapes, ranges, determinism, and what must never happen to a sign."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from signwise.training import augment as views


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def halves(count: int, side: int = 32) -> torch.Tensor:
    """Pictures red on the left and blue on the right, under a white top quarter."""
    pixels = torch.zeros(count, 3, side, side)
    pixels[:, 0, :, : side // 2] = 0.9
    pixels[:, 2, :, side // 2 :] = 0.9
    pixels[:, :, : side // 4] = 1.0
    return pixels


@settings(max_examples=15, deadline=None)
@given(count=st.integers(1, 5), side=st.integers(8, 40), seed=st.integers(0, 1000))
def test_any_batch_keeps_its_shape_and_range(count: int, side: int, seed: int) -> None:
    pixels = torch.rand(count, 3, side, side, generator=generator(seed))
    seen = views.augment(pixels, generator(seed))
    assert seen.shape == pixels.shape
    assert seen.dtype == torch.float32
    assert bool(((seen >= 0) & (seen <= 1)).all())


def test_same_generator_state_gives_the_same_bits() -> None:
    pixels = halves(16)
    first, second, other = (views.augment(pixels, generator(seed)) for seed in (3, 3, 4))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_the_batch_given_is_left_alone() -> None:
    pixels = halves(8)
    views.augment(pixels, generator())
    assert torch.equal(pixels, halves(8))


def test_no_picture_is_mirrored_turned_or_changes_its_hues() -> None:
    seen = views.batch_light(views.batch_affine(halves(500), generator()), generator(1))
    left = seen[:, :, 14:26, 4:9].mean((2, 3))
    right = seen[:, :, 14:26, 23:28].mean((2, 3))
    assert bool((left[:, 0] >= left[:, 2]).all())
    assert bool((right[:, 2] >= right[:, 0]).all())
    top, bottom = seen[:, :, 1:3].mean((1, 2, 3)), seen[:, :, -4:-1].mean((1, 2, 3))
    # A shadow may darken the top; a turn of 90 degrees or a flip would do it to half of them.
    assert (top > bottom).float().mean() > 0.85


@pytest.mark.parametrize(
    "change",
    [
        views.batch_affine,
        views.batch_light,
        views.batch_blur,
        views.batch_low_resolution,
        views.batch_noise,
        views.batch_erase,
    ],
)
def test_each_change_changes_some_pictures(change: object) -> None:
    pixels = torch.rand(64, 3, 16, 16, generator=generator())
    changed = change(pixels, generator(1))  # type: ignore[operator]
    share = (changed - pixels).abs().amax((1, 2, 3)).gt(1e-4).float().mean()
    assert share > 0.1


def test_erasing_covers_at_most_a_sixth() -> None:
    pixels = torch.full((400, 3, 32, 32), 0.123)
    covered = (views.batch_erase(pixels, generator()) != pixels).any(1).float().mean((1, 2))
    assert covered.max() <= 1 / 6
    assert 0.1 < covered.gt(0).float().mean() < 0.4
