"""Atomic writes, temporary folders, JSON files and hashes."""

import errno
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signwise.errors import SignwiseError
from signwise.files import (
    atomic_path,
    printable_path,
    remove_left,
    scratch_folder,
    sha256_bytes,
    sha256_file,
    write_bytes,
    write_json,
    write_text,
)
from signwise.folders import MARKER, output_folder

posix = pytest.mark.skipif(os.name == "nt", reason="another operating system")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """A new folder at each call, as an example of a property needs it."""
    return lambda: tmp_path_factory.mktemp("example")


def test_write_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "new" / "deep" / "a.txt"
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


def test_a_file_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a machine that loses its power might leave an empty file under the final name."""
    flushed: list[int] = []

    def fsync(descriptor: int) -> None:
        assert not (tmp_path / "a.txt").exists()
        flushed.append(os.fstat(descriptor).st_size)

    monkeypatch.setattr(os, "fsync", fsync)
    write_text(tmp_path / "a.txt", "four")
    assert flushed == [4]


@given(old=st.none() | st.binary(), pieces=st.lists(st.binary()), data=st.data())
@settings(max_examples=40, deadline=None)
def test_an_error_at_any_moment_leaves_the_old_file_whole(
    fresh: Callable[[], Path], old: bytes | None, pieces: list[bytes], data: st.DataObject
) -> None:
    folder = fresh()
    target = folder / "a.bin"
    if old is not None:
        target.write_bytes(old)
    moment = data.draw(st.integers(0, len(pieces)))

    def fail_half_way() -> None:
        with atomic_path(target) as temporary, temporary.open("wb") as file:
            for piece in pieces[:moment]:
                file.write(piece)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_half_way()
    assert names(folder) == ([] if old is None else ["a.bin"])
    if old is not None:
        assert target.read_bytes() == old
    write_bytes(target, b"".join(pieces))
    assert target.read_bytes() == b"".join(pieces)
    assert names(folder) == ["a.bin"]


def test_written_file_is_as_readable_as_any_other(tmp_path: Path) -> None:
    write_bytes(tmp_path / "ours", b"")
    (tmp_path / "plain").touch()
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_what_cannot_be_written_is_named_by_its_own_name(tmp_path: Path) -> None:
    target = tmp_path / f"a.{300 * 'b'}"
    with pytest.raises(OSError, match="File name too long") as caught:
        write_bytes(target, b"")
    assert caught.value.filename == str(target)


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
    done = subprocess.run([sys.executable, "-c", FILL_DISK, str(target)], check=False)
    assert done.returncode == 7
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["a.bin"]


def test_another_error_of_the_system_comes_out_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a.bin") as temporary:
        temporary.unlink()


WRITE_FOR_EVER = """
import sys
from pathlib import Path
from signwise.files import write_bytes
for number in range(10**9):
    write_bytes(Path(sys.argv[1]), bytes([number % 256]) * 1_000_000)
"""


def test_kill_while_writing_leaves_a_whole_file(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    command = [sys.executable, "-c", WRITE_FOR_EVER, str(target)]
    left: set[Path] = set()
    for _ in range(3):
        with subprocess.Popen(command) as writer:
            # A first file is there, and the next is being written.
            while not (target.exists() and set(tmp_path.glob(".*.partial.bin")) - left):
                assert writer.poll() is None, "the writer has failed"
                time.sleep(0.0001)
            writer.kill()
        left = set(tmp_path.glob(".*"))
        content = target.read_bytes()
        assert len(content) == 1_000_000
        assert len(set(content)) == 1
        assert set(tmp_path.iterdir()) == {target, *left}
        target.unlink()


def test_json_can_be_read_by_a_person_and_has_no_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    write_json(tmp_path / "a.json", {"ä": [1, None]})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"ä": [1, None]}
    assert "ä" in text
    assert text.endswith("}\n")


def test_hashes_of_file_and_bytes_agree(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2
    assert sha256_file(tmp_path / "a") == sha256_bytes(b"abc") == known


@pytest.mark.parametrize(
    ("name", "shown"), [(b"a/b.png", "a/b.png"), ("ü".encode(), "ü"), (b"\xff.png", r"\xff.png")]
)
def test_a_path_can_be_printed(name: bytes, shown: str) -> None:
    assert printable_path(os.fsdecode(name)) == shown
    assert printable_path(Path(os.fsdecode(name))) == shown


def test_a_file_system_that_cannot_flush_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(number: int) -> Callable[[int], None]:
        def fsync(_: int) -> None:
            raise OSError(number, os.strerror(number))

        return fsync

    for number in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        monkeypatch.setattr(os, "fsync", fail(number))
        write_bytes(tmp_path / "a.bin", b"a")
    monkeypatch.setattr(os, "fsync", fail(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        write_bytes(tmp_path / "a.bin", b"b")
    assert (tmp_path / "a.bin").read_bytes() == b"a"


@posix
def test_what_is_flushed_is_open_for_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows flushes nothing else."""
    fcntl = pytest.importorskip("fcntl")
    modes: list[int] = []
    monkeypatch.setattr(
        os, "fsync", lambda fd: modes.append(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE)
    )
    write_bytes(tmp_path / "a.bin", b"a")
    assert modes == [os.O_RDWR]


def test_nothing_changes_rights_or_owners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Buckets, exFAT and network drives refuse that."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    for name in ("chmod", "fchmod", "lchmod", "chown", "fchown"):
        monkeypatch.setattr(os, name, refuse, raising=False)
    with output_folder(tmp_path / "out", "run") as out:
        write_text(out / "a.txt", "a")
    assert names(tmp_path / "out") == [MARKER, "a.txt"]


@posix
def test_what_a_killed_process_left_goes_and_what_one_writes_stays(tmp_path: Path) -> None:
    left = [tmp_path / f".{number:012x}.partial.csv" for number in range(2)]
    for path in left:
        path.write_bytes(b"half")
    (tmp_path / "victim").write_bytes(b"whole")
    link = tmp_path / f".{9:012x}.partial"
    link.symlink_to(tmp_path / "victim")
    with atomic_path(tmp_path / "a.csv") as temporary:
        remove_left(tmp_path)
        assert names(tmp_path) == sorted([temporary.name, link.name, "victim"])
    assert names(tmp_path) == sorted([link.name, "a.csv", "victim"])


IN_SCRATCH = """
import os, signal, sys
from signwise.files import scratch_folder
with scratch_folder() as folder:
    (folder / "pixels.npy").write_bytes(b"x")
    print(folder, flush=True)
    if sys.argv[1] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    sys.stdin.read()
"""


@posix
def test_scratch_of_killed_processes_goes_and_that_of_others_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def start(kind: str) -> tuple[subprocess.Popen[str], Path]:
        process = subprocess.Popen(
            [sys.executable, "-c", IN_SCRATCH, kind],
            env=os.environ | {"TMPDIR": str(tmp_path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        return process, Path(process.stdout.readline().strip())

    alive, there = start("alive")
    with alive:
        killed, gone = start("killed")
        with killed:
            killed.wait()
        assert gone.is_dir()
        with scratch_folder() as own:
            assert own.parent == tmp_path
            assert (there / "pixels.npy").is_file()
            assert not gone.exists()
        assert not own.exists()
        alive.communicate("")
    assert names(tmp_path) == []


def fail_in_scratch() -> None:
    with scratch_folder():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_of_temporary_files_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(SignwiseError, match=rf"^{tmp_path}: No space left .*free some"):
        fail_in_scratch()
    assert names(tmp_path) == []
