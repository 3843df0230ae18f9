"""Two models on the same pictures: the tests hold their level, and differences their intervals."""

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from checks import some
from signwise.metrics.paired import (
    auroc_difference,
    bootstrap_interval,
    group_gains,
    holm,
    interval_of_difference,
    mcnemar,
    mean_difference,
    pair_counts,
    permutation_test,
    share_difference,
)
from signwise.metrics.power import design_effect, mcnemar_power

pytestmark = pytest.mark.numeric

Bools = NDArray[np.bool_]


def simulated(
    groups: int, frames: int, errors: tuple[float, float], likeness: float, count: int, seed: int
) -> Iterator[tuple[Bools, Bools, NDArray[np.int64]]]:
    """Pairs of models that are wrong at these true rates, alike, and on whole groups at a time.

    `likeness` is the share of the variance that the pictures of a group share.
    """
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), frames)
    cuts = scipy.stats.norm.ppf(errors)
    for _ in range(count):
        by_group = rng.standard_normal((3, groups))[:, group]
        own = rng.standard_normal((3, len(group)))
        both, first, second = np.sqrt(likeness) * by_group + np.sqrt(1 - likeness) * own
        yield (both + first) / np.sqrt(2) > cuts[0], (both + second) / np.sqrt(2) > cuts[1], group


def test_mcnemar_is_a_fair_coin() -> None:
    assert mcnemar(0, 0) == 1
    assert mcnemar(5, 5) == 1
    assert mcnemar(0, 5) == mcnemar(5, 0) == pytest.approx(2 / 2**5)
    assert mcnemar(1, 8) == pytest.approx(2 * (1 + 9) / 2**9)


@given(st.lists(st.integers(-6, 6), max_size=9))
def test_a_permutation_test_counts_every_way(gains: list[int]) -> None:
    sums = [
        abs(sum(sign * gain for sign, gain in zip(signs, gains, strict=True)))
        for signs in product((-1, 1), repeat=len(gains))
    ]
    share = np.mean([total >= abs(sum(gains)) for total in sums])
    assert permutation_test(gains) == pytest.approx(float(share))


@given(st.integers(0, 60), st.integers(0, 60))
def test_with_one_picture_a_group_it_is_mcnemar(only_first: int, only_second: int) -> None:
    gains = [-1] * only_first + [1] * only_second + [0] * 5
    assert permutation_test(gains) == pytest.approx(mcnemar(only_first, only_second))


def test_gains_are_those_of_the_second_by_group() -> None:
    first, second = [True, False, True, False, False], [True, True, False, False, True]
    assert group_gains(first, second, ["b", "b", "a", "a", "c"]).tolist() == [-1, 1, 1]
    assert vars(pair_counts(first, second)) == {
        "both": 1, "only_first": 1, "only_second": 2, "neither": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("groups", "frames", "error", "likeness"),
    [(400, 1, 0.1, 0.0), (40, 15, 0.08, 0.5), (150, 5, 0.1, 0.5)],
)
def test_of_1000_equal_pairs_few_are_called_different(
    groups: int, frames: int, error: float, likeness: float
) -> None:
    by_picture = by_group = 0
    for first, second, group in simulated(groups, frames, (error, error), likeness, 1000, 1):
        counts = pair_counts(first, second)
        by_picture += mcnemar(counts.only_first, counts.only_second) < 0.05
        by_group += permutation_test(group_gains(first, second, group)) < 0.05
    assert by_group <= 60
    if frames == 1:
        assert by_picture == by_group <= 60
    else:
        assert by_picture > 100, "frames of one sign are no independent trials"


@pytest.mark.parametrize(
    ("groups", "frames", "likeness", "room"), [(500, 1, 0.0, 0.06), (120, 8, 0.4, 0.08)]
)
def test_a_difference_of_3_points_is_found_at_the_stated_power(
    groups: int, frames: int, likeness: float, room: float
) -> None:
    found, stated = [], []
    for first, second, group in simulated(groups, frames, (0.09, 0.06), likeness, 400, 2):
        counts = pair_counts(first, second)
        worth = counts.n / design_effect(first, second, group)
        found.append(permutation_test(group_gains(first, second, group)) < 0.05)
        stated.append(mcnemar_power(worth, counts.disagreement, 0.03, 0.05))
    assert 0.2 < np.mean(found) < 0.9
    assert np.mean(stated) == pytest.approx(np.mean(found), abs=room)


def test_power_is_that_of_the_binomial() -> None:
    # All 6 pictures of 6 must differ, all in one direction: 2 / 2**6 is the first p below 0.05.
    assert mcnemar_power(6, 1.0, 1.0, 0.05) == pytest.approx(1)
    assert mcnemar_power(6, 1.0, 0.0, 0.05) == pytest.approx(2 / 2**6)
    assert mcnemar_power(5, 1.0, 1.0, 0.05) == 0
    assert mcnemar_power(0, 0.1, 0.03, 0.05) == 0
    assert mcnemar_power(400, 0.0, 0.03, 0.05) == pytest.approx(
        float(scipy.stats.binom.sf(5, 400, 0.03)), abs=1e-6
    )


