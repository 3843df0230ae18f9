"""The cache of pictures at one size: row for row, made anew when it is not current."""

import os
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from signwise.data import images
from signwise.data import pixels as module
from signwise.data.images import read_image
from signwise.data.manifest import PreparedData
from signwise.data.pixels import KEY_BYTES, cache_key, cache_path, create, load_pixels, seal
from signwise.errors import SignwiseError
from signwise.files import sha256_file
from signwise.parallel import map_chunks

COUNT = 7


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        array = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(array).save(root / f"{number}.png")
    return root


def prepared(root: Path, directory: Path, *, max_pixels: int = 10**6) -> PreparedData:
    """The pictures of a folder as `load_data` gives them."""
    directory.mkdir(exist_ok=True)
    paths = sorted(path.name for path in root.iterdir())
    hashes = [sha256_file(root / path) for path in paths]
    return PreparedData(
        directory=directory,
        place=directory,
        root=root,
        classes=("a", "b"),
        table=pd.DataFrame({"path": paths, "sha256": hashes}, dtype=object),
        problems=[],
        grouping="track",
        image_size=16,
        max_pixels=max_pixels,
        sha256="0" * 64,
    )


@pytest.fixture
def data(photos: Path, tmp_path: Path) -> PreparedData:
    return prepared(photos, tmp_path / "data")


