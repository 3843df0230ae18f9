"""Noise and patterns as arrays: the matter that walls, leaves, skies and dirt are made of."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from signwise.synthetic.shapes import Rng, between, pick

Field = NDArray[np.float32]

TILE = 256
TILES = 20


@lru_cache(maxsize=1)
def _bank() -> Field:
    """Noise (TILES, TILE, TILE) of zero mean and unit deviation, from white to smooth."""
    rng = np.random.default_rng(12)
    frequency = np.hypot(np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)[None, :])
    frequency[0, 0] = np.inf
    bank = np.empty((TILES, TILE, TILE), np.float32)
    for index, power in enumerate(np.linspace(0.3, 1.9, TILES)):
        spectrum = np.fft.rfft2(rng.normal(size=(TILE, TILE))) / frequency**power
        tile = np.fft.irfft2(spectrum, s=(TILE, TILE))
        bank[index] = (tile - tile.mean()) / tile.std()
    return bank


def noise(rng: Rng, side: int, smooth: float | None = None) -> Field:
    """Noise (side, side) of about zero mean and unit deviation.

    Smooth runs from 0, nearly white, to 1, clouds; any unless given.
    """
    level = rng.random() if smooth is None else smooth
    tile = _bank()[min(TILES - 1, int(level * TILES))]
    # Most noise is cut out as it is: resizing it takes three times as long.
    window = min(side, TILE)
    if rng.random() < 0.3:
        window = min(int(TILE * 0.1 * 10 ** rng.random()), 2 * side)
    top, left = (rng.random(2) * (TILE - window + 1)).astype(int)
    part = tile[top : top + window, left : left + window]
    turn = int(rng.random() * 8)
    part = np.rot90(part, turn % 4)
    part = part.T if turn > 3 else part
    if window == side:
        return np.ascontiguousarray(part)
    image = Image.fromarray(np.ascontiguousarray(part))
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR))


def blend(first: Field, second: Field, share: Field) -> Field:
    """Two colours (3,) mixed by share (side, side), from 0 to 1, into (side, side, 3)."""
    return np.asarray(first + (second - first) * share[..., None], dtype=np.float32)


def ramp(rng: Rng, side: int) -> Field:
    """A linear ramp (side, side) from 0 to 1 in any direction."""
    angle = 2 * np.pi * rng.random()
    axis = np.linspace(-1, 1, side, dtype=np.float32)
    slope = axis[None, :] * np.float32(np.cos(angle)) + axis[:, None] * np.float32(np.sin(angle))
    return np.asarray(np.clip(slope * np.float32(0.5) + np.float32(0.5), 0, 1))


def dull(rng: Rng) -> Field:
    """A colour (3,) as most of the world has it: grey, with a little hue."""
    grey = between(rng, 20, 235)
    return np.clip(grey + rng.normal(0, between(rng, 2, 30), 3), 0, 255).astype(np.float32)


def vivid(rng: Rng) -> Field:
    """Any colour (3,)."""
    return (rng.random(3) * 255).astype(np.float32)


LEAVES = (
    ((30, 42, 24), (70, 88, 42), (105, 122, 62), (45, 56, 34)),
    ((60, 84, 46), (112, 134, 68), (155, 170, 105), (32, 40, 24)),
    ((120, 80, 30), (180, 120, 40), (90, 60, 30), (60, 50, 25)),
    ((70, 60, 50), (110, 95, 80), (45, 40, 35), (140, 125, 105)),
    ((20, 30, 15), (40, 55, 20), (25, 30, 25), (10, 15, 10)),
)


def leaves(rng: Rng, side: int) -> Field:
    """Foliage (side, side, 3) in the colours of a season, with sky between."""
    palette = np.array(pick(rng, LEAVES), np.float32) * between(rng, 0.5, 1.4)
    depth = noise(rng, side, between(rng, 0.1, 0.6))
    index = np.clip((depth * 1.2 + 2).astype(np.int8), 0, 3)
    light = 1 + between(rng, 0.1, 0.5) * noise(rng, side, between(rng, 0.0, 0.8))
    field = palette[index] * light[..., None]
    if rng.random() < 0.5:
        sky = np.array([225, 232, 245], np.float32) * between(rng, 0.7, 1.1)
        field[noise(rng, side, between(rng, 0.2, 0.7)) > between(rng, 0.6, 2.2)] = sky
    return field


def sky(rng: Rng, side: int) -> Field:
    """Sky (side, side, 3): blue, grey, white or dusk, with clouds."""
    tops = ((70, 120, 200), (120, 160, 215), (200, 205, 212), (240, 242, 245), (60, 65, 85))
    feet = ((200, 215, 235), (225, 228, 232), (250, 250, 250), (240, 190, 150))
    top, foot = (np.array(pick(rng, colours), np.float32) for colours in (tops, feet))
    field = blend(top, foot, ramp(rng, side))
    if rng.random() < 0.6:
        clouds = np.clip(noise(rng, side, between(rng, 0.7, 1)) * 0.6, 0, 1)
        field += (np.float32(245) - field) * clouds[..., None]
    return field


def wall(rng: Rng, side: int) -> Field:
    """Plaster, concrete, asphalt, metal (side, side, 3)."""
    rough = np.float32(between(rng, 0.02, 0.25)) * noise(rng, side)
    return np.asarray(dull(rng) * (1 + rough[..., None]), np.float32)


def bricks(rng: Rng, side: int) -> Field:
    """Courses of bricks or slabs (side, side, 3) with joints."""
    reds = ((150, 75, 55), (120, 60, 45), (175, 150, 120), (130, 125, 120), (200, 195, 185))
    colour, joint = np.array(pick(rng, reds), np.float32), dull(rng)
    tall = side * between(rng, 0.04, 0.3)
    wide = tall * between(rng, 1.2, 3.5)
    rows, columns = np.mgrid[0:side, 0:side].astype(np.float32)
    tilt = np.float32(between(rng, -0.15, 0.15))
    rows = (rows + tilt * columns) / np.float32(tall) + 64
    course = np.floor(rows)
    columns = columns / np.float32(wide) + 0.5 * (course % 2) + 64
    thin = between(rng, 0.05, 0.16)
    gaps = (rows % 1 < thin) | (columns % 1 < thin * tall / wide)
    # A hash of the brick's place gives each its own shade.
    shade = np.sin(course * 12.9898 + np.floor(columns) * 78.233) * 437.5
    light = 1 + between(rng, 0.05, 0.4) * (shade % 1 - 0.5) + 0.06 * noise(rng, side, 0.3)
    field = np.asarray(colour * light[..., None].astype(np.float32))
    field[gaps] = joint
    return field


def plain(rng: Rng, side: int) -> Field:
    """One colour, or a slow change between two (side, side, 3)."""
    colours = (dull, vivid) if rng.random() < 0.5 else (dull, dull)
    return blend(colours[0](rng), colours[1](rng), ramp(rng, side) * between(rng, 0, 1))


def stripes(rng: Rng, side: int) -> Field:
    """Stripes, grids, checks and fine meshes (side, side, 3)."""
    first, second = (vivid(rng), dull(rng)) if rng.random() < 0.5 else (dull(rng), dull(rng))
    angle, period = np.pi * rng.random(), side * between(rng, 0.03, 0.5)
    rows, columns = np.mgrid[0:side, 0:side].astype(np.float32) / np.float32(period)
    along = rows * np.float32(np.cos(angle)) + columns * np.float32(np.sin(angle)) + 64
    mask = along % 1 < between(rng, 0.1, 0.9)
    if rng.random() < 0.5:
        across = rows * np.float32(np.sin(angle)) - columns * np.float32(np.cos(angle)) + 64
        other = across % 1 < between(rng, 0.1, 0.9)
        mask = mask ^ other if rng.random() < 0.5 else mask & other
    return blend(first, second, mask.astype(np.float32))


def colour_noise(rng: Rng, side: int) -> Field:
    """Noise that differs by channel (side, side, 3)."""
    smooth, common = rng.random(), noise(rng, side)
    planes = [common + between(rng, 0, 1.5) * noise(rng, side, smooth) for _ in range(3)]
    strength = between(rng, 10, 70)
    return np.asarray(dull(rng) + strength * np.stack(planes, axis=-1), np.float32)


def marble(rng: Rng, side: int) -> Field:
    """Bands of colours along the levels of a noise (side, side, 3): stone, fur, water, cloth."""
    palette = np.stack([vivid(rng) if rng.random() < 0.4 else dull(rng) for _ in range(6)])
    levels = noise(rng, side, between(rng, 0.4, 1)) * between(rng, 0.5, 4)
    return np.asarray(palette[(levels + 64).astype(np.int32) % 6], np.float32)
