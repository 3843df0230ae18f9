"""Stage one: the head that is fitted, and the features that are kept."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from signwise.config import AugmentationConfig, HeadConfig, NegativesConfig
from signwise.results import Epoch
from signwise.training import features
from signwise.training.features import Features, Head, can_fit_head, fit_head, fit_stage_one
from signwise.training.forward import forward
from signwise.training.loop import loss_of, network_logits, validate
from signwise.training.network import build_model
from toy_training import CPU, settings, tiny_data, tiny_network, toy_net

pytestmark = pytest.mark.numeric

EVEN = torch.ones(3)


def clouds(count: int = 300, apart: float = 1.5, seed: int = 0, classes: int = 3) -> Features:
    """Points of three clouds that overlap, the features of very different scales."""
    rng = np.random.default_rng([7, seed])
    centres = np.random.default_rng(1).normal(0, apart, (classes, 4))
    labels = rng.integers(classes, size=count)
    values = centres[labels] + rng.normal(0, 1, (count, 4))
    values = values * [0.01, 1, 5, 100] + [3, 0, -20, 1000]
    return Features(values=values.astype(np.float32), labels=labels)


def one_penalty(penalty: float) -> HeadConfig:
    """Fitted as it is, not made sharper."""
    return HeadConfig(penalties=(penalty,), sharpness=(1, 1))


def logits_of(head: Head, values: np.ndarray) -> np.ndarray:
    """In float64, so that only the head's own rounding counts."""
    found = values.astype(np.float64) @ head.weight.double().numpy().T + head.bias.double().numpy()
    return np.asarray(found)


def standardised(train: Features, values: np.ndarray) -> np.ndarray:
    mean = train.values.mean(0, dtype=np.float64)
    return np.asarray((values - mean) / train.values.std(0, dtype=np.float64))


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0), (2.0, 0.5, 1.0)])
@pytest.mark.parametrize("penalty", [0.1, 0.01, 0.001])
def test_the_head_is_a_logistic_regression(penalty: float, weights: tuple[float, ...]) -> None:
    train, val = clouds(), clouds(100, seed=1)
    head = fit_head(train, val, 3, torch.tensor(weights), 0.0, one_penalty(penalty))
    total = np.array(weights)[train.labels].sum()
    theirs = LogisticRegression(
        C=1 / (2 * penalty * total), class_weight=dict(enumerate(weights)), tol=1e-8, max_iter=9999
    ).fit(standardised(train, train.values), train.labels)
    wanted = theirs.predict_log_proba(standardised(train, val.values))
    found = torch.from_numpy(logits_of(head, val.values)).log_softmax(1).numpy()
    assert np.abs(found - wanted).max() < 0.01
    assert head.penalty == penalty
    assert head.weight.shape == (3, 4)
    assert head.bias.shape == (3,)
    assert not head.weight.requires_grad


def test_the_figures_are_of_the_training_features() -> None:
    train, weights = clouds(), torch.tensor([2.0, 0.5, 1.0])
    head = fit_head(train, clouds(seed=1), 3, weights, 0.1, one_penalty(0.01))
    logits = torch.from_numpy(logits_of(head, train.values)).float()
    wanted = loss_of(logits, torch.from_numpy(train.labels), weights, 0.1)
    assert head.train_loss == pytest.approx(float(wanted), abs=1e-3)
    accuracy = (logits.argmax(1).numpy() == train.labels).mean()
    assert head.train_accuracy == pytest.approx(accuracy, abs=0.01)
    assert 0.5 < accuracy < 1


def test_the_penalty_is_the_one_of_the_lowest_validation_loss() -> None:
    train, val = clouds(24), clouds(400, seed=1)
    penalties = (0.001, 1.0, 0.03, 0.1, 0.01)
    losses = {}
    for penalty in penalties:
        head = fit_head(train, val, 3, EVEN, 0.0, one_penalty(penalty))
        logits = torch.from_numpy(logits_of(head, val.values))
        losses[penalty] = float(loss_of(logits, torch.from_numpy(val.labels), EVEN.double(), 0.0))
    best = min(losses, key=losses.__getitem__)
    assert best not in (0.001, 1.0)  # neither end: too free and too strict are both worse
    config = HeadConfig(penalties=penalties, sharpness=(1, 1))
    chosen = fit_head(train, val, 3, EVEN, 0.0, config)
    assert chosen.penalty == best
    alone = fit_head(train, val, 3, EVEN, 0.0, one_penalty(best))
    found, wanted = (logits_of(head, val.values) for head in (chosen, alone))
    assert np.abs(found - wanted).max() < 0.02  # where a fit began changes little


