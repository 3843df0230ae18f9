"""Rendered solid things: a body that stands out, lit from its side, at every size the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signwise.synthetic import render, render_negatives
from signwise.synthetic.solids import _add_capsule, body, solid_scene, surface

pytestmark = pytest.mark.numeric

seeds = st.integers(0, 2**40)


def test_a_rod_without_length_is_a_ball() -> None:
    heights = np.zeros((200, 200), np.float32)
    middle = np.array((0.1, -0.2))
    _add_capsule(heights, middle, middle, 0.5, 0.5)
    assert heights.max() == pytest.approx(0.5, abs=0.01)
    assert (heights > 0).mean() * 4 == pytest.approx(np.pi * 0.25, rel=0.02)
    row, column = np.unravel_index(heights.argmax(), heights.shape)
    assert (column / 100 - 1, row / 100 - 1) == pytest.approx(middle, abs=0.02)


@pytest.mark.parametrize("end", [(0.3, 5.0), (-7.0, 0.0), (9.0, 9.0)])
def test_what_leaves_the_picture_is_cut_off(end: tuple[float, float]) -> None:
    heights = np.zeros((40, 40), np.float32)
    _add_capsule(heights, np.array((0.0, 0.0)), np.array(end), 0.2, 0.1)
    assert 0.02 < (heights > 0).mean() < 0.3


@given(seed=seeds)
def test_every_picture_shows_a_body_of_the_same_shape_at_every_size(seed: int) -> None:
    small, large = (body(np.random.default_rng(seed), side) for side in (48, 96))
    assert large.min() == 0
    assert 0.01 < (large > 0).mean() < 1
    assert np.abs((small > 0).mean() - (large > 0).mean()) < 0.05


@given(seed=seeds)
def test_the_side_that_faces_the_light_is_brighter(seed: int) -> None:
    heights = np.zeros((60, 60), np.float32)
    _add_capsule(heights, np.zeros(2), np.zeros(2), 0.7, 0.7)
    from_the_left = np.array((-0.8, 0, 0.6), np.float32)
    pixels = surface(np.random.default_rng(seed), heights, from_the_left).mean(2)
    left, right = (np.median(pixels[20:40, columns]) for columns in (slice(12, 25), slice(35, 48)))
    assert left > right


@given(seed=seeds)
def test_a_scene_is_a_picture_with_the_gain_for_it(seed: int) -> None:
    (scene, gain), (again, _) = (solid_scene(np.random.default_rng(seed), 40) for _ in range(2))
    assert scene.size == (40, 40)
    assert gain > 0
    assert np.array_equal(np.asarray(scene), np.asarray(again))


def test_negatives_beside_photos_show_solid_things_and_beside_signs_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn = []

    def counted(rng: np.random.Generator, side: int) -> object:
        drawn.append(side)
        return solid_scene(rng, side)

    monkeypatch.setattr(render, "solid_scene", counted)
    render_negatives(200, 8, seed=1, workers=1)
    assert not drawn
    render_negatives(200, 8, seed=1, workers=1, kind="photos")
    assert len(drawn) == pytest.approx(200 * render.SOLID_SHARE, abs=25)
