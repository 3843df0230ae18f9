"""One tool at one task, as its own documentation has it: what bench/peers.py measures.

    python bench/peer_tools.py TOOL train PHOTOS MODEL --epochs 5 [--weights FILE]
    python bench/peer_tools.py TOOL answer MODEL LIST [--rounds 3] [--ones 200] [--rows CSV]

PHOTOS holds train/, val/ and test/, each with a folder a class; MODEL is a folder to write or read;
LIST is a file with the path of a picture in each line. Training prints a line an epoch, with its
accuracy on val/. Answering prints one JSON document: seconds of rounds, from paths to answers with
the model loaded, and of pictures that come one by one. It runs in an environment that has the tool
(bench/peers.txt), and only where the tool is signwise does it import signwise.
"""

import argparse
import csv
import itertools
import json
import os
import re
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

SIZE = 64
"""Side in pixels, which signwise takes by default for road signs too."""
WORKERS = 2
BATCH = 64
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Answer(NamedTuple):
    """What a tool says of one picture."""

    label: str
    confidence: float


class Loaded(NamedTuple):
    """A trained model in memory."""

    many: Callable[[list[str]], list[Answer]]
    """Paths to answers, as fast as the tool goes."""
    one: Callable[[str], Answer]


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to train on, and for how long."""

    photos: Path
    model: Path
    epochs: int | None
    """None: as the tool has it."""
    weights: Path | None
    """ImageNet's of torchvision's mobilenet_v2; without them from nothing."""

    @property
    def classes(self) -> list[str]:
        """In the order of their names."""
        return sorted(path.name for path in (self.photos / "train").iterdir())


@dataclass(frozen=True, kw_only=True)
class Tool:
    """How a tool is used."""

    train: Callable[[Job], None]
    load: Callable[[Path], Loaded]
    package: str
    """Whose installation runs it."""
    extras: tuple[str, ...] = ()
    """Of the package, what training takes besides."""
    module: str
    """What a script imports."""
    deployed: str
    """Of what it wrote, what is needed to answer."""
    epochs: int | None
    learns: str
    """What is trained, in words."""


def told(epoch: int, accuracy: float) -> None:
    """Print the line that bench/peers.py waits for."""
    print(f"epoch {epoch}: validation accuracy {accuracy:.6f}", flush=True)


# signwise.


def _signwise(**given: Any) -> Callable[[Job], None]:
    def train(job: Job) -> None:
        import signwise

        data = job.model.with_name(job.model.name + "-data")
        signwise.prepare(job.photos, data)
        flags = given if job.epochs is None else {**given, "epochs": job.epochs}
        signwise.train(
            data, job.model, on_epoch=lambda one: told(one.epoch, one.val_accuracy), **flags
        )

    return train


def _load_signwise(model: Path) -> Loaded:
    import signwise
    from signwise.inference.predictor import Prediction, Predictor

    predictor = Predictor(model)
    rows = model.with_name(model.name + ".csv").absolute()

    def answer(one: Prediction | dict[str, Any]) -> Answer:
        row = one if isinstance(one, dict) else asdict(one)
        return Answer(str(row["label"]), float(row["confidence"] or 0.0))

    def many(paths: list[str]) -> list[Answer]:
        # The whole verb: the model is opened anew, and rows are written to a file.
        return [answer(row) for row in signwise.predict(model, paths, out=rows).rows]

    return Loaded(many, lambda path: answer(predictor.predict(path)[0]))


# PyTorch: the loop of many a notebook.


def _steps() -> Any:
    from torchvision import transforms

    return transforms.Compose(
        [
            transforms.Resize((SIZE, SIZE)),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, DEVIATION),
        ]
    )


def _network(classes: int, weights: Path | None) -> Any:
    """torchvision's ResNet-18 from nothing, or its mobilenet_v2 with weights."""
    import torch
    from torch import nn
    from torchvision import models

    if weights is None:
        network = models.resnet18(weights=None)
        network.fc = nn.Linear(network.fc.in_features, classes)
        return network
    network = models.mobilenet_v2(weights=None)
    network.load_state_dict(torch.load(weights, weights_only=True), strict=False)
    network.classifier[1] = nn.Linear(network.classifier[1].in_features, classes)
    return network