@pytest.mark.parametrize(
    ("every", "patience", "count"),
    [
        ((0.5, 0.4, 0.45, 0.3, 0.31, 0.32, 0.2), 2, 6),
        ((0.5, 0.4, 0.45, 0.3, 0.31, 0.32, 0.2), 1, 3),
        ((0.5, 0.501, 0.502, 0.4), 2, 4),  # hardly worse is not worse
    ],
)
def test_weaker_penalties_are_not_tried_once_they_do_worse(
    monkeypatch: pytest.MonkeyPatch, every: tuple[float, ...], patience: int, count: int
) -> None:
    tried: list[float] = []
    losses = iter(every)
    monkeypatch.setattr(features, "_minimise", lambda *given: tried.append(given[2]))
    monkeypatch.setattr(features, "_sharpness", lambda *_: (1.0, next(losses)))
    config = HeadConfig(penalties=tuple(range(len(every), 0, -1)), patience=patience)
    head = fit_head(clouds(12), clouds(12, seed=1), 3, EVEN, 0.0, config)
    assert len(tried) == count
    assert len(every) - head.penalty == np.argmin(every[:count])


def test_the_head_is_as_sharp_as_is_best_on_validation() -> None:
    train, val = clouds(), clouds(100, seed=1)
    labels = torch.from_numpy(val.labels)

    def loss(config: HeadConfig, times: float = 1.0) -> float:
        head = fit_head(train, val, 3, EVEN, 0.0, config)
        logits = times * torch.from_numpy(logits_of(head, val.values))
        return float(loss_of(logits, labels, EVEN.double(), 0.0))

    strict = one_penalty(1.0)
    found = loss(replace(strict, sharpness=(0.1, 10.0)))
    best = min(loss(strict, times) for times in np.geomspace(0.1, 10, 60))
    assert found < loss(strict) - 0.1  # the penalty alone makes the logits small
    assert best - 0.001 < found < best + 1e-4
    bounded = loss(replace(strict, sharpness=(0.5, 1.5)))
    assert bounded == pytest.approx(loss(strict, 1.5), abs=1e-3)


def test_penalties_are_compared_at_their_best_sharpness() -> None:
    train, val = clouds(12), clouds(400, seed=1)
    labels = torch.from_numpy(val.labels)
    best = {}
    for penalty in (0.1, 0.03, 0.01):
        head = fit_head(train, val, 3, EVEN, 0.0, one_penalty(penalty))
        logits = torch.from_numpy(logits_of(head, val.values))
        best[penalty] = [
            float(loss_of(times * logits, labels, EVEN.double(), 0.0))
            for times in (1.0, *np.geomspace(0.05, 20, 60))
        ]
    at_best, as_they_are = (
        fit_head(train, val, 3, EVEN, 0.0, HeadConfig(penalties=tuple(best), sharpness=bounds))
        for bounds in ((0.05, 20.0), (1.0, 1.0))
    )
    assert at_best.penalty == min(best, key=lambda penalty: min(best[penalty]))
    assert as_they_are.penalty == min(best, key=lambda penalty: best[penalty][0])
    assert at_best.penalty != as_they_are.penalty


@hypothesis_settings(max_examples=15)
@given(
    scale=st.lists(st.sampled_from([0.01, 0.3, 1.0, 7.0, 100.0]), min_size=4, max_size=4),
    shift=st.floats(-10, 10),
)
def test_the_units_of_features_change_no_logit(scale: list[float], shift: float) -> None:
    """So what standardisation takes away is folded into the head."""
    plain = {seed: clouds(seed=seed) for seed in (0, 1)}
    unit = standardised(plain[0], plain[0].values)
    other = standardised(plain[0], plain[1].values)
    wanted, found = (
        fit_head(
            Features(values=(unit * times + plus).astype(np.float32), labels=plain[0].labels),
            Features(values=(other * times + plus).astype(np.float32), labels=plain[1].labels),
            3,
            EVEN,
            0.0,
            one_penalty(0.01),
        )
        for times, plus in ((np.ones(4), 0.0), (np.array(scale), shift * np.array(scale)))
    )
    both = (
        logits_of(wanted, other),
        logits_of(found, other * np.array(scale) + shift * np.array(scale)),
    )
    assert np.abs(both[0] - both[1]).max() < 0.02


