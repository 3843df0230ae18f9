"""Augmentation: what each change does, alone and composed, and what must never happen to a sign."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from signwise.config import AugmentationConfig
from signwise.training import augment as views

pytestmark = pytest.mark.numeric

Change = Callable[[torch.Tensor, AugmentationConfig, torch.Generator], torch.Tensor]

USUAL = AugmentationConfig()
NOTHING: Mapping[str, Any] = {
    "flip": False,
    "rotation": 0,
    "shift": 0,
    "shear": 0,
    "scale": (1, 1),
    "stretch": 0,
    "brightness": (0, 0),
    "contrast": 0,
    "colour_cast": 0,
    "shadow_share": 0,
    "haze_share": 0,
    "blur_share": 0,
    "low_resolution_share": 0,
    "noise_share": 0,
    "erase_share": 0,
}
"""Settings under which no picture changes."""
CHANGES: tuple[Change, ...] = (
    views.batch_flip,
    views.batch_affine,
    views.batch_erase,
    views.batch_light,
    views.batch_blur,
    views.batch_low_resolution,
    views.batch_noise,
)
"""What `augment` is made of, in its order."""


def alone(**changes: Any) -> AugmentationConfig:
    """Settings that change nothing but this."""
    return AugmentationConfig(**{**NOTHING, **changes})


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(count: int, side: int = 16, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=generator(seed))


def halves(count: int, side: int = 32) -> torch.Tensor:
    """Pictures red on the left and blue on the right, under a white top quarter."""
    pixels = torch.zeros(count, 3, side, side)
    pixels[:, 0, :, : side // 2] = 0.9
    pixels[:, 2, :, side // 2 :] = 0.9
    pixels[:, :, : side // 4] = 1.0
    return pixels


def blob(count: int, wide: float = 0.15, high: float = 0.15, side: int = 64) -> torch.Tensor:
    """A soft spot in the middle of each picture; widths in shares of the side."""
    place = (torch.arange(side) + 0.5) / side - 0.5
    spot = torch.exp(-0.5 * ((place / wide) ** 2 + (place[:, None] / high) ** 2))
    return spot.expand(count, 3, side, side).clone()


def moments(pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The centre (B, 2) of each picture's light, x and y from the middle, and its spread (B, 2, 2).

    Lengths in shares of the side.
    """
    side = pixels.shape[-1]
    light = pixels.mean(1).double()
    light = light / light.sum((1, 2), keepdim=True)
    place = ((torch.arange(side) + 0.5) / side - 0.5).double()
    x, y = (light * place).sum((1, 2)), (light * place[:, None]).sum((1, 2))
    from_x = place - x[:, None, None]
    from_y = place[:, None] - y[:, None, None]
    xx, yy, xy = (
        (light * a * b).sum((1, 2))
        for a, b in ((from_x, from_x), (from_y, from_y), (from_x, from_y))
    )
    return torch.stack((x, y), 1), torch.stack((xx, xy, xy, yy), 1).reshape(-1, 2, 2)


def between(values: torch.Tensor, low: float, high: float, room: float) -> None:
    """All values lie in the range, within the room, and get near both of its ends."""
    span = high - low
    assert low - room <= float(values.min()) <= low + 0.1 * span + room
    assert high - 0.1 * span - room <= float(values.max()) <= high + room


@settings(max_examples=15, deadline=None)
@given(count=st.integers(1, 5), side=st.integers(8, 40), seed=st.integers(0, 1000))
def test_any_batch_keeps_its_shape_and_range(count: int, side: int, seed: int) -> None:
    pixels = noise(count, side, seed)
    for view in (views.augment, views.augment_light):
        seen = view(pixels, USUAL, generator(seed))
        assert seen.shape == pixels.shape
        assert seen.dtype == torch.float32
        assert bool(((seen >= 0) & (seen <= 1)).all())


