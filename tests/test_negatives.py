"""Negatives: known pictures destroyed, rendered ones, and a user's own folder."""

from pathlib import Path

import numpy as np
import pytest
import torch

from signwise.synthetic import render_signs
from signwise.errors import SignwiseError
from signwise.files import sha256_file
from signwise.training import negatives
from toy import toy_strangers


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_shuffled_patches_keep_every_tile() -> None:
    pixels = torch.rand(6, 3, 32, 32, generator=generator())
    shuffled = negatives.shuffle_patches(pixels, 8, generator(1))
    assert not torch.equal(shuffled, pixels)
    assert torch.allclose(
        shuffled.flatten(2).sort(2).values, pixels.flatten(2).sort(2).values, atol=0
    )
    tile = pixels[0, :, :4, :4]
    found = [
        torch.equal(shuffled[0, :, y : y + 4, x : x + 4], tile)
        for y in range(0, 32, 4)
        for x in range(0, 32, 4)
    ]
    assert sum(found) == 1


@pytest.mark.parametrize("side", [7, 16, 33])
def test_any_side_can_be_shuffled(side: int) -> None:
    pixels = torch.rand(2, 3, side, side, generator=generator())
    assert negatives.shuffle_patches(pixels, 4, generator()).shape == pixels.shape


def test_mixtures_never_pair_a_class_with_itself_whole() -> None:
    pixels = torch.zeros(40, 3, 16, 16)
    pixels[:, :, 4:12, 4:12] = torch.arange(40).div(40).view(-1, 1, 1, 1)
    labels = torch.zeros(40, dtype=torch.int64)
    mixed = negatives.mixtures(pixels, labels, generator())
    # One class only: each partner is shuffled, so that its square lies about.
    outside = mixed.clone()
    outside[:, :, 4:12, 4:12] = 0
    assert outside.sum((1, 2, 3)).gt(0).float().mean() > 0.9


def test_textures_keep_the_mean_and_lose_the_shape() -> None:
    pixels = torch.zeros(8, 3, 32, 32)
    pixels[:, :, 8:24, 8:24] = 1.0
    drawn = negatives.textures(pixels, generator())
    inside, whole = drawn[:, :, 8:24, 8:24].mean((1, 2, 3)), drawn.mean((1, 2, 3))
    assert bool(((whole - 0.25).abs() < 0.15).all())
    assert (inside - whole).abs().mean() < 0.3


def test_swapped_centres_keep_outline_and_brightness_and_lose_the_middle() -> None:
    pixels = torch.rand(20, 3, 32, 32, generator=generator()) * 0.2
    donors = torch.zeros(20, 3, 32, 32)
    donors[:, 2] = 0.6  # blue, twice as bright
    swapped = negatives.swap_centres(pixels, donors, generator(1))
    for corner in ((slice(0, 4), slice(0, 4)), (slice(-4, None), slice(-4, None))):
        assert torch.allclose(swapped[..., *corner], pixels[..., *corner], atol=0.02)
    middle = swapped[:, :, 13:19, 13:19]
    assert float(middle[:, :2].max()) < 0.01
    assert torch.allclose(swapped.mean((1, 2, 3)), pixels.mean((1, 2, 3)), atol=0.02)
    assert not torch.allclose(donors.mean((1, 2, 3)), pixels.mean((1, 2, 3)), atol=0.02)
    assert torch.equal(negatives.swap_centres(pixels, donors, generator(1)), swapped)


def test_a_black_donor_or_picture_gives_numbers() -> None:
    black, grey = torch.zeros(3, 3, 7, 7), torch.full((3, 3, 7, 7), 0.5)
    for pixels, donors in ((black, grey), (grey, black), (black, black)):
        swapped = negatives.swap_centres(pixels, donors, generator())
        assert bool(((swapped >= 0) & (swapped <= 1)).all())


def test_destroy_uses_every_way() -> None:
    pixels = torch.rand(negatives.WAYS, 3, 32, 32, generator=generator())
    destroyed = negatives.destroy(pixels, torch.arange(negatives.WAYS), generator())
    assert destroyed.shape == pixels.shape
    assert bool((destroyed - pixels).abs().amax((1, 2, 3)).gt(0.05).all())


def test_a_sign_is_known_by_the_name_of_its_class() -> None:
    assert negatives.designs_named(("Stop", "00012", "cats")) == {"stop", "priority"}


def test_a_sign_is_known_by_its_looks_whatever_its_name() -> None:
    pixels = np.concatenate([render_signs(name, 30, 64, 1) for name in ("yield", "stop")])
    labels, rows = np.repeat([0, 1], 30), np.arange(60)
    seen = negatives.designs_seen(pixels, labels, rows)
    assert [max(shares, key=shares.__getitem__) for shares in seen.values()] == ["yield", "stop"]
    assert all(0.2 <= share <= 1 for shares in seen.values() for share in shares.values())
    plain = np.full((20, 64, 64, 3), 90, np.uint8)
    assert negatives.designs_seen(plain, np.zeros(20, np.int64), np.arange(20)) == {0: {}}


def test_all_of_many_classes_are_looked_at() -> None:
    sign = render_signs("stop", 4, 64, 1)
    pixels = np.concatenate([np.full((4 * 69, 64, 64, 3), 90, np.uint8), sign])
    labels = np.repeat(np.arange(70), 4)
    seen = negatives.designs_seen(pixels, labels, np.arange(len(labels)))
    assert len(seen) == 70
    assert "stop" in seen[69]


def test_a_folder_of_negatives_is_read_and_what_fails_is_told(tmp_path: Path) -> None:
    folder = toy_strangers(tmp_path / "strangers", 4)
    (folder / "zz.png").write_bytes(b"no picture")
    pixels, hashes, problems = negatives.folder_negatives(folder, 16, 0, {})
    assert [Path(path).name for path in hashes] == [f"{number:05d}.png" for number in range(4)]
    assert pixels.shape == (4, 16, 16, 3)
    assert [Path(row["path"]).name for row in problems] == ["zz.png"]
    known = {sha256_file(folder / "00001.png"): "stop"}
    pixels, hashes, problems = negatives.folder_negatives(folder, 16, 0, known)
    assert len(pixels) == len(hashes) == 3
    assert problems[0]["problem"] == "the same picture is one of stop"


def test_a_folder_without_pictures_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SignwiseError, match=r"--unknown .*: no picture"):
        negatives.folder_negatives(tmp_path, 16, 0, {})
    with pytest.raises(SignwiseError, match=r"--unknown .*: no such folder"):
        negatives.folder_negatives(tmp_path / "none", 16, 0, {})
