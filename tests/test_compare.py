"""The verb compare: which runs can be compared, what is said of them, and what is left behind."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import signwise
from checks import some
from console import failure
from html_reader import PageReader
from signwise.cli.main import main
from signwise.errors import SignwiseError
from signwise.files import write_json
from signwise.opening import read_json
from signwise.results import to_json
from signwise.study.compare import CompareResult, compare, compare_measured
from signwise.study.measured import held_evaluation, read_measured
from toy import toy_folder, toy_model, toy_unknown

pytestmark = pytest.mark.usefixtures("plain_reports")

CORNER = (0, 0, 6, 6)
"""A model that looks there alone sees no sign, and guesses."""


def make_run(folder: Path, data: Path, **changes: Any) -> Path:
    """A run directory as far as evaluation and comparison read it."""
    settings: dict[str, Any] = {"epochs": 2, "augmentation": {"noise": 0.1}, "seed": 0}
    settings |= changes.pop("settings", {})
    toy_model(folder / "model.onnx", known="colour", threshold=0.5, **changes)
    shutil.copy(data / "manifest.csv", folder)
    config = {
        "settings": settings, "seed": 0, "classes": ["priority", "stop"], "grouping": "track",
        "data": str(data), "data_sha256": "0" * 64, "versions": {},
    }  # fmt: skip
    write_json(folder / "config.json", to_json(config))
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("compare")
    photos = toy_folder(root / "photos", per_class=60)
    return Path(signwise.prepare(photos, root / "data", split=(0.2, 0.2, 0.6)).out)


@pytest.fixture(scope="module")
def runs(data: Path) -> tuple[Path, Path]:
    """One that sees the signs, and one that does not; both evaluated."""
    good = make_run(data.parent / "good", data)
    blind = make_run(
        data.parent / "blind", data, region=CORNER, settings={"augmentation": {"noise": 0.3}}
    )
    others = toy_unknown(data.parent / "others", 20)
    for run in (good, blind):
        signwise.evaluate(run, data, unknown=others)
    return good, blind


@pytest.fixture(scope="module")
def result(runs: tuple[Path, Path], data: Path) -> CompareResult:
    good, blind = runs
    return compare([blind, good], out=data.parent / "compared")


def test_the_better_run_is_named(result: CompareResult, runs: tuple[Path, Path]) -> None:
    (pair,) = result.comparison.pairs
    assert pair.better == str(runs[0])
    assert pair.counts.only_second > 5 * max(pair.counts.only_first, 1)
    assert some(pair.by_group).p < 0.05
    assert some(pair.accuracy.ci95_grouped)[0] > 0
    assert some(pair.loss.ci95)[1] < 0
    assert some(some(pair.auroc).ci95)[0] > 0
    assert some(pair.coverage.value) > 0


def test_what_it_leaves(result: CompareResult) -> None:
    assert {path.name for path in result.out.iterdir()} == {
        ".signwise", "compare.json", "report.html",
    }  # fmt: skip
    content: Any = read_json(result.out / "compare.json")
    assert content == result.comparison.to_json()
    assert content["n"] == result.counts["images"] == 72
    assert content["pairs"][0]["counts"]["only_second"] > 0
    assert content["pairs"][0]["better"].endswith("good")
    assert content["settings"] == {"augmentation.noise": [0.3, 0.1]}
    assert result.counts == {"models": 2, "pairs": 1, "images": 72, "unknown": 20}


def test_the_page_shows_what_each_alone_gets_right(result: CompareResult) -> None:
    page = PageReader((result.out / "report.html").read_text(encoding="utf-8"))
    assert "good is better than" in page.sections[page.headings[0]].text
    assert page.sections["Settings that differ"].tables[0][1] == [
        "augmentation.noise",
        "0.3",
        "0.1",
    ]
    difference = page.sections["The difference"]
    assert "taken for" in difference.text
    assert 1 < len(difference.images) <= 24


def test_equal_models_are_not_called_different(runs: tuple[Path, Path], tmp_path: Path) -> None:
    again = shutil.copytree(runs[0], tmp_path / "again")
    found = compare([runs[0], again], out=tmp_path / "out").comparison
    (pair,) = found.pairs
    assert pair.better is None
    assert pair.by_picture.p == some(pair.by_group).p == 1
    assert found.settings == {}


def test_the_order_only_turns_the_signs(
    result: CompareResult, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    (pair,) = result.comparison.pairs
    (turned,) = compare([*runs], out=tmp_path / "out").comparison.pairs
    assert turned.better == pair.better
    assert turned.by_group == pair.by_group
    for name in ("accuracy", "coverage", "loss"):
        assert some(getattr(turned, name).value) == pytest.approx(-some(getattr(pair, name).value))
    low, high = some(turned.accuracy.ci95)
    assert (-high, -low) == pytest.approx(pair.accuracy.ci95)


def test_model_files_are_measured_anew(
    runs: tuple[Path, Path], data: Path, result: CompareResult, tmp_path: Path
) -> None:
    files = [run / "model.onnx" for run in reversed(runs)]
    for number, file in enumerate(files):
        files[number] = Path(shutil.copy(file, tmp_path / f"{number}.onnx"))
    others = data.parent / "others"
    found = compare(files, data, unknown=others, out=tmp_path / "out").comparison
    assert [pair.counts for pair in found.pairs] == [
        pair.counts for pair in result.comparison.pairs
    ]
    assert some(found.pairs[0].auroc).value == some(result.comparison.pairs[0].auroc).value
    assert found.settings == {}, "model files do not know theirs"
    assert (tmp_path / "out" / "model-2" / "report.html").is_file()


def test_three_models_are_corrected_for(
    runs: tuple[Path, Path], data: Path, result: CompareResult, tmp_path: Path
) -> None:
    third = make_run(tmp_path / "third", data, region=(0, 26, 6, 32))
    found = compare([*runs, third], data, out=tmp_path / "out").comparison
    assert len(found.pairs) == 3
    for pair in found.pairs:
        assert pair.by_picture.corrected >= pair.by_picture.p
    first = found.pairs[0]
    assert some(first.by_group).corrected > some(first.by_group).p
    assert some(first.by_group).power < some(result.comparison.pairs[0].by_group).power
    assert "corrected p" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_different_pictures_are_refused(
    runs: tuple[Path, Path], data: Path, tmp_path: Path
) -> None:
    other = signwise.prepare(
        data.parent / "photos", tmp_path / "other", split=(0.4, 0.3, 0.3), seed=5
    ).out
    run = make_run(tmp_path / "run", Path(other))
    signwise.evaluate(run, other)
    with pytest.raises(SignwiseError, match=r"different pictures: .* only in the first, .*`data`"):
        compare([runs[0], run], out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_another_label_is_another_picture(runs: tuple[Path, Path]) -> None:
    one = read_measured(runs[0], held_evaluation(runs[0], "test"))
    labels = one.table["true_label"].copy()
    labels.iloc[0] = "stop" if labels.iloc[0] == "priority" else "priority"
    other = replace(one, name="other", table=one.table.assign(true_label=labels))
    with pytest.raises(SignwiseError, match=r"1 of 72 only in the first, 1 of 72"):
        compare_measured([one, other])


def test_where_signs_are_not_known_pictures_decide(runs: tuple[Path, Path]) -> None:
    both = [
        replace(read_measured(run, held_evaluation(run, "test")), grouping="duplicates")
        for run in runs
    ]
    found = compare_measured(both)
    (pair,) = found.pairs
    assert pair.by_group is None
    assert pair.decisive == pair.by_picture
    assert pair.accuracy.ci95_grouped is None
    assert not found.groups_known


def test_pictures_of_no_class_must_be_the_same(runs: tuple[Path, Path]) -> None:
    one, two = (read_measured(run, held_evaluation(run, "test")) for run in runs)
    assert compare_measured([one, two]).n_unknown == 20
    fewer = replace(
        two,
        unknown_sha256=two.unknown_sha256[1:],
        known_of_unknown=two.known_of_unknown[1:],
    )
    found = compare_measured([one, fewer])
    assert found.n_unknown is None
    assert found.pairs[0].auroc is None
    assert found.models[0].auroc is None


def test_files_that_are_gone_are_not_shown(
    runs: tuple[Path, Path], data: Path, tmp_path: Path
) -> None:
    moved = []
    for run in runs:
        copied = shutil.copytree(run, tmp_path / run.name)
        table = copied / "evaluation" / "test" / "predictions.csv"
        table.write_text(table.read_text().replace(str(data.parent), "/nowhere"))
        moved.append(copied)
    compare(moved, out=tmp_path / "out")
    assert "not where they were" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_what_was_trained_on_is_warned_of(
    runs: tuple[Path, Path], data: Path, tmp_path: Path
) -> None:
    with pytest.warns(UserWarning, match=r"was trained on 24 of these 24 pictures"):
        compare([*runs], data, split="train", out=tmp_path / "out")


@pytest.mark.usefixtures("runs")
@pytest.mark.filterwarnings("always::UserWarning")
def test_what_was_chosen_on_is_warned_of(
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(data.parent)
    arguments = ("good", "blind", "--data", str(data), "--split", "val")
    assert main(["compare", *arguments, "--out", str(tmp_path / "out")]) == 0
    said = "good was chosen on 24 of these 24 pictures: it looks better here than it is"
    assert f"warning: {said}" in capsys.readouterr().err
    assert said in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    models: Any = read_json(tmp_path / "out" / "compare.json")
    assert [one["seen_in_validation"] for one in models["models"]] == [24, 24]


def test_an_evaluation_of_an_earlier_model_is_warned_of(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    run = shutil.copytree(runs[0], tmp_path / "run")
    shutil.copy(runs[1] / "model.onnx", run)
    with pytest.warns(UserWarning, match=r"run holds another model now than .* evaluate again"):
        found = compare([run, runs[1]], out=tmp_path / "out")
    assert [one.changed for one in found.comparison.models] == [True, False]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "0 model(s) to compare: give two or more MODELS"),
        (("good",), "1 model(s) to compare"),
        (("good", "good"), "good is given twice"),
        (("good", "missing"), "missing does not exist"),
        (("good", "priority-stop"), "priority-stop is no run and holds no evaluation: give --data"),
        (
            ("good", "blind", "--split", "val"),
            "was not evaluated on its val pictures: run",
        ),
        (("good", "blind", "--unknown", "others"), "--unknown needs --data"),
    ],
)
def test_what_cannot_be_compared_is_an_error(
    arguments: tuple[str, ...],
    said: str,
    runs: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(runs[0].parent)
    out = str(tmp_path / "out")
    assert said in failure(capsys, "compare", *arguments, "--out", out)
    assert not (tmp_path / "out").exists()


def test_an_evaluation_that_was_changed_is_an_error(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    run = shutil.copytree(runs[0], tmp_path / "run")
    table = run / "evaluation" / "test" / "predictions.csv"
    text = table.read_text()
    table.write_text(text.replace("p_stop", "p_other"))
    with pytest.raises(SignwiseError, match="has no column p_stop: run signwise evaluate again"):
        compare([run, runs[1]], out=tmp_path / "out")
    table.write_text(text.replace(",0.", ",x"))
    with pytest.raises(SignwiseError, match="run signwise evaluate again"):
        compare([run, runs[1]], out=tmp_path / "out")
    table.write_text(text.replace(",stop,", ",halt,"))
    with pytest.raises(SignwiseError, match="'halt' is no class of"):
        compare([run, runs[1]], out=tmp_path / "out")


def test_pictures_whose_names_are_no_utf8_are_compared(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    run = shutil.copytree(runs[0], tmp_path / "run")
    table = run / "evaluation" / "test" / "predictions.csv"
    table.write_bytes(table.read_bytes().replace(b".png", b"\xe4.png"))
    assert compare([run, runs[1]], out=tmp_path / "out").counts["images"] > 0


def test_the_command_prints_tables_and_json(
    runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    names = [str(run) for run in reversed(runs)]
    assert main(["compare", *names, "--out", str(tmp_path / "out")]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for said in ("is better than", "exact McNemar by picture", "log loss", "compare.json"):
        assert said in text
    assert main(["compare", *names, "--out", str(tmp_path / "out"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) >= {"out", "counts", "problems", "comparison"}
    assert document["comparison"]["pairs"][0]["better"] == names[1]