def test_same_generator_state_gives_the_same_bits() -> None:
    pixels = halves(16)
    first, second, other = (views.augment(pixels, USUAL, generator(seed)) for seed in (3, 3, 4))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_the_batch_given_is_left_alone() -> None:
    pixels = halves(8)
    views.augment(pixels, USUAL, generator())
    assert torch.equal(pixels, halves(8))


def test_augment_makes_every_change_in_order() -> None:
    assert views.AUGMENTATIONS == CHANGES
    pixels, config = halves(16), AugmentationConfig(flip=True)
    one_by_one, draws = pixels, generator(3)
    for change in CHANGES:
        before, one_by_one = one_by_one, change(one_by_one, config, draws)
        assert not torch.equal(before, one_by_one)
    assert torch.equal(views.augment(pixels, config, generator(3)), one_by_one.clamp(0, 1))


def test_half_of_the_pictures_are_mirrored_where_that_is_asked_for() -> None:
    pixels = noise(400)
    seen = views.batch_flip(pixels, alone(flip=True), generator())
    mirrored = (seen == pixels.flip(3)).all(3).all(2).all(1)
    assert 160 < int(mirrored.sum()) < 240
    assert torch.equal(seen[~mirrored], pixels[~mirrored])
    other = views.batch_flip(pixels, alone(flip=True), generator(1))
    assert not torch.equal(seen, other)


@given(seed=st.integers(0, 1000), count=st.integers(0, 40))
def test_unless_asked_for_no_sign_is_mirrored(seed: int, count: int) -> None:
    pixels, draws = noise(count, 4), generator(seed)
    before = draws.get_state()
    assert views.batch_flip(pixels, USUAL, draws) is pixels
    assert torch.equal(draws.get_state(), before)  # what follows is drawn as ever
    assert not USUAL.flip


def test_a_further_change_is_made_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def darken(
        pixels: torch.Tensor, config: AugmentationConfig, _: torch.Generator
    ) -> torch.Tensor:
        assert config is USUAL
        return pixels - 2

    monkeypatch.setattr(views, "AUGMENTATIONS", (*views.AUGMENTATIONS, darken))
    assert float(views.augment(halves(2), USUAL, generator()).max()) == 0


def test_the_easier_view_is_other_light_alone() -> None:
    pixels = halves(16)
    light = views.batch_light(pixels, USUAL, generator(3))
    assert torch.equal(views.augment_light(pixels, USUAL, generator(3)), light.clamp(0, 1))


@pytest.mark.parametrize(
    ("epochs", "easy"), [(1, 0), (4, 0), (5, 0), (6, 1), (11, 1), (12, 2), (32, 5)]
)
def test_the_first_epochs_take_the_easier_view(epochs: int, easy: int) -> None:
    pixels = halves(4)
    wanted = [views.augment_light] * easy + [views.augment] * (epochs - easy)
    for epoch, view in enumerate(wanted, 1):
        seen = views.view_of_epoch(epoch, epochs, USUAL)(pixels, generator(5))
        assert torch.equal(seen, view(pixels, USUAL, generator(5)))


def test_how_many_epochs_are_easy_is_a_setting() -> None:
    pixels = halves(4)
    for share, view in ((1.0, views.augment_light), (0.0, views.augment)):
        config = AugmentationConfig(easy_epochs=share)
        for epoch in (1, 3):
            seen = views.view_of_epoch(epoch, 3, config)(pixels, generator(5))
            assert torch.equal(seen, view(pixels, config, generator(5)))
    # 0.3 * 10 is a little less than 3 in floating point.
    third = views.view_of_epoch(3, 10, AugmentationConfig(easy_epochs=0.1 + 0.1 + 0.1))
    seen = third(pixels, generator(5))
    assert torch.equal(seen, views.augment_light(pixels, USUAL, generator(5)))


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_changes_some_pictures_and_each_in_its_own_way(change: Change) -> None:
    pixels = noise(1).expand(64, -1, -1, -1)
    changed = change(pixels, AugmentationConfig(flip=True), generator(1))
    moved = (changed - pixels).abs().amax((1, 2, 3)).gt(1e-4)
    assert moved.float().mean() > 0.1
    # A picture has one mirror image, and a batch one low resolution.
    if change not in (views.batch_flip, views.batch_low_resolution):
        assert len({picture.numpy().tobytes() for picture in changed[moved]}) == moved.sum()


