"""A folder or a CSV of pictures as a table: what is read of each picture, what is left out."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from signwise.data import scan as module
from signwise.data.scan import scan
from signwise.errors import SignwiseError
from signwise.files import sha256_file
from signwise.parallel import map_chunks


def picture(path: Path, seed: int) -> None:
    """Write a picture that resembles no other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    Image.fromarray(small).resize((24, 20)).save(path)


def fill(root: Path, *names: str) -> Path:
    for seed, name in enumerate(names):
        picture(root / name, seed)
    return root


def test_every_picture_is_a_row(tmp_path: Path) -> None:
    found = scan(fill(tmp_path, "stop/b.png", "stop/deep/a.png", "priority/c.jpg"))
    assert found.classes == ("priority", "stop")
    assert found.root == tmp_path.resolve()
    assert not found.split_given
    assert found.grouping == "duplicates"
    assert found.warnings == []
    table = found.table
    assert list(table.columns) == [
        "path", "label", "group", "split", "problem", "width", "height", "sha256",
    ]  # fmt: skip
    assert list(table["path"]) == ["priority/c.jpg", "stop/b.png", "stop/deep/a.png"]
    assert list(table["width"]) == [24, 24, 24]
    assert list(table["height"]) == [20, 20, 20]
    assert list(table["sha256"]) == [sha256_file(tmp_path / path) for path in table["path"]]
    assert list(found.looks.columns) == ["brightness", "contrast", "sharpness"]
    assert found.looks.gt(0).all(axis=None)


def test_a_csv_may_name_pictures_anywhere(tmp_path: Path) -> None:
    fill(tmp_path / "pictures", "1.png", "2.png")
    elsewhere = tmp_path / "4.png"
    picture(elsewhere, 9)
    source = tmp_path / "pictures" / "all.csv"
    source.write_text(
        "path,label,group,split\n"
        f"2.png,a,g1,train\n1.png,b,g2,val\n{elsewhere},a,g1,test\nnone.png,b,g2,val\n"
    )
    found = scan(source)
    table = found.table.set_index("path")
    assert found.grouping == "csv"
    assert found.split_given
    assert table["split"][str(elsewhere)] == "test"
    assert table["group"]["2.png"] == table["group"][str(elsewhere)] == "g1"
    assert table["problem"]["none.png"] == "no such file or directory"


def test_a_csv_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "all.csv").write_text("path,label\n")
    with pytest.raises(SignwiseError, match=r"all\.csv holds no pictures"):
        scan(tmp_path / "all.csv")


