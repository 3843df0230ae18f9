"""How a model holds up under the 15 common corruptions."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from signwise.evaluation.corruptions import CORRUPTIONS, SEVERITIES, corrupt
from signwise.inference.predictor import Predictor
from signwise.metrics.rates import grouped_bootstrap, rate, wilson_interval
from signwise.metrics.selective import accepted
from signwise.progress import track
from signwise.results import CorruptionCell, CorruptionFigures, Rate

CHUNK = 512
"""Pictures of 32 pixels corrupted at once, to bound memory; of larger ones, as many as fill it."""

OVERLAPS = {
    "gaussian_noise": "noise",
    "shot_noise": "noise",
    "impulse_noise": "noise",
    "defocus_blur": "blur",
    "glass_blur": "blur",
    "motion_blur": "blur",
    "zoom_blur": "blur",
    "fog": "haze",
    "brightness": "light",
    "contrast": "light",
    "pixelate": "low resolution",
    "elastic_transform": "small rotations, shears and shifts",
    "jpeg_compression": "JPEG compression",
}
"""Corruptions of a kind that training shows as well, by other functions: its augmentation or, as
JPEG compression, its rendered photos."""


def measure_corruptions(
    predictor: Predictor,
    labels: NDArray[np.int64],
    pixels: NDArray[np.uint8],
    groups: Sequence[str] | None,
    seed: int,
) -> CorruptionFigures:
    """Accuracy for each corruption and severity, and the mean over all cells.

    labels (N,), pixels (N, S, S, 3), groups (N,) where they are known. The 75 versions of a picture
    are no independent trials: the mean's interval is Wilson's with the number of pictures as n, and
    by group that of the pictures' own means.
    """
    n = len(labels)
    chunk = max(1, CHUNK * 32**2 // max(predictor.image_size, 32) ** 2)
    cells: dict[str, dict[int, CorruptionCell]] = {}
    hits = np.zeros(n, np.int64)
    with track("Corruptions", len(CORRUPTIONS) * len(SEVERITIES)) as advance:
        for name in CORRUPTIONS:
            cells[name] = {}
            for severity in SEVERITIES:
                correct = answered = 0
                for start in range(0, n, chunk):
                    part = slice(start, start + chunk)
                    corrupted = corrupt(pixels[part], name, severity, seed + start)
                    probabilities, known = predictor.scores(corrupted)
                    right = probabilities.argmax(axis=1) == labels[part]
                    hits[part] += right
                    correct += int(right.sum())
                    answered += int(accepted(known, predictor.threshold).sum())
                cells[name][severity] = CorruptionCell(
                    accuracy=rate(correct, n), correct=correct, rejected=n - answered
                )
                advance(1)
    every = [cell for row in cells.values() for cell in row.values()]
    mean = float(np.mean([cell.correct / n for cell in every]))
    rejected = float(np.mean([cell.rejected for cell in every])) / n
    grouped = None if groups is None else grouped_bootstrap(hits / len(every), groups, seed=seed)
    return CorruptionFigures(
        n=n,
        mean_accuracy=Rate(
            value=mean, n=n, ci95=wilson_interval(mean * n, n), ci95_grouped=grouped
        ),
        mean_rejected=Rate(value=rejected, n=n, ci95=wilson_interval(rejected * n, n)),
        seed=seed,
        overlaps_with_training=OVERLAPS,
        cells=cells,
    )