@pytest.mark.parametrize("change", CHANGES)
def test_where_nothing_is_asked_for_nothing_changes(change: Change) -> None:
    pixels = noise(20)
    assert torch.allclose(change(pixels, alone(), generator(1)), pixels, atol=1e-5)


def test_no_picture_is_mirrored_turned_or_changes_its_hues() -> None:
    turned = views.batch_affine(halves(500), USUAL, generator())
    seen = views.batch_light(turned, USUAL, generator(1))
    left = seen[:, :, 14:26, 4:9].mean((2, 3))
    right = seen[:, :, 14:26, 23:28].mean((2, 3))
    assert bool((left[:, 0] >= left[:, 2]).all())
    assert bool((right[:, 2] >= right[:, 0]).all())
    top, bottom = seen[:, :, 1:3].mean((1, 2, 3)), seen[:, :, -4:-1].mean((1, 2, 3))
    # A shadow may darken the top; a turn of 90 degrees or a flip would do it to half of them.
    assert (top > bottom).float().mean() > 0.85


def test_scale_makes_the_sign_larger_or_smaller() -> None:
    for scale in (0.75, 1.25):
        seen = views.batch_affine(blob(2, 0.1, 0.1), alone(scale=(scale, scale)), generator())
        centre, spread = moments(seen)
        assert torch.allclose(centre, torch.zeros(2, 2).double(), atol=1e-3)
        wanted = torch.eye(2).double() * (0.1 * scale) ** 2
        assert torch.allclose(spread, wanted.expand(2, 2, 2), atol=4e-4)
    _, spread = moments(views.batch_affine(blob(300, 0.08, 0.08), USUAL, generator()))
    between(torch.linalg.det(spread) ** 0.25 / 0.08, 0.75, 1.25, 0.03)


def test_rotation_turns_both_ways() -> None:
    seen = views.batch_affine(blob(300, 0.15, 0.05), alone(rotation=12), generator())
    centre, spread = moments(seen)
    assert torch.allclose(centre, torch.zeros(300, 2).double(), atol=2e-3)
    assert torch.allclose(
        torch.linalg.det(spread) ** 0.25, torch.tensor(0.0866).double(), atol=2e-3
    )
    angle = 0.5 * torch.atan2(2 * spread[:, 0, 1], spread[:, 0, 0] - spread[:, 1, 1])
    between(torch.rad2deg(angle), -12, 12, 0.3)
    assert abs(float(angle.mean())) < math.radians(2)


def test_stretching_keeps_the_area() -> None:
    _, spread = moments(views.batch_affine(blob(300, 0.1, 0.1), alone(stretch=0.12), generator()))
    assert torch.allclose(torch.linalg.det(spread) ** 0.25, torch.tensor(0.1).double(), atol=2e-3)
    assert float(spread[:, 0, 1].abs().max()) < 1e-5
    between(0.5 * torch.log(spread[:, 1, 1] / spread[:, 0, 0]), -0.24, 0.24, 0.01)


def test_shear_moves_rows_against_each_other() -> None:
    _, spread = moments(views.batch_affine(blob(300, 0.1, 0.1), alone(shear=0.15), generator()))
    assert torch.allclose(spread[:, 1, 1] ** 0.5, torch.tensor(0.1).double(), atol=2e-3)
    between(spread[:, 0, 1] / spread[:, 1, 1], -0.15, 0.15, 0.01)


def test_shifts_go_all_ways() -> None:
    centre, spread = moments(
        views.batch_affine(blob(300, 0.08, 0.08), alone(shift=0.12), generator())
    )
    for axis in (0, 1):
        between(centre[:, axis], -0.12, 0.12, 0.002)
    assert abs(float(torch.corrcoef(centre.T)[0, 1])) < 0.2
    assert torch.allclose(spread[:, 0, 0] ** 0.5, torch.tensor(0.08).double(), atol=2e-3)


