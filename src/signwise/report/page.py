"""Templates to text, and pictures to what a template shows: one HTML file that loads nothing.

Whatever a template of HTML shows is escaped, so that a file or class name can't break a page.
"""

import base64
import io
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from signwise.files import Json, printable_path
from signwise.report import words

SHARP = 128
"""A smaller picture is enlarged by whole pixels to about this side: browsers blur what they
enlarge. A larger one is made smaller where its file is not small."""
SMALL_FILE = 5000
"""Bytes of a PNG. A page may show hundreds of pictures, and is to stay below some megabytes."""
QUALITY = 80
"""Of WebP."""
SHOWN_PROBLEMS, LISTED_CLASSES = 500, 1000
"""Rows of a page at most: files that could not be used, and classes."""
PAGE_DPI = 100
"""Pixels of the page to an inch of a chart."""


@dataclass(frozen=True, kw_only=True)
class PagePicture:
    """A picture as a page shows it."""

    url: str
    """The picture itself, PNG or WebP, as a data: URL."""
    width: int
    """In pixels of the page."""
    height: int
    alt: str = ""
    """What a screen reader says."""


@dataclass(frozen=True, kw_only=True)
class Thumbnail:
    """Small pictures that belong together, side by side, and a caption of one or more lines."""

    pictures: tuple[PagePicture, ...]
    lines: tuple[str, ...]


def render(template: str, **context: object) -> str:
    """The text of a file of `templates` with what it is about; HTML is escaped in .html alone.

    Raises jinja2.UndefinedError for a name that the template uses and the context lacks.
    """
    text = _environment().get_template(template).render(context)
    # A name may hold bytes that are not UTF-8, or half of a character; a page may not.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def chart(png: bytes) -> PagePicture:
    """A chart in the size that it was drawn for, with more pixels than the page for sharp screens.

    Raises PIL.UnidentifiedImageError for bytes that are no picture.
    """
    with Image.open(io.BytesIO(png)) as image:
        scale = PAGE_DPI / image.info.get("dpi", (PAGE_DPI, PAGE_DPI))[0]
        width, height = (round(side * scale) for side in image.size)
    return PagePicture(url=_data_url(png), width=width, height=height)


def photo(pixels: NDArray[np.uint8], alt: str) -> PagePicture:
    """A picture, uint8 (H, W, 3): as it is where that takes few bytes, else small and in WebP."""
    height, width = pixels.shape[:2]
    image, buffer = Image.fromarray(pixels), io.BytesIO()
    image.save(buffer, "png")
    kind = "png"
    if buffer.tell() > SMALL_FILE:
        kind, buffer = "webp", io.BytesIO()
        image.thumbnail((SHARP, SHARP))
        image.save(buffer, "webp", quality=QUALITY)
    return PagePicture(url=_data_url(buffer.getvalue(), kind), width=width, height=height, alt=alt)


def whole_pixels(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A small picture (H, W, 3) enlarged by whole pixels; a large one as it is."""
    factor = max(1, SHARP // len(pixels))
    return np.repeat(np.repeat(pixels, factor, axis=0), factor, axis=1)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "percent": words.percent,
        "between": words.between,
        "score": words.score,
        "number": words.number,
        "plural": words.plural,
        "intervals": words.intervals,
        "short_path": words.short_path,
        "printable": printable_path,
        "count": _count,
        "setting": _setting,
        "interval": words.interval,
        "threshold": _threshold,
        "pieces": _pieces,
        "markdown": _markdown,
    }
    environment.globals |= {"counted": words.counted}
    return environment


def _data_url(content: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64," + base64.b64encode(content).decode()


def _threshold(value: float) -> str:
    """A threshold that keeps what the exact one keeps, as far as it is written out."""
    return f"{value:.9f}".rstrip("0").rstrip(".") if value else "0"


def _pieces(text: str) -> list[str]:
    """The text in pieces between which a line may break: after a slash, underscore or hyphen."""
    return re.split(r"(?<=[/_-])", text)


def _count(value: int) -> str:
    return f"{value:,}"


def _setting(value: Json) -> str:
    """A setting as a person would write it."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " / ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _markdown(text: str) -> str:
    """Any text on one line of Markdown, where it can be neither HTML nor a new column."""
    line = " ".join(text.split())
    return line.replace("&", "&amp;").replace("<", "&lt;").replace("|", r"\|")
