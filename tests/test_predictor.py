"""The Predictor: any mix of pictures, in order, from any number of threads."""

import itertools
import pickle
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from signwise.data.images import Source, read_image
from signwise.errors import SignwiseError
from signwise.files import printable_path
from signwise.inference.predictor import PIECE, Predictor
from toy import toy_folder, toy_model, toy_picture

pytestmark = pytest.mark.numeric


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_model(tmp_path_factory.mktemp("model") / "model.onnx", known="colour")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_folder(tmp_path_factory.mktemp("folder"), per_class=6)


def test_it_knows_what_the_model_says_of_itself(model: Path) -> None:
    predictor = Predictor(model)
    assert predictor.classes == ("priority", "stop")
    assert (predictor.image_size, predictor.threshold) == (32, 0.0)
    assert predictor.metadata["format"] == 1


def test_scores_are_the_graphs_at_any_batch_size(model: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (21, 32, 32, 3), dtype=np.uint8)
    whole, whole_known = Predictor(model).scores(pixels)
    assert whole.shape == (21, 2)
    assert whole.dtype == whole_known.dtype == np.float32
    np.testing.assert_allclose(whole.sum(axis=1), 1, atol=1e-6)
    for batch_size in (1, 4, 21):
        part, part_known = Predictor(model, batch_size=batch_size).scores(pixels)
        np.testing.assert_allclose(part, whole, atol=1e-6)
        np.testing.assert_allclose(part_known, whole_known, atol=1e-6)


def test_scores_of_nothing_and_of_a_view(model: Path) -> None:
    predictor = Predictor(model)
    pixels = np.zeros((4, 32, 32, 3), dtype=np.uint8)
    pixels[..., 0] = np.arange(32) * 8
    assert predictor.scores(pixels[:0])[0].shape == (0, 2)
    mirrored = predictor.scores(pixels[::2, :, ::-1])[0]
    np.testing.assert_allclose(mirrored, predictor.scores(pixels[:2])[0], atol=1e-6)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((1, 32, 32, 3), dtype=np.float32),
        np.zeros((1, 31, 32, 3), dtype=np.uint8),
        np.zeros((32, 32, 3), dtype=np.uint8),
    ],
)
def test_scores_of_other_pixels_are_refused(model: Path, pixels: np.ndarray) -> None:
    with pytest.raises(SignwiseError, match=r"must be uint8 \(N, 32, 32, 3\)"):
        Predictor(model).scores(pixels)


def test_every_kind_of_source_gets_the_same_answer(model: Path, folder: Path) -> None:
    path = next((folder / "stop").iterdir())
    picture = Image.open(path)
    sources: list[Source] = [path, str(path), path.read_bytes(), picture, np.asarray(picture)]
    answers = Predictor(model).predict(sources)
    assert [answer.path for answer in answers] == [str(path), str(path), None, None, None]
    assert {answer.label for answer in answers} == {"stop"}
    assert len({answer.confidence for answer in answers}) == 1


def test_one_picture_alone_is_answered_by_a_list_of_one(model: Path, folder: Path) -> None:
    path = folder / "stop" / "00000_00000.png"
    predictor = Predictor(model)
    with path.open("rb") as file:
        for alone in (path, str(path), path.read_bytes(), Image.open(path), file):
            (answer,) = predictor.predict(alone)
            assert (answer.label, answer.error) == ("stop", None)


def test_an_array_is_rgb(model: Path) -> None:
    red = np.zeros((9, 9, 3), dtype=np.uint8)
    red[..., 0] = 200
    assert Predictor(model).predict([red])[0].label == "stop"


def test_confidence_is_the_largest_probability_whatever_the_label(model: Path) -> None:
    grey = np.full((32, 32, 3), 128, dtype=np.uint8)
    answer = Predictor(model, threshold=0.5).predict([grey])[0]
    assert answer.label == "unknown"
    assert answer.known is not None
    assert answer.known < 0.5
    assert answer.confidence == max(answer.probabilities.values())
    assert answer.confidence == pytest.approx(0.5)


def test_a_threshold_that_was_read_off_a_row_keeps_that_row(model: Path, folder: Path) -> None:
    known = Predictor(model).predict(sorted((folder / "stop").iterdir()))[0].known
    assert known is not None
    path = sorted((folder / "stop").iterdir())[0]
    assert Predictor(model, threshold=known).predict([path])[0].label == "stop"
    above = float(np.nextafter(np.float32(known), np.float32(1)))
    assert Predictor(model, threshold=above).predict([path])[0].label == "unknown"


def test_the_models_own_threshold_holds_unless_another_is_given(tmp_path: Path) -> None:
    path = toy_model(tmp_path / "model.onnx", threshold=0.9, known="colour")
    grey = np.full((8, 8, 3), 128, dtype=np.uint8)
    assert Predictor(path).predict([grey])[0].label == "unknown"
    assert Predictor(path, threshold=0.0).predict([grey])[0].label in Predictor(path).classes


