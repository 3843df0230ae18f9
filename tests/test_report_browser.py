"""report.html as a browser shows it: nothing loaded, nothing cut off, nothing complained of."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from browser import Page, open_browser
from signwise.data.prepare import prepare
from signwise.evaluation.evaluate import evaluate
from toy import toy_folder, toy_model, toy_strangers


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with open_browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with every section, and class names that would like to break it."""
    root = tmp_path_factory.mktemp("report")
    classes = (
        "a sign of a very long name that no phone has room for",
        "<script>",
    )
    data = prepare(toy_folder(root / "photos", classes, per_class=36), root / "data").out
    run = root / "run"
    run.mkdir()
    toy_model(run / "model.onnx", classes, known="colour", threshold=0.5, region=(0, 0, 9, 9))
    shutil.copy(data / "manifest.csv", run)
    (run / "history.csv").write_text(
        "epoch,learning_rate,train_loss,train_accuracy,val_loss,val_accuracy,seconds\n"
        "1,0.1,0.7,0.5,0.6,0.6,1.5\n2,0.05,0.2,0.9,0.3,0.95,1.4\n"
    )
    strangers = toy_strangers(root / "strangers")
    return evaluate(run, data, unknown=strangers, corruptions=True).out / "report.html"


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 800, 1400])
def test_the_report_fits_and_loads_nothing(
    page: Page, report: Path, width: int, dark: bool
) -> None:
    page.open(report.as_uri(), width, dark=dark)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("[...document.images].every(one => one.complete && one.naturalWidth > 0)")
    assert page.requested == []
    assert page.complaints == []
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(part) for part in paper[4:-1].split(","))
    assert (brightness < 200) == dark


def test_the_report_has_every_section(page: Page, report: Path) -> None:
    page.open(report.as_uri(), 800)
    headings = page.evaluate("[...document.querySelectorAll('h2')].map(one => one.textContent)")
    assert headings == [
        "How good it is",
        "Class by class",
        headings[2],
        "Labels worth a look",
        "Whether its confidence means what it says",
        "What it makes of strangers",
        "How it holds up when pictures get worse",
        "How it was trained",
        "Data and settings",
    ]
    assert headings[2].startswith("What it ")
    lead = page.evaluate("document.querySelector('.lead').textContent")
    assert lead.startswith("Right on ")


def test_a_complaint_would_be_noticed(page: Page, tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text(
        "<div style='width: 900px'>x</div><script>console.error('oh')</script>"
        "<img src='http://127.0.0.1:9/none.png'>"
    )
    before = len(page.complaints), len(page.requested)
    page.open(bad.as_uri(), 360)
    assert page.evaluate("document.documentElement.scrollWidth") > 360
    assert page.requested[before[1] :] == ["http://127.0.0.1:9/none.png"]
    assert any("oh" in complaint for complaint in page.complaints)
    page.complaints.clear()
    page.requested.clear()
