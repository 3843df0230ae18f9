"""Both pages as a browser shows them: nothing loaded, nothing cut off, nothing complained of."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from browser import Page, open_browser
from signwise.report.data_page import data_page
from signwise.report.evaluation_page import evaluation_page
from toy_report import toy_data_page, toy_evaluation, toy_page

CLASSES = (
    "a sign of a very long name that no phone has room for",
    "<script>document.body.remove()</script>",
    "Geschwindigkeitsbegrenzungsaufhebungszeichen",
)
KINDS = ("evaluation", "data")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with open_browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Pages with every section, and class names that would like to break them."""
    root = tmp_path_factory.mktemp("report")
    texts = {
        "evaluation": evaluation_page(toy_page(toy_evaluation(CLASSES))),
        "data": data_page(toy_data_page(CLASSES)),
    }
    for kind, text in texts.items():
        (root / f"{kind}.html").write_text(text, encoding="utf-8")
    return {kind: (root / f"{kind}.html").as_uri() for kind in texts}


def unfold(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 390, 800, 1400])
@pytest.mark.parametrize("kind", KINDS)
def test_a_page_fits_and_loads_nothing(
    page: Page, urls: dict[str, str], kind: str, width: int, dark: bool
) -> None:
    page.open(urls[kind], width, dark=dark)
    unfold(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("[...document.images].every(one => one.complete && one.naturalWidth > 0)")
    assert page.requested == []
    assert page.complaints == []
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(part) for part in paper[4:-1].split(","))
    assert (brightness < 200) == dark
    turned = page.evaluate(
        "[...document.querySelectorAll('.chart img')].map(one => getComputedStyle(one).filter)"
    )
    assert len(turned) == (7 if kind == "evaluation" else 0)
    assert all((filtered != "none") == dark for filtered in turned), "charts are turned round"


def test_on_a_phone_a_wide_table_scrolls_in_its_box(page: Page, urls: dict[str, str]) -> None:
    page.open(urls["evaluation"], 390)
    box = "document.querySelector('#classes .scroll:has(table)')"
    assert page.evaluate(f"{box}.scrollWidth > {box}.clientWidth + 100")
    assert page.evaluate(f"{box}.tabIndex") == 0, "the keyboard reaches it"
    page.evaluate(f"{box}.scrollLeft = 9999")
    last = page.evaluate(f"{box}.querySelector('tr td:last-child').getBoundingClientRect().right")
    assert 0 < last <= 390
    # What names the row stays in sight, in front of what scrolls, and leaves room for it.
    name = page.evaluate(f"{box}.querySelector('tbody th').getBoundingClientRect().toJSON()")
    assert name["left"] >= 0
    assert name["right"] < 0.6 * 390
    middle = (name["left"] + name["right"]) / 2, (name["top"] + name["bottom"]) / 2
    page.evaluate(f"{box}.scrollIntoView()")
    top = page.evaluate(f"{box}.querySelector('tbody th').getBoundingClientRect().top")
    found = page.evaluate(f"document.elementFromPoint({middle[0]}, {top} + 5).tagName")
    assert found == "TH"


@pytest.mark.parametrize("kind", KINDS)
def test_printing_shows_all_in_light_colours(page: Page, urls: dict[str, str], kind: str) -> None:
    page.open(urls[kind], 760, dark=True)
    inside = (
        "[...document.querySelectorAll('details td, details img')].filter(one =>"
        " one.checkVisibility({contentVisibilityAuto: true}) && one.offsetHeight > 0).length"
    )
    count = page.evaluate("document.querySelectorAll('details td, details img').length")
    assert count > 0
    assert page.evaluate(inside) == 0, "folded on a screen"
    dark = {"name": "prefers-color-scheme", "value": "dark"}
    page.call("Emulation.setEmulatedMedia", media="print", features=[dark])
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    try:
        assert page.evaluate(inside) == count
        assert page.evaluate("document.documentElement.scrollWidth") <= 760
        boxes = "[...document.querySelectorAll('.scroll')]"
        assert page.evaluate(f"{boxes}.every(one => getComputedStyle(one).overflowX == 'visible')")
        ink = page.evaluate("getComputedStyle(document.body).color")
        assert sum(int(part) for part in ink[4:-1].split(",")) < 200
    finally:
        page.call("Emulation.setEmulatedMedia", media="", features=[])


def test_class_names_are_text(page: Page, urls: dict[str, str]) -> None:
    page.open(urls["evaluation"], 800)
    names = page.evaluate("[...document.querySelectorAll('#classes th[scope=row]')].map("
                          "one => one.textContent)")  # fmt: skip
    assert [name.split(" (#")[0] for name in names] == list(CLASSES)
    assert page.evaluate("document.scripts.length") == 0


def test_a_complaint_would_be_noticed(page: Page, tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text(
        "<div style='width: 900px'>x</div><script>console.error('oh')</script>"
        "<img src='http://127.0.0.1:9/none.png'>"
    )
    before = len(page.requested)
    page.open(bad.as_uri(), 360)
    assert page.evaluate("document.documentElement.scrollWidth") > 360
    assert page.requested[before:] == ["http://127.0.0.1:9/none.png"]
    assert any("oh" in complaint for complaint in page.complaints)
    page.complaints.clear()
    page.requested.clear()
