"""The sentences of reports: each figure with its count, both intervals, and no false certainty."""

import subprocess
import sys
from dataclasses import replace

import pytest

from signwise.report.words import (
    UNIT,
    between,
    calibration_statement,
    cautions,
    grouping_statement,
    intervals,
    number,
    percent,
    plural,
    rates,
    rejected_beside,
    rejection,
    score,
    short_path,
    verdict,
)
from signwise.results import Evaluation
from toy_report import share, toy_evaluation, toy_unknown


def test_words_and_heat_maps_serve_the_base_install() -> None:
    code = (
        "import sys, signwise.report.heat, signwise.report.words;"
        "print([name for name in ('jinja2', 'matplotlib', 'pandas') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def plain(text: str) -> str:
    """The text with ordinary blanks."""
    return text.replace("\u00a0", " ")


def at_threshold_0(evaluation: Evaluation) -> Evaluation:
    selective = replace(evaluation.selective, threshold=0.0, accepted=40)
    return replace(evaluation, selective=selective, unknown=None)


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (0, "0"), (1, "100"), (0.995, "99.5"), (0.9996, "99.96"), (0.99999, "99.999"),
        (0.0001, "0.01"), (1e-9, "below 0.001"), (1 - 1e-9, "above 99.999"),
    ],
)  # fmt: skip
def test_a_share_is_never_rounded_to_all_or_nothing(fraction: float, text: str) -> None:
    assert percent(fraction) == text + UNIT


def test_a_score_is_never_rounded_to_one() -> None:
    assert [score(value) for value in (1.0, 0.5, 0.99997, 0.9999999999)] == [
        "1.0000", "0.5000", "0.99997", "above 0.9999999",
    ]  # fmt: skip


def test_what_could_not_be_measured_is_a_dash() -> None:
    for shown in (percent, score, number, between):
        assert shown(None) == "\u2013"


def test_small_words() -> None:
    assert plain(between((0.0, 0.1234))) == "0 to 12.3 %"
    assert [plural(count, "sign") for count in (0, 1, 1000)] == ["0 signs", "1 sign", "1,000 signs"]
    assert number(0.123456) == "0.123"
    assert short_path("/a/b/c.png") == "b/c.png"


def test_the_verdict_has_counts_and_both_intervals() -> None:
    assert plain(verdict(toy_evaluation())) == (
        "Correct on 38 of 40 test pictures: 95.0 % (95 % interval 83.5 to 98.6 % by picture, 67.6"
        " to 99.7 % by sign). It answered \u201cunknown\u201d to 1 of them and was wrong on 2 of"
        " the other 39. 114 of 400 pictures of no class were wrongly accepted."
    )


@pytest.mark.parametrize(
    ("split", "text"),
    [
        ("train", "40 training pictures:"),
        ("val", "40 validation pictures:"),
        ("all", "40 pictures:"),
    ],
)
def test_the_verdict_names_the_split(split: str, text: str) -> None:
    assert f"Correct on 38 of {text}" in verdict(toy_evaluation(split=split))


def test_the_verdict_of_models_that_reject_nothing_or_everything() -> None:
    found = toy_evaluation()
    assert "It rejects nothing: its threshold is 0." in verdict(at_threshold_0(found))
    none = replace(found.selective, accepted=40)
    assert "It rejected none of them." in verdict(replace(found, selective=none))
    every = replace(found.selective, accepted=0, risk=share(0, 0, (0, 1)))
    text = verdict(replace(found, selective=every))
    assert "It answered \u201cunknown\u201d to all of them." in text
    right = replace(found.selective, risk=share(0, 39, (0, 0.1)))
    assert "wrong on none of the other 39" in verdict(replace(found, selective=right))


def test_the_verdict_on_pictures_of_no_class() -> None:
    none = toy_evaluation(unknown=toy_unknown(accepted=0))
    assert verdict(none).endswith("None of 400 pictures of no class were wrongly accepted.")
    seen = verdict(toy_evaluation(unknown=toy_unknown(seen=12)))
    assert seen.endswith("wrongly accepted. The model was trained on 12 of these 400.")
    assert "no class" not in verdict(toy_evaluation(unknown=None))


