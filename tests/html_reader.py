"""What a report page says, section by section: its text, its tables, what it would load."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = ("meta", "link", "img", "br")
"""Elements that are never closed."""


@dataclass
class Section:
    """A part of a page, from one h1 or h2 to the next."""

    tables: list[list[list[str]]] = field(default_factory=list)
    """Tables of rows of cells."""
    cards: dict[str, str] = field(default_factory=dict)
    """What stands on each card, by its name."""
    images: list[str] = field(default_factory=list)
    """Alternative texts."""
    captions: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    """Every piece of text, as it stands."""

    @property
    def text(self) -> str:
        """All text, with single blanks."""
        return " ".join("".join(self.data).split())


class PageReader(HTMLParser):
    """Reads a page and checks that whatever opens also closes.

    Blanks and line breaks become single blanks, but in captions lines stay apart.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.sections: dict[str, Section] = {}
        self.tags: list[str] = []
        self.links: list[str] = []
        """Every address that an element names."""
        self._open: list[str] = []
        self._kept: list[str] = []
        self._warning = False
        self._heading = ""
        self._card = ""
        self.feed(page)
        self.close()
        assert self._open == [], "every element is closed"

    @property
    def headings(self) -> list[str]:
        return list(self.sections)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.tags.append(tag)
        self.links += [named[name] or "" for name in ("src", "href") if name in named]
        if tag not in VOID:
            self._open.append(tag)
        if tag == "br":
            self.handle_data("\n")
        if tag in ("h1", "h2", "th", "td", "dt", "dd", "figcaption", "p"):
            self._kept = []
        if tag == "p":
            self._warning = named.get("class") == "warning"
        if tag == "img":
            self._section.images.append(named["alt"] or "")
        if tag == "table":
            self._section.tables.append([])
        if tag == "tr":
            self._section.tables[-1].append([])

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        text = "".join(self._kept)
        whole = " ".join(text.split())
        if tag in ("h1", "h2"):
            self._heading = whole
            self.sections[whole] = Section()
        elif tag in ("th", "td"):
            self._section.tables[-1][-1].append(whole)
        elif tag == "dt":
            self._card = whole
            self._section.cards[whole] = ""
        elif tag == "dd":
            self._section.cards[self._card] += f" {whole}"
        elif tag == "figcaption" and whole:
            self._section.captions.append(text.strip())
        elif tag == "p" and self._warning:
            self._section.warnings.append(whole)

    def handle_data(self, data: str) -> None:
        self._kept.append(data)
        if self._heading and not {"h1", "h2"} & set(self._open):
            self._section.data.append(data)

    @property
    def _section(self) -> Section:
        return self.sections[self._heading]
