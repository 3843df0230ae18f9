import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from signwise.data.prepare import prepare
from signwise.errors import SignwiseError
from signwise.evaluation.evaluate import evaluate
from signwise.evaluation.measure import measure
from signwise.data.unknown import LISTING
from signwise.inference.predict import predict
from signwise.metrics.rates import wilson_interval
from toy import toy_folder, toy_model, toy_unknown

ASKED_FOR = {"unknown", "corruptions"}
FIELDS = {
    "classes", "n", "correct", "accuracy", "accuracy_ci95", "accuracy_ci95_grouped", "grouping",
    "balanced_accuracy", "loss", "confusion_matrix", "per_class", "calibration", "selective",
    "seen_in_training",
}  # fmt: skip


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_folder(tmp_path_factory.mktemp("toy") / "photos", per_class=36)


@pytest.fixture(scope="module")
def data(source: Path) -> Path:
    return prepare(source, source.parent / "data").out


@pytest.fixture
def run(data: Path, tmp_path: Path) -> Path:
    """A run directory as training leaves it, as far as evaluation reads it."""
    folder = tmp_path / "run"
    folder.mkdir()
    toy_model(folder / "model.onnx", known="colour", threshold=0.5)
    shutil.copy(data / "manifest.csv", folder)
    (folder / "config.json").write_text('{"settings": {"epochs": 2}, "versions": {"torch": "x"}}')
    (folder / "history.csv").write_text(
        "epoch,learning_rate,train_loss,train_accuracy,val_loss,val_accuracy,seconds\n"
        "1,0.1,0.7,0.5,0.6,0.6,1.5\n2,0.05,0.2,0.9,0.3,0.95,1.4\n"
    )
    return folder


def test_test_split_of_a_run_gets_every_file_and_field(run: Path, data: Path) -> None:
    result = evaluate(run, data)
    assert result.out == run / "evaluation" / "test"
    names = {path.name for path in result.out.iterdir()}
    assert names >= {
        "metrics.json", "predictions.csv", "confusion_matrix.png", "reliability.png", "report.html"
    }  # fmt: skip
    written = json.loads((result.out / "metrics.json").read_text())
    assert written == result.metrics, "what is returned is what is written"
    assert set(written) >= FIELDS
    assert not set(written) & ASKED_FOR, "what was not asked for is absent"
    manifest = pd.read_csv(data / "manifest.csv")
    assert written["n"] == (manifest["split"] == "test").sum()
    assert written["grouping"] == "track"
    low, high = written["accuracy_ci95_grouped"]
    assert low <= written["accuracy_ci95"][0] < written["accuracy"] <= high
    assert written["seen_in_training"] == 0
    assert result.problems == []
    assert sum(map(sum, written["confusion_matrix"])) == written["n"]
    for entry in written["per_class"].values():
        for name in ("precision", "recall", "f1"):
            assert set(entry[name]) == {"value", "n", "ci95"}


def test_a_name_that_is_no_utf8_is_measured_and_shown(tmp_path: Path) -> None:
    folder = toy_folder(tmp_path / "photos", per_class=2, frames=1)
    odd = folder / "stop" / os.fsdecode(b"\xff\xfe.png")
    (folder / "stop" / "00000_00000.png").rename(odd)
    model = toy_model(tmp_path / "model.onnx")
    result = evaluate(model, folder, out=tmp_path / "out")
    assert result.counts["images"] == 4
    assert b"stop/\xff\xfe.png," in (tmp_path / "out" / "predictions.csv").read_bytes()
    assert r"\xff\xfe.png" in (tmp_path / "out" / "report.html").read_text()


def test_predictions_begin_with_what_predict_says(run: Path, data: Path) -> None:
    result = evaluate(run, data)
    frame = pd.read_csv(result.out / "predictions.csv")
    rows = predict(run, list(frame["path"])).rows
    columns = list(rows[0])
    assert list(frame)[: len(columns)] == columns
    for name in ("label", "confidence", "known", "p_priority", "p_stop"):
        assert list(frame[name]) == [row[name] for row in rows]
    assert frame["correct"].sum() == result.metrics["correct"]
    assert set(frame["split"]) == {"test"}
    assert set(frame["true_label"]) == {"priority", "stop"}


