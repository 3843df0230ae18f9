"""The network that teaches the two that ship: ResNet-34 at 64 pixels, 43 classes against the rest.

    python recipes/teacher.py PHOTOS --work WORK [--sets train val] [--epochs 40]

PHOTOS holds GTSRB's training folders 00000 to 00042. Writes WORK/teacher-<sets>.safetensors, which
does not ship.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from common import Photos, Pixels, all_logits, fit, load_pictures, say, seconds_since
from torch import nn

from signwise.config import TrainConfig
from signwise.training.checkpoint import load_tensors, save_tensors
from signwise.training.loop import TrainingData
from signwise.training.model import build_model, set_stem

SIZE = 64
CLASSES = 43


def gtsrb_data(
    photos: Photos, negatives: Pixels, sets: list[str], device: torch.device
) -> TrainingData:
    """The 43 classes on the device: these sets and the rendered pictures to train on."""
    return TrainingData(
        pixels=torch.from_numpy(photos.pixels).to(device),
        labels=photos.labels,
        train_rows=photos.rows(*sets, "rendered"),
        val_rows=photos.rows("val"),
        negatives=torch.from_numpy(negatives).to(device),
        class_weights=np.ones(CLASSES, np.float32),
    )


def empty_teacher() -> nn.Module:
    """ResNet-34 whose stem halves once, so that 64 pixels enter the first stage as 32 x 32."""
    network = build_model("resnet34", CLASSES, SIZE, "none")
    set_stem(network, stride=2, pool=False)
    return network


def teacher_file(work: Path, sets: list[str]) -> Path:
    """Where the teacher trained on these sets is kept."""
    return work / f"teacher-{'-'.join(sets)}.safetensors"


def load_teacher(work: Path, sets: list[str], device: torch.device) -> nn.Module:
    """The trained teacher, ready to be asked."""
    network = empty_teacher()
    network.load_state_dict(load_tensors(teacher_file(work, sets))[0])
    return network.to(device).to(memory_format=torch.channels_last).eval()


def recipe_arguments(text: str, epochs: int) -> argparse.ArgumentParser:
    """What every recipe takes."""
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("photos", type=Path, help="folder with 00000 to 00042")
    parser.add_argument("--work", type=Path, required=True, help="folder for what lies between")
    parser.add_argument("--sets", nargs="+", default=["train", "val"], choices=["train", "val"])
    parser.add_argument("--epochs", type=int, default=epochs)
    return parser


def best_device() -> torch.device:
    """A GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def main() -> None:
    """Train and keep the teacher."""
    arguments = recipe_arguments(str(__doc__).splitlines()[0], epochs=40).parse_args()
    start, device = time.perf_counter(), best_device()
    photos, negatives = load_pictures(arguments.photos, SIZE, arguments.work)
    say(pictures=len(photos.labels), negatives=len(negatives), seconds=seconds_since(start))
    data = gtsrb_data(photos, negatives, arguments.sets, device)
    config = TrainConfig(epochs=arguments.epochs, batch_size=768, learning_rate=0.15)
    torch.manual_seed(config.seed)

    def report(epoch: int, network: nn.Module) -> None:
        logits = all_logits(network, data.pixels, data.val_rows, SIZE)
        wrong = int((logits.argmax(1) != photos.labels[data.val_rows]).sum())
        say(teacher=epoch, wrong=wrong, of=len(data.val_rows), seconds=seconds_since(start))

    network = fit(empty_teacher(), data, config, device, report, size=SIZE)
    file = teacher_file(arguments.work, arguments.sets)
    save_tensors(file, network.state_dict(), {"sets": arguments.sets})


if __name__ == "__main__":
    main()
