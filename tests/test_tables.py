"""Rows as CSV, JSON Lines and Parquet: what is written is read, and only our own is replaced."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signwise.errors import SignwiseError
from signwise.inference.predict import column_names
from signwise.inference.tables import LONGEST_LINE, CsvWriter, open_table

COLUMNS = ["path", "label", "confidence", "known", "p_stop", "error"]
ROWS: list[list[str | float | None]] = [
    ["a,b.png", "stop", 0.5, 0.25, 0.5, None],
    ['停 "é".png', None, None, None, None, "not an image"],
]
SUFFIXES = ["csv", "jsonl", "parquet"]


def write(path: Path, rows: Sequence[Sequence[object]] = ROWS) -> Path:
    with open_table(path, COLUMNS) as table:
        for row in rows:
            table.write(row)
    return path


def test_csv_has_a_header_and_empty_fields(tmp_path: Path) -> None:
    content = write(tmp_path / "rows.csv").read_bytes()
    assert content.decode() == (
        "path,label,confidence,known,p_stop,error\n"
        '"a,b.png",stop,0.5,0.25,0.5,\n'
        '"停 ""é"".png",,,,,not an image\n'
    )


def test_json_lines_have_an_object_a_line(tmp_path: Path) -> None:
    content = write(tmp_path / "rows.jsonl").read_text(encoding="utf-8")
    assert "停" in content
    assert [json.loads(line) for line in content.splitlines()] == [
        dict(zip(COLUMNS, row, strict=True)) for row in ROWS
    ]
    with pytest.raises(ValueError, match="not JSON compliant"):
        write(tmp_path / "nan.jsonl", [[float("nan")] * len(COLUMNS)])
    assert not (tmp_path / "nan.jsonl").exists()


def test_parquet_has_text_and_float32(tmp_path: Path) -> None:
    table = pyarrow.parquet.read_table(write(tmp_path / "rows.parquet"))
    assert [list(row.values()) for row in table.to_pylist()] == ROWS
    kinds = [str(field.type) for field in table.schema]
    assert kinds == ["string", "string", "float", "float", "float", "string"]


def test_parquet_is_written_in_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signwise.inference.tables.ROW_GROUP", 4)
    for count, groups in ((10, 3), (8, 2), (1, 1)):
        rows = [[str(number), None, number / 10, None, None, None] for number in range(count)]
        path = write(tmp_path / "rows.parquet", rows)
        assert pyarrow.parquet.ParquetFile(path).num_row_groups == groups
        paths = pyarrow.parquet.read_table(path)["path"].to_pylist()
        assert paths == [str(number) for number in range(count)]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.lists(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=8), min_size=3, max_size=3
        ),
        min_size=1,
    )
)
def test_csv_gives_back_any_text(rows: list[list[str]]) -> None:
    stream = io.StringIO(newline="")
    writer = CsvWriter(stream, ["path", "label", "error"])
    for row in rows:
        writer.write(row)
    stream.seek(0)
    assert list(csv.reader(stream)) == [["path", "label", "error"], *rows]


def test_a_carriage_return_is_quoted_and_other_rows_are_not() -> None:
    stream = io.StringIO(newline="")
    writer = CsvWriter(stream, ["path", "n"])
    writer.write(["a\rb", 1])
    writer.write(["c", 2])
    assert stream.getvalue() == 'path,n\n"a\rb","1"\nc,2\n'


@pytest.mark.parametrize("suffix", [*SUFFIXES, "CSV", "Parquet"])
def test_our_own_table_is_replaced_by_another(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"rows.{suffix}")
    before = path.read_bytes()
    write(path, ROWS[:1])
    assert path.read_bytes() != before
    # Tables of other classes begin alike.
    with open_table(path, [*COLUMNS[:4], "p_yield", "p_stop", "error"]) as table:
        table.write(["b.png", "yield", 1.0, 1.0, 1.0, 0.0, None])
    assert path.stat().st_size > 0


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_empty_file_may_be_filled(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"rows.{suffix}"
    path.touch()
    assert write(path).stat().st_size > 0


OTHERS = {
    "csv": ["path,label\nmine\n", "a,b,c,d\n", "\n", '"' + "a" * 200_000 + '"'],
    "jsonl": ["{}\n", '{"path": 1, "label": 2, "known": 3, "confidence": 4}\n', "1\n", "{", "[[]]"],
    "parquet": ["path,label\n", "PAR1"],
}


@pytest.mark.parametrize(
    ("suffix", "content"), [(suffix, text) for suffix, texts in OTHERS.items() for text in texts]
)
def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path, suffix: str, content: str) -> None:
    path = tmp_path / f"rows.{suffix}"
    path.write_text(content)
    with pytest.raises(SignwiseError, match=r"^`out` .* did not write: give a new name"):
        write(path)
    assert path.read_text() == content


def test_bytes_that_are_no_text_are_of_somebody_else(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SignwiseError, match="did not write"):
        write(path)


def test_a_parquet_file_of_other_columns_is_of_somebody_else(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"path": ["a"], "mine": [1]}), path)
    with pytest.raises(SignwiseError, match="did not write"):
        write(path)


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_rows_of_thousands_of_classes_are_known_again(tmp_path: Path, suffix: str) -> None:
    columns = column_names(f"a class of quite a long name {number}" for number in range(4000))
    for _ in range(2):
        with open_table(tmp_path / f"rows.{suffix}", columns) as table:
            table.write(["1.png", "unknown", *[0.123456] * 4002, None])
    assert 100 * (tmp_path / f"rows.{suffix}").stat().st_size < LONGEST_LINE


@pytest.mark.parametrize("name", ["rows", "rows.txt", "rows.csv.gz", "rows.json"])
def test_another_suffix_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SignwiseError, match=r"must end in one of \.csv, \.jsonl, \.parquet"):
        write(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").mkdir()
    with pytest.raises(SignwiseError, match=r"^`out` .* is a folder: give a file name"):
        write(tmp_path / "rows.csv")