def test_what_comes_in_from_outside_is_the_edge_repeated() -> None:
    seen = views.batch_affine(torch.full((50, 3, 16, 16), 0.4), USUAL, generator())
    assert torch.allclose(seen, torch.full_like(seen, 0.4), atol=1e-5)


def test_brightness_is_exposure() -> None:
    pixels = noise(4)
    for exposure in (-1.3, 0.5):
        seen = views.batch_light(pixels, alone(brightness=(exposure, exposure)), generator())
        assert torch.allclose(seen, pixels * math.exp(exposure), atol=1e-5)
    seen = views.batch_light(
        pixels[:1].expand(300, -1, -1, -1), alone(brightness=(-1.3, 0.5)), generator()
    )
    between(torch.log(seen.mean((1, 2, 3)) / pixels[0].mean()), -1.3, 0.5, 1e-3)


def test_contrast_keeps_the_mean() -> None:
    pixels = noise(300)
    seen = views.batch_light(pixels, alone(contrast=0.4), generator())
    assert torch.allclose(seen.mean((1, 2, 3)), pixels.mean((1, 2, 3)), atol=1e-5)
    between(torch.log(seen.std((1, 2, 3)) / pixels.std((1, 2, 3))), -0.4, 0.4, 1e-3)


def test_a_colour_cast_gains_each_channel_alone() -> None:
    pixels = noise(300) + 0.1
    gain = views.batch_light(pixels, alone(colour_cast=0.12), generator()) / pixels
    assert float(gain.amax((2, 3)).sub(gain.amin((2, 3))).max()) < 1e-4
    for channel in range(3):
        between(gain[:, channel, 0, 0], 0.88, 1.12, 1e-4)
    assert float(torch.corrcoef(gain[:, :, 0, 0].T).triu(1).abs().max()) < 0.2


def test_a_shadow_darkens_one_side() -> None:
    light = torch.ones(300, 3, 32, 32)
    seen = views.batch_light(light, alone(shadow_share=1, shadow_depth=(0.5, 0.5)), generator())
    assert 0.5 - 1e-4 <= float(seen.min()) <= 0.51
    assert 0.99 <= float(seen.max()) <= 1 + 1e-4
    corners = torch.stack(
        (seen[:, 0, 0, 0], seen[:, 0, 0, -1], seen[:, 0, -1, 0], seen[:, 0, -1, -1])
    )
    darkest = corners.argmin(0).bincount(minlength=4) / 300
    assert float(darkest.min()) > 0.15  # from every side
    assert bool(((corners.amax(0) - corners.amin(0)) > 0.3).float().mean() > 0.9)
    depths = views.batch_light(light, alone(shadow_share=1, shadow_depth=(0.2, 0.65)), generator())
    between(1 - depths.amin((1, 2, 3)), 0.2, 0.65, 0.02)
    # The edge runs through the picture: neither all light nor all dark, as a rule.
    assert 0.55 < float(seen.mean()) < 0.95
    some = views.batch_light(light, alone(shadow_share=0.25), generator())
    assert float(some.amin((1, 2, 3)).lt(0.95).float().mean()) == pytest.approx(0.25, abs=0.08)


def test_the_edge_of_a_shadow_lies_within_reach_of_the_middle() -> None:
    light = torch.ones(400, 3, 64, 64)
    seen = views.batch_light(light, alone(shadow_share=1, shadow_depth=(0.5, 0.5)), generator())
    # By the share of the picture that is dark: an edge farther out would leave none.
    dark = seen[:, 0].lt(0.75).float().mean((1, 2))
    assert 0 <= float(dark.min()) < 0.1
    assert 0.9 < float(dark.max()) <= 1
    assert float(dark.mean()) == pytest.approx(0.5, abs=0.05)
    middle = (seen[:, 0, 31:33, 31:33].mean((1, 2)) < 0.75).float().mean()
    assert float(middle) == pytest.approx(0.5, abs=0.1)


