"""What the loop reads besides the user's pictures: rendered ones with labels, and strangers."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import signwise
from signwise.config import TrainConfig
from signwise.data.images import read_image
from signwise.data.manifest import load_data
from signwise.training import negatives
from signwise.training.pools import (
    HELD_OUT_RANGE,
    MOST_WEIGHT,
    RENDERED_RANGE,
    balancing_weights,
    gather,
    rendered,
)
from toy import toy_folder, toy_strangers

CLASSES = ("vorrang", "halt")


def test_own_signs_are_rendered_where_the_backbone_is_sure() -> None:
    seen = {0: {"priority": 0.9, "yield": 0.2}, 1: {"stop": 0.4}}
    pixels, labels = rendered(CLASSES, seen, 1000, 8, seed=0)
    counts = np.bincount(labels, minlength=3)
    assert pixels.shape == (len(labels), 8, 8, 3)
    assert counts[2] == 1000
    assert counts[0] == 250
    assert counts[1] == 0  # seen in less than half: no negative, and no positive either


def test_without_a_sign_that_it_knows_all_are_negatives() -> None:
    pixels, labels = rendered(("cats", "dogs"), {0: {}, 1: {}}, 1200, 8, seed=0)
    assert np.array_equal(np.bincount(labels), [0, 0, 1200])
    assert len(pixels) == 1200


def test_weights_make_rare_classes_count_as_much(tmp_path: Path) -> None:
    toy_folder(tmp_path / "photos", ("a",), 36, frames=4)
    toy_folder(tmp_path / "photos", ("a", "b"), 12, frames=4)
    signwise.prepare(tmp_path / "photos", tmp_path / "data", image_size=8, split=(0.5, 0.25, 0.25))
    prepared = load_data(tmp_path / "data")
    counts = np.bincount(gather(prepared, TrainConfig(unknown="none"), 8)[0].labels)
    for choice in ("auto", "none"):
        config = TrainConfig(unknown="none", class_weights=choice)  # type: ignore[arg-type]
        data = gather(prepared, config, 8)[0]
        own = np.bincount(data.labels[data.train_rows])
        wanted = balancing_weights(own) if choice == "auto" else np.ones(2)
        assert data.class_weights == pytest.approx(wanted)
    assert counts[0] == 3 * counts[1]


@given(st.lists(st.integers(1, 10_000), min_size=2, max_size=20))
def test_weights_balance_as_far_as_is_safe(sizes: list[int]) -> None:
    counts = np.array(sizes)
    weights = balancing_weights(counts)
    assert weights @ counts == pytest.approx(counts.sum(), rel=1e-5)
    assert weights.max() <= MOST_WEIGHT * weights.min() * (1 + 1e-5)
    if counts.max() <= MOST_WEIGHT * counts.min():
        assert weights == pytest.approx(counts.sum() / (len(counts) * counts))


def test_too_many_strangers_for_memory_are_drawn_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = toy_strangers(tmp_path / "strangers", 6)
    monkeypatch.setattr(negatives, "MOST_BYTES", 4 * 8 * 8 * 3)
    pixels = negatives.folder_negatives(folder, 8, 0, {})[0]
    everything = {picture.tobytes() for picture in (read_image(p, 8) for p in folder.iterdir())}
    assert len({picture.tobytes() for picture in pixels} & everything) == 4


def test_strangers_follow_the_rendered_and_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    photos = toy_folder(tmp_path / "photos", ("a", "b"), 20, frames=4)
    signwise.prepare(photos, tmp_path / "data", image_size=8)
    strangers = tmp_path / "strangers"
    strangers.mkdir()
    for grey in (1, 2, 3):
        Image.new("RGB", (9, 9), (grey, grey, grey)).save(strangers / f"{grey}.png")
    (strangers / "text.png").write_text("no picture")
    config = TrainConfig(unknown=str(strangers))
    data, hashes, problems = gather(load_data(tmp_path / "data"), config, 8)
    assert data.stranger_count == 3
    assert (data.extra_labels == 2).sum() == RENDERED_RANGE[0] + HELD_OUT_RANGE[0] + 3
    assert np.asarray(data.extra[-3:]).mean((1, 2, 3)).tolist() == [1, 2, 3]
    assert (data.extra_labels[-3:] == 2).all()
    assert data.held_out_count == HELD_OUT_RANGE[0]  # a quarter of 28 would be less
    assert [Path(row["path"]).name for row in problems] == ["text.png"]
    assert len(hashes) == 3
    alone = gather(load_data(tmp_path / "data"), TrainConfig(unknown="none"), 8)[0]
    assert (len(alone.extra), alone.held_out_count, alone.stranger_count) == (0, 0, 0)
