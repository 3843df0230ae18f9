"""A comparison in words and as a page: what is said of which figures, and that it fits."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from browser import Page, open_browser
from signwise.cli import terminal
from signwise.report.comparison_page import (
    ComparisonPage,
    Disagreement,
    ShownPicture,
    comparison_page,
)
from signwise.report.comparison_words import (
    cautions,
    chance,
    deciding_test,
    differences,
    nats,
    p_value,
    points,
    power_statement,
    verdict,
)
from signwise.results import Rate
from signwise.studies import (
    Comparison,
    Difference,
    ModelFigures,
    PairCounts,
    PairFigures,
    Significance,
)
from signwise.study.compare import CompareResult
from test_terminal import joined

SPACE = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"
NAMES = ("runs/old", "<script>alert(1)</script>", "runs/of a very long name that no phone has")


def toy_model(name: str, correct: int = 180, **changes: object) -> ModelFigures:
    model = ModelFigures(
        name=name,
        path=f"{name}/model.onnx",
        correct=correct,
        accuracy=Rate(value=correct / 200, n=200, ci95=(0.85, 0.93), ci95_grouped=(0.7, 0.96)),
        loss=0.3125,
        coverage=Rate(value=0.95, n=200, ci95=(0.91, 0.97), ci95_grouped=(0.88, 0.99)),
        auroc=0.9876,
        classes=("priority", "stop"),
        seen_in_training=0,
        seen_in_validation=0,
        changed=False,
    )
    return replace(model, **changes)  # type: ignore[arg-type]


def toy_pair(first: str, second: str, p: float = 0.012, corrected: float = 0.012) -> PairFigures:
    return PairFigures(
        first=first,
        second=second,
        counts=PairCounts(both=170, only_first=4, only_second=16, neither=10),
        groups_for_first=2,
        groups_for_second=9,
        by_picture=Significance(p=0.0118, corrected=0.0236, power=0.42),
        by_group=Significance(p=p, corrected=corrected, power=0.171),
        accuracy=Difference(value=0.06, ci95=(0.0153, 0.1049), ci95_grouped=(-0.01, 0.15)),
        loss=Difference(value=-0.12345, ci95=(-0.2, -0.05), ci95_grouped=(-0.3, 0.02)),
        auroc=Difference(value=0.0123, ci95=(-0.004, 0.03)),
        coverage=Difference(value=0.0, ci95=(-0.02, 0.02), ci95_grouped=(-0.05, 0.05)),
    )


def toy_comparison(names: tuple[str, ...] = NAMES[:2], **changes: float) -> Comparison:
    return Comparison(
        data="test",
        n=200,
        grouping="track",
        groups=14,
        n_unknown=50,
        models=tuple(toy_model(name) for name in names),
        pairs=tuple(
            toy_pair(one, two, **changes)
            for index, one in enumerate(names)
            for two in names[index + 1 :]
        ),
        settings={"augmentation.noise": (0.1,) * len(names), "seed": tuple(range(len(names)))},
    )


def toy_page(comparison: Comparison) -> ComparisonPage:
    shown = ShownPicture(
        pixels=np.full((16, 16, 3), 90, np.uint8),
        path="photos/stop/<b>.png",
        label="stop",
        by_first="priority",
        by_second="stop",
    )
    apart = Disagreement(only_first=[], only_second=[shown] * 3)
    return ComparisonPage(comparison=comparison, disagreements=[apart] * len(comparison.pairs))


def plain(text: str) -> str:
    return text.replace(SPACE, " ").replace(MINUS, "-")


def test_the_verdict_names_the_better_model_with_its_counts() -> None:
    assert plain(verdict(toy_comparison(("a", "b")))) == (
        "b is better than a: of 200 pictures b alone gets 16 right, a alone 4 (p = 0.012 by sign)."
    )


def test_the_verdict_of_no_difference() -> None:
    found = toy_comparison(("a", "b"), p=0.2, corrected=0.2)
    assert verdict(found).startswith("No difference is shown between a and b: of 200 pictures")
    same = replace(
        found.pairs[0], counts=PairCounts(both=9, only_first=0, only_second=0, neither=1)
    )
    assert verdict(replace(found, pairs=(same,))) == (
        "No difference is shown: a and b are right on the same pictures, 9 of 10."
    )


def test_the_verdict_on_several_counts_those_without_a_difference() -> None:
    found = toy_comparison(("a", "b", "c"), corrected=0.2)
    assert "no difference in accuracy is shown between any two" in verdict(found)
    pairs = (toy_pair("a", "b", corrected=0.03), *found.pairs[1:])
    assert verdict(replace(found, pairs=pairs)).endswith(
        "b is better than a (corrected p = 0.030). For the other 2 pairs no difference is shown."
    )


def test_the_better_model_is_the_first_where_it_is_right_more_often() -> None:
    pair = toy_pair("a", "b")
    turned = replace(pair, counts=PairCounts(both=170, only_first=16, only_second=4, neither=10))
    assert (pair.better, turned.better) == ("b", "a")


def test_numbers_keep_their_sign() -> None:
    assert [plain(points(value)) for value in (0.0123, -0.06, 0, None)] == [
        "+1.23", "-6.00", "0.00", "\u2013",
    ]  # fmt: skip
    assert [plain(nats(value)) for value in (0.5, -0.00001, -0.25)] == [
        "+0.5000", "0.0000", "-0.2500",
    ]  # fmt: skip
    assert p_value(Significance(p=0.0001, corrected=0.2, power=0), corrected=False) == (
        "p below 0.001"
    )
    assert [chance(power) for power in (0.001, 0.5, 0.999)] == [
        "fewer than 1",
        "about 50",
        "more than 99",
    ]


def test_differences_stand_with_both_intervals() -> None:
    found = toy_comparison(("a", "b"))
    rows = differences(found, found.pairs[0])
    assert [row[0] for row in rows] == [
        "accuracy, points", "log loss, nats", "coverage, points", "AUROC of known",
    ]  # fmt: skip
    assert plain("; ".join(rows[0][2])) == "+1.53 to +10.49 by picture; -1.00 to +15.00 by sign"
    assert plain("; ".join(rows[3][2])) == "-0.0040 to +0.0300 by picture"


def test_the_power_is_said() -> None:
    found = toy_comparison(("a", "b"))
    assert plain(power_statement(found, found.pairs[0])) == (
        "With so many pictures, and models that disagree on 10.0 % of them, a true difference of 3"
        " points of accuracy is found in about 42 of 100 comparisons by picture, in about 17 by"
        " sign."
    )


def test_which_test_decides_is_said() -> None:
    found = toy_comparison(("a", "b"))
    assert "the test by sign decides" in deciding_test(found)
    assert "14 signs are few" in deciding_test(found)
    unknown = replace(found, grouping="duplicates")
    assert "exact McNemar by picture decides" in deciding_test(unknown)
    assert "Holm" in deciding_test(toy_comparison(("a", "b", "c")))


def test_cautions_name_what_was_trained_on_and_other_classes() -> None:
    found = toy_comparison(("a", "b"))
    assert cautions(found) == []
    models = (toy_model("a", seen_in_training=7), toy_model("b", classes=("x", "y", "z")))
    first, second = cautions(replace(found, models=models))
    assert "a was trained on 7 of these 200 pictures" in first
    assert "(a 2, b 3)" in second


def test_cautions_name_what_was_chosen_on_and_a_model_that_was_replaced() -> None:
    models = (toy_model("a", seen_in_validation=9), toy_model("b", changed=True))
    first, second = cautions(replace(toy_comparison(("a", "b")), models=models))
    assert first.startswith("a was chosen on 9 of these 200 pictures")
    assert second.startswith("b holds another model now than the one that was measured")


def test_the_terminal_shows_models_differences_and_tests() -> None:
    found = toy_comparison(("a", "[b]"))
    result = CompareResult(
        out=Path("out"), counts={}, problems=[], warnings=["odd"], comparison=found
    )
    text = plain(joined(terminal.compare(result)))
    for said in (
        "[b] is better than a",
        "90.0 % (180 of 200)",
        "[b] less a",
        "-0.1235",
        "permutation of signs: p = 0.012 (this one decides); exact McNemar by picture: p = 0.012",
        "wrote out (compare.json)",
    ):
        assert said in text
    assert "odd" not in text, "it was a warning already"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with open_browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.mark.parametrize("width", [390, 820, 1280])
@pytest.mark.parametrize("count", [2, 3])
def test_the_page_fits_and_loads_nothing(
    page: Page, tmp_path: Path, width: int, count: int
) -> None:
    path = tmp_path / "report.html"
    path.write_text(comparison_page(toy_page(toy_comparison(NAMES[:count]))), encoding="utf-8")
    page.open(path.as_uri(), width, dark=width == 820)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("[...document.images].every(one => one.complete && one.naturalWidth > 0)")
    assert page.evaluate("document.scripts.length") == 0
    assert page.requested == []
    assert page.complaints == []
