"""What a folder or a CSV lists, before a picture is opened."""

import os
import re
import shutil
from pathlib import Path

import pytest

from signwise.data.class_folders import inner_folder
from signwise.data.sources import Listing, list_source
from signwise.errors import SignwiseError


def fill(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def columns(found: Listing, *names: str) -> list[tuple[str, ...]]:
    return [tuple(row) for row in found.table[list(names)].itertuples(index=False)]


def listed(tmp_path: Path, content: str) -> Listing:
    source = tmp_path / "all.csv"
    source.write_text(content, encoding="utf-8")
    return list_source(source)


def test_class_folders(tmp_path: Path) -> None:
    fill(tmp_path, "stop/b.png", "stop/deep/a.png", "priority/ä.jpg", "priority/c.PNG")
    found = list_source(tmp_path)
    assert columns(found, "path", "label", "within") == [
        ("priority/c.PNG", "priority", "c.PNG"),
        ("priority/ä.jpg", "priority", "ä.jpg"),
        ("stop/b.png", "stop", "b.png"),
        ("stop/deep/a.png", "stop", "deep/a.png"),
    ]
    assert set(columns(found, "group", "split", "problem")) == {("", "", "")}
    assert found.root == tmp_path.resolve()
    assert found.skipped == {}


def test_other_columns_of_a_csv_may_share_a_name(tmp_path: Path) -> None:
    found = listed(tmp_path, "path,label,Note,note, NOTE\n1.png,a,x,y,z\n2.png,b,x,y,z\n")
    assert columns(found, "path", "label") == [("1.png", "a"), ("2.png", "b")]


def test_the_root_is_where_a_link_leads(tmp_path: Path) -> None:
    fill(tmp_path / "real", "a/1.png", "all.csv")
    (tmp_path / "real" / "all.csv").write_text("path,label\na/1.png,a\n")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for source in (tmp_path / "link", tmp_path / "link" / "all.csv"):
        assert list_source(source).root == (tmp_path / "real").resolve()


def test_split_folders(tmp_path: Path) -> None:
    fill(tmp_path, "Train/a/1.png", "Train/b/2.png", "valid/a/3.png", "test/b/x/4.png")
    assert columns(list_source(tmp_path), "path", "label", "split", "within") == [
        ("Train/a/1.png", "a", "train", "1.png"),
        ("Train/b/2.png", "b", "train", "2.png"),
        ("test/b/x/4.png", "b", "test", "x/4.png"),
        ("valid/a/3.png", "a", "val", "3.png"),
    ]


@pytest.mark.parametrize(
    ("training", "testing"),
    [
        ("Training", "Testing"),
        ("TRAIN", "Test"),
        ("train_set", "test_set"),
        ("training-data", "test data"),
        ("train_images", "testImages"),
    ],
)
def test_splits_by_the_usual_words(tmp_path: Path, training: str, testing: str) -> None:
    found = list_source(fill(tmp_path, f"{training}/a/1.png", f"{testing}/a/2.png"))
    assert set(columns(found, "path", "label", "split")) == {
        (f"{training}/a/1.png", "a", "train"),
        (f"{testing}/a/2.png", "a", "test"),
    }


@pytest.mark.parametrize(
    "name", ["val", "valid", "validation", "VAL", "dev", "Dev Set", "Validate"]
)
def test_validation_by_any_name(tmp_path: Path, name: str) -> None:
    found = list_source(fill(tmp_path, f"{name}/a/1.png", "train/a/2.png"))
    assert set(columns(found, "path", "split")) == {
        (f"{name}/a/1.png", "val"),
        ("train/a/2.png", "train"),
    }


@pytest.mark.parametrize(
    "names",
    [
        ("train/1.png", "bus/2.png"),
        ("test/1.png", "val/2.png"),
        ("train/1.png",),
        ("train/x/1.png", "bus/2.png", "tram/y/3.png"),
    ],
)
def test_a_class_may_be_named_as_a_split(tmp_path: Path, names: tuple[str, ...]) -> None:
    found = list_source(fill(tmp_path, *names))
    assert set(columns(found, "label")) == {(name.split("/")[0],) for name in names}
    assert set(columns(found, "split")) == {("",)}


@pytest.mark.parametrize("name", ["test", "Train", "dev"])
def test_one_split_alone(tmp_path: Path, name: str) -> None:
    found = list_source(fill(tmp_path, f"{name}/a/1.png", f"{name}/b/2.png"))
    assert columns(found, "label", "split") == [
        (label, {"test": "test", "Train": "train", "dev": "val"}[name]) for label in "ab"
    ]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["seg_train/a/1.png", "seg_train/b/2.png", "seg_test/a/3.png", "seg_test/b/4.png"],
            "seg_test, seg_train of .* hold the same folders a, b: if they are splits, name them "
            "train, val and test",
        ),
        (
            ["stop/train/1.png", "stop/test/2.png", "go/train/3.png", "go/test/4.png"],
            "go, stop of .* hold the same folders test, train: if these are splits, put the "
            r"classes into them \(test/go\)",
        ),
        (
            ["north/stop/1.png", "north/go/2.png", "south/stop/3.png", "south/go/4.png"],
            "north, south of .* hold the same folders go, stop: if go is a class, give .*/north, "
            "or a CSV with path and label; if north is, say with `group`",
        ),
        (
            ["train/train/a/1.png", "train/train/b/2.png", "test/a/3.png"],
            "train holds nothing but a folder, .*: move what is in .*train/train up into",
        ),
    ],
)
def test_folders_that_are_likely_meant_otherwise_are_refused(
    tmp_path: Path, names: list[str], message: str
) -> None:
    with pytest.raises(SignwiseError, match=message):
        list_source(fill(tmp_path, *names))


