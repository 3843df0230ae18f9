"""Output folders: whose they are, one process at a time, and as they were after a failure."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signwise.errors import SignwiseError
from signwise.files import atomic_path, write_text
from signwise.folders import HOLDER, LOCK, MARKER, claim_folder, output_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """A new folder at each call, as an example of a property needs it."""
    return lambda: tmp_path_factory.mktemp("example")


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


HOLD = """
import os, signal, sys
from pathlib import Path
from signwise.folders import output_folder
with output_folder(Path(sys.argv[1]), "run") as out:
    (out / "half.txt").write_text("half")
    print(os.getpid(), flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(out: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that writes into the folder until its standard input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(out)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) == process.pid
        try:
            yield process
        finally:
            process.kill()


def test_a_second_process_is_told_who_writes(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with holder(out) as process:
        before = tree(out)
        for kind in ("run", "run"):
            with pytest.raises(SignwiseError, match="is being written by") as caught:
                claim_folder(out, kind)
            assert f"process {process.pid} on " in str(caught.value)
            assert "wait for it, or give `out` another folder" in str(caught.value)
        with pytest.raises(SignwiseError, match="holds signwise run output"):
            claim_folder(out, "data")
        assert tree(out) == before
        process.communicate("")
    assert names(out) == [MARKER, "half.txt"]
    claim_folder(out, "run")


def test_a_second_thread_is_told_as_well(tmp_path: Path) -> None:
    with output_folder(tmp_path, "run"), ThreadPoolExecutor(1) as pool:
        error = pool.submit(claim_folder, tmp_path, "run").exception()
    assert f"process {os.getpid()} on " in str(error)


def test_a_folder_whose_holder_was_killed_is_taken_over(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with holder(out) as process:
        process.kill()
        process.wait()
        assert {LOCK, HOLDER} <= set(names(out))
        claim_folder(out, "run")
    assert names(out) == [MARKER, "half.txt"]


@pytest.mark.parametrize("left", [[], [LOCK], [LOCK, HOLDER], [LOCK, f".{7:012x}.partial"]])
def test_a_kill_before_the_mark_does_not_block_the_folder(tmp_path: Path, left: list[str]) -> None:
    for name in left:
        (tmp_path / name).touch()
    claim_folder(tmp_path, "run")
    assert names(tmp_path) == [MARKER]


@pytest.mark.parametrize("error", [OSError(95, "not supported"), NotImplementedError()])
def test_without_locks_the_folder_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("filelock.FileLock.acquire", fail)
    claim_folder(tmp_path / "run", "run")
    assert names(tmp_path / "run") == [MARKER]


def test_a_link_to_nowhere_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "run").symlink_to(tmp_path / "nowhere")
    with pytest.raises(SignwiseError, match="run is no folder: give `out` a folder"):
        claim_folder(tmp_path / "run", "run")
