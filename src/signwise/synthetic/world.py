"""Other signs of the world."""

from functools import partial

import numpy as np

from signwise.synthetic import arrows, symbols
from signwise.synthetic.letters import DIGITS, write
from signwise.synthetic.lookalikes import (
    any_word,
    coloured_edge,
    crossbuck,
    diamond,
    double_banded,
    end_of_priority,
    octagon,
    rail_disc,
    red_shape,
    school,
)
from signwise.synthetic.shapes import (
    Drawing,
    Rng,
    Shape,
    arrow,
    between,
    disc,
    fill,
    pick,
    place,
    rectangle,
    regular,
    rounded_box,
    stroke,
    tone,
)
from signwise.synthetic.vienna import (
    Design,
    Symbol,
    barred,
    circle,
    ended,
    mandatory,
    no,
    no_entry,
    speed,
    triangle,
    warning,
)


def panel(
    rng: Rng, colour: str, symbol: Drawing, half_width: float = 0.9, half_height: float = 0.9
) -> Drawing:
    """A rectangular sign with a thin contrasting line."""
    line = tone(rng, "black" if colour in ("white", "yellow", "orange", "lime") else "white")
    outer = rounded_box(0, 0, half_width, half_height, between(rng, 0.02, 0.2))
    paper = tone(rng, colour)
    inset = between(rng, 0.03, 0.09)
    inner = outer * ((half_width - inset) / half_width, (half_height - inset) / half_height)
    core = inner * ((half_width - 0.04) / half_width, (half_height - 0.04) / half_height)
    face = [Shape(outer, paper), Shape(inner, line), Shape(core, paper)]
    if rng.random() < 0.35:
        face = face[:1]
    return face + symbol


def framed(rng: Rng, colour: str, symbol: Symbol, scale: float = 0.6) -> Drawing:
    """A square information sign with a white symbol."""
    return panel(rng, colour, place(symbol(tone(rng, "white")), scale=scale))


def parking(rng: Rng) -> Drawing:
    """A white P on blue."""
    return panel(rng, "blue", write("P", tone(rng, "white"), width=0.8, height=1.2))


def motorway(rng: Rng) -> Drawing:
    """A road under a bridge on blue or green."""
    return panel(
        rng,
        pick(rng, ("blue", "green")),
        [
            *place(arrows.narrows_both(tone(rng, "white")), 0, 0, 0.6),
            rectangle(-0.6, -0.25, 0.6, -0.05, tone(rng, "white")),
        ],
    )


def zebra(rng: Rng) -> Drawing:
    """A person in a white triangle on blue, or on yellow."""
    plate = tone(rng, "white")
    symbol = [fill(((0, -0.7), (0.75, 0.6), (-0.75, 0.6)), plate)]
    symbol += place(symbols.crossing(tone(rng, "black")), 0, 0.16, 0.4)
    return panel(rng, "blue", symbol)


def no_parking(rng: Rng, cross: bool) -> Drawing:
    """A blue disc in a red ring with one bar or a cross."""
    red, blue = tone(rng, "red"), tone(rng, "blue")
    width = between(rng, 0.12, 0.2)
    bars = [stroke(((-0.6, -0.6), (0.6, 0.6)), width, red)]
    if cross:
        bars += place(bars, flip=True)
    return [disc(0, 0, 1, red), disc(0, 0, 1 - width, blue), *bars]


def us_speed_limit(rng: Rng) -> Drawing:
    """A white rectangle with two words above a number."""
    ink = tone(rng, "black")
    words = write("SPEED", ink, width=1, height=0.26, y=-0.62)
    words += write("LIMIT", ink, width=0.9, height=0.26, y=-0.26)
    number = pick(rng, ("15", "25", "30", "35", "40", "45", "55", "65", "70"))
    words += write(number, ink, width=1, height=0.75, y=0.42)
    return panel(rng, "white", words, 0.74, 0.97)


def wrong_way(rng: Rng) -> Drawing:
    """A wide red panel with two words."""
    white = tone(rng, "white")
    words = write("WRONG", white, width=1.4, height=0.4, y=-0.28)
    return panel(rng, "red", words + write("WAY", white, width=0.9, height=0.4, y=0.28), 0.98, 0.7)


def do_not_enter(rng: Rng) -> Drawing:
    """A no-entry disc on a white square."""
    return [rectangle(-1, -1, 1, 1, tone(rng, "white")), *place(no_entry(rng), scale=0.93)]


def one_way(rng: Rng) -> Drawing:
    """A wide panel with an arrow."""
    colour = pick(rng, ("blue", "black", "white"))
    ink = tone(rng, "black" if colour == "white" else "white")
    flip = rng.random() < 0.5
    return panel(rng, colour, place(arrows.sideways(ink), scale=0.75, flip=flip), 0.99, 0.4)


def us_yield(rng: Rng) -> Drawing:
    """A triangle downwards with a word."""
    word = write("YIELD", tone(rng, "red"), width=0.9, height=0.3, y=-0.3)
    return triangle(rng, [], down=True) + word


def oncoming(rng: Rng, first: bool) -> Drawing:
    """Two arrows: on blue one has priority over oncoming traffic, in a red ring one gives way."""
    red, other = tone(rng, "red"), tone(rng, "white" if first else "black")
    up = arrow(((0.4, 0.8), (0.4, -0.8)), 0.3, 0.36, other if first else red)
    down = arrow(((-0.4, -0.8), (-0.4, 0.8)), 0.22, 0.3, red if first else other)
    return panel(rng, "blue", place(up + down, scale=0.8)) if first else circle(rng, up + down)


