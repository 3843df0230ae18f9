"""What a terminal shows of each verb's result, from typed results, 80 columns wide."""

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import RenderableType

from signwise.cli import terminal
from signwise.cli.demo import DemoResult
from signwise.data.download import DownloadResult
from signwise.data.prepare import PrepareResult
from signwise.evaluation.evaluate import EvaluateResult
from signwise.export.certificate import Certificate, Comparison
from signwise.export.export import ExportResult
from signwise.inference.explain import ExplainResult
from signwise.inference.predict import PredictResult
from signwise.model_file.read import ModelsResult, ShippedModel
from signwise.model_file.record import MeasuredSet, MeasuredUnknown, ModelFigures
from signwise.results import Evaluation, Problem, Row
from signwise.synthetic import SynthResult
from signwise.training.train import TrainResult
from toy_report import toy_evaluation, toy_history

OUT = Path("/somewhere/with a long name/that does not fit/into the eighty columns/of a terminal")
SPACE = "\N{NO-BREAK SPACE}"
PROBLEMS = [Problem(path=f"photos/[b]{number}.png", problem="truncated") for number in range(7)]


def shown(parts: Sequence[RenderableType]) -> list[str]:
    """The lines as they are printed, without spaces at their ends."""
    file = io.StringIO()
    terminal.show(parts, file)
    return [line.rstrip().replace(SPACE, " ") for line in file.getvalue().splitlines()]


def joined(parts: Sequence[RenderableType]) -> str:
    return " ".join(" ".join(shown(parts)).split())


def rows(lines: Sequence[str]) -> list[list[str]]:
    """The cells of the rows of a table."""
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines if "│" in line]


def test_a_path_is_never_broken() -> None:
    result = SynthResult(out=OUT, negatives=None, counts={"stop": 1500, "[i]odd": 2})
    counts = "  1,500 stop, 2 [i]odd"
    assert shown(terminal.synth(result)) == [f"wrote {OUT} (rendered pictures)", counts]
    result = replace(result, negatives=OUT / "none")
    assert shown(terminal.synth(result)) == [
        f"wrote {OUT} (rendered pictures)",
        f"wrote {OUT / 'none'} (rendered pictures of no class)",
        counts,
    ]


def test_an_export_says_what_its_certificate_does() -> None:
    certificate = Certificate(
        format="onnx-int8",
        comparison=Comparison(
            pictures=1200,
            decisions_differ=2,
            differing_share_ci95=(0.0005, 0.0061),
            largest_difference=0.0123,
            largest_difference_of_known=0.0345,
            images_per_second=2501.4,
            images_per_second_of_model_onnx=1002.2,
        ),
        decisions_may_differ=0.002,
        difference_may_be=None,
        split="val",
        data_sha256="0",
        model_sha256="1",
        files={"model.onnx": "2"},
        versions={},
        cpu="Abacus 3",
        cores=2,
    )
    files = ["model.onnx", "certificate.json"]
    counts = {"pictures": 1200, "decisions_differ": 2}
    result = ExportResult(out=OUT, counts=counts, problems=[], files=files, certificate=certificate)
    text = joined(terminal.export(result))
    assert "2 decisions differ from those of model.onnx on 1,200 validation pictures" in text
    assert "largest difference of an answer 0.03" in text
    assert "of other such pictures 0.1 to 0.6 % may differ (95 % interval)" in text
    assert "2,501 images/s, model.onnx 1,002 in the same run" in text
    assert text.endswith(f"wrote {OUT} (model.onnx, certificate.json)")


def test_a_download_says_how_many_came() -> None:
    result = DownloadResult(
        out=OUT, counts={"train": 26640, "test": 12630}, problems=[], classes=("a", "b")
    )
    assert shown(terminal.download(result)) == [
        f"wrote {OUT} (downloaded pictures)",
        "  26,640 train, 12,630 test",
    ]


def prepared(classes: int = 2, **changes: object) -> PrepareResult:
    names = [f"class {number}" for number in range(classes)]
    counts = {
        split: {name: start + number for number, name in enumerate(names)}
        for split, start in (("train", 1000), ("val", 200), ("test", 300))
    }
    result = PrepareResult(
        out=OUT,
        counts={"flagged": 0},
        problems=[],
        classes=tuple(names),
        class_counts=counts,
        group_counts={split: {name: 10 + at for at, name in enumerate(names)} for split in counts},
        worth="20 signs are worth little.",
        grouping="track",
        warnings=[],
        skipped={},
        written=[OUT / "manifest.csv", OUT / "flagged.csv"],
    )
    return replace(result, **changes)  # type: ignore[arg-type]


def test_prepared_data_are_counted_by_class_and_split() -> None:
    lines = shown(terminal.prepare(prepared()))
    assert lines[0] == "Pictures (signs)"
    assert "20 signs are worth little." in lines
    assert rows(lines) == [
        ["class 0", "1,000 (10)", "200 (10)", "300 (10)"],
        ["class 1", "1,001 (11)", "201 (11)", "301 (11)"],
    ]
    assert "grouped by track" in lines
    assert lines[-2:] == [
        f"wrote {OUT} (manifest.csv, data.json, flagged.csv, the pixel cache)",
        f"report {OUT / 'report.html'}",
    ]