def test_a_second_evaluation_replaces_the_first_with_the_same_bytes(run: Path, data: Path) -> None:
    first = evaluate(run, data).out
    contents = {path.name: path.read_bytes() for path in first.iterdir()}
    again = evaluate(run, data).out
    assert {path.name: path.read_bytes() for path in again.iterdir()} == contents


def test_pictures_of_the_training_are_told(run: Path, data: Path) -> None:
    with pytest.warns(UserWarning, match="were trained on"):
        result = evaluate(run, data, split="all")
    manifest = pd.read_csv(data / "manifest.csv")
    assert result.metrics["seen_in_training"] == (manifest["split"] == "train").sum()
    assert result.out.name == "all"
    assert "were trained on" in (result.out / "report.html").read_text()


def test_groups_that_straddle_the_split_are_told(tmp_path: Path) -> None:
    for split, seed in (("train", 1), ("val", 2), ("test", 3)):
        toy_folder(tmp_path / "photos" / split, per_class=9, seed=seed)
    data = prepare(tmp_path / "photos", tmp_path / "data", group=r"(\d{5})_").out
    run = tmp_path / "run"
    run.mkdir()
    toy_model(run / "model.onnx")
    shutil.copy(data / "manifest.csv", run)
    hashed = sha256_file(data / "manifest.csv")
    (run / "config.json").write_text(json.dumps({"data_sha256": hashed}))
    result = evaluate(run, data)
    assert result.metrics["groups_seen_in_training"] == 6
    assert (
        "Of 6 groups other pictures are in the training split"
        in (result.out / "report.html").read_text()
    )


def test_a_folder_is_measured_whole(run: Path, tmp_path: Path) -> None:
    folder = toy_folder(tmp_path / "new photos", per_class=9, seed=7)
    result = evaluate(run, folder)
    assert result.out == run / "evaluation" / "new photos"
    assert result.metrics["n"] == 18
    assert result.metrics["seen_in_training"] == 0


def test_a_folder_with_splits_follows_split(tmp_path: Path) -> None:
    model = toy_model(tmp_path / "model.onnx")
    for split, count in (("train", 9), ("valid", 3), ("test", 6)):
        toy_folder(tmp_path / "photos" / split, per_class=count, seed=count)
    for split, count in (("test", 12), ("val", 6), ("all", 36)):
        result = evaluate(model, tmp_path / "photos", split=split, out=tmp_path / split)
        assert result.metrics["n"] == count


def test_without_groups_there_is_no_interval_by_group(tmp_path: Path) -> None:
    model = toy_model(tmp_path / "model.onnx")
    folder = toy_folder(tmp_path / "photos", per_class=6)
    for number, path in enumerate(sorted(folder.rglob("*.png"))):
        path.rename(path.with_name(f"photo{number}.png"))
    result = evaluate(model, folder, out=tmp_path / "out")
    assert result.metrics["grouping"] == "duplicates"
    assert result.metrics["accuracy_ci95_grouped"] is None
    assert result.metrics["seen_in_training"] is None, "no run, so nobody knows"


def test_classes_may_be_a_subset_and_no_more(run: Path, tmp_path: Path) -> None:
    part = toy_folder(tmp_path / "part", ("priority",), per_class=6)
    result = evaluate(run, part)
    stop = result.metrics["per_class"]["stop"]
    assert stop["support"] == 0
    assert stop["recall"] == {"value": None, "n": 0, "ci95": None}
    other = toy_folder(tmp_path / "other", ("priority", "yield"), per_class=6)
    with pytest.raises(SignwiseError, match=r"yield.*priority, yield.*priority, stop"):
        evaluate(run, other)


def test_unreadable_pictures_are_problems(run: Path, tmp_path: Path) -> None:
    folder = toy_folder(tmp_path / "photos", per_class=6, seed=7)
    broken = folder / "stop" / "broken.png"
    broken.write_bytes((folder / "stop" / "00000_00000.png").read_bytes()[:200])
    result = evaluate(run, folder)
    assert [problem["path"] for problem in result.problems] == [str(broken.resolve())]
    assert result.counts["unreadable"] == 1
    assert result.metrics["n"] == 12
    assert "broken.png" in (result.out / "report.html").read_text()


