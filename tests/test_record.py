"""The metadata entry of model.onnx: what is written is read, and anything else is refused."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signwise.files import Json
from signwise.model_file.record import (
    FORMAT,
    BrokenRecord,
    MeasuredSet,
    MeasuredUnknown,
    ModelFigures,
    ModelRecord,
    NewerFormat,
    parse_record,
)
from toy import toy_metadata

VALIDATION = MeasuredSet(n=90, correct=88, accuracy=88 / 90, accuracy_ci95=(0.92, 0.99), refused=3)
HELD_OUT = MeasuredSet(
    n=40,
    correct=40,
    accuracy=1.0,
    accuracy_ci95=(0.91, 1.0),
    accuracy_ci95_grouped=(0.6, 1.0),
    refused=0,
    signs=5,
    signs_with_mistakes=(),
    unknown=MeasuredUnknown(n=8, source="scenes", auroc=1.0, fpr_at_95_tpr=0.0, accepted=1),
)
FULL = ModelRecord(
    signwise_version="0.1.0",
    classes=("a", "b", "c"),
    image_size=64,
    resize="box",
    crop="center",
    temperature=1.5,
    offsets=(0.0, 0.25, -0.25),
    threshold=0.5,
    unknown="synthetic",
    model="resnet18",
    data_sha256="0" * 64,
    grouping="track",
    figures=ModelFigures(
        validation=VALIDATION, held_out=HELD_OUT, best_epoch=3, notes=("few pictures",)
    ),
)
LEAST = ModelRecord(classes=("a",), image_size=1, threshold=0)


@pytest.mark.parametrize("record", [FULL, LEAST])
def test_what_is_written_is_read(record: ModelRecord) -> None:
    assert parse_record(json.dumps(record.to_json())) == record


def test_what_is_not_filled_is_not_written() -> None:
    assert LEAST.to_json() == {
        "format": FORMAT, "classes": ["a"], "image_size": 1, "temperature": 1.0, "threshold": 0,
        "figures": {},
    }  # fmt: skip
    assert next(iter(FULL.to_json())) == "format"
    assert set(FULL.to_json()) == {"format", *vars(FULL)}


def test_a_measured_set_always_has_its_interval_by_group() -> None:
    assert VALIDATION.to_json() == {
        "n": 90, "correct": 88, "accuracy": 88 / 90, "accuracy_ci95": [0.92, 0.99],
        "accuracy_ci95_grouped": None, "refused": 3,
    }  # fmt: skip
    assert set(HELD_OUT.to_json()) == set(vars(HELD_OUT))


def test_the_sets_that_were_measured_are_named() -> None:
    assert FULL.figures.measured == {"validation": VALIDATION, "held_out": HELD_OUT}
    assert ModelFigures(held_out=HELD_OUT).measured == {"held_out": HELD_OUT}
    assert ModelFigures().to_json() == {}


def test_what_the_record_does_not_name_is_left_alone() -> None:
    entry = toy_metadata(author="somebody", figures={"accuracy": 1.0})
    assert parse_record(json.dumps(entry)).figures == ModelFigures()


@pytest.mark.parametrize("changes", [{}, {"classes": 7}, {"image_size": "large"}])
def test_a_newer_format_is_told_whatever_it_holds(changes: dict[str, Any]) -> None:
    with pytest.raises(NewerFormat, match=r"^2$"):
        parse_record(json.dumps(toy_metadata(format=2) | changes))


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"format": "1"}, "format"),
        ({"format": True}, "format"),
        ({"classes": []}, "classes"),
        ({"classes": ["a", "a"]}, "a class is named twice"),
        ({"classes": "ab"}, "classes"),
        ({"classes": [1, 2]}, "classes"),
        ({"image_size": 0}, "image_size"),
        ({"image_size": 1025}, "image_size"),
        ({"image_size": 32.5}, "image_size"),
        ({"threshold": 2}, "threshold"),
        ({"threshold": -0.1}, "threshold"),
        ({"threshold": None}, "threshold"),
        ({"temperature": "hot"}, "temperature"),
        ({"figures": []}, "figures"),
        ({"figures": {"validation": {"n": 1}}}, "correct"),
    ],
)
def test_a_broken_entry_says_which_part(changes: dict[str, Any], part: str) -> None:
    with pytest.raises(BrokenRecord, match=part):
        parse_record(json.dumps(toy_metadata() | changes))


@pytest.mark.parametrize("name", ["format", "classes", "image_size", "threshold"])
def test_what_is_needed_must_be_there(name: str) -> None:
    entry = toy_metadata()
    del entry[name]
    with pytest.raises(BrokenRecord, match=name):
        parse_record(json.dumps(entry))


@pytest.mark.parametrize(
    "text",
    ["", "{", "[" * 100_000, "[]", "1", "null", '{"format": 1, "classes": NaN}', '"\ud800"'],
)
def test_what_is_no_json_object_is_broken(text: str) -> None:
    with pytest.raises(BrokenRecord):
        parse_record(text)


@pytest.mark.parametrize(("size", "threshold"), [(1, 0), (1024, 1), (32, 0.5)])
def test_the_ends_of_the_ranges_are_fine(size: int, threshold: float) -> None:
    record = parse_record(json.dumps(toy_metadata(size=size, threshold=threshold)))
    assert (record.image_size, record.threshold) == (size, threshold)


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
)
NAMES = st.sampled_from([*FULL.to_json(), "validation", "held_out", "best_epoch", "n"]) | st.text()
ANY_JSON: st.SearchStrategy[Json] = st.recursive(
    SCALARS, lambda part: st.lists(part, max_size=3) | st.dictionaries(NAMES, part, max_size=4)
)


@given(ANY_JSON)
def test_any_json_is_read_or_broken(content: Json) -> None:
    with contextlib.suppress(BrokenRecord):
        assert parse_record(json.dumps(content)).classes


@given(st.dictionaries(NAMES, ANY_JSON, min_size=1, max_size=3))
def test_any_change_of_an_entry_is_read_or_broken(changes: dict[str, Json]) -> None:
    with contextlib.suppress(BrokenRecord):
        assert parse_record(json.dumps(FULL.to_json() | changes)).classes


@given(st.text() | st.binary().map(lambda content: content.decode("utf-8", "surrogateescape")))
def test_any_text_is_read_or_broken(text: str) -> None:
    with pytest.raises(BrokenRecord):
        parse_record(text)


@pytest.mark.parametrize("name", ["\x1b[31mstop", "=1+1", "unknown", "", "a\nb"])
def test_a_class_of_a_foreign_model_is_named_as_any_other(name: str) -> None:
    with pytest.raises(BrokenRecord, match=r"^its class '"):
        parse_record(json.dumps(toy_metadata(["stop", name])))


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        json.dumps(toy_metadata(image_size=10**400)),
        json.dumps(toy_metadata(threshold=10**400)),
        json.dumps(toy_metadata(format=-(10**400))),
        json.dumps(toy_metadata()).replace("stop", r"\ud800"),
        json.dumps(toy_metadata(temperature="warm")),
        json.dumps(toy_metadata(offsets={"a": 1})),
        json.dumps(toy_metadata(figures=[1])),
        json.dumps(toy_metadata(more=0)).replace('"more": 0', '"more": ' + 5000 * "1"),
    ],
    ids=range(9),
)
def test_hostile_json_is_a_broken_record(text: str) -> None:
    with pytest.raises(BrokenRecord):
        parse_record(text)
