"""The three sets of GTSRB's tracks, fixed once: train 3/5, validation 1/5, held out 1/5.

A track is one physical sign, photographed about 30 times; a class is its GTSRB number. Recipes are
chosen on validation, the shipped file is trained on train and validation, and held out is read
once a shipped model.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable

SETS = ("train", "val", "train", "held_out", "train")


def track_sets(tracks: Iterable[tuple[int, int]]) -> dict[tuple[int, int], str]:
    """The set of every (class, track): each class's tracks in order of their hash, dealt in turn.

    Dealt within the class, so that a class of few tracks is in all three sets.
    """
    by_class = defaultdict(list)
    for gtsrb_class, track in sorted(set(tracks)):
        digest = hashlib.sha256(f"{gtsrb_class:05d}/{track:05d}".encode()).hexdigest()
        by_class[gtsrb_class].append((digest, track))
    return {
        (gtsrb_class, track): SETS[place % len(SETS)]
        for gtsrb_class, members in by_class.items()
        for place, (_, track) in enumerate(sorted(members))
    }
