"""The `signs` backbone: torchvision's ResNet-18 for GTSRB's 43 classes, taught by the teacher.

    python recipes/signs.py PHOTOS --work WORK --out OUT [--sets train val] [--epochs 60]

Run recipes/teacher.py with the same PHOTOS, WORK and sets before. Writes OUT/network.safetensors
in float32; recipes/ship.py turns it into the files that ship.
"""

import time
from pathlib import Path

import numpy as np
import torch
from common import Teacher, all_logits, fit, load_pictures, say, seconds_since
from teacher import CLASSES, best_device, gtsrb_data, load_teacher, recipe_arguments
from torch import nn

from signwise import metrics
from signwise.config import TrainConfig
from signwise.training.checkpoint import save_tensors
from signwise.training.model import build_model, set_stem


def main() -> None:
    """Train the student and keep it."""
    parser = recipe_arguments(str(__doc__).splitlines()[0], epochs=60)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("--no-pool", dest="pool", action="store_false")
    arguments = parser.parse_args()
    start, device = time.perf_counter(), best_device()
    photos, negatives = load_pictures(arguments.photos, 64, arguments.work)
    data = gtsrb_data(photos, negatives, arguments.sets, device)
    teacher = load_teacher(arguments.work, arguments.sets, device)
    config = TrainConfig(epochs=arguments.epochs, batch_size=768, learning_rate=0.15)
    torch.manual_seed(config.seed)
    network = build_model("resnet18", CLASSES, arguments.size, "none")
    set_stem(network, arguments.stride, arguments.pool)
    name = f"{arguments.size}-{arguments.stride}-{'pool' if arguments.pool else 'none'}"
    strangers = negatives[:: max(1, len(negatives) // 2000)]

    def report(epoch: int, network: nn.Module) -> None:
        logits = all_logits(network, data.pixels, data.val_rows, arguments.size)
        wrong = int((logits.argmax(1) != photos.labels[data.val_rows]).sum())
        other = all_logits(network, strangers, np.arange(len(strangers)), arguments.size)
        auroc = metrics.auroc(logits.max(1), other.max(1))["value"]
        facts = {"wrong": wrong, "of": len(data.val_rows), "auroc_rendered": auroc}
        say(signs=name, epoch=epoch, seconds=seconds_since(start), **facts)

    taught = Teacher(network=teacher, columns=list(range(CLASSES)))
    best = fit(network, data, config, device, report, size=arguments.size, teacher=taught)
    stem = {"size": arguments.size, "stride": arguments.stride, "pool": arguments.pool}
    facts = {"sets": arguments.sets, "epochs": config.epochs, "seconds": seconds_since(start)}
    save_tensors(arguments.out / "network.safetensors", best.state_dict(), stem | facts)


if __name__ == "__main__":
    main()
