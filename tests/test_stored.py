"""What prepare and evaluate write into a store, and data that is read from there."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow.fs
import pytest
import torch

import signwise
from signwise import folders
from signwise.cli import main
from signwise.config import PrepareConfig
from signwise.data import manifest
from signwise.errors import SignwiseError
from signwise.files import sha256_file
from signwise.folders import LOCK, MARKER, output_place, place_in
from signwise.places import (
    Unreachable,
    fetch_file,
    files_below,
    put_file,
    remove_remote,
    write_remote,
)
from signwise.training.checkpoint import load_tensors
from store import BUCKET, running_store, upload
from toy import toy_folder, toy_model, toy_unknown

pytestmark = pytest.mark.usefixtures("plain_reports")


@pytest.fixture(scope="module", autouse=True)
def store() -> Iterator[pyarrow.fs.S3FileSystem]:
    with running_store() as store:
        yield store


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_folder(tmp_path_factory.mktemp("in"))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_model(tmp_path_factory.mktemp("model") / "model.onnx", size=16)


@pytest.fixture
def place(request: pytest.FixtureRequest) -> str:
    """A folder of the store for this test alone."""
    return f"s3://{BUCKET}/{request.node.name}"


def here(folder: Path) -> dict[str, bytes]:
    """The files of a folder that an own output holds, by their names in it."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != LOCK)
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
    return {name: content for name, content in found.items() if name != MARKER}


def there(folder: str, store: pyarrow.fs.S3FileSystem) -> dict[str, bytes]:
    inner = folder.removeprefix("s3://")
    names = [name for name in files_below(folder) if name != MARKER]
    return {name: store.open_input_stream(f"{inner}/{name}").read() for name in names}


def test_prepare_writes_the_same_bytes_into_a_store_and_replaces_its_own(
    photos: Path, place: str, store: pyarrow.fs.S3FileSystem, tmp_path: Path
) -> None:
    for config in (
        PrepareConfig(image_size=16, shards=True, copy=True),
        PrepareConfig(image_size=24, seed=1),
    ):
        near = signwise.prepare(photos, tmp_path / "data", config)
        far = signwise.prepare(photos, f"{place}/", config)
        assert there(place, store) == here(tmp_path / "data")
        assert far.out == place
        names = [Path(path).relative_to(near.out).as_posix() for path in near.written]
        assert far.written == [f"{place}/{name}" for name in names]
        write_remote(f"{place}/notes.txt", b"the user's")  # in an own folder it stays, as here
        (tmp_path / "data" / "notes.txt").write_bytes(b"the user's")
    assert [entry.base_name for entry in store.get_file_info(_within(place))] == [
        ".signwise", "data.json", "flagged.csv", "manifest.csv", "notes.txt", "pixels-24.npy",
        "report.html",
    ]  # fmt: skip


def _within(place: str) -> pyarrow.fs.FileSelector:
    return pyarrow.fs.FileSelector(place.removeprefix("s3://"))


@pytest.mark.filterwarnings("ignore:.*holds an earlier evaluation")
def test_evaluate_writes_the_same_bytes_and_keeps_an_earlier_one(
    photos: Path, model: Path, place: str, store: pyarrow.fs.S3FileSystem, tmp_path: Path
) -> None:
    unknown = toy_unknown(tmp_path / "others")
    far_unknown = upload(store, unknown, f"{Path(place).name}-of-none/others")
    signwise.prepare(photos, tmp_path / "data", image_size=16)
    signwise.prepare(photos, f"{place}/data", image_size=16)
    other = toy_model(tmp_path / "other.onnx", size=16, sharpness=10.0)
    out = f"{place}/measured"
    rounds: list[tuple[Path, bool]] = [(model, True), (other, False)]
    for used, with_unknown in rounds:
        near, far = (
            signwise.evaluate(used, data, out=where, unknown=others if with_unknown else None)
            for data, where, others in (
                (tmp_path / "data", tmp_path / "measured", unknown),
                (f"{place}/data", out, far_unknown),
            )
        )
        assert far.out == out
        assert far.metrics == near.metrics
        found, wanted = (
            {name: content.replace(start.encode(), b"") for name, content in files.items()}
            for start, files in (
                (far_unknown, there(out, store)),
                (str(unknown), here(tmp_path / "measured")),
            )
        )
        assert found == wanted
    assert "earlier/test/metrics.json" in found
    assert "predictions_unknown.csv" not in found


def test_an_earlier_evaluation_is_said_to_be_where_its_user_finds_it(
    photos: Path, model: Path, place: str, tmp_path: Path
) -> None:
    signwise.evaluate(model, photos, out=place)
    other = toy_model(tmp_path / "other.onnx", size=16, sharpness=10.0)
    with pytest.warns(
        UserWarning, match=f"^{place}/earlier/{photos.name} holds an earlier evaluation"
    ):
        signwise.evaluate(other, photos, out=place)