def limit(rng: Rng, upright: bool) -> Drawing:
    """A limit of width, height or weight: figures between arrow heads."""
    ink = tone(rng, "black")
    words = write(f"{pick(rng, DIGITS)}.{pick(rng, DIGITS)}", ink, width=0.95, height=0.6)
    head = [fill(((-0.3, -1), (0.3, -1), (0, -0.55)), ink)]
    marks = head + place(head, angle=180)
    return circle(rng, words + (marks if upright else place(marks, angle=90)))


WORLD: dict[str, Design] = {
    "end_of_priority": end_of_priority,
    **{f"speed_limit_{n}": partial(speed, number=str(n)) for n in (5, 10, 40, 90, 110, 130)},
    "speed_limit_on_yellow": lambda rng: speed(rng, any_word(rng, 2, 2), paper="yellow"),
    "minimum_speed": lambda rng: mandatory(
        rng, partial(write, pick(rng, ("30", "40", "50", "60", "80")), width=1.4, height=1.1)
    ),
    "end_of_speed_limit": lambda rng: ended(
        rng, partial(write, pick(rng, ("30", "40", "50", "60")), width=1.6, height=1.2)
    ),
    "crossroads": partial(warning, symbol=arrows.cross),
    "t_junction": partial(warning, symbol=arrows.tee),
    "road_narrows": partial(warning, symbol=arrows.narrows_both),
    "road_narrows_left": partial(warning, symbol=arrows.narrows, flip=True),
    "double_curve_right": partial(warning, symbol=arrows.double_curve, flip=True),
    "steep_hill": partial(warning, symbol=symbols.hill),
    "falling_rocks": partial(warning, symbol=symbols.rocks),
    "level_crossing": partial(warning, symbol=symbols.train),
    "low_flying_aircraft": partial(warning, symbol=symbols.plane),
    "cattle": partial(warning, symbol=symbols.cow),
    "crossing_ahead": partial(warning, symbol=symbols.crossing),
    "two_way_traffic": partial(warning, symbol=arrows.two_way),
    "roundabout_ahead": partial(warning, symbol=arrows.roundabout),
    "no_left_turn": partial(barred, symbol=arrows.right, flip=True),
    "no_right_turn": partial(barred, symbol=arrows.right),
    "no_u_turn": partial(barred, symbol=arrows.u_turn),
    "no_bicycles": partial(no, symbol=symbols.bicycle),
    "no_pedestrians": partial(barred, symbol=symbols.pedestrian),
    "no_cars": partial(barred, symbol=symbols.car),
    "customs": lambda rng: no(rng, partial(write, any_word(rng, 4, 6), width=1.7, height=0.5)),
    "height_limit": partial(limit, upright=True),
    "width_limit": partial(limit, upright=False),
    "no_parking": partial(no_parking, cross=False),
    "no_stopping": partial(no_parking, cross=True),
    "give_way_to_oncoming": partial(oncoming, first=False),
    "priority_over_oncoming": partial(oncoming, first=True),
    "turn_right_here": partial(mandatory, symbol=arrows.sideways),
    "turn_left_here": partial(mandatory, symbol=arrows.sideways, flip=True),
    "cycle_path": partial(mandatory, symbol=symbols.bicycle),
    "footpath": partial(mandatory, symbol=symbols.pedestrian),
    "parking": parking,
    "motorway": motorway,
    "zebra_crossing": zebra,
    "hospital": lambda rng: framed(rng, "blue", partial(write, "H", width=1, height=1.4)),
    "information": lambda rng: framed(rng, "blue", partial(write, "I", width=0.5, height=1.5)),
    "bus_stop": lambda rng: framed(rng, "green", partial(write, "H", width=1, height=1.4)),
    "dead_end": lambda rng: framed(rng, "blue", arrows.tee),
    "one_way": one_way,
    "warning_diamond": partial(diamond, paper="yellow"),
    "warning_diamond_lime": partial(diamond, paper="lime"),
    "work_diamond": partial(diamond, paper="orange"),
    "white_diamond": partial(diamond, paper="white"),
    "hazard_placard": coloured_edge,
    "red_diamond": double_banded,
    "us_speed_limit": us_speed_limit,
    "us_yield": us_yield,
    "do_not_enter": do_not_enter,
    "wrong_way": wrong_way,
    "railroad_disc": rail_disc,
    "crossbuck": crossbuck,
    "school": school,
    "green_octagon": partial(octagon, colour="green"),
    "blue_octagon": partial(octagon, colour="blue"),
    "white_octagon": partial(octagon, colour="white"),
    "yellow_octagon": partial(octagon, colour="yellow"),
    "red_hexagon": partial(octagon, colour="red", corners=6),
    "red_pentagon": partial(octagon, colour="red", corners=5),
    "red_disc": lambda rng: red_shape(rng, disc(0, 0, 1, (0, 0, 0)).points),
    "red_square": lambda rng: red_shape(rng, rounded_box(0, 0, 0.9, 0.9, 0.1)),
    "red_panel": lambda rng: red_shape(rng, rounded_box(0, 0, 1, between(rng, 0.4, 0.7), 0.1)),
    "red_diamond_word": lambda rng: red_shape(rng, regular(4, 1.05)),
    "red_triangle": lambda rng: red_shape(rng, regular(3, 1.15) + np.array([0, 0.2])),
}
