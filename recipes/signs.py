"""The `signs` backbone: torchvision's ResNet-18 at 64 pixels, for GTSRB's 43 classes and unknown.

    python recipes/signs.py PHOTOS --work WORK --out OUT [--sets train val] [--epochs 70]

PHOTOS holds GTSRB's training folders 00000 to 00042. Writes OUT/network.safetensors in float32;
recipes/ship.py turns it into the files that ship. With `--sets train` the figures on validation are
those of tracks that it has not seen: so the recipe was chosen.
"""

import time

import numpy as np
import torch
from common import (
    all_logits,
    best_device,
    fit,
    gtsrb_data,
    load_pictures,
    recipe_arguments,
    say,
    seconds_since,
)
from torch import nn

from signwise.metrics import detection
from signwise.config import TrainConfig
from signwise.training.checkpoint import save_tensors
from signwise.training.network import build_model

SIZE = 64
CLASSES = 43


def main() -> None:
    """Train the network and keep it."""
    arguments = recipe_arguments(__doc__, epochs=70).parse_args()
    start, device = time.perf_counter(), best_device()
    photos, negatives = load_pictures(arguments.photos, SIZE, arguments.work)
    say(pictures=len(photos.labels), negatives=len(negatives), seconds=seconds_since(start))
    data = gtsrb_data(photos, negatives, arguments.sets, device)
    config = TrainConfig(epochs=arguments.epochs, batch_size=768, learning_rate=0.15)
    torch.manual_seed(config.seed)
    strangers = negatives[:: max(1, len(negatives) // 2000)]

    def report(epoch: int, network: nn.Module) -> None:
        logits = all_logits(network, data.pixels, data.val_rows, SIZE)[:, :CLASSES]
        wrong = int((logits.argmax(1) != photos.labels[data.val_rows]).sum())
        other = all_logits(network, strangers, np.arange(len(strangers)), SIZE)[:, :CLASSES]
        auroc = detection.auroc(logits.max(1), other.max(1))["value"]
        facts = {"wrong": wrong, "of": len(data.val_rows), "auroc_rendered": auroc}
        say(signs=epoch, seconds=seconds_since(start), **facts)

    network = build_model("resnet18", CLASSES + 1, SIZE, "none")
    best = fit(network, data, config, device, report, size=SIZE)
    facts = {"size": SIZE, "sets": arguments.sets, "epochs": config.epochs}
    facts |= {"seconds": seconds_since(start), "device": device.type}
    save_tensors(arguments.out / "network.safetensors", best.state_dict(), facts)


if __name__ == "__main__":
    main()
