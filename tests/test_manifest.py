"""What `prepare` wrote, read back whole or refused."""

import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signwise.data.manifest import COLUMNS, load_data, read_manifest, read_table, write_csv
from signwise.errors import SignwiseError
from signwise.files import sha256_file, write_json


def write_data(out: Path, **changes: object) -> Path:
    """DATA of three pictures, one of which can't be used; `changes` are of data.json."""
    rows = [
        ("a/NA.png", "a", "a/1", "train", 30, 20, "11", ""),
        ("a/cut.png", "a", "", "", None, None, "22", "truncated"),
        ("b/001.png", "b", "001", "test", 5, 6, "33", ""),
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
    write_csv(out / "manifest.csv", table)
    facts = {
        "root": "/photos",
        "classes": ["a", "b"],
        "grouping": "csv",
        "settings": {"image_size": 16, "max_pixels": 99, "seed": 3},
        "manifest_sha256": sha256_file(out / "manifest.csv"),
    }
    write_json(out / "data.json", json.loads(json.dumps(facts | changes)))
    return out


def test_usable_pictures_and_problems_are_told_apart(tmp_path: Path) -> None:
    data = load_data(str(write_data(tmp_path)))
    assert data.directory == tmp_path
    assert data.root == Path("/photos")
    assert data.classes == ("a", "b")
    assert data.grouping == "csv"
    assert (data.image_size, data.max_pixels) == (16, 99)
    assert data.sha256 == sha256_file(tmp_path / "manifest.csv")
    assert data.problems == [{"path": "a/cut.png", "problem": "truncated"}]
    assert tuple(data.table.columns) == COLUMNS
    assert list(data.table.index) == [0, 1]
    assert list(data.table["path"]) == ["a/NA.png", "b/001.png"]
    assert list(data.table["group"]) == ["a/1", "001"]
    assert list(data.table["width"]) == [30, 5]


def test_a_size_that_is_not_known_stays_empty(tmp_path: Path) -> None:
    table = read_manifest(write_data(tmp_path) / "manifest.csv")
    assert table["width"].isna().tolist() == [False, True, False]
    assert str(table["height"].dtype) == "Int64"


def test_files_of_two_runs_are_not_mixed(tmp_path: Path) -> None:
    write_data(tmp_path, manifest_sha256="0" * 64)
    with pytest.raises(SignwiseError, match=r"manifest\.csv and data\.json do not belong together"):
        load_data(tmp_path)


def test_a_grouping_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    write_data(tmp_path, grouping="\x1b[31m")
    with pytest.raises(SignwiseError, match=r"Invalid enum value .* at `\$\.grouping`"):
        load_data(tmp_path)


@pytest.mark.parametrize("missing", ["manifest.csv", "data.json"])
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    (write_data(tmp_path) / missing).unlink()
    with pytest.raises(SignwiseError, match=f"no prepared data, it has no {missing}"):
        load_data(tmp_path)


def test_what_is_no_prepared_data(tmp_path: Path) -> None:
    with pytest.raises(SignwiseError, match=rf"run signwise prepare {tmp_path} --out DATA first"):
        load_data(tmp_path)
    (tmp_path / ".signwise").write_text('{"kind": "data"}')
    for folder in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(SignwiseError, match=f"run signwise prepare SOURCE --out {folder}"):
            load_data(folder)


def test_a_manifest_without_a_column_is_refused(tmp_path: Path) -> None:
    write_csv(tmp_path / "manifest.csv", pd.DataFrame({"path": ["a"], "label": ["b"]}))
    with pytest.raises(SignwiseError, match=r"manifest\.csv has no column group"):
        read_manifest(tmp_path / "manifest.csv")


@pytest.mark.parametrize("content", [b"", None, b'a,b\n"1,2\n3,4,5,6\n'])
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "manifest.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SignwiseError, match=r"manifest\.csv is no readable CSV"):
        read_table(path)


# Bytes of a name that are no UTF-8 come as lone surrogates; no name holds a NUL.
names = st.text(
    st.characters(codec="utf-8", exclude_characters="\0") | st.sampled_from('\udc80\udcff\r\n,"'),
    min_size=1,
)


@given(st.lists(st.tuples(names, names), min_size=1, max_size=5))
@settings(deadline=None)
def test_any_name_comes_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "names.csv"
    write_csv(path, pd.DataFrame(rows, columns=["path", "label"], dtype=object))
    table = read_table(path)
    assert list(table.columns) == ["path", "label"]
    assert list(zip(table["path"], table["label"], strict=True)) == rows
