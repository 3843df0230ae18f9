from typing import Any

import numpy as np
import pytest

from signwise.evaluation.measure import measure, measure_unknown
from signwise.report.words import (
    UNIT,
    between,
    calibration_statement,
    grouping_statement,
    percent,
    rates,
    score,
    verdict,
)


def figures(n: int = 40, wrong: int = 2, **changes: Any) -> dict[str, Any]:
    labels = np.arange(n) % 2
    probabilities = np.full((n, 2), 0.02, np.float32)
    probabilities[np.arange(n), labels] = 0.98
    probabilities[:wrong] = probabilities[:wrong, ::-1]
    settings: dict[str, Any] = {
        "threshold": 0.5,
        "groups": [str(row // 5) for row in range(n)],
        "grouping": "track",
    }
    known = np.full(n, 0.9, np.float32)
    known[-1] = 0.1
    found = measure(("priority", "stop"), labels, probabilities, known, **(settings | changes))
    whole = {"split": "test", "seen_in_training": 0, "groups_seen_in_training": 0}
    return found | whole | {"data_sha256": "0" * 64}


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0"), (1, "100"), (0.995, "99.5"), (0.9996, "99.96"), (0.99999, "99.999"),
        (0.0001, "0.01"), (1e-9, "below 0.001"), (1 - 1e-9, "above 99.999"),
    ],
)  # fmt: skip
def test_a_share_is_never_rounded_to_all_or_nothing(share: float, text: str) -> None:
    assert percent(share) == text + UNIT


def test_the_verdict_has_counts_and_both_intervals() -> None:
    found = figures()
    text = verdict(found)
    assert text.startswith("Right on 38 of 40 test pictures: 95.0")
    assert f"{between(found['accuracy_ci95'])} by picture" in text
    assert f"{between(found['accuracy_ci95_grouped'])} by sign" in text
    strangers = measure_unknown(np.full(40, 0.9), np.array([0.1, 0.1, 0.7]), 0.5)
    assert "Of 3 pictures of no class it takes 1" in verdict(found | {"unknown": strangers})


def test_every_rate_of_the_verdict_has_count_and_interval() -> None:
    found = figures()
    chosen = found["selective"]
    assert "unknown\u201d to 1 of them and is wrong on 2 of the other 39" in verdict(found)
    strangers = measure_unknown(np.full(40, 0.9), np.array([0.1, 0.1, 0.7]), 0.5)
    text = "\n".join(": ".join(rate) for rate in rates(found | {"unknown": strangers}))
    assert "wrong among the answered: 5.1\u00a0% (2 of 39; " in text
    assert f"(1 of 3; {between(strangers['acceptance_rate_ci95'])} by picture)" in text
    for part in ("risk_ci95", "risk_ci95_grouped"):
        assert between(chosen[part]) in text
    low, high = chosen["coverage_ci95_grouped"]
    assert f"{between([1 - high, 1 - low])} by sign" in text
    assert "can refuse none" in verdict(figures(threshold=0.0))
    assert rates(figures(threshold=0.0)) == []


def test_what_is_not_known_is_said() -> None:
    found = figures()
    assert "not known" not in verdict(found)
    assert "trained on any of these" in verdict(found | {"seen_in_training": None})
    assert "others of the same" not in verdict(found)
    text = verdict(found | {"groups_seen_in_training": None})
    assert "trained on other pictures of the same signs is not known" in text
    folder = figures(grouping="duplicates") | {"data_sha256": None}
    unknown_too = verdict(folder | {"groups_seen_in_training": None})
    assert "trained on other pictures of the same signs is not known" in unknown_too
    assert "training and in test" not in grouping_statement(folder)
    assert "8 signs are too few" in grouping_statement(found)


def test_a_score_is_never_rounded_to_one() -> None:
    assert [score(value) for value in (None, 1.0, 0.5, 0.99997, 0.9999999999)] == [
        "\u2013", "1.0000", "0.5000", "0.99997", "above 0.9999999",
    ]  # fmt: skip


def test_unknown_groups_are_said_to_be_unknown() -> None:
    assert "8 signs" in grouping_statement(figures())
    text = grouping_statement(figures(grouping="duplicates"))
    assert "not known" in text
    assert "--group" in text
    assert "by picture" in verdict(figures(grouping="duplicates"))


def test_calibration_says_when_n_is_too_small() -> None:
    assert "n is too small" in calibration_statement(figures(40, 1)["calibration"])
    assert "is not perfectly calibrated" in calibration_statement(figures(40, 20)["calibration"])
    many = calibration_statement(figures(8000, 160)["calibration"])
    assert "too small" not in many
    assert "can't be told apart" in many