def test_a_feature_that_never_changes_has_no_say() -> None:
    train, val = clouds(), clouds(seed=1)
    dead = replace(train, values=np.hstack([train.values, np.zeros((300, 1), np.float32)]))
    alive = replace(val, values=np.hstack([val.values, np.full((300, 1), 0.5, np.float32)]))
    head = fit_head(dead, alive, 3, EVEN, 0.0, HeadConfig())
    assert head.weight[:, 4].tolist() == [0, 0, 0]
    assert torch.isfinite(head.weight).all()


@pytest.mark.parametrize("shown", [True, False])
def test_the_last_output_is_unknown(shown: bool) -> None:
    train, val = clouds(), clouds(seed=1)
    if not shown:  # as where every share of negatives is 0
        train = Features(values=train.values % 7, labels=train.labels % 2)
    head = fit_head(train, val, 3, torch.ones(2), 0.0, HeadConfig())
    assert head.weight.shape == (3, 4)
    assert torch.isfinite(head.weight).all()
    if shown:
        best = logits_of(head, val.values).argmax(1)
        assert (best == val.labels).mean() > 0.7
        known = train.labels < 2
        right = (logits_of(head, train.values)[known, :2].argmax(1) == train.labels[known]).mean()
        assert head.train_accuracy == pytest.approx(right, abs=0.01)


def test_the_same_features_give_the_same_bits() -> None:
    one, two = (fit_head(clouds(), clouds(seed=1), 3, EVEN, 0.0, HeadConfig()) for _ in range(2))
    assert torch.equal(one.weight, two.weight)
    assert torch.equal(one.bias, two.bias)


@pytest.mark.parametrize(("model", "can"), [("resnet18", True), ("squeezenet1_1", False)])
def test_a_head_can_be_fitted_where_it_is_linear(model: str, can: bool) -> None:
    assert can_fit_head(build_model(model, 3, 32, "none")) == can


@pytest.mark.parametrize(
    ("pictures", "count"), [(1, 5), (199, 5), (200, 5), (201, 4), (400, 2), (9999, 2)]
)
def test_fewer_pictures_have_more_views(pictures: int, count: int) -> None:
    assert HeadConfig(views=(2, 5), pictures=1000).views_of(pictures) == count


# Stage one of a whole network.

FITTED = {"rendered": 12, "held_out": 6}


def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return toy_net(num_classes=3)


def stage_one(
    folder: Path, net: nn.Module | None = None, *, key: str = "a", **changes: Any
) -> tuple[nn.Module, Epoch]:
    net = net or network()
    config = settings(**{"weights": "imagenet"} | changes)
    found = fit_stage_one(net, tiny_data(**FITTED), config, CPU, kept_in=folder, key=key)
    return net, found.row


