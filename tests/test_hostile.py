"""Three thousand hostile files and names: each a row or counted, and nothing worse."""

import csv
import io
import json
import os
import resource
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from hostile import crafted, hostile_files, sound_pictures
from signwise.data.images import read_image
from signwise.data.walk import walk
from signwise.errors import UnreadableImage
from toy import CLASSES, toy_folder, toy_model

MOST_MEMORY = 2**30
SECONDS = 600
SOME, ALL = 150, 3000


def limit() -> None:
    """Two cores, as any machine has, in the child alone."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])


# Not its own `ru_maxrss`, which counts what the process held that started it, too.
RUN = """
import re, resource, sys
from signwise.cli.main import main
code = main(sys.argv[2:])
with open("/proc/self/status") as file:
    own = int(re.search(r"VmHWM:\\s+(\\d+) kB", file.read())[1])
most = max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
with open(sys.argv[1], "w") as file:
    file.write(str(most))
sys.exit(code)
"""


def run(folder: Path, *arguments: object) -> tuple[int, bytes, bytes]:
    """Exit status, standard output and error of a verb that must neither fail nor take much."""
    used = folder / "used"
    command = [sys.executable, "-c", RUN, str(used), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, timeout=SECONDS, preexec_fn=limit)
    said = done.stderr.decode(errors="replace")
    assert "Traceback" not in said, said[-3000:]
    assert "bug" not in said, said[-3000:]
    assert done.returncode in (0, 1), said[-3000:]
    assert int(used.read_text()) * 1024 <= MOST_MEMORY, f"{arguments[0]}: {used.read_text()} kB"
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_model(tmp_path_factory.mktemp("model") / "toy.onnx")


def fill(folders: list[Path], seed: int, count: int) -> int:
    """Write hostile files into the folders in turn; how many names the file system admits."""
    made = 0
    for number, (name, content) in enumerate(hostile_files(seed, count)):
        folder = os.fsencode(folders[number % len(folders)])
        path = os.path.join(folder, name)  # noqa: PTH118  (a Path can't hold bytes)
        with suppress(OSError), open(path, "xb") as file:  # noqa: PTH123
            file.write(content)
            made += 1
    return made


@pytest.mark.skipif(sys.platform != "linux", reason="limits of a process as Linux has them")
@pytest.mark.parametrize("count", [SOME, pytest.param(ALL, marks=pytest.mark.nightly)])
def test_every_hostile_file_is_a_row_or_counted(tmp_path: Path, model: Path, count: int) -> None:
    root = tmp_path / "photos"
    toy_folder(root, per_class=9)
    made = 18 + fill([root / name for name in CLASSES], 15, count)
    others = tmp_path / "others"
    others.mkdir()
    (others / "sound.png").write_bytes(sound_pictures()["rgb.png"])
    fill([others], 16, count // 3)
    listed = len(list(walk(root)))
    skipped = made - listed  # by what their names begin or end with

    _, said, _ = run(tmp_path, "predict", model, root, "--json")
    found = json.loads(said)
    assert len(found["rows"]) == listed
    assert found["counts"]["skipped"] == skipped
    bad = {row["path"]: row["error"] for row in found["rows"] if row["error"]}
    assert all(reason.isprintable() and len(reason) < 200 for reason in bad.values())
    assert count // 4 < len(bad) < listed - 17

    _, said, _ = run(tmp_path, "predict", model, root)
    rows = list(csv.DictReader(io.StringIO(said.decode(), newline="")))
    assert [row["path"] for row in rows] == [row["path"] for row in found["rows"]]

    _, said, _ = run(tmp_path, "prepare", root, "--out", tmp_path / "data", "--json")
    prepared = json.loads(said)
    counts = prepared["counts"]
    usable = counts["train"] + counts["val"] + counts["test"]
    assert usable + counts["problems"] == listed
    assert counts["skipped"] == skipped
    assert {problem["path"] for problem in prepared["problems"]} >= {
        os.fspath(Path(path).relative_to(root)) for path in bad
    }

    _, said, _ = run(
        tmp_path, "evaluate", model, "--data", root, "--out", tmp_path / "figures", "--json"
    )
    measured = json.loads(said)["counts"]
    assert measured["images"] + measured["unreadable"] == listed
    assert measured["skipped"] == skipped

    _, said, _ = run(
        tmp_path, "evaluate", model, "--data", tmp_path / "data", "--split", "all",
        "--unknown", others, "--out", tmp_path / "figures", "--json",
    )  # fmt: skip
    assert json.loads(said)["counts"]["images"] == usable

    _, said, _ = run(tmp_path, "explain", model, root, "--out", tmp_path / "maps", "--json")
    explained = json.loads(said)["counts"]
    assert explained["explained"] + explained["unreadable"] == listed


@pytest.mark.parametrize("name", sorted(crafted()))
def test_what_is_made_to_take_memory_or_time_takes_neither(name: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF)
    with suppress(UnreadableImage):
        assert read_image(crafted()[name], 32).shape == (32, 32, 3)
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert (after.ru_maxrss - before.ru_maxrss) * 1024 < 700e6
    assert after.ru_utime - before.ru_utime < 20, "seconds of a core: it takes one or two"


def test_the_generator_is_the_same_for_the_same_seed() -> None:
    assert list(hostile_files(1, 80)) == list(hostile_files(1, 80))
    assert list(hostile_files(1, 80)) != list(hostile_files(2, 80))
    sound = [content for content in sound_pictures().values() if read_image(content, 8).any()]
    assert len(sound) > 35


def test_a_name_of_any_bytes_is_a_row(tmp_path: Path, model: Path) -> None:
    rng = np.random.default_rng(0)
    content = sound_pictures()["rgb.png"]
    folder = os.fsencode(tmp_path / "photos")
    os.mkdir(folder)  # noqa: PTH102
    for _ in range(30):
        name = b"n" + rng.bytes(8).replace(b"/", b"").replace(b"\0", b"") + b".png"
        with open(os.path.join(folder, name), "wb") as file:  # noqa: PTH118, PTH123
            file.write(content)
    _, said, _ = run(tmp_path, "predict", model, tmp_path / "photos", "--json")
    assert json.loads(said)["counts"]["predicted"] == 30
