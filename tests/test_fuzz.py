"""Bytes from outside, changed at random: an answer or a SignwiseError, and never anything else.

What was found stays in `corpus/`, and is replayed each time. `fuzzing.py` looks for more.
"""

import json
import random
from pathlib import Path

import numpy as np
import pytest

from hostile import mutated
from readers import READERS, workshop
from signwise.inference.predictor import Predictor
from toy import toy_graph, toy_metadata

FOUND = sorted((Path(__file__).parent / "corpus").glob("*.bin"))
SOME, MANY = 150, 10_000
NESTED = b"[" * 100_000 + b"]" * 100_000

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return workshop(tmp_path_factory.mktemp("readers"))


@pytest.mark.parametrize("kind", READERS)
def test_sound_bytes_and_empty_ones_are_read_or_refused(kind: str, place: Path) -> None:
    for content in (*READERS[kind].seeds(place), b"", NESTED):
        READERS[kind].read(content, place)


@pytest.mark.parametrize("path", FOUND, ids=[path.stem for path in FOUND])
def test_what_was_found_before(path: Path, place: Path) -> None:
    READERS[path.stem.partition("-")[0]].read(path.read_bytes(), place)


@pytest.mark.parametrize("count", [SOME, pytest.param(MANY, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("kind", READERS)
def test_changed_bytes_are_read_or_refused(kind: str, count: int, place: Path) -> None:
    seed = 0 if count == SOME else random.randrange(2**32)
    rng, seeds = np.random.default_rng(seed), READERS[kind].seeds(place)
    for number in range(count):
        content = mutated(seeds[int(rng.integers(0, len(seeds)))], rng, seeds)
        try:
            READERS[kind].read(content, place)
        except Exception as error:
            raise AssertionError(f"seed {seed}, input {number}: {content[:2000]!r}") from error


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
