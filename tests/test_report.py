"""What stands where: the sections of both pages and of the model card, from typed results."""

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from html_reader import PageReader, Section
from signwise.metrics.selective import RiskCoverage
from signwise.report import charts, confusion_chart
from signwise.report.card import model_card
from signwise.report.data_page import DataPage, data_page
from signwise.report.evaluation_page import EvaluationPage, LabelReview, evaluation_page
from signwise.report.words import cautions, grouping_statement, verdict
from signwise.results import Problem
from toy_report import (
    picture,
    share,
    shown,
    toy_card,
    toy_data_page,
    toy_evaluation,
    toy_history,
    toy_page,
    toy_unknown,
)

SECTIONS = [
    "Summary",
    "Results by class",
    "Most confident mistakes",
    "Labels to check",
    "Calibration and risk",
    "Pictures of no class",
    "Accuracy under corruption",
    "Training",
    "Data and settings",
]
FORBIDDEN = ("stranger", "suspect", "let in", "taken for", "makes of", "refuse")
"""Words that an earlier version used and that nobody else does."""


@pytest.fixture(autouse=True)
def blank_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Charts that are not drawn, which takes longer than all else: `test_plots` reads them."""
    buffer = io.BytesIO()
    Image.new("RGB", (80, 40)).save(buffer, "png")
    for module in (charts, confusion_chart):
        monkeypatch.setattr(module, "draw", lambda *_: buffer.getvalue())


def read(page: EvaluationPage | DataPage) -> dict[str, Section]:
    text = evaluation_page(page) if isinstance(page, EvaluationPage) else data_page(page)
    assert not [word for word in FORBIDDEN if word in text.lower()]
    return PageReader(text).sections


@pytest.fixture(scope="module")
def whole() -> dict[str, Section]:
    """The sections of a page that has them all."""
    return read(toy_page())


def test_the_page_has_its_sections_and_begins_with_the_verdict(whole: dict[str, Section]) -> None:
    title, *headings = whole
    assert title == "Evaluation: priority, stop"
    assert headings == SECTIONS
    assert " ".join(verdict(toy_evaluation()).split()) in whole[title].text


def test_a_page_of_little_has_few_sections() -> None:
    evaluation = toy_evaluation(unknown=None, corruptions=None)
    found = read(toy_page(evaluation, history=[], accepted_unknown=[]))
    missing = {"Pictures of no class", "Accuracy under corruption", "Training"}
    assert list(found)[1:] == [name for name in SECTIONS if name not in missing]
    assert not [name for name in found["Summary"].cards if "accept" in name or "corrupt" in name]


def test_the_title_names_four_classes_at_most() -> None:
    evaluation = toy_evaluation(classes=("a", "b", "c", "d", "e"))
    assert next(iter(read(toy_page(evaluation)))) == "Evaluation: a, b, c, d and others"


def test_each_card_has_its_figure_its_count_and_both_intervals(whole: dict[str, Section]) -> None:
    assert {name: card.strip() for name, card in whole["Summary"].cards.items()} == {
        "Accuracy": "95.0 % 38 of 40 pictures; 95 % interval 83.5 to 98.6 % by picture, 67.6 to"
        " 99.7 % by sign; 1 of 40 rejected at the threshold (2.5 %; 0.4 to 12.9 % by picture, 0.3"
        " to 31.8 % by sign)",
        "Coverage: answered at the threshold": "97.5 % 39 of 40 pictures; 95 % interval 87.1 to"
        " 99.6 % by picture, 68.2 to 99.7 % by sign",
        "Risk: wrong among the answered": "5.1 % 2 of 39 pictures; 95 % interval 1.4 to 16.9 % by"
        " picture, 0.4 to 33.0 % by sign",
        "False accept rate": "28.5 % 114 of 400 pictures of no class were wrongly accepted; 95 %"
        " interval 24.3 to 33.1 % by picture",
        "Balanced accuracy": "94.5 % mean recall of the classes, n = 40; 95 % interval 82.5 to"
        " 97.6 % by picture, 66.5 to 98.7 % by sign; 1 of 40 rejected",
        "Calibration error": "6.0 % n = 40; up to 7.0 % by chance alone at this n",
        "Accuracy under corruption": "90.8 % mean of 10 cells, 40 pictures each; 95 % interval"
        " 77.8 to 96.5 % by picture, 60.2 to 99.4 % by sign; 16.2 % rejected at the threshold"
        " (8.0 to 30.4 %)",
    }
    assert " ".join(grouping_statement(toy_evaluation()).split()) in whole["Summary"].text
    assert whole["Summary"].warnings == []


def test_a_model_that_rejects_nothing_has_no_cards_on_rejection() -> None:
    found = toy_evaluation()
    evaluation = replace(found, selective=replace(found.selective, threshold=0.0, accepted=40))
    sections = read(toy_page(evaluation))
    assert not [name for name in sections["Summary"].cards if name.startswith(("Cov", "Risk"))]
    assert "known" not in sections["Most confident mistakes"].captions[0]


def test_cautions_are_warnings() -> None:
    evaluation = toy_evaluation(
        seen_in_training=7, groups_seen_in_training=3, unknown=toy_unknown(seen=12)
    )
    assert read(toy_page(evaluation))["Summary"].warnings == cautions(evaluation)


def test_the_table_of_classes_has_a_row_for_each(whole: dict[str, Section]) -> None:
    header, *rows = whole["Results by class"].tables[0]
    assert header == [
        "class", "pictures", "signs", "recall", "95 % interval", "precision", "95 % interval",
        "F1, by picture",
    ]  # fmt: skip
    assert rows[1] == [
        "stop", "20", "4",
        "95.0 % 19 of 20", "76.4 to 99.1 % by picture 53.1 to 99.7 % by sign",
        "95.0 % 19 of 20", "74.4 to 97.1 % by picture 51.1 to 97.7 % by sign",
        "95.0 % 83.4 to 98.7 %",
    ]  # fmt: skip
    assert [row[0] for row in rows] == ["priority", "stop"]
    assert whole["Results by class"].images == ["Confusion matrix: 38 of 40 pictures are correct"]


def test_recall_and_precision_stand_in_their_own_columns() -> None:
    found = toy_evaluation(grouping="duplicates")
    figures = replace(
        found.per_class["stop"],
        recall=share(3, 20, (0.01, 0.02)),
        precision=share(5, 21, (0.03, 0.04)),
    )
    per_class = {"priority": found.per_class["priority"], "stop": figures}
    table = read(toy_page(replace(found, per_class=per_class)))["Results by class"].tables[0]
    assert "signs" not in table[0]
    assert table[2][2:6] == [
        "15.0 % 3 of 20", "1.0 to 2.0 % by picture", "23.8 % 5 of 21", "3.0 to 4.0 % by picture",
    ]  # fmt: skip


def test_of_many_classes_the_worst_stand_above_and_the_rest_is_folded() -> None:
    classes = [f"class {number}" for number in range(20)]
    found = toy_evaluation(classes)
    per_class = {
        name: replace(figures, recall=share(19 - index, 20, (0.1, 0.2)))
        for index, (name, figures) in enumerate(found.per_class.items())
    }
    unmeasured = replace(per_class["class 7"], recall=share(0, 0, (0, 1)))
    evaluation = replace(found, per_class=per_class | {"class 7": unmeasured})
    pairs, worst, every = read(toy_page(evaluation))["Results by class"].tables
    assert pairs[1:] == [
        ["class 0", "class 1", "1 of 20", "5.0 %", "0.9 to 23.6 %"],
        ["class 1", "class 0", "1 of 20", "5.0 %", "0.9 to 23.6 %"],
    ]
    assert [row[0] for row in worst[1:]] == [
        f"class {number}" for number in range(19, 3, -1) if number != 7
    ]
    assert [row[0] for row in every[1:]] == classes


def test_mistakes_are_shown_with_answer_and_confidence(whole: dict[str, Section]) -> None:
    section = whole["Most confident mistakes"]
    assert section.captions == [
        "priority, predicted stop\nconfidence 0.876, known 0.765\na/00000.png",
        "stop, predicted priority\nconfidence 0.876, known 0.432, rejected\nb/00001.png",
    ]
    assert section.images == ["picture", "heat map", "picture"]
    assert "2 of 40 pictures are wrong: 5.0 %" in section.text
    assert "The most confident mistake comes first." in section.text
    assert "drawn for 1 picture only" in section.text
    many = read(toy_page(wrong=30))["Most confident mistakes"].text
    assert "2 of them are shown" in many
    assert "a few of any one sign" in many


def test_without_a_mistake_the_least_confident_pictures_are_shown() -> None:
    page = toy_page(wrong=0, mistakes=[shown("a/1.png", "stop", "stop", confidence=0.512)])
    section = read(page)["Least confident pictures"]
    assert "None of 40 pictures is wrong." in section.text
    assert section.captions == ["stop\nconfidence 0.512, known 0.765\na/1.png"]
    assert "heat map" not in section.text


def test_doubted_labels_are_shown_and_counted(whole: dict[str, Section]) -> None:
    section = whole["Labels to check"]
    assert section.captions == ["labelled stop\npredicted priority\nb/00002.png"]
    assert "1 of 37 labels is likely wrong" in section.text
    assert "trained on 3 more pictures. Their labels were not checked." in section.text
    assert "--exclude flagged.csv" in section.text
    assert "likeliest" not in section.text
    review = LabelReview(judged=37, seen=0, doubted=5, shown=[shown("a.png", "stop", "priority")])
    text = read(toy_page(review=review))["Labels to check"].text
    assert "5 of 37 labels are likely wrong" in text
    assert "The 1 likeliest are shown." in text
    assert "trained on" not in text


def test_labels_that_are_right_or_were_not_checked() -> None:
    review = LabelReview(judged=37, seen=0, doubted=0, shown=[])
    clean = read(toy_page(review=review))["Labels to check"]
    assert clean.text.endswith("None of 37 labels is likely wrong.")
    unchecked = read(toy_page(review=None))["Labels to check"]
    assert "The labels were not checked." in unchecked.text
    assert "flagged.csv" not in clean.text + unchecked.text


def test_calibration_and_risk_have_their_figures(whole: dict[str, Section]) -> None:
    section = whole["Calibration and risk"]
    assert section.tables[0][1:] == [
        ["0.7123 to 0.9012", "20", "0.8100", "90.0 %", "69.9 to 97.2 %"],
        ["0.9034 to 0.9945", "20", "0.9700", "100 %", "83.9 to 100 %"],
    ]
    assert section.images == [
        "Reliability diagram: expected calibration error 6.0\u00a0%",
        "Risk-coverage curve: area under it 0.0307",
    ]
    assert "Loss (negative log-likelihood) 0.123, Brier score 0.0806, n = 40." in section.text
    assert "The model answers where known is at least 0.5." in section.text


def test_pictures_of_no_class_have_their_figures(whole: dict[str, Section]) -> None:
    section = whole["Pictures of no class"]
    assert {name: card.split()[0] for name, card in section.cards.items()} == {
        "AUROC": "0.8765", "False accept rate": "28.5", "FPR at 95 % TPR": "33.0",
    }  # fmt: skip
    assert "400 pictures of no class against 40 of the classes" in section.cards["AUROC"]
    assert "0.8432 to 0.9087" in section.cards["AUROC"]
    assert "132 of 400" in section.cards["FPR at 95 % TPR"]
    assert "28.6 to 37.7 %" in section.cards["FPR at 95 % TPR"]
    assert "24.3 to 33.1 %" in section.cards["False accept rate"]
    assert "114 of 400 were wrongly accepted at the threshold" in section.text
    assert "1 of the 114 wrongly accepted pictures" in section.text
    assert section.captions[-1] == "predicted priority\nknown 0.654\ndeep/cow.png"
    unmeasured = replace(toy_unknown(), auroc=share(0, 0, (0, 1)))
    cards = read(toy_page(toy_evaluation(unknown=unmeasured)))["Pictures of no class"].cards
    assert cards["AUROC"].split()[0] == "\u2013"


def test_corruptions_have_their_figures(whole: dict[str, Section]) -> None:
    section = whole["Accuracy under corruption"]
    assert "over 10 cells is 90.8 % (n = 40 pictures in each;" in section.text
    assert "77.8 to 96.5 % by picture, 60.2 to 99.4 % by sign" in section.text
    assert "Without corruption it is 95.0 %." in section.text
    assert "The worst cell is frost at severity 5: 31 of 40 correct, 77.5 %" in section.text
    header, frost, jpeg = section.tables[0]
    assert header[2:] == [f"severity {severity}" for severity in range(1, 6)]
    assert frost[:3] == ["frost", "", "97.5 % 96.3 to 97.5 % 1 rejected"]
    assert jpeg[:2] == ["JPEG compression", "JPEG"]
    assert jpeg[6] == "82.5 % 81.3 to 82.5 % 5 rejected"


def test_the_heatmap_stars_the_kinds_that_training_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[list[str], list[list[float]]]] = []
    heatmap = charts.corruption_heatmap

    def record(names: list[str], accuracy: list[list[float]]) -> bytes:
        drawn.append((names, accuracy))
        return heatmap(names, accuracy)

    monkeypatch.setattr(charts, "corruption_heatmap", record)
    evaluation_page(toy_page())
    names, accuracy = drawn[0]
    assert names == ["frost", "JPEG compression *"]
    assert accuracy == [
        [count / 40 for count in (39, 38, 37, 35, 31)],
        [count / 40 for count in (40, 40, 36, 34, 33)],
    ]


@pytest.mark.parametrize(("threshold", "point"), [(0.5, (39 / 40, 2 / 39)), (0.0, None)])
def test_the_curve_marks_the_threshold(
    threshold: float, point: tuple[float, float] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    marked: list[object] = []
    curve = charts.risk_coverage

    def record(found: RiskCoverage, point: tuple[float, float] | None) -> bytes:
        marked.append(point)
        return curve(found, point)

    monkeypatch.setattr(charts, "risk_coverage", record)
    found = toy_evaluation()
    selective = replace(found.selective, threshold=threshold)
    evaluation_page(toy_page(replace(found, selective=selective)))
    assert marked == [point]


def test_a_head_that_was_fitted_alone_is_told_as_that() -> None:
    alone = [replace(toy_history()[0], epoch=0)]
    page = read(toy_page(history=alone))
    assert "the new last layer, fitted on the pre-trained network's features in 7 s" in (
        page["Training"].text
    )
    card = model_card(toy_card(history=alone)).replace("\u00a0", " ")
    assert "The last layer alone was fitted, on the pre-trained network's features, in 7 s." in card
    assert "0 epochs" not in page["Training"].text + card


def test_the_training_and_the_origin_are_told(whole: dict[str, Section]) -> None:
    assert whole["Training"].images == ["Loss by epoch", "Accuracy by epoch"]
    assert "Training took 21 s for 3 epochs." in whole["Training"].text
    section = whole["Data and settings"]
    facts, problems, settings = section.tables
    assert dict(facts) == {
        "model": "run/model.onnx",
        "classes": "2",
        "picture size": "32 x 32 pixels",
        "resize": "bicubic",
        "threshold of known": "0.5",
        "temperature": "1.41",
        "training data, SHA-256": "0123456789abcdef",
        "measured on": "40 pictures: test",
        "measured data, SHA-256": "0123456789abcdef",
        "grouping": "track: 8 signs",
        "seen in training": "0 pictures",
        "signwise": "0.1.0",
    }
    assert problems[1:] == [["photos/broken.png", "truncated"]]
    assert "1 file could not be used" in section.text
    assert settings == [
        ["epochs", "3"], ["freeze", "no"], ["augmentation.scale", "0.75 / 1.25"],
        ["version of torch", "2.6"],
    ]  # fmt: skip


def test_what_is_not_known_of_the_origin_is_said() -> None:
    evaluation = toy_evaluation(grouping="duplicates", seen_in_training=None, data_sha256=None)
    page = toy_page(evaluation)
    origin = replace(page.origin, settings={}, versions={}, problems=[])
    tables = read(replace(page, origin=origin))["Data and settings"].tables
    assert len(tables) == 1
    facts = dict(tables[0])
    assert facts["seen in training"] == "not known"
    assert facts["measured data, SHA-256"] == "a folder"
    assert facts["grouping"] == "duplicates: 8 groups of near duplicates"


def test_of_many_problems_the_first_are_listed() -> None:
    page = toy_page()
    many = [Problem(path=f"{number}.png", problem="empty") for number in range(777)]
    found = read(replace(page, origin=replace(page.origin, problems=many)))["Data and settings"]
    assert len(found.tables[1]) == 501
    assert "777 files could not be used" in found.text
    assert "277 more are not listed here." in found.text


def test_a_heat_map_is_laid_over_the_picture() -> None:
    heat = np.zeros((8, 8), np.float32)
    heat[0, 0] = 5.0
    page = toy_page(mistakes=[shown("a.png", "stop", "priority", heat=heat)])
    pixels = _pixels(PageReader(evaluation_page(page)).links)
    plain, overlaid = [found for found in pixels if found.shape == (128, 128, 3)][:2]
    assert (plain == picture()[0, 0]).all()
    red, _, blue = overlaid[4, 4].astype(int)
    assert red - blue > 100
    assert (overlaid[100, 100] == overlaid[100, 100, 0]).all()  # grey, where nothing speaks


def test_the_data_page_counts_pictures_and_groups() -> None:
    found = read(toy_data_page())
    assert list(found) == [
        "Data: photos", "Pictures and groups", "Samples", "Flagged pictures", "Unusable files",
        "Settings",
    ]  # fmt: skip
    assert found["Data: photos"].text.endswith(
        "2,468 usable pictures of 2 classes in 321 groups. 14 pictures are flagged."
        " 1 file could not be used."
    )
    section = found["Pictures and groups"]
    assert section.tables == [
        [
            ["class", "train", "val", "test", "all", "groups"],
            ["priority", "864", "185", "185", "1,234", "160"],
            ["stop", "864", "185", "186", "1,235", "161"],
            ["all classes", "1,728", "370", "371", "2,468", "321"],
        ]
    ]
    assert section.warnings == ["The data is small"]
    assert "into train / val / test by 70 / 15 / 15 %, with seed 11." in section.text
    assert "No group is in more than one split." in section.text


@pytest.mark.parametrize(
    ("grouping", "text"),
    [
        ("csv", "the column group of the CSV"), ("regex", "given with --group"),
        ("track", "the frames of one physical sign"), ("duplicates", "They are not physical signs"),
    ],
)  # fmt: skip
def test_the_data_page_says_what_a_group_is(grouping: str, text: str) -> None:
    assert text in read(toy_data_page(grouping=grouping))["Pictures and groups"].text


def test_a_split_that_was_given_may_leak() -> None:
    found = read(toy_data_page(split_given=True, leaking_groups=3))
    text = found["Pictures and groups"].text
    assert text.endswith("The source brought its own split. 3 groups are in more than one split.")
    assert "seed" not in text
    assert found["Data: photos"].text.endswith("3 groups are in more than one split.")


def test_samples_flagged_pictures_and_problems_are_shown() -> None:
    found = read(toy_data_page())
    assert found["Samples"].captions == ["priority.png", "stop.png"]
    assert "classes are shown" not in found["Samples"].text
    flagged = found["Flagged pictures"]
    assert "near duplicate: 13, 1 shown" in flagged.text
    assert "very dark: 1" in flagged.text
    assert flagged.captions == ["stop/1.png\nlooks like 2", "stop/3.png\nmean grey 0.02"]
    assert flagged.images == [
        "flagged picture", "the picture that it resembles",
        "flagged picture", "the same, brightened",
    ]  # fmt: skip
    unusable = found["Unusable files"]
    assert unusable.tables[0][1:] == [["stop/broken.png", "truncated"]]
    assert unusable.tables[1][1:] == [["hidden", "5"], ["not an image", "6"]]
    assert found["Settings"].tables[0] == [
        ["group", "not set"], ["copy", "no"], ["split", "0.7 / 0.15 / 0.15"],
    ]  # fmt: skip


def test_clean_data_of_many_classes() -> None:
    classes = [f"class {number}" for number in range(5)]
    page = toy_data_page(
        classes, flagged=[], flagged_pictures=0, problems=[], skipped={}, samples={"class 0": []}
    )
    found = read(page)
    assert found["Samples"].text.startswith("1 of 5 classes are shown.")
    assert found["Flagged pictures"].text == "No duplicates and no poor pictures were found."
    assert found["Unusable files"].text == "Every picture could be read."
    assert "flagged" not in found["Data: photos"].text


def test_a_bright_copy_stands_beside_a_dark_picture() -> None:
    dark = toy_data_page().flagged[1].shown[0].pixels[0]
    pixels = _pixels(PageReader(data_page(toy_data_page())).links)[-2:]
    assert [int(found.max()) for found in pixels] == [int(dark.max()), 255]


def test_the_card_tells_what_the_model_is() -> None:
    card = model_card(toy_card()).replace("\u00a0", " ")
    assert card.startswith("# A classifier of 2 classes: priority, stop\n\nresnet18, 32 x 32")
    assert (
        "Correct on 29 of 30 validation pictures: 96.7 %\n"
        "(95 % interval 83.3 to 99.4 % by picture, 61.1 to 99.8 % by sign).\n"
    ) in card
    assert "At the threshold 0.4321 of `known` it rejects 2 of them." in card
    assert "temperature is 1.414." in card
    assert "at most 1.2e-07\nin any probability" in card
    assert "\nNotes:\n\n- the validation set is small\n\n## What it was trained on\n" in card
    assert "Negatives: synthetic (2,345 pictures of no class, those held" in card
    assert (
        "| class | train | validation | test |\n|---|---|---|---|\n"
        "| priority | 101 | 15 | 16 |\n| stop | 102 | 17 | 18 |\n\n"
    ) in card
    assert "3 epochs in 21 s. The best by validation loss was epoch 2." in card
    assert card.endswith("- `epochs`: 3\n- `augmentation.noise`: 0.14\n")
    assert "Data hash `0123456789abcdef" in card


def test_a_card_of_little() -> None:
    facts = toy_card(warnings=[], negatives=0)
    card = model_card(replace(facts, record=replace(facts.record, unknown="none")))
    assert "\nNotes:\n\n- none\n\n" in card
    assert "\nNegatives: none.\n" in card


def test_no_class_name_breaks_a_card() -> None:
    names = ("a|b<i>&\nc", *(f"class {number}" for number in range(30)))
    facts = toy_card(counts={names[0]: {"train": 1, "val": 2, "test": 3}})
    card = model_card(replace(facts, record=replace(facts.record, classes=names)))
    assert r"| a\|b&lt;i>&amp; c | 1 | 2 | 3 |" in card
    title = card.splitlines()[0]
    assert title.startswith(r"# A classifier of 31 classes: a\|b&lt;i>&amp; c, class 0, ")
    assert title.endswith("class 18 and others")


def _pixels(links: list[str]) -> list[np.ndarray]:
    """The pictures of a page, in order."""
    return [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(link.split(",")[1]))).convert("RGB"))
        for link in links
        if link.startswith("data:image/png")
    ]
