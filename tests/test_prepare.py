"""SOURCE -> DATA: what is written, kept and refused, whatever the pictures are called."""

import errno
import json
import os
import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from signwise.config import PrepareConfig
from signwise.data import quality
from signwise.data.images import decoded
from signwise.data.manifest import COLUMNS, SPLITS, load_data
from signwise.data.pixels import load_pixels
from signwise.data.prepare import PrepareResult, prepare
from signwise.errors import SignwiseError
from signwise.files import sha256_file
from toy import toy_folder

GROUPS, FRAMES = 4, 3
COUNT = 2 * GROUPS * FRAMES
"""Pictures of both classes."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Read it only: tests share it."""
    root = tmp_path_factory.mktemp("prepare") / "source"
    return toy_folder(root, per_class=GROUPS * FRAMES, frames=FRAMES, size=24)


@pytest.fixture
def own(source: Path, tmp_path: Path) -> Path:
    """The same pictures, for a test to change."""
    shutil.copytree(source, tmp_path / "own")
    return tmp_path / "own"


@pytest.fixture(scope="module")
def done(source: Path, tmp_path_factory: pytest.TempPathFactory) -> PrepareResult:
    """Prepared once, with everything; read it only."""
    return prepare(source, tmp_path_factory.mktemp("prepare") / "data", seed=3, copy=True)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unlike each other, and of names that tell no sign."""
    root = tmp_path_factory.mktemp("photos") / "source"
    rng = np.random.default_rng(0)
    for label in ("priority", "stop"):
        (root / label).mkdir(parents=True)
        for number in range(4):
            array = rng.integers(0, 256, (8, 8, 3), np.uint8)
            Image.fromarray(array).resize((24, 24)).save(root / label / f"photo{number}.png")
    return root


def tree(folder: Path) -> dict[str, str]:
    """The hash of each file under the folder."""
    return {
        str(path.relative_to(folder)): sha256_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_what_it_writes(done: PrepareResult, source: Path) -> None:
    flagged = pd.read_csv(Path(done.out) / "flagged.csv")
    assert done.counts == {
        "train": 12, "val": 6, "test": 6, "problems": 0, "skipped": 0,
        "flagged": flagged["path"].nunique(), "groups": 2 * GROUPS,
    }  # fmt: skip
    assert done.grouping == "track"
    assert done.classes == ("priority", "stop")
    assert done.class_counts == {
        split: {"priority": n, "stop": n} for split, n in (("train", 6), ("val", 3), ("test", 3))
    }
    assert done.group_counts == {
        split: {"priority": n, "stop": n} for split, n in (("train", 2), ("val", 1), ("test", 1))
    }
    assert done.worth.replace("\N{NO-BREAK SPACE}", " ") == (
        "The test set shows 2 signs: even without a mistake, the accuracy on new signs is only"
        " known to be 34.2 to 100 % (95 % interval)."
    )
    (few,) = done.warnings
    assert few.replace("\N{NO-BREAK SPACE}", " ") == (
        "the test set shows 1 sign of priority, stop each: even if all its pictures are right, the"
        " recall is only known to be 20.7 to 100 % (95 % interval): photograph more signs"
    )
    assert (done.problems, done.skipped) == ([], {})
    names = ("manifest.csv", "data.json", "pixels-32.npy", "report.html", "flagged.csv")
    assert done.written == [Path(done.out) / name for name in (*names, *SPLITS)]
    assert {path.name for path in Path(done.out).iterdir()} == {".signwise", *names, *SPLITS}
    table = pd.read_csv(Path(done.out) / "manifest.csv", keep_default_na=False)
    assert tuple(table.columns) == COLUMNS
    facts = json.loads((Path(done.out) / "data.json").read_text())
    assert facts["source"] == str(source)
    assert facts["root"] == str(source.resolve())
    assert facts["classes"] == ["priority", "stop"]
    assert facts["counts"] == done.class_counts
    assert facts["groups"] == {"priority": GROUPS, "stop": GROUPS}
    assert facts["leaks"] == {"groups": 0, "pictures": 0}
    assert (facts["grouping"], facts["split_given"], facts["seed"]) == ("track", False, 3)
    assert (facts["problems"], facts["skipped"], facts["warnings"]) == (0, {}, done.warnings)
    assert PrepareConfig.from_json(facts["settings"]) == PrepareConfig(seed=3, copy=True)
    assert facts["manifest_sha256"] == sha256_file(Path(done.out) / "manifest.csv")


def test_it_prints_nothing(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(source, tmp_path / "data")
    assert capsys.readouterr().out == ""


def test_it_reads_back(own: Path, tmp_path: Path) -> None:
    (own / "stop" / "00000_00009.png").write_bytes(b"")
    (own / "stop" / "notes.txt").touch()
    result = prepare(own, tmp_path / "data")
    assert result.problems == [{"path": "stop/00000_00009.png", "problem": "empty file"}]
    assert (result.counts["problems"], result.counts["skipped"]) == (1, 1)
    assert result.skipped == {".txt": 1}
    data = load_data(tmp_path / "data")
    assert data.classes == ("priority", "stop")
    assert list(data.table.index) == list(range(COUNT))
    assert set(data.table["split"]) == {"train", "val", "test"}
    assert data.table.groupby("group")["split"].nunique().max() == 1
    assert data.problems == result.problems
    assert data.root == own.resolve()
    # The cache has no row for what can't be used.
    pixels = np.load(tmp_path / "data" / "pixels-32.npy")
    np.testing.assert_array_equal(pixels, load_pixels(data, 32))
    assert pixels.any(axis=(1, 2, 3)).all()


def test_names_and_labels_that_look_like_something_else(tmp_path: Path) -> None:
    names = ("NA", "001", 'ü, "x"')
    toy_folder(tmp_path / "source", names, per_class=3, frames=1, size=16)
    prepare(tmp_path / "source", tmp_path / "data")
    data = load_data(tmp_path / "data")
    assert data.classes == tuple(sorted(names))
    assert set(data.table["label"]) == set(names)
    assert all((data.root / path).is_file() for path in data.table["path"])


def test_the_same_seed_gives_the_same_files(
    done: PrepareResult, source: Path, tmp_path: Path
) -> None:
    prepare(source, tmp_path / "again", seed=3, copy=True)
    assert tree(tmp_path / "again") == tree(Path(done.out))
    prepare(source, tmp_path / "other", seed=4)
    manifests = [
        (path / "manifest.csv").read_bytes() for path in (Path(done.out), tmp_path / "other")
    ]
    assert manifests[0] != manifests[1]


def test_it_replaces_its_own_and_nothing_else(own: Path, tmp_path: Path) -> None:
    prepare(own, tmp_path / "data", image_size=8, copy=True)
    (own / "stop").rename(own / "yield")
    prepare(own, tmp_path / "data", image_size=16)
    assert load_data(tmp_path / "data").classes == ("priority", "yield")
    assert [path.name for path in (tmp_path / "data").glob("*.npy")] == ["pixels-16.npy"]
    assert not any((tmp_path / "data" / split).exists() for split in SPLITS)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(SignwiseError, match="mine holds files that signwise did not write"):
        prepare(own, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_source_and_out_lie_apart(own: Path) -> None:
    for out in (own, own / "data"):
        with pytest.raises(SignwiseError, match=f"`out` {out} lies in {own}: give a folder else"):
            prepare(own, out)
    with pytest.raises(SignwiseError, match=f"{own} lies in `out` {own.parent}: give a folder"):
        prepare(own, own.parent)
    assert not (own / "data").exists()
    # A listing may lie where the data go.
    data = own.parent / "data"
    prepare(own, data)
    (own.parent / "data" / "all.csv").write_text(
        "\n".join(["path,label", *(f"{path},{path.parent.name}" for path in own.glob("*/*"))])
    )
    assert prepare(data / "all.csv", data).counts["train"] == 12


@pytest.mark.parametrize(
    ("classes", "groups", "message"),
    [
        (("stop",), 3, r"one class only \(stop\), at least 2 are needed"),
        (("priority", "stop"), 2, r"source/priority has 2 group.* at least 3 needed"),
    ],
)
def test_too_little_to_split(
    tmp_path: Path, classes: tuple[str, ...], groups: int, message: str
) -> None:
    toy_folder(tmp_path / "source", classes, per_class=groups, frames=1, size=16)
    with pytest.raises(SignwiseError, match=message):
        prepare(tmp_path / "source", tmp_path / "data")
    assert not (tmp_path / "data").exists()
    if len(classes) > 1:  # enough for two splits
        assert prepare(tmp_path / "source", tmp_path / "data", split=(0.5, 0.5, 0.0)).counts["val"]


def test_problems_alone_are_no_class(tmp_path: Path) -> None:
    toy_folder(tmp_path / "source", per_class=3, frames=1, size=16)
    for path in (tmp_path / "source").glob("*/*"):
        path.write_bytes(b"")
    with pytest.raises(SignwiseError, match="priority has 0 group"):
        prepare(tmp_path / "source", tmp_path / "data")


def test_a_failed_run_leaves_the_last_data_whole(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    prepare(source, out, copy=True)
    before = tree(out)
    with pytest.raises(SignwiseError, match="`group`"):
        prepare(source, out, group="(")
    listing = tmp_path / "pictures.csv"
    rows = [f"{path},{path.parent.name}" for path in source.glob("*/*")]
    listing.write_text("\n".join(["path,label", *rows]).replace(",stop", ",a/b"))
    with pytest.raises(SignwiseError, match="`copy`: class 'a/b' can't be a folder's name"):
        prepare(listing, out, copy=True)
    assert tree(out) == before
    assert prepare(listing, out).classes == ("a/b", "priority")


def test_a_given_split_is_kept_and_its_leaks_are_told(source: Path, tmp_path: Path) -> None:
    # Of each track, the frames go to three splits.
    rows = [
        (path, path.parent.name, SPLITS[int(path.stem[-1])])
        for path in sorted(source.rglob("*.png"))
    ]
    listing = tmp_path / "all.csv"
    pd.DataFrame(rows, columns=["path", "label", "split"]).to_csv(listing, index=False)
    result = prepare(listing, tmp_path / "data")
    assert result.counts["train"] == result.counts["val"] == result.counts["test"] == COUNT // 3
    assert result.warnings == [
        f"leak: 8 groups with {COUNT} pictures lie in more than one split of "
        "all.csv, so test figures will be too good"
    ]
    facts = json.loads((tmp_path / "data" / "data.json").read_text())
    assert facts["leaks"] == {"groups": 8, "pictures": COUNT}
    assert facts["split_given"]
    asked = prepare(listing, tmp_path / "data", split=(0.5, 0.25, 0.25))
    assert asked.counts == result.counts
    assert asked.warnings[0].startswith("`split` has no effect")


def test_a_given_split_without_training_pictures_of_a_class(tmp_path: Path) -> None:
    toy_folder(tmp_path / "source" / "train", ("a",), per_class=6, size=16)
    toy_folder(tmp_path / "source" / "test", ("a", "b"), per_class=3, size=16, seed=1)
    with pytest.raises(SignwiseError, match=r"source: b has 0 group\(s\) of .* in train, of which"):
        prepare(tmp_path / "source", tmp_path / "data")
    toy_folder(tmp_path / "source" / "val", ("a",), per_class=3, size=16, seed=2)
    with pytest.raises(SignwiseError, match=r"source: b has 0 usable picture\(s\) in train"):
        prepare(tmp_path / "source", tmp_path / "data")


def test_a_missing_val_is_taken_from_train_by_groups(tmp_path: Path) -> None:
    toy_folder(tmp_path / "source" / "Training", ("a", "b"), per_class=30, size=16)
    toy_folder(tmp_path / "source" / "Testing", ("a", "b"), per_class=9, size=16, seed=1)
    for path in (tmp_path / "source" / "Testing").glob("*/*"):  # of other tracks
        path.rename(path.with_name("1" + path.name[1:]))
    result = prepare(tmp_path / "source", tmp_path / "data")
    assert result.counts["train"] + result.counts["val"] == 60
    assert result.counts["val"] == 12
    assert result.counts["test"] == 18
    assert result.warnings[0] == (
        "the source has no validation pictures: 12 of 60 of its train are taken for it, by groups"
    )
    table = load_data(tmp_path / "data").table
    assert not set(table["group"][table["split"] == "val"]) & set(
        table["group"][table["split"] == "train"]
    )
    assert set(table["label"][table["split"] == "val"]) == {"a", "b"}
    more = prepare(tmp_path / "source", tmp_path / "data", split=(0.5, 0.5, 0))
    assert more.counts["val"] == 30
    none = prepare(tmp_path / "source", tmp_path / "data", split=(1, 0, 0))
    assert none.counts["val"] == 0
    assert "no pictures in val" in none.warnings


@pytest.mark.parametrize("splits", [("test",), ("val", "test")])
def test_a_source_with_nothing_to_train_on_says_what_to_do(
    source: Path, tmp_path: Path, splits: tuple[str, ...]
) -> None:
    paths = sorted(source.rglob("*.png"))
    rows = [
        f"{path},{path.parent.name},{splits[number % len(splits)]}"
        for number, path in enumerate(paths)
    ]
    listing = tmp_path / "t.csv"
    listing.write_text("\n".join(["path,label,split", *rows]))
    with pytest.raises(
        SignwiseError,
        match=rf"all {COUNT} pictures of .*t\.csv are in {' and '.join(sorted(splits))}, and none "
        r"is left to train on: measure a model on them with signwise evaluate MODEL "
        r"--data .*t\.csv, or leave out what",
    ):
        prepare(listing, tmp_path / "data")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda name: name.replace(".png", ""), r"no such .*; there is .*\.png: write names with"),
        (lambda name: name.split("/")[1], "no such .*; paths are relative to "),
        (lambda name: f"C:\\pictures\\{name}", "no such .*; paths are relative to "),
    ],
)
def test_why_no_picture_can_be_used_is_told(
    source: Path, tmp_path: Path, change: Callable[[str], str], reason: str
) -> None:
    names = [path.relative_to(source).as_posix() for path in sorted(source.rglob("*.png"))]
    listing = source / "all.csv"
    listing.write_text("\n".join(["path,label", *(f"{change(n)},{n[:4]}" for n in names)]))
    try:
        with pytest.raises(
            SignwiseError, match=f"{COUNT // 2} can't be used, the first is .* \\({reason}"
        ):
            prepare(listing, tmp_path / "data")
    finally:
        listing.unlink()


def test_a_wrapper_is_named(source: Path, tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    shutil.copytree(source, tmp_path / "s" / "archive")
    with pytest.raises(SignwiseError, match=r"one class only .*; did you mean .*s/archive\?"):
        prepare(tmp_path / "s", tmp_path / "data")


def test_what_a_given_split_lacks_is_told(tmp_path: Path) -> None:
    toy_folder(tmp_path / "source" / "train", ("a", "b"), per_class=3, size=16)
    toy_folder(tmp_path / "source" / "val", ("a",), per_class=3, size=16, seed=2)
    toy_folder(tmp_path / "source" / "test", ("b",), per_class=3, size=16, seed=1)
    result = prepare(tmp_path / "source", tmp_path / "data")
    assert result.warnings[-3:-1] == ["no picture of b in val", "no picture of a in test"]


def test_shares_of_none(source: Path, tmp_path: Path) -> None:
    result = prepare(source, tmp_path / "data", split=(0.75, 0.25, 0.0))
    assert (result.counts["train"], result.counts["val"], result.counts["test"]) == (18, 6, 0)
    assert result.warnings == ["no pictures in test"]


def test_without_tracks_it_says_that_signs_are_not_known(photos: Path, tmp_path: Path) -> None:
    result = prepare(photos, tmp_path / "data")
    assert result.grouping == "duplicates"
    assert result.counts["groups"] == 8
    unknown, few = result.warnings
    assert unknown.startswith("physical signs are not known for all pictures")
    assert few.startswith("the test set shows 1 group of look-alike pictures of priority, stop")
    assert result.worth == ""


def test_a_carriage_return_in_a_name_breaks_no_row(own: Path, tmp_path: Path) -> None:
    odd = "stop/a\rb_00001_00007.png"
    (own / "stop" / "00000_00000.png").rename(own / odd)
    data = load_data(prepare(own, tmp_path / "data").out)
    assert len(data.table) == len(load_pixels(data, 32)) == COUNT
    assert (data.table["path"] == odd).sum() == 1


def test_copy_writes_the_split_as_folders(done: PrepareResult, source: Path) -> None:
    table = load_data(done.out).table
    copied = sorted(path.relative_to(Path(done.out)) for path in Path(done.out).rglob("*.png"))
    assert copied == sorted(
        Path(split) / path for split, path in zip(table["split"], table["path"], strict=True)
    )
    for split, path in zip(table["split"], table["path"], strict=True):
        assert (done.out / split / path).read_bytes() == (source / path).read_bytes()


def test_copies_of_one_name_stand_side_by_side(source: Path, tmp_path: Path) -> None:
    (tmp_path / "two").symlink_to(source)
    paths = [*source.glob("*/*"), *(tmp_path / "two").glob("*/*")]
    rows = [f"{path},{path.parent.name}" for path in paths]
    (tmp_path / "all.csv").write_text("\n".join(["path,label", *rows]) + "\n")
    result = prepare(tmp_path / "all.csv", tmp_path / "data", copy=True)
    copies = [p for split in SPLITS for p in (tmp_path / "data" / split).rglob("*.png")]
    assert len(copies) == len(rows) == 2 * COUNT == sum(result.counts[split] for split in SPLITS)
    assert {"00000_00000.png", "00000_00000-2.png"} <= {path.name for path in copies}


@pytest.mark.parametrize("label", ["a/b", "..", ".hidden"])
def test_a_class_that_can_be_no_folder_is_not_copied(
    source: Path, tmp_path: Path, label: str
) -> None:
    rows = [f"{path},{path.parent.name}" for path in source.glob("*/*")]
    listing = tmp_path / "all.csv"
    listing.write_text("\n".join(["path,label", *rows]).replace(",stop", f",{label}"))
    with pytest.raises(SignwiseError, match="can't be a folder's name: rename it, or leave"):
        prepare(listing, tmp_path / "data", copy=True)
    assert not (tmp_path / "data").exists()


def test_exclusion_survives_its_own_output(own: Path, tmp_path: Path) -> None:
    shutil.copy(own / "stop" / "00000_00000.png", own / "stop" / "00000_00008.png")
    out = tmp_path / "data"
    prepare(own, out)
    (out / "flagged.csv").write_text("path,why\nstop/00000_00008.png,copy\n")
    for exclude in (out / "flagged.csv", str(out / "flagged.csv")):
        result = prepare(own, out, exclude=exclude)
        assert sum(result.counts[split] for split in SPLITS) == COUNT
        assert result.counts["skipped"] == 1
        assert "stop/00000_00008.png" in (out / "flagged.csv").read_text()
    # Another list is the user's own file: flagged.csv is prepare's.
    shutil.copy(out / "flagged.csv", tmp_path / "list.csv")
    prepare(own, out, exclude=tmp_path / "list.csv")
    assert (out / "flagged.csv").read_text().startswith("path,label,reason,detail,other")


def test_a_class_does_not_vanish_by_exclusion(source: Path, tmp_path: Path) -> None:
    listed = tmp_path / "all.csv"
    names = [f"stop/{path.name}" for path in (source / "stop").iterdir()]
    listed.write_text("\n".join(["path", *names]))
    with pytest.raises(SignwiseError, match="stop has 0 group"):
        prepare(source, tmp_path / "data", exclude=listed)


def test_the_report_stands_alone(own: Path, tmp_path: Path) -> None:
    (own / "stop" / "<b>.png").write_bytes(b"no <picture>")
    prepare(own, tmp_path / "data", group=r"^(\d{5}|<b>)")
    page = (tmp_path / "data" / "report.html").read_text()
    assert "&lt;b&gt;.png" in page
    assert "not an image" in page
    assert "http://" not in page
    assert "https://" not in page
    assert page.count("data:image/png;base64") >= 2 * GROUPS


@pytest.mark.parametrize(
    ("call", "reason"),
    [("os.posix_fallocate", "No space left on device"), ("os.open", "Permission denied")],
)
def test_a_place_that_cannot_be_written_is_named(
    source: Path, tmp_path: Path, call: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> None:
        raise OSError(28 if "space" in reason else 13, reason)

    monkeypatch.setattr(call, fail)
    with pytest.raises(SignwiseError, match=rf"{tmp_path}/data.*: {reason}: "):
        prepare(source, tmp_path / "data")
    assert not (tmp_path / "data" / "data.json").exists()


def test_pictures_are_decoded_once(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def counted(content: bytes, size: int, **limits: Any) -> object:
        read.append(size)
        return decoded(content, size, **limits)

    monkeypatch.setattr(quality, "decoded", counted)
    prepare(source, tmp_path / "data")
    assert read == [32] * COUNT
    assert np.load(tmp_path / "data" / "pixels-32.npy").shape == (COUNT, 32, 32, 3)


@pytest.mark.parametrize("group", [None, r"(.+)"])
def test_a_group_may_be_named_after_a_file_that_is_no_utf8(
    own: Path, tmp_path: Path, group: str | None
) -> None:
    odd = os.fsdecode(b"stop/\xff\xfe.png")
    path = own / "stop" / "new.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (30, 30, 3), np.uint8)).save(path)
    path.rename(own / odd)
    assert prepare(own, tmp_path / "data", group=group).problems == []
    table = load_data(tmp_path / "data").table
    assert table[table["path"] == odd]["group"].item().startswith("stop/")


def test_other_names_that_are_no_utf8_are_shown_in_facts_and_shards(
    own: Path, tmp_path: Path
) -> None:
    (own / "stop" / os.fsdecode(b"notes.\xff")).write_text("skipped")
    odd = os.fsdecode(b"stop/\xfe.png")
    (own / "stop" / "00000_00000.png").rename(own / odd)
    excluded = tmp_path / os.fsdecode(b"\xfd.csv")
    excluded.write_text("path\n")
    result = prepare(own, tmp_path / "data", exclude=excluded, shards=True)
    facts = json.loads((tmp_path / "data" / "data.json").read_text())
    assert facts["skipped"] == {r".\xff": 1}
    assert facts["settings"]["exclude"].endswith(r"\xfd.csv")
    said = set()
    for shard in (tmp_path / "data" / "shards").glob("*.tar"):
        with tarfile.open(shard) as opened:
            for member in opened:
                if member.name.endswith(".json"):
                    said.add(json.load(opened.extractfile(member))["path"])  # type: ignore[arg-type]
    assert r"stop/\xfe.png" in said
    assert result.problems == []


def test_a_folder_that_is_no_utf8_is_refused_and_leaves_the_data_as_it_was(
    own: Path, tmp_path: Path
) -> None:
    prepare(own, tmp_path / "data")
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    before = [path.read_bytes() for path in files]
    odd = tmp_path / os.fsdecode(b"caf\xe9")
    shutil.copytree(own, odd)
    with pytest.raises(SignwiseError, match=r"caf\\xe9 has a name that is no UTF-8"):
        prepare(odd, tmp_path / "data")
    assert [path.read_bytes() for path in files] == before


def test_names_that_are_no_utf8_keep_their_bytes(own: Path, tmp_path: Path) -> None:
    odd = os.fsdecode(b"stop/00000_00000.\xff.png")
    (own / "stop" / "00000_00000.png").rename(own / odd)
    prepare(own, tmp_path / "data", group=r"(\d+)")
    data = load_data(tmp_path / "data")
    assert odd in set(data.table["path"])
    assert load_pixels(data, 8).shape == (COUNT, 8, 8, 3)


def test_a_class_name_must_be_readable(own: Path, tmp_path: Path) -> None:
    (own / "stop").rename(own / "st\nop")
    with pytest.raises(SignwiseError, match="rename it"):
        prepare(own, tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_what_was_made_of_the_earlier_pictures_goes(tmp_path: Path) -> None:
    photos, data = toy_folder(tmp_path / "photos"), tmp_path / "data"
    prepare(photos, data, image_size=16)
    left = [data / "pixels-24.npy", data / "features-0123.npz"]
    for path in left:
        path.write_bytes(b"old")
    prepare(photos, data, image_size=16)
    assert not any(path.exists() for path in left)
    assert (data / "pixels-16.npy").is_file()


def test_a_disk_that_is_full_while_copying_is_named(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_bytes

    def full(written: Path, content: bytes) -> int:
        if ".copy" not in written.parts:
            return write(written, content)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    out = tmp_path / "data"
    with pytest.raises(SignwiseError, match=rf"^{re.escape(str(out))}.*: No space left on device"):
        prepare(source, out, copy=True)
    assert not out.exists()