def test_strangers_are_measured(run: Path, data: Path, tmp_path: Path) -> None:
    folder = toy_unknown(tmp_path / "strangers", 20)
    (folder / "deeper").mkdir()
    shutil.copy(folder / "00000.png", folder / "deeper")
    (folder / "broken.jpg").write_bytes(b"no picture")
    result = evaluate(run, data, unknown=folder)
    unknown = result.metrics["unknown"]
    assert unknown["n"] == 21
    assert unknown["auroc"] == 1
    assert 0.8 < unknown["auroc_ci95"][0] < 1
    assert unknown["fpr_at_95_tpr"] == 0
    assert unknown["acceptance_rate_ci95"] == wilson_interval(unknown["accepted"], 21)
    assert [Path(problem["path"]).name for problem in result.problems] == ["broken.jpg"]
    assert result.counts["unknown"] == 21


def test_what_was_asked_for_once_does_not_stay(run: Path, data: Path, tmp_path: Path) -> None:
    evaluate(run, data, unknown=toy_unknown(tmp_path / "strangers"))
    assert "unknown" not in evaluate(run, data).metrics


def test_strangers_that_are_none_and_those_trained_against_are_told(
    run: Path, data: Path, source: Path, tmp_path: Path
) -> None:
    strangers = toy_unknown(tmp_path / "strangers", 4)
    shutil.copy(source / "stop" / "00000_00000.png", strangers / "a_stop.png")
    result = evaluate(run, data, unknown=strangers)
    assert [problem["problem"] for problem in result.problems] == [
        "the same picture is one of stop"
    ]
    assert result.metrics["unknown"]["n"] == 4
    assert result.metrics["unknown"]["seen_in_training"] == 0
    with pytest.raises(SignwiseError, match=r"no usable picture \(the same picture is one of"):
        evaluate(run, data, unknown=source)
    (strangers / "a_stop.png").unlink()
    hashes = [f"{path},{sha256_file(path)}" for path in sorted(strangers.iterdir())[:3]]
    (run / LISTING).write_text("\n".join(["path,sha256", *hashes]) + "\n")
    with pytest.warns(UserWarning, match="3 of 4 pictures of --unknown were trained against"):
        result = evaluate(run, data, unknown=strangers)
    assert result.metrics["unknown"]["seen_in_training"] == 3
    assert "3 of 4 strangers were trained against" in (result.out / "report.html").read_text()
    model = toy_model(tmp_path / "lone.onnx")
    found = evaluate(model, data, unknown=strangers, out=tmp_path / "out").metrics["unknown"]
    assert found["seen_in_training"] is None


def test_what_fails_leaves_no_folder(run: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "1.png").write_text("no picture")
    with pytest.raises(SignwiseError, match="holds no usable picture"):
        evaluate(run, data, unknown=tmp_path / "bad", out=tmp_path / "new")
    assert not (tmp_path / "new").exists()
    whole = evaluate(run, data).out
    before = {path.name: path.read_bytes() for path in whole.iterdir()}
    with pytest.raises(SignwiseError, match="holds no usable picture"):
        evaluate(run, data, unknown=tmp_path / "bad")
    assert {path.name: path.read_bytes() for path in whole.iterdir()} == before


def test_a_model_whose_answers_are_no_numbers_is_an_error(run: Path, data: Path) -> None:
    toy_model(run / "model.onnx", sharpness=float("nan"))
    with pytest.raises(SignwiseError, match=r"model\.onnx gives answers that are no numbers"):
        evaluate(run, data)


def test_other_data_of_the_same_name_is_told(run: Path, data: Path, tmp_path: Path) -> None:
    evaluate(run, data)
    with pytest.warns(UserWarning, match="held an evaluation on other data"):
        evaluate(run, toy_folder(tmp_path / "test", per_class=3, seed=9))


