"""What a program that is stopped leaves: no process, nothing half-written, nothing in the way."""

import signal
import sys
from pathlib import Path

import pytest

from sessions import alive, start, wait_for
from signwise.folders import HOLDER, LOCK, MARKER, output_folder

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
