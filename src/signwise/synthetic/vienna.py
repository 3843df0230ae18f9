"""Signs of the Vienna Convention on Road Signs and Signals, the 43 of GTSRB first of all.

Every function takes the random generator of one physical sign and returns its face.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from signwise.synthetic import arrows, symbols
from signwise.synthetic.letters import write
from signwise.synthetic.shapes import (
    Colour,
    Drawing,
    Points,
    Rng,
    Shape,
    between,
    disc,
    fill,
    pick,
    place,
    regular,
    rounded,
    rounded_box,
    stroke,
    tone,
)

Design = Callable[[Rng], Drawing]
Symbol = symbols.Symbol


def priority(rng: Rng) -> Drawing:
    """A yellow diamond, a white border, and mostly a thin dark edge."""
    corners, share = regular(4, 1.0), between(rng, 0.03, 0.16)
    white = tone(rng, "white")
    yellow = tone(rng, pick(rng, ("yellow", "yellow", "yellow", "lemon")))
    inner = between(rng, 0.56, 0.76)
    edge = rng.random()
    # The dark line is either the plate's own rim or is painted inside a white one.
    layers: list[tuple[float, Colour]] = [(1.0, white)]
    if edge < 0.5:
        layers = [(1.0, tone(rng, "black")), (between(rng, 0.92, 0.98), white)]
    elif edge < 0.8:
        dark = tone(rng, pick(rng, ("black", "grey")))
        rim = between(rng, 0.93, 0.98)
        layers += [(rim, dark), (rim - between(rng, 0.02, 0.05), white)]
    layers.append((inner, yellow))
    if rng.random() < 0.15:
        layers[-1:] = [(inner, tone(rng, "black")), (inner - 0.03, yellow)]
    return [Shape(rounded(corners * size, share), colour) for size, colour in layers]


STOP_WORDS = ("STOP",) * 70 + ("停",) * 6 + ("ALTO", "PARE", "PARE", "DUR", "ARRET", "정지", "قف")


def stop(rng: Rng) -> Drawing:
    """A red octagon, a white border and the word, in the styles of many countries."""
    red, white = tone(rng, "red"), tone(rng, "white")
    outer = regular(8, 1.04, 22.5)
    border = between(rng, 0.82, 0.97)
    face = [Shape(rounded(outer, 0.04), white), Shape(rounded(outer * border, 0.04), red)]
    if rng.random() < 0.3:  # a red rim outside the white line, as in France or the United States
        face = [Shape(outer, red), Shape(outer * between(rng, 0.94, 0.985), white), *face[1:]]
        face[2] = Shape(outer * between(rng, 0.84, 0.92), red)
    word = pick(rng, STOP_WORDS)
    if len(word) == 1:
        size = between(rng, 0.85, 1.15)
        return face + write(word, white, width=size, height=size, weight=between(rng, 0.09, 0.14))
    return face + write(
        word,
        white,
        width=between(rng, 1.2, 1.6),
        height=between(rng, 0.5, 0.82),
        weight=between(rng, 0.12, 0.22),
        gap=between(rng, 0.15, 0.4),
        y=between(rng, -0.04, 0.04),
    )


def lettering(word: str, **box: float) -> Callable[[Colour], Drawing]:
    """A word as a symbol."""
    return partial(_word, word, box)


def _word(word: str, box: dict[str, float], ink: Colour) -> Drawing:
    return write(word, ink, **{"width": 1.6, "height": 0.7, **box})


def banded(
    outline: Points, rng: Rng, band: Colour, paper: Colour, width: float, centre: float = 0.0
) -> Drawing:
    """A plate with a light rim, a coloured band of this width and its paper inside."""
    rim, middle = between(rng, 0.93, 0.985), np.array([0.0, centre])
    sizes = ((1.0, tone(rng, "white")), (rim, band), (1 - width, paper))
    return [Shape((outline - middle) * size + middle, colour) for size, colour in sizes]


def circle(rng: Rng, symbol: Drawing, band: str = "red", paper: str = "white") -> Drawing:
    """A prohibition: a disc with a coloured band, and a symbol that fills a box from -1 to 1."""
    outline = disc(0, 0, 1, (0, 0, 0)).points
    face = banded(outline, rng, tone(rng, band), tone(rng, paper), between(rng, 0.2, 0.29))
    return face + place(symbol, scale=between(rng, 0.48, 0.55))


def triangle(rng: Rng, symbol: Drawing, paper: str = "white", down: bool = False) -> Drawing:
    """A warning: a triangle with a red band; downwards it is give way."""
    corners = np.array([(0, -0.92), (1.05, 0.88), (-1.05, 0.88)])
    outline = rounded(corners, between(rng, 0.05, 0.12))
    # About the incentre the band is as wide on every side.
    width = between(rng, 0.24, 0.42)
    face = banded(outline, rng, tone(rng, "red"), tone(rng, paper), width, centre=0.25)
    face += place(symbol, 0, 0.32, (1 - width) * between(rng, 0.52, 0.66))
    return place(face, angle=180) if down else face


def mandatory(rng: Rng, symbol: Symbol, turn: float = 0, flip: bool = False) -> Drawing:
    """A blue disc with a white symbol."""
    white, blue = tone(rng, "white"), tone(rng, "blue")
    face = [disc(0, 0, 1, white), disc(0, 0, between(rng, 0.92, 0.99), blue)]
    return face + place(symbol(white), 0, 0, between(rng, 0.58, 0.7), turn, flip)


def no(rng: Rng, symbol: Symbol, flip: bool = False) -> Drawing:
    """A prohibition with a black symbol, with a red bar across in some countries."""
    return circle(rng, place(symbol(tone(rng, "black")), flip=flip))


def barred(rng: Rng, symbol: Symbol, flip: bool = False) -> Drawing:
    """A prohibition with a black symbol and a red bar across."""
    face = no(rng, symbol, flip)
    return [*face, stroke(((-0.6, -0.6), (0.6, 0.6)), between(rng, 0.12, 0.2), face[1].colour)]


def ended(rng: Rng, symbol: Symbol | None = None) -> Drawing:
    """The end of a restriction: grey symbol on white under a dark diagonal bar."""
    white, ink = tone(rng, "white"), tone(rng, "black")
    face = [
        disc(0, 0, 1, white),
        disc(0, 0, 0.95, ink),
        disc(0, 0, between(rng, 0.86, 0.92), white),
    ]
    if symbol is not None:
        face += place(symbol((120, 120, 122)), scale=0.58)
    if rng.random() < 0.6:
        return [*face, stroke(((0.62, -0.66), (-0.62, 0.66)), between(rng, 0.16, 0.26), ink)]
    lines = [stroke(((0.62, -0.66), (-0.62, 0.66)), 0.055, ink)]
    return face + [shape for step in (-2, -1, 0, 1, 2) for shape in place(lines, 0.09 * step, 0)]


def speed(rng: Rng, number: str, band: str = "red", paper: str = "white") -> Drawing:
    """A speed limit in a red ring."""
    digits = write(
        number,
        tone(rng, "black"),
        width=(0.7 if len(number) == 1 else 1.95) * between(rng, 0.88, 1.05),
        height=between(rng, 1.15, 1.5),
        weight=between(rng, 0.14, 0.2) * (0.8 if len(number) == 3 else 1),
        gap=between(rng, 0.15, 0.35),
    )
    return circle(rng, digits, band, paper)


def warning(rng: Rng, symbol: Symbol, flip: bool = False) -> Drawing:
    """A red triangle with a black symbol, on yellow in some countries."""
    paper = "yellow" if rng.random() < 0.12 else "white"
    return triangle(rng, place(symbol(tone(rng, "black")), flip=flip), paper)


def overtaking(left: Colour, ink: Colour) -> Drawing:
    """Two cars side by side."""
    return place(symbols.car(left), -0.55, 0, 0.5) + place(symbols.car(ink), 0.55, 0, 0.5)


def overtaking_truck(left: Colour, ink: Colour) -> Drawing:
    """A lorry beside a car."""
    return [
        *place(symbols.car(ink), 0.6, 0.12, 0.42),
        fill(rounded_box(-0.4, -0.1, 0.55, 0.5, 0.2), left),
        fill(rounded_box(-0.4, 0.5, 0.5, 0.12, 0.2), left),
    ]


def no_passing(rng: Rng) -> Drawing:
    """Two cars, the left one red."""
    return circle(rng, place(overtaking(tone(rng, "red"), tone(rng, "black")), scale=1.1))


def no_passing_trucks(rng: Rng) -> Drawing:
    """A red lorry beside a black car."""
    return circle(rng, place(overtaking_truck(tone(rng, "red"), tone(rng, "black")), scale=1.1))


def no_entry(rng: Rng) -> Drawing:
    """A red disc with a white bar."""
    white, red = tone(rng, "white"), tone(rng, "red")
    half = between(rng, 0.1, 0.17)
    bar = Shape(rounded_box(0, 0, between(rng, 0.62, 0.8), half, 0.2), white)
    return [disc(0, 0, 1, white), disc(0, 0, between(rng, 0.93, 0.99), red), bar]


GTSRB: dict[str, Design] = {
    "speed_limit_20": partial(speed, number="20"),
    "speed_limit_30": partial(speed, number="30"),
    "speed_limit_50": partial(speed, number="50"),
    "speed_limit_60": partial(speed, number="60"),
    "speed_limit_70": partial(speed, number="70"),
    "speed_limit_80": partial(speed, number="80"),
    "end_of_speed_limit_80": partial(ended, symbol=lettering("80", width=1.7, height=1.2)),
    "speed_limit_100": partial(speed, number="100"),
    "speed_limit_120": partial(speed, number="120"),
    "no_passing": no_passing,
    "no_passing_trucks": no_passing_trucks,
    "priority_at_next_intersection": partial(warning, symbol=arrows.junction),
    "priority": priority,
    "yield": lambda rng: triangle(rng, [], "yellow" if rng.random() < 0.06 else "white", down=True),
    "stop": stop,
    "no_vehicles": lambda rng: circle(rng, []),
    "no_trucks": partial(no, symbol=symbols.truck),
    "no_entry": no_entry,
    "general_caution": partial(warning, symbol=symbols.exclamation),
    "curve_left": partial(warning, symbol=arrows.curve),
    "curve_right": partial(warning, symbol=arrows.curve, flip=True),
    "double_curve": partial(warning, symbol=arrows.double_curve),
    "bumpy_road": partial(warning, symbol=symbols.bumps),
    "slippery_road": partial(warning, symbol=symbols.slippery),
    "road_narrows_right": partial(warning, symbol=arrows.narrows),
    "roadworks": partial(warning, symbol=symbols.roadworks),
    "traffic_signals_ahead": partial(warning, symbol=symbols.traffic_lights),
    "pedestrians": partial(warning, symbol=symbols.pedestrian),
    "children": partial(warning, symbol=symbols.children),
    "bicycles": partial(warning, symbol=symbols.bicycle),
    "snow": partial(warning, symbol=symbols.snowflake),
    "wild_animals": partial(warning, symbol=symbols.deer),
    "end_of_restrictions": ended,
    "turn_right": partial(mandatory, symbol=arrows.right),
    "turn_left": partial(mandatory, symbol=arrows.right, flip=True),
    "ahead_only": partial(mandatory, symbol=arrows.ahead),
    "ahead_or_right": partial(mandatory, symbol=arrows.ahead_or_right),
    "ahead_or_left": partial(mandatory, symbol=arrows.ahead_or_right, flip=True),
    "keep_right": partial(mandatory, symbol=arrows.down_right),
    "keep_left": partial(mandatory, symbol=arrows.down_right, flip=True),
    "roundabout": partial(mandatory, symbol=arrows.roundabout),
    "end_of_no_passing": partial(ended, symbol=lambda ink: place(overtaking(ink, ink), scale=1.1)),
    "end_of_no_passing_trucks": partial(
        ended, symbol=lambda ink: place(overtaking_truck(ink, ink), scale=1.1)
    ),
}  # in the order of GTSRB's class numbers