def test_what_signwise_did_not_write_is_refused(photos: Path, model: Path, place: str) -> None:
    write_remote(f"{place}/mine/letter.txt", b"dear")
    with pytest.raises(SignwiseError, match=f"^{place}/mine holds files that signwise did not"):
        signwise.prepare(photos, f"{place}/mine")
    assert files_below(f"{place}/mine") == ["letter.txt"]
    signwise.prepare(photos, f"{place}/data")
    with pytest.raises(SignwiseError, match=f"^{place}/data holds signwise data output"):
        signwise.evaluate(model, photos, out=f"{place}/data")
    for source, out in (("in", "in/data"), ("in/data", "in"), ("in", "in/")):
        write_remote(f"{place}/{source}/stop/a.png", b"")
        with pytest.raises(SignwiseError, match="lies in"):
            signwise.prepare(f"{place}/{source}", f"{place}/{out}")


def test_a_block_that_fails_leaves_the_store_as_it_was(place: str) -> None:
    def fail(old: str) -> None:
        with output_place(place, "data", last="last.txt") as folder:
            (folder / "last.txt").write_text("half")
            assert sorted(path.name for path in folder.iterdir()) == sorted({"last.txt", old})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail("last.txt")
    assert files_below(place) == []
    with output_place(place, "data", last="last.txt") as folder:
        for name in ("first.txt", "last.txt"):
            (folder / name).write_text("whole")
    with pytest.raises(ZeroDivisionError):
        fail("first.txt")
    assert files_below(place) == [MARKER, "first.txt", "last.txt"]
    with output_place(place, "data", last="last.txt", fetched=True) as folder:
        assert (folder / "first.txt").read_text() == (folder / "last.txt").read_text() == "whole"
        (folder / "last.txt").write_text("anew")


