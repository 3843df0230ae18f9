"""Pictograms on signs. Each is a function of its colour and fills a box from -1 to 1."""

from collections.abc import Callable

import numpy as np

from signwise.synthetic import arrows
from signwise.synthetic.shapes import (
    Colour,
    Drawing,
    arc,
    disc,
    fill,
    place,
    rectangle,
    rounded_box,
    stroke,
)

PAPER: Colour = (232, 232, 230)


def exclamation(ink: Colour) -> Drawing:
    """General danger."""
    return [fill(((-0.2, -1), (0.2, -1), (0.1, 0.42), (-0.1, 0.42)), ink), disc(0, 0.78, 0.2, ink)]


def bumps(ink: Colour) -> Drawing:
    """Uneven road."""
    return [
        disc(-0.45, 0.35, 0.44, ink, 0.8),
        disc(0.45, 0.35, 0.44, ink, 0.8),
        rectangle(-1.05, 0.3, 1.05, 0.75, ink),
    ]


def car(ink: Colour, hole: Colour = PAPER) -> Drawing:
    """A car from behind."""
    return [
        fill(((-0.6, -0.65), (0.6, -0.65), (0.85, -0.05), (-0.85, -0.05)), ink),
        fill(rounded_box(0, 0.2, 1, 0.36, 0.3), ink),
        fill(((-0.48, -0.5), (0.48, -0.5), (0.6, -0.1), (-0.6, -0.1)), hole),
        rectangle(-0.9, 0.4, -0.5, 0.85, ink),
        rectangle(0.5, 0.4, 0.9, 0.85, ink),
    ]


def slippery(ink: Colour) -> Drawing:
    """A skidding car above its tracks."""
    tracks = [
        stroke(
            [(x + 0.13 * np.sin(6 * t), 0.25 + 0.75 * t) for t in np.linspace(0, 1, 8)], 0.14, ink
        )
        for x in (-0.45, 0.3)
    ]
    return tracks + place(car(ink), 0.05, -0.4, 0.62, 12)


def roadworks(ink: Colour) -> Drawing:
    """A man digging a heap."""
    return [
        disc(-0.15, -0.82, 0.19, ink),
        stroke(((-0.2, -0.6), (-0.45, 0.1)), 0.36, ink),
        stroke(((-0.45, 0.1), (-0.15, 0.45), (-0.25, 1)), 0.22, ink),
        stroke(((-0.5, 0.1), (-0.75, 0.5), (-0.95, 1)), 0.22, ink),
        stroke(((-0.2, -0.5), (0.2, -0.05), (-0.1, 0.15)), 0.16, ink),
        stroke(((-0.5, -0.2), (0.65, 0.6)), 0.12, ink),
        fill(((0.3, 1), (0.62, 0.35), (0.8, 0.4), (1.1, 1)), ink),
    ]


def traffic_lights(ink: Colour) -> Drawing:
    """Red, amber, green on the plate."""
    return [
        fill(rounded_box(0, 0, 0.42, 1, 0.3), ink),
        disc(0, -0.6, 0.27, (205, 30, 40)),
        disc(0, 0, 0.27, (245, 190, 30)),
        disc(0, 0.6, 0.27, (20, 150, 90)),
    ]


def pedestrian(ink: Colour) -> Drawing:
    """A person walking."""
    return [
        disc(0.05, -0.82, 0.19, ink),
        stroke(((0.05, -0.6), (0, 0.15)), 0.36, ink),
        stroke(((0.05, 0.1), (0.25, 0.5), (0.5, 1)), 0.2, ink),
        stroke(((-0.02, 0.1), (-0.15, 0.55), (-0.5, 1)), 0.2, ink),
        stroke(((0.05, -0.52), (0.4, -0.2), (0.55, 0.05)), 0.14, ink),
        stroke(((0, -0.52), (-0.35, -0.2), (-0.45, 0.1)), 0.14, ink),
    ]


def children(ink: Colour) -> Drawing:
    """Two children running."""
    return place(pedestrian(ink), 0.4, -0.1, 0.85, 8) + place(pedestrian(ink), -0.5, 0.18, 0.72, 10)


def crossing(ink: Colour) -> Drawing:
    """A person on a zebra crossing."""
    stripes = [rectangle(x, 0.62, x + 0.24, 1, ink) for x in (-1.0, -0.56, -0.12, 0.32, 0.76)]
    return stripes + place(pedestrian(ink), 0, -0.15, 0.8)


def bicycle(ink: Colour) -> Drawing:
    """A bicycle from the side."""
    wheels = [stroke(arc(x, 0.3, 0.4, 0, 360), 0.12, ink) for x in (-0.58, 0.58)]
    frame = ((-0.58, 0.3), (-0.25, -0.3), (0.35, -0.3), (-0.02, 0.3), (-0.58, 0.3))
    return [
        *wheels,
        stroke(frame, 0.11, ink),
        stroke(((-0.02, 0.3), (-0.3, -0.42), (-0.45, -0.42), (-0.15, -0.42)), 0.11, ink),
        stroke(((0.58, 0.3), (0.3, -0.5), (0.55, -0.55)), 0.11, ink),
    ]


def snowflake(ink: Colour) -> Drawing:
    """Six arms with barbs."""
    arm = [
        stroke(((0, 0), (0, -1)), 0.14, ink),
        stroke(((-0.25, -0.85), (0, -0.6), (0.25, -0.85)), 0.11, ink),
    ]
    return [shape for turn in range(6) for shape in place(arm, angle=60 * turn)]