@contextmanager
def passes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The sizes of the batches that go through the backbone."""
    sizes: list[int] = []

    def counted(net: nn.Module, pictures: Tensor, *, half: bool = False) -> Tensor:
        assert not net.training
        sizes.append(len(pictures))
        return forward(net, pictures, half=half)

    with monkeypatch.context() as patch:
        patch.setattr(features, "forward", counted)
        yield sizes


def same(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(*pair) for pair in pairs)


def test_stage_one_fits_the_head_and_nothing_else(tmp_path: Path) -> None:
    before = network().state_dict()
    net, row = stage_one(tmp_path)
    moved = {name for name, value in net.state_dict().items() if not value.equal(before[name])}
    assert moved == {"5.weight", "5.bias"}
    assert isinstance(net[5], nn.Linear)  # type: ignore[index]
    fit = validate(net, tiny_data(**FITTED), CPU)
    first = validate(network(), tiny_data(**FITTED), CPU)
    assert (row.epoch, row.learning_rate) == (0, None)
    # Whole batches and the head alone are summed in another order on some CPUs.
    assert row.val_loss == pytest.approx(fit.loss, rel=1e-5)
    assert row.val_accuracy == fit.accuracy
    assert row.val_loss < first.loss / 2
    assert row.val_accuracy == 1
    assert row.train_accuracy > 0.9
    assert 0 < row.train_loss < first.loss
    assert row.seconds > 0


def test_the_features_are_what_enters_the_head(tmp_path: Path) -> None:
    data = tiny_data(**FITTED)
    net, _ = stage_one(tmp_path)
    (kept,) = (
        saved for path in tmp_path.iterdir() if len((saved := np.load(path))["labels"]) == 26
    )
    logits = kept["values"] @ net[5].weight.detach().numpy().T + net[5].bias.detach().numpy()  # type: ignore[index]
    wanted = np.concatenate([network_logits(net, pool, CPU) for pool in (data.val, data.held_out)])
    assert np.allclose(logits, wanted, atol=1e-4)
    assert kept["labels"].tolist() == [*data.val.labels, *data.held_out.labels]


def test_the_logits_of_stage_one_are_the_networks(tmp_path: Path) -> None:
    data, net = tiny_data(**FITTED), network()
    config = settings(weights="imagenet")
    found = fit_stage_one(net, data, config, CPU, kept_in=tmp_path, key="a")
    assert found.logits is not None
    wanted = np.concatenate([network_logits(net, pool, CPU) for pool in (data.val, data.held_out)])
    assert np.allclose(found.logits, wanted, atol=1e-4)


def test_training_pictures_alone_are_seen_in_bfloat16(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[bool, torch.dtype]] = []

    def noted(net: nn.Module, pictures: Tensor, *, half: bool = False) -> Tensor:
        seen.append((half, next(net.parameters()).dtype))
        return forward(net, pictures, half=half)

    monkeypatch.setattr(features, "forward", noted)
    full, halved = (False, torch.float32), (True, torch.bfloat16)
    rows = []
    for able, wanted in ((False, [full] * 5), (True, [halved] * 3)):
        seen.clear()
        monkeypatch.setattr(features, "bfloat16_features", lambda _, able=able: able)
        rows.append(stage_one(tmp_path)[1])
        assert seen == wanted  # those of validation are kept from the first time
    assert rows[0].train_loss == pytest.approx(rows[1].train_loss, rel=0.1)
    assert rows[0].val_accuracy == rows[1].val_accuracy == 1


def test_features_are_read_again_without_a_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with passes(monkeypatch) as first:
        one, row = stage_one(tmp_path)
    # 40 pictures and what is trained against, in three views; 20 and 6 to validate on.
    assert len(first) == 5
    assert min(first[:3]) > 40
    assert first[3:] == [20, 6]
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == 4
    with passes(monkeypatch) as second:
        two, again = stage_one(tmp_path)
    assert second == []
    assert same(one, two)
    assert replace(again, seconds=0) == replace(row, seconds=0)
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_the_batch_size_of_the_backbone_is_a_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with passes(monkeypatch) as sizes:
        stage_one(tmp_path, head=HeadConfig(views=(1, 1), batch_size=10))
    assert len(sizes) == 4 + 2 + 1
    assert sizes[-3:] == [10, 10, 6]


def test_more_views_are_added_to_those_that_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage_one(tmp_path, head=HeadConfig(views=(2, 2)))
    with passes(monkeypatch) as added:
        stage_one(tmp_path, head=HeadConfig(views=(3, 3), penalties=(0.5,)))
    assert len(added) == 1


def kept_values(folder: Path) -> list[bytes]:
    """The features in each file of the folder."""
    return [np.load(path)["values"].tobytes() for path in folder.iterdir()]


def test_the_first_view_is_the_pictures_as_they_are(tmp_path: Path) -> None:
    plain = AugmentationConfig(noise_share=0.0)
    stage_one(tmp_path / "one", head=HeadConfig(views=(2, 2)))
    stage_one(tmp_path / "two", head=HeadConfig(views=(2, 2)), augmentation=plain)
    one, two = (set(kept_values(tmp_path / name)) for name in ("one", "two"))
    assert len(one) == len(two) == 3
    assert len(one & two) == 2  # the first view and the validation pictures


def test_half_of_a_single_view_is_augmented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = []

    def black(pixels: Tensor, *_: object) -> Tensor:
        changed.append(len(pixels))
        return torch.zeros_like(pixels)

    monkeypatch.setattr(features, "augment", black)
    with passes(monkeypatch) as sizes:
        stage_one(tmp_path, head=HeadConfig(views=(1, 1)))
    assert changed == [(sizes[0] + 1) // 2]
    values = max((np.load(path)["values"] for path in tmp_path.iterdir()), key=len)
    # Those that are black have the same features.
    _, counts = np.unique(values.round(4), axis=0, return_counts=True)
    assert max(counts) == changed[0]


def test_a_single_view_is_not_taken_for_the_first_of_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage_one(tmp_path, head=HeadConfig(views=(2, 2)))
    with passes(monkeypatch) as added:
        stage_one(tmp_path, head=HeadConfig(views=(1, 1)))
    assert len(added) == 1


OTHER: dict[str, dict[str, Any]] = {
    "weights or pictures": {"key": "b"},
    "seed": {"seed": 1},
    "augmentation": {"augmentation": AugmentationConfig(flip=True)},
    "negatives": {"negatives": NegativesConfig(rendered=0.5)},
    "model": {"model": "vgg11"},
    "image size": {"image_size": 9},
    "batch size": {"head": HeadConfig(batch_size=64)},
}


@pytest.mark.parametrize("name", OTHER)
def test_whatever_features_hang_on_gives_other_files(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage_one(tmp_path)
    with passes(monkeypatch) as again:
        stage_one(tmp_path, **OTHER[name])
    assert len(again) == 5
    assert len(list(tmp_path.iterdir())) == 8


@pytest.mark.parametrize(
    "changes",
    [
        {"learning_rate": 0.5},
        {"epochs": 3},
        {"head": HeadConfig(penalties=(0.2,))},
        {"label_smoothing": 0.1},
        {"batch_size": 4},
    ],
)
def test_what_they_do_not_hang_on_leaves_them(
    changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage_one(tmp_path)
    with passes(monkeypatch) as again:
        stage_one(tmp_path, **changes)
    assert again == []


def test_another_number_of_threads_may_have_other_last_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage_one(tmp_path)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 99)
    with passes(monkeypatch) as again:
        stage_one(tmp_path)
    assert len(again) == 5


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"no features", b"\x93NUMPY"])
def test_a_file_that_is_broken_is_made_again(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = stage_one(tmp_path)
    for path in tmp_path.iterdir():
        path.write_bytes(content)
    with passes(monkeypatch) as again:
        two, _ = stage_one(tmp_path)
    assert len(again) == 5
    assert same(one, two)
    with passes(monkeypatch) as third:
        stage_one(tmp_path)
    assert third == []


def test_a_file_that_lacks_its_labels_is_made_again(tmp_path: Path) -> None:
    one, _ = stage_one(tmp_path)
    for path in tmp_path.iterdir():
        np.savez(path, values=np.zeros((3, 32), np.float32))
    assert same(one, stage_one(tmp_path)[0])


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EDQUOT])
def test_a_folder_that_takes_no_file_costs_only_time(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    one, _ = stage_one(tmp_path / "kept")
    monkeypatch.setattr(np, "savez", refuse)
    two, _ = stage_one(tmp_path)
    assert same(one, two)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]  # and no part of a file


def test_a_folder_that_is_read_only_costs_only_time(tmp_path: Path) -> None:
    """Not even root can write below a file."""
    (tmp_path / "file").write_text("")
    one, _ = stage_one(tmp_path)
    two, _ = stage_one(tmp_path / "file" / "folder")
    assert same(one, two)


def test_without_negatives_there_is_no_unknown(tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        net = toy_net(num_classes=2)
    data = tiny_data(rendered=0)
    config = settings(weights="imagenet", unknown="none")
    row = fit_stage_one(net, data, config, CPU, kept_in=tmp_path, key="a").row
    assert row.val_accuracy == 1
    assert net[5].weight.shape == (2, 32)  # type: ignore[index]


def test_shares_of_0_leave_unknown_without_a_picture(tmp_path: Path) -> None:
    nothing = NegativesConfig(rendered=0, folder=0, destroyed=0, swapped=0)
    net, row = stage_one(tmp_path, negatives=nothing)
    assert row.val_accuracy == 1
    assert net[5].weight.shape == (3, 32)  # type: ignore[index]


def test_a_bar_ends_where_it_should(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []

    @contextmanager
    def track(_: str, total: int) -> Iterator[Any]:
        done: list[int] = []
        yield done.append
        told.append((total, sum(done)))

    monkeypatch.setattr(features, "track", track)
    stage_one(tmp_path)
    stage_one(tmp_path)
    data = tiny_data(rendered=12)
    fit_stage_one(network(), data, settings(weights="signs"), CPU, kept_in=tmp_path, key="b")
    assert told == [(5, 5), (5, 5), (4, 4)]


def test_the_head_comes_back_where_the_backbone_fails(tmp_path: Path) -> None:
    class Failing(nn.Module):
        def forward(self, _: Tensor) -> Tensor:
            raise RuntimeError("out of memory")

    net = nn.Sequential(Failing(), tiny_network())
    head = net.get_submodule("1.3")
    with pytest.raises(RuntimeError, match="out of memory"):
        stage_one(tmp_path, net)
    assert net.get_submodule("1.3") is head
    assert list(tmp_path.iterdir()) == []