def test_folders_in_a_class_are_its_own_where_classes_are_known(tmp_path: Path) -> None:
    fill(tmp_path, "stop/day/1.png", "stop/night/2.png", "go/day/3.png", "go/night/4.png")
    for classes in ((), ("go", "stop", "yield")):
        found = list_source(tmp_path, classes=classes)
        assert set(columns(found, "label")) == {("go",), ("stop",)}
    with pytest.raises(SignwiseError, match="hold the same folders"):
        list_source(tmp_path, classes=("day", "night"))
    fill(tmp_path, "stop/loose.png")  # no longer folders alone
    assert set(columns(list_source(tmp_path), "label")) == {("go",), ("stop",)}


def test_a_wrapper_is_seen_through(tmp_path: Path) -> None:
    fill(tmp_path, "data/archive/red/1.png", "data/archive/blue/2.png", "data/readme.txt")
    assert inner_folder(tmp_path / "data") == tmp_path / "data" / "archive"
    assert inner_folder(tmp_path) == tmp_path / "data" / "archive"
    assert inner_folder(tmp_path / "data" / "archive") is None
    fill(tmp_path, "data/loose.png")
    assert inner_folder(tmp_path) is None


@pytest.mark.parametrize(
    "leftover",
    [
        "@eaDir", "@EADIR", "#recycle", "@Recycle", "$RECYCLE.BIN", "System Volume Information",
        "lost+found", "found.000", "__MACOSX", "__pycache__", "Network Trash Folder", "_vti_cnf",
        "PaxHeaders.0",
    ],
)  # fmt: skip
def test_what_systems_leave_is_no_class_and_no_picture(tmp_path: Path, leftover: str) -> None:
    fill(tmp_path, "a/1.png", f"a/{leftover}/1.png/thumb.jpg", f"{leftover}/2.png", "b/3.png")
    found = list_source(tmp_path)
    assert columns(found, "path") == [("a/1.png",), ("b/3.png",)]
    assert found.skipped == {leftover: 2}