def test_what_is_put_in_half_is_not_taken_for_whole(
    photos: Path, model: Path, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signwise.prepare(photos, place, image_size=16)

    def lost(path: Path, where: str) -> None:
        if path.name == "manifest.csv":
            raise Unreachable(f"{where} can't be reached")
        put_file(path, where)

    with monkeypatch.context() as patch:
        patch.setattr(folders, "put_file", lost)
        for out in (place, f"{place}/new"):
            with pytest.raises(Unreachable):
                signwise.prepare(photos, out, image_size=24, copy=True)
            with pytest.raises(SignwiseError, match=r"it has no data\.json"):
                signwise.load_data(out)
            with pytest.raises(SignwiseError, match=r"it has no data\.json"):
                signwise.evaluate(model, out, out=tmp_path / "measured")
    for out in (place, f"{place}/new"):
        signwise.prepare(photos, out, image_size=24)
        assert signwise.load_data(out).image_size == 24


def test_data_is_fetched_once_and_only_what_is_needed(
    photos: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []

    def counted(where: str, path: Path) -> None:
        fetched.append(where.removeprefix(f"{place}/"))
        fetch_file(where, path)

    monkeypatch.setattr(manifest, "fetch_file", counted)
    signwise.prepare(photos, place, image_size=16, copy=True, shards=True)
    data = signwise.load_data(place)
    assert fetched == ["manifest.csv", "pixels-16.npy", "data.json"]
    assert {path.name for path in data.directory.iterdir()} == set(fetched)
    assert data.place == place
    again = signwise.load_data(f"{place}/", size=32)  # no pixels of this size are there
    assert (again.directory, fetched[3:]) == (data.directory, ["data.json"])
    assert (signwise.load_pixels(again, 16) == signwise.load_pixels(data, 16)).all()
    listed = [row["name"] for row in signwise.cache().rows]
    assert f"prepared/{data.directory.name}/pixels-16.npy" in listed
    signwise.prepare(photos, place, image_size=16, seed=3)
    changed = signwise.load_data(place)
    assert fetched[4:] == fetched[:3]
    assert changed.sha256 != data.sha256
    write_remote(f"{place}/manifest.csv", b"path,label\n")
    manifests = [changed.directory / "manifest.csv", data.directory / "manifest.csv"]
    manifests[0].unlink()
    with pytest.raises(SignwiseError, match="do not belong together"):
        signwise.load_data(place)
    assert [path.is_file() for path in manifests] == [False, True]
    assert sha256_file(manifests[1]) == data.sha256


def test_several_fetch_the_same_data_once(
    photos: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []

    def counted(where: str, path: Path) -> None:
        fetched.append(where.rpartition("/")[2])
        fetch_file(where, path)

    monkeypatch.setattr(manifest, "fetch_file", counted)
    signwise.prepare(photos, place, image_size=16)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(signwise.load_data, [place] * 4))
    assert len({data.directory for data in found}) == 1
    assert [fetched.count(name) for name in ("manifest.csv", "pixels-16.npy")] == [1, 1]


def test_data_that_can_t_be_kept_is_said(
    photos: Path, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signwise.prepare(photos, place, image_size=16)
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(manifest, "cache_folder", lambda: tmp_path / "file")
    with pytest.raises(SignwiseError, match=f"^{place} can't be fetched into {tmp_path}"):
        signwise.load_data(place)
    for name, fix in (("gone", f"SOURCE --out {place}/gone"), ("", f"{place} --out DATA")):
        store_place = f"{place}/{name}".rstrip("/")
        remove_remote(f"{place}/{MARKER}")
        remove_remote(f"{place}/data.json")
        with pytest.raises(SignwiseError, match=f"^{store_place} is no prepared data.*{fix} first"):
            signwise.load_data(store_place)


@pytest.mark.nightly
@pytest.mark.numeric
def test_train_on_data_in_a_store_gives_the_same_model(
    toy_net: str, trained_run: Path, prepared: Path, place: str, tmp_path: Path
) -> None:
    from toy_training import QUICK

    assert toy_net == QUICK.model
    signwise.prepare(prepared.parent / "photos", place, image_size=16)
    run = tmp_path / "run"
    signwise.train(place, run, QUICK, epochs=6, keep_known=0.75)
    assert (run / "model.onnx").read_bytes() == (trained_run / "model.onnx").read_bytes()


@pytest.mark.usefixtures("toy_net", "unfinished")
def test_train_takes_data_and_pictures_of_no_class_from_a_store(
    photos: Path, place: str, store: pyarrow.fs.S3FileSystem, tmp_path: Path
) -> None:
    from toy_training import QUICK

    data, unknown = f"{place}/data", f"{place}/others"
    signwise.prepare(photos, tmp_path / "data", image_size=16)
    signwise.prepare(photos, data, image_size=16)
    upload(store, toy_unknown(tmp_path / "others"), f"{Path(place).name}/others")
    for source, others, run in (
        (data, unknown, tmp_path / "far"),
        (tmp_path / "data", str(tmp_path / "others"), tmp_path / "near"),
    ):
        with pytest.raises(SignwiseError, match=r"^finished$"):
            signwise.train(source, run, QUICK, unknown=others, epochs=1)
    far, near = (tmp_path / name / "model.safetensors" for name in ("far", "near"))
    assert load_tensors(far).keys() == load_tensors(near).keys()
    for name, tensor in load_tensors(far).items():
        assert torch.equal(tensor, load_tensors(near)[name])
    listed = (tmp_path / "far" / "unknown.csv").read_text()
    assert (
        listed.replace(unknown, str(tmp_path / "others"))
        == (tmp_path / "near" / "unknown.csv").read_text()
    )
    assert json.loads((tmp_path / "far" / "config.json").read_text())["data"] == data
    with pytest.raises(SignwiseError, match=f"^`unknown` {unknown}/gone is no folder"):
        signwise.train(data, tmp_path / "other", QUICK, unknown=f"{unknown}/gone")
    with pytest.raises(SignwiseError, match=f"^`out` {place}/run is in a store, where only pred"):
        signwise.train(data, f"{place}/run", QUICK)


def test_the_command_line_takes_and_names_places_in_a_store(
    photos: Path, model: Path, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*words: Any) -> str:
        assert main.main([str(word) for word in words]) == 0
        return capsys.readouterr().out

    data, out = f"{place}/data", f"{place}/measured"
    text = run("prepare", photos, "--out", data, "--image-size", 16)
    assert f"wrote {data} (" in text
    assert f"report {data}/report.html" in text
    found = json.loads(run("prepare", photos, "--out", data, "--image-size", 16, "--json"))
    assert (found["out"], found["written"][0]) == (data, f"{data}/manifest.csv")
    text = run("evaluate", model, "--data", data, "--out", out)
    assert f"report {out}/report.html" in text
    found = json.loads(run("evaluate", model, "--data", data, "--out", out, "--json"))
    assert found["out"] == out


def test_a_local_output_is_the_folder_itself(tmp_path: Path) -> None:
    with output_place(tmp_path / "out", "data", last="a.txt") as folder:
        assert folder == tmp_path / "out"
        assert (folder / MARKER).is_file()
    assert place_in(tmp_path / "out", folder, folder / "a.txt") == tmp_path / "out" / "a.txt"
    assert place_in("s3://b/out", folder, folder / "in" / "a.txt") == "s3://b/out/in/a.txt"
