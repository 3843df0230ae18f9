"""The page as people use it, in a real Chromium: by mouse, keyboard, camera and screen reader."""

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

import signwise
from browser import find_browser
from serving import png, predict, running
from signwise.service.limits import Limits
from signwise.service.serve import Service
from toy import CLASSES, toy_model

PATIENCE = 60_000
"""Milliseconds: a page is slow on a busy machine, and no failure."""
THRESHOLD = 0.25
WIDTHS = (390, 820, 1280)
ARGUMENTS = (
    "--no-sandbox",  # in containers, where tests run as root
    "--disable-dev-shm-usage",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)
PICTURES = [("a.png", png(0)), ("b.png", png(1)), ("grey.png", png(None)), ("cut.png", png()[:60])]
NAMES = ("toy", "other")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if sys.platform == "win32":
        pytest.skip("another operating system: its Chrome has another path")
    program = find_browser()
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("models")
    toy_model(root / "toy" / "model.onnx", threshold=THRESHOLD, known="colour")
    long = "a sign of a very long name that no phone has room for"
    many = (long, "<img src=x onerror=alert(1)>", "c", "d", "e", "f", "2", "10", '"quoted", or not')
    toy_model(root / "other" / "model.onnx", many, 16)
    return [root / name for name in NAMES]


@pytest.fixture(scope="module")
def service(models: list[Path]) -> Iterator[Service]:
    with running(models) as opened:
        yield opened


class Opened:
    """The page in a fresh tab, with all that it asked for and complained of."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.requested: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requested.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.goto(url)

    def ready(self) -> Page:
        """The page, once it knows its models."""
        expect(self.page.locator("body[data-ready]")).to_be_attached()
        return self.page


@pytest.fixture
def opened(browser: Browser, service: Service) -> Iterator[Opened]:
    with browser.new_context(accept_downloads=True, permissions=["camera"]) as context:
        found = Opened(context, service.url)
        found.ready()
        yield found
        assert found.complaints == []
        assert all(url.startswith((service.url, "blob:", "data:")) for url in found.requested)


def payload(name: str, content: bytes) -> Any:
    return {"name": name, "mimeType": "image/png", "buffer": content}


def choose(page: Page, *pictures: tuple[str, bytes]) -> None:
    page.set_input_files("#choose", [payload(*picture) for picture in pictures])
    settle(page)


def settle(page: Page) -> None:
    """Wait until every picture has its answer."""
    expect(page.locator("#cards [data-state=waiting]")).to_have_count(0)


def labels(page: Page) -> list[str]:
    return page.locator("#cards .label").all_inner_texts()


def move(page: Page, value: float) -> None:
    page.locator("#threshold").evaluate(
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }",
        str(value),
    )


def saved(page: Page, folder: Path) -> list[dict[str, str]]:
    """The rows of the CSV that the page gives."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_choosing_pictures_shows_answers(opened: Opened) -> None:
    page = opened.page
    assert "toy knows priority and stop; all else is unknown." in page.inner_text("header")
    choose(page, *PICTURES)
    assert labels(page) == ["priority", "stop", "unknown", "could not be read"]
    assert page.inner_text("#summary") == (
        "4 pictures: 1 priority, 1 stop, 1 unknown, 1 could not be read"
    )
    cards = page.locator(".card")
    expect(cards.nth(0).locator(".bars li")).to_have_count(2)
    assert cards.nth(0).locator(".bars li").first.inner_text().startswith("priority")
    assert cards.nth(2).get_attribute("data-state") == "unknown"
    assert "truncated" in cards.nth(3).inner_text()
    assert cards.nth(0).locator("img").evaluate("image => image.naturalWidth") == 40
    choose(page, ("b.png", png(1, seed=5)))
    assert labels(page)[0] == "stop", "the newest stand first"
    page.get_by_role("button", name="Clear").click()
    expect(cards).to_have_count(0)
    assert not page.locator("#results").is_visible()


