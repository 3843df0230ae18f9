"""Predictions as a folder of parts: the rows of one table, gone on with, of one model."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from signwise import predict
from signwise.data import portions
from signwise.errors import SignwiseError
from signwise.inference import parts
from signwise.inference.predict import PredictResult
from toy import toy_folder, toy_model, toy_unknown


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    return toy_model(folder / "model.onnx", known="colour", threshold=0.5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = toy_folder(tmp_path / "in", per_class=12)
    toy_unknown(root / "other", 3)
    (root / "stop" / "broken.png").write_bytes(b"no picture")
    (root / "notes.txt").write_text("no picture either")
    return root


@pytest.fixture(autouse=True)
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portions.cut, "__defaults__", (10,))


def whole(model: Path, images: Any, **settings: Any) -> list[dict[str, Any]]:
    return list(predict(model, images, **settings).rows)


def names(out: Path) -> list[str]:
    return sorted(path.name for path in out.iterdir() if not path.name.startswith("."))


def read_back(out: Path) -> pd.DataFrame:
    """As people read them: the folder, by any reader of Parquet."""
    return pd.read_parquet(out)


def test_parts_together_are_the_rows_of_one_table(
    model: Path, folder: Path, tmp_path: Path
) -> None:
    one = tmp_path / "one.parquet"
    expected = predict(model, folder, out=one)
    out = tmp_path / "out"
    result = predict(model, folder, out=out)
    assert names(out) == ["_SUCCESS", *(f"part-0000{number}.parquet" for number in range(3))]
    assert result.rows == expected.rows
    assert result.labels == expected.labels
    assert result.problems == expected.problems
    assert result.counts == {**expected.counts, "parts": 3, "parts_kept": 0}
    pd.testing.assert_frame_equal(read_back(out), pd.read_parquet(one))
    done = json.loads((out / "_SUCCESS").read_text())
    assert done["parts"] == 3
    assert done["images"] == 28
    assert done["unreadable"] == 1


def test_a_whole_part_is_not_made_again(model: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = predict(model, folder, out=out)
    (out / "part-00001.parquet").unlink()
    (out / "part-00002.parquet").write_bytes(b"PAR1 cut off")
    before = (out / "part-00000.parquet").stat().st_mtime_ns
    again = predict(model, folder, out=out)
    assert again.rows == first.rows
    assert again.counts == first.counts | {"parts_kept": 1}
    assert (out / "part-00000.parquet").stat().st_mtime_ns == before


def test_another_model_or_threshold_is_refused(model: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    predict(model, folder, out=out)
    done = (out / "_SUCCESS").read_bytes()
    other = toy_model(tmp_path / "other.onnx", known="colour", threshold=0.5, sharpness=20.0)
    with pytest.raises(SignwiseError, match=r"^`out` .*out holds predictions of another model"):
        predict(other, folder, out=out)
    with pytest.raises(SignwiseError, match=r"threshold 0\.5, not 0\.7"):
        predict(model, folder, out=out, threshold=0.7)
    assert (out / "_SUCCESS").read_bytes() == done


def test_changed_pictures_are_predicted_anew_and_that_is_said(
    model: Path, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    predict(model, folder, out=out)
    changed = folder / "stop" / "00003_00002.png"
    changed.write_bytes((folder / "priority" / "00000_00000.png").read_bytes())
    with pytest.warns(UserWarning, match=r"1 parts held predictions of other pictures.*part-00002"):
        result = predict(model, folder, out=out)
    assert result.counts["parts_kept"] == 2
    assert result.rows == whole(model, folder)


def test_fewer_pictures_leave_no_part_of_earlier_ones(
    model: Path, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    predict(model, folder, out=out)
    with pytest.warns(UserWarning, match="other pictures"):
        predict(model, folder / "stop", out=out)
    assert names(out) == ["_SUCCESS", "part-00000.parquet", "part-00001.parquet"]
    assert len(read_back(out)) == 13


def test_what_signwise_did_not_write_is_refused(model: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    with pytest.raises(SignwiseError, match="did not write"):
        predict(model, folder, out=out)
    assert names(out) == ["notes.txt"]


def test_no_picture_leaves_no_folder(model: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SignwiseError, match="`images` holds no picture"):
        predict(model, tmp_path / "empty", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_pictures_in_memory_are_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(SignwiseError, match=r"^`images` holds a ndarray: give paths"):
        predict(model, [np.zeros((4, 4, 3), np.uint8)], out=tmp_path / "out")


def test_a_part_says_of_what_it_was_made(model: Path, folder: Path, tmp_path: Path) -> None:
    predict(model, folder, out=tmp_path / "out")
    schema = pyarrow.parquet.read_schema(tmp_path / "out" / "part-00001.parquet")
    said = json.loads(schema.metadata[b"signwise"])
    assert said["images"] == 10
    assert said["origin"]["threshold"] == 0.5
    assert said["labels"] == {"priority": 5, "stop": 5}


PROGRAM = """
import sys, time
from pathlib import Path
from signwise.data import portions
from signwise.inference import predict as module, parts
portions.cut.__defaults__ = (10,)
write = parts.Parts.write
def slow(self, number, table):
    write(self, number, table)
    print("part", number, flush=True)
    time.sleep(0.2)
parts.Parts.write = slow
module.predict(*sys.argv[1:3], out=Path(sys.argv[3]))
"""


def test_a_killed_run_is_gone_on_with(model: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(model), str(folder), str(out)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "part 0\n"
    process.send_signal(signal.SIGKILL if os.name != "nt" else signal.SIGTERM)
    process.wait()
    process.stdout.close()
    assert "_SUCCESS" not in names(out)
    time.sleep(0.01)
    result = predict(model, folder, out=out)
    assert result.counts["parts_kept"] >= 1
    assert result.rows == whole(model, folder)
    assert parts.DONE in names(out)


def test_the_result_says_how_many_parts(model: Path, folder: Path, tmp_path: Path) -> None:
    from signwise.cli.terminal import predict as shown

    def line(result: PredictResult) -> str:
        return str(shown(result)[-1])

    first = predict(model, folder, out=tmp_path / "out", keep_rows=False)
    assert line(first).endswith("out (3 parts)")
    again = predict(model, folder, out=tmp_path / "out", keep_rows=False)
    assert line(again).endswith("out (3 parts, 3 of them there already)")
