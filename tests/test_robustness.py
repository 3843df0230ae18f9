"""The sweep over all corruptions: each cell is counted, and the means have their intervals."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from signwise.evaluation import robustness
from signwise.evaluation.corruptions import CORRUPTIONS, SEVERITIES, corrupt
from signwise.evaluation.robustness import OVERLAPS, measure_corruptions
from signwise.inference.predictor import Predictor
from signwise.metrics.rates import grouped_bootstrap, rate, wilson_interval
from signwise.metrics.selective import accepted
from signwise.results import CorruptionFigures
from toy import toy_model, toy_picture

pytestmark = pytest.mark.numeric

N = 10
LABELS = np.arange(N) % 2


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder = tmp_path_factory.mktemp("model")
    return Predictor(
        toy_model(folder / "model.onnx", threshold=0.6, sharpness=20, region=(2, 6, 10, 14))
    )


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.stack([toy_picture(label, rng, 32) for label in LABELS.tolist()])


@pytest.fixture(scope="module")
def figures(predictor: Predictor, pixels: np.ndarray) -> CorruptionFigures:
    return measure_corruptions(predictor, LABELS, pixels, None, seed=1)


def cells() -> Iterator[tuple[str, int]]:
    return ((name, severity) for name in CORRUPTIONS for severity in SEVERITIES)


def test_every_cell_counts_right_and_rejected(
    predictor: Predictor, pixels: np.ndarray, figures: CorruptionFigures
) -> None:
    assert list(figures.cells) == list(CORRUPTIONS)
    assert {tuple(row) for row in figures.cells.values()} == {SEVERITIES}
    for name, severity in cells():
        probabilities, known = predictor.scores(corrupt(pixels, name, severity, 1))
        cell = figures.cells[name][severity]
        right = probabilities.argmax(axis=1) == LABELS
        assert cell.correct == right.sum()
        assert cell.accuracy == rate(int(right.sum()), N)
        assert cell.rejected == N - accepted(known, predictor.threshold).sum()


def test_the_means_are_over_all_cells_and_as_sure_as_n_pictures(
    figures: CorruptionFigures,
) -> None:
    every = [figures.cells[name][severity] for name, severity in cells()]
    assert len(every) == 75
    accuracy = sum(cell.correct for cell in every) / 75 / N
    rejected = sum(cell.rejected for cell in every) / 75 / N
    assert 0.5 < accuracy < 1
    assert 0 < rejected < 0.5
    assert figures.n == figures.mean_accuracy.n == figures.mean_rejected.n == N
    assert figures.mean_accuracy.value == pytest.approx(accuracy)
    assert figures.mean_rejected.value == pytest.approx(rejected)
    assert figures.mean_accuracy.ci95 == pytest.approx(wilson_interval(accuracy * N, N))
    assert figures.mean_rejected.ci95 == pytest.approx(wilson_interval(rejected * N, N))
    assert figures.mean_accuracy.ci95_grouped is None
    assert figures.seed == 1


def test_the_interval_by_group_is_that_of_the_pictures_own_means(
    predictor: Predictor, pixels: np.ndarray, figures: CorruptionFigures
) -> None:
    groups = [f"sign {index // 3}" for index in range(N)]
    found = measure_corruptions(predictor, LABELS, pixels, groups, seed=1)
    assert found.cells == figures.cells, "the same seed counts the same"
    hits = np.zeros(N)
    for name, severity in cells():
        probabilities, _ = predictor.scores(corrupt(pixels, name, severity, 1))
        hits += probabilities.argmax(axis=1) == LABELS
    assert found.mean_accuracy.ci95_grouped == grouped_bootstrap(hits / 75, groups, seed=1)


def test_pictures_are_corrupted_in_parts_each_with_its_own_chance(
    predictor: Predictor, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[tuple[str, int], list[tuple[int, int]]] = {}

    def watched(part: np.ndarray, name: str, severity: int, seed: int) -> np.ndarray:
        seen.setdefault((name, severity), []).append((len(part), seed))
        return part

    monkeypatch.setattr(robustness, "corrupt", watched)
    monkeypatch.setattr(robustness, "CHUNK", 4)
    found = measure_corruptions(predictor, LABELS, pixels, None, seed=7)
    assert set(seen) == set(cells())
    assert all(parts == [(4, 7), (4, 11), (2, 15)] for parts in seen.values())
    right = predictor.scores(pixels)[0].argmax(axis=1) == LABELS
    assert {cell.correct for row in found.cells.values() for cell in row.values()} == {right.sum()}


def test_the_bar_ends_after_the_last_cell(
    predictor: Predictor, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, list[int]]] = []

    @contextmanager
    def track(_: str, total: int) -> Iterator[Any]:
        told.append((total, []))
        yield told[-1][1].append

    monkeypatch.setattr(robustness, "track", track)
    measure_corruptions(predictor, LABELS[:2], pixels[:2], None, seed=0)
    assert told == [(75, [1] * 75)]


@pytest.mark.parametrize(("side", "most"), [(16, 512), (64, 128), (1024, 1)])
def test_larger_pictures_are_corrupted_fewer_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: int, most: int
) -> None:
    sizes = []

    def watched(part: np.ndarray, *_: object) -> np.ndarray:
        sizes.append(len(part))
        return part

    monkeypatch.setattr(robustness, "corrupt", watched)
    predictor = Predictor(toy_model(tmp_path / "model.onnx", size=side))
    count = min(most + 1, 140)
    monkeypatch.setattr(predictor, "scores", lambda part: (np.eye(2)[[0] * len(part)], [0.5]))
    pixels = np.broadcast_to(np.zeros(3, np.uint8), (count, side, side, 3))
    measure_corruptions(predictor, np.zeros(count, np.int64), pixels, None, seed=0)
    assert max(sizes) == min(most, count)


def test_kinds_that_training_shows_as_well_are_named(figures: CorruptionFigures) -> None:
    assert figures.overlaps_with_training == OVERLAPS
    assert set(CORRUPTIONS) - set(OVERLAPS) == {"snow", "frost"}
    # Words that the page shows.
    by_kind = {
        kind: [name for name in OVERLAPS if OVERLAPS[name] == kind] for kind in OVERLAPS.values()
    }
    assert by_kind == {
        "noise": ["gaussian_noise", "shot_noise", "impulse_noise"],
        "blur": ["defocus_blur", "glass_blur", "motion_blur", "zoom_blur"],
        "haze": ["fog"],
        "light": ["brightness", "contrast"],
        "low resolution": ["pixelate"],
        "small rotations, shears and shifts": ["elastic_transform"],
        "JPEG compression": ["jpeg_compression"],
    }