TRANSFER = """pictures => {
    const transfer = new DataTransfer();
    for (const [name, numbers] of pictures)
        transfer.items.add(new File([new Uint8Array(numbers)], name, {type: "image/png"}));
    return transfer;
}"""


def test_dropping_pictures(opened: Opened) -> None:
    page = opened.page
    files = [(name, list(content)) for name, content in PICTURES]
    transfer = page.evaluate_handle(TRANSFER, files)
    page.dispatch_event("main", "dragover", {"dataTransfer": transfer})
    assert "dropping" in str(page.get_attribute("body", "class"))
    page.dispatch_event("main", "drop", {"dataTransfer": transfer})
    expect(page.locator(".card")).to_have_count(4)
    settle(page)
    assert labels(page) == ["priority", "stop", "unknown", "could not be read"]
    assert "dropping" not in str(page.get_attribute("body", "class"))


def test_pasting_a_picture(opened: Opened) -> None:
    page = opened.page
    transfer = page.evaluate_handle(TRANSFER, [("b.png", list(png(1)))])
    page.evaluate(
        "data => document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data}))",
        transfer,
    )
    expect(page.locator(".card")).to_have_count(1)
    settle(page)
    assert labels(page) == ["stop"]


def test_the_camera(opened: Opened) -> None:
    page = opened.page
    page.get_by_role("button", name="Take a photo").click()
    video = page.locator("video")
    expect(video).to_be_visible()
    expect(video).to_have_js_property("paused", False)
    expect(video).not_to_have_js_property("videoWidth", 0)
    page.get_by_role("button", name="Take it").click()
    expect(page.locator("#camera .note")).to_have_text("1 photo taken")
    page.get_by_role("button", name="Take it").click()
    expect(page.locator("#camera .note")).to_have_text("2 photos taken")
    page.get_by_role("button", name="Done").click()
    expect(video).to_be_hidden()
    expect(video).to_have_js_property("srcObject", None)
    settle(page)
    assert page.locator(".name").all_inner_texts() == ["photo-2.jpg", "photo-1.jpg"]
    assert set(labels(page)) <= {*CLASSES, "unknown"}


def test_without_a_camera_the_phones_own_app_is_asked(opened: Opened) -> None:
    page = opened.page
    page.evaluate("() => { navigator.mediaDevices.getUserMedia = () => Promise.reject(); }")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Take a photo").click()
    assert chooser.value.element.get_attribute("capture") == "environment"
    chooser.value.set_files([payload("b.png", png(1))])
    expect(page.locator(".card")).to_have_count(1)
    settle(page)
    assert labels(page) == ["stop"]


def test_the_slider_relabels_at_once(opened: Opened, tmp_path: Path) -> None:
    page = opened.page
    choose(page, *PICTURES)
    before = len(opened.requested)
    assert page.inner_text("#shown") == "0.250"
    move(page, 1)
    assert labels(page) == ["unknown"] * 3 + ["could not be read"]
    assert [row["label"] for row in saved(page, tmp_path)] == ["unknown"] * 3 + [""]
    move(page, 0)
    assert "unknown" not in labels(page)
    page.get_by_role("button", name="The model's own").click()
    assert labels(page) == ["priority", "stop", "unknown", "could not be read"]
    assert page.inner_text("#shown") == "0.250"
    asked = [url for url in opened.requested[before:] if not url.startswith("blob:")]
    assert asked == [], "nothing was asked again"


def test_all_of_it_by_keyboard(opened: Opened) -> None:
    page = opened.page

    def on(what: str) -> bool:
        return bool(page.evaluate(f"document.activeElement.matches({what!r})"))

    def tab_to(what: str) -> None:
        for _ in range(20):
            if on(what):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"the keyboard does not reach {what}")

    tab_to("#choose")
    choose(page, *PICTURES)
    tab_to("#threshold")
    page.keyboard.press("Home")
    assert "unknown" not in labels(page)
    page.keyboard.press("End")
    assert labels(page).count("unknown") == 3
    page.keyboard.press("ArrowLeft")
    assert float(page.inner_text("#shown")) == pytest.approx(0.99, abs=0.02)
    tab_to("#reset")
    page.keyboard.press("Enter")
    assert page.inner_text("#shown") == "0.250"
    tab_to("#explain")
    page.keyboard.press("Space")
    expect(page.locator(".heat")).to_have_count(3)
    tab_to("#clear")
    page.keyboard.press("Enter")
    expect(page.locator(".card")).to_have_count(0)
    tab_to("#photo")
    page.keyboard.press("Enter")
    expect(page.locator("video")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("video")).to_be_hidden()


