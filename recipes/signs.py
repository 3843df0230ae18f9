"""The `signs` backbone: torchvision's ResNet-18 at 64 pixels, for GTSRB's 43 classes and unknown.

    python recipes/signs.py PHOTOS --work WORK --out OUT [--sets train val] [--epochs 70]

PHOTOS holds GTSRB's training folders 00000 to 00042. Writes OUT/network.safetensors in float32;
recipes/ship.py turns it into the files that ship. With `--sets train` the figures on validation are
those of tracks that it has not seen: so the recipe was chosen.
"""

import time
from collections.abc import Sequence

import torch
from torch import nn

from common import (
    NetworkFacts,
    best_device,
    figures,
    fit,
    recipe_arguments,
    recipe_config,
    say,
    seconds_since,
)
from photos import CLASSES, Counts, load_pictures, training_data
from signwise.config import SIGNS_SIZE as SIZE
from signwise.results import Epoch
from signwise.training.checkpoint import save_tensors
from signwise.training.network import build_model
from signwise.training.pools import to_device


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the network and keep it."""
    options = recipe_arguments(__doc__, epochs=70).parse_args(arguments)
    start, device = time.perf_counter(), best_device()
    pictures = load_pictures(options.photos, SIZE, options.work, Counts.of(options))
    labels = pictures.photos.labels
    data = to_device(training_data(pictures, labels, CLASSES, options.sets), device)
    config = recipe_config(options.epochs, SIZE)
    torch.manual_seed(config.seed)

    def report(epoch: Epoch, network: nn.Module) -> None:
        say("signs", epoch, figures(network, data, device))

    network = build_model("resnet18", CLASSES + 1, SIZE, "none")
    best = fit(network, data, config, device, report)
    facts = NetworkFacts(
        size=SIZE,
        sets=tuple(options.sets),
        epochs=config.epochs,
        seconds=seconds_since(start),
        device=device.type,
    )
    save_tensors(options.out / "network.safetensors", best.state_dict(), facts)
    say("written", facts)


if __name__ == "__main__":
    main()
