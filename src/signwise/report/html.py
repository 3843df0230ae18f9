"""Self-contained report pages: text, tables and pictures to one HTML file.

Whatever is no `Html` yet is escaped, so that a file or class name can't break a page.
"""

import base64
import html
import io
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from signwise.report.charts import CHART_DPI

Picture = NDArray[np.uint8] | bytes

STYLE = Path(__file__).with_name("style.css")


class Html(str):
    """Text that is HTML already and is not escaped again."""

    __slots__ = ()


def escape(text: object) -> Html:
    """The text as HTML; an `Html` as it is."""
    return text if isinstance(text, Html) else Html(html.escape(str(text)))


def page(title: str, sections: Iterable[Html], *, lead: str = "") -> str:
    """A whole HTML file that loads nothing: title, the verdict in a sentence, the sections."""
    # The empty icon keeps a browser from asking a server for /favicon.ico.
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>\n{STYLE.read_text()}</style>\n</head>\n<body>\n<main>\n"
        f"<header><h1>{escape(title)}</h1>"
        + (f'<p class="lead">{escape(lead)}</p>' if lead else "")
        + "</header>\n"
        + "\n".join(sections)
        + "\n<footer>Made by signwise. This file is complete in itself: it can be mailed, archived"
        " or printed.</footer>\n</main>\n</body>\n</html>\n"
    )


def section(heading: str, *parts: Html) -> Html:
    """A part of the page with a heading; empty parts vanish."""
    return Html(f"<section>\n<h2>{escape(heading)}</h2>\n" + "\n".join(parts) + "\n</section>")


def paragraph(text: str) -> Html:
    """Running text."""
    return Html(f"<p>{escape(text)}</p>")


def note(text: str) -> Html:
    """Running text of less weight."""
    return Html(f'<p class="note">{escape(text)}</p>')


def warning(text: str) -> Html:
    """A sentence that has to be seen."""
    return Html(f'<p class="warning"><strong>{escape(text)}</strong></p>')


def figures(items: Iterable[tuple[str, str, str]]) -> Html:
    """Cards of (what, value, what stands beside it: count and interval)."""
    cards = "".join(
        f'<div><dt>{escape(name)}</dt><dd class="value">{escape(value)}</dd>'
        f'<dd class="note">{escape(beside)}</dd></div>'
        for name, value, beside in items
    )
    return Html(f'<dl class="figures">{cards}</dl>')


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> Html:
    """A table; columns that hold numbers alone are set flush right, and no header needs to be."""
    content = [list(row) for row in rows]
    # The first column names the row, even where names are digits.
    numeric = [
        column > 0 and bool(content) and all(_is_number(row[column]) for row in content)
        for column in range(len(headers))
    ]

    def line(tag: str, cells: Sequence[object], attributes: str = "") -> str:
        kinds = [' class="number"' if right else "" for right in numeric]
        return "".join(
            f"<{tag}{attributes}{kind}>{escape(cell)}</{tag}>"
            for cell, kind in zip(cells, kinds, strict=True)
        )

    body = "\n".join(f"<tr>{line('td', row)}</tr>" for row in content)
    head = line("th", headers, ' scope="col"')
    head = f"<thead><tr>{head}</tr></thead>\n" if any(headers) else ""
    # A box that scrolls must be reached by the keyboard, too.
    return Html(
        f'<div class="scroll" tabindex="0"><table>\n{head}<tbody>\n{body}\n</tbody>\n</table></div>'
    )


def settings(items: Iterable[tuple[str, object]]) -> Html:
    """A table of settings, with None, truth and lists as a person would write them."""

    def shown(value: object) -> object:
        if value is None:
            return "not set"
        if isinstance(value, bool):
            return "yes" if value else "no"
        return " / ".join(map(str, value)) if isinstance(value, list | tuple) else value

    return table(["", ""], [(name, shown(value)) for name, value in items])


def _is_number(cell: object) -> bool:
    # 12, 0.5, 99.5 %, 97.1 to 100 %, and the dash of what can't be measured.
    return set(str(cell)) <= set("0123456789.,-+% \u00a0to–−×") and str(cell) != ""  # noqa: RUF001


def details(summary: str, *parts: Html) -> Html:
    """Parts that unfold on a click."""
    return Html(
        f"<details>\n<summary>{escape(summary)}</summary>\n" + "\n".join(parts) + "\n</details>"
    )


def row(*parts: Html) -> Html:
    """Parts side by side where the screen is wide enough."""
    return Html('<div class="row">' + "\n".join(parts) + "</div>")


def image(png: bytes, alt: str, caption: str = "", *, chart: bool = True) -> Html:
    """A figure; a chart, dark on white, is turned round in dark mode, a photo stays."""
    width, height = (round(side * 100 / CHART_DPI) for side in png_size(png))
    # On a phone a chart shrinks by a third at most; beyond that its box scrolls.
    return Html(
        f'<figure class="{"chart" if chart else "photo"}" style="flex-basis:{width}px">'
        f'<div class="scroll"><img src="{_data_url(png)}" alt="{escape(alt)}" width="{width}" '
        f'height="{height}" style="min-width:{round(width * 0.65)}px"></div>'
        + (f"<figcaption>{escape(caption)}</figcaption>" if caption else "")
        + "</figure>"
    )


def thumbnails(items: Iterable[tuple[Picture, str]], *, cell: int = 96) -> Html:
    """A grid of small pictures, uint8 (H, W, 3) or PNG, with captions; `cell` in page pixels."""
    cells = []
    for picture, caption in items:
        png = to_png(picture)
        width, height = png_size(png)
        cells.append(
            f'<figure><img src="{_data_url(png)}" alt="{escape(caption)}" width="{width}" '
            f'height="{height}"><figcaption>{escape(caption)}</figcaption></figure>'
        )
    return Html(f'<div class="thumbnails" style="--cell:{cell}px">{"".join(cells)}</div>')


def whole_pixels(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A small picture (S, S, 3) enlarged by whole pixels: browsers blur what they enlarge."""
    factor = max(1, 128 // len(pixels))
    return np.repeat(np.repeat(pixels, factor, axis=0), factor, axis=1)


def to_png(picture: Picture) -> bytes:
    """PNG bytes of pixels, uint8 (H, W, 3) or (H, W, 4); PNG bytes as they are."""
    if isinstance(picture, bytes):
        return picture
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "png")
    return buffer.getvalue()


def png_size(png: bytes) -> tuple[int, int]:
    """Width and height in pixels, as the file's header has them."""
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def _data_url(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
