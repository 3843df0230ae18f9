"""Atomic writes, output folders and hashes."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from signwise.errors import SignwiseError
from signwise.files import (
    atomic_path,
    claim_directory,
    read_json,
    sha256_bytes,
    sha256_file,
    write_bytes,
    write_json,
    write_text,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_write_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.txt"
    write_text(target, "old")
    write_text(target, "grün")
    assert target.read_text(encoding="utf-8") == "grün"
    assert names(target.parent) == ["a.txt"]


def test_temporary_file_is_hidden_and_keeps_the_suffix(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a.npy") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".")
        assert temporary.suffix == ".npy"
        temporary.write_bytes(b"x")
    assert names(tmp_path) == ["a.npy"]


def test_error_while_writing_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "old")

    def fail_half_way() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("ne")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half"):
        fail_half_way()
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_written_file_is_as_readable_as_any_other(tmp_path: Path) -> None:
    write_bytes(tmp_path / "ours", b"")
    (tmp_path / "plain").touch()
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


FILL_DISK = """
import resource, signal, sys
from pathlib import Path
from signwise.errors import SignwiseError
from signwise.files import write_bytes
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_bytes(Path(sys.argv[1]), bytes(100_000))
except SignwiseError as error:
    assert "a.bin: File too large: free some space" in str(error), error
    sys.exit(7)
"""


def test_full_disk_keeps_the_old_file(tmp_path: Path) -> None:
    """A limit on the size of files fails the same system call as a full disk does."""
    target = tmp_path / "a.bin"
    write_bytes(target, b"old")
    done = subprocess.run([sys.executable, "-c", FILL_DISK, str(target)], timeout=60)
    assert done.returncode == 7
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["a.bin"]


WRITE_FOR_EVER = """
import sys
from pathlib import Path
from signwise.files import write_bytes
for number in range(10**9):
    write_bytes(Path(sys.argv[1]), bytes([number % 256]) * 1_000_000)
    if number == 0:
        print("ready", flush=True)
"""


def test_kill_while_writing_leaves_a_whole_file(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    command = [sys.executable, "-c", WRITE_FOR_EVER, str(target)]
    for delay in (0.0, 0.013, 0.031):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
            time.sleep(delay)
            writer.kill()
        content = target.read_bytes()
        assert len(content) == 1_000_000
        assert len(set(content)) == 1
        assert all(name.startswith(".") for name in names(tmp_path) if name != "a.bin")


def test_json_round_trip_and_no_nan(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"ä": [1, None]})
    assert read_json(tmp_path / "a.json") == {"ä": [1, None]}
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"ä": [1, None]}


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", None])
def test_read_json_names_the_file(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "broken.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SignwiseError, match=r"broken\.json"):
        read_json(path)


def test_hashes_of_file_and_bytes_agree(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2
    assert sha256_file(tmp_path / "a") == sha256_bytes(b"abc") == known


def test_claim_directory(tmp_path: Path) -> None:
    out = claim_directory(tmp_path / "deep" / "run", "run", replace=False)
    assert claim_directory(out, "run", replace=True) == out
    with pytest.raises(SignwiseError, match="already"):
        claim_directory(out, "run", replace=False)
    with pytest.raises(SignwiseError, match="another folder"):
        claim_directory(out, "data", replace=True)


def test_claim_directory_clears_what_a_killed_writer_left(tmp_path: Path) -> None:
    out = claim_directory(tmp_path / "run", "run", replace=False)
    (out / ".x1y2z3.partial.onnx").write_bytes(b"half a model")
    (out / "model.onnx").write_bytes(b"a model")
    claim_directory(out, "run", replace=True)
    assert names(out) == [".signwise", "model.onnx"]


def test_claim_directory_takes_an_empty_folder(tmp_path: Path) -> None:
    assert claim_directory(tmp_path, "run", replace=False) == tmp_path


def test_claim_directory_refuses_what_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(SignwiseError, match="did not write"):
        claim_directory(tmp_path, "run", replace=True)
    with pytest.raises(SignwiseError, match="is a file"):
        claim_directory(tmp_path / "thesis.txt", "run", replace=True)
    assert names(tmp_path) == ["thesis.txt"]