def test_what_is_not_known_is_said() -> None:
    assert "not known" not in verdict(toy_evaluation())
    whether = "It is not known whether the model was trained on"
    text = verdict(toy_evaluation(seen_in_training=None, groups_seen_in_training=None))
    assert text.endswith(f"{whether} any of these pictures.")
    text = verdict(toy_evaluation(groups_seen_in_training=None))
    assert text.endswith(f"{whether} other pictures of the same signs.")
    text = verdict(toy_evaluation(grouping="regex", groups_seen_in_training=None))
    assert text.endswith(f"{whether} other pictures of the same groups.")


def test_every_rate_of_the_verdict_has_count_and_intervals() -> None:
    assert [(name, plain(text)) for name, text in rates(toy_evaluation())] == [
        (
            "rejected",
            "2.5 % (1 of 40; 95 % interval 0.4 to 12.9 % by picture, 0.3 to 31.8 % by sign)",
        ),
        (
            "wrong among the answered",
            "5.1 % (2 of 39; 95 % interval 1.4 to 16.9 % by picture, 0.4 to 33.0 % by sign)",
        ),
        (
            "false accept rate",
            "28.5 % (114 of 400 pictures of no class; 95 % interval 24.3 to 33.1 % by picture)",
        ),
    ]
    assert rates(at_threshold_0(toy_evaluation())) == []


def test_rejection_is_the_other_side_of_coverage() -> None:
    found = rejection(toy_evaluation().selective)
    assert found.value == pytest.approx(1 / 40)
    assert found.ci95 == pytest.approx((0.0044, 0.1288))
    assert found.ci95_grouped == pytest.approx((0.0033, 0.3177))


def test_rejected_pictures_stand_beside_the_accuracy() -> None:
    assert plain(rejected_beside(toy_evaluation())) == (
        "1 of 40 rejected at the threshold (2.5 %; 0.4 to 12.9 % by picture, 0.3 to 31.8 % by sign)"
    )
    assert "nothing is rejected" in rejected_beside(at_threshold_0(toy_evaluation()))


def test_figures_that_are_too_good_are_cautioned_against() -> None:
    assert cautions(toy_evaluation()) == []
    found = cautions(
        toy_evaluation(seen_in_training=7, groups_seen_in_training=3, unknown=toy_unknown(seen=12))
    )
    assert len(found) == 3
    assert found[0].startswith("The model was trained on 7 of these 40 pictures.")
    assert found[1].startswith("The model was trained on other pictures of 3 of these 8 signs,")
    assert found[2].startswith("The model was trained on 12 of these 400 pictures of no class.")
    assert cautions(toy_evaluation(seen_in_training=None, groups_seen_in_training=None)) == []


@pytest.mark.parametrize(("grouping", "name"), [("track", "sign"), ("csv", "group")])
def test_the_interval_to_trust_is_named(grouping: str, name: str) -> None:
    text = grouping_statement(toy_evaluation(grouping=grouping))
    assert f"The 40 pictures show 8 {name}s." in text
    assert f"The interval by {name} resamples whole {name}s" in text
    assert f"8 {name}s are too few for a firm figure." in text
    assert "too few" not in grouping_statement(toy_evaluation(grouping=grouping, groups=20))
    assert intervals(toy_evaluation(grouping=grouping).accuracy, grouping).endswith(f"by {name}")


def test_unknown_groups_are_said_to_be_unknown() -> None:
    prepared = grouping_statement(toy_evaluation(grouping="duplicates"))
    assert "may be in both training and test" in prepared
    assert "--group" in prepared
    folder = grouping_statement(toy_evaluation(grouping="duplicates", data_sha256=None))
    assert folder.startswith("It is not known which of these pictures show the same physical sign.")
    assert "training and test" not in folder
    for text in (prepared, folder):
        assert "they are too narrow" in text
    assert "by sign" not in verdict(toy_evaluation(grouping="duplicates"))


def test_calibration_says_what_its_n_can_tell() -> None:
    found = toy_evaluation().calibration
    text = plain(calibration_statement(found))
    assert "differ by 6.0 % (expected calibration error, 2 bins of equal mass, n = 40)" in text
    assert "shows up to 7.0 % by chance" in text
    assert text.endswith("n is too small to tell whether the true error is below 1 %.")
    poor = calibration_statement(replace(found, ece=0.2))
    assert poor.endswith("This model is not perfectly calibrated.")
    large = calibration_statement(replace(found, n=9000, ece=0.004, ece_by_chance=0.005))
    assert large.endswith("The error may be chance alone.")
    empty = calibration_statement(replace(found, n=0, ece=None, ece_by_chance=None, bins=()))
    assert empty == "There are no pictures to measure calibration on."
