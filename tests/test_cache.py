"""The verb cache: what it lists of the user's cache folder, and that it removes that alone."""

import json
from pathlib import Path

import pytest

import signwise
from signwise.cli.main import main

FILES = {"rendered/v1-stop-24-7.npy": 3_000_000, "downloads/gtsrb.zip": 1_500_000}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder that does not exist yet, in a folder with a file of somebody else's."""
    (tmp_path / "other").write_text("precious")
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / name)
    return tmp_path / "signwise"


def fill(home: Path) -> None:
    for name, size in FILES.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
    (home / "rendered" / "v1-stop-24-7.lock").touch()


def test_each_file_is_listed_with_its_size(home: Path) -> None:
    fill(home)
    result = signwise.cache()
    assert result.out == home
    assert result.rows == [{"name": name, "bytes": FILES[name]} for name in sorted(FILES)]
    assert result.counts == {"files": 2, "bytes": 4_500_000}
    assert result.problems == []
    assert not result.cleared
    assert signwise.cache().counts["files"] == 2


def test_nothing_is_kept_where_there_is_no_folder(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for clear in (False, True):
        assert signwise.cache(clear=clear).counts == {"files": 0, "bytes": 0}
    assert not home.exists()
    assert main(["cache"]) == 0
    said = capsys.readouterr().out
    assert "0 files, 0.0 MB kept in" in said
    assert "Kept between runs" not in said


def test_clearing_removes_all_of_it_and_nothing_else(home: Path) -> None:
    fill(home)
    result = signwise.cache(clear=True)
    assert result.cleared
    assert result.counts == {"files": 2, "bytes": 4_500_000}
    assert not home.exists()
    assert (home.parent / "other").read_text() == "precious"
    assert signwise.cache().counts["files"] == 0


def test_the_verb_shows_files_and_their_sum(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(home)
    assert main(["cache"]) == 0
    said = capsys.readouterr().out
    assert "Kept between runs" in said
    assert "rendered/v1-stop-24-7.npy" in said
    assert "3.0" in said
    assert "2 files, 4.5 MB kept in" in said
    assert main(["cache", "--clear"]) == 0
    assert "2 files, 4.5 MB removed in" in capsys.readouterr().out
    assert not home.exists()


def test_json_is_the_result(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(home)
    assert main(["cache", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found)[:3] == ["out", "counts", "problems"]
    assert found["out"] == str(home)
    assert found["counts"] == {"files": 2, "bytes": 4_500_000}
    assert found["problems"] == []
    assert found["cleared"] is False
    assert [row["name"] for row in found["rows"]] == sorted(FILES)
