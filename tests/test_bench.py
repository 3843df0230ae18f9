"""The benchmarks start, leave records of one form, and docs/benchmarks.md is made of these."""

import importlib
import json
import socket
import sys
import warnings
from pathlib import Path

import pytest
from PIL import Image

import record
import scale
import tables
import unknown
from record import Figure, Machine, Record
from scale_parts import (
    CLASSES,
    DRAWN_STEPS,
    EVALUATE_STEPS,
    PREPARE_STEPS,
    Place,
    make_pictures,
    run_part,
)
from signwise.data.manifest import load_data
from signwise.model_file.read import shipped_models
from signwise.opening import read_record

HELPERS = ("record", "resnet", "photo_sets", "peer_tables", "scale_parts")
BENCHMARKS = sorted(
    path.stem for path in Path(record.__file__).parent.glob("*.py") if path.stem not in HELPERS
)
SAVED = sorted(record.RESULTS.glob("*.json"))
MACHINE = Machine(cpu="Abacus 3", cores=2, avx512=True, memory_gib=1, load=0.5)


def made(**changes: object) -> Record:
    """A small record."""
    fields: dict[str, object] = {
        "bench": "startup",
        "date": "2026-01-02",
        "how": "bench/startup.py",
        "n": 15,
        "counted": "rounds",
        "machine": MACHINE,
        "versions": {"python": "3"},
        "figures": (record.figure("one", 0.123456, "s"),),
    }
    return Record(**fields | changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_parses_its_arguments(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        importlib.import_module(name).main(["--help"])
    assert stopped.value.code == 0
    assert "usage" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("overhead", ["--pictures", "16", "--repeats", "1"]),
        ("corruptions", ["priority-stop", "--pictures", "1"]),
        ("images", ["--rounds", "1", "--sizes", "8"]),
    ],
)
def test_a_benchmark_ends_with_one_json_document(
    name: str,
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    if name == "images":
        (tmp_path / "photos").mkdir()
        Image.radial_gradient("L").resize((40, 30)).save(tmp_path / "photos" / "one.png")
        arguments = [str(tmp_path / "photos"), *arguments]
    importlib.import_module(name).main([*arguments, "--save"])
    document = json.loads(capsys.readouterr().out.splitlines()[-1])
    (saved,) = tmp_path.glob(f"{name}*.json")
    assert json.loads(saved.read_text()) == document
    found = read_record(saved, Record)
    assert saved.stem == f"{found.name}-{found.date}"
    assert found.machine.cores >= 1
    assert found.versions["signwise"]
    assert not found.recorded_from
    assert socket.gethostname() not in saved.read_text() or len(socket.gethostname()) < 4


@pytest.mark.skipif(sys.platform != "linux", reason="another operating system")
@pytest.mark.usefixtures("plain_reports")
def test_each_step_of_the_scale_is_still_called_so(tmp_path: Path) -> None:
    place = Place(folder=tmp_path, count=300)
    make_pictures(place)
    assert [path.name for path in sorted(place.photos.iterdir())] == list(CLASSES)
    for part, names in (
        ("prepare, drawn", DRAWN_STEPS),
        ("prepare", PREPARE_STEPS),
        ("evaluate", EVALUATE_STEPS),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pictures that were trained on
            steps = run_part(part, place)
        assert {step.name for step in steps} == {part, *names}
        assert all(step.end >= step.start for step in steps)
        table = load_data(place.data).table
        assert len(table) == 300
        assert table["group"].nunique() < 300, "near copies share a group"


def test_what_grows_too_fast_is_named() -> None:
    def row(part: str, n: int, cpu: float) -> scale.ScaleRow:
        return scale.ScaleRow(
            part=part, step="", n=n, seconds=2 * cpu, cpu=cpu, memory=10 * n, load=1.0
        )

    rows = [row("a", 10, 9.0), row("a", 100, 1.0), row("a", 1000, 10.0), row("b", 100, 0.1)]
    rows += [row("b", 1000, 10.0), row("c", 100, 0.0001), row("c", 1000, 0.1)]
    slopes = scale.exponents(rows)
    assert {name: round(slope, 3) for name, slope in slopes.items()} == {("a", ""): 1, ("b", ""): 2}
    assert scale.beyond(rows, 1.2) == ["b: exponent 2.00, more than 1.2"]
    assert scale.beyond(rows, 2.1) == []
    assert [one.value for one in scale.figures_of(rows)[:4]] == [20, 10, 0.01, 1]


def test_what_was_measured_is_not_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = []

    def measure(part: str, place: Place) -> list[scale.ScaleRow]:
        measured.append((part, place.count))
        if measured[-1] == ("b", 10):
            raise SystemExit("stopped")
        return [
            scale.ScaleRow(part=part, step=step, n=place.count, seconds=1, cpu=1, memory=1, load=1)
            for step in ("first", "")
        ]

    monkeypatch.setattr(scale, "measure", measure)
    with pytest.raises(SystemExit, match="stopped"):
        scale.measure_all(tmp_path, [10], ["a", "b"])
    rows = scale.measure_all(tmp_path, [10, 20], ["a"])
    assert measured == [("a", 10), ("b", 10), ("a", 20)]
    assert [(row.part, row.step, row.n) for row in rows] == [
        ("a", step, n) for n in (10, 20) for step in ("first", "")
    ]
    assert rows == scale.read_rows(tmp_path / scale.ROWS)


def test_figures_are_rounded_and_stand_with_what_they_hang_on() -> None:
    assert record.figure("one", 1234.567).value == 1235
    assert record.figure("one", 123_456).value == 123_456
    shown = record.figure("one", 0.5, "s", spread=[0.7, 0.4, 0.5], goal=0.6)
    assert shown.in_words() == "0.5 s (0.4 to 0.7; goal 0.6)"
    assert Figure(what="one", value=1350, of=1400).in_words() == "1,350 of 1,400"
    some = Figure(what="one", value=0.9, ci95=(0.8, 0.95)).in_words()
    assert some == "0.9 (95 % interval 0.8 to 0.95)"


def test_a_machine_in_words() -> None:
    assert MACHINE.in_words() == "2 cores, Abacus 3, AVX-512, 1 GiB, load 0.5"
    assert Machine(cpu="x86-64", cores=2, note="shared").in_words() == "2 cores, x86-64, shared"
    assert record.this_machine().cpu


def test_the_newest_record_of_each_benchmark_counts(tmp_path: Path) -> None:
    for date in ("2026-01-02", "2025-12-31"):
        record.save(made(date=date), tmp_path)
    record.save(made(variant="signs", date="2025-01-01"), tmp_path)
    assert [(one.name, one.date) for one in record.newest(tmp_path)] == [
        ("startup", "2026-01-02"),
        ("startup-signs", "2025-01-01"),
    ]


def test_the_mean_of_runs() -> None:
    rows = [
        unknown.UnknownRow(
            recipe="none", seed=seed, n=10, correct=9 + seed, rejected=2 * seed, unknown=4,
            auroc=0.5, fpr_at_95_tpr=seed, accuracy_ci95=(0, 1), corruptions=None,
        )
        for seed in (0, 1)
    ]  # fmt: skip
    mean = unknown.mean_of(rows)
    assert (mean.seed, mean.n, mean.correct, mean.rejected, mean.unknown) == (None, 10, 9.5, 1, 4)
    assert (mean.fpr_at_95_tpr, mean.corruptions, mean.accuracy_ci95) == (0.5, None, None)


@pytest.mark.parametrize("path", SAVED, ids=lambda path: path.stem)
def test_saved_results_are_records(path: Path) -> None:
    found = read_record(path, Record)
    assert path.stem == f"{found.name}-{found.date}"
    assert found.n > 0
    assert found.figures


def test_the_page_is_what_the_results_make() -> None:
    wanted = tables.page(record.newest(record.RESULTS)) + "\n"
    assert tables.PAGE.read_text(encoding="utf-8") == wanted, "run python bench/tables.py"


def test_the_readme_says_what_the_models_that_ship_say() -> None:
    text = tables.README.read_text(encoding="utf-8")
    assert tables.with_shipped(text) == text, "run python bench/tables.py"


def test_the_page_shows_every_benchmark_and_model() -> None:
    page = tables.PAGE.read_text(encoding="utf-8")
    for one in record.newest(record.RESULTS):
        assert f"`{one.name}`" in page
        assert one.recorded_from in page
    for name in shipped_models():
        assert f"| `{name}` |" in page
