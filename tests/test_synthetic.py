"""Rendered signs: what is promised of every picture, whatever the seed, size and processes."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from signwise.errors import SignwiseError
from signwise.synthetic import (
    DESIGNS,
    GTSRB_DESIGNS,
    design_of,
    render_negatives,
    render_signs,
)
from signwise.synthetic.designs import draw_face, lookalikes
from signwise.synthetic.render import negative_kind, run, sign_picture
from signwise.synthetic.shapes import paint

pytestmark = pytest.mark.numeric

OWN = frozenset({"priority", "stop"})


def drawn(design: str, seed: int = 0, side: int = 96) -> NDArray[np.float64]:
    """The bare face (side, side, 3) on grey."""
    canvas = Image.new("RGB", (side, side), (140, 140, 140))
    scale, middle = side / 2.4, side / 2
    projection = np.array([[scale, 0, middle], [0, scale, middle], [0, 0, 1]])
    paint(ImageDraw.Draw(canvas), draw_face(design, np.random.default_rng(seed)), projection)
    return np.asarray(canvas, dtype=np.float64)


def test_gtsrb_designs_are_in_the_order_of_its_numbers() -> None:
    assert len(GTSRB_DESIGNS) == 43
    assert GTSRB_DESIGNS[12] == "priority"
    assert GTSRB_DESIGNS[13] == "yield"
    assert GTSRB_DESIGNS[14] == "stop"
    assert GTSRB_DESIGNS[17] == "no_entry"
    assert GTSRB_DESIGNS[42] == "end_of_no_passing_trucks"
    assert set(GTSRB_DESIGNS) <= set(DESIGNS)
    assert len(set(DESIGNS)) == len(DESIGNS)


@pytest.mark.parametrize("design", DESIGNS)
def test_names_can_be_folders_and_mean_themselves(design: str) -> None:
    assert design == design.lower()
    assert design.replace("_", "a").isalnum()
    assert design.isascii()
    assert design_of(design) == design


def test_no_two_gtsrb_designs_look_alike() -> None:
    faces = {design: drawn(design) for design in GTSRB_DESIGNS}
    for first, second in combinations(GTSRB_DESIGNS, 2):
        # The same seed gives both the same pigments, so only the drawing differs.
        assert np.abs(faces[first] - faces[second]).mean() > 0.8, (first, second)


def test_left_is_the_mirror_image_of_right() -> None:
    for right, left in (("turn_right", "turn_left"), ("keep_right", "keep_left")):
        mirrored = np.abs(drawn(right) - drawn(left)[:, ::-1]).mean()
        assert mirrored < 0.3 * np.abs(drawn(right) - drawn(left)).mean()


def test_colours_are_where_a_priority_sign_and_a_stop_sign_have_them() -> None:
    for seed in range(20):
        red, green, blue = drawn("priority", seed)[48, 48]
        assert red > 180
        assert green > 120
        assert blue < 120
        middle = drawn("stop", seed)[22:74, 12:84].reshape(-1, 3)
        reddish = (middle[:, 0] > 120) & (middle[:, 1] < 110) & (middle[:, 2] < 110)
        light = middle.min(axis=1) > 180
        assert reddish.mean() > 0.4
        assert light.mean() > 0.05


@pytest.mark.parametrize("size", [8, 32, 47, 120])
def test_size_and_type(size: int) -> None:
    for pixels in (render_signs("stop", 2, size, seed=1), render_negatives(2, size, seed=1)):
        assert pixels.shape == (2, size, size, 3)
        assert pixels.dtype == np.uint8
    assert render_signs("stop", 0, size, seed=1).shape == (0, size, size, 3)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**40), count=st.integers(1, 4), design=st.sampled_from(DESIGNS))
def test_a_picture_depends_on_its_seed_and_index_alone(seed: int, count: int, design: str) -> None:
    more = render_signs(design, 5, 16, seed)
    assert np.array_equal(more[:count], render_signs(design, count, 16, seed))
    negatives = render_negatives(5, 16, seed, exclude=OWN)
    assert np.array_equal(negatives[:count], render_negatives(count, 16, seed, exclude=OWN))
    assert not np.array_equal(more, render_signs(design, 5, 16, seed + 1))


def test_every_design_can_be_photographed() -> None:
    for design in DESIGNS:
        pixels = render_signs(design, 2, 24, seed=5)
        assert pixels.max() > pixels.min(), design
        assert not np.array_equal(pixels[0], pixels[1]), design


def test_the_number_of_processes_changes_nothing() -> None:
    alone = render_negatives(40, 8, seed=3, exclude=OWN, workers=1)
    assert np.array_equal(alone, render_negatives(40, 8, seed=3, exclude=OWN, workers=2))
    alone = render_signs("priority", 40, 8, seed=3, frames=7, workers=1)
    assert np.array_equal(alone, render_signs("priority", 40, 8, 3, frames=7, workers=2))


def fails_at_forty(index: int) -> int:
    """A job that breaks down half way."""
    if index == 40:
        raise KeyError("broken")
    return index


@pytest.mark.parametrize("workers", [1, 2])
def test_a_broken_job_ends_the_work(workers: int) -> None:
    assert run(fails_at_forty, 40, workers=workers) == list(range(40))
    with pytest.raises(KeyError, match="broken"):
        run(fails_at_forty, 41, workers=workers)


@pytest.mark.parametrize("index", [412, 414, 416, 487])
def test_no_sign_is_white_all_over(index: int) -> None:
    """These four were, and so the same picture as an overexposed scene without a sign."""
    assert sign_picture("priority", 64, seed=0, frames=10, index=index).std() > 10


def test_frames_show_one_sign_and_come_nearer() -> None:
    pixels = render_signs("stop", 40, 32, seed=2, frames=10).astype(float)
    means = pixels.mean(axis=(1, 2)).reshape(4, 10, 3)
    within, between = means.std(axis=1).mean(), means.mean(axis=1).std(axis=0).mean()
    assert between > 0.5 * within
    sharpness = np.abs(np.diff(pixels, axis=2)).mean(axis=(1, 2, 3)).reshape(4, 10)
    contrast = pixels.std(axis=(1, 2, 3)).reshape(4, 10)
    detail = (sharpness / contrast).mean(axis=0)
    assert detail[6:].mean() > 1.1 * detail[:3].mean()


@settings(max_examples=15, deadline=None)
@given(exclude=st.frozensets(st.sampled_from(DESIGNS), max_size=40), seed=st.integers(0, 99))
def test_excluded_designs_are_no_negatives(exclude: frozenset[str], seed: int) -> None:
    kinds = {negative_kind(seed, exclude, index) for index in range(100)}
    assert not kinds & exclude
    assert kinds <= {*DESIGNS, "scene"}


def test_excluded_designs_appear_nowhere_in_a_negative(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def spy(design: str, rng: np.random.Generator) -> object:
        seen.append(design)
        return draw_face(design, rng)

    monkeypatch.setattr("signwise.synthetic.render.draw_face", spy)
    exclude = frozenset({"yield", "no_entry", *OWN})
    render_negatives(100, 8, seed=0, exclude=exclude, workers=1)
    assert len(seen) > 75
    assert not set(seen) & exclude


def test_negatives_are_of_many_kinds() -> None:
    kinds = [negative_kind(0, OWN, index) for index in range(3000)]
    assert len(set(kinds)) == len(DESIGNS) - len(OWN) + 1
    assert 0.1 < kinds.count("scene") / len(kinds) < 0.4


def test_unknown_designs_are_refused_with_the_list() -> None:
    with pytest.raises(SignwiseError, match=r"no sign design 'stopp'.*stop"):
        render_signs("stopp", 1, 8, 0)
    with pytest.raises(SignwiseError, match="no sign design"):
        render_negatives(1, 8, 0, exclude=frozenset({"halt"}))


@pytest.mark.parametrize(
    ("name", "design"),
    [
        ("12", "priority"),
        ("00012", "priority"),
        ("12_priority_road", "priority"),
        ("Priority Road", "priority"),
        ("Vorfahrtsstraße", "priority"),
        ("14_stop", "stop"),
        ("STOP", "stop"),
        ("Stop-Sign", "stop"),
        ("halt", "stop"),
        ("Arrêt", "stop"),
        ("give way", "yield"),
        ("13 - Yield", "yield"),
        ("Speed limit (30km/h)", "speed_limit_30"),
        ("30 km/h", "speed_limit_30"),
        ("Roundabout mandatory", "roundabout"),
        ("7 stop", "stop"),
        ("cat", None),
        ("", None),
        ("99", None),
        ("speed limit 33", None),
        ("unknown", None),
    ],
)
def test_class_names_that_people_use(name: str, design: str | None) -> None:
    assert design_of(name) == design


def test_signs_that_mean_the_same_elsewhere_are_excluded_together() -> None:
    kinds = {negative_kind(0, frozenset({"no_entry", "yield"}), index) for index in range(2000)}
    assert not kinds & {"no_entry", "do_not_enter", "yield", "us_yield"}
    assert "stop" in kinds


def test_look_alikes_of_the_excluded_are_more_frequent() -> None:
    alike = set(lookalikes(OWN))
    assert {"no_entry", "end_of_priority", "warning_diamond", "red_hexagon"} <= alike
    shares = []
    for exclude in (OWN, frozenset({"keep_right"})):
        kinds = [negative_kind(0, exclude, index) for index in range(2000)]
        shares.append(sum(kind in alike for kind in kinds) / len(kinds))
    assert shares[0] > shares[1] + 0.1


def test_what_stands_on_most_roads_is_the_commonest_look_alike() -> None:
    kinds = [negative_kind(0, OWN, index) for index in range(2000)]
    assert kinds.count("no_entry") > 3 * kinds.count("yellow_octagon")
    assert kinds.count("end_of_priority") > 3 * kinds.count("hazard_placard")
    # A family without a common sign keeps its look-alikes.
    turns = [negative_kind(0, frozenset({"turn_left"}), index) for index in range(2000)]
    assert sum(kind in lookalikes(frozenset({"turn_left"})) for kind in turns) > 0.3 * len(turns)
