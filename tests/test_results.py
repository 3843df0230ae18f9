"""Typed results and their JSON: metrics.json against its schema, history.csv there and back."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator, ValidationError

from signwise.errors import SignwiseError
from signwise.evaluation.corruptions import CORRUPTIONS, SEVERITIES
from signwise.results import (
    CorruptionCell,
    CorruptionFigures,
    Evaluation,
    Rate,
    history_csv,
    json_document,
    read_history,
    to_json,
)
from toy_report import toy_evaluation, toy_history

SCHEMA: dict[str, Any] = json.loads(
    files("signwise").joinpath("metrics.schema.json").read_text(encoding="utf-8")
)
HALF = Rate(value=0.5, n=4, ci95=(0.2, 0.8), ci95_grouped=(0.1, 0.9))
NOTHING = Rate(value=None, n=0, ci95=None)


def full_evaluation() -> Evaluation:
    """An evaluation with all that can be asked for."""
    cell = CorruptionCell(accuracy=HALF, correct=2, rejected=1)
    corruptions = CorruptionFigures(
        n=4,
        mean_accuracy=HALF,
        mean_rejected=HALF,
        seed=0,
        overlaps_with_training={"fog": "haze"},
        cells={name: dict.fromkeys(SEVERITIES, cell) for name in CORRUPTIONS},
    )
    return toy_evaluation(corruptions=corruptions, seen_in_training=3)


def least_evaluation() -> Evaluation:
    """An evaluation of which as much as possible can't be measured."""
    found = toy_evaluation(grouping="duplicates", unknown=None, corruptions=None)
    none = {name: replace(found.per_class[name], recall=NOTHING) for name in found.classes}
    return replace(
        found,
        data_sha256=None,
        accuracy=replace(found.accuracy, ci95_grouped=None),
        per_class=none,
        selective=replace(found.selective, risk=NOTHING, aurc=None),
        seen_in_training=None,
        groups_seen_in_training=None,
    )


def check(content: object) -> None:
    Draft202012Validator(SCHEMA).validate(content)


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def described(part: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Each key of metrics.json that the schema names, with its description."""
    if not isinstance(part, dict):
        return
    for name, inner in part.get("properties", {}).items():
        yield f"{path}.{name}", inner.get("description", "")
        yield from described(inner, f"{path}.{name}")
    for name, inner in part.get("$defs", {}).items():
        yield from described(inner, name)


def test_every_key_is_described() -> None:
    texts = dict(described(SCHEMA))
    assert len(texts) > 80
    for name, text in texts.items():
        assert text.endswith("."), name


@pytest.mark.parametrize("make", [full_evaluation, least_evaluation, toy_evaluation])
def test_an_evaluation_fits_its_schema(make: Callable[[], Evaluation]) -> None:
    content = make().to_json()
    if make is toy_evaluation:  # its corruptions are but two
        del content["corruptions"]
    check(json.loads(json.dumps(content, allow_nan=False)))


def test_the_schema_names_every_key_and_no_other() -> None:
    content = full_evaluation().to_json()
    assert list(content) == list(SCHEMA["properties"])
    for name in ("calibration", "selective", "unknown", "corruptions"):
        part = content[name]
        assert isinstance(part, dict)
        assert list(part) == list(SCHEMA["properties"][name]["properties"])
    least = least_evaluation().to_json()
    assert set(SCHEMA["properties"]) - set(least) == {"unknown", "corruptions"}
    assert set(SCHEMA["required"]) == set(least)


def paths(part: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The way to each key with a fixed name."""
    if isinstance(part, dict):
        for name, inner in part.items():
            yield (*path, name)
            yield from paths(inner, (*path, name))


FREE = {"per_class", "per_class_grouped", "overlaps_with_training"}
"""What holds keys of the user's, or of which some may be absent."""


def test_no_key_may_be_missing_or_added() -> None:
    content = json.loads(json.dumps(full_evaluation().to_json()))
    every = list(paths(content))
    assert len(every) > 400
    seen = set()
    for path in every:
        if path[-2:-1] and path[-2] in FREE:
            continue
        # The cells are alike: one of them is enough.
        if path[:2] == ("corruptions", "cells") and path[2:3] not in ((), ("fog",)):
            continue
        inner = content
        for name in path[:-1]:
            inner = inner[name]
        kept = inner.pop(path[-1])
        if path not in {("unknown",), ("corruptions",)}:
            with pytest.raises(ValidationError):
                check(content)
        inner[path[-1] + "_more"] = kept
        with pytest.raises(ValidationError):
            check(content)
        del inner[path[-1] + "_more"]
        inner[path[-1]] = kept
        seen.add(path)
    check(content)
    assert len(seen) > 100


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("accuracy",), 1.5),
        (("accuracy",), "0.9"),
        (("accuracy_ci95",), [0.1]),
        (("accuracy_ci95",), [0.1, 0.2, 0.3]),
        (("accuracy_ci95",), [0.1, 1.2]),
        (("n",), 0),
        (("n",), 1.5),
        (("correct",), -1),
        (("split",), "validation"),
        (("grouping",), "sign"),
        (("classes",), []),
        (("classes",), ["a", "a"]),
        (("confusion_matrix",), [[1, -1]]),
        (("data_sha256",), "abc"),
        (("calibration", "brier"), 2.5),
        (("corruptions", "frost"), "photographed"),
        (("corruptions", "overlaps_with_training"), {"rain": "water"}),
        (("per_class",), {"stop": {}}),
    ],
)
def test_a_value_that_cannot_be_is_no_metrics(path: tuple[str, ...], value: object) -> None:
    content: Any = full_evaluation().to_json()
    inner = content
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    with pytest.raises(ValidationError):
        check(content)


