"""Folders are walked in one order, and what is left out is counted."""

import os
from collections import Counter
from pathlib import Path

import pytest

from signwise.data.walk import walk
from signwise.errors import SignwiseError


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def test_paths_come_sorted_under_the_argument_as_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "in", "b/2.png", "b/10.PNG", "a.jpg", "c.webp", "b.gif")
    monkeypatch.chdir(tmp_path)
    names = ["a.jpg", "b/10.PNG", "b/2.png", "b.gif", "c.webp"]
    assert list(walk("in")) == [f"in/{name}" for name in names]
    assert list(walk("./in/")) == [f"./in/{name}" for name in names]
    assert list(walk(tmp_path / "in")) == [str(tmp_path / "in" / name) for name in names]


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    make(
        tmp_path,
        "a.png",
        ".b.png",
        ".git/c.png",
        "__MACOSX/d.png",
        "e.txt",
        "f.TXT",
        "README",
        "g.heic",
    )
    skipped: Counter[str] = Counter()
    found = [Path(path).name for path in walk(tmp_path, skipped)]
    assert found == ["a.png", "g.heic"]
    assert skipped == {"hidden": 2, "__MACOSX": 1, ".txt": 2, "no suffix": 1}


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    make(tmp_path / "real", "a.png")
    (tmp_path / "real" / "round").symlink_to(tmp_path)
    (tmp_path / "twin").symlink_to(tmp_path / "real")
    found = [str(Path(path).relative_to(tmp_path)) for path in walk(tmp_path)]
    assert found == ["real/a.png", "twin/a.png"]


def test_a_link_to_nowhere_is_a_picture_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    assert list(walk(tmp_path)) == [str(tmp_path / "gone.png")]


def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    make(tmp_path, "1.png")
    os.mkfifo(tmp_path / "2.png")
    skipped: Counter[str] = Counter()
    assert list(walk(tmp_path, skipped)) == [str(tmp_path / "1.png")]
    assert skipped == {"no regular file": 1}


def test_a_name_that_is_not_utf8_is_walked(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.png"
    Path(os.fsdecode(path)).write_bytes(b"")
    assert [os.fsencode(found) for found in walk(tmp_path)] == [path]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SignwiseError, match="gone can't be listed"):
        list(walk(tmp_path / "gone"))


def test_a_link_to_itself_is_a_picture_that_cannot_be_read(tmp_path: Path) -> None:
    make(tmp_path, "a.png")
    for name, target in (("b.png", "b.png"), ("c.png", "d.png"), ("d.png", "c.png"), ("e", "e")):
        (tmp_path / name).symlink_to(tmp_path / target)
    skipped: Counter[str] = Counter()
    found = [Path(path).name for path in walk(tmp_path, skipped)]
    assert found == ["a.png", "b.png", "c.png", "d.png"]
    assert skipped == {"no suffix": 1}
