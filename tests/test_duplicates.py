"""Near duplicates among many pictures, and the groups that they make."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from signwise.data import duplicates
from signwise.data.duplicates import leaders, near_pairs

Fingerprints = NDArray[np.uint64]
Signatures = NDArray[np.uint8]


def noise(count: int, seed: int = 0) -> tuple[Fingerprints, Signatures]:
    """Pictures that resemble no other."""
    random = np.random.default_rng(seed)
    signatures = random.integers(0, 256, (count, 256)).astype(np.uint8)
    return random.integers(0, 2**64, count, dtype=np.uint64), signatures


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_planted_near_duplicates_are_found_among_many(seed: int) -> None:
    fingerprints, signatures = noise(400, seed)
    one, two = 17, 311
    signatures[two] = signatures[one] // 2 + 20
    fingerprints[two] = fingerprints[one] ^ np.uint64(0b1001)
    np.testing.assert_array_equal(near_pairs(fingerprints, signatures), [[one, two]])


@pytest.mark.parametrize("count", [0, 1])
def test_alone_there_is_no_pair(count: int) -> None:
    assert near_pairs(*noise(count)).shape == (0, 2)


@pytest.mark.parametrize("bit", range(64))
def test_a_flipped_bit_anywhere_hides_no_duplicate(bit: int) -> None:
    """Sorted once, by all the bits, a difference in the first would part the two."""
    fingerprints, signatures = noise(100, bit)
    signatures[90] = signatures[3]
    fingerprints[90] = fingerprints[3] ^ (np.uint64(1) << np.uint64(bit))
    np.testing.assert_array_equal(near_pairs(fingerprints, signatures), [[3, 90]])


def test_sorting_goes_on_with_the_first_bits_after_the_last() -> None:
    """Many share the first byte with the two, and many the last, but nobody both."""
    random = np.random.default_rng(0)
    fingerprints = random.integers(0, 2**64, 200, dtype=np.uint64)
    first, last = np.uint64(0xAB << 56), np.uint64(0xCD)
    fingerprints[:100] = (fingerprints[:100] & np.uint64(2**56 - 1)) | first
    fingerprints[100:] = (fingerprints[100:] & ~np.uint64(0xFF)) | last
    signatures = noise(200)[1]
    one, two = 10, 190
    fingerprints[one] = first | last
    # They differ in the first bit of each byte between.
    fingerprints[two] = fingerprints[one] | np.uint64(0x0080808080808000)
    signatures[two] = signatures[one]
    np.testing.assert_array_equal(near_pairs(fingerprints, signatures), [[one, two]])


@pytest.mark.parametrize(("bits", "found"), [(8, True), (9, False)])
def test_fingerprints_may_differ_by_a_few_bits(bits: int, found: bool) -> None:
    signatures = np.repeat(noise(1)[1], 2, axis=0)
    fingerprints = np.array([0, sum(2 ** (7 * bit) for bit in range(bits))], np.uint64)
    assert len(near_pairs(fingerprints, signatures)) == found


@pytest.mark.parametrize(("correlation", "found"), [(0.985, True), (0.975, False)])
def test_signatures_must_correlate(correlation: float, found: bool) -> None:
    random = np.random.default_rng(0)
    one, other = random.normal(0, 1, (2, 256))
    one = (one - one.mean()) / one.std()
    other -= other.mean() + one * (one @ other) / 256
    two = correlation * one + np.sqrt(1 - correlation**2) * other / other.std()
    # Neither a brighter picture nor one of more contrast is another picture.
    signatures = np.stack([100 + 25 * one, 140 + 30 * two]).round().astype(np.uint8)
    measured = np.corrcoef(signatures[0], signatures[1])[0, 1]
    assert measured == pytest.approx(correlation, abs=0.001)
    assert len(near_pairs(np.zeros(2, np.uint64), signatures)) == found


@pytest.mark.parametrize(("deviation", "found"), [(2.5, True), (1.5, False), (0.0, False)])
def test_flat_pictures_resemble_nothing(deviation: float, found: bool) -> None:
    pattern = np.where(np.random.default_rng(0).permutation(256) < 128, -1, 1)
    grey = (100 + 2 * deviation * np.maximum(pattern, 0)).astype(np.uint8)
    vivid = (100 + 50 * pattern).astype(np.uint8)
    assert len(near_pairs(np.zeros(2, np.uint64), np.stack([grey, vivid]))) == found


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    fingerprints, signatures = noise(30)
    signatures[10:] = signatures[0]
    fingerprints[10:] = fingerprints[0]
    whole = near_pairs(fingerprints, signatures)
    monkeypatch.setattr(duplicates, "BLOCK", 3)
    np.testing.assert_array_equal(near_pairs(fingerprints, signatures), whole)


def test_of_many_that_are_the_same_each_is_compared_with_the_next_eight() -> None:
    pairs = near_pairs(np.zeros(40, np.uint64), np.repeat(noise(1)[1], 40, axis=0))
    expected = [(i, j) for i in range(40) for j in range(i + 1, min(40, i + 9))]
    assert [(int(i), int(j)) for i, j in pairs] == expected


def test_near_duplicates_never_chain() -> None:
    chain = np.stack([np.arange(9), np.arange(1, 10)], axis=1)
    assert leaders(10, chain).tolist() == [0, 0, 2, 2, 4, 4, 6, 6, 8, 8]


def test_nobody_leads_without_pairs() -> None:
    assert leaders(3, np.empty((0, 2), np.intp)).tolist() == [0, 1, 2]


@given(st.integers(1, 20), st.data())
@settings(deadline=None)
def test_each_goes_to_its_first_near_duplicate_that_leads(count: int, data: st.DataObject) -> None:
    index = st.integers(0, count - 1)
    edge = st.tuples(index, index).filter(lambda pair: pair[0] != pair[1])
    pairs = data.draw(st.lists(edge, max_size=60))
    near: dict[int, set[int]] = {number: set() for number in range(count)}
    for one, two in pairs:
        near[one].add(two)
        near[two].add(one)
    leader = leaders(count, np.array(pairs, np.intp).reshape(-1, 2)).tolist()
    heads = {number for number in range(count) if leader[number] == number}
    for number in range(count):
        if number in heads:
            assert not near[number] & heads, "two that lead are no near duplicates"
        else:
            assert leader[number] == min(near[number] & heads)
