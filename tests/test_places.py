"""Pictures and answers in a store: s3://, by a server on this machine."""

import importlib.util
import io
import shutil
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.fs
import pytest
from PIL import Image

import signwise
from signwise import places
from signwise.data import portions
from signwise.data.images import read_image
from signwise.data.walk import walk
from signwise.errors import SignwiseError, UnreadableImage
from signwise.opening import read_regular
from signwise.places import Unreachable, is_remote, join, list_remote
from store import running_store, upload
from toy import toy_folder, toy_model


@pytest.fixture(scope="module")
def store() -> Iterator[pyarrow.fs.S3FileSystem]:
    with running_store() as store:
        yield store


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = toy_folder(tmp_path_factory.mktemp("in"), per_class=6)
    (root / "stop" / "broken.png").write_bytes(b"no picture")
    (root / "notes.txt").write_text("no picture either")
    return root


@pytest.fixture(scope="module")
def there(store: pyarrow.fs.S3FileSystem, folder: Path) -> str:
    """The folder's files in the store."""
    return upload(store, folder, "in")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_model(tmp_path_factory.mktemp("model") / "model.onnx", known="colour", threshold=0.5)


def moved(rows: list[Any], start: str, other: str) -> list[Any]:
    return [{**row, "path": row["path"].replace(start, other)} for row in rows]


def test_a_folder_of_a_store_is_walked_as_one_here(there: str, folder: Path) -> None:
    assert [path.removeprefix(there) for path in walk(there)] == [
        path.removeprefix(str(folder)) for path in walk(folder)
    ]
    names = [(entry.name, entry.is_folder) for entry in list_remote(there)]
    assert names == [("notes.txt", False), ("priority", True), ("stop", True)]


def test_a_picture_is_read_from_a_store(there: str, folder: Path) -> None:
    name = "stop/00000_00000.png"
    assert (read_image(f"{there}/{name}", 16) == read_image(folder / name, 16)).all()
    with pytest.raises(UnreadableImage, match="no such file"):
        read_image(f"{there}/stop/gone.png", 16)
    with pytest.raises(OSError, match="larger than the limit"):
        read_regular(f"{there}/{name}", most=10)


@pytest.mark.parametrize("suffix", ["", ".csv"])
def test_pictures_of_a_store_get_the_rows_of_those_here(
    model: Path, there: str, folder: Path, tmp_path: Path, suffix: str
) -> None:
    result = signwise.predict(model, there, out=tmp_path / f"out{suffix}")
    here = signwise.predict(model, folder)
    assert moved(result.rows, there, str(folder)) == here.rows
    assert result.counts["skipped"] == here.counts["skipped"] == 1


def test_parts_in_a_store_are_gone_on_with(
    model: Path, there: str, store: pyarrow.fs.S3FileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portions.cut, "__defaults__", (5,))
    out = "s3://signs/answers"
    first = signwise.predict(model, there, out=out)
    assert first.out == out
    names = [entry.name for entry in list_remote(out)]
    assert names == [".signwise", "_SUCCESS", *(f"part-0000{n}.parquet" for n in range(3))]
    store.delete_file("signs/answers/part-00001.parquet")
    again = signwise.predict(model, there, out=f"{out}/")
    assert again.counts["parts_kept"] == 2
    assert again.rows == first.rows
    with pytest.warns(UserWarning, match="other pictures"):
        fewer = signwise.predict(model, f"{there}/stop", out=out)
    assert [entry.name for entry in list_remote(out)][-1] == "part-00001.parquet"
    assert fewer.counts["images"] == 7
    other = toy_model(Path(model).with_name("other.onnx"), sharpness=10.0)
    with pytest.raises(SignwiseError, match="holds predictions of another model"):
        signwise.predict(other, there, out=out)
    with pytest.raises(SignwiseError, match=r"^s3://signs/in holds files that signwise"):
        signwise.predict(model, there, out="s3://signs/in")
    with pytest.raises(SignwiseError, match="a store takes a folder of parts"):
        signwise.predict(model, there, out="s3://signs/rows.csv")


