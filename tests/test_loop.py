"""The training loop on five neurons: what it learns, what it draws, and what the loss is given."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from signwise.config import (
    AugmentationConfig,
    FineTuningConfig,
    NegativesConfig,
    ScheduleConfig,
)
from signwise.results import Epoch
from signwise.training import loop
from signwise.training.batches import training_batches
from signwise.training.device import layout, layout_on
from signwise.training.graph import MEAN, STANDARD_DEVIATION, Normalise
from signwise.training.loop import Fit, plain_loss
from signwise.training.optim import TrainState, learning_rate, make_train_state
from signwise.training.pools import TrainingData
from toy_training import CPU, SIZE, WITH_NEGATIVES, settings, tiny_data, tiny_network

pytestmark = pytest.mark.numeric


def tiny_state() -> TrainState:
    return make_train_state(tiny_network(), settings())


def run(
    state: TrainState, epochs: range, data: TrainingData | None = None, **changes: Any
) -> list[Epoch]:
    config, data = settings(**changes), data or tiny_data()
    return [loop.run_epoch(state, data, config, epoch, CPU) for epoch in epochs]


def weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    assert one.keys() == other.keys()
    return all(torch.equal(one[name], other[name]) for name in one)


def fixed_batches(count: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of 6 pictures; the last two of each are of no class."""
    for number in range(count):
        pictures = torch.rand(6, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(number))
        yield pictures, torch.tensor([0, 1, 0, 1, 2, 2])


def test_it_learns_dark_from_bright() -> None:
    history = run(tiny_state(), range(1, 7), tiny_data(rendered=0))
    assert history[-1].val_accuracy == 1
    assert history[-1].val_loss < history[0].val_loss / 2
    assert [row.epoch for row in history] == [1, 2, 3, 4, 5, 6]
    assert all(row.seconds > 0 for row in history)


def test_another_process_goes_on_to_the_same_bits() -> None:
    whole, halted = tiny_state(), tiny_state()
    rows = run(whole, range(1, 5))
    first = run(halted, range(1, 3))
    torch.rand(17)  # the global generator stands elsewhere in a new process
    second = run(halted, range(3, 5))
    for part in ("network", "averaged"):
        assert same(*(weights(getattr(state, part)) for state in (whole, halted)))
    for wanted, found in zip(rows, first + second, strict=True):
        assert asdict(wanted) | {"seconds": 0} == asdict(found) | {"seconds": 0}


def test_each_seed_and_each_epoch_draws_its_own() -> None:
    after = []
    for seed, epoch in ((0, 1), (1, 1), (0, 2), (0, 1)):
        state = tiny_state()
        run(state, range(epoch, epoch + 1), seed=seed, schedule=ScheduleConfig(start=1, end=1))
        after.append(weights(state.network))
    assert same(after[0], after[3])
    for other in (after[1], after[2]):
        assert not same(after[0], other)


def test_the_global_generator_is_the_epochs_own() -> None:
    """Of what a network draws itself, as dropout does."""
    drawn = []
    for salt in (1, 2):
        torch.manual_seed(salt)
        state = make_train_state(nn.Sequential(nn.Dropout(), tiny_network()), settings())
        run(state, range(3, 4))
        drawn.append(weights(state.network))
    assert same(*drawn)


def test_the_learning_rate_follows_the_schedule_step_by_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rates: list[float] = []
    monkeypatch.setattr(TrainState, "set_learning_rate", lambda _, rate: rates.append(rate))
    schedule = ScheduleConfig(start=0.25, end=0.5)
    history = run(tiny_state(), range(1, 4), learning_rate=0.5, schedule=schedule)
    wanted = [learning_rate(step, 30, 0.5, schedule) for step in range(15)]  # of 6 epochs of 5
    assert rates == wanted
    assert [row.learning_rate for row in history] == wanted[4::5]


