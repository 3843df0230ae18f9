"""The benchmark of transfer: who took which picture, one measure for all, and what is summed up."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import models

import photo_sets
import record
import tables
import transfer
from signwise.results import to_json


def cell(**changes: object) -> transfer.Cell:
    """A small cell."""
    fields: dict[str, object] = {
        "set": "sign-digits-64", "method": "signwise", "seed": 0, "n": 100, "correct": 90,
        "loss": 0.5, "ece": 0.1, "seconds": 10.0, "cpu_seconds": 20.0, "code": "abc",
        "date": "2026-01-02", "load": 1.0,
    }  # fmt: skip
    return transfer.Cell(**fields | changes)  # type: ignore[arg-type]


def test_a_student_begins_where_the_digit_does_not_rise_or_the_number_jumps() -> None:
    pictures = [(1118, 0), (1119, 1), (1121, 3), (1122, 0), (1124, 2), (1155, 9), (1156, 9)]
    pictures += [(1186, 0), (1217, 1)]
    found = photo_sets.student_groups(reversed(pictures))
    assert [found[number] for number, _ in pictures] == [0, 0, 0, 1, 1, 2, 3, 4, 5]
    assert photo_sets.student_groups([(1, 0), (31, 1)]) == {1: 0, 31: 0}
    assert photo_sets.student_groups([]) == {}


def test_rows_count_the_seeds_that_ended_with_every_method() -> None:
    cells = [cell(seed=seed, correct=90 + seed) for seed in range(3)]
    cells += [cell(method="fastai", seed=seed, correct=80, loss=1.0) for seed in range(2)]
    ours, fastai = transfer.summarise(cells)
    assert (ours.method, ours.seeds, ours.n, ours.correct) == ("signwise", 2, 200, 181)
    assert ours.accuracy == pytest.approx(0.905)
    assert ours.spread == (0.9, 0.91)
    assert (fastai.seeds, fastai.loss, fastai.seconds) == (2, 1.0, 10.0)


def test_the_same_test_pictures_count_once_in_an_interval() -> None:
    own = transfer.row_of([cell(set="ants-bees-128", seed=seed) for seed in range(5)])
    other = transfer.row_of([cell(seed=seed) for seed in range(5)])
    assert own.accuracy_ci95 == pytest.approx((0.8256, 0.9448), abs=1e-3)
    assert other.accuracy_ci95[0] > own.accuracy_ci95[0]
    assert own.correct == other.correct == 450


def test_means_are_of_the_sets_that_every_method_has() -> None:
    cells = [cell(correct=80), cell(method="fastai", correct=70)]
    cells += [cell(set="ants-bees-128", correct=100)]
    figures = transfer.figures_of(transfer.summarise(cells))
    found = {one.what: one.value for one in figures}
    assert found["signwise: accuracy"] == pytest.approx(0.8)
    assert found["fastai: accuracy"] == pytest.approx(0.7)


def test_of_a_cell_that_was_measured_again_the_last_counts(tmp_path: Path) -> None:
    path = tmp_path / "cells.jsonl"
    assert transfer.read_cells(path) == {}
    for correct in (1, 2):
        transfer.add_cell(path, cell(correct=correct))
    assert [one.correct for one in transfer.read_cells(path).values()] == [2]


def test_the_page_has_a_row_a_method_and_the_means() -> None:
    rows = transfer.summarise([cell(), cell(method="fastai", correct=80, gpu="Slate 9")])
    measured = record.Record(
        bench="transfer", date="2026-01-02", how="bench/transfer.py", n=100, counted="answers",
        machine=record.Machine(cpu="Abacus 3", cores=2), versions={},
        figures=tuple(transfer.figures_of(rows)), rows=tuple(to_json(row) for row in rows),
    )  # fmt: skip
    text = "\n".join(tables.transfer_section(measured))
    assert "| sign-digits-64 | signwise | 90.0\u00a0% | 82.6 to 94.5\u00a0% | 90 of 100 |" in text
    assert "| mean of 1 sets | fastai | 80.0\u00a0% |" in text
    assert "| 10 | 20 |\n" in text
    assert text.count("| 10 (Slate 9) | 20 (Slate 9) |") == 2
    assert tables.transfer_section(None) == ()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Eight students who show two digits, two of no file order, and weights that know nothing."""
    draws = np.random.default_rng(0)
    for student in range(8):
        for digit in range(2):
            path = tmp_path / f"sign-digits/{digit}/IMG_{1118 + 10 * student + digit}.JPG"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = draws.integers(0, 256, (40, 40, 3), np.uint8) // (digit + 1)
            Image.fromarray(pixels).save(path)
    network = models.mobilenet_v2()
    body = {n: v for n, v in network.state_dict().items() if not n.startswith("classifier")}
    torch.save(body, tmp_path / photo_sets.IMAGENET)
    return tmp_path


def test_every_method_gets_the_split_of_a_seed_by_students(data: Path, tmp_path: Path) -> None:
    photos = photo_sets.lay_out(photo_sets.SETS["sign-digits-64"], data, 0, tmp_path / "split")
    lines = [line.split(",") for line in photos.read_text().splitlines()[1:]]
    assert len(lines) == 16
    split_of = {group: split for _, _, group, split in lines}
    assert {split_of[group] == split for _, _, group, split in lines} == {True}
    assert set(split_of.values()) == {"train", "val", "test"}
    for path, label, _, split in lines:
        assert path.startswith(f"{split}/{label}/")
        assert (photos.parent / path).read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="another operating system: no os.wait4")
def test_a_peer_runs_and_is_measured_as_signwise_is(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", str(data), "--out", str(tmp_path / "out"), "--peers", sys.executable]
    arguments += ["--only", "sign-digits-64", "--methods", "logistic", "--seeds", "0"]
    for _ in range(2):  # the second time nothing is left to do
        transfer.main(arguments)
        document = json.loads(capsys.readouterr().out.splitlines()[-1])
        (row,) = document["rows"]
        assert (row["set"], row["method"], row["seeds"]) == ("sign-digits-64", "logistic", 1)
        assert 0 <= row["correct"] <= row["n"] < 16
        assert row["cpu_seconds"] > 0
    assert len((tmp_path / "out" / "cells.jsonl").read_text().splitlines()) == 1