def test_where_the_model_looked(opened: Opened) -> None:
    page = opened.page
    choose(page, *PICTURES)
    assert page.locator(".heat").count() == 0
    page.get_by_role("switch", name="Show where the model looked").check()
    expect(page.locator(".heat")).to_have_count(3)
    assert page.locator(".heat").first.evaluate("image => image.decode().then(() => true)")
    assert page.locator("#legend").is_visible()
    choose(page, ("d.png", png(1, seed=9)))
    expect(page.locator(".heat")).to_have_count(4)
    page.get_by_role("switch").uncheck()
    expect(page.locator(".heat")).to_have_count(0)


def test_another_model(opened: Opened, tmp_path: Path) -> None:
    page = opened.page
    choose(page, *PICTURES)
    page.locator("#model").select_option("other")
    expect(page.locator(".card").first.locator(".bars li")).to_have_count(5)
    settle(page)
    assert labels(page)[0].startswith("a sign of a very long name")
    assert labels(page)[1] == "<img src=x onerror=alert(1)>"
    rows = saved(page, tmp_path)
    assert {"p_2", "p_10", 'p_"quoted", or not'} <= set(rows[0])


def test_many_pictures_are_sent_in_groups_and_in_order(opened: Opened, tmp_path: Path) -> None:
    page = opened.page
    pictures = [(f"{number}.png", png(number % 2, seed=number)) for number in range(70)]
    choose(page, *pictures)
    rows = saved(page, tmp_path)
    assert [row["path"] for row in rows] == [name for name, _ in pictures]
    assert [row["label"] for row in rows] == [CLASSES[number % 2] for number in range(70)]
    posts = [url for url in opened.requested if "/v1/predict" in url]
    assert len(posts) == 5


def answers_alike(browser: Browser, run: Path, data: Path, folder: Path) -> int:
    """Ask page, service and `predict` for all validation pictures, and give how many there are.

    Every label has to be the same, and every probability but for rounding.
    """
    with (data / "manifest.csv").open(encoding="utf-8") as file:
        validation = [row["path"] for row in csv.DictReader(file) if row["split"] == "val"]
    root = Path(json.loads((data / "data.json").read_text())["root"])
    paths = [root / path for path in validation]
    wanted = signwise.predict(run, paths, out=folder / "rows.csv").rows
    with running(run) as service, browser.new_context(accept_downloads=True) as context:
        page = Opened(context, service.url).ready()
        choose(page, *((path.name, path.read_bytes()) for path in paths))
        shown = labels(page)
        rows = saved(page, folder)
        asked = [
            predict(service, (path.name, path.read_bytes())).json()["predictions"][0]
            for path in paths
        ]
    with (folder / "rows.csv").open(encoding="utf-8") as file:
        header = next(csv.reader(file))
    assert list(rows[0]) == header
    found = [row["label"] for row in wanted]
    assert shown == [row["label"] for row in rows] == [row["label"] for row in asked] == found
    for name in ("confidence", "known"):
        numbers = [row[name] for row in wanted]
        assert [float(row[name]) for row in rows] == pytest.approx(numbers, abs=1e-5)
        assert [row[name] for row in asked] == pytest.approx(numbers, abs=1e-5)
    for name in asked[0]["probabilities"]:
        numbers = [row[f"p_{name}"] for row in wanted]
        assert [float(row[f"p_{name}"]) for row in rows] == pytest.approx(numbers, abs=1e-5)
        assert [row["probabilities"][name] for row in asked] == pytest.approx(numbers, abs=1e-5)
    return len(paths)


