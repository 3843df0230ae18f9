"""The batches of an epoch: every picture once, what is trained against beside it, and the view."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from signwise.config import NegativesConfig, steps_in_epoch
from signwise.training import negatives
from signwise.training.batches import training_batches
from signwise.training.pools import Pool, TrainingData
from toy_training import CPU, WITH_NEGATIVES, tiny_data

pytestmark = pytest.mark.numeric


def untouched(pixels: Tensor, _: torch.Generator) -> Tensor:
    return pixels


def epoch(
    data: TrainingData, size: int = 8, seed: int = 0, **changes: Any
) -> list[tuple[Tensor, Tensor]]:
    given: dict[str, Any] = {"view": untouched, "negatives": NegativesConfig()} | changes
    return list(training_batches(data, size, seed, CPU, **given))


def places(pictures: Sequence[Tensor], pool: Pool) -> list[int]:
    """Where in the pool each picture is from."""
    known = [picture.numpy().tobytes() for picture in pool.take(np.arange(len(pool)), CPU)]
    return [known.index(picture.numpy().tobytes()) for part in pictures for picture in part]


@given(pictures=st.integers(1, 2000), batch=st.integers(2, 256))
def test_no_batch_is_a_single_picture_or_too_large(pictures: int, batch: int) -> None:
    steps = steps_in_epoch(pictures, batch)
    sizes = [len(part) for part in np.array_split(np.arange(pictures), steps)]
    assert max(sizes) <= max(batch, 3), "three are one batch, of two at most or not"
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= 2 or batch == 2 or pictures < 4
    assert steps == 1 or pictures > (steps - 1) * batch


def test_no_picture_is_one_empty_batch() -> None:
    assert steps_in_epoch(0, 8) == 1


def test_an_epoch_shows_every_training_picture_once_in_random_order() -> None:
    data = tiny_data(rendered=0)
    assert not data.has_negatives
    shown = epoch(data)
    assert [len(labels) for _, labels in shown] == [8] * 5
    order = places([pictures for pictures, _ in shown], data.train)
    assert sorted(order) == list(range(40))
    assert order != sorted(order)
    labels = torch.cat([labels for _, labels in shown])
    assert labels.tolist() == data.train.labels[order].tolist()
    for start in range(0, 40, 8):  # a memory map is read forwards
        assert order[start : start + 8] == sorted(order[start : start + 8])
    again, other = (
        places([pictures for pictures, _ in epoch(data, seed=seed)], data.train) for seed in (0, 1)
    )
    assert again == order
    assert other != order


def test_a_memory_map_is_read_forwards_whatever_the_pools_own_order() -> None:
    train = tiny_data().train
    backwards = Pool(pixels=train.pixels, rows=train.rows[::-1].copy(), labels=train.labels[::-1])
    data = replace(tiny_data(rendered=0), train=backwards)
    for pictures, labels in epoch(data):
        rows = places([pictures], train)
        assert rows == sorted(rows)
        assert labels.tolist() == train.labels[rows].tolist()


def test_an_epoch_of_uneven_batches_is_whole() -> None:
    shown = epoch(tiny_data(rendered=0), size=18)
    assert [len(labels) for _, labels in shown] == [14, 13, 13]


def test_negatives_come_behind_the_pictures_of_the_classes() -> None:
    data = tiny_data()
    shown = epoch(data)
    assert [len(labels) for _, labels in shown] == [WITH_NEGATIVES] * 5
    for _, labels in shown:
        assert int(labels[:8].max()) < 2
        assert labels[8:].tolist() == [2] * (WITH_NEGATIVES - 8)
    assert sorted(places([pictures[:8] for pictures, _ in shown], data.train)) == list(range(40))
    assert set(places([pictures[8:10] for pictures, _ in shown], data.rendered)) <= set(range(6))


def test_negatives_are_made_by_their_settings() -> None:
    shown = epoch(tiny_data(), negatives=NegativesConfig(rendered=1.0, swapped=2.0))
    assert {len(labels) for _, labels in shown} == {8 + 8 + len(negatives.DESTROYERS) + 16}


def test_a_further_way_is_in_every_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    def white(batch: negatives.Batch, source: negatives.Source) -> negatives.Batch:
        return batch.add(torch.ones(1, 3, 8, 8), source.data.classes, 9)

    monkeypatch.setattr(negatives, "NEGATIVES", (*negatives.NEGATIVES, white))
    for pictures, labels in epoch(tiny_data()):
        assert len(labels) == WITH_NEGATIVES + 1
        assert bool((pictures[-1] == 1).all())
        assert int(labels[-1]) == 2


def test_a_folder_comes_on_top_and_what_is_held_out_is_never_shown() -> None:
    data = tiny_data(rendered=2, held_out=4, folder=3)
    shown = [pictures for pictures, _ in epoch(data)]
    assert {len(pictures) for pictures in shown} == {WITH_NEGATIVES + 1}
    assert set(places([pictures[8:10] for pictures in shown], data.rendered)) == {0, 1}
    assert set(places([pictures[10:11] for pictures in shown], data.folder)) <= {0, 1, 2}
    held_out = {p.numpy().tobytes() for p in data.held_out.take(np.arange(4), CPU)}
    assert not held_out & {p.numpy().tobytes() for pictures in shown for p in pictures}


def test_the_view_changes_the_whole_batch_and_draws_from_its_generator() -> None:
    given: list[torch.Generator] = []

    def view(pixels: Tensor, generator: torch.Generator) -> Tensor:
        given.append(generator)
        return pixels + torch.rand(1, generator=generator) + 5

    plain, seen = epoch(tiny_data()), epoch(tiny_data(), view=view)
    assert len({id(generator) for generator in given}) == 1
    # The first batch is drawn before the view draws, so that it is the same but for the view.
    difference = seen[0][0] - plain[0][0]
    assert len(difference) == WITH_NEGATIVES
    assert 5 <= float(difference.min()) < 6
    assert torch.allclose(difference, difference.mean(), atol=1e-5)
    first, again, other = (
        [float((pictures[0]).sum()) for pictures, _ in epoch(tiny_data(), seed=seed, view=view)]
        for seed in (0, 0, 1)
    )
    assert first == again != other
