"""What bench/transfer.py holds signwise against: each method is one whole command.

    python bench/transfer_peers.py METHOD PHOTOS --weights FILE --model mobilenet_v2 --size 128
        --out CSV

PHOTOS holds train/, val/ and test/, each with a folder a class. The method trains on the first,
chooses on the second where it chooses, and writes its probabilities of the third: a row a picture.
It runs in an environment of its own (bench/peers.txt) and knows nothing of signwise.
"""

import argparse
import csv
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision import models, transforms
from torchvision.datasets import ImageFolder

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
WORKERS = 2
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
"""As the tutorial and fastai choose it."""
TUTORIAL_EPOCHS = 8
"""Of the tutorial's 25; its rate falls to a tenth after 7."""
TUTORIAL_BATCH = 16
"""Of the tutorial's 4, which leave batch norms too little."""
FASTAI_EPOCHS = 4
"""After the one with a frozen body that fine_tune begins with."""
FASTAI_BATCH = 32
PENALTIES = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001)
"""Values of C that the logistic regression chooses from."""

Probabilities = NDArray[np.floating]
"""(N, K), the test pictures in the order of their paths, the classes in that of their names."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What to train on, and from what."""

    photos: Path
    model: str
    """A torchvision architecture."""
    weights: Path
    """Its state dict; a head in it is left out."""
    size: int
    """Side of the pictures in pixels."""
    scenes: bool
    """The thing is somewhere in its photo, and may be mirrored: the tutorials' crops and flips."""
    seed: int

    def files(self, split: str) -> ImageFolder:
        """The pictures of a split, for training as the tutorial changes them."""
        return ImageFolder(str(self.photos / split), self.transform(training=split == "train"))

    def transform(self, *, training: bool) -> transforms.Compose:
        """The tutorial's, or plain resizing where the picture shows the thing and nothing else."""
        if not self.scenes:
            steps = [transforms.Resize((self.size, self.size))]
        elif training:
            steps = [transforms.RandomResizedCrop(self.size), transforms.RandomHorizontalFlip()]
        else:
            # 256 to 224 in the tutorial.
            steps = [transforms.Resize(self.size * 8 // 7), transforms.CenterCrop(self.size)]
        return transforms.Compose(
            [*steps, transforms.ToTensor(), transforms.Normalize(MEAN, DEVIATION)]
        )

    def network(self, outputs: int | None = None) -> nn.Module:
        """The architecture with its weights and a new head; without one it gives features."""
        network: nn.Module = models.get_model(self.model, weights=None)
        own = network.state_dict()
        state = torch.load(self.weights, weights_only=True)
        # A head of other classes does not fit; the tensors of the body have no other shape.
        fitting = {name: value for name, value in state.items() if own[name].shape == value.shape}
        network.load_state_dict(fitting, strict=False)
        layers = network.named_modules()
        head, old = [found for found in layers if isinstance(found[1], nn.Linear)][-1]
        new = nn.Identity() if outputs is None else nn.Linear(old.in_features, outputs)
        network.set_submodule(head, new)
        return network


def tutorial(task: Task) -> Probabilities:
    """PyTorch's transfer-learning tutorial: the whole network by SGD, the best epoch is kept."""
    torch.manual_seed(task.seed)
    train, val = task.files("train"), task.files("val")
    loader = DataLoader(train, batch_size=TUTORIAL_BATCH, shuffle=True, num_workers=WORKERS)
    network = task.network(len(train.classes)).to(DEVICE)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.001, momentum=0.9)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, step_size=7, gamma=0.1)
    best, kept = -1.0, network.state_dict()
    for epoch in range(TUTORIAL_EPOCHS):
        network.train()
        for pictures, labels in loader:
            optimiser.zero_grad()
            logits = network(pictures.to(DEVICE))
            loss = nn.functional.cross_entropy(logits, labels.to(DEVICE))
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        schedule.step()
        right = outputs(network, val).argmax(1) == torch.tensor(val.targets)
        accuracy = float(right.float().mean())
        print(f"epoch {epoch + 1}: validation accuracy {accuracy:.4f}", flush=True)
        if accuracy > best:
            best = accuracy
            kept = {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(kept)
    return outputs(network, task.files("test")).softmax(1).numpy()


@torch.inference_mode()
def outputs(network: nn.Module, pictures: ImageFolder) -> Tensor:
    """What the network gives for each picture, in order."""
    network.eval()
    loader = DataLoader(pictures, batch_size=64, num_workers=WORKERS)
    return torch.cat([network(batch.to(DEVICE)).cpu() for batch, _ in loader])


def logistic(task: Task) -> Probabilities:
    """scikit-learn's logistic regression on frozen features, C by the validation log loss."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    torch.manual_seed(task.seed)
    network = task.network().to(DEVICE)
    plain = task.transform(training=False)
    sets = {s: ImageFolder(str(task.photos / s), plain) for s in ("train", "val", "test")}
    features = {split: outputs(network, files).numpy() for split, files in sets.items()}
    best, kept = float("inf"), None
    for penalty in PENALTIES:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=2000))
        model.fit(features["train"], sets["train"].targets)
        loss = log_loss(sets["val"].targets, model.predict_proba(features["val"]))
        print(f"C {penalty:g}: validation log loss {loss:.4f}", flush=True)
        if loss < best:
            best, kept = loss, model
    assert kept is not None
    return np.asarray(kept.predict_proba(features["test"]))


def fastai(task: Task) -> Probabilities:
    """fastai's vision_learner and fine_tune, as its course has them."""
    from fastai.vision.all import (
        ImageDataLoaders,
        Resize,
        accuracy,
        aug_transforms,
        imagenet_stats,
        set_seed,
        vision_learner,
    )
    from fastai.vision.learner import default_split, model_meta

    set_seed(task.seed)
    loaders = ImageDataLoaders.from_folder(
        task.photos,
        train="train",
        valid="val",
        seed=task.seed,
        bs=FASTAI_BATCH,
        item_tfms=Resize(task.size, method="crop" if task.scenes else "squish"),
        batch_tfms=aug_transforms(do_flip=task.scenes),
        num_workers=WORKERS,
    )

    def architecture(**_: object) -> nn.Module:
        return task.network()

    usual = {"cut": -1, "split": default_split}
    known = model_meta.get(models.get_model_builder(task.model), usual)
    model_meta[architecture] = known | {"stats": imagenet_stats}
    learner = vision_learner(loaders, architecture, metrics=accuracy, path=task.photos.parent)
    with learner.no_bar():
        learner.fine_tune(FASTAI_EPOCHS)
        pictures = [Path(path) for path, _ in task.files("test").samples]
        found, _ = learner.get_preds(dl=loaders.test_dl(pictures))
    assert list(loaders.vocab) == task.files("test").classes
    return np.asarray(found)


METHODS = {"tutorial": tutorial, "logistic": logistic, "fastai": fastai}


def write(
    out: Path, photos: Path, test: ImageFolder, probabilities: Iterable[Sequence[float]]
) -> None:
    """Write a row a test picture: its path within PHOTOS, and p_<class>."""
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", *(f"p_{name}" for name in test.classes)])
        for (path, _), row in zip(test.samples, probabilities, strict=True):
            writer.writerow([Path(path).relative_to(photos).as_posix(), *map(float, row)])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one method."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--scenes", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = vars(parser.parse_args(arguments))
    method, out = options.pop("method"), options.pop("out")
    task = Task(**options)
    random.seed(task.seed)
    np.random.seed(task.seed)
    write(out, task.photos, task.files("test"), METHODS[method](task))


if __name__ == "__main__":
    main()