def test_haze_covers_everything_with_one_grey() -> None:
    pixels = noise(4)
    config = alone(haze_share=1, haze=(0.3, 0.3), haze_light=(0.8, 0.8))
    seen = views.batch_light(pixels, config, generator())
    assert torch.allclose(seen, pixels * 0.7 + 0.3 * 0.8, atol=1e-5)
    many = torch.zeros(400, 3, 8, 8)
    covers = views.batch_light(many, alone(haze_share=1, haze_light=(1, 1)), generator())
    between(covers[:, 0, 0, 0], 0.1, 0.65, 1e-3)
    lights = views.batch_light(many, alone(haze_share=1, haze=(1, 1)), generator())
    between(lights[:, 0, 0, 0], 0.2, 1.0, 1e-3)
    some = views.batch_light(many, alone(haze_share=0.25), generator())
    assert float(some.amax((1, 2, 3)).gt(0).float().mean()) == pytest.approx(0.25, abs=0.07)


def test_blur_spreads_a_point_along_a_line_of_its_own() -> None:
    point = torch.zeros(200, 3, 32, 32)
    point[:, :, 16, 16] = 1.0
    config = alone(blur_share=1, blur_length=(1.0, 1.0), blur_ratio=(0.5, 0.5))
    seen = views.batch_blur(point, config, generator())
    assert torch.allclose(seen.sum((2, 3)), torch.ones(200, 3), atol=1e-5)
    assert torch.equal(seen[:, 0], seen[:, 1])
    minor, major = torch.linalg.eigvalsh(moments(seen)[1]).T
    # The radius of 3 pixels holds nearly all of a Gaussian of 1 pixel.
    assert torch.allclose(major**0.5 * 32, torch.ones(200).double(), atol=0.05)
    assert torch.allclose(minor**0.5 * 32, torch.full((200,), 0.5).double(), atol=0.12)
    spread = moments(seen)[1]
    angle = 0.5 * torch.atan2(2 * spread[:, 0, 1], spread[:, 0, 0] - spread[:, 1, 1])
    between(torch.rad2deg(angle), -90, 90, 1)
    lines = views.batch_blur(point, alone(blur_share=1, blur_ratio=(1, 1)), generator())
    widths = torch.linalg.eigvalsh(moments(lines)[1])[:, 1] ** 0.5 * 32
    assert float(widths.min()) < 0.55
    assert 1.3 < float(widths.max()) < 1.8


def test_blur_is_as_wide_in_a_larger_picture() -> None:
    point = torch.zeros(20, 3, 64, 64)
    point[:, :, 32, 32] = 1.0
    config = alone(blur_share=1, blur_length=(1.0, 1.0), blur_ratio=(1, 1))
    spread = moments(views.batch_blur(point, config, generator()))[1]
    assert torch.allclose(spread[:, 0, 0] ** 0.5 * 32, torch.ones(20).double(), atol=0.05)
    narrow = torch.zeros(1, 3, 9, 9)
    narrow[:, :, 4, 4] = 1.0
    seen = views.batch_blur(narrow, alone(blur_share=1, blur_length=(9, 9)), generator())
    assert int(seen[0, 0].gt(0).sum()) == 25  # at least two pixels to each side


def test_blur_takes_a_share_and_repeats_the_edge() -> None:
    pixels = noise(400, 8)
    seen = views.batch_blur(pixels, alone(blur_share=0.35), generator())
    assert float((seen != pixels).any(1).any(1).any(1).float().mean()) == pytest.approx(
        0.35, abs=0.07
    )
    plain = torch.full((20, 3, 8, 8), 0.7)
    seen = views.batch_blur(plain, alone(blur_share=1), generator())
    assert torch.allclose(seen, plain, atol=1e-5)


