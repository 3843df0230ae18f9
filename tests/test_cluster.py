"""Work on a Ray cluster: the same results as in one process, a lost node included."""

import operator
import os
import secrets
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet
import pytest

import signwise
from signwise import cluster, parallel
from signwise.data import portions
from signwise.errors import SignwiseError
from signwise.parallel import map_chunks, on_cluster, working_on
from store import running_store, upload
from toy import toy_folder, toy_model, toy_unknown

pytestmark = pytest.mark.skipif(os.name == "nt", reason="another operating system: no Ray there")


@pytest.fixture(scope="module")
def ray_here() -> Iterator[None]:
    """One cluster of this machine for all tests: Ray takes long to start."""
    before = signal.getsignal(signal.SIGTERM)
    with cluster.connected("auto"):
        assert signal.getsignal(signal.SIGTERM) == before
        yield


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    return toy_model(folder / "model.onnx", known="colour", threshold=0.5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = toy_folder(tmp_path_factory.mktemp("in"), per_class=40)
    toy_unknown(root / "other", 3)
    (root / "stop" / "broken.png").write_bytes(b"no picture")
    return root


def test_where_nothing_listens_is_said_at_once(model: Path, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SignwiseError, match=r"^`cluster`: nothing listens at 127\.0\.0\.1:9:"):
        signwise.predict(model, folder, out=tmp_path / "out", cluster="127.0.0.1:9")


def test_a_cluster_wants_a_folder(model: Path, folder: Path, tmp_path: Path) -> None:
    for out in (None, tmp_path / "rows.csv"):
        with pytest.raises(SignwiseError, match=r"^`cluster` writes a folder of parts"):
            signwise.predict(model, folder, out=out, cluster="auto")


def test_without_ray_the_extra_is_named(
    model: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib.util import find_spec

    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "ray" else find_spec(name)
    )
    with pytest.raises(SignwiseError, match=r"needs ray: run pip install 'signwise\[cluster\]'"):
        signwise.predict(model, folder, out=tmp_path / "out", cluster="auto")
    assert not (tmp_path / "out").exists()
    with (
        pytest.raises(SignwiseError, match="signwise\\[cluster\\]"),
        parallel.working_on("auto"),
    ):
        pass


def test_predict_gives_the_rows_of_one_process(
    ray_here: None,  # noqa: ARG001
    model: Path,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(portions.cut, "__defaults__", (16,))
    monkeypatch.chdir(folder)  # a worker's folder is another one
    expected = signwise.predict(model, "stop", out=tmp_path / "one")
    (tmp_path / "out").mkdir()
    result = signwise.predict(model, "stop", out=tmp_path / "out", cluster="auto")
    assert len(result.rows) == 41
    assert result.rows == expected.rows
    assert result.counts == expected.counts
    again = signwise.predict(model, "stop", out=tmp_path / "out", cluster="auto")
    assert again.counts["parts_kept"] == again.counts["parts"] == 3


@pytest.mark.nightly
def test_chunks_come_in_order(ray_here: None) -> None:  # noqa: ARG001
    doubled = partial(operator.mul, 2)
    with working_on("auto"):
        assert on_cluster()
        found = list(map_chunks(doubled, range(100), total=100, chunk_size=1))
    assert not on_cluster()
    assert found == [2 * number for number in range(100)]


@pytest.mark.nightly
def test_what_a_worker_raises_is_raised_here(ray_here: None) -> None:  # noqa: ARG001
    with pytest.raises(SignwiseError, match=r"nowhere\.onnx"):
        list(cluster.spread(partial(partial, signwise.Predictor), ["nowhere.onnx"]))


@pytest.mark.nightly
def test_prepare_and_evaluate_write_the_same_files(
    ray_here: None,  # noqa: ARG001
    model: Path,
    tmp_path: Path,
) -> None:
    source = toy_folder(tmp_path / "in", per_class=60)
    (source / "stop" / "broken.png").write_bytes(b"no picture")
    for name, where in (("one", None), ("far", "auto")):
        signwise.prepare(source, tmp_path / name, cluster=where)
        signwise.evaluate(
            model, tmp_path / name, out=tmp_path / f"{name}-measured", cluster=where, split="all"
        )
    for name in ("manifest.csv", "pixels-32.npy", "flagged.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "far" / name).read_bytes()
    one, far = (
        (tmp_path / f"{name}-measured" / "metrics.json").read_text() for name in ("one", "far")
    )
    assert one == far
    one, far = (
        (tmp_path / f"{name}-measured" / "predictions.csv").read_text() for name in ("one", "far")
    )
    assert one == far


@pytest.mark.nightly
def test_a_lost_node_loses_no_row_and_doubles_none(
    model: Path, folder: Path, tmp_path: Path
) -> None:
    environment = os.environ | {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # on loopback alone
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
    }
    names = [str(path) for path in sorted(folder.rglob("*.png"))] * 250
    listed = tmp_path / "list.csv"
    listed.write_text("\n".join(["path", *names]) + "\n")
    expected = signwise.predict(model, listed, out=tmp_path / "one")
    nodes = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("two_nodes.py"))],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    assert nodes.stdin is not None
    assert nodes.stdout is not None
    try:
        address = nodes.stdout.readline().strip()
        out = tmp_path / "far"
        command: list[Any] = ["predict", model, listed, "--out", out, "--cluster", address]
        run = subprocess.Popen([sys.executable, "-m", "signwise", *command], env=environment)
        while run.poll() is None and len(list(out.glob("part-*"))) < 2:
            time.sleep(0.05)
        nodes.stdin.write("kill\n")
        nodes.stdin.flush()
        assert nodes.stdout.readline() == "killed\n"
        assert run.wait(timeout=300) == 1  # a picture can't be read
    finally:
        nodes.stdin.close()
        nodes.stdout.close()
        nodes.wait(timeout=60)
    assert expected.counts["images"] == len(names)
    pd.testing.assert_frame_equal(pd.read_parquet(out), pd.read_parquet(tmp_path / "one"))


@pytest.mark.nightly
def test_pictures_of_a_store_get_the_same_rows_on_a_cluster(
    model: Path, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "shards").mkdir()
    for number in range(3):
        with tarfile.open(tmp_path / "shards" / f"{number}.tar", "w") as shard:
            for path in sorted(folder.rglob(f"*_0000{number}.png")):
                shard.add(path, path.name)
    with running_store() as store:
        there = [upload(store, folder, "in"), upload(store, tmp_path / "shards", "shards")]
        one = signwise.predict(model, there, out="s3://signs/one")
        out = "s3://signs/far"
        options: list[Any] = ["--out", out, "--cluster", "auto"]
        command = [sys.executable, "-m", "signwise", "predict", model, *there, *options]
        assert subprocess.run(command, timeout=300).returncode == 1  # a picture can't be read
        assert one.counts["parts"] == 4
        tables = [
            pyarrow.parquet.read_table(f"signs/{name}", filesystem=store) for name in ("one", "far")
        ]
        assert tables[0].equals(tables[1])
        store.delete_file("signs/far/part-00002.parquet")
        again = signwise.predict(model, there, out=out)
        assert (again.counts["parts_kept"], again.rows) == (3, one.rows)
        for place, where in ((tmp_path / "near", []), ("s3://signs/data", ["--cluster", "auto"])):
            options = ["--out", place, "--group", "(.*)", "--image-size", "16", *where]
            command = [sys.executable, "-m", "signwise", "prepare", there[0], *options]
            assert subprocess.run(command, timeout=300).returncode == 1
        for name in ("manifest.csv", "pixels-16.npy"):
            with store.open_input_stream(f"signs/data/{name}") as file:
                assert file.read() == (tmp_path / "near" / name).read_bytes()


@pytest.mark.nightly
def test_a_cluster_of_this_machine_ends_with_its_process(
    model: Path, folder: Path, tmp_path: Path
) -> None:
    command: list[Any] = ["predict", model, folder, "--out", tmp_path / "out", "--cluster", "auto"]
    environment = os.environ | {"SIGNWISE_TEST_MARK": str(tmp_path)}
    run = subprocess.Popen([sys.executable, "-m", "signwise", *command], env=environment)
    try:
        wait_until(lambda: len(marked(tmp_path)) > 3)
    finally:
        run.kill()
        run.wait()
    wait_until(lambda: not marked(tmp_path))


def marked(mark: Path) -> list[str]:
    """The processes that were started with the mark in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"SIGNWISE_TEST_MARK={mark}".encode() in process.read_bytes().split(b"\0"):
                found.append(process.parent.name)
        except OSError:
            continue
    return found


def wait_until(happens: Any) -> None:
    deadline = time.monotonic() + 120  # only a failure takes so long
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.2)
