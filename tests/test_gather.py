"""What the loop reads besides the user's pictures: rendered ones with labels, and strangers."""

import numpy as np

from signwise.training.gather import add_strangers, rendered

CLASSES = ("vorrang", "halt")


def test_own_signs_are_rendered_where_the_backbone_is_sure() -> None:
    seen = {0: {"priority": 0.9, "yield": 0.2}, 1: {"stop": 0.4}}
    pixels, labels = rendered(CLASSES, seen, 10, 8, seed=0)
    counts = np.bincount(labels, minlength=3)
    assert pixels.shape == (len(labels), 8, 8, 3)
    assert counts[2] == 1000
    assert counts[0] == 250
    assert counts[1] == 0  # seen in less than half: no negative, and no positive either


def test_without_a_sign_that_it_knows_all_are_negatives() -> None:
    pixels, labels = rendered(("cats", "dogs"), {0: {}, 1: {}}, 1200, 8, seed=0)
    assert np.array_equal(np.bincount(labels), [0, 0, 1200])
    assert len(pixels) == 1200


def test_rendered_pictures_and_strangers_are_as_many() -> None:
    extra, labels = np.zeros((30, 4, 4, 3), np.uint8), np.arange(30) % 2
    for count in (1, 7, 100):
        strangers = np.full((count, 4, 4, 3), 9, np.uint8)
        pixels, codes = add_strangers(extra, labels, strangers, unknown=2)
        assert (codes == 2).sum() == (codes < 2).sum() == max(30, count)
        assert (pixels[codes == 2] == 9).all()
        assert (pixels[codes < 2] == 0).all()
