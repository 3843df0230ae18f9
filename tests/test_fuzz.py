"""Bytes from outside, changed at random: an answer or a SignwiseError, and never anything else.

What was found stays in `fuzz/`, and is replayed each time. Each night it goes on for as long as
SIGNWISE_FUZZ_SECONDS says, with another seed.
"""

import json
import os
import random
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from signwise.config import PrepareConfig, TrainConfig
from signwise.data.manifest import load_data
from signwise.data.sources import list_source
from signwise.errors import SignwiseError
from signwise.files import sha256_file
from signwise.folders import MARKER, output_folder
from signwise.inference.predictor import Predictor
from signwise.model_file.read import read_model
from signwise.opening import read_record
from signwise.results import RunConfig, read_history
from toy import toy_graph, toy_metadata, toy_model

CORPUS = Path(__file__).parent / "fuzz"
ROUNDS = 150
"""Of each target, for every change."""
NESTED = "[" * 100_000 + "]" * 100_000
PIECES = (
    b"\x00", b"\xff", b"\x80" * 9 + b"\x01", b"\xfa\x80\x80\x80\x10", b'"', b"{", b"[" * 3000, b"}",
    b"\\ud800", b"1" + b"0" * 400, b"1e999", b"-1", b"NaN", b"null", b"true", b"[]", b"{}", b'"a"',
    b"\x1b[2J", b"=1+1", b",", b"\n", b'"\n', b"\r", b"\xed\xa0\x80", b"..", b"\\u0000", b"1e-400",
)  # fmt: skip
"""What has broken readers before."""


def changed(content: bytes, chance: random.Random) -> bytes:
    """The bytes with one to four random changes."""
    found = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(found) + 1)
        match chance.randrange(6):
            case 0:
                found[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                found[at:at] = chance.choice(PIECES)
            case 2:
                del found[at : at + chance.choice((1, 2, 8, 64))]
            case 3:
                start = chance.randrange(len(found) + 1)
                found[at:at] = found[start : start + chance.choice((1, 4, 16, 64))]
            case 4:
                found = found[:at] if chance.random() < 0.2 else found
            case 5 if values := list(re.finditer(rb"(?<=[:\[,]) ?[^][{}:,]+(?=[],}])", found)):
                one = chance.choice(values)  # a value of JSON for another
                found[one.start() : one.end()] = chance.choice(PIECES)
    return bytes(found)


Target = tuple[str, bytes, Callable[[Path], object]]


def read_data(path: Path) -> object:
    """data.json as load_data reads it, beside the manifest that it was made with."""
    return load_data(path.parent)


def read_manifest(path: Path) -> object:
    """manifest.csv as load_data reads it, with the hash that it has."""
    facts = json.loads((path.parent / "data.json").read_text())
    facts["manifest_sha256"] = sha256_file(path)
    (path.parent / "data.json").write_text(json.dumps(facts))
    return load_data(path.parent)


def resume(path: Path) -> object:
    record = read_record(path, RunConfig)
    return TrainConfig.from_json(record.settings)


def claim(path: Path) -> object:
    with output_folder(path.parent, "run") as folder:
        return folder


@pytest.fixture(scope="module")
def targets(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Target]:
    folder = tmp_path_factory.mktemp("targets")
    model = toy_model(folder / "model.onnx").read_bytes()
    settings = json.dumps(TrainConfig().to_json()).encode()
    run = {"settings": json.loads(settings), "seed": 0, "classes": ["a"], "grouping": "csv"}
    run |= {"data": "d", "data_sha256": "", "versions": {}}
    history = b"epoch,learning_rate,train_loss,train_accuracy,val_loss,val_accuracy,seconds\n"
    history += b"0,,1.5,0.5,1.25,0.5,3.0\n1,0.1,1.5,0.5,1.25,0.5,3.0\n"
    of_prepare = json.dumps(PrepareConfig().to_json()).encode()
    listing = b"path,label,group,split\na.png,a,1,train\nb.png,b,2,test\n"
    return {
        "model": ("model.onnx", model, read_model),
        "predictor": ("model.onnx", model, Predictor),
        "data": ("data.json", (prepared / "data.json").read_bytes(), read_data),
        "manifest": ("manifest.csv", (prepared / "manifest.csv").read_bytes(), read_manifest),
        "train": ("config.json", settings, TrainConfig.from_file),
        "prepare": ("p.json", of_prepare, PrepareConfig.from_file),
        "run": ("config.json", json.dumps(run).encode(), resume),
        "history": ("history.csv", history, read_history),
        "marker": (MARKER, b'{"kind": "run"}', claim),
        "source": ("s.csv", listing, list_source),
    }  # fmt: skip


def try_one(target: Target, content: bytes, folder: Path, prepared: Path) -> None:
    name, _, read = target
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    if name in ("data.json", "manifest.csv"):
        for each in ("data.json", "manifest.csv"):
            shutil.copy(prepared / each, folder)
    (folder / name).write_bytes(content)
    try:
        read(folder / name)
    except SignwiseError as error:
        assert len(str(error)) < 5000  # noqa: PT017


def contents(key: str, target: Target) -> Iterator[bytes]:
    yield from (path.read_bytes() for path in sorted(CORPUS.glob(f"{key}-*")))
    yield target[1]
    yield b""
    yield NESTED.encode()
    seconds = float(os.environ.get("SIGNWISE_FUZZ_SECONDS", "0"))
    chance = random.Random(time.time_ns() if seconds else 0)
    end = time.monotonic() + seconds
    rounds = 0
    while rounds < ROUNDS or time.monotonic() < end:
        rounds += 1
        yield changed(target[1], chance)


KEYS = ("model", "predictor", "data", "manifest", "train", "prepare", "run", "history", "marker")


@pytest.mark.parametrize("key", [*KEYS, "source"])
@pytest.mark.filterwarnings("ignore")
def test_changed_bytes_are_read_or_refused(
    key: str, targets: dict[str, Target], prepared: Path, tmp_path: Path
) -> None:
    for number, content in enumerate(contents(key, targets[key])):
        try:
            try_one(targets[key], content, tmp_path / "one", prepared)
        except Exception as error:
            kept = os.environ.get("SIGNWISE_FUZZ_KEEP")
            if kept:
                Path(kept, f"{key}-{type(error).__name__}-{number}").write_bytes(content)
            raise AssertionError(f"input {number}: {content[:2000]!r}") from error


def test_a_model_is_read_as_onnx_alone(tmp_path: Path) -> None:
    """Bytes that begin in a certain way are ONNX Runtime's own format to it, unless it is told."""
    model = toy_graph()
    model.producer_name = "x"
    entry = model.metadata_props.add()
    entry.key, entry.value = "signwise", json.dumps(toy_metadata())
    head = b"\x12\x06xxORTM"  # a producer name that puts the mark where that format has it
    (tmp_path / "model.onnx").write_bytes(head + model.SerializeToString())
    assert (tmp_path / "model.onnx").read_bytes()[4:8] == b"ORTM"
    assert Predictor(tmp_path / "model.onnx").classes == ("priority", "stop")
