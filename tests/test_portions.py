"""Where pictures come from: folders, lists, Parquet, shards; cut without loss."""

import io
import os
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from signwise import predict
from signwise.data.images import read_image
from signwise.data.portions import Portion, cut, is_table, read
from signwise.errors import SignwiseError, UnreadableImage
from toy import toy_folder, toy_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_model(tmp_path_factory.mktemp("model") / "model.onnx")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return toy_folder(tmp_path / "in", per_class=6)


def listed(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*.png"))


def cut_all(images: object, most: int = 4096) -> list[Portion]:
    return list(cut(images, Counter(), most))


def read_all(images: object, most: int = 4096) -> list[tuple[str, Any]]:
    return [pair for portion in cut_all(images, most) for pair in read(portion)]


def write_tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as shard:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            shard.addfile(member, io.BytesIO(content))
    return path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(most=st.integers(1, 20))
def test_portions_hold_each_picture_once_in_order(folder: Path, most: int) -> None:
    found = cut_all(folder, most)
    assert [path for portion in found for path in portion.paths] == listed(folder)
    assert all(len(portion.paths) == most for portion in found[:-1])
    assert len({portion.key for portion in found}) == len(found)
    assert [portion.key for portion in cut_all(folder, most)] == [each.key for each in found]


def test_a_key_is_another_one_for_other_bytes_or_names(folder: Path) -> None:
    (before,) = cut_all(folder)
    path = Path(listed(folder)[3])
    content = path.read_bytes()
    path.write_bytes(content + b"\0")
    (longer,) = cut_all(folder)
    path.write_bytes(content)
    os.utime(path, ns=(0, 0))
    (older,) = cut_all(folder)
    path.rename(path.with_name("a.png"))
    (renamed,) = cut_all(folder)
    assert len({before.key, longer.key, older.key, renamed.key}) == 4


def test_a_csv_names_pictures_from_its_own_folder(tmp_path: Path) -> None:
    table = tmp_path / "list.csv"
    table.write_text("label, Path\nstop, in/stop/00000_00000.png\n,\nstop,in/gone.png\n")
    assert read_all(table) == [
        (str(tmp_path / name), str(tmp_path / name))
        for name in ("in/stop/00000_00000.png", "in/gone.png")
    ]
    table.write_text("label\nstop\n")
    with pytest.raises(SignwiseError, match=r"list\.csv has no columns path"):
        cut_all(table)


def test_a_parquet_names_pictures_or_holds_them(folder: Path, tmp_path: Path) -> None:
    paths = listed(folder)
    table = tmp_path / "list.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"path": paths}), table)
    assert [name for name, _ in read_all(table, most=5)] == paths
    contents = [Path(path).read_bytes() for path in paths]
    held = pyarrow.table({"path": paths, "bytes": contents})
    pyarrow.parquet.write_table(held, table, row_group_size=5)
    found = read_all(table)
    assert found == list(zip(paths, contents, strict=True))
    hugging_face = [{"bytes": content, "path": None} for content in contents]
    pyarrow.parquet.write_table(pyarrow.table({"image": hugging_face}), table)
    assert read_all(table) == [(f"{table}#{n}", content) for n, content in enumerate(contents)]
    pyarrow.parquet.write_table(pyarrow.table({"label": ["stop"]}), table)
    with pytest.raises(SignwiseError, match="neither a column path nor one of bytes"):
        cut_all(table)


def test_row_groups_are_portions_of_about_the_same_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signwise.data.portions.MOST", 10)
    table = tmp_path / "many.parquet"
    contents = [bytes([number]) for number in range(23)]
    pyarrow.parquet.write_table(pyarrow.table({"bytes": contents}), table, row_group_size=4)
    found = cut_all(table)
    assert [portion.groups for portion in found] == [(0, 1), (2, 3), (4, 5)]
    assert [content for portion in found for _, content in read(portion)] == contents
    assert next(name for name, _ in read(found[1])) == f"{table}#8"


def test_a_shard_is_a_portion_of_pictures(folder: Path, tmp_path: Path) -> None:
    content = Path(listed(folder)[0]).read_bytes()
    shard = write_tar(
        tmp_path / "a-00000.tar", {"./0.png": content, "0.cls": b"1", "1.PNG": content}
    )
    (portion,) = cut_all(shard)
    assert list(read(portion)) == [(f"{shard}/0.png", content), (f"{shard}/1.PNG", content)]


def test_a_shard_that_is_cut_off_says_so_in_a_row(
    model: Path, folder: Path, tmp_path: Path
) -> None:
    content = Path(listed(folder)[0]).read_bytes()
    shard = write_tar(tmp_path / "a.tar", {f"{n}.png": content for n in range(3)})
    shard.write_bytes(shard.read_bytes()[: 2 * 512 + len(content) + 700])
    (tmp_path / "b.tar").write_bytes(b"no tar")
    rows = predict(model, [shard, tmp_path / "b.tar"]).rows
    assert [(row["path"], row["error"]) for row in rows] == [
        (f"{shard}/0.png", None),
        (str(shard), "shard: truncated"),
        (f"{tmp_path}/b.tar", "shard: truncated"),
    ]


def test_a_folder_of_nothing_but_shards_is_read_as_these(folder: Path, tmp_path: Path) -> None:
    content = Path(listed(folder)[0]).read_bytes()
    shards = tmp_path / "shards"
    shards.mkdir()
    for name in ("b.tar", "a.tar"):
        write_tar(shards / name, {"0.png": content})
    (shards / "_SUCCESS").touch()
    assert [name for name, _ in read_all(shards)] == [
        f"{shards}/a.tar/0.png",
        f"{shards}/b.tar/0.png",
    ]
    Image.new("RGB", (4, 4)).save(shards / "c.png")
    assert [name for name, _ in read_all(shards)] == [str(shards / "c.png")]


def test_files_and_shards_keep_their_order(folder: Path, tmp_path: Path) -> None:
    content = Path(listed(folder)[0]).read_bytes()
    shard = write_tar(tmp_path / "a.tar", {"0.png": content})
    first, second = listed(folder)[:2]
    assert [name for name, _ in read_all([first, shard, second])] == [
        first, f"{shard}/0.png", second
    ]  # fmt: skip


def test_the_same_rows_whatever_holds_the_pictures(
    model: Path, folder: Path, tmp_path: Path
) -> None:
    paths = listed(folder)
    contents = {Path(path).name: Path(path).read_bytes() for path in paths}
    shard = write_tar(tmp_path / "a.tar", contents)
    table = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"bytes": list(contents.values())}), table)

    def answers(images: object) -> list[Any]:
        rows = predict(model, images).rows  # type: ignore[arg-type]
        return [{**row, "path": None} for row in rows]

    expected = answers([folder / "stop" / name for name in contents])
    assert answers(shard) == answers(table) == expected


