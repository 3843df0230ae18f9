"""Pictures of no class: what of a folder is used, in which order, and what is said of the rest."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from signwise.config import Crop
from signwise.data import unknown
from signwise.data.images import read_image
from signwise.data.unknown import iter_unknown, read_unknown
from signwise.errors import SignwiseError
from signwise.files import sha256_file
from signwise.results import Problem


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven pictures of eleven greys, some in a folder below; 3 is also one of a class."""
    root = tmp_path_factory.mktemp("unknown")
    (root / "sub").mkdir()
    for number in range(11):
        name = f"sub/{number:02}.png" if number > 7 else f"{number:02}.png"
        Image.new("RGB", (6, 5), (20 * number,) * 3).save(root / name)
    (root / "04.png").write_bytes(b"")
    (root / "05.png").unlink()
    (root / "05.png").symlink_to(root / "nowhere")
    (root / "notes.txt").write_text("no picture")
    return root


def labels(folder: Path) -> dict[str, str]:
    return {sha256_file(folder / "03.png"): "stop", "0" * 64: "priority"}


USABLE = [
    "00.png",
    "01.png",
    "02.png",
    "06.png",
    "07.png",
    "sub/08.png",
    "sub/09.png",
    "sub/10.png",
]


@pytest.mark.parametrize("ahead", [1, 3, unknown.AHEAD])
def test_pictures_come_in_order_and_the_rest_is_told(
    folder: Path, ahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unknown, "AHEAD", ahead)
    problems: list[Problem] = []
    found = list(iter_unknown(folder, 4, labels(folder), problems))
    assert [each.path for each in found] == [str(folder / name) for name in USABLE]
    for each in found:
        assert each.sha256 == sha256_file(Path(each.path))
        np.testing.assert_array_equal(each.pixels, read_image(each.path, 4))
    assert problems == [
        {"path": str(folder / "03.png"), "problem": "the same picture is one of stop"},
        {"path": str(folder / "04.png"), "problem": "empty file"},
        {"path": str(folder / "05.png"), "problem": "no such file or directory"},
    ]


def test_memory_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture is read only when those before it have been taken, but for a few."""
    monkeypatch.setattr(unknown, "AHEAD", 2)
    read: list[int] = []

    def counted(content: bytes, size: int, crop: Crop) -> object:
        read.append(size)
        return read_image(content, size, crop=crop)

    monkeypatch.setattr(unknown, "read_image", counted)
    pictures = iter_unknown(folder, 4, {}, [])
    next(pictures)
    assert len(read) <= 2
    list(pictures)
    assert len(read) == 10  # but for the one that is not there


def test_a_choice_of_the_paths(folder: Path) -> None:
    found = iter_unknown(folder, 4, {}, [], choose=lambda paths: paths[-2:])
    assert [Path(each.path).name for each in found] == ["09.png", "10.png"]


def test_a_path_that_is_no_folder_is_refused(folder: Path) -> None:
    for path in (folder / "00.png", folder / "nothing"):
        with pytest.raises(SignwiseError, match=rf"`unknown` {path} is no folder"):
            list(iter_unknown(path, 4, {}, []))


def test_a_folder_without_a_usable_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SignwiseError, match=rf"`unknown` {tmp_path} holds no usable picture: give"):
        list(iter_unknown(tmp_path, 4, {}, []))
    (tmp_path / "1.png").write_bytes(b"")
    (tmp_path / "2.png").write_text("no picture")
    problems: list[Problem] = []
    with pytest.raises(SignwiseError, match=r"no usable picture \(empty file\): give"):
        list(iter_unknown(tmp_path, 4, {}, problems))
    assert len(problems) == 2
    Image.new("RGB", (5, 5)).save(tmp_path / "3.png")
    assert len(list(iter_unknown(tmp_path, 4, {}, []))) == 1


def test_progress_counts_what_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    totals: list[int] = []
    advanced: list[int] = []

    @contextmanager
    def track(_: str, total: int) -> Iterator[Callable[[int], None]]:
        totals.append(total)
        yield advanced.append

    monkeypatch.setattr(unknown, "track", track)
    pictures = iter_unknown(folder, 4, {}, [])
    next(pictures)
    assert (totals, advanced) == ([11], [1])
    assert len(list(pictures)) == len(USABLE), "the first is taken, and 03 is of no class here"
    assert advanced == [1] * 11


def test_all_are_read_at_once(folder: Path) -> None:
    found = read_unknown(folder, 4, labels(folder), most=100, seed=0)
    assert found.paths == [str(folder / name) for name in USABLE]
    assert found.sha256 == [sha256_file(Path(path)) for path in found.paths]
    assert found.pixels.shape == (len(USABLE), 4, 4, 3)
    assert found.pixels.dtype == np.uint8
    assert found.pixels[:, 0, 0, 0].tolist() == [0, 20, 40, 120, 140, 160, 180, 200]
    assert [Path(each["path"]).name for each in found.problems] == ["03.png", "04.png", "05.png"]


def test_of_too_many_some_are_chosen_by_the_seed(folder: Path) -> None:
    paths = [
        [Path(path).name for path in read_unknown(folder, 4, {}, most=6, seed=seed).paths]
        for seed in (0, 0, 1, 2)
    ]
    assert paths[0] == paths[1]
    assert len({tuple(chosen) for chosen in paths}) > 1
    assert all(chosen == sorted(chosen) for chosen in paths)
    # Of the six some may be among the two that can't be read.
    assert all(4 <= len(chosen) <= 6 for chosen in paths)


def test_as_many_as_there_may_be_are_all(folder: Path) -> None:
    whole = read_unknown(folder, 4, {}, most=11, seed=0)
    assert len(whole.paths) + len(whole.problems) == 11
    one_less = read_unknown(folder, 4, {}, most=10, seed=0)
    assert len(one_less.paths) + len(one_less.problems) == 10