def _accuracy(network: Any, loader: Any) -> float:
    import torch

    network.eval()
    right = count = 0
    with torch.inference_mode():
        for pictures, labels in loader:
            right += int((network(pictures).argmax(1) == labels).sum())
            count += len(labels)
    return right / count


def _train_plain(job: Job) -> None:
    import torch
    from torch.utils.data import DataLoader
    from torchvision.datasets import ImageFolder

    torch.manual_seed(0)
    sets = {split: ImageFolder(str(job.photos / split), _steps()) for split in ("train", "val")}
    loaders = {
        split: DataLoader(files, 32, shuffle=split == "train", num_workers=WORKERS)
        for split, files in sets.items()
    }
    network = _network(len(job.classes), job.weights)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.001, momentum=0.9)
    for epoch in range(1, (job.epochs or 0) + 1):
        network.train()
        for pictures, labels in loaders["train"]:
            optimiser.zero_grad()
            loss = torch.nn.functional.cross_entropy(network(pictures), labels)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        told(epoch, _accuracy(network, loaders["val"]))
    _save(network, job)


def _save(network: Any, job: Job) -> None:
    import torch

    job.model.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), job.model / "model.pth")
    said = {"classes": job.classes, "mobilenet": job.weights is not None}
    (job.model / "classes.json").write_text(json.dumps(said), encoding="utf-8")


class _Files:
    """A dataset of paths."""

    def __init__(self, paths: list[str], steps: Any) -> None:
        self.paths, self.steps = paths, steps

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> Any:
        with Image.open(self.paths[row]) as picture:
            return self.steps(picture.convert("RGB"))


def _by_torch(network: Any, classes: list[str], steps: Any) -> Loaded:
    import torch
    from torch.utils.data import DataLoader, Dataset

    network.eval()

    def answers(pictures: Any) -> list[Answer]:
        with torch.inference_mode():
            best = network(pictures).softmax(1).max(1)
        pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        return [Answer(classes[index], value) for index, value in pairs]

    def many(paths: list[str]) -> list[Answer]:
        files: Dataset[Any] = _Files(paths, steps)  # type: ignore[assignment]
        # Few pictures are not worth processes.
        loader = DataLoader(files, BATCH, num_workers=WORKERS if len(paths) > BATCH else 0)
        return list(itertools.chain.from_iterable(answers(batch) for batch in loader))

    return Loaded(many, lambda path: answers(_Files([path], steps)[0][None])[0])


def _load_plain(model: Path) -> Loaded:
    import torch

    said = json.loads((model / "classes.json").read_text(encoding="utf-8"))
    network = _network(len(said["classes"]), None)
    if said["mobilenet"]:
        from torchvision import models

        network = models.mobilenet_v2(num_classes=len(said["classes"]))
    network.load_state_dict(torch.load(model / "model.pth", weights_only=True))
    return _by_torch(network, said["classes"], _steps())


# fastai.


def _train_fastai(job: Job) -> None:
    from fastai.vision.all import (
        Callback,
        ImageDataLoaders,
        Resize,
        accuracy,
        aug_transforms,
        imagenet_stats,
        set_seed,
        vision_learner,
    )
    from torchvision.models import mobilenet_v2, resnet18

    class Tell(Callback):  # type: ignore[misc]
        order = 60  # after the Recorder

        def after_epoch(self) -> None:
            told(self.epoch + 1, float(self.recorder.values[-1][-1]))

    set_seed(0)
    loaders = ImageDataLoaders.from_folder(
        job.photos,
        train="train",
        valid="val",
        bs=BATCH,
        item_tfms=Resize(SIZE, method="squish"),
        batch_tfms=aug_transforms(do_flip=False),
        num_workers=WORKERS,
    )
    if job.weights is None:
        learner = vision_learner(
            loaders, resnet18, pretrained=False, metrics=accuracy, path=job.model
        )
        learner.add_cb(Tell())
        with learner.no_bar():
            learner.fit_one_cycle(job.epochs)
    else:
        import torch
        from fastai.vision.learner import default_split, model_meta

        state = torch.load(job.weights, weights_only=True)

        def pretrained(**_: object) -> Any:
            network = mobilenet_v2(weights=None)
            network.load_state_dict(state, strict=False)
            return network

        model_meta[pretrained] = {"cut": -1, "split": default_split, "stats": imagenet_stats}
        learner = vision_learner(loaders, pretrained, metrics=accuracy, path=job.model)
        learner.add_cb(Tell())
        with learner.no_bar():
            learner.fine_tune(job.epochs)
    learner.remove_cb(Tell)
    job.model.mkdir(parents=True, exist_ok=True)
    learner.export("export.pkl")


