"""The map of where the model looked lies where the evidence was planted."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from signwise.errors import SignwiseError
from signwise.inference.explain import explain, occlusion_map
from signwise.inference.predictor import Predictor
from signwise.report.heat import overlay, sheet
from toy import class_colour, toy_folder, toy_model

pytestmark = pytest.mark.numeric

# The places (top, left, bottom, right) that the model's answer depends on, in a picture of 32.
PLACES = [(0, 0, 10, 10), (11, 11, 21, 21), (20, 4, 30, 14), (2, 22, 12, 32), (12, 0, 20, 32)]


def planted(place: tuple[int, int, int, int], index: int, size: int = 32) -> np.ndarray:
    """Noise all over, also of the other class's hue, and a patch of the class's hue."""
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
    top, left, bottom, right = place
    pixels[top:bottom, left:right] = class_colour(index)
    return pixels


def share_inside(heat: np.ndarray, place: tuple[int, int, int, int], room: int = 0) -> float:
    """The share of the positive map that lies in the place, or within `room` pixels of it."""
    top, left, bottom, right = place
    inside = heat[max(0, top - room) : bottom + room, max(0, left - room) : right + room]
    return float(inside.clip(0).sum() / heat.clip(0).sum())


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("known", ["largest", "colour"])
def test_the_map_lies_where_the_evidence_is(
    tmp_path: Path, place: tuple[int, int, int, int], index: int, known: str
) -> None:
    model = toy_model(tmp_path / "model.onnx", region=place, known=known, threshold=0.5)
    heat = occlusion_map(Predictor(model), planted(place, index)[None])[0]
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert place[0] <= row < place[2]
    assert place[1] <= column < place[3]
    area = (place[2] - place[0]) * (place[3] - place[1]) / heat.size
    assert share_inside(heat, place) > 2 * area
    assert share_inside(heat, place, room=4) > 0.75
    # What lies far from the place can't matter, and the map says so: half the largest patch away.
    far = np.ones(heat.shape, dtype=bool)
    far[max(0, place[0] - 15) : place[2] + 15, max(0, place[1] - 15) : place[3] + 15] = False
    assert not far.any() or np.abs(heat[far]).max() < 1e-3 * heat.max()


def test_two_places_are_both_found(tmp_path: Path) -> None:
    model = toy_model(tmp_path / "model.onnx", known="colour", sharpness=200)
    pixels = np.full((32, 32, 3), 128, dtype=np.uint8)
    for left in (2, 24):
        pixels[13:19, left : left + 6] = class_colour(1)
    heat = occlusion_map(Predictor(model), pixels[None])[0]
    middle = heat[13:19, 13:19].max()
    assert heat[13:19, 2:8].mean() > 2 * middle
    assert heat[13:19, 24:30].mean() > 2 * middle


def test_what_speaks_for_another_class_is_below_zero(tmp_path: Path) -> None:
    model = toy_model(tmp_path / "model.onnx", sharpness=60)
    pixels = np.full((32, 32, 3), 128, dtype=np.uint8)
    pixels[4:16, 4:16] = class_colour(1)
    pixels[20:28, 20:28] = class_colour(0)
    heat = occlusion_map(Predictor(model), pixels[None])[0]
    assert heat[6:14, 6:14].mean() > 0
    assert heat[22:26, 22:26].mean() < 0


def test_an_unknown_picture_shows_what_was_refused(tmp_path: Path) -> None:
    """Grey speaks for `unknown`, a little sign against it."""
    model = toy_model(tmp_path / "model.onnx", known="colour", threshold=0.5, sharpness=100)
    pixels = np.full((32, 32, 3), 128, dtype=np.uint8)
    pixels[3:9, 20:26] = class_colour(1)
    predictor = Predictor(model)
    assert predictor.predict([pixels])[0].label == "unknown"
    heat = occlusion_map(predictor, pixels[None])[0]
    row, column = np.unravel_index(heat.argmin(), heat.shape)
    assert 3 <= row < 9
    assert 20 <= column < 26
    kept = occlusion_map(Predictor(model, threshold=0), pixels[None])[0]
    assert kept[3:9, 20:26].mean() > 0


@pytest.mark.parametrize("size", [1, 2, 7, 48, 64])
def test_any_size_and_batch_gives_the_same_map(tmp_path: Path, size: int) -> None:
    model = toy_model(tmp_path / "model.onnx", size=size)
    pixels = np.random.default_rng(0).integers(0, 256, (3, size, size, 3), dtype=np.uint8)
    heat = occlusion_map(Predictor(model), pixels)
    assert heat.shape == (3, size, size)
    assert heat.dtype == np.float32
    assert np.isfinite(heat).all()
    alone = occlusion_map(Predictor(model, batch_size=5), pixels[1:2])
    np.testing.assert_allclose(alone[0], heat[1], atol=1e-3)


def test_a_picture_without_evidence_has_an_empty_map(tmp_path: Path) -> None:
    model = toy_model(tmp_path / "model.onnx")
    heat = occlusion_map(Predictor(model), np.full((1, 32, 32, 3), 90, dtype=np.uint8))
    assert np.abs(heat).max() < 1e-4
    drawn = overlay(np.full((32, 32, 3), 90, dtype=np.uint8), heat[0]).astype(int)
    assert np.abs(drawn - drawn.mean(axis=2, keepdims=True)).max() < 3


def test_red_speaks_for_and_blue_against() -> None:
    heat = np.zeros((8, 8), dtype=np.float32)
    heat[:, :2], heat[:, 6:] = 2, -2
    drawn = overlay(np.full((40, 80, 3), 128, dtype=np.uint8), heat).astype(int)
    assert drawn.shape == (40, 80, 3)
    assert drawn[20, 3, 0] > drawn[20, 3, 2] + 80
    assert drawn[20, 76, 2] > drawn[20, 76, 0] + 80
    assert len(set(drawn[20, 40])) == 1


@pytest.mark.parametrize("shape", [(1, 1, 3), (2000, 3, 3), (10, 500, 3), (40, 40, 3)])
def test_a_sheet_fits_any_shape_and_any_text(shape: tuple[int, int, int]) -> None:
    heat = np.eye(5, dtype=np.float32)
    texts = ("a" * 300, "停\n🛑 \udcff\0 name")
    sizes = {sheet(np.zeros(shape, np.uint8), heat, text, text[::-1]).size for text in texts}
    assert len(sizes) == 1


def test_explain_writes_a_sheet_a_picture(tmp_path: Path) -> None:
    model = toy_model(tmp_path / "model.onnx", known="colour", threshold=0.5)
    folder = toy_folder(tmp_path / "in", per_class=2)
    (folder / "stop" / "broken.png").write_bytes(b"bad")
    (folder / "notes.txt").write_text("")
    grey = np.full((9, 9, 3), 128, dtype=np.uint8)
    result = explain(model, [folder, grey], out=tmp_path / "out")
    assert result.counts == {"images": 6, "explained": 5, "unreadable": 1, "skipped": 1}
    broken = str(folder / "stop" / "broken.png")
    assert result.problems == [{"path": broken, "problem": "not an image"}]
    assert [row["label"] for row in result.rows] == ["priority"] * 2 + ["stop"] * 2 + ["unknown"]
    files = [str(row["file"]) for row in result.rows]
    assert files == [
        "00000_00000.png", "00000_00001.png", "00000_00000-2.png", "00000_00001-2.png",
        "picture 6.png",
    ]  # fmt: skip
    for file in files:
        with Image.open(tmp_path / "out" / file) as image:
            image.load()
            assert image.width > 3 * 256
    with (tmp_path / "out" / "explanations.csv").open(encoding="utf-8") as listing:
        assert [row["file"] for row in csv.DictReader(listing)] == files


def test_explain_replaces_its_own_and_nothing_else(tmp_path: Path) -> None:
    model = toy_model(tmp_path / "model.onnx")
    folder = toy_folder(tmp_path / "in", per_class=1)
    out = tmp_path / "out"
    explain(model, [folder], out=out)
    (out / "mine.png").write_bytes(b"kept")
    explain(model, [folder / "stop" / "00000_00000.png"], out=out)
    names = sorted(path.name for path in out.iterdir() if not path.name.startswith("."))
    assert names == ["00000_00000.png", "explanations.csv", "mine.png"]
    with pytest.raises(SignwiseError, match="did not write"):
        explain(model, [folder], out=folder)


def test_maps_of_a_run_that_was_stopped_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = toy_model(tmp_path / "model.onnx")
    folder = toy_folder(tmp_path / "in", per_class=3)
    out = tmp_path / "out"

    def stop_at_the_third() -> None:
        made = iter(range(3))

        def stop(picture: np.ndarray, heat: np.ndarray, name: str, verdict: str) -> Image.Image:
            if next(made) == 2:
                raise KeyboardInterrupt
            return sheet(picture, heat, name, verdict)

        with monkeypatch.context() as patch:
            patch.setattr("signwise.inference.explain.sheet", stop)
            with pytest.raises(KeyboardInterrupt):
                explain(model, folder, out=out)

    stop_at_the_third()
    assert not out.exists(), "a folder that was new is gone"
    explain(model, folder / "priority" / "00000_00002.png", out=out)
    stop_at_the_third()
    assert {path.name for path in out.glob("*.png")} == {"00000_00000.png", "00000_00001.png"}
    explain(model, folder / "stop" / "00000_00002.png", out=out)
    assert [path.name for path in out.glob("*.png")] == ["00000_00002.png"]


def test_open_files_and_long_names_are_explained(tmp_path: Path) -> None:
    model = toy_model(tmp_path / "model.onnx")
    path = toy_folder(tmp_path / "in", per_class=1) / "stop" / "00000_00000.png"
    long = path.rename(path.with_name("\udcff" * 100 + ".png"))
    with long.open("rb") as file:
        result = explain(model, [long, file, b"no picture"], out=tmp_path / "out")
    assert result.counts["explained"] == 2
    assert result.rows[0]["known"] == result.rows[1]["known"]
    assert [problem["path"] for problem in result.problems] == ["picture 3"]


def test_an_answer_that_is_no_number_is_a_row(tmp_path: Path) -> None:
    model = toy_model(tmp_path / "model.onnx", sharpness=float("nan"))
    result = explain(model, toy_folder(tmp_path / "in", per_class=1), out=tmp_path / "out")
    assert result.counts == {"images": 2, "explained": 0, "unreadable": 2, "skipped": 0}


def test_maps_in_the_folder_of_pictures_are_not_explained(tmp_path: Path) -> None:
    model = toy_model(tmp_path / "model.onnx")
    folder = toy_folder(tmp_path / "in", per_class=2)
    for _ in range(2):
        result = explain(model, folder, out=folder / "a")
        assert (result.counts["explained"], result.problems) == (4, [])
    with pytest.raises(SignwiseError, match=r"^`images` holds no picture beside those in `out`"):
        explain(model, folder / "a", out=folder / "a")


def test_explain_needs_a_picture_and_a_model(tmp_path: Path) -> None:
    model = toy_model(tmp_path / "model.onnx")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SignwiseError, match=r"^`images` holds no picture"):
        explain(model, tmp_path / "empty", out=tmp_path / "out")
    with pytest.raises(SignwiseError, match="does not exist"):
        explain(tmp_path / "gone", tmp_path, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_name_that_is_not_utf8_is_explained(tmp_path: Path) -> None:
    model = toy_model(tmp_path / "model.onnx")
    path = toy_folder(tmp_path / "in", per_class=1) / "stop" / "00000_00000.png"
    odd = path.rename(path.with_name("caf\udce9.png"))
    result = explain(model, odd, out=tmp_path / "out")
    assert (tmp_path / "out" / str(result.rows[0]["file"])).is_file()


def test_explaining_imports_nothing_heavy() -> None:
    program = (
        "import sys; import signwise.inference.explain\n"
        "print(*(name for name in sys.modules if '.' not in name))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True
    )
    assert not set(done.stdout.split()) & {"torch", "pandas", "sklearn", "matplotlib", "onnx"}
