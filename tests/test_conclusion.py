"""The one conclusion of a report: what weighs most is said, with what to do."""

from dataclasses import replace

import pytest

from signwise.report.conclusion import conclusion
from signwise.results import Evaluation
from toy_report import share, toy_evaluation, toy_unknown


def said(evaluation: Evaluation) -> str:
    return conclusion(evaluation).replace("\N{NO-BREAK SPACE}", " ")


def sound(**changes: object) -> Evaluation:
    """Of 4,000 pictures of 80 signs, 3,980 are right; nothing speaks against the model."""
    found = toy_evaluation()
    figures = replace(found.per_class["stop"], recall=share(1990, 2000, (0.99, 0.998)))
    evaluation = replace(
        found,
        n=4000,
        correct=3980,
        groups=80,
        accuracy=share(3980, 4000, (0.992, 0.997), (0.961, 0.999)),
        per_class=dict.fromkeys(found.classes, figures),
        selective=replace(found.selective, n=4000, accepted=3950),
        unknown=toy_unknown(accepted=2),
    )
    return replace(evaluation, **changes)  # type: ignore[arg-type]


def test_a_sound_model_is_called_that() -> None:
    assert said(sound()) == (
        "Nothing here speaks against the model: of new pictures like these, it gets at least 96.1 %"
        " right (95 % interval). Use it on pictures like these, and measure it again on photos"
        " from another place, season or camera."
    )
    assert "no class was not measured: give a folder of them with --unknown." in said(
        sound(unknown=None)
    )
    blind = sound(grouping="duplicates", accuracy=share(3980, 4000, (0.992, 0.997)))
    assert "at least 99.2 % right (95 % interval), if none shows what was trained on" in said(blind)


@pytest.mark.parametrize(
    ("changes", "how"),
    [
        ({"seen_in_training": 7}, "trained on 7 pictures"),
        ({"seen_in_validation": 1}, "chosen on 1 picture"),
        ({"groups_seen_in_training": 3}, "trained on other pictures of 3 signs"),
        ({"seen_in_training": 7, "seen_in_validation": 5}, "on 7 pictures and chosen on 5 pictur"),
    ],
)
def test_pictures_that_had_a_part_in_the_model_come_first(
    changes: dict[str, int], how: str
) -> None:
    text = said(replace(toy_evaluation(), **changes))  # type: ignore[arg-type]
    assert text.startswith("These figures flatter: the model was ")
    assert how in text
    assert "new signs: the test set" in text


def test_few_signs_are_to_become_more() -> None:
    few = sound(n=60, correct=60, groups=2, accuracy=share(60, 60, (0.94, 1.0), (0.342, 1.0)))
    assert said(few) == (
        "These 60 pictures show 2 signs: too few to say how good the model is on others. On new"
        " signs its accuracy may be anything from 34.2 to 100 %. Photograph more signs, at least 20"
        " to test on."
    )
    wide = sound(groups=25, accuracy=share(3980, 4000, (0.992, 0.997), (0.868, 0.999)))
    assert said(wide).endswith("Photograph more signs.")
    one = sound(n=1, groups=1, grouping="csv", accuracy=share(1, 1, (0.2, 1.0), (0.2, 1.0)))
    assert said(one).startswith("This 1 picture shows 1 group:")
    blind = sound(n=30, grouping="duplicates", accuracy=share(29, 30, (0.83, 0.994)))
    assert said(blind).startswith("30 pictures are too few: the accuracy may be anything from 83.0")


def test_a_guess_is_called_one() -> None:
    balanced = share(21, 40, (0.37, 0.67))
    text = said(toy_evaluation(correct=21, balanced_accuracy=balanced))
    assert text.startswith("The model is not shown to be better than guessing: 52.5 %")
    assert "guessing gives 50.0 %" in text
    assert "guessing" not in said(toy_evaluation(balanced_accuracy=share(26, 40, (0.501, 0.78))))
    every = toy_evaluation(correct=40, balanced_accuracy=share(2, 2, (0.3, 1.0)))
    assert "guessing" not in said(every)


def test_what_is_wrong_with_a_model_is_said_with_what_to_do() -> None:
    accepts = said(sound(unknown=toy_unknown(accepted=114)))
    assert accepts.startswith("It wrongly accepts 114 of 400 pictures of no class. Train with")
    found = sound()
    weak = replace(found.per_class["stop"], recall=share(15, 20, (0.5, 0.9)))
    text = said(sound(per_class=dict(found.per_class) | {"stop": weak}))
    assert text.startswith("It is weakest at stop: 15 of 20 pictures are right.")
    rejects = said(sound(selective=replace(found.selective, n=4000, accepted=3000)))
    assert rejects.startswith("It answers \u201cunknown\u201d to 1,000 of 4,000 pictures")
    absent = replace(found.per_class["stop"], recall=share(0, 0, (0, 1)), support=0)
    assert "weakest" not in said(sound(per_class=dict(found.per_class) | {"stop": absent}))
