import io
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from signwise.report import html


class Reader(HTMLParser):
    """Collects tags and text, and checks that what opens also closes."""

    EMPTY = ("meta", "link", "img", "!doctype")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.open, self.tags, self.links = "", [], [], []
        self.feed(page)
        assert self.open == [], "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def any_png(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height)).save(buffer, "png")
    return buffer.getvalue()


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30))
def test_any_text_is_shown_as_it_is(text: str) -> None:
    page = html.page(
        text,
        [
            html.section(
                text,
                html.paragraph(text),
                html.warning(text),
                html.note(text),
                html.figures([(text, text, text)]),
                html.table([text, ""], [[text, 1]]),
                html.details(text, html.image(any_png(8, 4), text, text)),
                html.thumbnails([(np.zeros((4, 4, 3), np.uint8), text)]),
            )
        ],
        lead=text,
    )
    read = Reader(page)
    assert read.text.count(text) >= 12
    assert "script" not in read.tags


def test_a_page_loads_nothing() -> None:
    picture = html.thumbnails([(any_png(3, 2), "a"), (np.zeros((2, 2, 4), np.uint8), "b")])
    page = html.page("title", [html.section("s", picture, html.image(any_png(400, 200), "c"))])
    assert all(link.startswith("data:") for link in Reader(page).links)
    assert "url(" not in page
    assert "@import" not in page
    assert "http" not in page


@pytest.mark.parametrize(
    ("cells", "flush_right"),
    [
        (["1", "99.5 %", "97.1 to 100 %", 3, "–", "1,000"], True),  # noqa: RUF001
        (["1", "one"], False),
        (["1", ""], False),
        ([], False),
    ],
)
def test_numbers_are_set_flush_right(cells: list[object], flush_right: bool) -> None:
    table = html.table(["name", "figure"], [["7", cell] for cell in cells])
    assert ('<th scope="col" class="number">figure' in table) == flush_right
    assert '<th scope="col">name' in table  # a name, if of digits


def test_a_table_without_header_has_none() -> None:
    assert "<th" not in html.table(["", ""], [["a", "b"]])


def test_settings_are_shown_in_words() -> None:
    shown = html.settings([("group", None), ("copy", False), ("split", (0.7, 0.2, 0.1))])
    for text in ("not set", "no", "0.7 / 0.2 / 0.1"):
        assert f"<td>{text}</td>" in shown


def test_charts_keep_their_size_and_photos_their_colours() -> None:
    chart = html.image(any_png(800, 400), "chart")
    assert 'class="chart"' in chart
    assert 'width="400" height="200"' in chart
    assert 'class="photo"' in html.image(any_png(8, 8), "photo", chart=False)


def test_pixels_survive_the_way_into_the_page() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(html.to_png(pixels)))), pixels)
    assert html.png_size(html.to_png(pixels)) == (7, 5)
