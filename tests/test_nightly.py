"""What takes too long for every change: each night runs these too."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.nightly


@pytest.mark.parametrize("processes", [1, 2])
def test_runs_killed_at_random_times_resume_to_the_same_bits(processes: int) -> None:
    script = Path(__file__).parents[1] / "bench" / "kill_resume.py"
    command = [sys.executable, str(script), "--kills", "10", "--processes", str(processes)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3600)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    (same,) = [row for row in result["figures"] if row["what"].endswith("the same bits")]
    assert same["value"] == result["n"] == 10


@pytest.mark.parametrize("validation", [60, 120, 300])
def test_the_threshold_holds_on_new_pictures(validation: int) -> None:
    """In 19 of 20 seeds at most 5 % of either side are wrong, with one and with two threads."""
    script = Path(__file__).parents[1] / "bench" / "threshold.py"
    command = [sys.executable, str(script), "--validation", str(validation)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=6 * 3600)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    hold = [row["value"] for row in result["figures"] if row["what"].endswith("runs that hold")]
    assert len(hold) == 2
    assert min(hold) >= 19