def test_unreadable_pictures_are_rows(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.png", "b/2.png", "loose.png")
    (tmp_path / "a" / "cut.png").write_bytes((tmp_path / "a" / "1.png").read_bytes()[:-60])
    (tmp_path / "a" / "empty.jpg").write_bytes(b"")
    (tmp_path / "a" / "text.png").write_text("no picture at all")
    (tmp_path / "b" / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    (tmp_path / "b" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    found = scan(tmp_path)
    table = found.table.set_index("path")
    assert table["problem"].to_dict() == {
        "a/1.png": "",
        "a/cut.png": "truncated",
        "a/empty.jpg": "empty file",
        "a/text.png": "not an image",
        "b/2.png": "",
        "b/gone.png": "no such file or directory",
        "b/phone.heic": "HEIC is not supported: convert to JPEG or PNG",
        "loose.png": "lies in no class folder",
    }
    assert found.classes == ("a", "b")
    assert table["width"].isna()["a/cut.png"]
    assert (table["group"] == "").equals(table["problem"] != "")


def test_names_that_no_file_can_have_are_rows(tmp_path: Path) -> None:
    fill(tmp_path, "1.png", "2.png")
    source = tmp_path / "all.csv"
    source.write_bytes(b"path,label\n1.png,a\n2.png,b\nx\0.png,a\n")
    *good, problem = scan(source).table["problem"]
    assert good == ["", ""]
    # pandas before 3 ends the name where the byte is.
    assert problem in ("no file can have this name", "no such file or directory")


def test_names_that_differ_in_case_alone_are_told(tmp_path: Path) -> None:
    fill(tmp_path, "Stop/1.png", "stop/2.png", "stop_sign/3.png", "stop sign/4.png", "go/5.png")
    warned = scan(tmp_path).warnings
    assert len(warned) == 2
    assert warned[0].startswith("the classes Stop, stop look the same but for case, blanks, - or _")
    assert warned[1].startswith("the classes stop sign, stop_sign look the same")


def test_equal_file_names_in_two_splits_are_two_groups(tmp_path: Path) -> None:
    found = scan(fill(tmp_path, "train/a/1.png", "test/a/1.png", "train/a/2.png"))
    assert list(found.table["group"]) == ["test/a/1.png", "train/a/1.png", "a/2.png"]


def test_pixel_limit_is_a_row(tmp_path: Path) -> None:
    source = fill(tmp_path, "a/1.png", "b/2.png")
    assert set(scan(source, max_pixels=480).table["problem"]) == {""}
    assert set(scan(source, max_pixels=479).table["problem"]) == {
        "480 pixels, more than the limit of 479"
    }


def test_same_bytes_under_two_labels_are_a_conflict(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.png", "b/2.png", "a/3.png")
    content = (tmp_path / "a" / "1.png").read_bytes()
    for name in ("a/again.png", "b/again.png"):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "a" / "twin.png").write_bytes((tmp_path / "a" / "3.png").read_bytes())
    (tmp_path / "a" / "text.png").write_text("neither is")
    (tmp_path / "b" / "text.png").write_text("neither is")
    problems = scan(tmp_path).table.set_index("path")["problem"].to_dict()
    other = "conflict: the same picture is labelled"
    assert problems == {
        "a/1.png": f"{other} b as b/again.png",
        "a/3.png": "",
        "a/again.png": f"{other} b as b/again.png",
        "a/text.png": "not an image",
        "a/twin.png": "",
        "b/2.png": "",
        "b/again.png": f"{other} a as a/1.png",
        "b/text.png": "not an image",
    }


def test_renaming_changes_no_group(tmp_path: Path) -> None:
    # Three pictures of four things: near duplicates of each other, though no two are the same.
    rng = np.random.default_rng(0)
    small = [Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)) for _ in range(4)]
    things = [thing.resize((80, 80), Image.Resampling.NEAREST) for thing in small]
    images = [things[number // 3].resize((60 + number, 60)) for number in range(12)]
    partitions = []
    for name, order in (("one", range(12)), ("two", range(11, -1, -1))):
        (tmp_path / name / "a").mkdir(parents=True)
        for number, index in enumerate(order):
            images[index].save(tmp_path / name / "a" / f"p{number:02}.png")
        table = scan(tmp_path / name).table
        partitions.append({frozenset(rows) for rows in table.groupby("group")["sha256"].agg(list)})
    assert partitions[0] == partitions[1]
    assert sorted(map(len, partitions[0])) == [3, 3, 3, 3]


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("three"), "a/1.png", "b/2.png", "a/3.png")


def test_exclude(three: Path, tmp_path: Path) -> None:
    listed = tmp_path / "flagged.csv"
    listed.write_text(f"path,reason\na/1.png,dark\n{three / 'b' / '2.png'},blurred\n")
    found = scan(str(three), exclude=listed)
    assert list(found.table["path"]) == ["a/3.png"]
    assert list(found.table.index) == [0]
    assert list(found.table.columns) == list(scan(three).table.columns)
    assert found.classes == ("a", "b"), "a class does not vanish by exclusion"
    assert found.skipped == {f"excluded by {listed}": 2}
    assert found.warnings == []


@pytest.mark.parametrize(
    ("content", "message"),
    [("file\nother.png\n", "flagged.csv has no column path"), ("", "is no readable CSV")],
)
def test_an_exclude_that_lists_no_paths(
    three: Path, tmp_path: Path, content: str, message: str
) -> None:
    listed = tmp_path / "flagged.csv"
    listed.write_text(content)
    with pytest.raises(SignwiseError, match=rf"`exclude` .*{message}"):
        scan(three, exclude=listed)


def test_an_excluded_path_may_go_by_a_link_and_others_are_told(three: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(three, target_is_directory=True)
    listed = tmp_path / "flagged.csv"
    names = (tmp_path / "link" / "b" / "2.png", "gone.png", "./a/../a/3.png", '""')
    listed.write_text("\n".join(["path", *map(str, names)]))
    found = scan(three, exclude=listed)
    assert list(found.table["path"]) == ["a/1.png"]
    assert found.warnings == [
        f"`exclude` {listed}: 2 of 4 rows name no picture of this source, the first is gone.png"
    ]


def test_pixels_come_in_the_same_pass(three: Path, tmp_path: Path) -> None:
    (three / "b" / "0.png").write_text("no picture: its row stays black")
    scan(three, image_size=8, pixels=tmp_path / "p.npy")
    (three / "b" / "0.png").unlink()
    array = np.load(tmp_path / "p.npy")
    for row, name in enumerate(("a/1.png", "a/3.png", None, "b/2.png")):
        expected = np.zeros((8, 8, 3), np.uint8)
        if name:
            with Image.open(three / name) as image:
                expected = np.asarray(image.resize((8, 8), Image.Resampling.BILINEAR))
        np.testing.assert_array_equal(array[row], expected)


def test_what_takes_much_memory_is_read_by_the_parent_alone(
    three: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = scan(three, image_size=8, pixels=tmp_path / "p.npy")
    monkeypatch.setattr(module, "WORKER_MEMORY", 0)
    monkeypatch.setattr("signwise.data.images.SMALL_PICTURE", 0)
    monkeypatch.setattr(module, "map_chunks", partial(map_chunks, workers=2))
    found = scan(three, image_size=8, pixels=tmp_path / "q.npy")
    pd.testing.assert_frame_equal(found.table, expected.table)
    pd.testing.assert_frame_equal(found.looks, expected.looks)
    assert (tmp_path / "q.npy").read_bytes() == (tmp_path / "p.npy").read_bytes()


@pytest.mark.parametrize("workers", [1, 2])
def test_more_pictures_than_one_chunk(
    tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows, figures and pixels stay with their pictures, however many processes read them."""
    monkeypatch.setattr(module, "map_chunks", partial(map_chunks, workers=workers))
    (tmp_path / "s" / "a").mkdir(parents=True)
    for number in range(140):
        image = Image.new("RGB", (10 + number, 4), (number, number, number))
        image.save(tmp_path / "s" / "a" / f"{number:03}.png")
    found = scan(tmp_path / "s", image_size=2, pixels=tmp_path / "p.npy")
    assert list(found.table["width"]) == list(range(10, 150))
    assert np.load(tmp_path / "p.npy")[:, 0, 0, 0].tolist() == list(range(140))
    assert np.round(found.looks["brightness"] * 255).tolist() == list(range(140))
