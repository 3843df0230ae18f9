"""A run that is killed while it writes goes on to the bits of one that was left alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = (6, 9, 11)
"""Before which of its files a run is killed: the first checkpoint, the second, for which the best
weights are there already, and what comes after model.onnx."""
SAME = ("model.onnx", "model.safetensors", "manifest.csv", "config.json")

# One process imports torch once; each run is a child that it forks before it has computed anything.
RUNS = """
import os
import signal
import sys
from pathlib import Path

import onnxruntime

import signwise
import signwise.training.train
from toy_training import QUICK, toy_architecture

whole = Path.replace


def train(data, out, last, resume):
    written = 0

    def counted(path, target):
        nonlocal written
        written += Path(target).is_relative_to(out)  # and not into the cache
        if written == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(path, target)

    Path.replace = counted
    with toy_architecture():
        signwise.train(data, out, QUICK, threads=1, resume=resume)
    return written


def child(*arguments):
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    try:
        os._exit(train(*arguments))
    finally:
        os._exit(99)


data, out, *kills = sys.argv[1:]
print(child(data, Path(out, "whole"), None, False))
for last in map(int, kills):
    run = Path(out, str(last))
    killed, left = child(data, run, last, False), ",".join(sorted(os.listdir(run)))
    print(killed, left, child(data, run, None, True))
"""


@pytest.fixture(scope="module")
def runs(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a whole run, and runs that were killed and resumed."""
    out = tmp_path_factory.mktemp("killed")
    paths = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-c", RUNS, prepared, out, *map(str, KILLS)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        check=False,
    )
    (out / "told.txt").write_text(done.stdout)
    assert done.returncode == 0, done.stderr
    return out


def test_the_kills_fell_where_they_should(runs: Path) -> None:
    first, *rows = (runs / "told.txt").read_text().splitlines()
    assert int(first) == 12  # files of a run of two epochs
    for row, last in zip(rows, KILLS, strict=True):
        killed, left, resumed = row.split()
        assert killed == "-9"
        assert int(resumed) < 99
        assert ".partial" in left
        assert "model.safetensors" in left
        assert ("last.safetensors" in left) == (last > 6)
        assert ("model.onnx" in left) == (last > 10)
        assert "README.md" not in left


@pytest.mark.parametrize("last", KILLS)
def test_a_killed_run_ends_in_the_same_bits(runs: Path, last: int) -> None:
    whole, run = runs / "whole", runs / str(last)
    names = [sorted(path.name for path in folder.iterdir()) for folder in (whole, run)]
    assert names[0] == names[1]
    for name in SAME:
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name
    rows = [
        [line.rsplit(",", 1)[0] for line in (folder / "history.csv").read_text().splitlines()]
        for folder in (whole, run)
    ]
    assert rows[0] == rows[1]
    assert len(rows[0]) == 3
