from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from signwise.data.scan import scan
from signwise.data.quality import inspect_file
from signwise.data.flagged import find_suspects
from signwise.evaluation.label_errors import likely_errors


def photo(seed: int, size: tuple[int, int] = (80, 80)) -> Image.Image:
    small = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.NEAREST)


def suspects_of(root: Path) -> pd.DataFrame:
    return find_suspects(scan(root))


def reasons(found: pd.DataFrame) -> dict[str, str]:
    return dict(zip(found["path"], found["reason"], strict=True))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed, name in enumerate(("a/1.png", "a/2.png", "b/3.png", "b/4.png")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        photo(seed).save(tmp_path / name)
    return tmp_path


def test_good_pictures_are_no_suspects(folder: Path) -> None:
    assert suspects_of(folder).empty


def test_poor_pictures_are_named(folder: Path) -> None:
    ImageEnhance.Brightness(photo(9)).enhance(0.08).save(folder / "a" / "dark.png")
    photo(10).filter(ImageFilter.GaussianBlur(6)).save(folder / "a" / "blurred.png")
    photo(11, (12, 12)).save(folder / "a" / "tiny.png")
    photo(12, (200, 40)).save(folder / "a" / "wide.png")
    Image.new("RGB", (50, 50), (90, 90, 90)).save(folder / "a" / "flat.png")
    found = suspects_of(folder)
    named = set(zip(found["path"], found["reason"], strict=True))
    assert {
        ("a/dark.png", "very dark"),
        ("a/blurred.png", "blurred"),
        ("a/tiny.png", "tiny"),
        ("a/wide.png", "oddly shaped"),
        ("a/flat.png", "little contrast"),
    } <= named
    assert not {"a/1.png", "a/2.png", "b/3.png", "b/4.png"} & set(found["path"])


def test_duplicates(folder: Path) -> None:
    photo(0).save(folder / "a" / "copy.png")
    photo(1).resize((60, 60)).save(folder / "a" / "smaller.jpg", quality=80)
    photo(2).save(folder / "a" / "conflict.png")
    photo(3).save(folder / "a" / "other.jpg", quality=80)
    found = suspects_of(folder)
    assert reasons(found) == {
        "a/copy.png": "exact duplicate",
        "a/smaller.jpg": "near duplicate",
        "a/conflict.png": "two labels",
        "b/3.png": "two labels",
        "a/other.jpg": "alike under another label",
        "b/4.png": "alike under another label",
    }
    others = dict(zip(found["path"], found["other"], strict=True))
    assert others["a/copy.png"] == "a/1.png"
    assert others["b/4.png"] == "a/other.jpg"


def test_frames_of_one_track_are_no_suspects(folder: Path) -> None:
    for path in list(folder.rglob("*.png")):
        path.rename(path.with_name(f"0000{path.stem}_00000.png"))
    photo(0).resize((60, 60)).save(folder / "a" / "00001_00001.png")
    assert suspects_of(folder).empty
    photo(1).resize((60, 60)).save(folder / "a" / "00009_00000.png")
    assert reasons(suspects_of(folder)) == {"a/00009_00000.png": "near duplicate"}


def test_renaming_changes_no_group(tmp_path: Path) -> None:
    images = [photo(seed // 3).resize((60 + seed, 60)) for seed in range(12)]
    partitions = []
    for name, order in (("one", range(12)), ("two", range(11, -1, -1))):
        (tmp_path / name / "a").mkdir(parents=True)
        for number, index in enumerate(order):
            images[index].save(tmp_path / name / "a" / f"p{number:02}.png")
        table = scan(tmp_path / name).table
        partitions.append({frozenset(rows) for rows in table.groupby("group")["sha256"].agg(list)})
    assert partitions[0] == partitions[1]
    assert len(partitions[0]) == 4


@pytest.mark.parametrize("size", [(1, 1), (2, 500), (16, 16)])
def test_small_pictures_can_be_measured(tmp_path: Path, size: tuple[int, int]) -> None:
    photo(0, size).save(tmp_path / "x.png")
    found, image = inspect_file(tmp_path / "x.png", 32, 10**6)
    assert found.problem == ""
    assert (found.width, found.height) == size
    assert image is not None
    assert np.isfinite([found.brightness, found.contrast, found.sharpness]).all()


def test_label_errors_are_found() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, 3, 600)
    probabilities = np.full((600, 3), 0.02) + random.random((600, 3)) * 0.02
    probabilities[np.arange(600), truth] = 0.95
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    labels = truth.copy()
    wrong = random.choice(600, 18, replace=False)
    labels[wrong] = (labels[wrong] + 1) % 3
    found = likely_errors(labels, probabilities)
    assert set(found) <= set(wrong)
    assert len(found) >= 12
    assert len(likely_errors(truth, probabilities)) == 0


def test_label_errors_with_a_class_missing() -> None:
    probabilities = np.tile([0.9, 0.05, 0.05], (20, 1))
    assert len(likely_errors(np.zeros(20, int), probabilities)) == 0
