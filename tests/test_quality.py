"""The figures of one picture, by which poor ones and duplicates are found."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from signwise.data.images import read_image
from signwise.data.quality import Batch, Inspection, fingerprint, inspect_batch, inspect_file
from signwise.files import sha256_file

pytestmark = pytest.mark.numeric


def photo(seed: int, size: tuple[int, int] = (80, 80)) -> Image.Image:
    small = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.NEAREST)


def inspect(image: Image.Image, path: Path) -> Inspection:
    """What is found of the picture, written to `path`."""
    image.save(path)
    return inspect_file(path, 32, 10**6)[0]


@pytest.mark.parametrize("size", [(1, 1), (2, 500), (500, 2), (16, 16), (200, 90)])
def test_pictures_of_any_size_can_be_measured(tmp_path: Path, size: tuple[int, int]) -> None:
    photo(0, size).save(tmp_path / "x.png")
    found, pixels = inspect_file(tmp_path / "x.png", 32, 10**6)
    assert found.problem == ""
    assert found.sha256 == sha256_file(tmp_path / "x.png")
    assert (found.width, found.height) == size
    assert pixels is not None
    np.testing.assert_array_equal(pixels, read_image(tmp_path / "x.png", 32))
    assert np.isfinite([found.brightness, found.contrast, found.sharpness]).all()
    assert len(found.signature) == 256


def test_brightness_and_contrast_are_shares_of_the_whole_range(tmp_path: Path) -> None:
    grey = np.zeros((40, 40), np.uint8)
    assert inspect(Image.fromarray(grey), tmp_path / "x.png").brightness == 0
    grey[:, 10:] = 255
    found = inspect(Image.fromarray(grey), tmp_path / "x.png")
    assert found.brightness == pytest.approx(0.75)
    assert found.contrast == pytest.approx((0.75 * 0.25) ** 0.5)


def test_sharpness_falls_with_blur_and_not_with_light_or_size(tmp_path: Path) -> None:
    image = photo(1, (160, 160))
    path = tmp_path / "x.png"
    crisp = inspect(image, path).sharpness
    assert 0.25 < crisp < 0.5
    dim = Image.eval(image, lambda value: 20 + value // 4)
    assert inspect(dim, path).sharpness == pytest.approx(crisp, rel=0.05)
    # As a network sees it: at 64 x 64.
    assert inspect(image.resize((320, 320)), path).sharpness == pytest.approx(crisp, rel=0.2)
    blurred = [
        inspect(image.filter(ImageFilter.GaussianBlur(radius)), path).sharpness
        for radius in (3, 6, 12)
    ]
    assert crisp > blurred[0] > blurred[1] > blurred[2]
    assert blurred[1] < 0.2


def test_a_flat_picture_is_not_sharp_and_a_tiny_one_is_not_blurred(tmp_path: Path) -> None:
    flat = Image.new("RGB", (50, 50), (90, 90, 90))
    assert inspect(flat, tmp_path / "x.png").sharpness == 0
    assert inspect(flat.resize((2, 50)), tmp_path / "x.png").sharpness == 1
    assert inspect(flat.resize((3, 3)), tmp_path / "x.png").sharpness == 0


@given(st.integers(0, 2**32 - 1), st.floats(0.3, 1), st.floats(0, 50))
@settings(deadline=None)
def test_a_fingerprint_has_64_bits_that_light_does_not_change(
    seed: int, gain: float, offset: float
) -> None:
    signature = np.random.default_rng(seed).uniform(0, 255, (16, 16)).astype(np.float32)
    found = fingerprint(signature)
    assert 0 <= found < 2**64
    lit = fingerprint(np.float32(gain) * signature + np.float32(offset))
    assert (found ^ lit).bit_count() <= 1  # a coefficient at 0 may fall on either side


def test_coarse_looks_are_the_first_bits_of_a_fingerprint() -> None:
    """So that sorting puts pictures of one coarse look beside each other."""
    row, column = np.mgrid[:16, :16].astype(np.float32)
    slopes = [128 + 4 * down * row + 2 * across * column for down in (-1, 1) for across in (-1, 1)]
    # The very first is the mean's, which does not count.
    assert {fingerprint(slope) >> 61 for slope in slopes} == {0b000, 0b001, 0b010, 0b011}


def test_smaller_or_compressed_copies_keep_their_fingerprint(tmp_path: Path) -> None:
    kept = inspect(photo(3), tmp_path / "x.png")
    for image, name in ((photo(3).resize((60, 60)), "y.png"), (photo(3), "y.jpg")):
        copy = inspect(image, tmp_path / name)
        assert (kept.fingerprint ^ copy.fingerprint).bit_count() <= 6
        one, two = (np.frombuffer(found.signature, np.uint8) for found in (kept, copy))
        assert np.corrcoef(one, two)[0, 1] > 0.98
    other = inspect(photo(4), tmp_path / "z.png")
    assert (kept.fingerprint ^ other.fingerprint).bit_count() > 15


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("gone.png", None, "no such file or directory"),
        ("nul\0.png", None, "no file can have this name"),
        ("empty.png", b"", "empty file"),
        ("text.png", b"no picture", "not an image"),
    ],
)
def test_what_cannot_be_read_has_a_problem(
    tmp_path: Path, name: str, content: bytes | None, problem: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    found, pixels = inspect_file(path, 32, 10**6)
    assert found.problem == problem
    assert pixels is None
    assert found.sha256 == ("" if content is None else sha256_file(path))


def test_a_batch_writes_each_picture_to_its_row(tmp_path: Path) -> None:
    paths = [tmp_path / f"{seed}.png" for seed in range(3)]
    for seed, path in enumerate(paths):
        photo(seed).save(path)
    paths[1].write_bytes(b"")
    array = np.lib.format.open_memmap(
        tmp_path / "p.npy", mode="w+", dtype=np.uint8, shape=(5, 4, 4, 3)
    )
    array.flush()
    batch = Batch(
        rows=range(1, 4),
        root=str(tmp_path),
        names=[path.name for path in paths],
        pixels=tmp_path / "p.npy",
        size=4,
        crop="none",
        max_pixels=10**6,
        most_memory=None,
    )
    found = inspect_batch(batch)
    assert [each and each.problem for each in found] == ["", "empty file", ""]
    assert np.load(tmp_path / "p.npy").any(axis=(1, 2, 3)).tolist() == [
        False, True, False, True, False,
    ]  # fmt: skip