def test_power_grows_with_pictures_and_falls_with_comparisons() -> None:
    powers = [mcnemar_power(n, 0.05, 0.03, 0.05) for n in (50, 200, 800, 3200)]
    assert powers == sorted(powers)
    assert mcnemar_power(800, 0.05, 0.03, 0.05 / 6) < powers[2]


def test_whole_groups_are_worth_one_picture_each() -> None:
    group = np.repeat(np.arange(20), 10)
    first = np.ones(200, bool)
    second = np.repeat(np.arange(20) % 4 > 0, 10)
    assert design_effect(first, second, group) == pytest.approx(10)
    assert design_effect(first, first, group) == pytest.approx(10), "nothing is known"
    assert design_effect(first, np.arange(200) % 10 > 0, group) == 1


def test_holm_is_as_published() -> None:
    # Holm 1979: each p times the number of those not yet decided, and never less than one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.7]) == [0.7]
    assert holm([0.9, 0.8]) == [1, 1]


@pytest.mark.parametrize(("groups", "frames", "likeness"), [(300, 1, 0.0), (40, 10, 0.5)])
def test_intervals_hold_the_true_difference(groups: int, frames: int, likeness: float) -> None:
    held = by_picture = 0
    for first, second, group in simulated(groups, frames, (0.1, 0.07), likeness, 60, 3):
        found = share_difference(first, second, group)
        low, high = some(found.ci95_grouped)
        held += low <= 0.03 <= high
        by_picture += some(found.ci95)[0] <= 0.03 <= some(found.ci95)[1]
    assert held >= 54
    assert (by_picture >= 54) == (frames == 1)


def test_no_difference_is_no_certainty() -> None:
    same = np.ones(40, bool)
    found = share_difference(same, same, np.arange(40) // 10)
    low, high = some(found.ci95)
    assert found.value == 0
    assert low == -high < -0.05
    assert some(found.ci95_grouped)[1] > 0.4, "four groups say little"


def test_without_groups_there_is_no_interval_by_group() -> None:
    right = np.arange(40) % 3 > 0
    assert share_difference(right, ~right, None).ci95_grouped is None
    assert mean_difference(right, ~right, None).ci95_grouped is None


def test_nothing_has_no_difference() -> None:
    assert share_difference([], [], None).value is None
    assert mean_difference([], [], None).ci95 is None
    assert auroc_difference(([1.0], []), ([1.0], [])).value is None


def test_an_interval_of_a_difference_is_pythagoras() -> None:
    interval = interval_of_difference(0.5, 0.6, (0.2, 0.7), (0.2, 0.8))
    assert interval == pytest.approx((0.1 - np.hypot(0.4, 0.2), 0.1 + np.hypot(0.2, 0.3)))
    together = interval_of_difference(0.5, 0.6, (0.2, 0.7), (0.2, 0.8), correlation=1)
    assert together == pytest.approx((0.1 - 0.2, 0.1 + 0.1))


def test_a_mean_difference_by_group_is_wider_where_groups_are_alike() -> None:
    rng = np.random.default_rng(0)
    by_group = np.repeat(rng.normal(0.2, 1, 30), 20)
    found = mean_difference(np.zeros(600), by_group, np.repeat(np.arange(30), 20))
    narrow, wide = some(found.ci95), some(found.ci95_grouped)
    assert wide[1] - wide[0] > 3 * (narrow[1] - narrow[0])
    assert found.value == pytest.approx(by_group.mean())


def test_a_bootstrap_in_pieces_is_a_bootstrap(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).normal(size=50)
    monkeypatch.setattr("signwise.metrics.paired.DRAWS_AT_ONCE", 1000)
    low, high = bootstrap_interval(values, np.arange(50))
    spread = 1.96 * values.std() / np.sqrt(50)
    assert (low, high) == pytest.approx((values.mean() - spread, values.mean() + spread), abs=0.03)


def test_areas_of_alike_scores_are_compared_closely() -> None:
    rng = np.random.default_rng(0)
    positive, negative = rng.normal(1.5, 1, 400), rng.normal(0, 1, 300)
    noise = [rng.normal(0, 0.1, len(scores)) for scores in (positive, negative)]
    alike = auroc_difference((positive, negative), (positive + noise[0], negative + noise[1]))
    apart = auroc_difference((positive, negative), (rng.normal(1.5, 1, 400), rng.normal(0, 1, 300)))
    narrow, wide = some(alike.ci95), some(apart.ci95)
    assert narrow[1] - narrow[0] < 0.4 * (wide[1] - wide[0])
    # DeLong's variance, as pairs of placements have it, is about what Newcombe's intervals give.
    assert wide[0] < 0 < wide[1]


def test_perfect_areas_are_no_certainty() -> None:
    found = auroc_difference(([0.9] * 30, [0.1] * 20), ([0.8] * 30, [0.2] * 20))
    low, high = some(found.ci95)
    assert found.value == 0
    assert low == pytest.approx(-high)
    assert high > 0.05
