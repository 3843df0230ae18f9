"""What a folder or a CSV lists, before a picture is opened."""

from pathlib import Path

import pytest

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


@pytest.mark.parametrize("name", ["val", "valid", "validation", "VAL"])
def test_validation_by_any_name(tmp_path: Path, name: str) -> None:
    found = list_source(fill(tmp_path, f"{name}/a/1.png", "train/a/2.png"))
    assert set(columns(found, "path", "split")) == {
        (f"{name}/a/1.png", "val"),
        ("train/a/2.png", "train"),
    }


@pytest.mark.parametrize(
    "names", [("train/1.png", "bus/2.png"), ("test/1.png", "val/2.png"), ("train/1.png",)]
)
def test_a_class_may_be_named_as_a_split(tmp_path: Path, names: tuple[str, ...]) -> None:
    found = list_source(fill(tmp_path, *names))
    assert set(columns(found, "label")) == {(name.split("/")[0],) for name in names}
    assert set(columns(found, "split")) == {("",)}


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
        (["a/1.png", " unknown /2.png"], None, "no class can be named  unknown "),
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
            "path,label,split\n1.png,a,train\n2.png,a,dev\n3.png,a,x\n",
            "line 3: split 'dev' is none of",
        ),
        (
            "path,label,split\n1.png,a,val\n2.png,b,\n3.png,b,\n",
            "line 3 has no split, though",
        ),
        ("path,label\n1.png,Unknown\n", "train --unknown FOLDER"),
        ("", "no readable CSV"),
        ("path;label\n1.png;a\n", "no column path: .* commas stand between"),
        ("Path,label,Label\n1.png,a,b\n", "has 2 columns label"),
        ("path,label\n1.png,a\n2.png,caf\udce9\n", "is not UTF-8: save it as"),
    ],
)
def test_csv_errors_name_the_file_and_the_mend(tmp_path: Path, content: str, message: str) -> None:
    source = tmp_path / "all.csv"
    source.write_text(content, errors="surrogateescape")
    with pytest.raises(SignwiseError, match=rf"all\.csv.* {message}") as caught:
        list_source(source)
    assert "\n" not in str(caught.value)
