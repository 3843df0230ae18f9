"""Downloads, against a server on this machine with small archives of GTSRB's layout."""

import hashlib
import io
import socket
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import signwise.data.download as module
from signwise.cli.main import main
from signwise.data.download import CHUNK_BYTES, DownloadResult, download
from signwise.errors import SignwiseError
from signwise.synthetic import GTSRB_DESIGNS
from toy import toy_model, toy_picture

TRAINING, TEST, LABELS = module.GTSRB_ARCHIVES
Get = Callable[..., DownloadResult]
CLASSES = (0, 12, 14)
TRACKS, FRAMES, TEST_PICTURES = 4, 3, 9


def ppm(index: int, rng: np.random.Generator) -> bytes:
    file = io.BytesIO()
    Image.fromarray(toy_picture(index, rng)).save(file, "PPM")
    return file.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


@pytest.fixture(scope="module")
def archives() -> dict[str, bytes]:
    """Three archives laid out as the official ones, with members that try to leave the folder."""
    rng = np.random.default_rng(0)
    images = "GTSRB/Final_Training/Images"
    training = {"GTSRB/Readme-Images.txt": b"read me", "../../evil.ppm": b"evil"}
    for index, number in enumerate(CLASSES):
        training[f"{images}/{number:05d}/GT-{number:05d}.csv"] = b"Filename;Width\n"
        for track in range(TRACKS):
            for frame in range(FRAMES):
                name = f"{images}/{number:05d}/{track:05d}_{frame:05d}.ppm"
                training[name] = ppm(index, rng)
    training[f"{images}/00012/../../../../../evil.ppm"] = b"evil"
    test: dict[str, bytes] = {"/tmp/signwise-evil.ppm": b"evil"}
    table = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId\n"
    for picture in range(TEST_PICTURES):
        index = picture % len(CLASSES)
        test[f"GTSRB/Final_Test/Images/{picture:05d}.ppm"] = ppm(index, rng)
        table += f"{picture:05d}.ppm;40;40;5;5;35;35;{CLASSES[index]}\n"
    test["GTSRB/Final_Test/Images/GT-final_test.test.csv"] = b"Filename;Width\n"
    labels = {"GT-final_test.csv": table.encode()}
    return {TRAINING: zipped(training), TEST: zipped(test), LABELS: zipped(labels)}


@dataclass
class Server:
    """What a test tells the server to do, and what it was asked for."""

    url: str
    files: dict[str, bytes]
    cut_after: dict[str, list[int]] = field(default_factory=dict)
    resumes: bool = True
    requests: list[tuple[str, str | None]] = field(default_factory=list)


@pytest.fixture
def server(archives: dict[str, bytes]) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name, wanted = self.path.rsplit("/", 1)[1], self.headers["Range"]
            state.requests.append((name, wanted))
            if name not in state.files:
                self.send_error(404)
                return
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
            start = start if state.resumes else 0
            if start and start >= len(state.files[name]):
                self.send_error(416)
                return
            content = state.files[name][start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            cuts = state.cut_after.get(name, [])
            self.wfile.write(content[: cuts.pop(0)] if cuts else content)

        def log_message(self, *_: Any) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state = Server(f"http://127.0.0.1:{http.server_port}/public/", dict(archives))
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield state
        http.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.0)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache" / "signwise"


@pytest.fixture
def get(server: Server, archives: dict[str, bytes], tmp_path: Path) -> Get:
    known = {name: f"md5:{hashlib.md5(content).hexdigest()}" for name, content in archives.items()}

    def run(**options: Any) -> DownloadResult:
        return download("gtsrb", tmp_path / "out", _url=server.url, _archives=known, **options)

    return run


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_all_well(get: Get, server: Server, tmp_path: Path) -> None:
    result = get()
    train, test = len(CLASSES) * TRACKS * FRAMES, TEST_PICTURES
    assert result.counts == {"train": train, "test": test}
    found = files(tmp_path / "out")
    assert len(found) == train + test + 1  # the marker
    assert "train/14_stop/00003_00002.ppm" in found
    assert "test/12_priority/00001.ppm" in found
    assert result.classes == tuple(f"{n:02d}_{name}" for n, name in enumerate(GTSRB_DESIGNS))
    assert server.requests == [(TRAINING, None), (TEST, None), (LABELS, None)]


def test_pictures_are_the_archive_s_own(
    get: Get, archives: dict[str, bytes], tmp_path: Path
) -> None:
    get()
    with zipfile.ZipFile(io.BytesIO(archives[TRAINING])) as archive:
        wanted = archive.read("GTSRB/Final_Training/Images/00012/00001_00002.ppm")
    assert (tmp_path / "out/train/12_priority/00001_00002.ppm").read_bytes() == wanted


def test_no_path_leaves_the_folder(get: Get, tmp_path: Path) -> None:
    get()
    assert not list(tmp_path.rglob("*evil*"))
    assert not Path("/tmp/signwise-evil.ppm").exists()


