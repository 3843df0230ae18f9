"""What a program that is stopped leaves: no process, nothing half-written, nothing in the way."""

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sessions import alive, start, wait_for
from signwise.folders import HOLDER, LOCK, MARKER, output_folder
from toy import toy_folder, toy_model

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="another operating system")

WAIT = """
import sys, time
from pathlib import Path
from signwise.cli.main import main
from signwise.cli.verbs import VERBS
from signwise.folders import output_folder
from signwise.parallel import map_chunks

def wait(*, out: Path) -> int:
    '''Wait.'''
    with output_folder(out, "run") as folder:
        (folder / "half.txt").touch()
        list(map_chunks(time.sleep, [600.0] * 4, total=4, chunk_size=1, workers=2))
    return 0

VERBS["wait"] = wait
sys.exit(main(["wait", "--out", sys.argv[1]]))
"""


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=["SIGINT", "SIGTERM", "SIGHUP"],
)
def test_who_is_asked_to_stop_cleans_up(
    number: signal.Signals, status: int, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with start(WAIT, [out], {}, tmp_path) as process:
        wait_for(lambda: len(alive(process.pid)) >= 4)  # itself, loky's tracker, two workers
        process.send_signal(number)
        if number == signal.SIGTERM:  # as `timeout` sends it, twice
            process.send_signal(number)
        _, told = process.communicate()
        assert process.returncode == status, told
        assert told == "interrupted\n"
        assert not out.exists()
        wait_for(lambda: not alive(process.pid))


LAST = """
import os, signal, sys, time
from signwise.cli.signals import stopping

number, times, seconds = (int(word) for word in sys.argv[1:])

class Last:
    '''Its end comes together with a signal, whose exception Python drops then.'''

    def __del__(self):
        os.kill(os.getpid(), number)
        time.sleep(0)  # where the handler runs at the latest

before, begun, stopped = sys.unraisablehook, time.monotonic(), False
try:
    with stopping():
        for _ in range(times):
            Last()
        time.sleep(seconds)
except KeyboardInterrupt:
    stopped = True
assert time.monotonic() - begun < 20
assert sys.unraisablehook is before
assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
time.sleep(0.1)  # no second one comes after the block
print("stopped" if stopped else "went on")
"""


def told_by_last(tmp_path: Path, *words: int) -> str:
    """What becomes of so many such signals, in a process of its own: pytest's must not be hit."""
    with start(LAST, [str(int(word)) for word in words], {}, tmp_path) as process:
        told, error = process.communicate()
    assert (process.returncode, error) == (0, "")
    return told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("times", [1, 3])
def test_a_signal_while_a_destructor_runs_is_not_lost(
    number: signal.Signals, times: int, tmp_path: Path
) -> None:
    assert told_by_last(tmp_path, number, times, 30) == "stopped\n"


def test_a_signal_that_comes_too_late_changes_nothing(tmp_path: Path) -> None:
    assert told_by_last(tmp_path, signal.SIGTERM, 1, 0) == "went on\n"


FAILS = """
import os, signal, sys
from signwise.cli.signals import Stopped, stopping

try:
    with stopping():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt as stop:
            cause = stop if sys.argv[1] == "True" else OSError()
            raise RuntimeError("cannot join thread before it is started") from cause
except Stopped as stop:
    print(stop.status)
"""


@pytest.mark.parametrize("cause", [False, True])
def test_what_fails_only_because_it_is_stopped_does_not_stand_for_it(
    cause: bool, tmp_path: Path
) -> None:
    with start(FAILS, [str(cause)], {}, tmp_path) as process:
        assert process.communicate() == ("143\n", "")


def test_the_workers_of_who_is_killed_end_too(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with start(WAIT, [out], {}, tmp_path) as process:
        wait_for(lambda: len(alive(process.pid)) >= 4)
        process.kill()
        process.wait()
        wait_for(lambda: not alive(process.pid))
    assert {LOCK, HOLDER, MARKER, "half.txt"} <= {path.name for path in out.iterdir()}
    with output_folder(out, "run"):
        pass
    assert sorted(path.name for path in out.iterdir()) == [MARKER, "half.txt"]


KILLED_WHILE_STARTING = """
import os, signal
from joblib.externals.loky.backend.popen_loky_posix import Popen
whole, started = Popen._launch, []

def launch(self, process):
    if started:  # there is a first worker: it has no work yet, and this process a lock
        os.kill(os.getpid(), signal.SIGKILL)
    whole(self, process)
    started.append(1)

Popen._launch = launch
"""


def test_the_workers_of_who_is_killed_while_it_starts_them_end_too(tmp_path: Path) -> None:
    with start(KILLED_WHILE_STARTING + WAIT, [tmp_path / "run"], {}, tmp_path) as process:
        assert process.wait() == -signal.SIGKILL
        wait_for(lambda: not alive(process.pid))


# With two workers whatever the number of pictures, so that there is something to stop.
VERB = """
import sys
from signwise import parallel
from signwise.cli.main import main
parallel.available_cores = lambda: 2
parallel.map_chunks.__kwdefaults__["worth_a_process"] = 10
sys.exit(main(sys.argv[1:]))
"""
QUICK = [
    "--weights",
    "none",
    "--epochs",
    "2",
    "--image-size",
    "32",
    "--unknown",
    "none",
    "--threads",
    "1",
]
VERBS: dict[str, list[str]] = {
    "synth": ["synth", "OUT", "--per-class", "60", "--size", "32"],
    "prepare": ["prepare", "photos", "--out", "OUT"],
    "train": ["train", "data", "--out", "OUT", *QUICK],
    "evaluate": ["evaluate", "toy.onnx", "--data", "photos", "--out", "OUT"],
    "predict": ["predict", "toy.onnx", "photos", "--out", "OUT/rows.csv"],
    "explain": ["explain", "toy.onnx", "photos/stop", "--out", "OUT"],
}
CHANGES = ("history.csv", "report.html", "README.md", "data.json", "metrics.json")
"""Files that name the time or the place of a run."""


def tensors(content: bytes) -> bytes:
    """What follows the header of a safetensors file, which says how long the epochs took."""
    return content[8 + int.from_bytes(content[:8], "little") :]


def contents(folder: Path) -> dict[str, bytes]:
    """What each file holds; of those that name time or place, that they are there."""

    def held(path: Path) -> bytes:
        if path.name in CHANGES:
            return b""
        content = path.read_bytes()
        return tensors(content) if path.name == "last.safetensors" else content

    return {
        str(path.relative_to(folder)): held(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, a model and prepared data, as all verbs read them."""
    folder = tmp_path_factory.mktemp("stopped")
    toy_folder(folder / "photos", per_class=60)
    toy_model(folder / "toy.onnx")
    with start(VERB, ["prepare", "photos", "--out", "data"], {}, folder) as process:
        assert process.wait() == 0
    return folder


def stop_at_random(verb: str, number: signal.Signals, times: int, work: Path, place: Path) -> None:
    """Stop the verb `times` times, at random moments, and let it run after each."""
    chance = random.Random(f"{verb} {number}")
    temporary = place / "tmp"
    temporary.mkdir(parents=True)
    environment = {"TMPDIR": str(temporary), "XDG_CACHE_HOME": str(place / "cache")}

    def begin(out: Path, *more: str) -> subprocess.Popen[str]:
        arguments = [word.replace("OUT", str(out)) for word in VERBS[verb]]
        return start(VERB, [*arguments, *more], environment, work)

    began = time.monotonic()
    with begin(place / "whole") as process:
        _, told = process.communicate()
        assert process.returncode == 0, told
    lasts = time.monotonic() - began
    whole = contents(place / "whole")
    for turn in range(times):
        out = place / "out"
        with begin(out) as process:
            time.sleep(chance.uniform(0.1, 1) * lasts)
            process.send_signal(number)
            _, told = process.communicate()
            assert process.returncode in (0, -number, 128 + number), told
            assert "Traceback" not in told
            wait_for(lambda: not alive(process.pid))
        if process.returncode == 128 + number:
            # As it was before; or whole, where the verb had done its work and told of it.
            resumable = (out / "last.safetensors").is_file()
            assert not out.exists() or contents(out) == whole or resumable or verb == "predict"
        more = []
        if verb == "train" and (out / "config.json").is_file():
            more = ["--resume"]
        with begin(out, *more) as process:
            _, told = process.communicate()
            assert process.returncode == 0, (turn, told)
        assert contents(out) == whole, turn
        left = [path.name for path in temporary.iterdir()]
        # PyTorch's own cache, one a user, is there for every program.
        assert [name for name in left if not name.startswith("torchinductor_")] == [], turn
        shutil.rmtree(out)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
@pytest.mark.parametrize("verb", ["prepare", "predict"])
def test_a_stopped_verb_leaves_nothing_behind(
    verb: str, number: signal.Signals, work: Path, tmp_path: Path
) -> None:
    stop_at_random(verb, number, 1, work, tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(("number", "times"), [(signal.SIGKILL, 50), (signal.SIGTERM, 20)])
def test_verbs_stopped_at_random_leave_nothing_behind(
    verb: str, number: signal.Signals, times: int, work: Path, tmp_path: Path
) -> None:
    stop_at_random(verb, number, times, work, tmp_path)