def _load_fastai(model: Path) -> Loaded:
    import warnings

    from fastai.vision.all import load_learner

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it unpickles
        learner = load_learner(model / "export.pkl")
    classes = list(learner.dls.vocab)

    def many(paths: list[str]) -> list[Answer]:
        with learner.no_bar():
            workers = WORKERS if len(paths) > BATCH else 0
            loader = learner.dls.test_dl(paths, bs=BATCH, num_workers=workers)
            found, _ = learner.get_preds(dl=loader)
        best = found.max(1)
        pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        return [Answer(classes[index], value) for index, value in pairs]

    def one(path: str) -> Answer:
        with learner.no_bar():
            label, _, found = learner.predict(path)
        return Answer(str(label), float(found.max()))

    return Loaded(many, one)


# Ultralytics.


def _yolo(model: str | Path) -> Any:
    from ultralytics import YOLO, settings

    settings.update({"sync": False})  # it sends nothing of what is done here
    return YOLO(str(model))


def _train_ultralytics(job: Job) -> None:
    yolo = _yolo("yolo11n-cls.yaml")

    def tell(trainer: Any) -> None:
        told(trainer.epoch + 1, float(trainer.metrics["metrics/accuracy_top1"]))

    yolo.add_callback("on_fit_epoch_end", tell)
    yolo.train(
        data=str(job.photos.absolute()),
        epochs=job.epochs,
        imgsz=SIZE,
        device="cpu",
        workers=WORKERS,
        batch=BATCH,
        project=str(job.model.parent.absolute()),
        name=job.model.name,
        exist_ok=True,
        plots=False,
        verbose=False,
    )


def _load_ultralytics(model: Path) -> Loaded:
    yolo = _yolo(model / "weights" / "best.pt")

    def answers(source: Any) -> list[Answer]:
        found = yolo.predict(
            source, imgsz=SIZE, batch=BATCH, device="cpu", verbose=False, stream=True
        )
        return [Answer(one.names[one.probs.top1], float(one.probs.top1conf)) for one in found]

    return Loaded(answers, lambda path: answers(path)[0])


# timm, whose training script is no part of its package: its parts in the shortest loop.


def _timm_config(network: Any) -> Any:
    import timm.data

    found = timm.data.resolve_data_config({"input_size": (3, SIZE, SIZE)}, model=network)
    return {**found, "crop_pct": 1.0, "crop_mode": "squash"}


def _train_timm(job: Job) -> None:
    import timm
    import timm.data
    import timm.optim
    import timm.scheduler
    import torch

    torch.manual_seed(0)
    network: Any = timm.create_model("resnet18", pretrained=False, num_classes=len(job.classes))
    config = _timm_config(network)
    loaders = {}
    for split in ("train", "val"):
        extra = {"hflip": 0.0, "no_aug": False} if split == "train" else {}
        loaders[split] = timm.data.create_loader(
            timm.data.create_dataset("", root=str(job.photos / split)),
            input_size=config["input_size"],
            batch_size=BATCH,
            is_training=split == "train",
            use_prefetcher=False,
            interpolation=config["interpolation"],
            mean=config["mean"],
            std=config["std"],
            crop_pct=1.0,
            num_workers=WORKERS,
            device=torch.device("cpu"),
            **extra,
        )
    # As its train.py has it: SGD with Nesterov momentum, 0.1 for a batch of 256, a cosine.
    optimiser = timm.optim.create_optimizer_v2(
        network, opt="sgd", lr=0.1 * BATCH / 256, momentum=0.9, weight_decay=2e-5
    )
    schedule, epochs = timm.scheduler.create_scheduler_v2(
        optimiser, sched="cosine", num_epochs=job.epochs or 0, warmup_epochs=0
    )
    for epoch in range(epochs):
        network.train()
        for pictures, labels in loaders["train"]:
            optimiser.zero_grad()
            loss = torch.nn.functional.cross_entropy(network(pictures), labels)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        schedule.step(epoch + 1)
        told(epoch + 1, _accuracy(network, loaders["val"]))
    _save(network, job)


