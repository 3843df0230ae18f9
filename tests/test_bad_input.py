"""What bad input gets, row by row of the design's table, as seen from the command line."""

import csv
import io
import json
import resource
import shutil
import signal
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from console import failure
from signwise.cli.main import main
from signwise.data.manifest import load_data
from signwise.errors import SignwiseError
from toy import toy_folder, toy_model, toy_picture

PER_CLASS = 9
COUNT = 2 * PER_CLASS


def picture_bytes(picture: Image.Image, format: str) -> bytes:
    file = io.BytesIO()
    picture.save(file, format)
    return file.getvalue()


def zero_pixel_png() -> bytes:
    """A PNG whose header says 0 x 0 pixels, all checksums right."""
    header = struct.pack(">IIBBBBB", 0, 0, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in chunks:
        checksum = zlib.crc32(kind + data)
        content += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)
    return content


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return toy_folder(tmp_path / "photos", per_class=PER_CLASS)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What prepare makes of the same photos; copy it to change it."""
    root = tmp_path_factory.mktemp("prepared")
    photos = toy_folder(root / "photos", per_class=PER_CLASS)
    assert main(["prepare", str(photos), "--out", str(root / "data")]) == 0
    return root / "data"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return toy_model(tmp_path / "toy.onnx")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def broken(photos: Path) -> dict[str, Path]:
    """Pictures that can't be read, by what is wrong with them."""
    rng = np.random.default_rng(0)
    whole = picture_bytes(Image.fromarray(toy_picture(1, rng)), "JPEG")
    png = picture_bytes(Image.fromarray(toy_picture(1, rng)), "PNG")
    contents = {
        "truncated.jpg": whole[: len(whole) // 2],
        "truncated.png": png[: len(png) // 2],
        "empty.png": b"",
        "text.jpg": b"this was never a photo\n" * 20,
        "zero.png": zero_pixel_png(),
    }
    for name, content in contents.items():
        (photos / "stop" / name).write_bytes(content)
    return {name: photos / "stop" / name for name in contents}


def test_prepare_lists_what_can_not_be_read(
    photos: Path, broken: dict[str, Path], tmp_path: Path
) -> None:
    assert main(["prepare", str(photos), "--out", str(tmp_path / "data")]) == 1
    rows = rows_of(tmp_path / "data" / "manifest.csv")
    bad = {Path(row["path"]).name: row for row in rows if row["problem"]}
    assert set(bad) == set(broken)
    assert all(not row["split"] for row in bad.values())
    assert sum(not row["problem"] for row in rows) == COUNT


def test_predict_gives_them_a_row_with_the_reason(
    photos: Path, broken: dict[str, Path], model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "rows.csv"
    assert main(["predict", str(model), str(photos / "stop"), "--out", str(out)]) == 1
    rows = {Path(row["path"]).name: row for row in rows_of(out)}
    assert len(rows) == PER_CLASS + len(broken)
    for name, row in rows.items():
        assert bool(row["error"]) == (name in broken)
        filled = [value for key, value in row.items() if key not in ("path", "error")]
        assert all(bool(value) == (name not in broken) for value in filled), name


@pytest.mark.usefixtures("broken")
def test_evaluate_leaves_them_out_and_says_so(photos: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "evaluation"
    assert main(["evaluate", str(model), "--data", str(photos), "--out", str(out)]) == 1
    assert json.loads((out / "metrics.json").read_text())["n"] == COUNT


def test_odd_pictures_are_read(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    sign = Image.fromarray(toy_picture(1, np.random.default_rng(0), 64))
    exif = Image.Exif()
    exif[0x0112] = 6
    sign.save(folder / "rotated.jpg", exif=exif)
    sign.convert("CMYK").save(folder / "cmyk.jpg")
    sign.convert("P").save(folder / "palette.png")
    sign.convert("RGBA").save(folder / "alpha.png")
    sign.save(folder / "animated.gif", save_all=True, append_images=[sign.rotate(90)])
    sign.save(folder / "Straße 止まれ.png")
    sign.resize((1, 1)).save(folder / "one.png")
    sign.resize((20_000, 10)).save(folder / "long.png")
    Image.fromarray(np.full((40, 40), 30_000, np.uint16)).save(folder / "sixteen.png")
    out = tmp_path / "rows.csv"
    assert main(["predict", str(model), str(folder), "--out", str(out)]) == 0
    rows = rows_of(out)
    assert len(rows) == 9
    coloured = [row for row in rows if "sixteen" not in row["path"]]
    assert {row["label"] for row in coloured} == {"stop"}


def test_a_picture_with_too_many_pixels_is_a_row(photos: Path, tmp_path: Path) -> None:
    Image.new("RGB", (200, 100)).save(photos / "stop" / "large.png")
    command = ["prepare", str(photos), "--out", str(tmp_path / "data"), "--max-pixels", "10000"]
    assert main(command) == 1
    bad = [row for row in rows_of(tmp_path / "data" / "manifest.csv") if row["problem"]]
    assert [Path(row["path"]).name for row in bad] == ["large.png"]


def test_folders_that_can_not_be_split(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    (photos / "yield").mkdir()
    assert str(photos / "yield") in failure(capsys, "prepare", photos, "--out", data)
    (photos / "yield").rmdir()
    alone = toy_folder(tmp_path / "alone", ("stop",), PER_CLASS)
    assert str(alone) in failure(capsys, "prepare", alone, "--out", data)
    few = toy_folder(tmp_path / "few", per_class=6)  # two tracks
    error = failure(capsys, "prepare", few, "--out", data)
    assert "few/priority has 2 group(s) of usable pictures to split, at least 3 needed" in error
    (photos / "stop").rename(photos / "Unknown")
    assert "signwise train --unknown FOLDER" in failure(capsys, "prepare", photos, "--out", data)
    assert not (data / "data.json").exists()


def test_a_class_that_the_model_does_not_know(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = toy_folder(tmp_path / "other", ("stop", "yield"), 6)
    command = ("evaluate", model, "--data", folder, "--out", tmp_path / "e")
    error = failure(capsys, *command)
    assert all(name in error for name in ("priority", "stop", "yield"))


def test_a_file_that_is_not_a_model_of_ours(
    model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = {"text.onnx": b"not a model", "cut.onnx": model.read_bytes()[:200], "empty.onnx": b""}
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
    toy_model(tmp_path / "newer.onnx", format=99)
    outside = onnx.load(model)
    onnx.save(
        outside,
        tmp_path / "outside.onnx",
        save_as_external_data=True,
        location="weights",
        size_threshold=0,
    )
    for name in (*bad, "newer.onnx", "outside.onnx"):
        for command in (("predict", tmp_path / name, photos), ("explain", tmp_path / name, photos)):
            assert name in failure(capsys, *command)


def limit_file_size() -> None:
    """Make every file above 4 kB fail as on a full disk, in the child alone."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


def test_full_disk_leaves_the_old_file_whole(photos: Path, model: Path, tmp_path: Path) -> None:
    for number in range(60):
        source = photos / "stop" / "00000_00000.png"
        (photos / "stop" / f"00009_{number:05d}.png").write_bytes(source.read_bytes())
    out = tmp_path / "rows.csv"
    arguments = ["predict", str(model), str(photos / "priority"), "--out", str(out)]
    assert main(arguments) == 0
    old = out.read_bytes()
    arguments[2] = str(photos)
    command = [sys.executable, "-m", "signwise", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit_file_size)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert "File too large" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert out.read_bytes() == old
    assert not list(tmp_path.glob("*partial*")) + list(tmp_path.glob(".*partial*"))


def test_full_disk_while_preparing_leaves_no_data(photos: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    command = [sys.executable, "-m", "signwise", "prepare", str(photos), "--out", str(data)]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit_file_size)
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.stderr
    assert not (data / "data.json").exists()
    assert not list(data.rglob("pixels-*")) if data.exists() else True


PREPARE_UP_TO = """
import sys
from pathlib import Path
from signwise.data import prepare as module

def wait(*arguments, **options):
    print("here", flush=True)
    sys.stdin.read()

step, source, out = sys.argv[1:]
if step.endswith("data.json"):
    write = module.write_json
    module.write_json = lambda path, content: (wait if path.name == step else write)(path, content)
else:
    setattr(module, step, wait)
module.prepare(source, out, seed=1)
"""


@pytest.mark.parametrize(
    ("step", "partial", "mixed"),
    [
        ("find_flagged", 1, False),
        ("seal", 1, False),
        ("data_page", 0, False),
        ("data.json", 0, True),
    ],
)
def test_killed_while_preparing_leaves_the_old_data_or_says_what_to_do(
    prepared: Path, photos: Path, tmp_path: Path, step: str, partial: int, mixed: bool
) -> None:
    """Killed when all pictures are read, before the cache, before the report, at the very end."""
    data = tmp_path / "data"
    shutil.copytree(prepared, data)
    old = load_data(data).sha256
    command = [sys.executable, "-c", PREPARE_UP_TO, step, str(photos), str(data)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        process.kill()
    assert sum(".partial" in path.name for path in data.iterdir()) == partial, "killed at work"
    if mixed:
        with pytest.raises(SignwiseError, match="interrupted prepare: run signwise prepare again"):
            load_data(data)
    else:
        assert load_data(data).sha256 == old
    assert len(rows_of(data / "manifest.csv")) == COUNT
    assert main(["prepare", str(photos), "--out", str(data), "--seed", "1"]) == 0
    assert load_data(data).sha256 != old
    assert not any(".partial" in path.name for path in data.iterdir())
    pixels = np.load(data / "pixels-32.npy")
    assert pixels.shape == (COUNT, 32, 32, 3)
    assert pixels.any(axis=(1, 2, 3)).all()


def test_output_that_is_not_ours_is_refused(
    photos: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "chapter1.txt").write_text("years of work")
    for command in (
        ("prepare", photos, "--out", thesis),
        ("evaluate", model, "--data", photos, "--out", thesis),
        ("explain", model, photos, "--out", thesis),
        ("synth", thesis, "--per-class", 1),
        ("demo", "--out", thesis),
    ):
        assert str(thesis) in failure(capsys, *command)
    assert [path.name for path in thesis.iterdir()] == ["chapter1.txt"]


def test_no_network_for_imagenet_weights(
    prepared: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    command = ("train", prepared, "--out", tmp_path / "run", "--weights", "imagenet")
    error = failure(capsys, *command, "--unknown", "none")
    assert "resnet18-f37072fd.pth" in error
    assert str(tmp_path / "torch") in error
    assert "--weights none" in error
    assert not (tmp_path / "run").exists()