def test_lists_and_shards_of_a_store(
    model: Path, there: str, folder: Path, store: pyarrow.fs.S3FileSystem
) -> None:
    import tarfile

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as shard:
        shard.add(folder / "stop" / "00000_00000.png", "0.png")
    for name, content in (
        ("list.csv", b"path\nin/stop/00000_00000.png\n"),
        ("whole.csv", b"path\ns3://signs/in/stop/00000_00000.png\n"),
        ("shard.tar", packed.getvalue()),
    ):
        with store.open_output_stream(f"signs/{name}") as file:
            file.write(content)
    picture = f"{there}/stop/00000_00000.png"
    for name, path in (
        ("list.csv", picture),
        ("whole.csv", picture),
        ("shard.tar", "s3://signs/shard.tar/0.png"),
    ):
        (row,) = signwise.predict(model, f"s3://signs/{name}").rows
        assert (row["path"], row["label"]) == (path, "stop")


def test_prepare_and_evaluate_take_a_list_of_pictures_in_a_store(
    model: Path, there: str, folder: Path, tmp_path: Path
) -> None:
    lines = [f"{path},{path.split('/')[-2]}" for path in walk(there)]
    (tmp_path / "far.csv").write_text("\n".join(["path,label", *lines]) + "\n")
    near = [line.replace(there, str(folder)) for line in lines]
    (tmp_path / "near.csv").write_text("\n".join(["path,label", *near]) + "\n")
    for name in ("far", "near"):
        signwise.prepare(tmp_path / f"{name}.csv", tmp_path / name, group="(.*)", image_size=16)
    far, near_data = (signwise.load_data(tmp_path / name) for name in ("far", "near"))
    columns = ["label", "width", "height", "sha256"]
    assert far.table[columns].equals(near_data.table[columns])
    assert (signwise.load_pixels(far, 24) == signwise.load_pixels(near_data, 24)).all()
    assert far.problems[0]["path"] == f"{there}/stop/broken.png"
    found = signwise.evaluate(model, tmp_path / "far", split="all", out=tmp_path / "measured")
    assert found.evaluation.n == 12


def test_prepare_and_evaluate_take_a_folder_of_a_store(
    model: Path, there: str, folder: Path, tmp_path: Path
) -> None:
    for name, source in (("far", f"{there}/"), ("near", folder)):
        signwise.prepare(source, tmp_path / name, group="(.*)", image_size=16, copy=name == "far")
        signwise.evaluate(model, source, out=tmp_path / f"{name}-measured")
    far, near = (signwise.load_data(tmp_path / name) for name in ("far", "near"))
    columns = ["label", "group", "split", "width", "height", "sha256"]
    assert far.table[columns].equals(near.table[columns])
    assert [path.removeprefix(f"{there}/") for path in far.table["path"]] == [*near.table["path"]]
    assert (signwise.load_pixels(far, 24) == signwise.load_pixels(near, 24)).all()
    assert len(list((tmp_path / "far").glob("*/stop/*.png"))) == 6
    measured = [tmp_path / f"{name}-measured" / "metrics.json" for name in ("far", "near")]
    assert measured[0].read_text() == measured[1].read_text().replace(folder.name, "in")


def test_a_csv_in_a_store_is_a_source(
    model: Path, there: str, store: pyarrow.fs.S3FileSystem, tmp_path: Path
) -> None:
    listed = [path.removeprefix(f"{there}/") for path in walk(there)]
    lines = ["path,label", *(f"{name},{name.split('/')[0]}" for name in listed)]
    with store.open_output_stream("signs/in/labels.csv") as file:
        file.write("\n".join(lines).encode())
    result = signwise.prepare(f"{there}/labels.csv", tmp_path / "data", group="(.*)")
    assert sum(result.counts[name] for name in ("train", "val", "test")) == 12
    found = signwise.evaluate(model, f"{there}/labels.csv", out=tmp_path / "measured")
    assert (found.evaluation.data, found.evaluation.n) == ("labels", 12)
    store.delete_file("signs/in/labels.csv")


