"""The benchmark of other tools: from photos to a row of the page, and what is summed up."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import installed
import peer_tables
import peers
import record
import tables
from peers import Cell, PeerRow
from signwise.report.words import DASH, percent
from signwise.results import to_json
from toy import toy_picture


def cell(tool: str, name: str, **values: float) -> Cell:
    """A small cell."""
    return Cell(
        tool=tool, cell=name, values=values, seconds=1, date="2026-01-02", code="a", load=1, nice=19
    )


CELLS = [
    cell("signwise", "small", small_per_second=300.0, small_per_cpu_second=200.0),
    cell(
        "signwise", "train", goal_seconds=10.0, training_seconds=40.0, training_cpu=80.0, epochs=2
    ),
    cell("fastai", "small", small_per_second=100.0, small_per_cpu_second=50.0),
    cell("fastai", "train", training_seconds=20.0, training_cpu=40.0, epochs=5, best_accuracy=0.9),
    cell("plain loop", "small", small_per_second=150.0, small_per_cpu_second=40.0),
    cell("plain loop", "judge", right=9, n=10, none_sure=4, none_n=5),
]


def test_figures_hold_signwise_against_the_best_of_the_others() -> None:
    found = {one.what: one.value for one in peers.figures_of(peers.summarise(CELLS))}
    assert found["signwise: small PNGs a second, times plain loop"] == 2
    assert found["signwise: small PNGs a CPU second, times fastai"] == 4
    assert found["signwise: the whole training, times fastai"] == 0.5
    busy = {one.what for one in peers.figures_of(peers.summarise(CELLS), busy=True)}
    assert busy == {
        "signwise: small PNGs a CPU second, times fastai",
        "signwise: the whole training, CPU time, times fastai",
    }
    # Nobody else reached the goal, so nothing is compared there.
    assert not [what for what in found if "99.5" in what]


def test_the_page_has_a_row_a_tool_and_a_dash_for_what_is_not_measured(tmp_path: Path) -> None:
    rows = peers.summarise(CELLS)
    assert [row.tool for row in rows] == ["signwise", "plain loop", "fastai"]
    made = record.Record(
        bench="peers",
        date="2026-01-02",
        how="bench/peers.py",
        n=7,
        counted="pictures",
        machine=record.Machine(cpu="Abacus 3", cores=2),
        versions={},
        figures=(record.figure("signwise: small PNGs a second, times fastai", 3),),
        rows=tuple(to_json(row) for row in rows),
    )
    text = "\n\n".join(tables.peers_section(made))
    not_reached = f"not reached: {percent(0.9)}"
    assert f"| fastai | ResNet-18 from nothing | {DASH} | 5 | {not_reached} |" in text
    assert "| 9 of 10 | 4 of 5 |" in text
    assert "times fastai: 3" in text
    (tmp_path / peer_tables.PLOT).write_bytes(peer_tables.plot(made))
    with Image.open(tmp_path / peer_tables.PLOT) as picture:
        assert picture.width > 1000
    assert tables.peers_section(None) == ()


def test_cells_are_kept_and_the_last_one_counts(tmp_path: Path) -> None:
    path = tmp_path / "cells.jsonl"
    for value in (1.0, 2.0):
        peers.add_cell(path, cell("fastai", "small", small_per_second=value))
    (found,) = peers.read_cells(path).values()
    assert found.values == {"small_per_second": 2.0}
    assert peers.read_cells(tmp_path / "none") == {}


def test_a_package_counts_with_what_it_requires(capsys: pytest.CaptureFixture[str]) -> None:
    base, train = installed.closure("signwise"), installed.closure("signwise", ["train"])
    assert {"signwise", "numpy", "onnxruntime"} <= base < train
    assert "torch" in train - base
    installed.main(["signwise", "signwise"])
    found = json.loads(capsys.readouterr().out)
    assert found["packages"] == len(base)
    assert found["bytes"] > 10e6


@pytest.mark.nightly
def test_two_tools_from_photos_to_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    rng = np.random.default_rng(0)
    for split, count in (("train", 12), ("val", 4), ("test", 4)):
        for index, name in enumerate(("priority", "stop")):
            folder = tmp_path / "out" / "photos" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                Image.fromarray(toy_picture(index, rng, 32)).save(folder / f"{number}.png")
    monkeypatch.setattr(peers, "QUICK", {"SMALL": 8, "LARGE": 1, "NONE": 4, "ONES": 2})
    monkeypatch.setattr(peers, "LARGE_SIDES", (400, 300))
    arguments = ["--out", str(tmp_path / "out"), "--peers", sys.executable, "--quick", "--save"]
    arguments += ["--only", "signwise from scratch", "plain loop"]
    peers.main(arguments)
    document = json.loads(capsys.readouterr().out.splitlines()[-1])
    rows = [PeerRow(**row) for row in document["rows"]]
    assert [row.tool for row in rows] == ["signwise from scratch", "plain loop"]
    for row in rows:
        found = row.values
        assert found["n"] == 8
        assert found["none_n"] == 4
        assert found["training_seconds"] > 0 < found["small_per_second"]
        assert found["deployed_mb"] > 1
    # Nothing is measured twice.
    ended = (tmp_path / "out" / "cells.jsonl").read_bytes()
    peers.main(arguments)
    assert (tmp_path / "out" / "cells.jsonl").read_bytes() == ended