def test_fine_tuning_is_gentler(monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []
    monkeypatch.setattr(TrainState, "set_learning_rate", lambda _, rate: rates.append(rate))
    gentle = FineTuningConfig(learning_rate=0.25)
    config = settings(weights="imagenet", learning_rate=0.5, fine_tuning=gentle)
    loop.run_epoch(tiny_state(), tiny_data(), config, 1, CPU)
    assert rates == [learning_rate(step, 30, 0.125, config.schedule) for step in range(5)]


def test_a_step_is_one_step_of_the_optimiser_on_the_loss() -> None:
    state, by_hand = tiny_state(), tiny_state()
    normalise = Normalise()

    def loss(pictures: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        return logits.pow(2).sum() + labels.sum() * 0 + pictures.sum() * 0

    fit = loop.train_one_epoch(
        state, fixed_batches(3), lambda step: 0.01 * step, classes=2, loss=loss
    )
    total, right = 0.0, 0
    for step, (pictures, labels) in enumerate(fixed_batches(3)):
        by_hand.set_learning_rate(0.01 * step)
        logits = by_hand.network(normalise.from_unit(pictures))
        error = logits.pow(2).sum()
        by_hand.optimizer.zero_grad()
        error.backward()
        by_hand.optimizer.step()
        by_hand.average.update_parameters(by_hand.network)
        total += float(error.detach()) * len(labels)
        right += int((logits[:4, :2].argmax(1) == labels[:4]).sum())
    assert same(weights(state.network), weights(by_hand.network))
    assert same(weights(state.averaged), weights(by_hand.averaged))
    assert not same(weights(state.network), weights(tiny_network()))
    assert fit.loss == pytest.approx(total / 18)
    assert fit.accuracy == right / 12


def test_the_loss_is_given_pictures_logits_and_labels() -> None:
    state, given = tiny_state(), []
    first = weights(state.network)

    def loss(pictures: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        given.append((pictures, logits, labels))
        return logits.mean()

    loop.train_one_epoch(state, fixed_batches(2), lambda _: 0.1, classes=2, loss=loss)
    assert len(given) == 2
    for (pictures, logits, labels), (wanted, own) in zip(given, fixed_batches(2), strict=True):
        assert torch.equal(pictures, wanted)
        assert torch.equal(labels, own)
        assert logits.shape == (6, 3)
        assert logits.requires_grad
    network = tiny_network()
    network.load_state_dict(first)
    logits = network(Normalise().from_unit(given[0][0]))
    assert torch.equal(given[0][1], logits)


def test_an_epoch_takes_the_loss_that_it_is_given() -> None:
    data, given = tiny_data(folder=2), []

    def loss(pictures: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        given.append((pictures, logits, labels))
        return logits.sum() * 0 + 7

    config = settings(weight_decay=0.0)
    state = make_train_state(tiny_network(), config)
    row = loop.run_epoch(state, data, config, 2, CPU, loss=loss)
    assert row.train_loss == pytest.approx(7)
    assert same(weights(state.network), weights(tiny_network()))  # it has no slope
    assert [len(labels) for _, _, labels in given] == [WITH_NEGATIVES + 1] * 5
    for pictures, logits, labels in given:
        assert pictures.shape == (len(labels), 3, SIZE, SIZE)
        assert logits.shape == (len(labels), 3)
        assert 0 <= float(pictures.min()) <= float(pictures.max()) <= 1


def test_unless_given_the_loss_is_the_plain_one(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[list[float], float]] = []
    whole = loop.loss_of

    def loss_of(logits: Tensor, labels: Tensor, weights: Tensor, smoothing: float) -> Tensor:
        given.append((weights.tolist(), smoothing))
        return whole(logits, labels, weights, smoothing)

    monkeypatch.setattr(loop, "loss_of", loss_of)
    data = replace(tiny_data(), class_weights=np.array([2.0, 0.5], np.float32))
    run(tiny_state(), range(1, 2), data, label_smoothing=0.25)
    assert given == [([2.0, 0.5], 0.25)] * 5 + [([1.0, 1.0], 0.0)]  # validation takes them as even


def test_progress_is_told_at_every_step() -> None:
    told: list[int] = []
    loop.run_epoch(tiny_state(), tiny_data(), settings(), 1, CPU, advance=told.append)
    assert told == [1] * 5


def test_the_batches_of_an_epoch_are_those_of_its_seed_view_and_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seeds: list[tuple[int, int]] = []

    def batches(
        data: TrainingData, size: int, seed: int, device: torch.device, **rest: Any
    ) -> Iterator[tuple[Tensor, Tensor]]:
        seeds.append((size, seed))
        assert rest["negatives"] == negatives
        grey = torch.full((1, 3, SIZE, SIZE), 0.5)
        seen = rest["view"](grey.expand(64, -1, -1, -1), torch.Generator().manual_seed(0))
        blurred = seen.amax((1, 2, 3)) - seen.amin((1, 2, 3))
        looks.append("light" if float(blurred.max()) < 1e-4 else "whole")
        return training_batches(data, size, seed, device, **rest)

    looks: list[str] = []
    negatives = NegativesConfig(rendered=0.5)
    # Noise is what tells the whole view from the easier one.
    augmentation = AugmentationConfig(
        easy_epochs=0.4, colour_cast=0, shadow_share=0, noise_share=1, erase_share=0
    )
    monkeypatch.setattr(loop, "training_batches", batches)
    run(tiny_state(), range(1, 5), seed=3, negatives=negatives, augmentation=augmentation)
    assert seeds == [(8, 3 * 1_000_003 + epoch) for epoch in (1, 2, 3, 4)]
    assert looks == ["light", "light", "whole", "whole"]  # of 6


def test_a_row_has_the_fit_of_the_network_and_of_the_average(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state, data = tiny_state(), tiny_data()
    measured: list[tuple[object, ...]] = []

    def validate(*arguments: object) -> Fit:
        measured.append(arguments)
        return Fit(loss=0.25, accuracy=0.75)

    def train_one_epoch(*_: object, **__: object) -> Fit:
        return Fit(loss=0.5, accuracy=0.625)

    monkeypatch.setattr(loop, "validate", validate)
    monkeypatch.setattr(loop, "train_one_epoch", train_one_epoch)
    (row,) = run(state, range(2, 3), data)
    assert (row.epoch, row.train_loss, row.train_accuracy) == (2, 0.5, 0.625)
    assert (row.val_loss, row.val_accuracy) == (0.25, 0.75)
    assert measured == [(state.averaged, data, CPU)]


def test_the_logits_are_of_the_pictures_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    data, network = tiny_data(), nn.Sequential(nn.Dropout(), tiny_network())
    network.train()
    unit = data.val.take(np.arange(20), CPU)
    mean, deviation = (torch.tensor(each).view(3, 1, 1) for each in (MEAN, STANDARD_DEVIATION))
    with torch.inference_mode():
        wanted = tiny_network()((unit - mean) / deviation).numpy()
    sizes: list[int] = []

    def batch_size(size: int) -> int:
        sizes.append(size)
        return 7

    monkeypatch.setattr(loop, "default_batch_size", batch_size)
    found = loop.network_logits(network, data.val, CPU)
    assert found.dtype == np.float32
    assert np.allclose(found, wanted, atol=1e-5)
    assert sizes == [SIZE]


def test_the_validation_loss_counts_what_is_held_out() -> None:
    network, data = tiny_network(), tiny_data(held_out=4)
    alone = loop.validate(network, tiny_data(), CPU)
    both = loop.validate(network, data, CPU)
    logits, of_val = (
        torch.from_numpy(loop.network_logits(network, pool, CPU))
        for pool in (data.held_out, data.val)
    )
    even = torch.ones(2)
    theirs = float(loop.loss_of(logits, torch.from_numpy(data.held_out.labels), even, 0.0))
    own = float(loop.loss_of(of_val, torch.from_numpy(data.val.labels), even, 0.0))
    assert alone.loss == pytest.approx(own, rel=1e-5)
    assert both.loss == pytest.approx((20 * own + 4 * theirs) / 24, rel=1e-5)
    right = float((of_val[:, :2].argmax(1).numpy() == data.val.labels).mean())
    assert alone.accuracy == both.accuracy == pytest.approx(right)


def test_a_picture_that_looks_unknown_counts_by_its_best_class() -> None:
    class Sure(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))

        def forward(self, pictures: Tensor) -> Tensor:
            bright = (pictures.mean((1, 2, 3)) > 0).float()
            return torch.stack((1 - bright, bright, torch.full_like(bright, 5)), 1)

    assert loop.validate(Sure(), tiny_data(), CPU).accuracy == 1


def test_loss_is_cross_entropy_plus_one_against_the_rest() -> None:
    logits = torch.tensor([[2.0, -1.0, 0.0], [0.5, 1.5, -1.0], [-3.0, 0.25, 1.0]])
    labels, weights = torch.tensor([0, 1, 2]), torch.tensor([1.0, 3.0])
    alone = loop.loss_of(logits[:2, :2], labels[:2], weights, 0.0)
    assert float(alone) == float(functional.cross_entropy(logits[:2, :2], labels[:2], weights))
    for smoothing in (0.0, 0.2):
        softmax = functional.cross_entropy(
            logits, labels, torch.tensor([1.0, 3.0, 1.0]), label_smoothing=smoothing
        )
        targets = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
        each = functional.binary_cross_entropy_with_logits(logits[:, :2], targets, reduction="none")
        rest = (each.sum(1) * torch.tensor([1.0, 3.0, 1.0])).sum() / 5
        loss = loop.loss_of(logits, labels, weights, smoothing)
        assert float(loss) == pytest.approx(float(softmax + rest), rel=1e-5)
        plain = plain_loss(weights, smoothing)(torch.zeros(3, 3, 2, 2), logits, labels)
        assert float(plain) == float(loss)


def with_norm() -> nn.Module:
    """A network whose norm has statistics."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * (SIZE - 2) ** 2, 3)
        )


@pytest.mark.parametrize(
    ("device", "depthwise", "wanted"),
    [
        ("cpu", True, torch.channels_last),
        ("cuda", False, torch.channels_last),
        ("cuda", True, torch.contiguous_format),
        ("mps", False, torch.contiguous_format),
    ],
)
def test_how_kernels_lie_in_memory(
    device: str, depthwise: bool, wanted: torch.memory_format
) -> None:
    assert layout_on(device, depthwise=depthwise) == wanted


def test_kernels_lie_channels_last_on_a_cpu() -> None:
    assert layout(nn.Conv2d(4, 4, 3, groups=4)) == torch.channels_last


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_depthwise_kernels_are_contiguous_on_a_gpu() -> None:
    assert layout(nn.Conv2d(4, 4, 3).cuda()) == torch.channels_last
    assert layout(nn.Conv2d(4, 8, 3, groups=4).cuda()) == torch.contiguous_format
