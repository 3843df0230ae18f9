"""What is trained against: each way to make negatives alone, and all of them in a batch."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from signwise.config import NegativesConfig
from signwise.training import negatives
from signwise.training.negatives import DESTROYED, FOLDER, OWN, RENDERED, SWAPPED, Batch, Source
from signwise.training.pools import Pool, TrainingData
from toy_training import CPU, SIZE, noise_pool, tiny_data

pytestmark = pytest.mark.numeric

Destroyer = Callable[[Tensor, Tensor, NegativesConfig, torch.Generator], Tensor]

USUAL = NegativesConfig()
UNKNOWN = 2
"""The label of a picture of no class, in `tiny_data`."""


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(count: int, side: int = 32, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, side, side, generator=generator(seed))


def own_batch(data: TrainingData, count: int = 16) -> Batch:
    """A batch of the first pictures of the classes."""
    rows = np.arange(count)
    return Batch(
        pictures=data.train.take(rows, CPU),
        labels=data.train.labels[rows],
        origins=np.full(count, OWN),
    )


def source(data: TrainingData, seed: int = 0, **changes: Any) -> Source:
    return Source(
        data=data,
        config=NegativesConfig(**changes),
        draws=np.random.default_rng(seed),
        generator=generator(seed),
    )


def added(before: Batch, after: Batch) -> Batch:
    """What was put behind a batch, which is left as it was."""
    count = len(before.labels)
    assert torch.equal(after.pictures[:count], before.pictures)
    assert np.array_equal(after.labels[:count], before.labels)
    assert np.array_equal(after.origins[:count], before.origins)
    assert len(after.pictures) == len(after.labels) == len(after.origins)
    return Batch(
        pictures=after.pictures[count:], labels=after.labels[count:], origins=after.origins[count:]
    )


def places(pictures: Tensor, pool: Pool) -> list[int]:
    """Where in the pool each picture is from."""
    known = [picture.numpy().tobytes() for picture in pool.take(np.arange(len(pool)), CPU)]
    return [known.index(picture.numpy().tobytes()) for picture in pictures]


def test_rendered_pictures_keep_their_labels() -> None:
    pool = replace(noise_pool("rendered", 6), labels=np.array([2, 0, 2, 1, 2, 2]))
    data = replace(tiny_data(), rendered=pool)
    batch = own_batch(data)
    new = added(batch, negatives.rendered(batch, source(data, rendered=2.5)))
    assert len(new.labels) == 40  # 2.5 to each of 16
    drawn = places(new.pictures, pool)
    assert set(drawn) == set(range(6))
    assert new.labels.tolist() == pool.labels[drawn].tolist()
    assert set(new.origins) == {RENDERED}
    other = added(batch, negatives.rendered(batch, source(data, seed=1, rendered=2.5)))
    assert places(other.pictures, pool) != drawn


def test_pictures_of_a_folder_come_on_top_and_at_least_one() -> None:
    data = tiny_data(folder=5)
    batch = own_batch(data)
    new = added(batch, negatives.from_folder(batch, source(data, folder=0.01)))
    assert len(new.labels) == 1
    new = added(batch, negatives.from_folder(batch, source(data, folder=1.26)))
    assert len(new.labels) == 21  # rounded up
    assert set(places(new.pictures, data.folder)) == set(range(5))
    assert set(new.labels) == {UNKNOWN}
    assert set(new.origins) == {FOLDER}


@pytest.mark.parametrize("way", [negatives.rendered, negatives.from_folder, negatives.swapped])
def test_a_way_that_has_nothing_to_draw_from_adds_nothing(
    way: Callable[[Batch, Source], Batch],
) -> None:
    data = tiny_data(rendered=0)
    batch = own_batch(data)
    assert len(added(batch, way(batch, source(data))).labels) == 0


@pytest.mark.parametrize("name", ["rendered", "folder", "destroyed", "swapped"])
def test_a_way_whose_share_is_0_adds_nothing(name: str) -> None:
    way = {way.__name__.removeprefix("from_"): way for way in negatives.NEGATIVES}[name]
    data = tiny_data(folder=3)
    batch = negatives.rendered(own_batch(data), source(data))
    for share in (0.0, 0.1):
        changes: dict[str, Any] = {name: share}
        new = added(batch, way(batch, source(data, **changes)))
        assert bool(len(new.labels)) == bool(share)


def test_destroyed_pictures_are_of_the_classes_own(monkeypatch: pytest.MonkeyPatch) -> None:
    data = tiny_data(rendered=6, folder=4)
    seen: list[tuple[Tensor, Tensor]] = []

    def keep(pixels: Tensor, labels: Tensor, config: NegativesConfig, _: torch.Generator) -> Tensor:
        assert config == NegativesConfig(destroyed=4.0)
        seen.append((pixels, labels))
        return -pixels

    monkeypatch.setattr(negatives, "DESTROYERS", (keep,))
    from_where = source(data, destroyed=4.0)
    batch = own_batch(data)
    with_others = negatives.from_folder(negatives.rendered(batch, from_where), from_where)
    new = added(with_others, negatives.destroyed(with_others, from_where))
    ((pixels, labels),) = seen
    assert len(new.labels) == 64  # 4 to each of the 16 own, whatever else is in the batch
    assert torch.equal(new.pictures, -pixels)
    drawn = places(pixels, data.train)
    assert set(drawn) <= set(range(16))
    assert len(set(drawn)) > 8
    assert labels.tolist() == data.train.labels[drawn].tolist()
    assert set(new.labels) == {UNKNOWN}
    assert set(new.origins) == {DESTROYED}


def test_rendered_signs_of_the_classes_are_destroyed_too() -> None:
    data = replace(tiny_data(), rendered=noise_pool("rendered", 3, label=1))
    only_rendered = negatives.rendered(own_batch(data, 4), source(data, rendered=2.0))
    batch = Batch(
        pictures=only_rendered.pictures[4:],
        labels=only_rendered.labels[4:],
        origins=only_rendered.origins[4:],
    )
    assert len(added(batch, negatives.destroyed(batch, source(data))).labels) > 0


def test_of_a_small_batch_each_destroyer_gets_a_picture() -> None:
    data = tiny_data()
    batch = own_batch(data, 2)
    new = added(batch, negatives.destroyed(batch, source(data)))
    assert len(new.labels) == len(negatives.DESTROYERS)


def test_swapped_pictures_are_the_users_with_the_middle_of_a_rendered_negative(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = replace(noise_pool("rendered", 6), labels=np.array([2, 0, 2, 1, 2, 2]))
    data = replace(tiny_data(folder=4), rendered=pool)
    seen: list[tuple[Tensor, Tensor]] = []

    def keep(pixels: Tensor, donors: Tensor, config: NegativesConfig, _: torch.Generator) -> Tensor:
        assert config is from_where.config
        seen.append((pixels, donors))
        return -pixels

    monkeypatch.setattr(negatives, "swap_centres", keep)
    from_where = source(data, swapped=4.0, rendered=4.0)
    batch = negatives.from_folder(negatives.rendered(own_batch(data), from_where), from_where)
    new = added(batch, negatives.swapped(batch, from_where))
    ((pixels, donors),) = seen
    assert len(new.labels) == 64
    assert torch.equal(new.pictures, -pixels)
    assert len(set(places(pixels, data.train))) > 8
    assert set(places(donors, pool)) == {0, 2, 4, 5}
    assert set(new.labels) == {UNKNOWN}
    assert set(new.origins) == {SWAPPED}
    small = negatives.rendered(own_batch(data, 2), from_where)
    from_where = replace(from_where, config=NegativesConfig(swapped=0.01))
    assert len(added(small, negatives.swapped(small, from_where)).labels) == 1  # at least


def test_a_batch_gets_every_way_in_order() -> None:
    assert (
        negatives.rendered,
        negatives.from_folder,
        negatives.destroyed,
        negatives.swapped,
    ) == negatives.NEGATIVES
    data = tiny_data(folder=3)
    whole = negatives.add_negatives(own_batch(data), source(data))
    from_where = source(data)
    one_by_one = own_batch(data)
    for way in negatives.NEGATIVES:
        one_by_one = way(one_by_one, from_where)
    assert torch.equal(whole.pictures, one_by_one.pictures)
    assert np.array_equal(whole.labels, one_by_one.labels)
    counts = {OWN: 16, RENDERED: 5, FOLDER: 1, DESTROYED: 5, SWAPPED: 5}
    assert whole.origins.tolist() == [each for each, count in counts.items() for _ in range(count)]


def test_a_further_way_adds_to_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    data = tiny_data()

    def white(batch: Batch, from_where: Source) -> Batch:
        assert set(batch.origins) == {OWN, RENDERED, DESTROYED, SWAPPED}  # those before it
        return batch.add(torch.ones(3, 3, SIZE, SIZE), from_where.data.classes, 5)

    before = negatives.add_negatives(own_batch(data), source(data))
    monkeypatch.setattr(negatives, "NEGATIVES", (*negatives.NEGATIVES, white))
    after = negatives.add_negatives(own_batch(data), source(data))
    new = added(before, after)
    assert torch.equal(new.pictures, torch.ones(3, 3, SIZE, SIZE))
    assert new.labels.tolist() == [UNKNOWN] * 3


def test_each_destroyer_gets_its_part_with_its_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    def add(amount: int) -> Destroyer:
        def way(
            pixels: Tensor, labels: Tensor, config: NegativesConfig, _: torch.Generator
        ) -> Tensor:
            assert config is USUAL
            return pixels + amount * labels[:, None, None, None]

        return way

    monkeypatch.setattr(negatives, "DESTROYERS", (add(10), add(100), add(1000)))
    pixels, labels = torch.zeros(7, 3, 4, 4), torch.arange(1, 8)
    made = negatives.destroy(pixels, labels, USUAL, generator())
    assert made[:, 0, 0, 0].tolist() == [10, 20, 30, 400, 500, 6000, 7000]


def test_the_destroyers_work_one_after_the_other() -> None:
    assert (
        negatives.shuffled_finely,
        negatives.shuffled_coarsely,
        negatives.extreme_crops,
        negatives.mixtures,
        negatives.textures,
    ) == negatives.DESTROYERS
    pixels, labels = noise(10), torch.arange(10) % 2
    draws = generator(3)
    parts = [
        way(pixels[2 * index : 2 * index + 2], labels[:2], USUAL, draws)
        for index, way in enumerate(negatives.DESTROYERS)
    ]
    made = negatives.destroy(pixels, labels, USUAL, generator(3))
    assert torch.equal(made, torch.cat(parts))


@pytest.mark.parametrize("way", negatives.DESTROYERS)
def test_what_is_destroyed_is_another_picture_in_range(way: Destroyer) -> None:
    pixels, labels = noise(12, 32), torch.arange(12) % 3
    made = way(pixels, labels, USUAL, generator(1))
    assert made.shape == pixels.shape
    assert bool(((made >= -1e-5) & (made <= 1 + 1e-5)).all())
    assert bool((made - pixels).abs().amax((1, 2, 3)).gt(0.05).all())
    assert torch.equal(pixels, noise(12, 32))
    assert torch.equal(made, way(pixels, labels, USUAL, generator(1)))
    assert not torch.equal(made, way(pixels, labels, USUAL, generator(2)))


def tiles_of(picture: Tensor, side: int) -> list[bytes]:
    """Every tile of this side, row by row."""
    steps = range(0, picture.shape[-1], side)
    return [
        picture[:, y : y + side, x : x + side].contiguous().numpy().tobytes()
        for y in steps
        for x in steps
    ]


@pytest.mark.parametrize(
    ("way", "tile"), [(negatives.shuffled_finely, 4), (negatives.shuffled_coarsely, 8)]
)
def test_shuffling_lays_every_tile_somewhere_else(way: Destroyer, tile: int) -> None:
    pixels = noise(6)
    shuffled = way(pixels, torch.zeros(6), USUAL, generator(1))
    orders = set()
    for before, after in zip(pixels, shuffled, strict=True):
        tiles, laid = tiles_of(before, tile), tiles_of(after, tile)
        assert sorted(tiles) == sorted(laid)
        assert tiles != laid
        orders.add(tuple(laid.index(each) for each in tiles))
    assert len(orders) == 6  # each in an order of its own


def test_how_many_tiles_is_a_setting() -> None:
    config = NegativesConfig(patches=(2, 16))
    for way, tile in ((negatives.shuffled_finely, 16), (negatives.shuffled_coarsely, 2)):
        shuffled = way(noise(1), torch.zeros(1), config, generator(1))
        assert sorted(tiles_of(shuffled[0], tile)) == sorted(tiles_of(noise(1)[0], tile))


@pytest.mark.parametrize("side", [3, 7, 16, 33])
def test_any_side_can_be_shuffled(side: int) -> None:
    pixels = noise(2, side)
    shuffled = negatives.shuffle_patches(pixels, 4, generator())
    assert shuffled.shape == pixels.shape
    assert not torch.equal(shuffled, pixels)


def test_extreme_crops_show_a_little_that_lies_off_the_middle() -> None:
    side = 64
    place = (torch.arange(side) + 0.5) / side * 2 - 1  # from -1 to 1
    pixels = torch.stack(
        (place.expand(side, -1), place[:, None].expand(-1, side), place * 0 + torch.zeros(side, 1))
    )
    crops = negatives.extreme_crops(
        pixels.expand(300, -1, -1, -1), torch.zeros(300), USUAL, generator()
    )
    across, down = crops[:, 0], crops[:, 1]
    # Upright: what changes from side to side does not change downwards, and the other way round.
    assert float((across - across[:, :1]).abs().max()) < 1e-4
    assert float((down - down[:, :, :1]).abs().max()) < 1e-4
    assert float((across[:, 0] - across[:, 0, :1]).abs().amax(1).min()) > 0.05
    x, y = across.mean((1, 2)), down.mean((1, 2))
    reach = torch.hypot(x, y)
    # What lies beyond the edge is reflected, so that the middle of a crop may lie nearer.
    assert 0.45 < float(reach.min()) < 0.6
    assert 0.75 < float(reach.max()) < 0.87
    quadrants = (x > 0).int() + 2 * (y > 0).int()
    assert int(quadrants.bincount(minlength=4).min()) > 40
    inner = (x.abs() < 0.65) & (y.abs() < 0.65)
    for part in (across, down):
        widths = (part.amax((1, 2)) - part.amin((1, 2)))[inner]
        assert float(widths.min()) == pytest.approx(0.24, abs=0.03)
        assert float(widths.max()) == pytest.approx(0.6, abs=0.04)


def test_mixtures_blend_with_a_picture_of_another_class() -> None:
    labels = torch.arange(40) % 2
    pixels = torch.zeros(40, 3, 16, 16)
    pixels[:, 0] = 1.0 - labels[:, None, None].float()
    pixels[:, 1] = labels[:, None, None].float()
    mixed = negatives.mixtures(pixels, labels, USUAL, generator())
    own = torch.where(labels == 0, mixed[:, 0, 0, 0], mixed[:, 1, 0, 0])
    other = torch.where(labels == 0, mixed[:, 1, 0, 0], mixed[:, 0, 0, 0])
    with_another = other > 0
    assert 0.3 < float(with_another.float().mean()) < 0.7  # else a partner of its own class
    assert torch.allclose(own + other, torch.ones(40))
    shares = own[with_another]
    assert 0.4 <= float(shares.min()) < 0.45
    assert 0.55 < float(shares.max()) <= 0.6
    assert float(own[~with_another].min()) == pytest.approx(1)


def test_mixtures_of_one_class_alone_are_shuffled() -> None:
    pixels = torch.zeros(40, 3, 16, 16)
    pixels[:, :, 4:12, 4:12] = torch.arange(1, 41).div(40).view(-1, 1, 1, 1)

    def strays(labels: Tensor) -> float:
        mixed = negatives.mixtures(pixels, labels, USUAL, generator())
        mixed[:, :, 4:12, 4:12] = 0
        return float(mixed.amax((1, 2, 3)).gt(0).float().mean())

    assert strays(torch.zeros(40, dtype=torch.int64)) > 0.9
    # Each of a class of its own: none is its own partner but by chance, and none is shuffled.
    assert strays(torch.arange(40)) < 0.2


def test_the_share_of_a_mixture_is_a_setting() -> None:
    pixels, labels = noise(8), torch.arange(8)
    config = NegativesConfig(mixture=(1, 1))
    assert torch.allclose(negatives.mixtures(pixels, labels, config, generator()), pixels)


def test_textures_keep_mean_and_frequencies_and_lose_the_shape() -> None:
    pixels = torch.full((8, 3, 32, 32), 0.4)
    pixels[:, :, 8:24, 8:24] = 0.6
    pixels[:, 1] += 0.1
    drawn = negatives.textures(pixels, torch.zeros(8), USUAL, generator())
    means = pixels.mean((2, 3))
    assert torch.allclose(drawn.mean((2, 3)), means, atol=1e-4)
    before, after = (
        torch.fft.rfft2(part - part.mean((2, 3), keepdim=True)).abs() for part in (pixels, drawn)
    )
    assert torch.allclose(before, after, atol=0.05)
    like = functional.cosine_similarity(
        (pixels - means[..., None, None])[:, 0].flatten(1),
        (drawn - drawn.mean((2, 3), keepdim=True))[:, 0].flatten(1),
    )
    assert float(like.abs().max()) < 0.7
    # The channels keep together: no colour that was not there.
    assert torch.allclose(drawn[:, 1] - drawn[:, 0], torch.full_like(drawn[:, 0], 0.1), atol=1e-4)
    bright = negatives.textures(noise(4) ** 4, torch.zeros(4), USUAL, generator())
    assert float(bright.min()) >= 0


def test_swapped_centres_keep_outline_and_brightness_and_lose_the_middle() -> None:
    pixels = noise(20) * 0.2
    donors = torch.zeros(20, 3, 32, 32)
    donors[:, 2] = 0.6  # blue, twice as bright
    swapped = negatives.swap_centres(pixels, donors, USUAL, generator(1))
    for corner in ((slice(0, 4), slice(0, 4)), (slice(-4, None), slice(-4, None))):
        assert torch.allclose(swapped[..., *corner], pixels[..., *corner], atol=0.02)
    middle = swapped[:, :, 13:19, 13:19]
    assert float(middle[:, :2].max()) < 0.01
    assert torch.allclose(swapped.mean((1, 2, 3)), pixels.mean((1, 2, 3)), atol=0.02)
    assert not torch.allclose(donors.mean((1, 2, 3)), pixels.mean((1, 2, 3)), atol=0.02)
    assert torch.equal(negatives.swap_centres(pixels, donors, USUAL, generator(1)), swapped)


def test_the_middle_that_is_swapped_is_a_disc_of_the_asked_for_radius() -> None:
    side = 64
    pixels, donors = torch.zeros(200, 3, side, side), torch.zeros(200, 3, side, side)
    pixels[:, 0], donors[:, 1] = 0.3, 0.3
    swapped = negatives.swap_centres(pixels, donors, USUAL, generator())
    inside = swapped[:, 1] > swapped[:, 0]
    radius = (inside.float().mean((1, 2)) * 4 / torch.pi) ** 0.5
    assert 0.48 < float(radius.min()) < 0.53
    assert 0.82 < float(radius.max()) < 0.87
    assert torch.equal(inside, inside.flip(1))
    assert torch.equal(inside, inside.flip(2))
    assert torch.equal(inside, inside.transpose(1, 2))
    # A soft edge, as the blend along a row from the middle outwards.
    row = swapped[0, 1, side // 2, side // 2 :]
    assert int(((row > 0.03) & (row < 0.27)).sum()) >= 6


def test_a_donor_is_made_as_bright_within_bounds() -> None:
    grey = torch.full((4, 3, 32, 32), 0.5)
    dim = torch.full((4, 3, 32, 32), 0.05)
    small = NegativesConfig(swap_radius=(0.5, 0.5))
    middles = [
        float(negatives.swap_centres(pixels, donors, small, generator())[:, :, 15:17, 15:17].mean())
        for pixels, donors in ((grey, dim), (dim, grey))
    ]
    assert middles[0] == pytest.approx(0.05 * 4, abs=0.01)
    assert middles[1] == pytest.approx(0.5 * 0.2, abs=0.01)


def test_a_black_donor_or_picture_gives_numbers() -> None:
    black, grey = torch.zeros(3, 3, 7, 7), torch.full((3, 3, 7, 7), 0.5)
    for pixels, donors in ((black, grey), (grey, black), (black, black)):
        swapped = negatives.swap_centres(pixels, donors, USUAL, generator())
        assert bool(((swapped >= 0) & (swapped <= 1)).all())
