"""Flat things that are no road sign: plates, panels, adverts, lights, backs, strange signs."""

import numpy as np

from signwise.synthetic import arrows, symbols
from signwise.synthetic.letters import write
from signwise.synthetic.lookalikes import any_word
from signwise.synthetic.shapes import (
    Colour,
    Drawing,
    Points,
    Rng,
    Shape,
    any_colour,
    between,
    disc,
    fill,
    pick,
    place,
    rectangle,
    regular,
    rounded,
    rounded_box,
    stroke,
    tone,
)
from signwise.synthetic.vienna import Design

OUTLINES = ("disc", "disc", "box", "box", "polygon", "polygon", "diamond", "blob")


def any_outline(rng: Rng) -> tuple[str, Points]:
    """A kind of outline and its points (n, 2), of any plate a maker could cut."""
    kind = pick(rng, OUTLINES)
    if kind == "disc":
        return kind, disc(
            0, 0, 1, (0, 0, 0), between(rng, 0.6, 1) if rng.random() < 0.3 else 1
        ).points
    if kind == "box":
        return kind, rounded_box(0, 0, between(rng, 0.5, 1), between(rng, 0.4, 1), rng.random() / 2)
    if kind == "diamond":
        return kind, rounded(regular(4, 1.0), between(rng, 0, 0.3))
    if kind == "polygon":
        corners = int(rng.integers(3, 11))
        share = between(rng, 0.0, 0.3)
        return f"polygon{corners}", rounded(regular(corners, 1.0, rng.random() * 360), share)
    corners = int(rng.integers(4, 10))
    radii = rng.uniform(0.5, 1.05, (corners, 1))
    return kind, rounded(regular(corners, 1.0, rng.random() * 360) * radii, between(rng, 0, 0.5))


def any_mark(rng: Rng) -> Drawing:
    """A word, a number, a pictogram or a few shapes that fill a box from -1 to 1."""
    ink = any_colour(rng) if rng.random() < 0.6 else tone(rng, pick(rng, ("black", "white")))
    style = rng.random()
    if style < 0.35:
        weight = between(rng, 0.1, 0.25)
        return write(any_word(rng), ink, width=2, height=between(rng, 0.5, 1.3), weight=weight)
    if style < 0.75:
        return place(pick(rng, symbols.GLYPHS)(ink), angle=between(rng, -30, 30))
    marks = []
    for _ in range(int(rng.integers(1, 5))):
        x, y, size = between(rng, -0.7, 0.7), between(rng, -0.7, 0.7), between(rng, 0.15, 0.8)
        points = any_outline(rng)[1] * size + (x, y)
        marks.append(Shape(points, any_colour(rng)))
    return marks


def _near(colour: Colour, other: Colour) -> bool:
    return sum(abs(a - b) for a, b in zip(colour, other, strict=True)) < 150


def strange(rng: Rng) -> Drawing:
    """A sign that no country has: any outline, any colours, bands and marks."""
    kind, outline = any_outline(rng)
    paper = any_colour(rng)
    # What comes out as a real priority, stop or yield sign by chance would be a wrong negative.
    if (kind in ("diamond", "polygon4") and paper[0] > 140 and paper[2] < 130) or (
        kind in ("polygon7", "polygon8", "polygon9", "polygon3") and paper[0] > paper[1] + 50
    ):
        paper = paper[2], paper[1], paper[0]
    size, face = 1.0, []
    for _ in range(int(rng.random() * 3)):
        face.append(Shape(outline * size, any_colour(rng)))
        size -= between(rng, 0.03, 0.22)
    face.append(Shape(outline * size, paper))
    if rng.random() < 0.85:
        face += place(any_mark(rng), scale=between(rng, 0.35, 0.7) * size)
    return face


