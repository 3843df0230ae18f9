"""Signs that a classifier may take for priority or stop: diamonds, octagons, red plates."""

from signwise.synthetic import symbols
from signwise.synthetic.letters import DIGITS, LETTERS, write
from signwise.synthetic.shapes import (
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
    regular,
    rounded,
    stroke,
    tone,
)
from signwise.synthetic.vienna import (
    banded,
    priority,
)


def any_word(rng: Rng, least: int = 2, most: int = 7) -> str:
    """Random letters, or digits, as words and numbers are seen from afar."""
    glyphs = LETTERS if rng.random() < 0.7 else DIGITS
    return "".join(pick(rng, glyphs) for _ in range(int(rng.integers(least, most + 1))))


def end_of_priority(rng: Rng) -> Drawing:
    """The priority diamond under a dark bar or a bundle of dark lines."""
    ink, face = tone(rng, "black"), priority(rng)
    reach = between(rng, 0.42, 0.52)
    line = stroke(((reach, -reach), (-reach, reach)), between(rng, 0.14, 0.26), ink)
    if rng.random() < 0.5:
        return [*face, line]
    thin = [line._replace(width=0.06)]
    return face + [shape for step in (-1.5, -0.5, 0.5, 1.5) for shape in place(thin, 0.1 * step)]


def diamond(rng: Rng, paper: str, symbol: Drawing | None = None) -> Drawing:
    """A warning of the Americas, Australia or Japan: a diamond with a dark line and symbol."""
    ink, colour = tone(rng, "black"), tone(rng, paper)
    corners, share = regular(4, 1.0), between(rng, 0.03, 0.14)
    rim = between(rng, 0.93, 0.99)
    face = [
        Shape(rounded(corners * size, share), layer)
        for size, layer in ((1.0, colour), (rim, ink), (rim - between(rng, 0.03, 0.07), colour))
    ]
    if symbol is None:
        style = rng.random()
        if style < 0.65:
            symbol = place(pick(rng, symbols.DANGERS)(ink), flip=rng.random() < 0.3)
        elif style < 0.8:
            symbol = write(any_word(rng, 2, 5), ink, width=2, height=0.8)
        else:
            symbol = write(any_word(rng, 3, 5), ink, width=1.8, height=0.5, y=-0.4)
            symbol += write(any_word(rng, 3, 5), ink, width=1.8, height=0.5, y=0.4)
    return face + place(symbol, scale=between(rng, 0.46, 0.58))


def octagon(rng: Rng, colour: str, corners: int = 8) -> Drawing:
    """What looks like a stop sign in another colour, or another shape in its colour."""
    phase = pick(rng, (0.0, 180.0 / corners))
    outline = rounded(regular(corners, 1.0, phase), 0.04)
    paper = tone(rng, colour)
    line = tone(rng, "black" if colour in ("white", "yellow", "orange") else "white")
    face = [Shape(outline, line), Shape(outline * between(rng, 0.84, 0.96), paper)]
    if rng.random() < 0.7:
        word = "STOP" if rng.random() < 0.35 else any_word(rng, 2, 6)
        return face + write(word, line, width=1.2, height=between(rng, 0.35, 0.6))
    return face + place(pick(rng, symbols.GLYPHS)(line), scale=0.5)


def red_shape(rng: Rng, outline: Points) -> Drawing:
    """A red plate of another shape than the octagon, with a word."""
    red, white = tone(rng, "red"), tone(rng, "white")
    word = "STOP" if rng.random() < 0.3 else any_word(rng, 2, 6)
    face = [Shape(outline, white), Shape(outline * between(rng, 0.84, 0.97), red)]
    if rng.random() < 0.3:
        face = [Shape(outline, red)]
    return face + write(word, white, width=between(rng, 0.9, 1.3), height=between(rng, 0.3, 0.6))


def rail_disc(rng: Rng) -> Drawing:
    """A yellow disc with a cross and two letters."""
    ink = tone(rng, "black")
    bars = [stroke(((-0.62, -0.62), (0.62, 0.62)), 0.16, ink)]
    letters = write("R", ink, width=0.3, height=0.45, x=-0.55)
    letters += write("R", ink, width=0.3, height=0.45, x=0.55)
    yellow = tone(rng, "yellow")
    discs = [disc(0, 0, 1, yellow), disc(0, 0, 0.96, ink), disc(0, 0, 0.9, yellow)]
    return discs + bars + place(bars, flip=True) + letters


def crossbuck(rng: Rng) -> Drawing:
    """A cross of two white boards, with red ends in Europe."""
    board = [stroke(((-0.95, -0.7), (0.95, 0.7)), 0.34, tone(rng, "white"))]
    ink = tone(rng, pick(rng, ("red", "red", "black")))
    tips = [stroke(((-0.95, -0.7), (-0.62, -0.457)), 0.3, ink)]
    tips += [stroke(((0.95, 0.7), (0.62, 0.457)), 0.3, ink)]
    arm = board + tips
    return arm + place(arm, flip=True)


def school(rng: Rng) -> Drawing:
    """A pentagon like a house, yellow or lime, with two people."""
    ink = tone(rng, "black")
    outline = rounded(regular(5, 1.0) * (0.95, 1), 0.04)
    paper = tone(rng, pick(rng, ("lime", "yellow")))
    face = [Shape(outline, paper), Shape(outline * 0.94, ink), Shape(outline * 0.89, paper)]
    return face + place(symbols.children(ink), 0, 0.1, 0.55)


def coloured_edge(rng: Rng) -> Drawing:
    """A hazard placard: a diamond in two colours with a symbol and a figure."""
    first, second = any_colour(rng), any_colour(rng)
    corners = regular(4, 1.0)
    ink = tone(rng, pick(rng, ("black", "white")))
    top = fill(((0, -0.95), (0.95, 0), (-0.95, 0)), second)
    face = [Shape(corners, tone(rng, "white")), Shape(corners * 0.95, first), top]
    return [
        *face,
        *place(pick(rng, symbols.GLYPHS)(ink), 0, -0.3, 0.35),
        *write(pick(rng, DIGITS), ink, width=0.2, height=0.32, y=0.45),
    ]


def double_banded(rng: Rng) -> Drawing:
    """A diamond in a red frame, as temporary and rail signs are."""
    outline = rounded(regular(4, 1.0), 0.05)
    face = banded(outline, rng, tone(rng, "red"), tone(rng, "white"), between(rng, 0.2, 0.35))
    return face + place(pick(rng, symbols.GLYPHS)(tone(rng, "black")), scale=0.38)