def _load_timm(model: Path) -> Loaded:
    import timm
    import timm.data
    import torch

    said = json.loads((model / "classes.json").read_text(encoding="utf-8"))
    network = timm.create_model("resnet18", num_classes=len(said["classes"]))
    network.load_state_dict(torch.load(model / "model.pth", weights_only=True))
    steps = timm.data.create_transform(**_timm_config(network), is_training=False)
    return _by_torch(network, said["classes"], steps)


# Hugging Face.


def _train_hugging_face(job: Job) -> None:
    import numpy as np
    from torch.utils.data import Dataset
    from torchvision.datasets import ImageFolder
    from transformers import (
        AutoModelForImageClassification,
        ResNetConfig,
        Trainer,
        TrainerCallback,
        TrainingArguments,
        ViTImageProcessor,
        set_seed,
    )

    class Rows(Dataset[Any]):
        def __init__(self, split: str) -> None:
            self.files = ImageFolder(str(job.photos / split), _steps())

        def __len__(self) -> int:
            return len(self.files)

        def __getitem__(self, row: int) -> dict[str, Any]:
            pixels, label = self.files[row]
            return {"pixel_values": pixels, "labels": label}

    class Tell(TrainerCallback):  # type: ignore[misc]
        def on_evaluate(self, _: Any, state: Any, __: Any, metrics: Any, **___: Any) -> None:
            told(round(state.epoch), metrics["eval_accuracy"])

    set_seed(0)
    names = dict(enumerate(job.classes))
    network = AutoModelForImageClassification.from_config(
        ResNetConfig(
            depths=[2, 2, 2, 2],  # a ResNet-18
            hidden_sizes=[64, 128, 256, 512],
            layer_type="basic",
            id2label=names,
            label2id={name: index for index, name in names.items()},
        )
    )
    trainer = Trainer(
        network,
        TrainingArguments(
            output_dir=str(job.model.with_name(job.model.name + "-checkpoints")),
            num_train_epochs=job.epochs,
            per_device_train_batch_size=16,
            per_device_eval_batch_size=BATCH,
            learning_rate=5e-4,  # ten times that of its guide, which begins with trained weights
            warmup_steps=0.1,
            eval_strategy="epoch",
            save_strategy="no",
            report_to="none",
            dataloader_num_workers=WORKERS,
            use_cpu=True,
            disable_tqdm=True,
        ),
        train_dataset=Rows("train"),
        eval_dataset=Rows("val"),
        compute_metrics=lambda found: {
            "accuracy": float(np.mean(found.predictions.argmax(1) == found.label_ids))
        },
        callbacks=[Tell()],
    )
    trainer.train()
    trainer.save_model(str(job.model))
    processor = ViTImageProcessor(
        size={"height": SIZE, "width": SIZE}, image_mean=MEAN, image_std=DEVIATION
    )
    processor.save_pretrained(str(job.model))


def _load_hugging_face(model: Path) -> Loaded:
    from transformers import pipeline

    pipe = pipeline("image-classification", model=str(model), device="cpu")

    def many(paths: list[str]) -> list[Answer]:
        found = pipe(paths, batch_size=BATCH, top_k=1)
        return [Answer(rows[0]["label"], rows[0]["score"]) for rows in found]

    return Loaded(many, lambda path: many([path])[0])


def _ours(learns: str, **given: Any) -> Tool:
    return Tool(
        train=_signwise(**given),
        load=_load_signwise,
        package="signwise",
        extras=("train",),
        module="signwise",
        deployed="model.onnx",
        epochs=None,
        learns=learns,
    )


