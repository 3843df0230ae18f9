"""Rendered pictures that are kept: the same as rendered, rendered once, by the same renderer."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from signwise.errors import SignwiseError
from signwise.synthetic import (
    kept,
    kept_negatives,
    kept_signs,
    render_negatives,
    render_signs,
)
from signwise.synthetic.render import RENDERER_VERSION, Pixels

SIZE, SEED = 24, 7
EXCLUDED = frozenset({"stop", "priority"})
KINDS = ("signs", "photos")
PINNED = [
    *(129.61, 74.83, 100.05, 59.22, 90.36, 22.69, 48.34, 51.27, 23.54, 18.98, 49.75, 74.64),
    *(98.21, 90.18, 57.81, 21.75, 31.17, 22.27, 47.14, 15.19, 65.95, 24.17, 150.06, 60.38),
]
"""What RENDERER_VERSION 2 renders: mean and deviation of each picture."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder; gives where rendered pictures lie in it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / name)
    return tmp_path / "signwise" / "rendered"


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures each call of a renderer was asked for, from here on."""
    counts: list[int] = []

    def counted(render: Callable[..., Pixels], position: int) -> Callable[..., Pixels]:
        def call(*arguments: Any, **rest: Any) -> Pixels:
            counts.append(arguments[position])
            return render(*arguments, **rest)

        return call

    monkeypatch.setattr(kept, "render_negatives", counted(render_negatives, 0))
    monkeypatch.setattr(kept, "render_signs", counted(render_signs, 1))
    return counts


def files(home: Path) -> list[str]:
    return sorted(path.name for path in home.iterdir() if path.suffix == ".npy")


def test_what_is_kept_is_what_would_be_rendered(rendered: list[int]) -> None:
    wanted = {kind: render_negatives(5, SIZE, SEED, EXCLUDED, kind=kind) for kind in KINDS}
    assert not np.array_equal(wanted["signs"], wanted["photos"])
    signs = render_signs("stop", 4, SIZE, SEED)
    for _ in range(2):
        for kind in KINDS:
            found = kept_negatives(5, SIZE, SEED, EXCLUDED, kind)
            assert found.dtype == np.uint8
            assert np.array_equal(found, wanted[kind])
        assert np.array_equal(kept_signs("stop", 4, SIZE, SEED), signs)
    assert rendered == [5, 5, 4]


def test_what_was_kept_is_read_only() -> None:
    kept_signs("stop", 2, SIZE, SEED)
    assert not kept_signs("stop", 2, SIZE, SEED).flags.writeable


def test_fewer_are_the_first_and_more_are_rendered_anew(home: Path, rendered: list[int]) -> None:
    six = kept_negatives(6, SIZE, SEED, EXCLUDED, "signs")
    assert np.array_equal(kept_negatives(3, SIZE, SEED, EXCLUDED, "signs"), six[:3])
    assert rendered == [6]
    nine = kept_negatives(9, SIZE, SEED, EXCLUDED, "signs")
    assert np.array_equal(nine[:6], six)
    assert len(kept_negatives(9, SIZE, SEED, EXCLUDED, "signs")) == 9
    assert rendered == [6, 9]
    assert len(files(home)) == 1


def test_other_pictures_have_a_file_of_their_own(home: Path, rendered: list[int]) -> None:
    kept_negatives(1, SIZE, SEED, EXCLUDED, "signs")
    kept_negatives(1, SIZE + 1, SEED, EXCLUDED, "signs")
    kept_negatives(1, SIZE, SEED + 1, EXCLUDED, "signs")
    kept_negatives(1, SIZE, SEED, EXCLUDED - {"stop"}, "signs")
    kept_negatives(1, SIZE, SEED, EXCLUDED, "photos")
    for design, size, seed in (
        ("stop", SIZE, SEED),
        ("priority", SIZE, SEED),
        ("stop", SIZE + 1, SEED),
        ("stop", SIZE, SEED + 1),
    ):
        kept_signs(design, 1, size, seed)
    assert len(rendered) == len(files(home)) == 9


def test_another_version_of_the_renderer_renders_anew(
    rendered: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept_signs("stop", 1, SIZE, SEED)
    monkeypatch.setattr(kept, "RENDERER_VERSION", RENDERER_VERSION + 1)
    kept_signs("stop", 1, SIZE, SEED)
    assert rendered == [1, 1]


def test_a_file_that_is_cut_off_is_rendered_anew(home: Path, rendered: list[int]) -> None:
    wanted = np.array(kept_signs("stop", 3, SIZE, SEED))
    (name,) = files(home)
    for content in ((home / name).read_bytes()[:-100], b""):
        (home / name).write_bytes(content)
        assert np.array_equal(kept_signs("stop", 3, SIZE, SEED), wanted)
    assert rendered == [3, 3, 3]


def test_a_cache_that_cannot_be_written_is_none(tmp_path: Path, rendered: list[int]) -> None:
    (tmp_path / "signwise").write_text("a file where the folder would be")
    wanted = render_signs("stop", 2, SIZE, SEED)
    for _ in range(2):
        assert np.array_equal(kept_signs("stop", 2, SIZE, SEED), wanted)
    assert rendered == [2, 2]


def test_a_full_disk_keeps_nothing_and_renders_once(
    home: Path, rendered: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    wanted = render_signs("stop", 2, SIZE, SEED)
    assert np.array_equal(kept_signs("stop", 2, SIZE, SEED), wanted)
    assert rendered == [2]
    assert files(home) == []


def test_an_error_of_the_renderer_is_not_hidden(home: Path) -> None:
    with pytest.raises(SignwiseError, match="no-such-sign"):
        kept_signs("no-such-sign", 1, SIZE, SEED)
    assert files(home) == []


TWICE = """
import sys
import time
from pathlib import Path

from signwise.synthetic import kept

log, begin = map(Path, sys.argv[1:])
whole = kept.render_signs


def slow(*arguments):
    with log.open("a") as file:
        file.write("rendered\\n")
    time.sleep(0.5)
    return whole(*arguments)


kept.render_signs = slow
print("ready", flush=True)
while not begin.exists():
    time.sleep(0.01)
print(int(kept.kept_signs("stop", 3, 24, 7).astype("int64").sum()))
"""


def test_two_processes_at_once_render_once(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("another operating system has its cache elsewhere")
    log, begin = tmp_path / "log.txt", tmp_path / "begin"
    command = [sys.executable, "-c", TWICE, str(log), str(begin)]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
        for _ in range(2)
    ]
    for each in both:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    begin.touch()
    wanted = int(render_signs("stop", 3, 24, 7).astype(np.int64).sum())
    assert [int(each.communicate(timeout=120)[0]) for each in both] == [wanted, wanted]
    assert log.read_text() == "rendered\n"


def test_a_change_of_the_renderer_needs_a_new_version() -> None:
    """Else a user's older pictures would still be used: count RENDERER_VERSION up.

    Means and deviations of the pixels, since single ones may hang on a CPU's last bits.
    """
    pictures = np.concatenate(
        [
            *(render_signs(design, 2, 32, SEED) for design in ("stop", "speed_limit_30")),
            *(render_negatives(4, 32, SEED, EXCLUDED, kind=kind) for kind in KINDS),
        ]
    )
    found = [value for picture in pictures for value in (picture.mean(), picture.std())]
    assert found == pytest.approx(PINNED, abs=0.03)
    assert RENDERER_VERSION == 2