def deer(ink: Colour) -> Drawing:
    """A deer leaping to the left."""
    body = ((-0.45, -0.15), (0.3, -0.1), (0.7, 0.05), (0.75, 0.35), (0.3, 0.3), (-0.25, 0.25))
    return [
        fill(body, ink),
        fill(((-0.5, 0.15), (-0.2, 0), (-0.45, -0.6), (-0.65, -0.55)), ink),
        fill(((-0.45, -0.65), (-0.5, -0.42), (-0.95, -0.38)), ink),
        stroke(((-0.5, -0.55), (-0.35, -0.8), (-0.4, -1)), 0.09, ink),
        stroke(((-0.36, -0.8), (-0.15, -0.95)), 0.08, ink),
        stroke(((-0.3, 0.15), (-0.7, 0.35), (-0.85, 0.2)), 0.13, ink),
        stroke(((-0.2, 0.2), (-0.5, 0.55), (-0.75, 0.5)), 0.13, ink),
        stroke(((0.6, 0.25), (0.75, 0.65), (1, 0.9)), 0.14, ink),
        stroke(((0.5, 0.25), (0.5, 0.7), (0.75, 1)), 0.14, ink),
    ]


def cow(ink: Colour) -> Drawing:
    """A cow standing."""
    legs = [rectangle(x, 0.2, x + 0.16, 0.9, ink) for x in (-0.6, -0.35, 0.4, 0.65)]
    head = ((-0.65, -0.45), (-0.98, -0.4), (-1.05, 0.05), (-0.85, 0.1), (-0.6, -0.1))
    return [*legs, fill(rounded_box(0.08, -0.1, 0.75, 0.4, 0.3), ink), fill(head, ink)]


def truck(ink: Colour, hole: Colour = PAPER) -> Drawing:
    """A lorry from the side, driving to the left."""
    return [
        rectangle(-0.35, -0.6, 1, 0.35, ink),
        fill(((-1, 0.35), (-1, 0), (-0.8, -0.35), (-0.42, -0.35), (-0.42, 0.35)), ink),
        fill(((-0.88, -0.02), (-0.75, -0.24), (-0.55, -0.24), (-0.55, -0.02)), hole),
        disc(-0.68, 0.42, 0.2, ink),
        disc(0.3, 0.42, 0.2, ink),
        disc(0.75, 0.42, 0.2, ink),
    ]


def hill(ink: Colour) -> Drawing:
    """A steep slope."""
    return [fill(((-1, 0.8), (1, 0.8), (-1, -0.5)), ink)]


def rocks(ink: Colour) -> Drawing:
    """Stones that fall from a cliff."""
    stones = [disc(x, y, 0.16, ink) for x, y in ((0.1, -0.3), (0.5, 0.1), (0.3, 0.7), (0.8, 0.75))]
    cliff = ((-1, 1), (-0.9, -0.8), (-0.35, -0.7), (-0.3, -0.1), (-0.1, 0.3), (-0.1, 1))
    return [fill(cliff, ink), *stones]


def train(ink: Colour) -> Drawing:
    """A locomotive."""
    return [
        fill(rounded_box(-0.1, 0.1, 0.8, 0.3, 0.3), ink),
        rectangle(0.3, -0.6, 0.9, 0.4, ink),
        rectangle(-0.7, -0.6, -0.45, 0, ink),
        *(disc(x, 0.55, 0.22, ink) for x in (-0.6, -0.1, 0.5)),
        stroke(((-1, 0.85), (1, 0.85)), 0.1, ink),
    ]


def plane(ink: Colour) -> Drawing:
    """An aeroplane from above."""
    return [
        fill(rounded_box(0, 0, 0.15, 1, 0.5), ink),
        fill(((0, -0.3), (1, 0.3), (1, 0.5), (0, 0.2), (-1, 0.5), (-1, 0.3)), ink),
        fill(((0, 0.6), (0.4, 0.9), (-0.4, 0.9)), ink),
    ]


def house(ink: Colour) -> Drawing:
    """A house with a door."""
    return [
        fill(((-0.8, 0.9), (-0.8, -0.1), (0, -0.9), (0.8, -0.1), (0.8, 0.9)), ink),
        rectangle(-0.2, 0.3, 0.2, 0.9, PAPER),
    ]


def cup(ink: Colour) -> Drawing:
    """A cup with its handle."""
    return [
        rectangle(-0.6, -0.4, 0.4, 0.6, ink),
        stroke(arc(0.4, 0.05, 0.3, -90, 90, 8), 0.14, ink),
    ]


def flame(ink: Colour) -> Drawing:
    """A flame."""
    return [
        fill(
            (
                (0, -1),
                (0.3, -0.4),
                (0.5, -0.5),
                (0.65, 0.3),
                (0.35, 0.85),
                (-0.35, 0.85),
                (-0.65, 0.2),
                (-0.3, -0.2),
            ),
            ink,
        ),
    ]


Symbol = Callable[[Colour], Drawing]

DANGERS: tuple[Symbol, ...] = (
    hill, rocks, train, plane, cow, crossing, flame, exclamation, bumps, slippery, roadworks,
    traffic_lights, pedestrian, children, bicycle, deer, truck,
    arrows.plus, arrows.tee, arrows.narrows_both, arrows.two_way, arrows.chevron, arrows.curve,
    arrows.double_curve, arrows.junction, arrows.ahead, arrows.sideways, arrows.roundabout,
    arrows.cross,
)  # fmt: skip
"""What signs warn of."""
GLYPHS: tuple[Symbol, ...] = (
    *DANGERS, house, cup, car, snowflake, arrows.star, arrows.heart, arrows.u_turn, arrows.right,
    arrows.ahead_or_right, arrows.down_right,
)  # fmt: skip
"""All marks."""