def test_many_classes_are_not_all_shown() -> None:
    found = rows(shown(terminal.prepare(prepared(classes=11))))
    assert [row[0] for row in found] == [*(f"class {n}" for n in range(8)), "and 3 more"]
    assert "more" not in joined(terminal.prepare(prepared(classes=8)))


def test_a_class_missing_from_a_split_counts_none() -> None:
    counts = {"train": {"class 0": 5}, "val": {}, "test": {}}
    groups = {"train": {"class 0": 2}, "val": {}, "test": {}}
    result = prepared(classes=1, class_counts=counts, group_counts=groups, worth="")
    assert rows(shown(terminal.prepare(result))) == [["class 0", "5 (2)", "0 (0)", "0 (0)"]]


def test_what_prepare_was_asked_for_besides_is_named() -> None:
    written = [OUT / "manifest.csv", OUT / "train", OUT / "test", OUT / "shards" / "val-000000.tar"]
    line = shown(terminal.prepare(prepared(written=written, counts={"flagged": 7})))[-2]
    assert line.endswith("(manifest.csv, data.json, the pixel cache, train/, test/, shards/)")


def test_what_prepare_flagged_skipped_and_warns_of_is_said() -> None:
    result = prepared(
        counts={"flagged": 1234},
        skipped={"hidden": 2000, "no image": 3},
        warnings=["few [signs]"],
        problems=PROBLEMS,
    )
    lines = shown(terminal.prepare(result))
    assert "grouped by track; skipped: 2,000 hidden, 3 no image" in lines
    assert "warning: few [signs]" in lines
    assert "flagged.csv: 1,234 worth a look" in lines[-2]
    start = lines.index("7 inputs could not be used")
    assert lines[start + 1 : start + 7] == [
        *(f"  photos/[b]{number}.png: truncated" for number in range(5)),
        f"  and 2 more: see {OUT / 'manifest.csv'}",
    ]


def test_one_problem_is_one_input() -> None:
    lines = shown(terminal.prepare(prepared(problems=PROBLEMS[:1])))
    assert "1 input could not be used" in lines
    assert not any("more: see" in line for line in lines)
    assert "more: see" not in joined(terminal.prepare(prepared(problems=PROBLEMS[:5])))


VALIDATION = MeasuredSet(
    n=1000,
    correct=995,
    accuracy=0.995,
    accuracy_ci95=(0.988, 0.998),
    accuracy_ci95_grouped=(0.912, 0.999),
    refused=12,
)


def trained(validation: MeasuredSet) -> TrainResult:
    return TrainResult(
        out=OUT,
        counts={},
        problems=PROBLEMS[:1],
        warnings=["the validation set is small"],
        history=toy_history(),
        measured=ModelFigures(validation=validation, best_epoch=2),
    )


def test_training_ends_with_its_validation_figures() -> None:
    text = joined(terminal.train(trained(VALIDATION)))
    assert text.startswith(
        "99.5 % right on the validation set: 995 of 1,000, 95 % interval 98.8 to 99.8 % by picture,"
        " 91.2 to 99.9 % by sign or group; 12 rejected. The weights were chosen on these: evaluate"
        " tells more best of 3 epochs: 2 1 input could not be used"
    )
    assert "warning: the validation set is small" in text
    assert text.endswith(f"wrote {OUT} (model.onnx, history.csv, curves.png, README.md)")
    alone = joined(terminal.train(trained(replace(VALIDATION, accuracy_ci95_grouped=None))))
    assert "98.8 to 99.8 % by picture; 12 rejected" in alone


def evaluated(evaluation: Evaluation, flagged: int = 0) -> EvaluateResult:
    return EvaluateResult(out=OUT, counts={"flagged": flagged}, problems=[], evaluation=evaluation)


def test_an_evaluation_shows_its_verdict_rates_and_matrix() -> None:
    lines = shown(terminal.evaluate(evaluated(toy_evaluation(), flagged=3)))
    text = " ".join(" ".join(lines).split())
    assert text.startswith("Correct on 38 of 40 test pictures: 95.0 %")
    assert " false accept rate: 28.5 % (114 of 400 pictures of no class;" in text
    assert rows(lines) == [["priority", "19", "1"], ["stop", "1", "19"]]
    assert lines[-2:] == [
        f"wrote {OUT} (metrics.json, predictions.csv, plots, flagged.csv: 3 labels worth a look)",
        f"report {OUT / 'report.html'}",
    ]
    plain = shown(terminal.evaluate(evaluated(toy_evaluation())))
    assert plain[-2] == f"wrote {OUT} (metrics.json, predictions.csv, plots)"


