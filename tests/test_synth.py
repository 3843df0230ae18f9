"""`synth`: the folders it writes, and those it refuses."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from signwise.errors import SignwiseError
from signwise.synthetic import DESIGNS, render_signs, synth


def written(folder: Path) -> dict[str, bytes]:
    """Every picture under the folder by its relative path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.png")}


def test_folders_names_and_counts(tmp_path: Path) -> None:
    out, negatives = tmp_path / "signs", tmp_path / "others"
    result = synth(out, per_class=23, size=16, negatives=negatives)
    assert result.counts == {"priority": 23, "stop": 23, "negatives": 23}
    assert result.out == out
    assert result.problems == []
    for design in ("priority", "stop"):
        names = sorted(path.name for path in (out / design).iterdir())
        assert len(names) == 23
        assert names[0] == "00000_00000.png"
        assert names[-1] == "00002_00002.png"
    kinds = {path.parent.name for path in negatives.rglob("*.png")}
    assert kinds <= {*DESIGNS, "scene"} - {"priority", "stop"}
    assert len(written(negatives)) == 23
    assert all(re.fullmatch(r"\w+/\d{5}_00000\.png", name) for name in written(negatives))
    assert not list(tmp_path.rglob("*.partial"))
    with Image.open(out / "stop" / "00001_00004.png") as image:
        assert image.mode == "RGB"
        pixels = render_signs("stop", 15, 16, seed=0, frames=10)
        assert np.array_equal(np.asarray(image), pixels[14])


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        synth(tmp_path / name, per_class=3, size=8, seed=4, negatives=tmp_path / f"{name}n")
    assert written(tmp_path / "a") == written(tmp_path / "b")
    assert written(tmp_path / "an") == written(tmp_path / "bn")
    synth(tmp_path / "c", per_class=3, size=8, seed=5)
    assert written(tmp_path / "a") != written(tmp_path / "c")


def test_its_own_output_is_replaced_and_the_users_files_stay(tmp_path: Path) -> None:
    synth(tmp_path, per_class=12, size=8, classes=("yield", "stop"))
    (tmp_path / "yield" / "mine.png").write_bytes(b"photo")
    (tmp_path / "stop" / "notes").mkdir()
    synth(tmp_path, per_class=2, size=8, classes=("no_entry",))
    names = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.png"))
    assert names == ["no_entry/00000_00000.png", "no_entry/00000_00001.png", "yield/mine.png"]
    assert (tmp_path / "stop" / "notes").is_dir()


def test_a_foreign_folder_is_refused_untouched(tmp_path: Path) -> None:
    photo = tmp_path / "priority" / "00000_00000.png"
    photo.parent.mkdir()
    photo.write_bytes(b"a photo")
    with pytest.raises(SignwiseError, match="did not write"):
        synth(tmp_path, per_class=1, size=8)
    with pytest.raises(SignwiseError, match="did not write"):
        synth(tmp_path.parent / "fresh", per_class=1, size=8, negatives=tmp_path)
    assert written(tmp_path) == {"priority/00000_00000.png": b"a photo"}
    assert not (tmp_path.parent / "fresh" / "priority").exists()


@pytest.mark.parametrize("place", [".", "inside", ".."])
def test_negatives_must_not_be_within_the_classes(tmp_path: Path, place: str) -> None:
    out = tmp_path / "out"
    with pytest.raises(SignwiseError, match=r"`negatives` .* neither in .* nor above it"):
        synth(out, per_class=1, size=8, negatives=out / place)
    assert not out.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"per_class": 0}, "`per_class` must be at least 1"),
        ({"size": 7}, "`size` must be between 8 and 1024"),
        ({"size": 1025}, "`size` must be between 8 and 1024"),
        ({"seed": -1}, "`seed` must be at least 0"),
        ({"classes": ()}, "`classes` must name at least one"),
        ({"classes": ("stop", "stop")}, "`classes` must .* each once"),
        ({"classes": ("stop", "halt")}, r"no sign design 'halt'; there are .*speed_limit_30"),
    ],
)
def test_what_cannot_be_rendered_is_said(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    out = tmp_path / "out"
    with pytest.raises(SignwiseError, match=message):
        synth(out, **changes)
    assert not out.exists()