@pytest.mark.parametrize(
    ("option", "value"),
    [("threshold", -0.1), ("threshold", 1.1), ("threshold", float("nan")), ("batch_size", 0),
     ("threads", 0)],
)  # fmt: skip
def test_an_option_out_of_range_is_named(model: Path, option: str, value: Any) -> None:
    with pytest.raises(SignwiseError, match=rf"^`{option}` must be .*, not {value}$"):
        Predictor(model, **{option: value})


@settings(max_examples=25, deadline=None)
@given(
    kinds=st.lists(st.sampled_from(["stop", "priority", "broken"]), max_size=3 * PIECE + 5),
    batch_size=st.sampled_from([1, 7, 16, 40]),
    threads=st.sampled_from([1, 2, 3]),
)
def test_order_is_kept_and_bad_pictures_are_rows(
    model: Path, kinds: list[str], batch_size: int, threads: int
) -> None:
    rng = np.random.default_rng(0)
    sources: dict[str, Source] = {
        "priority": toy_picture(0, rng),
        "stop": toy_picture(1, rng),
        "broken": b"these bytes are no picture",
    }
    predictor = Predictor(model, batch_size=batch_size, threads=threads)
    answers = predictor.predict(sources[kind] for kind in kinds)
    assert [answer.label or "broken" for answer in answers] == kinds
    for answer in answers:
        if answer.label is None:
            assert answer.error == "not an image"
            assert (answer.confidence, answer.known, answer.probabilities) == (None, None, {})


def test_a_stream_reads_only_a_bounded_number_of_pictures_ahead(model: Path) -> None:
    taken = 0

    def endless() -> Iterator[np.ndarray]:
        nonlocal taken
        picture = np.zeros((4, 4, 3), dtype=np.uint8)
        while True:
            taken += 1
            yield picture

    predictor = Predictor(model, batch_size=32, threads=2)
    stream = predictor.stream(endless())
    for seen, _ in enumerate(itertools.islice(stream, 1000), 1):
        assert taken - seen <= 2 * 32 + 4 * PIECE
    assert isinstance(stream, Generator)
    stream.close()
    assert not [one for one in threading.enumerate() if one.name.startswith("signwise-decode")]


def test_pictures_that_cannot_be_read_are_answered_in_bounds_as_well(model: Path) -> None:
    source = iter([b"no picture"] * 5000)
    predictor = Predictor(model, batch_size=32, threads=2)
    next(predictor.stream(source))
    assert len(list(source)) > 4000


def test_an_error_of_the_source_comes_through(model: Path) -> None:
    def failing() -> Iterator[np.ndarray]:
        yield from [np.zeros((4, 4, 3), dtype=np.uint8)] * 100
        raise RuntimeError("the camera is gone")

    with pytest.raises(RuntimeError, match="the camera is gone"):
        Predictor(model).predict(failing())


def test_several_threads_may_share_it(model: Path, folder: Path) -> None:
    paths = sorted(folder.rglob("*.png"))
    predictor = Predictor(model)
    alone = predictor.predict(paths)
    with ThreadPoolExecutor(4) as pool:
        for together in pool.map(predictor.predict, [paths] * 12):
            assert together == alone


def test_it_can_be_pickled(model: Path, folder: Path) -> None:
    predictor = Predictor(model, threshold=0.25, batch_size=3, threads=1)
    copy = pickle.loads(pickle.dumps(predictor))
    assert (copy.threshold, copy.batch_size, copy.threads) == (0.25, 3, 1)
    paths = sorted(folder.rglob("*.png"))
    assert copy.predict(paths) == predictor.predict(paths)


def test_a_pickle_holds_in_any_folder(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(model.parent)
    content = pickle.dumps(Predictor(model.name))
    monkeypatch.chdir("/")
    assert pickle.loads(content).classes == Predictor(model).classes


def test_it_resizes_as_training_did(model: Path, folder: Path) -> None:
    path = next((folder / "stop").iterdir())
    predictor = Predictor(model)
    probabilities, _ = predictor.scores(read_image(path, 32)[None])
    answer = predictor.predict([path])[0]
    assert np.float32(answer.confidence or 0) == probabilities.max()


def test_an_answer_that_is_no_number_is_an_error(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scores(self: Predictor, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        assert self.classes
        count = len(pixels)
        return np.full((count, 2), np.nan, np.float32), np.ones(count, np.float32)

    monkeypatch.setattr(Predictor, "scores", scores)
    answer = Predictor(model).predict([np.zeros((4, 4, 3), dtype=np.uint8)])[0]
    assert answer.error == "the model's answer is not a number"
    assert answer.label is None


def test_a_path_of_any_bytes_is_printable() -> None:
    assert printable_path("sign.png") == "sign.png"
    assert printable_path(Path("straße/停.png")) == "straße/停.png"
    odd = printable_path("a\udcffb.png")
    assert odd == r"a\xffb.png"
    odd.encode()


def test_larger_pictures_go_in_smaller_batches(tmp_path: Path) -> None:
    sizes = {}
    for side in (1, 64, 128, 1024):
        path = toy_model(tmp_path / f"{side}.onnx", size=side)
        sizes[side] = Predictor(path).batch_size
    assert sizes == {1: 256, 64: 256, 128: 64, 1024: 1}
