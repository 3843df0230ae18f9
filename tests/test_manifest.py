import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from signwise.data.scan import scan
from signwise.data.walk import walk
from signwise.errors import SignwiseError


def picture(path: Path, seed: int) -> None:
    """Write a picture that resembles no other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    Image.fromarray(small).resize((24, 24)).save(path)


def fill(root: Path, *names: str) -> Path:
    for seed, name in enumerate(names):
        picture(root / name, seed)
    return root


def test_class_folders(tmp_path: Path) -> None:
    fill(tmp_path, "stop/b.png", "stop/deep/a.png", "priority/ä.jpg", "priority/c.PNG")
    found = scan(tmp_path)
    assert found.classes == ("priority", "stop")
    assert list(found.table["path"]) == [
        "priority/c.PNG",
        "priority/ä.jpg",
        "stop/b.png",
        "stop/deep/a.png",
    ]
    assert list(found.table["label"]) == ["priority", "priority", "stop", "stop"]
    assert (found.table["problem"] == "").all()
    assert (found.table["width"] == 24).all()
    assert not found.split_given
    assert found.root == tmp_path.resolve()


def test_split_folders(tmp_path: Path) -> None:
    fill(tmp_path, "Train/a/1.png", "Train/b/2.png", "valid/a/3.png", "test/b/x/4.png")
    table = scan(tmp_path).table.set_index("path")
    assert table["split"].to_dict() == {
        "Train/a/1.png": "train",
        "Train/b/2.png": "train",
        "valid/a/3.png": "val",
        "test/b/x/4.png": "test",
    }
    assert list(table["label"]) == ["a", "b", "b", "a"]


def test_a_class_may_be_named_as_a_split(tmp_path: Path) -> None:
    found = scan(fill(tmp_path, "train/1.png", "bus/2.png"))
    assert found.classes == ("bus", "train")
    assert not found.split_given


def test_what_is_no_picture_is_counted(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.png", "b/2.png", "a/.hidden.png", "__MACOSX/a/1.png", ".git/a/3.png")
    (tmp_path / "a" / "notes.txt").write_text("x")
    (tmp_path / "README").write_text("x")
    skipped = scan(tmp_path).skipped
    assert skipped == {"hidden": 2, "__MACOSX": 1, ".txt": 1, "no suffix": 1}


def test_unreadable_pictures_are_rows(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.png", "b/2.png", "loose.png")
    (tmp_path / "a" / "cut.png").write_bytes((tmp_path / "a" / "1.png").read_bytes()[:-60])
    (tmp_path / "a" / "empty.jpg").write_bytes(b"")
    (tmp_path / "a" / "text.png").write_text("no picture at all")
    (tmp_path / "b" / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    (tmp_path / "b" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    table = scan(tmp_path).table.set_index("path")
    problems = table["problem"]
    assert problems["a/1.png"] == problems["b/2.png"] == ""
    assert problems["a/cut.png"] == "truncated"
    assert problems["a/empty.jpg"] == "empty file"
    assert problems["a/text.png"] == "not an image"
    assert problems["b/phone.heic"].startswith("HEIC is not supported")
    assert problems["b/gone.png"] == "no such file or directory"
    assert problems["loose.png"] == "lies in no class folder"
    assert table["width"].isna()["a/cut.png"]
    assert (table.loc[problems != "", "group"] == "").all()


def test_pixel_limit_is_a_row(tmp_path: Path) -> None:
    table = scan(fill(tmp_path, "a/1.png", "b/2.png"), max_pixels=500).table
    assert list(table["problem"]) == ["576 pixels, more than --max-pixels 500"] * 2


def test_same_bytes_under_two_labels_are_a_conflict(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.png", "b/2.png", "a/3.png")
    (tmp_path / "b" / "again.png").write_bytes((tmp_path / "a" / "1.png").read_bytes())
    problems = scan(tmp_path).table.set_index("path")["problem"]
    assert "labelled b as b/again.png" in problems["a/1.png"]
    assert "labelled a as a/1.png" in problems["b/again.png"]
    assert problems["a/3.png"] == problems["b/2.png"] == ""


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.png", "b/2.png")
    (tmp_path / "a" / "round").symlink_to(tmp_path)
    assert "a/1.png" in set(scan(tmp_path).table["path"])


def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    fill(tmp_path, "1.png")
    os.mkfifo(tmp_path / "2.png")
    assert [Path(path).name for path in walk(tmp_path)] == ["1.png"]


def test_csv(tmp_path: Path) -> None:
    fill(tmp_path / "pictures", "1.png", "2.png", "3.png")
    elsewhere = tmp_path / "4.png"
    picture(elsewhere, 9)
    source = tmp_path / "pictures" / "all.csv"
    source.write_text(
        "\ufeffPath,label,group,split\n"
        f"3.png,001,g1,train\n1.png,NA,g2,Validation\n{elsewhere},001,g1,test\nnone.png,NA,g2,val\n",
        encoding="utf-8",
    )
    found = scan(source)
    table = found.table.set_index("path")
    assert found.classes == ("001", "NA")
    assert found.grouping == "csv"
    assert table["split"].to_dict() == {
        "3.png": "train",
        "1.png": "val",
        str(elsewhere): "test",
        "none.png": "val",
    }
    assert table["group"]["3.png"] == table["group"][str(elsewhere)] == "g1"
    assert table["problem"]["none.png"] == "no such file or directory"
    assert list(found.table["path"]) == sorted(found.table["path"])


def test_blanks_and_commas_at_the_end_of_a_line_make_no_class(tmp_path: Path) -> None:
    fill(tmp_path, "1.png", "2.png", "3.png")
    source = tmp_path / "all.csv"
    source.write_text("path,label\n1.png,stop,\n2.png,stop ,\n3.png, priority,\n")
    found = scan(source)
    assert found.classes == ("priority", "stop")
    assert list(found.table["path"]) == ["1.png", "2.png", "3.png"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("file,label\n1.png,a\n", "no column path"),
        ("path,class\n1.png,a\n", "no column label"),
        ("path,label,split\n1.png,a,dev\n", "line 2: split 'dev'"),
        ("path,label,split\n1.png,a,train\n2.png,b,\n", "line 3 has no split"),
        ("path,label\n", "holds no pictures"),
        ("path,label\n1.png,Unknown\n", "--unknown FOLDER"),
        ("", "no readable CSV"),
        ("path;label\n1.png;a\n", "no column path: .* commas stand between"),
        ("Path,label,Label\n1.png,a,b\n", "2 columns label"),
        ("path,label\n1.png,a\n2.png,caf\udce9\n", "is not UTF-8: save it as"),
    ],
)
def test_csv_errors_name_the_file_and_the_mend(tmp_path: Path, content: str, message: str) -> None:
    source = tmp_path / "all.csv"
    source.write_text(content, errors="surrogateescape")
    with pytest.raises(SignwiseError, match=message) as caught:
        scan(source)
    assert "all.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("names", "empty", "message"),
    [
        (["a/1.png", "UNKNOWN/2.png"], None, "--unknown FOLDER"),
        (["a/1.png"], "b", "b holds no picture, a class needs at least 1"),
        (["train/a/1.png", "test/a/2.png"], "test/b", "test/b holds no picture"),
        (["train/a/1.png", "test/a/2.png", "docs/3.png"], None, "beside docs"),
        (["train/a/1.png", "val/a/2.png", "valid/a/3.png"], None, "two folders for one split"),
        (["1.png", "2.png"], None, "no class folders"),
        (["train/1.png", "test/2.png"], None, "test has no class folders"),
        ([], "nothing", "nothing holds no picture"),
    ],
)
def test_folder_errors(tmp_path: Path, names: list[str], empty: str | None, message: str) -> None:
    fill(tmp_path, *names)
    if empty:
        (tmp_path / empty).mkdir(parents=True)
    with pytest.raises(SignwiseError, match=message):
        scan(tmp_path)


def test_no_such_source(tmp_path: Path) -> None:
    with pytest.raises(SignwiseError, match="does not exist"):
        scan(tmp_path / "none")


def test_exclude(tmp_path: Path) -> None:
    fill(tmp_path / "s", "a/1.png", "b/2.png", "a/3.png")
    listed = tmp_path / "suspects.csv"
    listed.write_text(f"path,reason\na/1.png,dark\n{tmp_path / 's' / 'b' / '2.png'},blurred\n")
    found = scan(tmp_path / "s", exclude=listed)
    assert list(found.table["path"]) == ["a/3.png"]
    assert found.skipped[f"excluded by {listed}"] == 2
    listed.write_text("path\nother.png\n")
    assert "1 of 1 rows name no picture" in scan(tmp_path / "s", exclude=listed).warnings[0]
    listed.write_text("file\nother.png\n")
    with pytest.raises(SignwiseError, match=r"--exclude .* has no column path"):
        scan(tmp_path / "s", exclude=listed)


def test_what_is_listed_twice_counts_once(tmp_path: Path) -> None:
    fill(tmp_path, "1.png", "2.png")
    source = tmp_path / "all.csv"
    source.write_text("path,label\n1.png,a\n2.png,b\n./1.png,a\n1.png,a\n")
    found = scan(source)
    assert sorted(found.table["path"].map(Path)) == [Path("1.png"), Path("2.png")]
    assert found.skipped["listed twice"] == 2


def test_names_that_no_file_can_have_are_rows(tmp_path: Path) -> None:
    fill(tmp_path, "1.png", "2.png")
    source = tmp_path / "all.csv"
    source.write_bytes(b"path,label\n1.png,a\n2.png,b\nx\0.png,a\n")
    table = scan(source).table
    assert (table["problem"] != "").sum() == 1


def test_an_excluded_path_may_go_by_a_link_and_others_are_told(tmp_path: Path) -> None:
    fill(tmp_path / "s", "a/1.png", "b/2.png", "a/3.png")
    (tmp_path / "link").symlink_to(tmp_path / "s", target_is_directory=True)
    listed = tmp_path / "suspects.csv"
    listed.write_text(f"path\n{tmp_path / 'link' / 'b' / '2.png'}\ngone.png\n")
    found = scan(tmp_path / "s", exclude=listed)
    assert list(found.table["path"]) == ["a/1.png", "a/3.png"]
    (warning,) = found.warnings[-1:]
    assert "1 of 2 rows name no picture" in warning
    assert "gone.png" in warning


def test_pixels_come_in_the_same_pass(tmp_path: Path) -> None:
    fill(tmp_path / "s", "a/1.png", "b/2.png")
    scan(tmp_path / "s", image_size=8, pixels=tmp_path / "p.npy")
    array = np.load(tmp_path / "p.npy")
    expected = Image.open(tmp_path / "s/b/2.png").resize((8, 8), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(array[1], np.asarray(expected))