def test_chosen_classes_under_chosen_names(get: Get, tmp_path: Path) -> None:
    result = get(classes=["12=priority", "14=стоп знак"])
    assert result.classes == ("priority", "стоп знак")
    assert result.counts == {"train": 2 * TRACKS * FRAMES, "test": 6}
    assert {path.name for path in (tmp_path / "out/train").iterdir()} == {"priority", "стоп знак"}
    again = get(classes={14: "stop"})
    assert again.counts == {"train": TRACKS * FRAMES, "test": 3}
    assert [path.name for path in (tmp_path / "out/train").iterdir()] == ["stop"]


def test_what_is_in_the_cache_is_not_fetched_again(get: Get, server: Server) -> None:
    get()
    server.requests.clear()
    get()
    assert server.requests == []


def test_it_is_ready_for_prepare_and_evaluate(get: Get, tmp_path: Path) -> None:
    get(classes=["12=priority", "14=stop"])
    out, data = tmp_path / "out", tmp_path / "data"
    assert main(["prepare", str(out / "train"), "--out", str(data)]) == 0
    assert '"grouping": "track"' in (data / "data.json").read_text()
    model = toy_model(tmp_path / "toy.onnx")
    command = ["evaluate", str(model), "--data", str(out / "test"), "--out", str(tmp_path / "e")]
    assert main(command) == 0


def test_cut_connection_is_resumed(get: Get, server: Server) -> None:
    server.cut_after[TRAINING] = [40_000, 50_000]
    assert get().counts["train"] == len(CLASSES) * TRACKS * FRAMES
    ranges = [wanted for name, wanted in server.requests if name == TRAINING]
    assert ranges == [None, f"bytes={2 * CHUNK_BYTES}-", f"bytes={5 * CHUNK_BYTES}-"]


def test_cut_connection_is_resumed_by_the_next_run(get: Get, server: Server, cache: Path) -> None:
    server.cut_after[TRAINING] = [40_000, 0, 0, 0]
    with pytest.raises(SignwiseError, match="try again"):
        get()
    assert (cache / f"{TRAINING}.part").stat().st_size == 2 * CHUNK_BYTES
    server.requests.clear()
    get()
    assert server.requests[0] == (TRAINING, f"bytes={2 * CHUNK_BYTES}-")
    assert files(cache) == sorted((TRAINING, TEST, LABELS))


def test_nothing_is_left_to_fetch(
    get: Get, server: Server, archives: dict[str, bytes], cache: Path
) -> None:
    cache.mkdir(parents=True)
    (cache / f"{TRAINING}.part").write_bytes(archives[TRAINING])
    assert get().counts["train"] == len(CLASSES) * TRACKS * FRAMES
    assert server.requests[0] == (TRAINING, f"bytes={len(archives[TRAINING])}-")


def test_a_beginning_of_another_file_is_given_up(
    get: Get, archives: dict[str, bytes], cache: Path
) -> None:
    cache.mkdir(parents=True)
    (cache / f"{TRAINING}.part").write_bytes(b"?" * (len(archives[TRAINING]) + 1))
    with pytest.raises(SignwiseError, match="not the file that signwise knows"):
        get()
    assert get().counts["train"] == len(CLASSES) * TRACKS * FRAMES


def test_server_that_does_not_resume_sends_all_again(get: Get, server: Server) -> None:
    server.cut_after[TRAINING] = [40_000]
    server.resumes = False
    assert get().counts["train"] == len(CLASSES) * TRACKS * FRAMES


def test_wrong_checksum(get: Get, server: Server, cache: Path, tmp_path: Path) -> None:
    server.files[TEST] += b"one byte too many"
    with pytest.raises(SignwiseError, match="not the file that signwise knows") as error:
        get()
    assert TEST in str(error.value)
    assert str(cache) in str(error.value)
    assert not (cache / TEST).exists()
    assert not (tmp_path / "out").exists(), "nothing is in the way of another try"


def test_missing_on_the_server(get: Get, server: Server) -> None:
    del server.files[TEST]
    with pytest.raises(SignwiseError, match="status 404"):
        get()


def test_no_network_says_where_to_put_the_files(
    get: Get, server: Server, archives: dict[str, bytes], cache: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server.url = f"http://127.0.0.1:{free.getsockname()[1]}/"
    with pytest.raises(SignwiseError, match="by hand") as error:
        get()
    assert f"put {TRAINING} into {cache} by hand" in str(error.value)
    for name, content in archives.items():
        (cache / name).write_bytes(content)
    assert get().counts["test"] == TEST_PICTURES


@pytest.mark.parametrize(
    "classes",
    [
        ["12"],
        ["12="],
        ["stop=14"],
        ["43=stop"],
        ["14=../stop"],
        ["14=.."],
        ["14=Unknown"],
        ["12=stop", "14=stop"],
        ["14=priority", "14=stop"],
    ],
)
def test_bad_classes_name_the_flag(
    classes: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["download", "gtsrb", str(out), "--classes", *classes]) == 2
    assert capsys.readouterr().err.startswith("error: --classes ")
    assert not out.exists()


def test_unknown_data_set(tmp_path: Path) -> None:
    with pytest.raises(SignwiseError, match="only gtsrb"):
        download("imagenet", tmp_path / "out")


def test_folder_of_others_is_refused_before_anything_is_fetched(
    get: Get, server: Server, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(SignwiseError, match="did not write"):
        get()
    assert server.requests == []
