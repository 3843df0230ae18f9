"""Arrows, junctions and other plain marks on signs, each filling a box from -1 to 1."""

import numpy as np

from signwise.synthetic.shapes import (
    Colour,
    Drawing,
    arc,
    arrow,
    disc,
    fill,
    place,
    rectangle,
    stroke,
)


def curve(ink: Colour) -> Drawing:
    """A bend to the left."""
    path = ((0.45, 1), (0.45, 0.2), (0.3, -0.15), (0, -0.35), (-0.75, -0.45))
    return arrow(path, 0.34, 0.42, ink)


def double_curve(ink: Colour) -> Drawing:
    """Bends, the first to the left."""
    path = ((0.32, 1), (0.32, 0.4), (0.15, 0.15), (-0.2, -0.1), (-0.32, -0.3), (-0.32, -1))
    return arrow(path, 0.28, 0.38, ink)


def narrows(ink: Colour) -> Drawing:
    """The road narrows from the right."""
    return [
        rectangle(-0.52, -1, -0.26, 1, ink),
        fill(
            (
                (0.12, -1),
                (0.36, -1),
                (0.36, -0.3),
                (0.72, 0.15),
                (0.72, 1),
                (0.46, 1),
                (0.46, 0.25),
                (0.12, -0.2),
            ),
            ink,
        ),
    ]


def narrows_both(ink: Colour) -> Drawing:
    """The road narrows from both sides."""
    right = [stroke(((0.7, 1), (0.7, 0.3), (0.25, -0.2), (0.25, -1)), 0.24, ink)]
    return right + place(right, flip=True)


def junction(ink: Colour) -> Drawing:
    """A thick arrow across a thin bar: priority at the next junction."""
    return [
        fill(
            (
                (-0.16, 1),
                (0.16, 1),
                (0.16, -0.35),
                (0.36, -0.35),
                (0, -1),
                (-0.36, -0.35),
                (-0.16, -0.35),
            ),
            ink,
        ),
        rectangle(-0.75, 0.12, 0.75, 0.36, ink),
    ]


def cross(ink: Colour) -> Drawing:
    """A diagonal cross."""
    return [
        stroke(((-0.7, -0.7), (0.7, 0.7)), 0.32, ink),
        stroke(((0.7, -0.7), (-0.7, 0.7)), 0.32, ink),
    ]


def plus(ink: Colour) -> Drawing:
    """A crossroads."""
    return place(cross(ink), angle=45)


def tee(ink: Colour) -> Drawing:
    """A T junction."""
    return [rectangle(-0.9, -0.8, 0.9, -0.45, ink), rectangle(-0.18, -0.8, 0.18, 1, ink)]


def ahead(ink: Colour) -> Drawing:
    """An arrow upwards."""
    return arrow(((0, 1), (0, -1)), 0.36, 0.52, ink)


def right(ink: Colour) -> Drawing:
    """An arrow from below that turns right."""
    return arrow(((-0.4, 1), (-0.4, 0), (-0.25, -0.25), (0, -0.3), (0.95, -0.3)), 0.34, 0.5, ink)


def sideways(ink: Colour) -> Drawing:
    """An arrow to the right."""
    return arrow(((-1, 0), (1, 0)), 0.36, 0.5, ink)


def ahead_or_right(ink: Colour) -> Drawing:
    """Arrows upwards and to the right from one stem."""
    return arrow(((-0.3, 1), (-0.3, -1)), 0.3, 0.42, ink) + arrow(
        ((-0.3, 0.45), (0.1, 0.15), (0.9, 0.15)), 0.28, 0.42, ink
    )


def down_right(ink: Colour) -> Drawing:
    """An arrow down to the right."""
    return arrow(((-0.75, -0.75), (0.75, 0.75)), 0.36, 0.52, ink)


def roundabout(ink: Colour) -> Drawing:
    """Three arrows in a circle, anticlockwise."""
    arm = arrow(arc(0, 0, 0.76, 22, -76, 10), 0.24, 0.34, ink)
    return [shape for turn in range(3) for shape in place(arm, angle=120 * turn)]


def u_turn(ink: Colour) -> Drawing:
    """An arrow that turns back."""
    bend = [tuple(point) for point in arc(0, -0.35, 0.42, 0, -180, 8)]
    return arrow(((0.42, 0.9), *bend, (-0.42, 0.7)), 0.26, 0.42, ink)


def two_way(ink: Colour) -> Drawing:
    """Arrows up and down."""
    return arrow(((0.38, 0.9), (0.38, -0.9)), 0.26, 0.36, ink) + arrow(
        ((-0.38, -0.9), (-0.38, 0.9)), 0.26, 0.36, ink
    )


def star(ink: Colour) -> Drawing:
    """A star with five points."""
    angles = np.radians(-90 + 36 * np.arange(10))
    radii = np.where(np.arange(10) % 2, 0.4, 1.0)
    return [fill(np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1), ink)]


def heart(ink: Colour) -> Drawing:
    """A heart."""
    return [
        disc(-0.4, -0.3, 0.45, ink),
        disc(0.4, -0.3, 0.45, ink),
        fill(((-0.8, -0.1), (0.8, -0.1), (0, 0.9)), ink),
    ]


def chevron(ink: Colour) -> Drawing:
    """A pointed band to the right."""
    return [
        fill(((-0.7, -1), (-0.1, -1), (0.7, 0), (-0.1, 1), (-0.7, 1), (0.1, 0)), ink),
    ]