def blank(rng: Rng) -> Drawing:
    """A plate of one colour."""
    outline = any_outline(rng)[1]
    face = [Shape(outline, tone(rng, pick(rng, ("grey", "white", "black", "brown", "green"))))]
    if rng.random() < 0.4:
        face.append(Shape(outline * between(rng, 0.8, 0.95), any_colour(rng)))
    return face[:1] if _near(face[-1].colour, (240, 180, 30)) else face


def sign_back(rng: Rng) -> Drawing:
    """The grey back of a sign with its post and clamps."""
    grey = tone(rng, "grey")
    dark: Colour = (max(0, grey[0] - 40), max(0, grey[1] - 40), max(0, grey[2] - 40))
    outline = pick(rng, (regular(8, 1.0, 22.5), regular(3, 1.1, 0), disc(0, 0, 1, grey).points))
    clamps = [rectangle(-0.5, y, 0.5, y + 0.1, dark) for y in (-0.4, 0.3)]
    return [Shape(outline, grey), rectangle(-0.09, -1, 0.09, 1.2, dark), *clamps]


def _lines(rng: Rng, ink: Colour, count: int, half_width: float, half_height: float) -> Drawing:
    step = 2 * half_height / count
    drawing = []
    for line in range(count):
        width = half_width * between(rng, 1.0, 1.8)
        drawing += write(
            any_word(rng, 3, 8), ink, width=width, height=step * 0.6,
            weight=between(rng, 0.12, 0.22), y=-half_height + (line + 0.5) * step,
        )  # fmt: skip
    return drawing


def direction_panel(rng: Rng) -> Drawing:
    """Names of places, often with an arrow."""
    colour = pick(rng, ("blue", "green", "white", "yellow", "brown"))
    ink = tone(rng, "black" if colour in ("white", "yellow") else "white")
    tall = between(rng, 0.35, 0.8)
    outline = rounded_box(0, 0, 1, tall, between(rng, 0, 0.3))
    face = [Shape(outline, ink), Shape(outline * (0.97, 0.94), tone(rng, colour))]
    face += _lines(rng, ink, int(rng.integers(1, 4)), 0.6, tall * 0.8)
    if rng.random() < 0.4:
        mark = pick(rng, (arrows.ahead, arrows.sideways, arrows.right))(ink)
        face += place(mark, pick(rng, (-0.78, 0.78)), 0, 0.18)
    return face


def street_name(rng: Rng) -> Drawing:
    """A narrow plate with one word."""
    colour = pick(rng, ("blue", "green", "white"))
    ink = tone(rng, "black" if colour == "white" else "white")
    tall = between(rng, 0.16, 0.3)
    face = [
        rectangle(-1, -tall, 1, tall, ink),
        rectangle(-0.97, -tall * 0.9, 0.97, tall * 0.9, tone(rng, colour)),
    ]
    return face + write(any_word(rng, 5, 10), ink, width=1.7, height=tall * 1.1)


def number_plate(rng: Rng) -> Drawing:
    """A car's number plate."""
    ink = tone(rng, "black")
    paper = tone(rng, pick(rng, ("white", "white", "yellow")))
    tall = between(rng, 0.2, 0.45)
    face = [
        Shape(rounded_box(0, 0, 1, tall, 0.1), ink),
        rectangle(-0.97, -tall * 0.9, 0.97, tall * 0.9, paper),
    ]
    if rng.random() < 0.6:
        face.append(rectangle(-0.97, -tall * 0.9, -0.82, tall * 0.9, tone(rng, "blue")))
    return face + write(any_word(rng, 5, 8), ink, width=1.6, height=tall * 1.3, x=0.06)


def advert(rng: Rng) -> Drawing:
    """A poster: fields of colour, words, shapes."""
    wide, tall = between(rng, 0.6, 1.2), between(rng, 0.6, 1.2)
    face = [rectangle(-wide, -tall, wide, tall, any_colour(rng))]
    for _ in range(int(rng.integers(0, 4))):
        size = between(rng, 0.2, 0.7)
        points = any_outline(rng)[1] * size + rng.uniform(-0.5, 0.5, 2)
        face.append(Shape(points, any_colour(rng)))
    return face + _lines(rng, any_colour(rng), int(rng.integers(1, 4)), wide * 0.6, tall * 0.5)