def test_figures_by_sign_count_signs(run: Path, data: Path) -> None:
    figures = evaluate(run, data, corruptions=True).metrics
    table = pd.read_csv(run / "evaluation" / "test" / "predictions.csv")
    for name, found in figures["per_class_grouped"].items():
        signs = table[table["true_label"] == name]["group"].nunique()
        assert found["groups"] == signs
        # Without a mistake, each sign is one trial.
        assert figures["per_class"][name]["recall"]["value"] == 1
        assert found["recall_ci95"] == pytest.approx(wilson_interval(signs, signs))
    for part, name in (
        (figures, "balanced_accuracy"),
        (figures["selective"], "coverage"),
        (figures["selective"], "risk"),
        (figures["corruptions"], "mean_accuracy"),
    ):
        low, high = part[f"{name}_ci95"]
        assert part[f"{name}_ci95_grouped"][0] <= low
        assert part[f"{name}_ci95_grouped"][1] >= high


def test_a_poor_model_does_not_judge_labels(run: Path, data: Path) -> None:
    toy_model(run / "model.onnx", region=(0, 0, 2, 2))
    result = evaluate(run, data)
    assert result.metrics["balanced_accuracy"] < 0.8
    assert not (result.out / "flagged.csv").exists()
    assert "Not judged" in (result.out / "report.html").read_text()


def test_likely_label_errors_are_listed_for_prepare(run: Path, tmp_path: Path) -> None:
    folder = toy_folder(tmp_path / "photos", per_class=30, seed=7)
    toy_model(run / "model.onnx", sharpness=5)
    rows = predict(run, folder / "priority").rows
    surest = max(rows, key=lambda row: row["p_priority"])["path"]
    wrong = folder / "stop" / "00099_00000.png"
    shutil.move(surest, wrong)
    result = evaluate(run, folder)
    suspects = pd.read_csv(result.out / "flagged.csv")
    assert list(suspects["path"]) == [str(wrong.resolve())]
    assert result.counts["flagged"] == 1
    page = (result.out / "report.html").read_text()
    assert " labels are likely wrong" in page
    assert "labelled stop\nlooks like priority\nstop/00099_00000.png" in page
    again = prepare(folder, tmp_path / "again", exclude=result.out / "flagged.csv")
    assert str(wrong.name) not in (again.out / "manifest.csv").read_text()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": "validation"}, "--split"),
        ({"unknown": "nowhere"}, "--unknown nowhere"),
        ({"data": "nowhere"}, "--data nowhere"),
        ({"model": "nowhere"}, "nowhere does not exist"),
    ],
)
def test_bad_arguments_name_their_flag(
    run: Path, data: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(SignwiseError, match=message):
        evaluate(**{"model": run, "data": data} | changes)
    assert not (run / "evaluation").exists()


def test_out_is_needed_and_has_to_be_our_own(run: Path, data: Path, tmp_path: Path) -> None:
    model = toy_model(tmp_path / "lone.onnx")
    with pytest.raises(SignwiseError, match="--out"):
        evaluate(model, data)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("dear diary")
    with pytest.raises(SignwiseError, match="did not write"):
        evaluate(model, data, out=tmp_path / "mine")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(SignwiseError, match="--unknown"):
        evaluate(run, data, unknown=empty)


def test_what_is_refused_counts_in_selective_alone() -> None:
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.1, 0.9]], np.float32)
    known = np.array([0.9, 0.2, 0.9, 0.3], np.float32)
    figures = measure(
        ("a", "b"), labels, probabilities, known, threshold=0.5, groups="abcd", grouping="csv"
    )
    assert figures["accuracy"] == 0.75
    chosen = figures["selective"]
    assert (chosen["coverage"], chosen["risk"], chosen["accepted"]) == (0.5, 0, 2)
    nothing = measure(
        ("a", "b"), labels, probabilities, known, threshold=1.0, groups="abcd", grouping="csv"
    )
    assert nothing["selective"]["risk"] is None
    json.dumps(nothing, allow_nan=False)


def test_names_of_any_script_and_odd_bytes(tmp_path: Path) -> None:
    classes = ("停车", "a<b>&$x$", "Ünïcode " * 8)
    model = toy_model(tmp_path / "model.onnx", classes)
    folder = tmp_path / "photos"
    rng = np.random.default_rng(0)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for index in range(3):
            Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).save(
                folder / name / f"é{index}.png"
            )
    result = evaluate(model, folder, out=tmp_path / "out")
    page = (result.out / "report.html").read_text()
    assert "停车" in page
    assert "a<b>" not in page
    assert "a&lt;b&gt;&amp;$x$" in page
