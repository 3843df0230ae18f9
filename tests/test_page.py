"""Pages: everything is shown as it is, nothing is loaded, no name breaks them."""

import base64
import io
import os

import jinja2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

from html_reader import PageReader
from signwise.report.charts import draw
from signwise.report.data_page import Sample, data_page
from signwise.report.evaluation_page import evaluation_page
from signwise.report.page import chart, photo, render, whole_pixels
from signwise.results import Problem
from toy_report import picture, shown, toy_data_page, toy_evaluation, toy_page

HOSTILE = "</td><script>alert('&amp;')</script>\"<b x='"


@example("<b>&amp;\"'")
@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=30))
def test_any_name_is_shown_as_it_is(text: str) -> None:
    page = data_page(
        toy_data_page(
            classes=(text,),
            name=text,
            samples={text: [Sample(pixels=picture(), name=text)]},
            problems=[Problem(path=text, problem=text)],
            settings={text: text},
        )
    )
    read = PageReader(page)
    assert read.headings[0] == f"Data: {text}"
    assert read.sections["Pictures and signs"].tables[0][1][0] == text
    assert read.sections["Samples"].captions == [text]
    assert read.sections["Unusable files"].tables[0][1] == [text, text]
    assert read.sections["Settings"].tables[0][0] == [text, text]
    assert "script" not in read.tags


def test_html_in_the_names_of_an_evaluation_stays_text() -> None:
    classes = (HOSTILE, "stop & go")
    page = evaluation_page(
        toy_page(
            toy_evaluation(classes=classes, data=HOSTILE),
            mistakes=[shown(f"a/{HOSTILE}.png", HOSTILE, "stop & go")],
        )
    )
    read = PageReader(page)
    assert not {"script", "b"} & set(read.tags)
    assert read.headings[0] == f"Evaluation: {HOSTILE}, stop & go"
    rows = read.sections["Results by class"].tables[0]
    assert [row[0] for row in rows[1:]] == [
        f"{HOSTILE} (#0)",
        "stop & go",
    ]  # shortened in the chart
    caption = read.sections["Most confident mistakes"].captions[0]
    assert caption.splitlines()[0] == f"{HOSTILE}, predicted stop & go"
    assert f"40 pictures: {HOSTILE}" in read.sections["Data and settings"].text


def test_names_that_are_not_utf8_break_no_page() -> None:
    odd = os.fsdecode(b"\xff\xfe.png")
    page = data_page(
        toy_data_page(
            name=odd,
            samples={"stop": [Sample(pixels=picture(), name=odd)]},
            warnings=[f"{odd} is odd"],
        )
    )
    read = PageReader(page.encode().decode())
    assert read.sections["Samples"].captions == [r"\xff\xfe.png"]
    assert read.sections["Pictures and signs"].warnings[0].endswith(".png is odd")
    text = evaluation_page(toy_page(mistakes=[shown(f"photos/{odd}", "stop", "priority")]))
    caption = PageReader(text.encode().decode()).sections["Most confident mistakes"].captions[0]
    assert caption.splitlines()[-1] == r"photos/\xff\xfe.png"


@pytest.mark.parametrize("kind", ["evaluation", "data"])
def test_a_page_loads_nothing(kind: str) -> None:
    page = evaluation_page(toy_page()) if kind == "evaluation" else data_page(toy_data_page())
    read = PageReader(page)
    assert read.links[0] == "data:,"  # the icon, which a browser would ask a server for
    assert len(read.links) > 4
    assert all(link.startswith("data:image/png;base64,") for link in read.links[1:])
    for loaded in ("url(", "@import", "http:", "https:", "<script", "srcset"):
        assert loaded not in page
    assert page.startswith("<!doctype html>\n<html lang=")
    assert "prefers-color-scheme: dark" in page


def test_a_name_that_a_template_lacks_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError, match="lead"):
        render("base.html", title="a")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "not set"), (True, "yes"), (False, "no"), (0, "0"), ([0.7, 0.15], "0.7 / 0.15"),
        ("a", "a"),
    ],
)  # fmt: skip
def test_settings_are_shown_in_words(value: object, text: str) -> None:
    read = PageReader(data_page(toy_data_page(settings={"one": value})))
    assert read.sections["Settings"].tables == [[["one", text]]]


def test_pixels_survive_the_way_into_the_page() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    found = photo(pixels, "noise")
    assert (found.width, found.height, found.alt) == (7, 5, "noise")
    with io.BytesIO(_decoded(found.url)) as file:
        assert np.array_equal(np.asarray(Image.open(file)), pixels)


def test_a_chart_has_two_pixels_for_each_of_the_page() -> None:
    png = draw(Figure.subplots, 4.0, 2.0)
    found = chart(png)
    assert (found.width, found.height) == (400, 200)
    assert _decoded(found.url) == png
    with io.BytesIO(png) as file:
        assert Image.open(file).size == (800, 400)


@pytest.mark.parametrize(("side", "shown_as"), [(8, 128), (32, 128), (48, 96), (224, 224)])
def test_small_pictures_are_enlarged_by_whole_pixels(side: int, shown_as: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    large = whole_pixels(pixels)
    factor = shown_as // side
    assert large.shape == (shown_as, shown_as, 3)
    assert np.array_equal(large[::factor, ::factor], pixels)
    assert np.array_equal(large[factor - 1 :: factor, factor - 1 :: factor], pixels)


def test_a_large_photo_takes_few_bytes_of_a_page() -> None:
    side = np.linspace(0, 255, 500)
    noise = np.random.default_rng(0).normal(0, 12, (500, 500, 3))
    pixels = np.clip(np.add.outer(side, side)[..., None] / 2 + noise, 0, 255).astype(np.uint8)
    found = photo(pixels, "photo")
    assert (found.width, found.height) == (500, 500)
    content = _decoded(found.url, "webp")
    assert len(content) < 8_000
    with io.BytesIO(content) as file:
        shown = np.asarray(Image.open(file).resize((500, 500)), float)
    assert np.abs(shown - pixels).mean() < 20


def test_a_page_of_thousands_of_classes_says_what_it_leaves_out() -> None:
    classes = [f"class {number}" for number in range(1100)]
    photos = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    text = data_page(toy_data_page(classes, samples={"class 0": [Sample(pixels=photos, name="a")]}))
    read = PageReader(text).sections["Pictures and signs"]
    assert len(read.tables[0]) == 1 + 1000 + 1
    assert "100 more classes are not listed here. data.json has the counts of all." in text
    assert len(text) < 5e6
    text = evaluation_page(toy_page(toy_evaluation(classes=classes)))
    assert "The first 1,000 classes" in text
    assert "100 more classes are not listed here. metrics.json has the figures of all." in text
    assert len(text) < 5e6


def _decoded(url: str, kind: str = "png") -> bytes:
    head, content = url.split(",")
    assert head == f"data:image/{kind};base64"
    return base64.b64decode(content)