@pytest.mark.parametrize(
    "names",
    [[f"class {number}" for number in range(9)], ["a" * 25, "b" * 24]],
    ids=["many", "long names"],
)
def test_a_matrix_that_does_not_fit_shows_its_largest_mistakes(names: list[str]) -> None:
    found = toy_evaluation(names)
    size = len(names)
    matrix = [[0] * size for _ in names]
    matrix[0][1], matrix[1][0], matrix[1][1] = 1200, 3, 99
    lines = shown(
        terminal.evaluate(
            evaluated(replace(found, confusion_matrix=tuple(tuple(row) for row in matrix)))
        )
    )
    title = f"Confusion matrix of {size} classes: its largest mistakes"
    assert title in " ".join(" ".join(lines).split())
    assert rows(lines) == [[names[0], names[1], "1,200"], [names[1], names[0], "3"]]


def test_a_large_matrix_without_mistakes_is_a_line() -> None:
    names = [f"class {number}" for number in range(9)]
    matrix = tuple(tuple(7 * (i == j) for j in range(9)) for i in range(9))
    lines = shown(terminal.evaluate(evaluated(toy_evaluation(names, confusion_matrix=matrix))))
    assert "Confusion matrix of 9 classes: no mistake" in lines


def test_a_matrix_of_eight_short_names_is_shown_whole() -> None:
    names = [f"class{number}" for number in range(8)]
    assert len(rows(shown(terminal.evaluate(evaluated(toy_evaluation(names)))))) == 8


def test_predictions_are_counted_by_label_the_most_first() -> None:
    labels = {f"class {number}": 10 + number for number in range(11)} | {"unknown": 0}
    result = PredictResult(
        out=OUT, counts={"predicted": 1165}, problems=PROBLEMS, labels=labels, rows=[]
    )
    text = joined(terminal.predict(result))
    most = ", ".join(f"{10 + number} class {number}" for number in range(10, 2, -1))
    assert text.startswith(f"1,165 pictures: {most} and 3 more 7 inputs could not be used")
    assert f"and 2 more: see {OUT}" in text
    assert text.endswith(f"wrote {OUT}")
    few = replace(result, labels={"stop": 3, "priority": 0, "unknown": 1})
    assert "1,165 pictures: 3 stop, 1 unknown 7 inputs" in joined(terminal.predict(few))


def test_explanations_are_listed() -> None:
    answer: Row = {"label": "[stop]", "confidence": 0.98765, "known": 0.5}
    found = ExplainResult(
        out=OUT,
        counts={},
        problems=PROBLEMS,
        rows=[answer | {"path": f"{n}.png", "file": f"{n}-2.png"} for n in range(9)],
    )
    lines = shown(terminal.explain(found))
    assert rows(lines) == [[f"{n}.png", "[stop]", f"{n}-2.png", "0.988"] for n in range(8)]
    assert "  and 2 more" in lines
    assert lines[-1] == f"wrote {OUT} (explanations.csv, heat maps)"


def test_models_show_their_figures() -> None:
    held_out = replace(
        VALIDATION,
        signs=50,
        unknown=MeasuredUnknown(
            n=2000, source="scenes", auroc=0.99999, fpr_at_95_tpr=0.0, accepted=11
        ),
    )
    row = ShippedModel(
        name="toy",
        classes=["a", "b"],
        image_size=64,
        crop="none",
        threshold=0.5,
        megabytes=2.44,
        figures=ModelFigures(validation=VALIDATION, held_out=held_out).to_json(),
        path="x",
    )
    result = ModelsResult(out=None, counts={"models": 1}, problems=[], rows=[row])
    found = rows(shown(terminal.models(result)))
    assert found[0][:4] == ["toy", "2", "64", "2.44"]
    text = " ".join(row[4] for row in found).replace(" .", ".")
    assert text == (
        "validation: 99.5 % right (995 of 1,000 pictures; 95 % interval 98.8 to 99.8 % by picture,"
        " 91.2 to 99.9 % by sign; 12 rejected) held out: 99.5 % right (995 of 1,000 pictures of 50"
        " signs; 95 % interval 98.8 to 99.8 % by picture, 91.2 to 99.9 % by sign; 12 rejected);"
        " AUROC of known 0.99999 against 2,000 pictures of no class (scenes), 11 wrongly accepted"
    )


def test_without_models_that_is_said() -> None:
    result = ModelsResult(out=None, counts={"models": 0}, problems=[], rows=[])
    assert shown(terminal.models(result)) == ["no model ships with this version"]


def test_the_demo_shows_what_single_pictures_were_taken_for() -> None:
    first: Row = {"path": "photos/1.png", "shows": "stop"}
    second: Row = {"path": "photos/2.png", "shows": "unknown"}
    result = DemoResult(
        out=OUT,
        counts={},
        problems=[],
        evaluation=evaluated(toy_evaluation()),
        predictions=[
            first | {"label": "stop", "confidence": 0.9996, "known": 1.0},
            second | {"label": "stop", "confidence": None, "known": 0.5},
        ],
        report=OUT / "report.html",
    )
    lines = shown(terminal.demo(result))
    assert rows(lines) == [
        ["priority", "19", "1"],
        ["stop", "1", "19"],
        ["photos/1.png", "stop", "stop", "1.000", "1.000"],
        ["photos/2.png", "unknown", "stop", "", "0.500"],
    ]
    assert lines[-1] == f"report {OUT / 'report.html'}"