def _plain(learns: str) -> Tool:
    return Tool(
        train=_train_plain,
        load=_load_plain,
        package="torchvision",
        module="torchvision",
        deployed="model.pth",
        epochs=5,
        learns=learns,
    )


def _fastai(learns: str, epochs: int) -> Tool:
    return Tool(
        train=_train_fastai,
        load=_load_fastai,
        package="fastai",
        module="fastai.vision.all",
        deployed="export.pkl",
        epochs=epochs,
        learns=learns,
    )


RESNET = "ResNet-18 from nothing"
TOOLS = {
    "signwise": _ours("ResNet-18 from `signs`, the default, against rendered pictures"),
    "signwise --freeze": _ours("the head alone, on features of `signs`", freeze=True),
    "signwise from scratch": _ours("ResNet-18 from nothing, 32 pixels", weights="none"),
    "plain loop": _plain(RESNET),
    "plain loop, ImageNet": _plain("MobileNetV2"),
    "fastai": _fastai(RESNET, 5),
    "fastai, ImageNet": _fastai("MobileNetV2, `fine_tune`", 4),
    "Ultralytics": Tool(
        train=_train_ultralytics,
        load=_load_ultralytics,
        package="ultralytics",
        module="ultralytics",
        deployed="weights/best.pt",
        epochs=10,
        learns="yolo11n-cls from nothing",
    ),
    "timm": Tool(
        train=_train_timm,
        load=_load_timm,
        package="timm",
        module="timm",
        deployed="model.pth",
        epochs=10,
        learns=RESNET,
    ),
    "Hugging Face": Tool(
        train=_train_hugging_face,
        load=_load_hugging_face,
        package="transformers",
        extras=("torch",),
        module="transformers",
        deployed="model.safetensors",
        epochs=5,
        learns=RESNET,
    ),
}


def cpu_seconds() -> float:
    """Of this process and of those below it that have ended."""
    of = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in of)


def peak_mb() -> float:
    """The most memory that this process has held, in MB; 0 where the system does not say so."""
    status = Path("/proc/self/status")
    text = status.read_text(encoding="utf-8") if status.is_file() else ""
    found = re.search(r"VmHWM:\s+(\d+)", text)
    return int(found[1]) * 1024 / 1e6 if found else 0.0


def answer(tool: Tool, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of the rounds and of single pictures, after some that warm up; the peak of memory."""
    paths = options.target.read_text(encoding="utf-8").splitlines()
    loaded = tool.load(options.source)
    found = loaded.many(paths if options.rows else paths[: 2 * BATCH])
    rounds, cpu, ones = [], [], []
    for _ in range(options.rounds):
        before, start = cpu_seconds(), time.perf_counter()
        loaded.many(paths)
        rounds.append(time.perf_counter() - start)
        cpu.append(cpu_seconds() - before)
    for path in itertools.islice(itertools.cycle(paths), options.ones):
        start = time.perf_counter()
        loaded.one(path)
        ones.append(time.perf_counter() - start)
    if options.rows:
        with options.rows.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["path", *Answer._fields])
            writer.writerows((path, *row) for path, row in zip(paths, found, strict=True))
    return {
        "pictures": len(paths),
        "rounds": rounds,
        "cpu": cpu,
        "ones": ones,
        "peak_mb": peak_mb(),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, or answer."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("tool", choices=TOOLS)
    parser.add_argument("what", choices=("train", "answer"))
    parser.add_argument("source", type=Path, help="pictures to train on, or the model")
    parser.add_argument("target", type=Path, help="the model, or the list of pictures")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--ones", type=int, default=0)
    parser.add_argument("--rows", type=Path)
    options = parser.parse_args(arguments)
    tool = TOOLS[options.tool]
    if options.what == "train":
        job = Job(
            photos=options.source,
            model=options.target,
            epochs=options.epochs,
            weights=options.weights,
        )
        tool.train(job)
        found = {"peak_mb": peak_mb()}
    else:
        found = answer(tool, options)
    print(json.dumps(found))


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