def test_an_empty_class_says_what_was_skipped(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.png", "b/one", "b/two", "b/notes.txt")
    with pytest.raises(
        SignwiseError, match=r"b holds no picture \(skipped: 2 no suffix, 1 .txt\)"
    ) as e:
        list_source(tmp_path)
    assert str(e.value).endswith(
        "give the files the suffix of their format, as .jpg, or name them in a CSV"
    )


def test_names_that_look_the_same_are_one_class(tmp_path: Path) -> None:
    fill(tmp_path, "vorf\u00e4hrt/1.png", "vorfa\u0308hrt/2.png", "red/3.png", "red /4.png")
    fill(tmp_path, "\u00a0red/5.png")
    assert set(columns(list_source(tmp_path), "label")) == {("vorf\u00e4hrt",), ("red",)}
    found = listed(tmp_path, "path,label\n1.png,vorf\u00e4hrt\n2.png,vorfa\u0308hrt\n3.png,red\t\n")
    assert set(columns(found, "label")) == {("vorf\u00e4hrt",), ("red",)}


def test_paths_of_another_system_are_found(tmp_path: Path) -> None:
    fill(tmp_path, "b/1.png", "b/a\u0308.png", "\u00e4/2.png")
    found = listed(
        tmp_path,
        "path,label\nb\\1.png,a\nb\\\u00e4.png,a\na\u0308/2.png,b\nC:\\x\\3.png,b\n",
    )
    assert [path for (path,) in columns(found, "path") if (tmp_path / path).exists()] == [
        path for (path,) in columns(found, "path") if not path.startswith("C:")
    ]
    assert len(found.table) == 4
    if os.sep == "/":
        fill(tmp_path, "c\\4.png")  # a name may hold one here
        assert columns(listed(tmp_path, "path,label\nc\\4.png,a\n"), "path") == [("c\\4.png",)]


def test_an_archive_or_a_spreadsheet_is_named_in_one_line(tmp_path: Path) -> None:
    fill(tmp_path / "in", "a/1.png")
    for kind in ("zip", "tar", "gztar"):
        source = Path(shutil.make_archive(str(tmp_path / "all"), kind, tmp_path / "in"))
        told = rf"^{re.escape(str(source))} is an archive: unpack it"
        with pytest.raises(SignwiseError, match=told):
            list_source(source)
    (tmp_path / "all.xlsx").write_bytes(b"PK\x03\x04")
    with pytest.raises(SignwiseError, match="is a spreadsheet: save it as CSV UTF-8"):
        list_source(tmp_path / "all.xlsx")


def test_pictures_outside_a_class_folder_are_problems(tmp_path: Path) -> None:
    loose = "lies in no class folder"
    found = list_source(fill(tmp_path / "one", "a/1.png", "loose.png"))
    assert columns(found, "path", "label", "problem") == [
        ("a/1.png", "a", ""),
        ("loose.png", "", loose),
    ]
    found = list_source(
        fill(tmp_path / "two", "train/a/1.png", "test/a/2.png", "test/3.png", "4.png")
    )
    assert columns(found, "path", "label", "split", "problem") == [
        ("4.png", "", "", loose),
        ("test/3.png", "", "test", loose),
        ("test/a/2.png", "a", "test", ""),
        ("train/a/1.png", "a", "train", ""),
    ]


def test_what_is_no_picture_is_counted(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.png", "b/2.png", "a/.hidden.png", "__MACOSX/a/1.png", ".git/a/3.png")
    fill(tmp_path, "a/notes.txt", "README")
    found = list_source(tmp_path)
    assert found.skipped == {"hidden": 2, "__MACOSX": 1, ".txt": 1, "no suffix": 1}
    assert columns(found, "path") == [("a/1.png",), ("b/2.png",)]


@pytest.mark.parametrize(
    ("names", "empty", "message"),
    [
        (["a/1.png", "UNKNOWN/2.png"], None, "no class can be named UNKNOWN: .* train --unknown"),
        (["a/1.png", " unknown /2.png"], None, "no class can be named unknown: "),
        (["a/1.png", "b\n/2.png"], None, r"a class is named 'b\\n', which has letters that"),
        (["a/1.png"], "b", "b holds no picture, a class needs at least 1"),
        (["a/1.png", "b/notes.txt"], None, "b holds no picture"),
        (["train/a/1.png", "test/a/2.png"], "test/b", "test/b holds no picture"),
        (["train/a/1.png", "test/a/2.png", "zoo/3.png"], None, "beside zoo: move zoo into"),
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
        list_source(tmp_path)


def test_no_such_source(tmp_path: Path) -> None:
    with pytest.raises(SignwiseError, match="none does not exist"):
        list_source(tmp_path / "none")


def test_csv(tmp_path: Path) -> None:
    found = listed(
        tmp_path,
        "\ufeffPath,label,group,split\n"
        "3.png,001,g1,train\n1.png,NA,g2,Validation\n/else/4.png,001,g1, TEST\n",
    )
    assert columns(found, "path", "label", "group", "split") == [
        ("/else/4.png", "001", "g1", "test"),
        ("1.png", "NA", "g2", "val"),
        ("3.png", "001", "g1", "train"),
    ]
    assert list(found.table.index) == [0, 1, 2]
    assert list(found.table.columns) == ["path", "label", "group", "split", "problem", "within"]
    assert list(found.table["within"]) == list(found.table["path"])
    assert set(found.table["problem"]) == {""}
    assert found.root == tmp_path.resolve()


def test_a_csv_needs_no_more_than_path_and_label(tmp_path: Path) -> None:
    found = listed(tmp_path, "label,path,notes\na,1.png,x\n,2.png,y\n")
    assert columns(found, "path", "label", "group", "split", "problem") == [
        ("1.png", "a", "", "", ""),
        ("2.png", "", "", "", "no label"),
    ]


def test_blanks_and_commas_at_the_end_of_a_line_make_no_class_and_no_group(tmp_path: Path) -> None:
    lines = ("1.png,stop,g,", "2.png,stop ,g ,", ' 3.png , "priority, old", g ,')
    found = listed(tmp_path, "\n".join(["path,label,group", *lines]))
    assert columns(found, "path", "label", "group") == [
        ("1.png", "stop", "g"),
        ("2.png", "stop", "g"),
        ("3.png", "priority, old", "g"),
    ]


def test_the_order_of_the_lines_changes_nothing(tmp_path: Path) -> None:
    lines = ["b.png,b", "a.png,b", "a.png,a", "c.png,a"]
    found = [
        columns(listed(tmp_path, "\n".join(["path,label", *order])), "path", "label")
        for order in (lines, lines[::-1])
    ]
    assert found[0] == found[1] == [("a.png", "a"), ("a.png", "b"), ("b.png", "b"), ("c.png", "a")]


def test_what_is_listed_twice_counts_once(tmp_path: Path) -> None:
    found = listed(tmp_path, "path,label\n1.png,a\n2.png,b\n./1.png,a\n1.png,a\nx/../2.png,a\n")
    assert [(Path(path), label) for path, label in columns(found, "path", "label")] == [
        (Path("1.png"), "a"),
        (Path("2.png"), "b"),
        (Path("x/../2.png"), "a"),
    ]
    assert found.skipped == {"listed twice": 2}
    assert list(found.table.index) == [0, 1, 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("file,label\n1.png,a\n", "has no column path"),
        ("path,class\n1.png,a\n", "has no column label"),
        (
            "path,label,split\n1.png,a,train\n2.png,a,held out\n3.png,a,x\n",
            "line 3: split 'held out' is none of",
        ),
        (
            "path,label,split\n1.png,a,val\n2.png,b,\n3.png,b,\n",
            "line 3 has no split, though",
        ),
        ("path,label\n1.png,Unknown\n", "train --unknown FOLDER"),
        ("", "no readable CSV"),
        ("path;label\n1.png;a\n", "no column path: .* commas stand between"),
        ("Path,label,Label\n1.png,a,b\n", "has 2 columns label"),
        ("path,label,split,Group,Split\n1.png,a,,g,\n", "has 2 columns split"),
        ("path,label\n1.png,a\n2.png,a,b,c\n", "is no readable CSV .*Expected 2 fields"),
        ("path,label\n1.png,a\n2.png,caf\udce9\n", "is not UTF-8: save it as"),
    ],
)
def test_csv_errors_name_the_file_and_the_mend(tmp_path: Path, content: str, message: str) -> None:
    source = tmp_path / "all.csv"
    source.write_text(content, errors="surrogateescape")
    with pytest.raises(SignwiseError, match=rf"all\.csv.* {message}") as caught:
        list_source(source)
    assert "\n" not in str(caught.value)