def test_page_and_service_answer_as_predict_on_all_validation_pictures(
    browser: Browser, trained_run: Path, prepared: Path, tmp_path: Path
) -> None:
    assert answers_alike(browser, trained_run, prepared, tmp_path) >= 12


@pytest.mark.nightly
def test_so_they_do_for_a_run_on_rendered_signs(browser: Browser, tmp_path: Path) -> None:
    signwise.synth(tmp_path / "photos", per_class=400, seed=5)
    data = signwise.prepare(tmp_path / "photos", tmp_path / "data").out
    run = signwise.train(data, tmp_path / "run", freeze=True).out
    assert answers_alike(browser, run, Path(data), tmp_path) >= 100


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("model", NAMES)
def test_everybody_can_use_it(
    browser: Browser, service: Service, width: int, dark: bool, model: str
) -> None:
    """axe-core finds nothing, and nothing is wider than the screen."""
    scheme: Any = "dark" if dark else "light"
    with browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True
    ) as context:
        page = Opened(context, service.url).ready()
        assert found_by_axe(page) == []
        page.locator("#model").select_option(model)
        choose(page, *PICTURES)
        page.get_by_role("switch").check()
        expect(page.locator(".heat")).to_have_count(3)
        assert found_by_axe(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        small = page.evaluate(
            "[...document.querySelectorAll('button, .button, select')].filter(one =>"
            " one.checkVisibility() && one.getBoundingClientRect().height < 30).length"
        )
        assert small == 0
        page.get_by_role("button", name="Take a photo").click()
        expect(page.locator("video")).to_be_visible()
        assert found_by_axe(page) == []


def found_by_axe(page: Page) -> list[str]:
    """What axe-core objects to."""
    violations = Axe().run(page).response["violations"]
    return [f"{one['id']}: {node['html']}" for one in violations for node in one["nodes"]]


def test_axe_would_find_a_mistake(browser: Browser, service: Service) -> None:
    with browser.new_context(bypass_csp=True) as context:
        page = Opened(context, service.url).ready()
        page.evaluate("document.querySelector('h1').outerHTML = '<img src=\"data:,\">'")
        assert any("image-alt" in one for one in found_by_axe(page))


def test_a_key_is_asked_for_and_kept_in_the_tab(
    browser: Browser, models: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "keys").write_text("a-key-that-is-long-enough")
    with (
        running(models[0], api_key_file=tmp_path / "keys") as service,
        browser.new_context() as context,
    ):
        opened = Opened(context, service.url)
        page = opened.page
        for key in ("wrong", "a-key-that-is-long-enough"):
            page.get_by_label("Key", exact=True).fill(key)
            page.get_by_role("button", name="Use it").click()
        opened.ready()
        choose(page, *PICTURES)
        assert labels(page)[0] == "priority"
        page.reload()
        opened.ready()


def test_a_busy_service_is_asked_again_and_a_missing_one_told(
    browser: Browser, models: list[Path]
) -> None:
    with browser.new_context() as context:
        with running(models[0]) as service:
            opened = Opened(context, service.url)
            page = opened.ready()
            busy = iter([True, True])
            page.route(
                "**/v1/predict**",
                lambda route: (
                    route.fulfill(status=503, headers={"Retry-After": "0.01"})
                    if next(busy, False)
                    else route.continue_()
                ),
            )
            choose(page, *PICTURES)
            assert labels(page)[0] == "priority"
        choose(page, ("late.png", png()))
        assert "can't be reached" in page.locator(".card").first.inner_text()


def test_a_picture_that_is_too_large_is_a_row(browser: Browser, models: list[Path]) -> None:
    with (
        running(models[0], Limits(body_bytes=20_000)) as service,
        browser.new_context() as context,
    ):
        page = Opened(context, service.url).ready()
        choose(page, ("a.png", png(0)), ("large.png", png(1, size=200)), ("b.png", png(1)))
        assert labels(page) == ["priority", "could not be read", "stop"]
        assert "larger than" in page.locator(".card").nth(1).inner_text()