def test_a_shard_or_a_table_without_a_picture_is_an_error(
    model: Path, folder: Path, tmp_path: Path
) -> None:
    shard = write_tar(tmp_path / "a.tar", {"0.cls": b"1"})
    table = tmp_path / "a.parquet"
    empty = pyarrow.schema([("bytes", pyarrow.binary())]).empty_table()
    pyarrow.parquet.write_table(empty, table)
    assert cut_all(table) == []
    for images in (shard, table, [shard, table]):
        for out in (None, tmp_path / "rows.csv", tmp_path / "parts"):
            with pytest.raises(SignwiseError, match="`images` holds no picture"):
                predict(model, images, out=out)
    assert not (tmp_path / "rows.csv").exists()
    assert not (tmp_path / "parts" / "_SUCCESS").exists()
    picture = listed(folder)[0]
    assert len(predict(model, [shard, table, picture], out=tmp_path / "parts").rows) == 1


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    for name in ("a.csv", "a.parquet", "a.tar"):
        assert is_table(tmp_path / name)
        with pytest.raises(SignwiseError, match=rf"{name} does not exist"):
            cut_all(tmp_path / name)
    with pytest.raises(SignwiseError, match="must be paths"):
        cut_all(3)
    (tmp_path / "bad.parquet").write_bytes(b"no")
    with pytest.raises(SignwiseError, match=r"bad\.parquet can't be read"):
        cut_all(tmp_path / "bad.parquet")


def test_files_that_no_other_machine_sees_are_an_error(folder: Path, tmp_path: Path) -> None:
    (portion,) = cut_all(folder)
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(SignwiseError, match=r"is not seen by .*s3://BUCKET"):
        list(read(portion))
    (gone,) = cut_all(str(tmp_path / "gone.png"))
    ((_, path),) = read(gone)
    with pytest.raises(UnreadableImage, match="no such file"):
        read_image(path, 32)
