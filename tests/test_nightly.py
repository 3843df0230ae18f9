"""What takes too long for every change: each night runs these too."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.nightly


def test_runs_killed_at_random_times_resume_to_the_same_bits() -> None:
    script = Path(__file__).parents[1] / "bench" / "kill_resume.py"
    command = [sys.executable, str(script), "--kills", "10"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3600)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    (same,) = [row for row in result["figures"] if row["what"].endswith("the same bits")]
    assert same["value"] == result["n"] == 10