def test_what_a_store_is_not_for_is_said(model: Path, there: str, tmp_path: Path) -> None:
    for source, reason in (
        ("s3://signs/gone", "^s3://signs/gone does not exist"),
        (f"{there}/stop", "^s3://signs/in/stop has no class folders"),
    ):
        with pytest.raises(SignwiseError, match=reason):
            signwise.prepare(source, tmp_path / "data")
    with pytest.raises(SignwiseError, match=r"^`data` s3://signs/gone does not exist"):
        signwise.evaluate(model, "s3://signs/gone", out=tmp_path / "measured")
    with pytest.raises(SignwiseError, match=r"^`out` s3://signs/heat is in a store"):
        signwise.explain(model, there, out=Path("s3://signs/heat"))
    assert not Path("s3:").exists()


def test_google_s_store_goes_the_same_way(
    model: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a folder in its place: no server of it is to be had here."""
    asked = []

    def in_its_place(**settings: object) -> pyarrow.fs.FileSystem:
        asked.append(settings)
        return pyarrow.fs.SubTreeFileSystem(str(tmp_path), pyarrow.fs.LocalFileSystem())

    monkeypatch.setattr("pyarrow.fs.GcsFileSystem", in_its_place)
    places._system.cache_clear()
    shutil.copytree(folder, tmp_path / "signs" / "in")
    (tmp_path / "signs" / "out").mkdir()
    there = "gs://signs/in"
    result = signwise.predict(model, there, out="gs://signs/out")
    assert moved(result.rows, there, str(folder)) == signwise.predict(model, folder).rows
    (tmp_path / "signs" / "data").mkdir()  # which a store need not have
    prepared = signwise.prepare(there, "gs://signs/data", group="(.*)", image_size=16)
    assert signwise.load_data(prepared.out).image_size == 16
    # By itself it would ask for a quarter of an hour.
    assert asked == [{"retry_time_limit": timedelta(seconds=places.PATIENCE_SECONDS)}]
    places._system.cache_clear()
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "pyarrow" else find_spec(name)
    )
    with pytest.raises(SignwiseError, match=r"run pip install 'signwise\[cluster\]'"):
        signwise.predict(model, there)


def test_a_store_that_is_not_reached_is_no_picture_s_fault(
    model: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    places._system.cache_clear()
    listed = tmp_path / "list.csv"
    listed.write_text(f"path\n{folder}/stop/00000_00000.png\ns3://signs/in/a.png\n")
    with pytest.raises(Unreachable, match=r"^s3://signs/in/a\.png can't be reached"):
        signwise.predict(model, listed)
    places._system.cache_clear()


def test_without_pyarrow_an_output_in_a_store_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    places._system.cache_clear()
    for name in ("pyarrow", "pyarrow.fs"):
        monkeypatch.setitem(sys.modules, name, None)
    for ask in (places.list_remote, places.files_below):
        with pytest.raises(SignwiseError, match=r"needs pyarrow: .*signwise\[cluster\]"):
            ask("s3://signs/out")


def test_paths_are_joined_by_where_they_lie(tmp_path: Path) -> None:
    assert join("s3://b/f", "a.png") == "s3://b/f/a.png"
    assert join(str(tmp_path), "s3://b/a.png") == "s3://b/a.png"
    assert join(str(tmp_path), "a.png") == str(tmp_path / "a.png")
    assert not any(map(is_remote, ("a.png", "s3:/b", b"s3://b", None, Image.new("L", (1, 1)))))
    with pytest.raises(SignwiseError, match="s3://b//a has a folder without a name"):
        places.file_system("s3://b//a")
    with pytest.raises(SignwiseError, match="s3:// names no bucket"):
        places.file_system("s3://")
