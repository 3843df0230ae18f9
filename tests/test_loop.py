"""The training loop on a five-neuron model, and the functions of the step."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from signwise.config import TrainConfig
from signwise.training import batches, loop
from signwise.training.batches import TrainingData
from signwise.training.optim import (
    AVERAGE_DECAY,
    Learner,
    make_learner,
    make_optimiser,
    restore_training_state,
    training_state,
)

SIZE = 8
CPU = torch.device("cpu")


def tiny_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE * SIZE, 5), nn.ReLU(), nn.Linear(5, 3))


def tiny_data(
    extra: int = 6, count: int = 60, held_out: int = 0, strangers: int = 0
) -> TrainingData:
    """Dark and bright pictures."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 2
    pixels = rng.integers(0, 90, (count, SIZE, SIZE, 3)) + labels[:, None, None, None] * 150
    return TrainingData(
        pixels=pixels.astype(np.uint8),
        labels=labels,
        train_rows=np.arange(40),
        val_rows=np.arange(40, count),
        extra=rng.integers(0, 256, (extra, SIZE, SIZE, 3), dtype=np.uint8),
        extra_labels=np.full(extra, 2),
        held_out_count=held_out,
        stranger_count=strangers,
        class_weights=np.ones(2, np.float32),
    )


def tiny_learner() -> Learner:
    return make_learner(tiny_network(), TrainConfig())


def run(learner: Learner, epochs: range, extra: int = 6, **changes: object) -> list[loop.Epoch]:
    config = TrainConfig(epochs=6, batch_size=8, learning_rate=0.02, **changes)  # type: ignore[arg-type]
    data = tiny_data(extra)
    return [loop.run_epoch(learner, data, config, epoch, CPU, lambda _: None) for epoch in epochs]


def test_it_learns_dark_from_bright() -> None:
    history = run(tiny_learner(), range(1, 7), extra=0)
    assert history[-1].val_accuracy == 1
    assert history[-1].val_loss < history[0].val_loss
    assert [row.epoch for row in history] == [1, 2, 3, 4, 5, 6]


def test_stopping_and_going_on_gives_the_same_bits() -> None:
    whole, first, second = tiny_learner(), tiny_learner(), tiny_learner()
    run(whole, range(1, 7))
    run(first, range(1, 4))
    state = {name: value.clone() for name, value in training_state(first).items()}
    torch.rand(17)  # the global generator stands elsewhere in a new process
    restore_training_state(second, state)
    run(second, range(4, 7))
    for part in ("network", "averaged"):
        one, other = (getattr(learner, part).state_dict() for learner in (whole, second))
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_another_seed_gives_another_network() -> None:
    learners = [tiny_learner(), tiny_learner()]
    for seed, learner in enumerate(learners):
        run(learner, range(1, 2), seed=seed)
    assert not torch.equal(*(next(learner.network.parameters()) for learner in learners))


def test_the_average_follows_the_network_and_its_statistics() -> None:
    network = nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1, momentum=1.0))
    learner = make_learner(network, TrainConfig(learning_rate=1.0, momentum=0.0))
    wanted: dict[str, torch.Tensor] = {}
    for step in range(4):
        network(torch.tensor([[0.0], [1.0 + step]])).pow(3).sum().backward()
        learner.step()
        for name, value in network.state_dict().items():
            old = wanted.get(name, value)
            wanted[name] = AVERAGE_DECAY * old + (1 - AVERAGE_DECAY) * value
    averaged = learner.averaged.state_dict()
    for name in ("0.weight", "1.weight", "1.running_mean", "1.running_var"):
        assert torch.allclose(averaged[name], wanted[name])
        assert not torch.allclose(averaged[name], network.state_dict()[name])


def test_the_optimiser_follows_the_schedule() -> None:
    learner = tiny_learner()
    history = run(learner, range(1, 4))
    rates = {group["lr"] for group in learner.optimiser.param_groups}
    assert rates == {history[-1].learning_rate}
    assert history[-1].learning_rate == loop.learning_rate(14, 30, 0.02)  # of 6 epochs of 5 steps


def test_the_loss_gets_the_weights_and_the_smoothing(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[list[float], float]] = []
    whole = loop.loss_of

    def loss_of(
        logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, smoothing: float
    ) -> torch.Tensor:
        given.append((weights.tolist(), smoothing))
        return whole(logits, labels, weights, smoothing)

    monkeypatch.setattr(loop, "loss_of", loss_of)
    config = TrainConfig(epochs=1, batch_size=8, label_smoothing=0.25)
    data = replace(tiny_data(), class_weights=np.array([2.0, 0.5], np.float32))
    loop.run_epoch(tiny_learner(), data, config, 1, CPU, lambda _: None)
    assert given == [([2.0, 0.5], 0.25)] * 5 + [([1.0, 1.0], 0.0)]  # validation takes them as even


