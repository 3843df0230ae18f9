"""Drawings: coloured polygons and strokes in the plane, painted through a perspective.

The unit is half a sign: a sign's face spans about -1 to 1, x to the right and y downwards.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import ImageDraw

Rng = np.random.Generator
Colour = tuple[int, int, int]
Points = NDArray[np.float64]
T = TypeVar("T")


class Shape(NamedTuple):
    """A filled polygon, or a stroke along `points` where `width` is above 0."""

    points: Points
    colour: Colour
    width: float = 0.0


Drawing = list[Shape]

PALETTE: dict[str, Colour] = {
    "red": (186, 26, 36),
    "yellow": (250, 190, 20),
    "lemon": (250, 215, 30),
    "blue": (14, 78, 165),
    "white": (236, 236, 234),
    "black": (24, 24, 26),
    "green": (8, 112, 72),
    "orange": (242, 122, 26),
    "grey": (128, 130, 132),
    "brown": (112, 68, 40),
    "lime": (190, 225, 40),
    "pink": (225, 90, 150),
}
# What pigments differ by between makers, countries and years, in steps of 255.
SPREAD = {"white": 7.0, "black": 10.0, "grey": 30.0}


def pick(rng: Rng, options: Sequence[T]) -> T:
    """One of the options, each as likely; several times faster than `rng.choice`."""
    return options[int(rng.random() * len(options))]


def between(rng: Rng, low: float, high: float) -> float:
    """A float from low to high."""
    return low + (high - low) * rng.random()


def tone(rng: Rng, name: str) -> Colour:
    """A pigment of this name as one maker mixes it."""
    red, green, blue = PALETTE[name]
    spread = SPREAD.get(name, 14.0)
    jitter = rng.normal(0.0, spread, 3)
    common = rng.normal(0.0, spread)
    channels = (red + jitter[0], green + jitter[1], blue + jitter[2])
    clipped = [min(255, max(0, round(channel + common))) for channel in channels]
    return clipped[0], clipped[1], clipped[2]


def any_colour(rng: Rng) -> Colour:
    """Any colour at all; a third of them are those of signs, which other things have as well."""
    if rng.random() < 0.33:
        return tone(rng, pick(rng, tuple(PALETTE)))
    red, green, blue = (int(channel) for channel in rng.integers(0, 256, 3))
    return red, green, blue


def fill(points: Iterable[Sequence[float]], colour: Colour) -> Shape:
    """A filled polygon."""
    return Shape(np.array(list(points), dtype=np.float64), colour)


def stroke(points: Iterable[Sequence[float] | Points], width: float, colour: Colour) -> Shape:
    """An open line of this width."""
    return Shape(np.array(list(points), dtype=np.float64), colour, width)


def rectangle(x0: float, y0: float, x1: float, y1: float, colour: Colour) -> Shape:
    """A filled rectangle."""
    return fill(((x0, y0), (x1, y0), (x1, y1), (x0, y1)), colour)


def arc(
    x: float, y: float, radius: float, start: float, end: float, steps: int = 16, squash: float = 1
) -> Points:
    """Points (steps, 2) on a circle from angle start to end: degrees, clockwise from the right."""
    angles = np.radians(np.linspace(start, end, steps))
    return np.stack([x + radius * np.cos(angles), y + radius * squash * np.sin(angles)], axis=1)


_CIRCLES = {steps: arc(0, 0, 1, 0, 360, steps) for steps in (14, 40)}


def disc(x: float, y: float, radius: float, colour: Colour, squash: float = 1) -> Shape:
    """A filled circle, or ellipse where squash is not 1."""
    circle = _CIRCLES[40 if radius > 0.5 else 14]
    return Shape(circle * (radius, radius * squash) + (x, y), colour)


def regular(corners: int, radius: float, phase: float = 0.0) -> Points:
    """Corners (corners, 2) of a regular polygon; phase 0 has a corner on top, in degrees."""
    angles = np.radians(phase - 90 + 360 / corners * np.arange(corners))
    return np.stack([radius * np.cos(angles), radius * np.sin(angles)], axis=1)


_T = np.linspace(0, 1, 5)
_BEZIER = np.stack([(1 - _T) ** 2, 2 * _T * (1 - _T), _T**2], axis=1)


def rounded(points: Points, share: float) -> Points:
    """The polygon with corners rounded off over this share of each side's length (at most 0.5)."""
    order = np.arange(len(points))
    enter = points + (points[order - 1] - points) * share
    leave = points + (points[order - len(points) + 1] - points) * share
    # Quadratic Bezier curves about the corners.
    curve = np.einsum("tk,knc->ntc", _BEZIER, np.array([enter, points, leave]))
    return np.asarray(curve.reshape(-1, 2))


def rounded_box(x: float, y: float, half_width: float, half_height: float, share: float) -> Points:
    """A rectangle about (x, y) with corners rounded off over this share of the shorter side."""
    corners = np.array([(-1.0, -1.0), (1, -1), (1, 1), (-1, 1)]) * (half_width, half_height)
    return rounded(np.array([x, y]) + corners, min(0.5, share))


def arrow(path: Iterable[Sequence[float]], width: float, head: float, colour: Colour) -> Drawing:
    """A stroke that ends in a triangular head of this half-width, its tip at the path's end."""
    points = np.array(list(path), dtype=np.float64)
    tip, previous = points[-1].copy(), points[-2]
    along = (tip - previous) / np.linalg.norm(tip - previous)
    across = np.array([-along[1], along[0]])
    base = tip - along * head * 1.2
    points[-1] = base + along * 0.02
    return [
        Shape(points, colour, width),
        Shape(np.array([tip, base + across * head, base - across * head]), colour),
    ]


def place(
    drawing: Drawing,
    x: float = 0,
    y: float = 0,
    scale: float = 1,
    angle: float = 0,
    flip: bool = False,
) -> Drawing:
    """The drawing mirrored, turned clockwise by angle degrees, scaled and moved to (x, y)."""
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    matrix = scale * np.array([[cosine, -sine], [sine, cosine]])
    if flip:
        matrix = matrix * np.array([[-1.0, 1.0]])
    return [
        Shape(shape.points @ matrix.T + (x, y), shape.colour, shape.width * scale)
        for shape in drawing
    ]


def paint(draw: ImageDraw.ImageDraw, drawing: Drawing, projection: Points) -> None:
    """Paint the shapes in order through a projection (3, 3) from the drawing's plane to pixels."""
    if not drawing:
        return
    points = np.concatenate([shape.points for shape in drawing])
    depth = np.maximum(points @ projection[2, :2] + projection[2, 2], 0.05)
    pixels = (points @ projection[:2, :2].T + projection[:2, 2]) / depth[:, None]
    coordinates = pixels.ravel().tolist()
    scale = float(np.sqrt(abs(np.linalg.det(projection[:2, :2]))))
    start = 0
    for shape in drawing:
        end = start + 2 * len(shape.points)
        if shape.width:
            width = max(1, round(shape.width * scale))
            # Joints cost as much as the line itself and don't show on thin ones.
            joint = "curve" if width > 3 and len(shape.points) > 2 else None
            draw.line(coordinates[start:end], shape.colour, width, joint)
        else:
            draw.polygon(coordinates[start:end], shape.colour)
        start = end
