"""The pools that training reads: the user's pictures, rendered ones with labels, a folder's."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import signwise
from signwise.config import (
    HeadConfig,
    Kind,
    LossConfig,
    NegativesConfig,
    PicturesConfig,
    ResolvedConfig,
    TrainConfig,
    Traits,
)
from signwise.data.images import read_image
from signwise.data.manifest import PreparedData, load_data
from signwise.data.pixels import load_pixels
from signwise.errors import SignwiseError
from signwise.training import pools
from signwise.training.pools import (
    Pool,
    Seen,
    balancing_weights,
    gather,
    look_at,
    render_pool,
    traits_of,
    whole_pool,
)
from toy import toy_folder, toy_unknown
from toy_training import CPU, tiny_data

pytestmark = pytest.mark.numeric

CLASSES = ("vorrang", "halt")
NOTHING: Seen = {0: {}, 1: {}}
"""No class shows a sign that the backbone knows."""
USUAL = NegativesConfig()
MOST = LossConfig().max_class_weight


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    """36 pictures of class a and 12 of b."""
    root = tmp_path_factory.mktemp("pools")
    toy_folder(root / "photos", ("a",), 36, frames=4)
    toy_folder(root / "photos", ("a", "b"), 12, frames=4)
    signwise.prepare(root / "photos", root / "data", image_size=8, split=(0.5, 0.25, 0.25))
    return load_data(root / "data")


def resolved(prepared: PreparedData, **changes: Any) -> ResolvedConfig:
    given = {"weights": "none", "unknown": "none"}
    traits = Traits(kind="signs", pictures=24, data_size=prepared.image_size, usual_side=40)
    return TrainConfig(**given | changes).resolve(traits)


@pytest.fixture
def plain_renderer(monkeypatch: pytest.MonkeyPatch) -> list[frozenset[str]]:
    """Rendered pictures are plain.

    Gives the signs that no negative may show, for each time that negatives were rendered.
    """
    excluded: list[frozenset[str]] = []

    def negatives(
        count: int, size: int, seed: int, exclude: frozenset[str], kind: Kind
    ) -> np.ndarray:
        excluded.append(exclude)
        return np.full((count, size, size, 3), seed + 50 * (kind == "photos"), np.uint8)

    def signs(design: str, count: int, size: int, seed: int) -> np.ndarray:
        colour = {"priority": 100, "stop": 200}[design]
        return np.full((count, size, size, 3), colour + seed, np.uint8)

    monkeypatch.setattr(pools, "kept_negatives", negatives)
    monkeypatch.setattr(pools, "kept_signs", signs)
    return excluded


def test_own_signs_are_rendered_where_the_backbone_is_sure(
    plain_renderer: list[frozenset[str]],
) -> None:
    seen = {0: {"yield": 0.4, "priority": 0.9}, 1: {"stop": 0.49}}
    pool = render_pool((*CLASSES, "Stop"), seen, 999, 8, 7, USUAL)
    assert np.bincount(pool.labels, minlength=4).tolist() == [
        167,  # half of 999 over three classes, rounded up
        0,  # seen in less than half: no negative, and no picture of the class either
        0,
        999,
    ]
    assert pool.images(np.arange(len(pool))).shape == (1166, 8, 8, 3)
    colours = pool.images(np.arange(len(pool)))[:, 0, 0, 0]
    assert set(colours[pool.labels == 3]) == {7}
    assert set(colours[pool.labels == 0]) == {107}
    # In random order, the same for the same seed.
    assert np.flatnonzero(pool.labels == 0).min() < 30
    assert np.flatnonzero(pool.labels == 0).max() > 1100
    again, other = (render_pool(CLASSES, seen, 999, 8, seed, USUAL).labels for seed in (7, 8))
    assert np.array_equal(again, render_pool(CLASSES, seen, 999, 8, 7, USUAL).labels)
    assert not np.array_equal(again, other)
    # By its looks, however unsure, or by its name: a sign of a class is no negative.
    assert plain_renderer[0] == {"yield", "priority", "stop"}


def test_two_classes_that_are_known_get_signs_of_their_own(
    plain_renderer: list[frozenset[str]],
) -> None:
    assert plain_renderer == []
    seen = {0: {"priority": 0.5}, 1: {"stop": 0.8}}
    pool = render_pool(CLASSES, seen, 100, 8, 0, USUAL)
    colours = pool.images(np.arange(len(pool)))[:, 0, 0, 0]
    for label, colour, count in ((0, 100, 25), (1, 200, 25), (2, 0, 100)):
        assert colours[pool.labels == label].tolist() == [colour] * count
    config = NegativesConfig(own_share=1.0, sure_share=0.6)
    counts = np.bincount(render_pool(CLASSES, seen, 100, 8, 0, config).labels)
    assert counts.tolist() == [0, 50, 100]


def test_negatives_are_of_the_kind_of_the_pictures(plain_renderer: list[frozenset[str]]) -> None:
    for kinds, grey in (((), 1), (("signs",), 1), (("photos",), 51)):
        pool = render_pool(CLASSES, NOTHING, 5, 8, 1, USUAL, *kinds)
        assert set(pool.images(np.arange(5)).flatten()) == {grey}
    assert len(plain_renderer) == 3


def test_the_backbone_looks_at_the_training_pictures(
    prepared: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[Any, ...]] = []

    def seen(*arguments: Any) -> Seen:
        given.append(arguments)
        return {0: {"stop": 1.0}}

    monkeypatch.setattr(pools, "designs_seen", seen)
    assert look_at(prepared, USUAL) == {0: {"stop": 1.0}}
    ((pixels, labels, rows, config),) = given
    assert np.array_equal(pixels, load_pixels(prepared, 8))
    assert labels.tolist() == ["ab".index(each) for each in prepared.table["label"]]
    assert np.array_equal(rows, np.flatnonzero(prepared.table["split"] == "train"))
    assert config is USUAL


@pytest.mark.parametrize(
    ("seen", "share", "kind"),
    [
        (NOTHING, 0.5, "photos"),
        ({0: {"stop": 0.5}, 1: {}}, 0.5, "signs"),  # half of the classes
        ({0: {"stop": 0.49}, 1: {"yield": 0.49}}, 0.5, "photos"),  # of neither is it sure
        ({0: {"stop": 0.3, "yield": 0.7}, 1: {}}, 0.5, "signs"),
        ({0: {"stop": 1.0}, 1: {}}, 0.6, "photos"),
        ({0: {"stop": 1.0}, 1: {"yield": 1.0}}, 1.0, "signs"),
        (NOTHING, 0.0, "signs"),
    ],
)
def test_they_are_signs_where_the_backbone_is_sure_of_enough_classes(
    prepared: PreparedData, seen: Seen, share: float, kind: Kind
) -> None:
    config = TrainConfig(pictures=PicturesConfig(signs_share=share))
    train = int((prepared.table["split"] == "train").sum())
    assert traits_of(prepared, config, seen) == Traits(
        kind=kind, pictures=train, data_size=8, usual_side=40
    )


def test_how_sure_is_sure_is_a_setting(prepared: PreparedData) -> None:
    seen = {0: {"stop": 0.4}, 1: {"stop": 0.4}}
    for sure, kind in ((0.4, "signs"), (0.41, "photos")):
        config = TrainConfig(negatives=NegativesConfig(sure_share=sure))
        assert traits_of(prepared, config, seen).kind == kind


def test_the_usual_side_is_the_median_of_the_shorter_sides(prepared: PreparedData) -> None:
    table = prepared.table.copy()
    table["width"], table["height"] = 100, 200
    table.loc[: len(table) // 2 + 2, ["width", "height"]] = (500, 90)
    data = replace(prepared, table=table)
    assert traits_of(data, TrainConfig(), NOTHING).usual_side == 90


def test_without_a_sign_that_it_knows_all_are_negatives() -> None:
    pool = render_pool(("cats", "dogs"), NOTHING, 12, 8, 0, USUAL)
    assert pool.labels.tolist() == [2] * 12
    images = pool.images(np.arange(12))
    assert len({picture.tobytes() for picture in images}) == 12


def test_the_users_pictures_are_read_by_split(prepared: PreparedData) -> None:
    data = gather(prepared, resolved(prepared), NOTHING).data
    pixels = load_pixels(prepared, 8)
    for name, pool in (("train", data.train), ("val", data.val)):
        rows = np.flatnonzero(prepared.table["split"] == name)
        assert len(rows) > 8
        assert np.array_equal(pool.rows, rows)
        assert pool.labels.tolist() == ["ab".index(each) for each in prepared.table["label"][rows]]
        assert np.array_equal(pool.images(np.arange(3)), pixels[rows[:3]])
    assert [len(pool) for pool in (data.rendered, data.held_out, data.folder)] == [0, 0, 0]
    assert data.rendered.pixels.shape == (0, 8, 8, 3)
    assert not data.has_negatives
    assert data.negatives == 0
    assert data.classes == 2


def test_weights_make_rare_classes_count_as_much(prepared: PreparedData) -> None:
    own = (prepared.table["label"][prepared.table["split"] == "train"]).value_counts()
    counts = np.array([own["a"], own["b"]])
    assert counts[0] > 2 * counts[1]
    for choice, most, wanted in (
        ("auto", MOST, balancing_weights(counts, MOST)),
        ("auto", 1.5, balancing_weights(counts, 1.5)),
        ("none", MOST, np.ones(2)),
    ):
        config = resolved(prepared, class_weights=choice, loss=LossConfig(max_class_weight=most))
        weights = gather(prepared, config, NOTHING).data.class_weights
        assert weights == pytest.approx(wanted)
        assert weights.dtype == np.float32


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"rendered_range": (0, 0)}, "rendered_range"),
        ({"max_bytes": 16 * 8 * 8 * 3}, "max_bytes"),
    ],
)
def test_nothing_to_train_against_is_an_error_not_another_kind_of_model(
    prepared: PreparedData, changes: dict[str, Any], name: str
) -> None:
    config = resolved(prepared, unknown="synthetic", negatives=NegativesConfig(**changes))
    with pytest.raises(SignwiseError, match=rf"`negatives\.{name}` leaves no rendered picture"):
        gather(prepared, config, NOTHING)


@given(
    sizes=st.lists(st.integers(1, 10_000), min_size=2, max_size=20),
    most=st.sampled_from([1.0, MOST, 10.0]),
)
def test_weights_balance_as_far_as_is_safe(sizes: list[int], most: float) -> None:
    counts = np.array(sizes)
    weights = balancing_weights(counts, most)
    assert weights @ counts == pytest.approx(counts.sum(), rel=1e-5)
    assert weights.max() <= most * weights.min() * (1 + 1e-5)
    if counts.max() <= most * counts.min():
        assert weights == pytest.approx(counts.sum() / (len(counts) * counts))
    else:
        assert weights.max() == pytest.approx(most * weights.min())
    assert [weights[i] for i in np.argsort(counts)] == sorted(weights, reverse=True)


@pytest.mark.parametrize(
    ("changes", "rendered", "held_out"),
    [
        ({}, 1000, 16),  # the least of both
        ({"rendered_range": (1, 99), "held_out_range": (1, 99)}, 48, 6),  # 2 and 0.25 to each
        ({"rendered_range": (1, 20), "held_out_range": (1, 4)}, 20, 4),
        ({"rendered_each": 3.0, "held_out_share": 0.5, "rendered_range": (1, 99)}, 72, 16),
        ({"rendered_range": (50, 99), "max_bytes": 30 * 8 * 8 * 3 + 1}, 14, 16),
    ],
)
def test_how_many_are_rendered(
    prepared: PreparedData,
    plain_renderer: list[frozenset[str]],
    changes: dict[str, Any],
    rendered: int,
    held_out: int,
) -> None:
    table = prepared.table.copy()
    table["split"] = ["train", "val"] * 24
    config = resolved(prepared, unknown="synthetic", negatives=NegativesConfig(**changes))
    data = gather(replace(prepared, table=table), config, NOTHING).data
    assert plain_renderer
    assert (len(data.rendered), len(data.held_out)) == (rendered, held_out)
    assert data.negatives == rendered + held_out
    assert data.has_negatives
    assert data.rendered.pixels is data.held_out.pixels
    assert not set(data.rendered.rows) & set(data.held_out.rows)


def test_from_pre_trained_weights_little_more_is_rendered_than_stage_one_draws(
    prepared: PreparedData, plain_renderer: list[frozenset[str]]
) -> None:
    table = prepared.table.copy()
    table["split"] = ["train", "val"] * 24
    negatives = NegativesConfig(rendered=0.5, rendered_each_draw=2.0, own_share=0.5)
    head = HeadConfig(views=(1, 3), pictures=1000)
    config = resolved(
        prepared, unknown="synthetic", weights="signs", image_size=8, negatives=negatives, head=head
    )
    data = gather(replace(prepared, table=table), config, NOTHING).data
    assert plain_renderer
    # 24 pictures in 3 views draw 36; twice that, a third of which may be the classes' own.
    assert (len(data.rendered) + len(data.held_out), len(data.held_out)) == (48 + 16, 16)


@pytest.mark.parametrize("kind", ["signs", "photos"])
def test_what_is_held_out_is_labelled_as_the_rest(
    prepared: PreparedData, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    labels = np.arange(30) % 3
    pixels = np.arange(30, dtype=np.uint8)[:, None, None, None] + np.zeros((8, 8, 3), np.uint8)
    asked: list[tuple[object, ...]] = []

    def rendered(*arguments: object) -> Pool:
        asked.append(arguments)
        return whole_pool(pixels, labels)

    monkeypatch.setattr(pools, "render_pool", rendered)
    negatives = NegativesConfig(rendered_range=(20, 20), held_out_range=(10, 10))
    pictures = PicturesConfig(kind=kind)
    config = resolved(prepared, unknown="synthetic", seed=5, negatives=negatives, pictures=pictures)
    data = gather(prepared, config, {0: {"stop": 1.0}}).data
    assert asked == [(("a", "b"), {0: {"stop": 1.0}}, 30, 8, 5, negatives, kind)]
    for pool, rows in ((data.held_out, range(10)), (data.rendered, range(10, 30))):
        assert pool.rows.tolist() == list(rows)
        assert pool.labels.tolist() == labels[pool.rows].tolist()
        assert pool.images(np.arange(len(pool)))[:, 0, 0, 0].tolist() == list(rows)
    assert data.negatives == 10


def test_a_folder_of_no_class_is_a_pool_of_its_own(
    prepared: PreparedData, plain_renderer: list[frozenset[str]], tmp_path: Path
) -> None:
    for grey in (1, 2, 3):
        Image.new("RGB", (9, 9), (grey, grey, grey)).save(tmp_path / f"{grey}.png")
    (tmp_path / "text.png").write_text("no picture")
    own = prepared.root / prepared.table["path"][0]
    (tmp_path / "own.png").write_bytes(own.read_bytes())
    gathered = gather(prepared, resolved(prepared, unknown=str(tmp_path)), NOTHING)
    data, unknown = gathered.data, gathered.unknown
    assert plain_renderer
    assert unknown is not None
    assert data.folder.labels.tolist() == [2, 2, 2]
    assert data.folder.images(np.arange(3)).mean((1, 2, 3)).tolist() == [1, 2, 3]
    assert [Path(path).name for path in unknown.paths] == ["1.png", "2.png", "3.png"]
    reasons = {Path(row["path"]).name: row["problem"] for row in unknown.problems}
    assert set(reasons) == {"own.png", "text.png"}
    assert reasons["own.png"] == "the same picture is one of a"
    assert len(data.rendered) == 1000  # the folder takes no rendered picture's place
    assert data.negatives == 1000 + 16 + 3


def test_more_pictures_than_memory_holds_are_drawn_from(
    prepared: PreparedData, plain_renderer: list[frozenset[str]], tmp_path: Path
) -> None:
    folder = toy_unknown(tmp_path / "unknown", 6)
    everything = {read_image(path, 8).tobytes() for path in folder.iterdir()}
    drawn = []
    for seed in (0, 0, 1, 2):
        config = resolved(
            prepared,
            unknown=str(folder),
            seed=seed,
            negatives=NegativesConfig(max_bytes=3 * 8 * 8 * 3 + 7),
        )
        pool = gather(prepared, config, NOTHING).data.folder
        drawn.append({picture.tobytes() for picture in pool.images(np.arange(len(pool)))})
        assert len(drawn[-1]) == 3
        assert drawn[-1] <= everything
    assert plain_renderer
    assert drawn[0] == drawn[1]
    assert len({frozenset(each) for each in drawn}) > 1


@pytest.mark.parametrize(("name", "reason"), [("", "no usable picture"), ("none", "is no folder")])
def test_a_folder_that_is_of_no_use_is_an_error(
    prepared: PreparedData,
    plain_renderer: list[frozenset[str]],
    tmp_path: Path,
    name: str,
    reason: str,
) -> None:
    with pytest.raises(SignwiseError, match=rf"^`unknown` .*{reason}"):
        gather(prepared, resolved(prepared, unknown=str(tmp_path / name)), NOTHING)
    assert plain_renderer


def in_memory(pixels: np.ndarray) -> np.ndarray:
    return pixels


@pytest.mark.parametrize("place", [in_memory, torch.from_numpy])
def test_a_pool_is_read_by_place(place: Callable[[np.ndarray], Any]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (10, 4, 5, 3), dtype=np.uint8)
    pool = Pool(pixels=place(pixels), rows=np.array([7, 2, 5]), labels=np.array([0, 1, 0]))
    assert len(pool) == 3
    assert np.array_equal(pool.images(np.array([1, 0, 1])), pixels[[2, 7, 2]])
    taken = pool.take(np.array([2, 0]), CPU)
    wanted = torch.from_numpy(pixels[[5, 7]].astype(np.float32) / 255).permute(0, 3, 1, 2)
    assert torch.equal(taken, wanted)
    assert taken.is_contiguous()
    assert np.array_equal(pool.pixels, pixels)


def test_on_a_cpu_the_pixels_stay_where_they_are() -> None:
    data = tiny_data()
    assert pools.to_device(data, CPU) is data


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_gets_each_array_once() -> None:
    data = tiny_data(folder=2)
    moved = pools.to_device(data, torch.device("cuda"))
    assert isinstance(moved.train.pixels, torch.Tensor)
    assert moved.train.pixels.is_cuda
    assert moved.train.pixels is moved.val.pixels
    assert np.array_equal(moved.folder.images(np.arange(2)), data.folder.images(np.arange(2)))
    assert np.array_equal(moved.class_weights, data.class_weights)
