"""Predictions as rows: columns, formats, order, and files that are whole or not there."""

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image

from signwise.data.images import Source, Sources
from signwise.errors import SignwiseError
from signwise.inference.predict import predict
from signwise.progress import track
from toy import toy_folder, toy_model, toy_unknown

COLUMNS = ["path", "label", "confidence", "known", "p_priority", "p_stop", "error"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    return toy_model(folder / "model.onnx", known="colour", threshold=0.5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = toy_folder(tmp_path_factory.mktemp("in"), per_class=6)
    toy_unknown(root / "other", 3)
    (root / "stop" / "broken.png").write_bytes(b"no picture")
    (root / "notes.txt").write_text("no picture either")
    return root


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_folder_becomes_a_row_a_picture_in_sorted_order(model: Path, folder: Path) -> None:
    stream = io.StringIO()
    result = predict(model, folder, stream=stream)
    rows = rows_of(stream.getvalue())
    assert list(rows[0]) == COLUMNS
    assert [row["path"] for row in rows] == sorted(str(path) for path in folder.rglob("*.png"))
    for row in rows:
        name = Path(row["path"]).parent.name
        if row["path"].endswith("broken.png"):
            assert row == {**dict.fromkeys(COLUMNS, ""), "path": row["path"],
                           "error": "not an image"}  # fmt: skip
            continue
        assert row["error"] == ""
        assert row["label"] == ("unknown" if name == "other" else name)
        shares = float(row["p_priority"]), float(row["p_stop"])
        assert float(row["confidence"]) == max(shares)
        assert sum(shares) == pytest.approx(1, abs=1e-6)
        assert (float(row["known"]) < 0.5) == (row["label"] == "unknown")
    assert result.counts == {
        "images": 16, "predicted": 15, "unknown": 3, "unreadable": 1, "skipped": 1,
    }  # fmt: skip
    assert result.labels == {"priority": 6, "stop": 6, "unknown": 3}
    broken = str(folder / "stop" / "broken.png")
    assert result.problems == [{"path": broken, "problem": "not an image"}]
    assert result.out is None


def test_every_format_holds_the_same_rows(model: Path, folder: Path, tmp_path: Path) -> None:
    tables: list[list[dict[str, Any]]] = []
    for suffix in ("csv", "jsonl", "parquet"):
        result = predict(model, [folder], out=tmp_path / "new" / f"rows.{suffix}")
        assert result.out == tmp_path / "new" / f"rows.{suffix}"
        tables.append(result.rows)
    assert tables[0] == tables[1] == tables[2]
    expected = tables[0]
    text = (tmp_path / "new" / "rows.csv").read_text(encoding="utf-8")
    assert rows_of(text) == [
        {name: "" if value is None else str(value) for name, value in row.items()}
        for row in expected
    ]
    lines = (tmp_path / "new" / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == expected
    table = pyarrow.parquet.read_table(tmp_path / "new" / "rows.parquet")
    assert table.column_names == COLUMNS
    assert str(table.schema.field("known").type) == "float"
    for name in COLUMNS:
        column = table.column(name).to_pylist()
        assert [None if value is None else np.float32(value) if name[0] in "ckp" and name != "path"
                else value for value in column] == [
            np.float32(row[name]) if isinstance(row[name], float) else row[name] for row in expected
        ]  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "rows.csv", "rows.jsonl", "rows.parquet",
    ]  # fmt: skip


def test_numbers_round_trip_as_float32_without_spare_digits(model: Path, folder: Path) -> None:
    for row in predict(model, folder / "priority").rows:
        for name in ("confidence", "known", "p_priority", "p_stop"):
            assert len(repr(row[name]).split("e")[0].replace("0.", "").replace(".", "")) <= 10
            assert row[name] == float(str(np.float32(row[name])))


def test_any_sources_in_a_list_or_an_iterator(model: Path, folder: Path) -> None:
    path = folder / "stop" / "00000_00000.png"
    array = np.asarray(Image.open(path))
    mixed: list[Source] = [path, path.read_bytes(), Image.open(path), array, str(path), path]
    ways: list[Iterable[Source]] = [mixed, tuple(mixed), iter(mixed)]
    for sources in ways:
        result = predict(model, sources)
        assert [row["label"] for row in result.rows] == ["stop"] * 6
        named = [row["path"] is not None for row in result.rows]
        assert named == [True, False, False, False, True, True]
    for single in (path, str(path), path.read_bytes(), Image.open(path), array, array[None]):
        assert len(predict(model, single).rows) == 1
    assert len(predict(model, np.stack([array] * 3)).rows) == 3


def test_a_picture_without_a_path_is_named_by_its_place(model: Path) -> None:
    result = predict(model, [np.zeros((4, 4, 3), np.uint8), b"bad"])
    assert result.problems == [{"path": "picture 2", "problem": "not an image"}]


def test_rows_need_not_be_kept(model: Path, folder: Path, tmp_path: Path) -> None:
    result = predict(model, folder, out=tmp_path / "rows.csv", keep_rows=False)
    assert result.rows == []
    assert result.counts["images"] == 16
    assert len(rows_of((tmp_path / "rows.csv").read_text())) == 16


def test_the_same_file_twice_is_two_rows(model: Path, folder: Path) -> None:
    path = str(folder / "stop" / "00000_00000.png")
    assert [row["path"] for row in predict(model, [path, path]).rows] == [path, path]


@pytest.mark.parametrize("name", ["a,b.png", 'a"b.png', "a\nb.png", "a\r.png", "停 é.png", " .png"])
def test_any_name_survives_csv_and_json_lines(model: Path, tmp_path: Path, name: str) -> None:
    source = toy_folder(tmp_path / "in", per_class=1) / "stop" / "00000_00000.png"
    path = source.rename(tmp_path / "in" / name)
    predict(model, [path], out=tmp_path / "o.csv")
    predict(model, [path], out=tmp_path / "o.jsonl")
    with (tmp_path / "o.csv").open(encoding="utf-8", newline="") as file:
        assert [row["path"] for row in csv.DictReader(file)] == [str(path)]
    (line,) = (tmp_path / "o.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    assert json.loads(line)["path"] == str(path)


def test_a_name_that_is_not_utf8_is_read_and_written_legibly(model: Path, tmp_path: Path) -> None:
    source = toy_folder(tmp_path / "in", per_class=1) / "stop" / "00000_00000.png"
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    source.rename(path)
    for suffix in ("csv", "jsonl", "parquet"):
        result = predict(model, [path], out=tmp_path / f"o.{suffix}")
        assert result.rows[0]["label"] == "stop"
        assert result.rows[0]["path"] == str(tmp_path / r"caf\xe9.png")
    assert r"caf\xe9.png,stop" in (tmp_path / "o.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["rows.txt", "rows.csv.gz", "rows.json"])
def test_an_out_of_another_kind_is_refused(model: Path, folder: Path, name: str) -> None:
    with pytest.raises(SignwiseError, match=r"^`out` rows.*\.csv, \.jsonl, \.parquet"):
        predict(model, folder, out=Path(name))


def test_a_file_that_signwise_did_not_write_is_refused(
    model: Path, folder: Path, tmp_path: Path
) -> None:
    for suffix in ("csv", "jsonl", "parquet"):
        out = tmp_path / f"mine.{suffix}"
        out.write_text("path,label\nmy own work\n")
        with pytest.raises(SignwiseError, match=rf"^`out` .*mine\.{suffix} .*did not write"):
            predict(model, folder, out=out)
        assert out.read_text() == "path,label\nmy own work\n"
        out.unlink()
        first = predict(model, folder / "stop", out=out)
        again = predict(model, folder / "priority", out=out)
        assert first.rows != again.rows
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(SignwiseError, match="is a folder"):
        predict(model, folder, out=tmp_path / "folder.csv")


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_an_error_on_the_way_leaves_the_old_file_whole(
    model: Path, folder: Path, tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / f"rows.{suffix}"
    predict(model, folder, out=out)
    before = out.read_bytes()

    def failing() -> Iterator[bytes]:
        yield from [b"bad"] * 200
        raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output error"):
        predict(model, failing(), out=out)
    assert out.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_parquet_without_pyarrow_names_the_extra(
    model: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    with pytest.raises(SignwiseError, match=r"pip install 'signwise\[parquet\]'"):
        predict(model, folder, out=tmp_path / "rows.parquet")


def test_no_picture_at_all_is_an_error(model: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("")
    out = tmp_path / "rows.csv"
    empty: list[Sources] = [[], iter([]), tmp_path, [tmp_path]]
    for nothing in empty:
        stream = io.StringIO()
        with pytest.raises(SignwiseError, match=r"^`images` holds no picture"):
            predict(model, nothing, out=out, stream=stream)
        assert stream.getvalue() == ""
        assert not out.exists()
    with pytest.raises(SignwiseError, match=r"skipped: 1 \.txt"):
        predict(model, tmp_path)


def test_progress_is_shown_unless_rows_come_or_are_few(
    model: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def counting(description: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        asked.append(total)
        return track(description, total)

    monkeypatch.setattr("signwise.inference.predict.track", counting)
    predict(model, folder, stream=io.StringIO())
    assert asked == []
    predict(model, folder)
    assert asked == []
    predict(model, folder, out=tmp_path / "rows.csv")
    assert asked == [16]
    predict(model, folder, batch_size=15)
    assert asked == [16, 16]


def test_predicting_imports_nothing_heavy(model: Path, folder: Path) -> None:
    program = (
        "import sys; from signwise.inference.predict import predict\n"
        f"result = predict({str(model)!r}, {str(folder / 'stop' / '00000_00000.png')!r})\n"
        "assert result.rows[0]['label'] == 'stop'\n"
        "print(*(name for name in sys.modules if '.' not in name))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    heavy = {"torch", "torchvision", "pandas", "sklearn", "scipy", "matplotlib", "onnx", "pyarrow"}
    assert {"numpy", "PIL", "onnxruntime"} <= loaded
    assert not loaded & heavy
