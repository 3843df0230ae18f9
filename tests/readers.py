"""The readers of what comes from outside, as they are fuzzed: bytes in, SignwiseError at worst."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from hostile import crafted, sound_pictures
from signwise.config import PrepareConfig, TrainConfig
from signwise.data.images import read_image
from signwise.data.manifest import load_data
from signwise.data.prepare import prepare
from signwise.data.sources import list_source
from signwise.errors import SignwiseError
from signwise.files import sha256_file
from signwise.folders import MARKER, output_folder
from signwise.inference.predictor import Predictor
from signwise.model_file.read import read_model
from signwise.model_file.record import BrokenRecord, parse_record
from signwise.opening import read_record
from signwise.results import RunConfig, read_history
from signwise.study.measured import read_measured
from signwise.study.space import read_space
from toy import CLASSES, toy_folder, toy_metadata, toy_model

SETTINGS = TrainConfig()
METRICS = {
    "data": "d", "classes": ["a", "b"], "grouping": "csv", "seen_in_training": 0,
    "seen_in_validation": 0, "model_sha256": None,
}  # fmt: skip
RUN = {
    "settings": SETTINGS.to_json(), "seed": 0, "classes": ["a"], "grouping": "csv", "data": "d",
    "data_sha256": "", "versions": {},
}  # fmt: skip
SPACE = {"momentum": {"low": 0.8, "high": 0.99}, "batch_size": {"choices": [8, 16]}}
TABLES = (
    b"path,label\n1.png,a\n2.png,b\n",
    b"\xef\xbb\xbfPath,Label,Group,Split\n1.png,stop,g1,train\nb\\2.png,priority,g2,TEST\n",
    b'path,label,split\n"a,b.png","two\nlines",train\n/x/y.png,"quo""ted",val\nz.png,NA,test\n',
    "path;label\näöü.png;vorfährt\n".encode(),
    "path,label\nä.png,vorfa\u0308hrt\n".encode("utf-16"),
    b"path,label,group,split\r\n" + b"1.png,001,,dev\r\n" * 40,
    b"path,label\n" + b"x\0y.png,=1+1\n" * 3,
    b"epoch,learning_rate,train_loss,train_accuracy,val_loss,val_accuracy,seconds\n"
    b"0,,1.5,0.5,1.25,0.5,3.0\n1,0.1,1.5,0.5,1.25,0.5,3.0\n",
)


class Reader(NamedTuple):
    """What is fuzzed."""

    seeds: Callable[[Path], list[bytes]]
    """Sound inputs, of the workshop that `workshop` made."""
    read: Callable[[bytes, Path], None]
    """Reads an input there; raises nothing."""


@contextmanager
def refused() -> Iterator[None]:
    """What is refused is told in one line that a terminal can show."""
    try:
        yield
    except (SignwiseError, BrokenRecord) as error:
        if not str(error).isprintable() or len(str(error)) > 5000:
            raise AssertionError(f"not one line that a terminal can show: {error!r}") from None


def workshop(place: Path) -> Path:
    """A folder of prepared data, in which the readers of a file beside others find these."""
    photos = toy_folder(place / "photos", per_class=12, frames=3)
    prepare(photos, place / "data", image_size=16)
    shutil.copytree(place / "data", place / "prepared")
    toy_model(place / "toy.onnx")
    return place


def read_images(content: bytes, place: Path) -> None:  # noqa: ARG001
    with refused():
        assert read_image(content, 8, max_pixels=4_000_000).shape == (8, 8, 3)


def read_models(content: bytes, place: Path) -> None:
    path = place / "model.onnx"
    path.write_bytes(content)
    with refused():
        read_model(path)
    with refused():
        Predictor(path)


def read_jsons(content: bytes, place: Path) -> None:
    """The file as each of those that are JSON."""
    path = place / "one.json"
    path.write_bytes(content)
    with refused():
        TrainConfig.from_file(path)
    with refused():
        PrepareConfig.from_file(path)
    with refused():
        TrainConfig.from_json(read_record(path, RunConfig).settings)
    with refused():
        read_space(path, SETTINGS)
    with refused():
        parse_record(content.decode(errors="replace"))
    with refused():
        (place / "data" / "data.json").write_bytes(content)
        shutil.copy(place / "prepared" / "manifest.csv", place / "data")
        load_data(place / "data")
    with refused():
        evaluated = place / "evaluated"
        evaluated.mkdir(exist_ok=True)
        (evaluated / "metrics.json").write_bytes(content)
        read_measured(place / "toy.onnx", evaluated)
    with refused():
        run = place / "run"
        run.mkdir(exist_ok=True)
        (run / MARKER).write_bytes(content)
        with output_folder(run, "run"):
            pass


def read_tables(content: bytes, place: Path) -> None:
    """The file as each of those that are CSV."""
    path = place / "one.csv"
    path.write_bytes(content)
    with refused():
        listed = list_source(path)
        assert set(listed.table["split"]) <= {"", "train", "val", "test"}
    with refused():
        read_history(path)
    with refused():
        data = place / "data"
        (data / "manifest.csv").write_bytes(content)
        facts = json.loads((place / "prepared" / "data.json").read_text())
        facts["manifest_sha256"] = sha256_file(path)
        (data / "data.json").write_text(json.dumps(facts))
        load_data(data)
    with refused():
        evaluated = place / "measured"
        evaluated.mkdir(exist_ok=True)
        (evaluated / "metrics.json").write_text(json.dumps(METRICS | {"classes": CLASSES}))
        (evaluated / "predictions.csv").write_bytes(content)
        read_measured(place / "toy.onnx", evaluated)


def sound_jsons(place: Path) -> list[bytes]:
    made = (SETTINGS.to_json(), PrepareConfig().to_json(), RUN, METRICS, SPACE, toy_metadata())
    return [
        (place / "prepared" / "data.json").read_bytes(),
        b'{"kind": "run"}',
        *(json.dumps(each).encode() for each in made),
    ]


def sound_tables(place: Path) -> list[bytes]:
    measured = "path,true_label,label,confidence,known,p_priority,p_stop,group,sha256,correct\n"
    row = "a.png,stop,stop,0.75,0.75,0.25,0.75,1,00,True\n"
    manifest = (place / "prepared" / "manifest.csv").read_bytes()
    return [*TABLES, manifest, (measured + row).encode()]


READERS = {
    "images": Reader(lambda _: [*sound_pictures().values(), *crafted().values()], read_images),
    "model": Reader(lambda place: [(place / "toy.onnx").read_bytes()], read_models),
    "json": Reader(sound_jsons, read_jsons),
    "csv": Reader(sound_tables, read_tables),
}