def test_the_first_epochs_change_the_light_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    for name in ("augment", "augment_light"):
        whole = getattr(loop, name)

        def view(
            pixels: torch.Tensor,
            generator: torch.Generator,
            name: str = name,
            whole: Callable[..., torch.Tensor] = whole,
        ) -> torch.Tensor:
            seen.append(name)
            return whole(pixels, generator)

        monkeypatch.setattr(loop, name, view)
    run(tiny_learner(), range(1, 4))  # of 6
    assert seen == ["augment_light"] * 5 + ["augment"] * 10
    assert [loop.easy_epochs(epochs) for epochs in (1, 4, 5, 6, 12, 32)] == [0, 0, 0, 1, 2, 5]


@given(steps=st.integers(1, 500), peak=st.floats(1e-4, 1))
def test_learning_rate_rises_to_the_peak_and_falls_to_nearly_nothing(
    steps: int, peak: float
) -> None:
    rates = [loop.learning_rate(step, steps, peak) for step in range(steps)]
    assert all(0 < rate <= peak * (1 + 1e-9) for rate in rates)
    top = int(np.argmax(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    if steps >= 50:
        assert max(rates) == pytest.approx(peak)
        assert rates[-1] < peak / 50


def test_an_epoch_shows_every_training_picture_once_and_negatives_beside() -> None:
    data = tiny_data()
    shown = [labels for _, labels in batches.training_batches(data, 8, 0, CPU)]
    counts = torch.cat(shown).bincount(minlength=3)
    assert counts[:2].tolist() == [20, 20]
    assert counts[2] == 5 * (2 + batches.WAYS + 2)  # rendered, destroyed, another centre
    assert not tiny_data(extra=0).exposed
    alone = [labels for _, labels in batches.training_batches(tiny_data(extra=0), 8, 0, CPU)]
    assert torch.cat(alone).bincount(minlength=3).tolist() == [20, 20, 0]


def test_strangers_come_on_top_and_what_is_held_out_is_never_shown() -> None:
    data = tiny_data(extra=9, held_out=4, strangers=3)
    untouched = batches.training_batches(data, 8, 0, CPU, lambda pictures, _: pictures)
    shown = [pictures[8 : -batches.WAYS - 2] for pictures, _ in untouched]
    assert {len(part) for part in shown} == {2 + 1}
    drawn = (torch.cat(shown) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    origins = [[np.array_equal(one, other) for other in data.extra].index(True) for one in drawn]
    by_batch = np.array(origins).reshape(-1, 3)
    assert set(by_batch[:, :2].flatten()) == {4, 5}
    assert set(by_batch[:, 2:].flatten()) == {6, 7, 8}


def test_the_validation_loss_counts_what_is_held_out() -> None:
    network, data = tiny_network(), tiny_data(extra=9, held_out=4)
    alone, accuracy = loop.validate(network, tiny_data(extra=9), CPU)
    both, same = loop.validate(network, data, CPU)
    extra = loop.network_logits(network, data.extra, np.arange(4), CPU)
    labels = torch.from_numpy(data.extra_labels[:4])
    theirs = float(loop.loss_of(torch.from_numpy(extra), labels, torch.ones(2), 0.0))
    assert both == pytest.approx((20 * alone + 4 * theirs) / 24, rel=1e-5)
    assert accuracy == same


@given(pictures=st.integers(2, 2000), batch=st.integers(2, 256))
def test_no_batch_is_a_single_picture_or_too_large(pictures: int, batch: int) -> None:
    parts = np.array_split(np.arange(pictures), batches.steps_in_epoch(pictures, batch))
    sizes = [len(part) for part in parts]
    assert max(sizes) <= batch
    assert min(sizes) >= 2 or batch == 2 or pictures < 4


def test_loss_is_cross_entropy_plus_one_against_the_rest() -> None:
    logits = torch.tensor([[2.0, -1.0, 0.0], [0.5, 1.5, -1.0], [-3.0, 0.25, 1.0]])
    labels, weights = torch.tensor([0, 1, 2]), torch.tensor([1.0, 3.0])
    plain = loop.loss_of(logits[:2, :2], labels[:2], weights, 0.0)
    assert float(plain) == float(functional.cross_entropy(logits[:2, :2], labels[:2], weights))
    softmax = functional.cross_entropy(logits, labels, torch.tensor([1.0, 3.0, 1.0]))
    targets = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    each = functional.binary_cross_entropy_with_logits(logits[:, :2], targets, reduction="none")
    rest = (each.sum(1) * torch.tensor([1.0, 3.0, 1.0])).sum() / 5
    loss = loop.loss_of(logits, labels, weights, 0.0)
    assert float(loss) == pytest.approx(float(softmax + rest), rel=1e-5)


def test_biases_and_norms_are_not_decayed() -> None:
    network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2))
    groups = make_optimiser(network, TrainConfig(weight_decay=0.1)).param_groups
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    assert {name: decay[id(value)] for name, value in network.named_parameters()} == {
        "0.weight": 0.1,
        "0.bias": 0.0,
        "1.weight": 0.0,
        "1.bias": 0.0,
    }
