"""The verb: what a model is measured on, what is left behind, and what is told."""

import io
import json
import os
import shutil
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
from jsonschema import Draft202012Validator
from PIL import Image

from checks import some
from signwise.data.prepare import prepare
from signwise.data.unknown import LISTING
from signwise.errors import SignwiseError
from signwise.evaluation.evaluate import EvaluateResult, evaluate
from signwise.evaluation.pictures import PixelRows
from signwise.files import sha256_file, write_json, write_text
from signwise.inference.predict import predict
from signwise.metrics.rates import wilson_interval
from signwise.report.evaluation_page import EvaluationPage, evaluation_page
from signwise.results import RunConfig, history_csv, to_json
from toy import CLASSES, toy_folder, toy_model, toy_unknown
from toy_report import toy_history

SCHEMA = json.loads(files("signwise").joinpath("metrics.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def no_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A white dot stands for every chart: drawing them takes longer than all else.

    `measured` is made before, with charts; the tests of reports look at them closely.
    """
    content = io.BytesIO()
    Image.new("RGB", (1, 1), "white").save(content, "png")
    for module in ("charts", "confusion_chart"):
        monkeypatch.setattr(f"signwise.report.{module}.draw", lambda *_: content.getvalue())


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_folder(tmp_path_factory.mktemp("toy") / "photos", per_class=36)


@pytest.fixture(scope="module")
def data(source: Path) -> Path:
    return Path(prepare(source, source.parent / "data").out)


def make_run(folder: Path, data: Path) -> Path:
    """A run directory as training leaves it, as far as evaluation reads it."""
    toy_model(folder / "model.onnx", known="colour", threshold=0.5)
    shutil.copy(data / "manifest.csv", folder)
    config = RunConfig(
        settings={"epochs": 2},
        seed=0,
        classes=("priority", "stop"),
        grouping="track",
        data=str(data),
        data_sha256=sha256_file(data / "manifest.csv"),
        versions={"torch": "x"},
    )
    write_json(folder / "config.json", to_json(config))
    write_text(folder / "history.csv", history_csv(toy_history()))
    return folder


@pytest.fixture
def run(data: Path, tmp_path: Path) -> Path:
    return make_run(tmp_path / "run", data)


@pytest.fixture(scope="module")
def measured(data: Path, tmp_path_factory: pytest.TempPathFactory) -> EvaluateResult:
    """The test split of a run, with all that can be asked for."""
    folder = tmp_path_factory.mktemp("measured")
    others = toy_unknown(folder / "others", 20)
    return evaluate(make_run(folder / "run", data), data, unknown=others, corruptions=True)


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[EvaluationPage]:
    """What the pages were made of that are written from now on."""
    seen: list[EvaluationPage] = []

    def watched(page: EvaluationPage) -> str:
        seen.append(page)
        return evaluation_page(page)

    monkeypatch.setattr("signwise.evaluation.evaluate.evaluation_page", watched)
    return seen


def metrics(result: EvaluateResult) -> dict[str, Any]:
    """The content of metrics.json, which must be what is returned and fit the schema."""
    content: dict[str, Any] = json.loads(
        (Path(result.out) / "metrics.json").read_text(encoding="utf-8")
    )
    assert content == result.metrics
    Draft202012Validator(SCHEMA).validate(content)
    return content


def test_a_split_of_a_run_gets_every_file(measured: EvaluateResult) -> None:
    assert Path(measured.out).parts[-3:] == ("run", "evaluation", "test")
    assert {path.name for path in Path(measured.out).iterdir()} == {
        ".signwise", "metrics.json", "predictions.csv", "confusion_matrix.png", "reliability.png",
        "report.html", "flagged.csv", "predictions_unknown.csv",
    }  # fmt: skip
    for name in ("confusion_matrix.png", "reliability.png"):
        with Image.open(Path(measured.out) / name) as chart:
            assert chart.width > 300
    assert measured.problems == []


def test_metrics_are_of_the_split(measured: EvaluateResult, data: Path) -> None:
    found = metrics(measured)
    manifest = pd.read_csv(data / "manifest.csv")
    assert found["n"] == (manifest["split"] == "test").sum()
    assert (found["data"], found["split"], found["grouping"]) == ("test", "test", "track")
    assert found["data_sha256"] == sha256_file(data / "manifest.csv")
    assert found["seen_in_training"] == found["groups_seen_in_training"] == 0
    assert sum(map(sum, found["confusion_matrix"])) == found["n"]
    low, high = found["accuracy_ci95_grouped"]
    assert low <= found["accuracy_ci95"][0] < found["accuracy"] <= high
    counts = measured.counts
    assert counts["images"] == found["n"]
    assert counts["correct"] + counts["wrong"] == found["n"]
    assert counts["refused"] == found["n"] - found["selective"]["accepted"]


def test_metrics_hold_a_row_of_the_matrix_on_a_line(measured: EvaluateResult) -> None:
    lines = (Path(measured.out) / "metrics.json").read_text().splitlines()
    low, high = metrics(measured)["accuracy_ci95"]
    assert f'  "accuracy_ci95": [ {low}, {high} ],' in lines
    assert len(lines) < 800


def test_the_result_as_json_holds_the_metrics(measured: EvaluateResult) -> None:
    document = measured.to_json()
    assert set(document) == {"out", "counts", "problems", "metrics"}
    assert document["metrics"] == measured.metrics


def test_what_was_not_asked_for_is_absent(run: Path, data: Path) -> None:
    found = evaluate(run, data)
    assert not set(metrics(found)) & {"unknown", "corruptions"}
    assert found.counts["unknown"] == 0


def test_a_name_that_is_no_utf8_is_measured_and_shown(tmp_path: Path) -> None:
    folder = toy_folder(tmp_path / "photos", per_class=2, frames=1)
    odd = folder / "stop" / os.fsdecode(b"\xff\xfe.png")
    (folder / "stop" / "00000_00000.png").rename(odd)
    model = toy_model(tmp_path / "model.onnx")
    result = evaluate(model, folder, out=tmp_path / "out")
    assert result.counts["images"] == 4
    assert b"stop/\xff\xfe.png," in (tmp_path / "out" / "predictions.csv").read_bytes()
    assert r"\xff\xfe.png" in (tmp_path / "out" / "report.html").read_text()


def test_a_folder_that_is_no_utf8_is_measured_under_a_name_that_is(tmp_path: Path) -> None:
    folder = toy_folder(tmp_path / os.fsdecode(b"caf\xe9"), per_class=2, frames=1)
    result = evaluate(toy_model(tmp_path / "model.onnx"), folder, out=tmp_path / "out")
    assert metrics(result)["data"] == r"caf\xe9"


def test_predictions_begin_with_what_predict_says(measured: EvaluateResult) -> None:
    frame = pd.read_csv(Path(measured.out) / "predictions.csv")
    rows = predict(Path(measured.out).parents[1], list(frame["path"])).rows
    columns = list(rows[0])
    assert list(frame)[: len(columns)] == columns
    for name in ("label", "confidence", "known", "p_priority", "p_stop"):
        assert list(frame[name]) == [row[name] for row in rows]
    assert frame["correct"].sum() == measured.evaluation.correct
    assert set(frame["split"]) == {"test"}
    assert set(frame["true_label"]) == {"priority", "stop"}
    assert list(frame["sha256"]) == [sha256_file(Path(path)) for path in frame["path"]]


def test_a_second_evaluation_replaces_the_first_with_the_same_bytes(run: Path, data: Path) -> None:
    first = Path(evaluate(run, data).out)
    before = contents(first)
    again = Path(evaluate(run, data).out)
    assert contents(again) == before
    assert not (again / "earlier").exists()


def test_pictures_of_the_training_are_told(run: Path, data: Path) -> None:
    with (
        pytest.warns(UserWarning, match="trained on 48 of these 72 pictures"),
        pytest.warns(UserWarning, match="chosen on 12 of these 72 pictures"),
    ):
        result = evaluate(run, data, split="all")
    manifest = pd.read_csv(data / "manifest.csv")
    assert metrics(result)["seen_in_training"] == (manifest["split"] == "train").sum() == 48
    assert Path(result.out).name == "all"


def test_groups_that_straddle_the_split_are_counted(tmp_path: Path) -> None:
    for split, seed in (("train", 1), ("val", 2), ("test", 3)):
        toy_folder(tmp_path / "photos" / split, per_class=9, seed=seed)
    data = prepare(tmp_path / "photos", tmp_path / "data", group=r"(\d{5})_").out
    run = make_run(tmp_path / "run", Path(data))
    with pytest.warns(UserWarning, match="6 groups"):
        assert metrics(evaluate(run, data))["groups_seen_in_training"] == 6
    config = json.loads((run / "config.json").read_text())
    write_json(run / "config.json", config | {"data_sha256": "0" * 64})
    found = metrics(evaluate(run, data))
    assert found["groups_seen_in_training"] is None, "names of groups mean something in their data"


def test_a_folder_is_measured_whole(run: Path, tmp_path: Path) -> None:
    folder = toy_folder(tmp_path / "new photos", per_class=9, seed=7)
    result = evaluate(run, folder)
    assert result.out == run / "evaluation" / "new photos"
    found = metrics(result)
    assert (found["n"], found["split"], found["data_sha256"]) == (18, "all", None)
    assert (found["seen_in_training"], found["groups_seen_in_training"]) == (0, None)


@pytest.mark.filterwarnings("ignore:The model was trained", "ignore:Weights", "ignore:.*earlier")
def test_a_csv_is_measured_as_prepare_reads_it(run: Path, source: Path, tmp_path: Path) -> None:
    rows = [f"{path},{path.parent.name}" for path in sorted(source.rglob("*.png"))]
    (tmp_path / "t.csv").write_text("\n".join(["path,label", *rows]))
    whole = evaluate(run, tmp_path / "t.csv")
    assert whole.out == run / "evaluation" / "t"
    assert whole.counts["images"] == len(rows)
    rows = [f"{row},{'Testing' if number % 3 else 'train'}" for number, row in enumerate(rows)]
    (tmp_path / "t.csv").write_text("\n".join(["path,label,split", *rows]))
    assert evaluate(run, tmp_path / "t.csv").counts["images"] == len(rows) * 2 // 3
    with pytest.raises(SignwiseError, match="no usable picture in split val: choose `split` all"):
        evaluate(run, tmp_path / "t.csv", split="val")


def test_why_no_picture_can_be_measured_is_told(run: Path, tmp_path: Path) -> None:
    for name in CLASSES:
        (tmp_path / "d" / name).mkdir(parents=True)
        (tmp_path / "d" / name / "1.png").write_bytes(b"version https://git-lfs.github.com/spec/v1")
    with pytest.raises(
        SignwiseError, match=r"no usable picture: 2 can't be used, the first is .*1"
    ):
        evaluate(run, tmp_path / "d")


def test_names_that_look_the_same_are_one_class_to_a_model_too(
    source: Path, tmp_path: Path
) -> None:
    composed, apart = "vorf\u00e4hrt", "vorfa\u0308hrt"
    shutil.copytree(source, tmp_path / "d")
    (tmp_path / "d" / "stop").rename(tmp_path / "d" / apart)
    (tmp_path / "d" / "@eaDir").mkdir()
    for name in (composed, apart):
        model = toy_model(tmp_path / "m.onnx", ("priority", name))
        found = evaluate(model, tmp_path / "d", out=tmp_path / name)
        assert list(found.metrics["classes"]) == ["priority", composed]  # type: ignore[arg-type]
        assert found.counts["skipped"] == 1


def test_a_wrapper_is_named(run: Path, source: Path, tmp_path: Path) -> None:
    shutil.copytree(source, tmp_path / "d" / "archive")
    with pytest.raises(SignwiseError, match=r"does not know archive.*; did you mean .*archive\?"):
        evaluate(run, tmp_path / "d")


@pytest.mark.parametrize(("split", "count"), [("test", 12), ("val", 6), ("all", 36)])
def test_a_folder_with_splits_follows_split(
    tmp_path: Path, split: Literal["test", "val", "all"], count: int
) -> None:
    model = toy_model(tmp_path / "model.onnx")
    for name, pictures in (("train", 9), ("valid", 3), ("test", 6)):
        toy_folder(tmp_path / "photos" / name, per_class=pictures, seed=pictures)
    result = evaluate(model, tmp_path / "photos", split=split, out=tmp_path / "out")
    assert (metrics(result)["n"], metrics(result)["split"]) == (count, split)


def test_without_groups_there_is_no_interval_by_group(tmp_path: Path) -> None:
    model = toy_model(tmp_path / "model.onnx")
    folder = toy_folder(tmp_path / "photos", per_class=6)
    for number, path in enumerate(sorted(folder.rglob("*.png"))):
        path.rename(path.with_name(f"photo{number}.png"))
    found = metrics(evaluate(model, folder, out=tmp_path / "out"))
    assert found["grouping"] == "duplicates"
    assert found["accuracy_ci95_grouped"] is None
    assert found["seen_in_training"] is None, "no run, so nobody knows"


def test_classes_may_be_a_subset_and_no_more(run: Path, tmp_path: Path) -> None:
    part = toy_folder(tmp_path / "part", ("priority",), per_class=6, seed=7)
    stop = metrics(evaluate(run, part))["per_class"]["stop"]
    assert stop["support"] == 0
    assert stop["recall"] == {"value": None, "n": 0, "ci95": None}
    other = toy_folder(tmp_path / "other", ("priority", "yield"), per_class=6)
    with pytest.raises(SignwiseError, match=r"yield.*priority, yield.*priority, stop"):
        evaluate(run, other)


def test_unreadable_pictures_are_problems(
    run: Path, tmp_path: Path, pages: list[EvaluationPage]
) -> None:
    folder = toy_folder(tmp_path / "photos", per_class=6, seed=7)
    broken = folder / "stop" / "broken.png"
    broken.write_bytes((folder / "stop" / "00000_00000.png").read_bytes()[:200])
    result = evaluate(run, folder)
    assert [problem["path"] for problem in result.problems] == [str(broken.resolve())]
    assert result.counts["unreadable"] == 1
    assert metrics(result)["n"] == 12
    assert pages[0].origin.problems == result.problems


def test_pictures_of_no_class_are_measured(
    run: Path, data: Path, tmp_path: Path, pages: list[EvaluationPage]
) -> None:
    folder = toy_unknown(tmp_path / "others", 20)
    (folder / "deeper").mkdir()
    shutil.copy(folder / "00000.png", folder / "deeper")
    (folder / "broken.jpg").write_bytes(b"no picture")
    signs = toy_folder(tmp_path / "signs", ("priority",), per_class=1, seed=5)
    shutil.copy(signs / "priority" / "00000_00000.png", folder / "like_a_sign.png")
    result = evaluate(run, data, unknown=folder)
    unknown = metrics(result)["unknown"]
    assert (unknown["n"], unknown["accepted"]) == (22, 1)
    assert unknown["n_known"] == metrics(result)["n"]
    assert 0.9 < unknown["auroc"] <= 1
    assert unknown["acceptance_rate_ci95"] == pytest.approx(wilson_interval(1, 22))
    assert unknown["threshold"] == 0.5
    assert [Path(problem["path"]).name for problem in result.problems] == ["broken.jpg"]
    assert result.counts["unknown"] == 22
    (shown,) = pages[0].accepted_unknown
    assert (Path(shown.path).name, shown.label) == ("like_a_sign.png", None)
    assert (shown.answer, shown.accepted) == ("priority", True)
    assert len(some(pages[0].known_of_unknown)) == 22


def test_what_was_asked_for_once_does_not_stay(run: Path, data: Path, tmp_path: Path) -> None:
    evaluate(run, data, unknown=toy_unknown(tmp_path / "others"))
    again = evaluate(run, data)
    assert "unknown" not in metrics(again)
    assert not (Path(again.out) / "predictions_unknown.csv").exists()


def test_pictures_of_the_classes_are_none_of_no_class(
    run: Path, data: Path, source: Path, tmp_path: Path
) -> None:
    others = toy_unknown(tmp_path / "others", 4)
    shutil.copy(source / "stop" / "00000_00000.png", others / "a_stop.png")
    result = evaluate(run, data, unknown=others)
    problems = [problem["problem"] for problem in result.problems]
    assert problems == ["the same picture is one of stop"]
    assert metrics(result)["unknown"]["n"] == 4
    with pytest.raises(SignwiseError, match=r"no usable picture \(the same picture is one of"):
        evaluate(run, data, unknown=source)


def test_pictures_that_were_trained_against_are_told(run: Path, data: Path, tmp_path: Path) -> None:
    others = toy_unknown(tmp_path / "others", 4)
    assert metrics(evaluate(run, data, unknown=others))["unknown"]["seen_in_training"] == 0
    hashes = [f"{path},{sha256_file(path)}" for path in sorted(others.iterdir())[:3]]
    (run / LISTING).write_text("\n".join(["path,sha256", *hashes]) + "\n")
    with pytest.warns(UserWarning, match="trained on 3 of these 4 pictures of no class"):
        result = evaluate(run, data, unknown=others)
    assert metrics(result)["unknown"]["seen_in_training"] == 3
    model = toy_model(tmp_path / "lone.onnx")
    lone = evaluate(model, data, unknown=others, out=tmp_path / "out")
    assert metrics(lone)["unknown"]["seen_in_training"] is None


def test_what_fails_leaves_no_folder(run: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "1.png").write_text("no picture")
    with pytest.raises(SignwiseError, match="holds no usable picture"):
        evaluate(run, data, unknown=tmp_path / "bad", out=tmp_path / "new")
    assert not (tmp_path / "new").exists()
    whole = Path(evaluate(run, data).out)
    before = {path.name: path.read_bytes() for path in whole.iterdir()}
    with pytest.raises(SignwiseError, match="holds no usable picture"):
        evaluate(run, data, unknown=tmp_path / "bad")
    assert {path.name: path.read_bytes() for path in whole.iterdir()} == before


def test_a_model_whose_answers_are_no_numbers_is_an_error(run: Path, data: Path) -> None:
    toy_model(run / "model.onnx", sharpness=float("nan"))
    with pytest.raises(SignwiseError, match=r"model\.onnx gives answers that are no numbers"):
        evaluate(run, data)


def test_an_evaluation_of_other_pictures_is_kept_and_told(
    run: Path, data: Path, tmp_path: Path
) -> None:
    first = evaluate(run, data)
    before = contents(Path(first.out))
    with pytest.warns(UserWarning, match=r"test/earlier/test holds an earlier evaluation now"):
        second = evaluate(run, toy_folder(tmp_path / "test", per_class=3, seed=9))
    assert second.out == first.out
    assert metrics(second)["n"] == 6
    assert contents(Path(first.out) / "earlier" / "test") == before
    with pytest.warns(UserWarning, match=r"test/earlier/test-2 holds"):
        third = evaluate(run, data)
    assert contents(Path(third.out)) == before


def test_one_out_keeps_several_evaluations(run: Path, data: Path, tmp_path: Path) -> None:
    """Of several models, splits and folders of pictures of no class; the last one stands in it."""
    out = tmp_path / "out"
    unknowns = [toy_unknown(tmp_path / name, 4) for name in ("cows", "trees")]
    evaluate(run, data, out=out, unknown=unknowns[0])
    evaluate(run, data, out=out)  # the same, with less asked for
    assert not (out / "earlier").exists()
    evaluate(run, data, out=out, unknown=unknowns[0])
    with pytest.warns(UserWarning, match="earlier/test holds"):
        evaluate(run, data, out=out, unknown=unknowns[1])
    assert (out / "earlier" / "test" / "predictions_unknown.csv").is_file()
    other = toy_model(tmp_path / "other.onnx", threshold=0.25)
    with pytest.warns(UserWarning, match="earlier/test-2 holds"):
        evaluate(other, data, out=out)
    with pytest.warns(UserWarning, match="earlier/test-3 holds"):
        last = evaluate(other, data, out=out, split="val")
    assert metrics(last)["split"] == "val"
    assert metrics(last)["model_sha256"] == sha256_file(other)
    kept = [json.loads(path.read_text()) for path in sorted(out.glob("earlier/*/metrics.json"))]
    assert [(each["model_sha256"] == sha256_file(other), "unknown" in each) for each in kept] == [
        (False, True), (False, True), (True, False),
    ]  # fmt: skip


def contents(folder: Path) -> dict[str, bytes]:
    """What an evaluation wrote, by name."""
    files = [path for path in folder.iterdir() if path.is_file() and path.name != ".signwise"]
    return {path.name: path.read_bytes() for path in files}


def test_pictures_of_no_class_have_rows_of_their_own(measured: EvaluateResult) -> None:
    frame = pd.read_csv(Path(measured.out) / "predictions_unknown.csv")
    rows = predict(Path(measured.out).parents[1], list(frame["path"])).rows
    assert list(frame) == [*rows[0], "sha256"]
    assert list(frame["known"]) == [row["known"] for row in rows]
    assert list(frame["label"]) == [row["label"] for row in rows]
    found = metrics(measured)["unknown"]
    assert len(frame) == found["n"] == 20
    assert (frame["known"] >= found["threshold"]).sum() == found["accepted"]
    assert found["folder"] == "others"
    assert list(frame["sha256"]) == [sha256_file(Path(path)) for path in frame["path"]]


def test_figures_by_sign_count_signs(measured: EvaluateResult) -> None:
    found = metrics(measured)
    table = pd.read_csv(Path(measured.out) / "predictions.csv")
    for name, figures in found["per_class_grouped"].items():
        signs = table[table["true_label"] == name]["group"].nunique()
        assert figures["groups"] == signs
        # Without a mistake, each sign is one trial.
        assert found["per_class"][name]["recall"]["value"] == 1
        assert figures["recall_ci95"] == pytest.approx(wilson_interval(signs, signs))
    for part, name in (
        (found, "balanced_accuracy"),
        (found["selective"], "coverage"),
        (found["selective"], "risk"),
        (found["corruptions"], "mean_accuracy"),
    ):
        low, high = part[f"{name}_ci95"]
        assert part[f"{name}_ci95_grouped"][0] <= low
        assert part[f"{name}_ci95_grouped"][1] >= high


def test_a_poor_model_does_not_judge_labels(
    run: Path, data: Path, pages: list[EvaluationPage]
) -> None:
    toy_model(run / "model.onnx", region=(0, 0, 2, 2))
    result = evaluate(run, data)
    assert some(result.evaluation.balanced_accuracy.value) < 0.8
    assert not (Path(result.out) / "flagged.csv").exists()
    assert pages[0].review is None


def test_likely_label_errors_are_listed_for_prepare(
    run: Path, tmp_path: Path, pages: list[EvaluationPage]
) -> None:
    folder = toy_folder(tmp_path / "photos", per_class=30, seed=7)
    toy_model(run / "model.onnx", sharpness=5)
    rows = predict(run, folder / "priority").rows
    surest = max(rows, key=lambda row: float(row["p_priority"] or 0))["path"]
    wrong = folder / "stop" / "00099_00000.png"
    shutil.move(str(surest), wrong)
    result = evaluate(run, folder)
    flagged = pd.read_csv(Path(result.out) / "flagged.csv")
    assert list(flagged["path"]) == [str(wrong.resolve())]
    assert result.counts["flagged"] == 1
    review = some(pages[0].review)
    assert (review.judged, review.seen, review.doubted) == (60, 0, 1)
    (shown,) = review.shown
    assert (shown.label, shown.answer) == ("stop", "priority")
    again = prepare(folder, tmp_path / "again", exclude=Path(result.out) / "flagged.csv")
    assert str(wrong.name) not in (Path(again.out) / "manifest.csv").read_text()


def test_the_page_gets_what_the_run_says_of_itself(
    run: Path, data: Path, tmp_path: Path, pages: list[EvaluationPage]
) -> None:
    evaluate(run, data)
    assert pages[0].history == toy_history()
    assert pages[0].origin.settings == {"epochs": 2}
    assert pages[0].origin.versions == {"torch": "x"}
    assert pages[0].origin.model == str((run / "model.onnx").absolute())
    evaluate(toy_model(tmp_path / "lone.onnx"), data, out=tmp_path / "out")
    assert (pages[1].history, pages[1].origin.settings, pages[1].origin.versions) == ([], {}, {})


def test_the_page_gets_the_surest_mistakes_and_few_of_a_sign(
    run: Path, data: Path, pages: list[EvaluationPage]
) -> None:
    toy_model(run / "model.onnx", region=(0, 0, 10, 10))
    found = evaluate(run, data).evaluation
    shown = pages[0].mistakes
    assert pages[0].wrong == found.n - found.correct > 0
    assert all(picture.label != picture.answer for picture in shown)
    confidences = [picture.confidence for picture in shown]
    assert confidences == sorted(confidences, reverse=True)
    signs = Counter(picture.path.rsplit("_", 1)[0] for picture in shown)
    assert max(signs.values()) <= 2
    assert shown[0].heat is not None
    assert shown[0].heat.shape == (32, 32)


def test_without_a_mistake_the_page_gets_the_least_sure(
    measured: EvaluateResult, data: Path, pages: list[EvaluationPage]
) -> None:
    evaluate(Path(measured.out).parents[1], data, out=Path(measured.out).parent / "again")
    shown = pages[0].mistakes
    assert pages[0].wrong == 0
    assert len(shown) == 6
    confidences = [picture.confidence for picture in shown]
    assert confidences == sorted(confidences)
    assert all(picture.label == picture.answer for picture in shown)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": "validation"}, "^`split` must be train, val, test or all, not validation"),
        ({"unknown": "nowhere"}, "^`unknown` nowhere is no folder"),
        ({"data": "nowhere"}, "^`data` nowhere does not exist"),
        ({"model": "nowhere"}, "^nowhere does not exist"),
    ],
)
def test_bad_arguments_are_named(
    run: Path, data: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(SignwiseError, match=message):
        evaluate(**{"model": run, "data": data} | changes)
    assert not (run / "evaluation").exists()


def test_out_is_needed_and_has_to_be_our_own(run: Path, data: Path, tmp_path: Path) -> None:
    model = toy_model(tmp_path / "lone.onnx")
    with pytest.raises(SignwiseError, match="is no run directory: say with `out`"):
        evaluate(model, data)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("dear diary")
    with pytest.raises(SignwiseError, match="did not write"):
        evaluate(model, data, out=tmp_path / "mine")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(SignwiseError, match=r"^`unknown` .* holds no usable picture"):
        evaluate(run, data, unknown=empty)
    (empty / "stop").mkdir()
    with pytest.raises(SignwiseError, match=r"stop holds no picture, a class needs at least 1"):
        evaluate(run, empty)


def test_a_model_that_ships_is_no_run(data: Path) -> None:
    with pytest.raises(SignwiseError, match="priority-stop is no run directory: say with `out`"):
        evaluate("priority-stop", data)


def test_a_split_without_pictures_says_what_to_do(tmp_path: Path) -> None:
    model = toy_model(tmp_path / "model.onnx")
    for name in ("train", "test"):
        toy_folder(tmp_path / "photos" / name, per_class=3, seed=len(name))
    with pytest.raises(SignwiseError, match="has no usable picture in split val: choose `split`"):
        evaluate(model, tmp_path / "photos", split="val", out=tmp_path / "out")


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
    page = (Path(result.out) / "report.html").read_text()
    assert "停车" in page
    assert "a<b>" not in page
    assert "a&lt;b&gt;&amp;$x$" in page


def test_pictures_that_the_model_was_chosen_on_are_told(
    run: Path, data: Path, source: Path, tmp_path: Path
) -> None:
    manifest = pd.read_csv(data / "manifest.csv")
    chosen = manifest[manifest["split"] == "val"]
    with pytest.warns(UserWarning, match="were chosen on 12 of these 12 pictures"):
        found = metrics(evaluate(run, data, split="val"))
    assert (found["seen_in_training"], found["seen_in_validation"]) == (0, len(chosen))
    for path, label in zip(chosen["path"][::2], chosen["label"][::2], strict=True):
        (tmp_path / "again" / label).mkdir(parents=True, exist_ok=True)
        shutil.copy(source / path, tmp_path / "again" / label)
    with pytest.warns(UserWarning, match="were chosen on 6 of these 6 pictures"):
        result = evaluate(run, tmp_path / "again")
    assert metrics(result)["seen_in_validation"] == 6, "the very bytes, wherever they lie"
    assert "were chosen on 6 of these 6 pictures" in (Path(result.out) / "report.html").read_text()
    lone = evaluate(toy_model(tmp_path / "lone.onnx"), data, split="val", out=tmp_path / "out")
    assert metrics(lone)["seen_in_validation"] is None


def test_pixels_are_read_where_they_are_asked_for(
    run: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of a data set's would not fit into memory: never more than a chunk at a time."""
    monkeypatch.setattr("signwise.evaluation.evaluate.CHUNK", 7)
    asked: list[int] = []
    read = PixelRows.__getitem__

    def watched(pixels: PixelRows, index: Any) -> Any:
        found = read(pixels, index)
        asked.append(found.size // (32 * 32 * 3))
        return found

    monkeypatch.setattr(PixelRows, "__getitem__", watched)
    with pytest.warns(UserWarning, match="of these 72 pictures"):
        assert evaluate(run, data, split="all").counts["images"] == 72
    assert max(asked) == 7
    assert sum(asked) >= 72
