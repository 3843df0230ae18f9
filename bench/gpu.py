"""What a GPU makes of training: pictures a second, the share of its matrix peak, time to the goal.

    python bench/gpu.py DATA [--goal 0.995] [--max-epochs 30] [--seeds 3] [--device cuda]

DATA is what `signwise prepare` wrote of GTSRB's 43 classes. `signwise.train` runs from scratch and
from the weights `signs` until its validation accuracy reaches the goal; time starts with the call,
so that stage one counts, whose features are deleted first. Pictures a second are those of the
classes, in a whole epoch with its negatives and its validation. The peak is that of the card's own
bfloat16 product of two large matrices; a step is taken for thrice the arithmetic of a forward pass.
The last line is one JSON document.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

import record
import signwise
from signwise.config import TrainConfig
from signwise.config.train import SIGNS_SIZE
from signwise.data.manifest import load_data
from signwise.results import Epoch
from signwise.training.network import build_model

WEIGHTS = ("none", "signs")
MATRIX_SIDE = {"cuda": 8192, "cpu": 512}
ROUNDS = 20


@dataclass(frozen=True, kw_only=True)
class GoalRow:
    """One run up to the goal."""

    weights: str
    seed: int
    seconds: float | None
    """To the goal; None where it was not reached."""
    epochs: int
    epoch_seconds: float | None
    """Median of all but the first of fine-tuning, in which kernels are chosen."""
    image_size: int
    trained: float
    """Pictures that the network is trained on in an epoch, negatives too."""


class Reached(Exception):
    """The goal is reached: the run may end."""


def matrix_peak(device: torch.device) -> float:
    """Floating-point operations a second of a product of two large bfloat16 matrices."""
    side = MATRIX_SIDE[device.type]
    left, right = (torch.randn(side, side, device=device).bfloat16() for _ in range(2))
    wait: Callable[[], None] = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    for _ in range(3):
        left @ right
    wait()
    start = time.perf_counter()
    for _ in range(ROUNDS):
        left @ right
    wait()
    return 2 * side**3 * ROUNDS / (time.perf_counter() - start)


def forward_operations(outputs: int, size: int) -> float:
    """Floating-point operations of one picture's way through the network."""
    network = build_model("resnet18", outputs, size, "none").eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 3, size, size))
    return float(counter.get_total_flops())


def to_goal(data: Path, weights: str, seed: int, options: argparse.Namespace) -> GoalRow:
    """Train until the goal is reached."""
    for kept in data.glob("features-*.npz"):  # stage one counts
        kept.unlink()
    rows: list[Epoch] = []
    seconds: float | None = None
    start = time.perf_counter()

    def note(epoch: Epoch) -> None:
        rows.append(epoch)
        if epoch.val_accuracy >= options.goal:
            raise Reached

    asked = TrainConfig(
        weights=weights, seed=seed, device=options.device, epochs=options.max_epochs
    )
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        try:
            signwise.train(data, run, asked, on_epoch=note)
        except Reached:
            seconds = time.perf_counter() - start
    later = [row.seconds for row in rows if row.epoch > 1]
    parts = asked.negatives
    each = 1 + parts.rendered + parts.destroyed + parts.swapped
    return GoalRow(
        weights=weights,
        seed=seed,
        seconds=seconds,
        epochs=rows[-1].epoch,
        epoch_seconds=statistics.median(later) if later else None,
        image_size=load_data(data).image_size if weights == "none" else SIGNS_SIZE,
        trained=each * int((load_data(data).table["split"] == "train").sum()),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the card, then run to the goal from both weights."""
    parser = record.arguments(__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--goal", type=float, default=0.995)
    parser.add_argument("--max-epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    options = parser.parse_args(arguments)
    device = torch.device(options.device)
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    data = load_data(options.data)
    pictures = int((data.table["split"] == "train").sum())
    peak = matrix_peak(device)
    figures = [record.figure("matrix peak, bfloat16", peak / 1e12, "TFLOP/s")]
    rows: list[GoalRow] = []
    for weights in WEIGHTS:
        own = [to_goal(options.data, weights, seed, options) for seed in range(options.seeds)]
        rows += own
        name = "from scratch" if weights == "none" else f"from {weights}"
        times = [row.seconds for row in own if row.seconds is not None]
        reached = f"runs that reach {100 * options.goal:g} % {name}"
        figures.append(record.figure(reached, len(times), of=len(own)))
        if times:
            what = f"{name} to {100 * options.goal:g} % on validation"
            figures.append(record.figure(what, statistics.median(times), "s", spread=times))
        epochs = [row.epoch_seconds for row in own if row.epoch_seconds is not None]
        if epochs:
            second = statistics.median(epochs)
            operations = 3 * forward_operations(len(data.classes) + 1, own[0].image_size)
            share = operations * own[0].trained / second / peak
            what = f"an epoch {name}, {own[0].image_size} pixels"
            figures.append(record.figure(what, pictures / second, "pictures a second"))
            figures.append(record.figure(f"{what}: share of the matrix peak", share))
    record.finish(
        "gpu",
        options,
        how=f"bench/gpu.py DATA --seeds {options.seeds}",
        n=pictures,
        counted=f"pictures to train on, medians of {options.seeds} seeds",
        figures=figures,
        rows=rows,
        gpu=card,
    )


if __name__ == "__main__":
    main()
