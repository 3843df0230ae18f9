"""The whole line on what is no road sign, on 43 classes, and on a thousand."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from signwise.cli.main import main
from signwise.synthetic import GTSRB_DESIGNS
from toy import toy_folder, toy_model

DIGITS = (
    "zéro",
    "один",
    "二",
    "ثلاثة",
    "the digit that comes after three and before five, as a person would write it by hand",
    "5",
    "six & seven <b>",
    "سبعة",
    "🎱 eight",
    "nine 'quoted' \"twice\"",
)


def run_verb(*arguments: object) -> None:
    assert main([str(argument) for argument in arguments]) == 0


def test_digits_by_any_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures, labels = load_digits(return_X_y=True)
    for number, (picture, label) in enumerate(zip(pictures[:200], labels[:200], strict=True)):
        folder = tmp_path / "digits" / DIGITS[label]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = (picture.reshape(8, 8) * 15.9).astype(np.uint8)
        Image.fromarray(pixels).resize((24, 24)).save(folder / f"{number}.png")
    data, run = tmp_path / "data", tmp_path / "run"
    run_verb("prepare", tmp_path / "digits", "--out", data, "--image-size", 24)
    # The backbone that ships, as it is, under a head of its own: much in a few seconds.
    settings = ("--weights", "signs", "--freeze", "--unknown", "none", "--image-size", 24)
    run_verb("train", data, "--out", run, *settings)
    run_verb("evaluate", run, "--data", data)
    figures = json.loads((run / "evaluation" / "test" / "metrics.json").read_text())
    assert set(figures["classes"]) == set(DIGITS)
    assert figures["grouping"] == "duplicates"
    assert figures["accuracy"] > 0.5  # 0.1 by chance; the augmentation is made for signs
    report = (run / "evaluation" / "test" / "report.html").read_text()
    assert "six &amp; seven &lt;b&gt;" in report
    assert "<b>" not in report.replace("<body>", "")
    capsys.readouterr()
    run_verb("predict", run, tmp_path / "digits" / "二")
    header, *rows = capsys.readouterr().out.splitlines()
    assert "p_二" in header
    assert len(rows) == len(list((tmp_path / "digits" / "二").iterdir()))
    picture = next((tmp_path / "digits" / "🎱 eight").iterdir())
    run_verb("explain", run, picture, "--out", tmp_path / "maps")


def test_as_many_classes_as_gtsrb_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos, data = tmp_path / "photos", tmp_path / "data"
    toy_folder(photos, GTSRB_DESIGNS, 3, frames=1, size=16)
    run_verb("prepare", photos, "--out", data, "--image-size", 16)
    model = toy_model(tmp_path / "toy.onnx", GTSRB_DESIGNS, 16)
    run_verb("evaluate", model, "--data", data, "--out", tmp_path / "e")
    text = capsys.readouterr().out
    lines = [line for line in text.splitlines() if not line.startswith(("wrote", "report"))]
    assert max(map(len, lines)) <= 80
    figures = json.loads((tmp_path / "e" / "metrics.json").read_text())
    assert figures["n"] == 43
    assert len(figures["classes"]) == 43
    assert np.array(figures["confusion_matrix"]).shape == (43, 43)


def test_a_thousand_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"Klasse {n:04d}, ein längerer Name, wie man ihn trifft" for n in range(1000)]
    photos = toy_folder(tmp_path / "photos", names, 1, size=16)
    model = toy_model(tmp_path / "toy.onnx", names, 16)
    run_verb("evaluate", model, "--data", photos, "--out", tmp_path / "e")
    assert "largest mistakes" in capsys.readouterr().out
    assert (tmp_path / "e" / "report.html").stat().st_size < 5_000_000
    with Image.open(tmp_path / "e" / "confusion_matrix.png") as chart:
        assert max(chart.size) < 4000