def test_low_resolution_keeps_the_mean_and_loses_detail() -> None:
    pixels = noise(6, 32)
    config = alone(low_resolution_share=1, low_resolution=(0.5, 0.5))
    seen = views.batch_low_resolution(pixels, config, generator())
    small = torch.nn.functional.interpolate(pixels, size=(16, 16), mode="area")
    wanted = torch.nn.functional.interpolate(small, size=(32, 32), mode="bilinear")
    assert torch.allclose(seen, wanted, atol=1e-5)
    tiny = alone(low_resolution_share=1, low_resolution=(0.01, 0.01))
    far = views.batch_low_resolution(pixels, tiny, generator())
    small = torch.nn.functional.interpolate(pixels, size=(2, 2), mode="area")
    wanted = torch.nn.functional.interpolate(small, size=(32, 32), mode="bilinear")
    assert torch.allclose(far, wanted, atol=1e-5)


def test_low_resolution_takes_a_share_of_the_batch_to_one_size() -> None:
    pixels = noise(1, 20).expand(400, -1, -1, -1)
    seen = views.batch_low_resolution(pixels, alone(low_resolution_share=0.2), generator())
    changed = (seen != pixels).flatten(1).any(1)
    assert float(changed.float().mean()) == pytest.approx(0.2, abs=0.06)
    assert len({picture.numpy().tobytes() for picture in seen[changed]}) == 1
    of_seeds = {
        views.batch_low_resolution(pixels[:1], alone(low_resolution_share=1), generator(seed))
        .numpy()
        .tobytes()
        for seed in range(60)
    }
    assert 8 <= len(of_seeds) <= 10  # 7 to 16 pixels


def test_noise_is_gaussian_of_a_strength_of_its_own() -> None:
    grey = torch.full((400, 3, 16, 16), 0.5)
    change = views.batch_noise(grey, alone(noise_share=1, noise=0.14), generator()) - grey
    strength = change.std((1, 2, 3))
    assert float(strength.max()) <= 0.14 * 1.1
    assert float(strength.max()) > 0.12
    assert float(strength.mean()) == pytest.approx(0.14 / 3, rel=0.15)  # the mean of a square
    assert abs(float(change.mean())) < 0.001
    some = views.batch_noise(grey, alone(noise_share=0.5), generator())
    share = (some - grey).abs().amax((1, 2, 3)).gt(0).float().mean()
    assert float(share) == pytest.approx(0.5, abs=0.08)


def test_erasing_covers_a_rectangle_with_one_colour() -> None:
    pixels = torch.full((400, 3, 32, 32), 0.123)
    config = alone(erase_share=1, erase=(0.1, 0.2))
    seen = views.batch_erase(pixels, config, generator())
    covered = (seen != pixels).any(1)
    wide, high = covered.any(1).sum(1), covered.any(2).sum(1)
    assert torch.equal(covered.sum((1, 2)), wide * high)  # a rectangle
    for length in (wide, high):
        assert 0 < int(length.max()) <= 13  # 0.4 of 32 pixels
        assert int(length.max()) >= 12
    assert not torch.equal(wide, high)
    colours = torch.stack(
        [
            picture[:, place].amax(1) - picture[:, place].amin(1)
            for picture, place in zip(seen, covered, strict=True)
            if place.any()
        ]
    )
    assert float(colours.max()) < 1e-6
    shown = seen[covered.any(1).any(1)].flatten(2).sub(0.123).abs().amax(2)
    assert len({colour.numpy().tobytes() for colour in shown}) == len(shown)
    where = covered.float().mean(0)
    assert float(where.min()) > 0.01  # everywhere
    assert float(where[8:24, 8:24].mean()) > float(where.mean())


def test_erasing_covers_at_most_a_sixth() -> None:
    pixels = torch.full((400, 3, 32, 32), 0.123)
    covered = (views.batch_erase(pixels, USUAL, generator()) != pixels).any(1).float().mean((1, 2))
    assert covered.max() <= 1 / 6
    assert float(covered.gt(0).float().mean()) == pytest.approx(0.25, abs=0.07)
