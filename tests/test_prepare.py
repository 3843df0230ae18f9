import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from signwise.config import PrepareConfig
from signwise.data.pixels import load_pixels
from signwise.data.prepare import prepare
from signwise.data.manifest import COLUMNS, SPLITS, load_data
from signwise.errors import SignwiseError
from toy import toy_folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return toy_folder(tmp_path / "source", per_class=30)


def test_what_it_writes(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = prepare(source, tmp_path / "data", seed=3)
    assert capsys.readouterr().out == ""
    assert result.counts.pop("suspects") >= 0
    assert result.counts == {
        "train": 42, "val": 12, "test": 6, "problems": 0, "skipped": 0, "groups": 20,
    }  # fmt: skip
    assert result.grouping == "track"
    assert result.problems == []
    assert result.warnings == []
    assert {path.name for path in result.written} == {
        "manifest.csv", "data.json", "pixels-32.npy", "report.html", "suspects.csv",
    }  # fmt: skip
    assert all(path.is_file() for path in result.written)
    table = pd.read_csv(tmp_path / "data" / "manifest.csv", keep_default_na=False)
    assert tuple(table.columns) == COLUMNS
    facts = json.loads((tmp_path / "data" / "data.json").read_text())
    assert facts["classes"] == ["priority", "stop"]
    assert facts["counts"] == result.class_counts
    assert facts["leaks"] == {"groups": 0, "pictures": 0}
    assert facts["seed"] == 3
    assert PrepareConfig.from_json(facts["settings"]) == PrepareConfig(seed=3)
    assert not list((tmp_path / "data").glob(".*partial*"))


def test_it_reads_back(source: Path, tmp_path: Path) -> None:
    (source / "stop" / "00000_00009.png").write_bytes(b"")
    prepare(source, tmp_path / "data")
    data = load_data(tmp_path / "data")
    assert data.classes == ("priority", "stop")
    assert list(data.table.index) == list(range(60))
    assert set(data.table["split"]) == {"train", "val", "test"}
    assert data.table.groupby("group")["split"].nunique().max() == 1
    assert data.problems == [{"path": "stop/00000_00009.png", "problem": "empty file"}]
    assert data.root == source.resolve()


def test_names_and_labels_that_look_like_something_else(tmp_path: Path) -> None:
    names = ("NA", "001", 'ü, "x"')
    toy_folder(tmp_path / "source", names, per_class=9)
    prepare(tmp_path / "source", tmp_path / "data")
    data = load_data(tmp_path / "data")
    assert data.classes == tuple(sorted(names))
    assert set(data.table["label"]) == set(names)
    assert all((data.root / path).is_file() for path in data.table["path"])


def test_the_same_seed_gives_the_same_files(source: Path, tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        prepare(source, tmp_path / name, seed=seed)
    one, two, three = (
        (tmp_path / name / "manifest.csv").read_bytes() for name in ("one", "two", "three")
    )
    assert one == two
    assert one != three


def test_it_replaces_its_own_and_nothing_else(source: Path, tmp_path: Path) -> None:
    prepare(source, tmp_path / "data", image_size=8, copy=True)
    (source / "stop").rename(source / "yield")
    prepare(source, tmp_path / "data", image_size=16)
    assert load_data(tmp_path / "data").classes == ("priority", "yield")
    assert [path.name for path in (tmp_path / "data").glob("*.npy")] == ["pixels-16.npy"]
    assert not (tmp_path / "data" / "train").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(SignwiseError, match="mine holds files that signwise did not write"):
        prepare(source, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_source_and_out_lie_apart(source: Path) -> None:
    for out in (source, source / "data"):
        with pytest.raises(SignwiseError, match=r"--out .* lies in"):
            prepare(source, out)
    assert not (source / "data").exists()


@pytest.mark.parametrize(
    ("classes", "per_class", "message"),
    [
        (("stop",), 9, r"one class only \(stop\), at least 2"),
        (("priority", "stop"), 6, r"source/priority has 2 group.* at least 3"),
    ],
)
def test_too_little_to_split(
    tmp_path: Path, classes: tuple[str, ...], per_class: int, message: str
) -> None:
    toy_folder(tmp_path / "source", classes, per_class=per_class)
    with pytest.raises(SignwiseError, match=message):
        prepare(tmp_path / "source", tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_failed_run_leaves_the_last_data_whole(source: Path, tmp_path: Path) -> None:
    prepare(source, tmp_path / "data")
    before = {path.name: path.read_bytes() for path in (tmp_path / "data").iterdir()}
    with pytest.raises(SignwiseError, match="--group"):
        prepare(source, tmp_path / "data", group="(")
    assert {path.name: path.read_bytes() for path in (tmp_path / "data").iterdir()} == before


def test_files_of_two_runs_are_not_mixed(source: Path, tmp_path: Path) -> None:
    prepare(source, tmp_path / "data")
    prepare(source, tmp_path / "other", seed=1)
    shutil.copy(tmp_path / "other" / "manifest.csv", tmp_path / "data")
    with pytest.raises(SignwiseError, match="do not belong together"):
        load_data(tmp_path / "data")


def test_what_is_no_prepared_data(tmp_path: Path) -> None:
    with pytest.raises(SignwiseError, match=rf"run signwise prepare {tmp_path} --out DATA first"):
        load_data(tmp_path)
    (tmp_path / ".signwise").write_text('{"kind": "data"}')
    for folder in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(SignwiseError, match=f"run signwise prepare SOURCE --out {folder}"):
            load_data(folder)


def test_a_given_split_is_kept_and_its_leaks_are_told(source: Path, tmp_path: Path) -> None:
    rows = [
        (path.relative_to(source), path.parent.name, split)
        for path in sorted(source.rglob("*.png"))
        for split in [{"0": "train", "1": "val"}.get(path.stem[-1], "test")]
    ]
    listing = source / "all.csv"
    pd.DataFrame(rows, columns=["path", "label", "split"]).to_csv(listing, index=False)
    result = prepare(listing, tmp_path / "data")
    assert result.counts["train"] == result.counts["val"] == result.counts["test"] == 20
    assert not any("--split" in text for text in result.warnings)
    asked = prepare(listing, tmp_path / "data", split=(0.5, 0.25, 0.25))
    assert asked.counts == result.counts
    assert any("--split has no effect" in text for text in asked.warnings)
    assert any("leak: 20 groups with 60 pictures" in text for text in result.warnings)
    assert json.loads((tmp_path / "data" / "data.json").read_text())["leaks"]["groups"] == 20


def test_a_given_split_without_training_pictures_of_a_class(tmp_path: Path) -> None:
    toy_folder(tmp_path / "source" / "train", ("a",), per_class=3)
    toy_folder(tmp_path / "source" / "test", ("a", "b"), per_class=3, seed=1)
    with pytest.raises(SignwiseError, match="b has 0 usable picture"):
        prepare(tmp_path / "source", tmp_path / "data")


def test_shares_of_none(source: Path, tmp_path: Path) -> None:
    result = prepare(source, tmp_path / "data", split=(0.8, 0.2, 0.0))
    assert (result.counts["train"], result.counts["val"], result.counts["test"]) == (48, 12, 0)


def test_without_tracks_it_says_that_signs_are_not_known(source: Path, tmp_path: Path) -> None:
    for number, path in enumerate(sorted(source.rglob("*.png"))):
        path.rename(path.with_name(f"photo{number}.png"))
    result = prepare(source, tmp_path / "data")
    assert result.grouping == "duplicates"
    assert any("physical signs are not known" in text for text in result.warnings)
    assert "They are not physical signs" in (tmp_path / "data" / "report.html").read_text()


def test_a_carriage_return_in_a_name_breaks_no_row(source: Path, tmp_path: Path) -> None:
    shutil.copytree(source, tmp_path / "photos")
    (tmp_path / "photos" / "stop" / "00000_00000.png").rename(
        tmp_path / "photos" / "stop" / "a\rb_00001_00007.png"
    )
    out = prepare(tmp_path / "photos", tmp_path / "data").out
    data = load_data(out)
    assert len(data.table) == len(load_pixels(data, 32))
    assert (data.table["path"] == "stop/a\rb_00001_00007.png").sum() == 1


def test_copies_of_one_name_stand_side_by_side(source: Path, tmp_path: Path) -> None:
    shutil.copytree(source, tmp_path / "one")
    shutil.copytree(source, tmp_path / "two")
    rows = [
        f"{path.relative_to(tmp_path)},{path.parent.name}"
        for path in sorted(tmp_path.rglob("*.png"))
    ]
    (tmp_path / "all.csv").write_text("\n".join(["path,label", *rows]) + "\n")
    result = prepare(tmp_path / "all.csv", tmp_path / "data", copy=True)
    copies = [p for split in SPLITS for p in (tmp_path / "data" / split).rglob("*.png")]
    assert len(copies) == len(rows) == sum(result.counts[split] for split in SPLITS)


def test_copy_writes_the_split_as_folders(source: Path, tmp_path: Path) -> None:
    prepare(source, tmp_path / "data", copy=True)
    table = load_data(tmp_path / "data").table
    copied = sorted(
        path.relative_to(tmp_path / "data") for path in (tmp_path / "data").rglob("*.png")
    )
    assert copied == sorted(
        Path(split) / path for split, path in zip(table["split"], table["path"], strict=True)
    )
    again = prepare(tmp_path / "data" / "train", tmp_path / "again", split=(0.6, 0.2, 0.2))
    assert again.classes == ("priority", "stop")


def test_exclusion_survives_its_own_output(source: Path, tmp_path: Path) -> None:
    twin = source / "stop" / "00000_00008.png"
    shutil.copy(source / "stop" / "00000_00000.png", twin)
    out = tmp_path / "data"
    prepare(source, out)
    (out / "suspects.csv").write_text("path,why\nstop/00000_00008.png,copy\n")
    for _ in range(2):
        result = prepare(source, out, exclude=out / "suspects.csv")
        assert sum(result.counts[split] for split in ("train", "val", "test")) == 60
        assert result.counts["skipped"] == 1
        assert "stop/00000_00008.png" in (out / "suspects.csv").read_text()


def test_a_class_does_not_vanish_by_exclusion(source: Path, tmp_path: Path) -> None:
    listed = tmp_path / "all.csv"
    names = [f"stop/{path.name}" for path in (source / "stop").iterdir()]
    listed.write_text("\n".join(["path", *names]))
    with pytest.raises(SignwiseError, match="stop has 0 group"):
        prepare(source, tmp_path / "data", exclude=listed)


def test_the_report_stands_alone(source: Path, tmp_path: Path) -> None:
    (source / "stop" / "<b>.png").write_bytes(b"no <picture>")
    prepare(source, tmp_path / "data", group=r"^(\d{5}|<b>)")
    page = (tmp_path / "data" / "report.html").read_text()
    assert "&lt;b&gt;.png" in page
    assert "not an image" in page
    assert "http://" not in page
    assert "https://" not in page
    assert page.count("data:image/png;base64") >= 20


def test_a_full_disk_is_an_error_that_names_the_place(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(SignwiseError, match="No space left on device"):
        prepare(source, tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_pictures_are_decoded_once(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from signwise.data import quality

    read: list[int] = []
    decode = quality.decode
    monkeypatch.setattr(
        quality, "decode", lambda *args, **options: read.append(1) or decode(*args, **options)
    )
    prepare(source, tmp_path / "data")
    assert len(read) == 60
    assert np.load(tmp_path / "data" / "pixels-32.npy").shape == (60, 32, 32, 3)


@pytest.mark.parametrize("group", [None, r"(.+)"])
def test_a_group_may_be_named_after_a_file_that_is_no_utf8(
    source: Path, tmp_path: Path, group: str | None
) -> None:
    odd = os.fsdecode(b"stop/\xff\xfe.png")
    path = source / "stop" / "new.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (30, 30, 3), np.uint8)).save(path)
    path.rename(source / odd)
    assert prepare(source, tmp_path / "data", group=group).problems == []
    table = load_data(tmp_path / "data").table
    assert table[table["path"] == odd]["group"].item().startswith("stop/")


def test_a_failed_prepare_leaves_the_data_that_was_there(source: Path, tmp_path: Path) -> None:
    prepare(source, tmp_path / "data")
    before = load_data(tmp_path / "data").sha256
    listing = tmp_path / "pictures.csv"
    rows = [
        f"{path},{label}" for label in ("priority", "stop") for path in source.glob(f"{label}/*")
    ]
    listing.write_text("\n".join(["path,label", *rows]).replace(",stop", ",a/b"))
    with pytest.raises(SignwiseError, match="--copy: class 'a/b'"):
        prepare(listing, tmp_path / "data", copy=True)
    assert load_data(tmp_path / "data").sha256 == before


def test_paths_in_settings_may_be_text(source: Path, tmp_path: Path) -> None:
    prepare(source, tmp_path / "data")
    again = prepare(source, tmp_path / "data", exclude=str(tmp_path / "data" / "suspects.csv"))
    assert again.counts["train"]


def test_names_that_are_no_utf8_keep_their_bytes(source: Path, tmp_path: Path) -> None:
    odd = os.fsdecode(b"stop/00000_00000.\xff.png")
    (source / "stop" / "00000_00000.png").rename(source / odd)
    prepare(source, tmp_path / "data", group=r"(\d+)")
    data = load_data(tmp_path / "data")
    assert odd in set(data.table["path"])
    assert load_pixels(data, 8).shape == (60, 8, 8, 3)


def test_a_class_name_must_be_readable(source: Path, tmp_path: Path) -> None:
    (source / "stop").rename(source / "st\nop")
    with pytest.raises(SignwiseError, match="rename it"):
        prepare(source, tmp_path / "data")