@pytest.mark.parametrize("chunk", [1, 3, module.CHUNK])
def test_pixels_are_those_of_read_image_at_every_size(
    data: PreparedData, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", chunk)
    for size in (16, 24):
        pixels = load_pixels(data, size)
        assert pixels.shape == (COUNT, size, size, 3)
        assert pixels.dtype == np.uint8
        assert not pixels.flags.writeable
        for row, name in enumerate(data.table["path"]):
            np.testing.assert_array_equal(pixels[row], read_image(data.root / name, size))


def test_squares_lie_beside_stretched_pictures(data: PreparedData) -> None:
    stretched, squares = load_pixels(data, 16), load_pixels(data, 16, "center")
    wanted = [read_image(data.root / name, 16, crop="center") for name in data.table["path"]]
    np.testing.assert_array_equal(squares, wanted)
    assert (stretched != squares).any(axis=(1, 2, 3)).all()
    assert cache_path(data.directory, 16, "center").name == "pixels-16-center.npy"
    np.testing.assert_array_equal(load_pixels(data, 16), stretched)


def test_several_processes_fill_the_same_cache(
    data: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = load_pixels(data, 8).copy()
    content = cache_path(data.directory, 8).read_bytes()
    cache_path(data.directory, 8).unlink()
    monkeypatch.setattr(module, "CHUNK", 2)
    monkeypatch.setattr(module, "map_chunks", partial(map_chunks, workers=2))
    np.testing.assert_array_equal(load_pixels(data, 8), alone)
    assert cache_path(data.directory, 8).read_bytes() == content


def test_pictures_that_take_much_memory_are_read_by_the_parent_to_the_same_cache(
    data: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_pixels(data, 8)
    content = cache_path(data.directory, 8).read_bytes()
    cache_path(data.directory, 8).unlink()
    monkeypatch.setattr(module, "WORKER_MEMORY", 0)
    monkeypatch.setattr("signwise.data.images.SMALL_PICTURE", 0)
    monkeypatch.setattr(module, "map_chunks", partial(map_chunks, workers=2))
    load_pixels(data, 8)
    assert cache_path(data.directory, 8).read_bytes() == content


def test_any_tool_can_open_the_file(data: PreparedData) -> None:
    pixels = load_pixels(data, 16)
    np.testing.assert_array_equal(np.load(cache_path(data.directory, 16)), pixels)
    assert cache_path(data.directory, 16).name == "pixels-16.npy"


def test_a_filled_cache_needs_no_pictures(photos: Path, tmp_path: Path) -> None:
    root = tmp_path / "photos"
    shutil.copytree(photos, root)
    data = prepared(root, tmp_path / "data")
    load_pixels(data, 16)
    before = cache_path(data.directory, 16).stat().st_mtime_ns
    shutil.rmtree(root)
    assert len(load_pixels(data, 16)) == COUNT
    assert cache_path(data.directory, 16).stat().st_mtime_ns == before


@pytest.mark.parametrize("harm", ["other key", "cut", "no key", "empty"])
def test_a_cache_that_is_not_current_is_made_anew(data: PreparedData, harm: str) -> None:
    load_pixels(data, 16)
    path = cache_path(data.directory, 16)
    whole = path.read_bytes()
    harmed = {
        "other key": whole[:-1] + bytes([whole[-1] ^ 1]),
        "cut": whole[:-1000],
        "no key": whole[:-KEY_BYTES],
        "empty": b"",
    }
    path.write_bytes(harmed[harm])
    load_pixels(data, 16)
    assert path.read_bytes() == whole


def test_a_picture_that_changed_or_vanished_is_named(photos: Path, tmp_path: Path) -> None:
    root = tmp_path / "photos"
    shutil.copytree(photos, root)
    data = prepared(root, tmp_path / "data")
    victim = root / "5.png"
    victim.write_bytes(victim.read_bytes() + b"\0")
    mend = "run signwise prepare again"
    with pytest.raises(SignwiseError, match=rf"5\.png has changed since it was prepared: {mend}"):
        load_pixels(data, 8)
    victim.unlink()
    with pytest.raises(SignwiseError, match=rf"5\.png can't be read \(No such file .*: {mend}"):
        load_pixels(data, 8)
    assert list(data.directory.iterdir()) == []


def test_a_picture_that_is_refused_now_is_named(photos: Path, tmp_path: Path) -> None:
    data = prepared(photos, tmp_path / "data", max_pixels=599)
    with pytest.raises(SignwiseError, match=r"0\.png: 600 pixels, more than the limit of 599"):
        load_pixels(data, 8)
    assert load_pixels(prepared(photos, tmp_path / "data", max_pixels=600), 8).any()


def test_a_folder_that_cannot_be_written_is_named(
    data: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_kwargs: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(SignwiseError, match=r"pixels-8\.npy can't be written \(Permission denied"):
        load_pixels(data, 8)


def test_room_on_the_disk_is_taken_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[int, int]] = []
    monkeypatch.setattr(
        os, "posix_fallocate", lambda _, start, size: taken.append((start, size)), raising=False
    )
    create(tmp_path / "p.npy", 5, 10)
    size = 128 + 5 * 10 * 10 * 3
    assert taken == [(0, size)]
    assert (tmp_path / "p.npy").stat().st_size == size
    # Not every system can: the file is the same there.
    monkeypatch.delattr(os, "posix_fallocate")
    create(tmp_path / "q.npy", 5, 10)
    assert (tmp_path / "q.npy").read_bytes() == (tmp_path / "p.npy").read_bytes()
    assert np.load(tmp_path / "q.npy").shape == (5, 10, 10, 3)


@pytest.mark.parametrize("count", [7, 2500])
@pytest.mark.parametrize("kept", ["none", "first", "some", "all but one", "all"])
def test_sealing_keeps_the_chosen_rows(tmp_path: Path, count: int, kept: str) -> None:
    path = tmp_path / "p.npy"
    create(path, count, 2)
    array = np.load(path, mmap_mode="r+")
    array[:] = np.arange(count)[:, None, None, None] % 251
    array.flush()
    keep = {
        "none": [],
        "first": [0],
        "some": list(range(1, count, 2)),
        "all but one": list(range(1, count)),
        "all": list(range(count)),
    }[kept]
    key = cache_key(["a"], 2)
    seal(path, np.array(keep, np.intp), key)
    sealed = np.load(path)
    assert sealed.shape == (len(keep), 2, 2, 3)
    assert sealed[:, 0, 0, 0].tolist() == [row % 251 for row in keep]
    assert sealed[:, 1, 1, 2].tolist() == [row % 251 for row in keep]
    assert path.read_bytes()[-KEY_BYTES:] == key.encode()
    assert path.stat().st_size == 128 + len(keep) * 12 + KEY_BYTES


def test_the_key_depends_on_pictures_their_order_and_size(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {
        cache_key(hashes, size) for hashes in (["a", "b"], ["b", "a"], ["a"]) for size in (8, 9)
    }
    assert len(keys) == 6
    assert all(len(key) == KEY_BYTES for key in keys)
    assert cache_key(["a"], 8, "center") not in keys
    monkeypatch.setitem(images.RESIZE_RULES, "none", "another")
    assert cache_key(["a"], 8) not in keys
