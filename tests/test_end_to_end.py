"""Every verb on a rendered folder, through the command line, and every file that they write."""

import csv
import json
import math
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from PIL import Image
from safetensors.numpy import load_file

import signwise
from signwise.cli.main import main
from signwise.cli.terminal import demo, show
from signwise.config import NegativesConfig
from signwise.files import Json
from signwise.training.train import TrainResult, train

SIZE = 16
EPOCHS = 2
PER_CLASS = 40
FEW_NEGATIVES: dict[str, Json] = {"rendered_range": [30, 60]}
MANIFEST = ["path", "label", "group", "split", "width", "height", "sha256", "problem"]
HISTORY = [
    "epoch",
    "learning_rate",
    "train_loss",
    "train_accuracy",
    "val_loss",
    "val_accuracy",
    "seconds",
]


def run_verb(*arguments: object, status: int = 0) -> None:
    assert main([str(argument) for argument in arguments]) == status


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)


def picture_size(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        picture.load()
        return picture.size


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which synth, prepare, train and evaluate have run, one after the other."""
    work = tmp_path_factory.mktemp("work")
    photos, unknown, data, run = (work / name for name in ("photos", "unknown", "data", "run"))
    run_verb("synth", photos, "--per-class", PER_CLASS, "--size", 24, "--negatives", unknown)
    run_verb("prepare", photos, "--out", data, "--image-size", SIZE, "--seed", 1, "--copy")
    mine = work / "mine.json"
    mine.write_text(json.dumps({"negatives": FEW_NEGATIVES, "batch_size": 99, "epochs": EPOCHS}))
    settings = ("--weights", "none", "--batch-size", 16, "--threads", 2, "--config", mine)
    run_verb("train", data, "--out", run, *settings, "--track", "tensorboard")
    run_verb("evaluate", run, "--data", data, "--unknown", unknown, "--corruptions")
    return work


def test_prepare_wrote_its_contract(work: Path) -> None:
    rows = read_csv(work / "data" / "manifest.csv")
    assert list(rows[0]) == MANIFEST
    assert len(rows) == 2 * PER_CLASS
    assert {row["problem"] for row in rows} == {""}
    splits: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        splits.setdefault((row["label"], row["group"]), set()).add(row["split"])
    assert all(len(split) == 1 for split in splits.values())
    facts = read_json(work / "data" / "data.json")
    assert facts["classes"] == ["priority", "stop"]
    assert facts["grouping"] == "track"
    assert (Path(facts["root"]) / rows[0]["path"]).is_file()
    pixels = np.load(work / "data" / f"pixels-{SIZE}.npy", mmap_mode="r")
    assert pixels.shape == (2 * PER_CLASS, SIZE, SIZE, 3)
    assert pixels.dtype == np.uint8
    copied = {
        (split, name, path.name)
        for split in ("train", "val", "test")
        for name in ("priority", "stop")
        for path in (work / "data" / split / name).iterdir()
    }
    wanted = {(row["split"], row["label"], Path(row["path"]).name) for row in rows}
    assert copied == wanted
    assert "http" not in re.sub(
        r"http://www\.w3\.org/", "", (work / "data" / "report.html").read_text(encoding="utf-8")
    )


def test_train_wrote_its_contract(work: Path) -> None:
    run = work / "run"
    config = read_json(run / "config.json")
    assert set(signwise.TrainConfig().to_json()) == set(config["settings"])
    assert config["settings"]["epochs"] == EPOCHS
    assert config["settings"]["batch_size"] == 16  # the flag, and not the file
    assert config["settings"]["negatives"]["rendered_range"] == [30, 60]
    assert config["settings"]["image_size"] == SIZE
    assert {"python", "torch", "signwise"} <= set(config["versions"])
    history = read_csv(run / "history.csv")
    assert list(history[0]) == HISTORY
    assert [row["epoch"] for row in history] == ["1", "2"]
    assert all(math.isfinite(float(value)) for row in history for value in row.values())
    assert list(read_csv(run / "manifest.csv")[0]) == MANIFEST
    assert "fc.weight" in load_file(run / "model.safetensors")
    assert load_file(run / "last.safetensors")
    assert picture_size(run / "curves.png")[0] > 300
    assert "priority" in (run / "README.md").read_text(encoding="utf-8")
    assert not [path.name for path in run.rglob("*partial*")]


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")
def test_tracker_got_what_history_has(work: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(work / "run" / "tensorboard")).Reload()
    for row in read_csv(work / "run" / "history.csv"):
        for name in HISTORY[1:]:
            (value,) = [p.value for p in events.Scalars(name) if p.step == int(row["epoch"])]
            assert value == pytest.approx(float(row[name]), rel=1e-5)
    model = (work / "run" / "model.onnx").read_bytes()
    assert (work / "run" / "tensorboard" / "model.onnx").read_bytes() == model


def test_model_keeps_its_contract(work: Path) -> None:
    session = onnxruntime.InferenceSession(work / "run" / "model.onnx")
    metadata = json.loads(session.get_modelmeta().custom_metadata_map["signwise"])
    assert metadata["format"] == 1
    assert metadata["classes"] == ["priority", "stop"]
    assert metadata["image_size"] == SIZE
    assert {"resize", "threshold", "temperature", "data_sha256", "figures"} <= set(metadata)
    (images,) = session.get_inputs()
    assert (images.name, images.type) == ("images", "tensor(uint8)")
    pixels = np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE, 3), dtype=np.uint8)
    probabilities, known = session.run(["probabilities", "known"], {"images": pixels})
    assert probabilities.shape == (5, 2)
    assert probabilities.dtype == known.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert known.shape == (5,)
    assert ((known >= 0) & (known <= 1)).all()


def test_evaluate_wrote_its_contract(work: Path) -> None:
    out = work / "run" / "evaluation" / "test"
    figures = read_json(out / "metrics.json")
    rows = read_csv(out / "predictions.csv")
    test_rows = [row for row in read_csv(work / "data" / "manifest.csv") if row["split"] == "test"]
    assert figures["n"] == len(rows) == len(test_rows)
    matrix = np.array(figures["confusion_matrix"])
    assert matrix.sum() == figures["n"]
    assert matrix.trace() == figures["correct"]
    assert figures["accuracy"] == pytest.approx(figures["correct"] / figures["n"])
    for key in ("accuracy_ci95", "accuracy_ci95_grouped"):
        low, high = figures[key]
        assert 0 <= low <= figures["accuracy"] <= high <= 1
    assert set(figures["per_class"]) == {"priority", "stop"}
    assert set(figures["per_class"]["stop"]["recall"]) == {"value", "n", "ci95"}
    assert {"ece", "brier", "bins"} <= set(figures["calibration"])
    assert figures["unknown"]["n"] == PER_CLASS
    assert figures["corruptions"]
    assert figures["seen_in_training"] == 0
    for name in ("confusion_matrix.png", "reliability.png"):
        assert picture_size(out / name)[0] > 300
    assert "<title>" in (out / "report.html").read_text(encoding="utf-8")


def test_predict_writes_every_format(work: Path) -> None:
    photos = work / "photos" / "stop"
    for suffix in ("csv", "jsonl", "parquet"):
        out = work / f"rows.{suffix}"
        run_verb("predict", work / "run", photos, "--out", out)
        assert out.stat().st_size
    rows = read_csv(work / "rows.csv")
    columns = ["path", "label", "confidence", "known", "p_priority", "p_stop", "error"]
    assert list(rows[0]) == columns
    assert [row["path"] for row in rows] == [str(path) for path in sorted(photos.iterdir())]
    lines = (work / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["label"] for line in lines] == [row["label"] for row in rows]


def test_explain_writes_a_heat_map(work: Path) -> None:
    picture = next((work / "photos" / "stop").glob("*.png"))
    run_verb("explain", work / "run", picture, "--out", work / "explained")
    assert picture_size(next((work / "explained").glob("*.png")))[0] >= 100


def test_a_run_is_neither_overwritten_nor_resumed_under_other_settings(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("train", work / "data", "--out", work / "run")
    run_verb(*command, status=2)
    assert "--resume" in capsys.readouterr().err
    run_verb(*command, "--resume", "--epochs", EPOCHS + 1, status=2)
    assert "--epochs" in capsys.readouterr().err


def test_resuming_a_run_that_is_done_changes_no_bit(work: Path) -> None:
    before = {
        name: (work / "run" / name).read_bytes() for name in ("model.onnx", "model.safetensors")
    }
    run_verb("train", work / "data", "--out", work / "run", "--resume")
    for name, content in before.items():
        assert (work / "run" / name).read_bytes() == content


def test_the_runs_own_record_repeats_it_to_the_bit(work: Path) -> None:
    again = work / "again"
    run_verb("train", work / "data", "--out", again, "--config", work / "run" / "config.json")
    for name in ("model.safetensors", "model.onnx", "config.json", "manifest.csv"):
        assert (again / name).read_bytes() == (work / "run" / name).read_bytes(), name
    rows = [
        [{**row, "seconds": ""} for row in read_csv(folder / "history.csv")]
        for folder in (work / "run", again)
    ]
    assert rows[0] == rows[1]


def test_python_functions_give_the_same(work: Path) -> None:
    result = signwise.evaluate(work / "run", work / "data", out=work / "measured")
    first = read_json(work / "run" / "evaluation" / "test" / "metrics.json")
    parts = {"unknown": first["unknown"], "corruptions": first["corruptions"]}
    assert result.metrics | parts == first
    picture = next((work / "photos" / "stop").glob("*.png"))
    row = signwise.predict(work / "run", picture).rows[0]
    prediction = signwise.Predictor(work / "run").predict([picture])[0]
    assert (row["label"], row["known"]) == (prediction.label, prediction.known)


def test_demo_goes_from_nothing_to_a_report_and_replaces_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def quick(data: Path, out: Path, *, seed: int, threads: int | None) -> TrainResult:
        few = NegativesConfig(rendered_range=(30, 60))
        return train(data, out, seed=seed, threads=threads, epochs=1, image_size=32, negatives=few)

    monkeypatch.setattr("signwise.cli.demo.train", quick)
    result = signwise.demo(tmp_path / "demo", per_class=30, seed=3, threads=2)
    assert (tmp_path / "demo" / "run" / "evaluation" / "test" / "report.html") == result.report
    assert result.report.is_file()
    assert [row["shows"] for row in result.predictions] == ["priority", "stop", "unknown"]
    assert result.evaluation.evaluation.unknown is not None
    assert result.evaluation.evaluation.unknown.n == 30
    settings = read_json(tmp_path / "demo" / "run" / "config.json")["settings"]
    assert (settings["seed"], settings["threads"]) == (3, 2)
    assert (settings["weights"], settings["pictures"]["kind"]) == ("signs", "signs")
    history = read_csv(tmp_path / "demo" / "run" / "history.csv")
    assert list(history[0]) == HISTORY
    assert [row["epoch"] for row in history] == ["0", "1"]
    assert [row["learning_rate"] == "" for row in history] == [True, False]
    assert all(math.isfinite(float(value)) for value in list(history[0].values())[2:])
    show(demo(result), sys.stdout)
    text = capsys.readouterr().out
    for words in ("Correct on", "Confusion matrix", "Predictions", f"report {result.report}"):
        assert words in text
    left = tmp_path / "demo" / "photos" / "stop" / "99999_00000.png"
    left.touch()
    (tmp_path / "demo" / "data" / ".signwise").unlink()
    with pytest.raises(signwise.SignwiseError, match="did not write"):
        signwise.demo(tmp_path / "demo", per_class=1)
    assert not left.exists()
