"""Atomic writes, output folders, records and hashes."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signwise.errors import SignwiseError
from signwise.files import (
    MARKER,
    atomic_path,
    claim_folder,
    output_folder,
    printable_path,
    read_json,
    read_record,
    sha256_bytes,
    sha256_file,
    write_bytes,
    write_json,
    write_text,
)


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


def test_json_round_trip_and_no_nan(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"ä": [1, None]})
    assert read_json(tmp_path / "a.json") == {"ä": [1, None]}
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"ä": [1, None]}
    assert "ä" in text
    assert text.endswith("}\n")


BROKEN = [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000, None]


@pytest.mark.parametrize("content", BROKEN, ids=range(len(BROKEN)))
def test_read_json_names_the_file(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "broken.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SignwiseError, match=r"broken\.json is no readable JSON file"):
        read_json(path)


@dataclass(frozen=True, kw_only=True)
class Point:
    """A record to read."""

    x: int
    name: str = "origin"


def test_a_record_has_its_types_and_leaves_the_rest_alone(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"x": 3, "later": [1]})
    assert read_record(tmp_path / "a.json", Point) == Point(x=3)


@pytest.mark.parametrize(
    "content", [*BROKEN, b'{"x": "3"}', b'{"name": "a"}', b"[]", b'{"x": 3.5}']
)
def test_what_is_no_such_record_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "broken.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SignwiseError, match=r"broken\.json is not as signwise writes it \("):
        read_record(path, Point)


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


def test_claim_folder_makes_it_and_marks_it(tmp_path: Path) -> None:
    out = claim_folder(tmp_path / "deep" / "run", "run")
    assert out == tmp_path / "deep" / "run"
    assert json.loads((out / MARKER).read_text()) == {"kind": "run"}
    (out / "a.txt").touch()
    claim_folder(out, "run")
    assert names(out) == [MARKER, "a.txt"]
    with pytest.raises(SignwiseError, match=r"holds signwise run output: give `out` another"):
        claim_folder(out, "data")


def test_claim_folder_clears_what_a_killed_writer_left_and_no_more(tmp_path: Path) -> None:
    out = claim_folder(tmp_path / "run", "run")
    with atomic_path(out / "model.onnx") as temporary:
        temporary.write_bytes(b"half a model")
        left = temporary.name
    (out / left).write_bytes(b"half a model")
    (out / ".my.partial.notes").touch()
    claim_folder(out, "run")
    assert names(out) == [".my.partial.notes", MARKER, "model.onnx"]


def test_claim_folder_takes_an_empty_folder(tmp_path: Path) -> None:
    assert claim_folder(tmp_path, "run") == tmp_path
    assert names(tmp_path) == [MARKER]


def test_claim_folder_takes_one_that_a_kill_left_before_its_mark(tmp_path: Path) -> None:
    with atomic_path(tmp_path / MARKER) as temporary:
        left = temporary.name
    (tmp_path / MARKER).unlink()
    (tmp_path / left).touch()
    claim_folder(tmp_path, "run")
    assert names(tmp_path) == [MARKER]


def test_claim_folder_refuses_what_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(SignwiseError, match="did not write: give `out` a new folder"):
        claim_folder(tmp_path, "run")
    with pytest.raises(SignwiseError, match=r"thesis\.txt is a file: give `out` a folder"):
        claim_folder(tmp_path / "thesis.txt", "run")
    assert names(tmp_path) == ["thesis.txt"]


def tree(folder: Path) -> dict[str, bytes | None]:
    """All below the folder: what is in each file, None for a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


paths = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map("/".join)
contents = st.dictionaries(paths.map(lambda path: f"{path}.txt"), st.binary(max_size=9), max_size=5)


def fill(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def fail_in(folder: Path, files: dict[str, bytes], **options: Callable[[Path], bool]) -> None:
    """Write the files into the output folder, then fail."""
    with output_folder(folder, "run", **options) as out:
        fill(out, files)
        raise KeyboardInterrupt


@given(existed=st.booleans(), written=contents)
@settings(max_examples=40, deadline=None)
def test_a_folder_that_held_nothing_is_as_it_was_after_a_failure(
    fresh: Callable[[], Path], existed: bool, written: dict[str, bytes]
) -> None:
    folder = fresh() / "run"
    if existed:
        folder.mkdir(mode=0o750)
        before = folder.stat()
    with pytest.raises(KeyboardInterrupt):
        fail_in(folder, written)
    assert folder.exists() == existed
    if existed:
        assert tree(folder) == {}
        assert (folder.stat().st_mode, folder.stat().st_ino) == (before.st_mode, before.st_ino)


@given(earlier=contents, written=contents)
@settings(max_examples=40, deadline=None)
def test_a_folder_that_held_output_keeps_it_after_a_failure(
    fresh: Callable[[], Path], earlier: dict[str, bytes], written: dict[str, bytes]
) -> None:
    folder = fresh() / "run"
    with output_folder(folder, "run") as out:
        fill(out, earlier)
    with pytest.raises(KeyboardInterrupt):
        fail_in(folder, written)
    expected = fresh()
    fill(expected, {MARKER: (folder / MARKER).read_bytes()} | earlier | written)
    assert tree(folder) == tree(expected)


@given(written=contents, keep=st.booleans())
@settings(max_examples=40, deadline=None)
def test_what_is_of_use_stays_after_a_failure(
    fresh: Callable[[], Path], written: dict[str, bytes], keep: bool
) -> None:
    folder = fresh() / "run"
    with pytest.raises(KeyboardInterrupt):
        fail_in(folder, written, keep=lambda out: keep and out == folder)
    assert folder.exists() == keep
    if keep:
        assert set(written) | {MARKER} <= set(tree(folder))
        claim_folder(folder, "run")  # and can be gone on with


def test_a_link_to_an_empty_folder_is_emptied_and_stays(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "disk")
    with pytest.raises(KeyboardInterrupt):
        fail_in(tmp_path / "run", {"a.txt": b"", "b/c.txt": b""})
    assert (tmp_path / "run").is_symlink()
    assert names(tmp_path / "disk") == []


def test_output_stays_when_all_is_well(tmp_path: Path) -> None:
    with output_folder(tmp_path / "run", "run") as out:
        write_text(out / "a.txt", "a")
    assert names(tmp_path / "run") == [MARKER, "a.txt"]


def test_output_folder_refuses_what_is_not_ours_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(SignwiseError, match="did not write"), output_folder(tmp_path, "run"):
        raise AssertionError
    assert tree(tmp_path) == {"thesis.txt": b"years of work"}
