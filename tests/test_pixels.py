import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from signwise.data.images import read_image
from signwise.parallel import map_chunks
from signwise.data.pixels import cache_key, cache_path, create, load_pixels, seal
from signwise.data.prepare import prepare
from signwise.data.manifest import PreparedData, load_data
from signwise.errors import SignwiseError
from toy import toy_folder


@pytest.fixture
def data(tmp_path: Path) -> PreparedData:
    toy_folder(tmp_path / "source")
    prepare(tmp_path / "source", tmp_path / "data", image_size=16)
    return load_data(tmp_path / "data")


def test_pixels_are_those_of_read_image_at_every_size(data: PreparedData) -> None:
    for size in (16, 24):
        pixels = load_pixels(data, size)
        assert pixels.shape == (24, size, size, 3)
        assert pixels.dtype == np.uint8
        assert not pixels.flags.writeable
        for row, name in enumerate(data.table["path"]):
            np.testing.assert_array_equal(pixels[row], read_image(data.root / name, size))


def test_any_tool_can_open_the_file(data: PreparedData) -> None:
    path = cache_path(data.directory, 16)
    np.testing.assert_array_equal(np.load(path), load_pixels(data, 16))


def test_a_filled_cache_needs_no_pictures(data: PreparedData) -> None:
    before = cache_path(data.directory, 16).stat().st_mtime_ns
    (data.root).rename(data.root.with_name("moved"))
    assert len(load_pixels(data, 16)) == 24
    assert cache_path(data.directory, 16).stat().st_mtime_ns == before


def test_a_cache_of_other_pictures_is_made_anew(data: PreparedData) -> None:
    path = cache_path(data.directory, 16)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    np.testing.assert_array_equal(
        load_pixels(data, 16)[3], read_image(data.root / data.table["path"][3], 16)
    )
    assert path.read_bytes()[-1] == content[-1] ^ 1


def test_a_cut_cache_is_made_anew(data: PreparedData) -> None:
    path = cache_path(data.directory, 16)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1000])
    load_pixels(data, 16)
    assert path.read_bytes() == whole


def test_a_picture_that_changed_or_vanished_is_named(data: PreparedData) -> None:
    victim = data.root / data.table["path"][5]
    content = victim.read_bytes()
    victim.write_bytes(content + b"\0")
    with pytest.raises(SignwiseError, match=f"{victim.name} has changed since it was prepared"):
        load_pixels(data, 8)
    victim.unlink()
    with pytest.raises(SignwiseError, match=f"{victim.name} can't be read"):
        load_pixels(data, 8)
    assert not list(data.directory.glob("*8.npy"))
    assert not list(data.directory.glob(".*partial*"))


def test_a_folder_that_cannot_be_written_is_named(
    data: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    with pytest.raises(SignwiseError, match=r"pixels-8\.npy can't be written \(Permission denied"):
        load_pixels(data, 8)


@pytest.mark.parametrize("keep", [[], [0], [1, 2, 6], list(range(7))])
def test_sealing_keeps_the_chosen_rows(tmp_path: Path, keep: list[int]) -> None:
    path = tmp_path / "p.npy"
    create(path, 7, 2)
    array = np.load(path, mmap_mode="r+")
    array[:] = np.arange(7, dtype=np.uint8)[:, None, None, None]
    array.flush()
    key = cache_key(["a"], 2)
    seal(path, np.array(keep, np.intp), key)
    assert np.load(path)[:, 0, 0, 0].tolist() == keep
    assert path.read_bytes()[-64:] == key.encode()


def test_the_key_depends_on_pictures_their_order_and_size() -> None:
    keys = {
        cache_key(hashes, size) for hashes in (["a", "b"], ["b", "a"], ["a"]) for size in (8, 9)
    }
    assert len(keys) == 6
    assert all(len(key) == 64 for key in keys)


def test_worker_processes_keep_the_order() -> None:
    assert list(map_chunks(abs, range(-50, 0), "Numbers", 50, 1, workers=2)) == list(
        range(50, 0, -1)
    )


def test_a_worker_that_dies_is_an_error() -> None:
    with pytest.raises(SignwiseError, match="worker process died"):
        list(map_chunks(os._exit, [1, 1, 1], "Numbers", 3, 1, workers=2))


def test_a_script_without_a_main_guard_runs_once(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from signwise.parallel import map_chunks\n"
        "print('started')\n"
        "print(list(map_chunks(abs, [-1, -2], 'Numbers', 2, 1, workers=2)))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout == "started\n[1, 2]\n"