def test_metrics_hold_what_the_evaluation_says() -> None:
    found = full_evaluation()
    content: Any = found.to_json()
    assert (content["n"], content["correct"], content["accuracy"]) == (40, 38, 0.95)
    assert content["accuracy_ci95"] == [0.8351, 0.9862]
    assert content["accuracy_ci95_grouped"] == [0.6761, 0.9973]
    assert content["balanced_accuracy_ci95_grouped"] == [0.6652, 0.9874]
    stop = found.per_class["stop"]
    assert content["per_class"]["stop"] == {
        "precision": {"value": 0.95, "n": 20, "ci95": [0.7441, 0.9712]},
        "recall": {"value": 0.95, "n": 20, "ci95": [0.7642, 0.9913]},
        "f1": {"value": 0.9501, "n": 20, "ci95": [0.8341, 0.9871]},
        "support": 20,
    }
    assert content["per_class_grouped"]["stop"] == {
        "groups": stop.groups,
        "recall_ci95": [0.5312, 0.9972],
        "precision_ci95": [0.5111, 0.9771],
    }
    assert content["selective"]["risk_ci95_grouped"] == [0.0043, 0.3304]
    assert content["selective"]["coverage_ci95_grouped"] == [0.6823, 0.9967]
    assert content["unknown"]["acceptance_rate"] == 114 / 400
    assert content["unknown"]["auroc_ci95"] == [0.8432, 0.9087]
    assert content["corruptions"]["cells"]["fog"]["3"] == {
        "accuracy": 0.5, "n": 4, "correct": 2, "ci95": [0.2, 0.8], "refused": 1,
    }  # fmt: skip
    assert content["corruptions"]["mean_refused_ci95"] == [0.2, 0.8]
    assert content["corruptions"]["mean_accuracy_ci95_grouped"] == [0.1, 0.9]
    assert content["seen_in_training"] == 3
    assert least_evaluation().to_json()["per_class_grouped"] is None


@pytest.mark.parametrize("grouping", ["csv", "regex", "track", "duplicates"])
def test_near_duplicates_are_no_groups_that_are_known(grouping: str) -> None:
    assert toy_evaluation(grouping=grouping).groups_known == (grouping != "duplicates")


def test_a_rate_counts_what_it_is_a_share_of() -> None:
    assert Rate(value=2 / 3, n=3, ci95=None).count == 2
    assert NOTHING.count == 0
    assert HALF.to_json() == {"value": 0.5, "n": 4, "ci95": [0.2, 0.8]}
    assert HALF.flat("risk") == {
        "risk": 0.5, "risk_ci95": [0.2, 0.8], "risk_ci95_grouped": [0.1, 0.9],
    }  # fmt: skip
    assert NOTHING.flat("risk")["risk_ci95"] is None


def test_what_is_not_accepted_is_rejected() -> None:
    assert toy_evaluation().selective.rejected == 1


@dataclass(frozen=True)
class Plain:
    """A record without a `to_json` of its own."""

    path: Path
    rate: Rate


def test_anything_a_result_holds_becomes_json() -> None:
    assert to_json(
        {
            1: np.float32(0.5),
            "array": np.arange(4).reshape(2, 2),
            "nan": [float("nan"), np.inf, np.float64("-inf"), np.array([np.nan])],
            "yes": np.bool_(True),
            "text": np.str_("a"),
            "record": Plain(Path("a") / "b", HALF),
            "empty": (None, (), set(), frozenset({3})),
        }
    ) == {
        "1": 0.5,
        "array": [[0, 1], [2, 3]],
        "nan": [None, None, None, [None]],
        "yes": True,
        "text": "a",
        "record": {"path": str(Path("a") / "b"), "rate": HALF.to_json()},
        "empty": [None, [], [], [3]],
    }
    assert type(to_json(np.int64(3))) is int
    with pytest.raises(AssertionError):
        to_json(object())


def test_a_document_is_json_that_a_person_can_read() -> None:
    text = json_document({"class": "停", "accuracy": float("nan")})
    assert text == '{\n  "class": "停",\n  "accuracy": null\n}'


def test_a_history_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text(history_csv(toy_history()))
    assert path.read_text().splitlines()[0] == (
        "epoch,learning_rate,train_loss,train_accuracy,val_loss,val_accuracy,seconds"
    )
    assert read_history(path) == toy_history()


def test_stage_one_has_no_learning_rate(tmp_path: Path) -> None:
    history = [replace(toy_history()[0], epoch=0, learning_rate=None), *toy_history()]
    path = tmp_path / "history.csv"
    path.write_text(history_csv(history))
    assert path.read_text().splitlines()[1].startswith("0,,")
    assert read_history(path) == history


@pytest.mark.parametrize(
    "content", ["epoch\n1\n", "epoch,seconds\none,two\n", "\0\xff", "a" * 200_000]
)
def test_another_file_is_no_history(tmp_path: Path, content: str) -> None:
    path = tmp_path / "history.csv"
    path.write_text(content + "\n1\n", encoding="latin-1")
    with pytest.raises(SignwiseError, match=r"history\.csv is not as signwise writes it"):
        read_history(path)


def test_no_file_is_no_history(tmp_path: Path) -> None:
    with pytest.raises(SignwiseError, match=r"history\.csv is not as signwise writes it"):
        read_history(tmp_path / "history.csv")
