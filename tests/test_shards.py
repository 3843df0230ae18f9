"""`prepare --shards`: WebDataset's own reader finds every picture once, with its class."""

import json
import tarfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import signwise
from signwise.data import shards
from toy import toy_folder, toy_model


def prepared(tmp_path: Path, **settings: Any) -> Path:
    source = tmp_path / "in"
    if not source.exists():
        toy_folder(source, per_class=30)
        (source / "stop" / "broken.png").write_bytes(b"no picture")
    signwise.prepare(source, tmp_path / "data", image_size=16, **settings)
    return tmp_path / "data"


def test_shards_hold_each_usable_picture_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "PICTURES", 16)
    data = prepared(tmp_path, shards=True)
    table = pd.read_csv(data / "manifest.csv", keep_default_na=False)
    classes = json.loads((data / "data.json").read_text())["classes"]
    seen = {}
    for path in sorted((data / "shards").iterdir()):
        with tarfile.open(path) as shard:
            names = shard.getnames()
            assert len(names) <= 3 * 16
            for key in sorted({name.partition(".")[0] for name in names}):
                png, number, said = (
                    shard.extractfile(key + ending) for ending in (".png", ".cls", ".json")
                )
                assert png is not None
                assert number is not None
                assert said is not None
                row = table.loc[int(key)]
                facts = json.loads(said.read())
                assert facts["path"] == row["path"]
                assert path.name.startswith(f"{row['split']}-")
                assert classes[int(number.read())] == row["label"]
                assert png.read() == (tmp_path / "in" / row["path"]).read_bytes()
                seen[int(key)] = path.name
    usable = table.index[table["problem"] == ""]
    assert sorted(seen) == list(usable)
    assert len(set(seen.values())) >= 5
    (first,) = {name for name in seen.values() if name == "train-00000.tar"}
    assert {table.loc[row, "label"] for row, name in seen.items() if name == first} == {*classes}


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    data = prepared(tmp_path, shards=True)
    first = {path.name: path.read_bytes() for path in (data / "shards").iterdir()}
    prepared(tmp_path, shards=True)
    assert {path.name: path.read_bytes() for path in (data / "shards").iterdir()} == first
    prepared(tmp_path)
    assert not (data / "shards").exists()


def test_predict_reads_the_shards(tmp_path: Path) -> None:
    data = prepared(tmp_path, shards=True)
    model = toy_model(tmp_path / "model.onnx")
    result = signwise.predict(model, data / "shards", out=tmp_path / "answers")
    assert result.counts["images"] == 60
    assert result.counts["parts"] == 3
    assert result.labels == {"priority": 30, "stop": 30, "unknown": 0}


@pytest.mark.nightly  # it imports PyTorch
@pytest.mark.filterwarnings("ignore:::webdataset")
def test_webdataset_reads_them(tmp_path: Path) -> None:
    import webdataset

    data = prepared(tmp_path, shards=True)
    files = [str(path) for path in sorted((data / "shards").iterdir())]
    samples = list(webdataset.WebDataset(files, shardshuffle=False))
    assert len(samples) == 60
    assert all({"png", "cls", "json", "__key__"} <= set(sample) for sample in samples)
