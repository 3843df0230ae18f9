"""Solid things: bodies with limbs, lit from one side, before something plain or not.

Signs, plates and scenes are flat. Beside photos of other things, what has a body is what a camera
meets most: fruit, tools, toys, animals, hands.
"""

import numpy as np
from PIL import Image, ImageFilter

from signwise.synthetic import camera, scenes, textures
from signwise.synthetic.shapes import Points, Rng, any_colour, between
from signwise.synthetic.textures import Field

HIGHLIGHT = 20
"""How sharp the reflection of the light is on what shines."""


def solid_scene(rng: Rng, side: int) -> tuple[Image.Image, float]:
    """A scene (side, side) before the lens, and the gain that a camera would choose for it."""
    heights = body(rng, side)
    light = rng.normal(0, 1, 3)
    light[2] = abs(light[2]) + 0.7
    light /= np.linalg.norm(light)
    plain = rng.random() < 0.6
    ground = textures.plain(rng, side) if plain else scenes.backdrop(rng, side, outdoors=False)
    outline = Image.fromarray(((heights > 0) * 255).astype(np.uint8))
    # The shadow falls away from the light.
    shadow = np.roll(
        _softened(outline, side * between(rng, 0.02, 0.08)),
        (-light[[1, 0]] * side * 0.06).astype(int),
        (0, 1),
    )
    ground = ground * (1 - np.float32(between(rng, 0, 0.6)) * shadow)
    cover = _softened(outline, side * between(rng, 0.003, 0.01))
    scene = ground * (1 - cover) + surface(rng, heights, light.astype(np.float32)) * cover
    bright, _, gain = camera.exposures(rng)
    scene = scene * np.float32(bright) * camera.lighting(rng, side)
    return Image.fromarray(np.clip(scene, 0, 255).astype(np.uint8)), gain


def body(rng: Rng, side: int) -> Field:
    """How far each point of a body stands out, in half pictures (side, side); 0 beside it.

    A trunk and limbs of two parts each, fanned out over a part of a circle.
    """
    heights = np.zeros((side, side), np.float32)
    trunk, middle = between(rng, 0.15, 0.5), rng.uniform(-0.35, 0.35, 2)
    end = middle + rng.normal(0, 0.2, 2)
    _add_capsule(heights, middle, end, trunk, trunk * between(rng, 0.6, 1.1))
    limbs, fan = int(rng.integers(1, 8)), between(rng, 0.3, 2 * np.pi)
    turn = 2 * np.pi * rng.random()
    for angle in turn + fan * (np.linspace(-0.5, 0.5, limbs) if limbs > 1 else np.zeros(1)):
        length, thick = between(rng, 0.3, 1.4), trunk * between(rng, 0.15, 0.6)
        first, last = angle + rng.normal(0, 0.15), angle + rng.normal(0, 0.3)
        joint = middle + 0.5 * length * np.array((np.cos(last), np.sin(last)))
        tip = middle + length * np.array((np.cos(first), np.sin(first)))
        _add_capsule(heights, middle, joint, thick, thick)
        _add_capsule(heights, joint, tip, thick, thick * between(rng, 0.5, 1.1))
    return heights


def _add_capsule(
    heights: Field, start: Points, end: Points, radius: float, end_radius: float
) -> None:
    """Raise the heights (side, side) to a rounded rod's, in place; the picture is -1 to 1 wide."""
    side = len(heights)
    most = max(radius, end_radius)
    low = np.floor((np.minimum(start, end) - most + 1) * side / 2).clip(0, side).astype(int)
    high = np.ceil((np.maximum(start, end) + most + 1) * side / 2).clip(0, side).astype(int)
    columns, rows = (
        np.arange(*limits, dtype=np.float32) * np.float32(2 / side) - 1
        for limits in zip(low, high, strict=True)
    )
    x, y = (columns - start[0])[None, :], (rows - start[1])[:, None]
    along = (end - start).astype(np.float32)
    share = ((x * along[0] + y * along[1]) / max(along @ along, 1e-9)).clip(0, 1)
    square = (x - share * along[0]) ** 2 + (y - share * along[1]) ** 2
    here = (radius + (end_radius - radius) * share) ** 2 - square
    part = heights[low[1] : high[1], low[0] : high[0]]
    np.maximum(part, np.sqrt(here.clip(min=0)), out=part)


def surface(rng: Rng, heights: Field, light: Field) -> Field:
    """What the body (side, side, 3) looks like: one colour, rough or not, shaded, some shining."""
    side = len(heights)
    slopes = np.gradient(heights * np.float32(side / 2))
    depth = 1 / np.sqrt(1 + slopes[0] ** 2 + slopes[1] ** 2)
    facing = (depth * (light[2] - light[0] * slopes[1] - light[1] * slopes[0])).clip(0, 1)
    dark = np.float32(between(rng, 0.25, 0.8))
    shade = dark + (1 - dark) * facing
    shade = shade * (1 + np.float32(between(rng, 0, 0.25)) * textures.noise(rng, side))
    pixels = _body_colour(rng) * shade[..., None]
    if rng.random() < 0.4:
        pixels = pixels + np.float32(between(rng, 20, 150)) * (facing**HIGHLIGHT)[..., None]
    return np.asarray(pixels, np.float32)


def _body_colour(rng: Rng) -> Field:
    """A colour (3,): any, dull, or warm, as skin, wood, bread, clay and fur are."""
    style = rng.random()
    if style < 0.3:
        red = between(rng, 60, 240)
        green = red * between(rng, 0.6, 0.85)
        return np.array((red, green, green * between(rng, 0.6, 0.95)), np.float32)
    colour = any_colour(rng) if style < 0.65 else scenes.dull_colour(rng)
    return np.array(colour, np.float32)


def _softened(outline: Image.Image, radius: float) -> Field:
    """The outline (side, side, 1) with an edge this wide in pixels, from 0 to 1."""
    blurred = outline.filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(blurred, np.float32)[..., None] / np.float32(255)
