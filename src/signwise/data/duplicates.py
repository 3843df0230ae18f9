"""Near duplicates among many pictures, in time and memory that grow with their number alone."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

ROTATIONS = 8
NEIGHBOURS = 8
MAX_BITS = 8
MIN_CORRELATION = 0.98
BLOCK = 4096
HASH = "S64"
"""A SHA-256 in hexadecimal, as NumPy sorts it: four times smaller than as its text."""
_BIT_COUNTS = np.array([value.bit_count() for value in range(256)], np.uint8)


def near_pairs(
    fingerprints: NDArray[np.uint64],
    signatures: NDArray[np.uint8],
    order: NDArray[np.intp] | None = None,
) -> NDArray[np.intp]:
    """Pairs (P, 2) of near duplicates among fingerprints (N,) and signatures (N, 256).

    `order` (M,) are the rows that are compared, in the order that decides between equals and that
    the pairs come in; all, as they are, unless given.

    Fingerprints are sorted eight times, each time with other bits in front, and every picture is
    compared with the next eight: P is at most 64 N. Pairs correlate at 0.98 or more: of all pairs
    of GTSRB's 2,880 priority and stop signs 315 do, each of them within one track. The
    sorted-neighbourhood method: Hernandez and Stolfo, SIGMOD 1995.
    """
    if order is None:
        order = np.arange(len(fingerprints))
    count = np.int64(max(1, len(order)))
    known = np.empty(0, np.int64)  # i N + j: many pairs come up again in other orders
    for candidates in _neighbours(fingerprints[order]):
        keys = np.setdiff1d(candidates, known)
        found = [known]
        for start in range(0, len(keys), BLOCK):
            block = keys[start : start + BLOCK]
            one, two = (order[place] for place in np.divmod(block, count))
            near = _correlation(signatures[one], signatures[two]) >= MIN_CORRELATION
            found.append(block[near])
        known = np.sort(np.concatenate(found))
    pairs: NDArray[np.intp] = order[np.stack(np.divmod(known, count), axis=1)]
    return pairs


def first_rivals(hashes: Sequence[str], labels: Sequence[str]) -> list[int | None]:
    """For each picture the first one of the same bytes (N,) under another label (N,), if any."""
    first: dict[str, int] = {}
    second: dict[str, int] = {}
    for index, content in enumerate(hashes):
        if labels[index] != labels[first.setdefault(content, index)]:
            second.setdefault(content, index)
    return [
        second.get(content) if label == labels[first[content]] else first[content]
        for content, label in zip(hashes, labels, strict=True)
    ]


def leaders(count: int, pairs: NDArray[np.intp]) -> NDArray[np.intp]:
    """For each of `count` pictures the one whose group it joins, itself if none.

    In order, a picture in no group yet leads one and takes its free near duplicates in. So each
    member is a near duplicate of its leader, and groups never grow in chains.
    """
    leader = np.arange(count)
    taken = np.zeros(count, bool)
    both = np.concatenate([pairs, pairs[:, ::-1]])
    both = both[np.lexsort((both[:, 1], both[:, 0]))]
    starts = np.searchsorted(both[:, 0], np.arange(count + 1))
    for index in np.unique(pairs):
        if taken[index]:
            continue
        taken[index] = True
        partners = both[starts[index] : starts[index + 1], 1]
        free = partners[~taken[partners]]
        taken[free] = True
        leader[free] = index
    return leader


def _neighbours(fingerprints: NDArray[np.uint64]) -> Iterator[NDArray[np.int64]]:
    """For each order i N + j of the pictures that are beside each other in it, i < j."""
    for rotation in range(ROTATIONS):
        shift = np.uint64(rotation * 64 // ROTATIONS)
        rotated = fingerprints
        if rotation:
            rotated = (fingerprints << shift) | (fingerprints >> (np.uint64(64) - shift))
        order = np.argsort(rotated, kind="stable")
        found = [np.empty(0, np.int64)]
        for step in range(1, min(NEIGHBOURS, len(order) - 1) + 1):
            first, second = order[:-step], order[step:]
            near = _bits(fingerprints[first] ^ fingerprints[second]) <= MAX_BITS
            first, second = first[near], second[near]
            found.append(np.minimum(first, second) * len(order) + np.maximum(first, second))
        yield np.concatenate(found)


def _bits(values: NDArray[np.uint64]) -> NDArray[np.uint8]:
    counts: NDArray[np.uint8] = _BIT_COUNTS[values.view(np.uint8)].reshape(-1, 8).sum(1, np.uint8)
    return counts


def _correlation(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Pearson's correlation, row by row; 0 for a picture that is all but flat."""
    a, b = first.astype(np.float32), second.astype(np.float32)
    a -= a.mean(axis=1, keepdims=True)
    b -= b.mean(axis=1, keepdims=True)
    a_norm, b_norm = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    flat = np.minimum(a_norm, b_norm) < 2 * np.sqrt(first.shape[1])
    correlation: NDArray[np.float32] = np.einsum("ij,ij->i", a, b)
    correlation /= np.maximum(a_norm * b_norm, 1)
    correlation[flat] = 0
    return correlation