def traffic_light(rng: Rng) -> Drawing:
    """A signal head with one light on."""
    housing = rounded_box(0, 0, 0.45, 1.1, between(rng, 0, 0.4))
    lit = int(rng.integers(0, 3))
    colours = ((240, 40, 40), (250, 190, 40), (40, 220, 150))
    face = [Shape(housing, tone(rng, pick(rng, ("black", "black", "yellow", "green"))))]
    for lamp, (y, colour) in enumerate(zip((-0.68, 0, 0.68), colours, strict=True)):
        dim: Colour = (colour[0] // 4, colour[1] // 4, colour[2] // 4)
        face.append(disc(0, y, between(rng, 0.24, 0.32), colour if lamp == lit else dim))
    return face


def chevron_board(rng: Rng) -> Drawing:
    """Chevrons or slanting stripes in two colours."""
    dark, light = pick(rng, (("red", "white"), ("black", "white"), ("black", "yellow")))
    wide, tall = between(rng, 0.4, 1), between(rng, 0.25, 1)
    face = [rectangle(-wide, -tall, wide, tall, tone(rng, light))]
    ink = tone(rng, dark)
    slant = pick(rng, (-0.4, 0.4))
    for x in np.arange(-wide + 0.1, wide - 0.2, 0.5):
        if rng.random() < 0.5:
            bar = [(x, -tall), (x + 0.25, -tall), (x + 0.25 + slant, tall), (x + slant, tall)]
        else:
            bar = [(x, -tall), (x + 0.25, -tall), (x + 0.1, 0), (x + 0.25, tall), (x, tall)]
        face.append(fill(np.clip(bar, (-wide, -tall), (wide, tall)), ink))
    return face


def logo(rng: Rng) -> Drawing:
    """A few bold shapes over each other, with or without a word."""
    face = []
    for shrink in (1.0, 0.75, 0.5)[: int(rng.integers(2, 4))]:
        points = any_outline(rng)[1] * shrink
        face.append(Shape(points, any_colour(rng)))
    return face + place(any_mark(rng), scale=0.45)


def pole(rng: Rng) -> Drawing:
    """Posts and bars."""
    colour = pick(rng, (tone(rng, "grey"), tone(rng, "brown"), tone(rng, "black"), any_colour(rng)))
    tilt = between(rng, -0.5, 0.5)
    bars = [stroke(((-tilt, -1.2), (tilt, 1.2)), between(rng, 0.1, 0.8), colour)]
    if rng.random() < 0.4:
        bars += place([stroke(((-1.2, 0), (1.2, 0)), 0.2, colour)], 0, between(rng, -0.7, 0.7))
    return bars


def button(rng: Rng) -> Drawing:
    """Concentric discs: lamps, wheels, clocks, balls, targets, plates."""
    radii = np.sort(rng.uniform(0.15, 1.0, int(rng.integers(2, 6))))[::-1]
    face = [disc(0, 0, float(radius), any_colour(rng)) for radius in radii]
    if rng.random() < 0.4:
        spokes = [stroke(((0, 0), (0, -0.9)), between(rng, 0.04, 0.15), any_colour(rng))]
        count = int(rng.integers(2, 12))
        face += [
            shape for turn in range(count) for shape in place(spokes, angle=360 / count * turn)
        ]
    return face


THINGS: dict[str, Design] = {
    "strange_sign": strange,
    "blank_plate": blank,
    "sign_back": sign_back,
    "direction_panel": direction_panel,
    "street_name": street_name,
    "number_plate": number_plate,
    "advert": advert,
    "traffic_light": traffic_light,
    "chevron_board": chevron_board,
    "logo": logo,
    "pole": pole,
    "round_thing": button,
}
