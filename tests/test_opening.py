"""Files from outside: opened only where they are regular files, JSON only where it fits."""

import io
import os
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from signwise.cli.main import main
from signwise.data.sources import list_source
from signwise.errors import SignwiseError
from signwise.files import write_json
from signwise.opening import MOST_PICTURE, open_regular, read_json, read_record, read_regular
from toy import toy_folder, toy_model

posix = pytest.mark.skipif(os.name == "nt", reason="another operating system")

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


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 5000])
def test_a_small_file_comes_as_its_bytes(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    content = os.urandom(size)
    path.write_bytes(content)
    with open_regular(path, in_memory=100) as file:
        assert isinstance(file, io.BytesIO) == (size <= 100)
        assert file.read() == content
    with pytest.raises(OSError, match="large"):
        open_regular(path, most=size - 1, in_memory=100)


@pytest.mark.skipif(sys.platform != "linux", reason="another operating system")
def test_a_file_that_does_not_say_how_long_it_is_comes_whole() -> None:
    with open_regular("/proc/self/status", in_memory=100) as file:
        assert not isinstance(file, io.BytesIO)
        assert file.read().startswith(b"Name:")


@pytest.mark.skipif(sys.platform != "linux", reason="another operating system")
def test_a_list_that_cannot_be_read_is_named() -> None:
    with pytest.raises(SignwiseError, match="/proc/self/mem is no readable CSV"):
        list_source(Path("/proc/self/mem"))


def nothing(_: Path) -> None:
    """Leave no file there."""


def lone_link(path: Path) -> None:
    path.symlink_to(path.name)


def link_to_pipe(path: Path) -> None:
    os.mkfifo(f"{path}.pipe")
    path.symlink_to(f"{path}.pipe")


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(5 * 2**30)


STRANGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (nothing, "No such file"),
    "folder": (Path.mkdir, "Is a directory"),
    "link to itself": (lone_link, "symbolic links"),
    "pipe": (os.mkfifo, "no regular file"),
    "link to a pipe": (link_to_pipe, "no regular file"),
    "endless": (lambda path: path.symlink_to("/dev/zero"), "no regular file"),
    "empty device": (lambda path: path.symlink_to("/dev/null"), "no regular file"),
    "terminal": (lambda path: path.symlink_to("/dev/tty"), "no regular file"),
    "socket": (lambda path: socket.socket(socket.AF_UNIX).bind(str(path)), "no regular file"),
    "sparse": (sparse, "larger than the limit of 512 MiB"),
    "no name": (nothing, "no file can have this name"),
}


@posix
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("kind", STRANGE)
def test_what_is_no_regular_file_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    make, reason = STRANGE[kind]
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    path = Path("a\0b" if kind == "no name" else "a")
    make(path)
    for read in (open_regular, read_regular):
        with pytest.raises(OSError, match=reason) as caught:
            read(path, MOST_PICTURE)
        assert reason in str(caught.value.strerror), "and not in its name alone"


GIVEN = {
    "SOURCE": ("prepare", "a", "--out", "out"),
    "--out": ("prepare", "photos", "--out", "a"),
    "--exclude": ("prepare", "photos", "--out", "out", "--exclude", "a"),
    "--config": ("prepare", "photos", "--out", "out", "--config", "a"),
    "--data": ("evaluate", "toy.onnx", "--data", "a", "--out", "out"),
    "--unknown": ("evaluate", "toy.onnx", "--data", "photos", "--unknown", "a", "--out", "out"),
    "MODEL": ("predict", "a", "photos"),
    "DATA": ("train", "a", "--out", "out"),
    "IMAGES": ("predict", "toy.onnx", "a"),
    "IMAGES of explain": ("explain", "toy.onnx", "a", "--out", "out"),
}
"""Every argument that names what a verb opens."""


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    toy_folder(folder / "photos", per_class=9)
    toy_model(folder / "toy.onnx")
    return folder


@posix
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("kind", sorted(STRANGE.keys() - {"folder", "no name", "sparse"}))
@pytest.mark.parametrize("argument", GIVEN)
def test_no_argument_that_is_no_file_hangs_a_verb_or_is_a_bug(
    work: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    argument: str,
    kind: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("photos", "toy.onnx"):
        Path(name).symlink_to(work / name)
    STRANGE[kind][0](Path("a"))
    if (argument, kind) == ("--out", "missing"):
        return
    found = main(GIVEN[argument])
    told = capsys.readouterr()
    row = argument.startswith("IMAGES")
    assert found == 2 or (row and found == 1), told
    assert row or told.err.startswith("error: "), told
    assert "bug" not in told.err
    assert "a" in told.err + told.out
    assert not Path("out", "metrics.json").exists()
    there = kind not in ("missing", "link to itself")
    assert not (there and "does not exist" in told.err), "it is there, but no file"


def test_a_file_is_read_up_to_the_limit_and_not_beyond(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"four")
    assert read_regular(path) == read_regular(path, 4) == b"four"
    with pytest.raises(OSError, match="larger than the limit of 3 bytes"):
        read_regular(path, 3)


@posix
@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="another operating system")
def test_a_file_that_holds_more_than_it_says_is_bounded() -> None:
    assert Path("/proc/self/maps").stat().st_size == 0
    with pytest.raises(OSError, match="larger than the limit"):
        read_regular("/proc/self/maps", 100)


NESTED = b"[" * 100_000 + b"]" * 100_000
HOSTILE_JSON = [
    b'"\\ud800"',
    NESTED,
    b'{"x": 3, "name": "a", "more": ' + NESTED + b"}",
    b'{"x": 3, "name": "\\udfff"}',
    b'{"x": 1.5e400}',
    b'{"x": NaN}',
    b'{"x": 3, "name": "\xed\xa0\x80"}',
]


@pytest.mark.parametrize("content", HOSTILE_JSON, ids=range(len(HOSTILE_JSON)))
def test_hostile_json_is_an_error_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    for read in (read_json, lambda path: read_record(path, Point)):
        with pytest.raises(SignwiseError, match=r"a\.json is") as caught:
            read(path)
        assert len(str(caught.value)) < 1000


def test_the_mark_of_an_editor_is_no_part_of_the_json(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"x": 3}', encoding="utf-8-sig")
    assert read_json(path) == {"x": 3}
    assert read_record(path, Point) == Point(x=3)
