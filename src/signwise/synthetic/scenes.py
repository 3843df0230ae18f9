"""What stands around a sign, or where no sign is: streets, houses, trees, cars, creatures."""

import numpy as np

from signwise.synthetic import symbols, textures
from signwise.synthetic.letters import write
from signwise.synthetic.lookalikes import any_word
from signwise.synthetic.shapes import (
    Colour,
    Drawing,
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
    rounded_box,
    stroke,
)
from signwise.synthetic.textures import Field
from signwise.synthetic.things import any_outline

OUTDOORS = (
    textures.sky, textures.sky, textures.leaves, textures.leaves, textures.leaves, textures.wall,
    textures.bricks, textures.plain,
)  # fmt: skip
ANYWHERE = (
    *OUTDOORS, textures.stripes, textures.colour_noise, textures.marble, textures.plain,
)  # fmt: skip


def dull_colour(rng: Rng) -> Colour:
    """A greyish colour for painting."""
    red, green, blue = (int(channel) for channel in textures.dull(rng))
    return red, green, blue


def backdrop(rng: Rng, side: int, outdoors: bool) -> Field:
    """What is farthest away: one matter, or two with a border between (side, side, 3)."""
    kinds = OUTDOORS if outdoors else ANYWHERE
    field = pick(rng, kinds)(rng, side)
    if rng.random() < 0.4:
        other = pick(rng, kinds)(rng, side)
        edge = textures.ramp(rng, side) - between(rng, 0.2, 0.8)
        edge += between(rng, 0, 0.1) * textures.noise(rng, side)
        field = np.where((edge > 0)[..., None], field, other)
    return field


def building(rng: Rng) -> Drawing:
    """A house front with windows."""
    x0, x1 = between(rng, -5, 0), between(rng, 0.5, 5)
    top = between(rng, -4, 1)
    front = dull_colour(rng)
    drawing = [rectangle(x0, top, x1, 6, front)]
    if rng.random() < 0.5:
        roof = ((x0 - 0.3, top), ((x0 + x1) / 2, top - between(rng, 0.3, 2)), (x1 + 0.3, top))
        drawing.append(fill(roof, dull_colour(rng)))
    pane, frame = dull_colour(rng), dull_colour(rng)
    step, tall = between(rng, 0.6, 1.8), between(rng, 0.5, 1.6)
    for x in np.arange(x0 + 0.2, x1 - 0.3, step)[:8]:
        for y in np.arange(top + 0.3, 4, tall * 1.6)[:5]:
            drawing.append(rectangle(x, y, x + step * 0.55, y + tall, frame))
            drawing.append(rectangle(x + 0.06, y + 0.06, x + step * 0.55 - 0.06, y + tall, pane))
    return drawing


def tree(rng: Rng) -> Drawing:
    """A bare trunk with branches and twigs."""
    shade = int(between(rng, 15, 90))
    bark: Colour = (shade, max(0, shade - 6), max(0, shade - 14))
    root = between(rng, -3, 3)
    drawing = [stroke(((root, 5), (root + between(rng, -1, 1), -3)), between(rng, 0.1, 0.7), bark)]
    for _ in range(int(rng.integers(3, 22))):
        start = rng.uniform(-3, 3, 2)
        middle = start + rng.normal(0, 0.8, 2)
        end = middle + rng.normal(0, 0.8, 2)
        drawing.append(stroke((start, middle, end), between(rng, 0.02, 0.14), bark))
    return drawing


def road(rng: Rng) -> Drawing:
    """Asphalt to the horizon with a line or two."""
    horizon = between(rng, -0.5, 2.5)
    shade = int(between(rng, 50, 130))
    grey: Colour = (shade, shade, shade + 4)
    drawing = [rectangle(-8, horizon, 8, 8, grey)]
    for _ in range(int(rng.integers(0, 3))):
        foot = between(rng, -6, 6)
        drawing.append(stroke(((between(rng, -1, 1), horizon), (foot, 8)), 0.2, (215, 215, 210)))
    return drawing


def vehicle(rng: Rng) -> Drawing:
    """A car, van or lorry, or a part of one."""
    paint, glass = any_colour(rng), dull_colour(rng)
    body = pick(rng, (symbols.car, symbols.truck))(paint, glass)
    if rng.random() < 0.5:
        body += [disc(x, 0.25, between(rng, 0.08, 0.2), pick(rng, ((250, 240, 200), (220, 30, 30))))
                 for x in (-0.7, 0.7)]  # fmt: skip
    if rng.random() < 0.4:
        body.append(rectangle(-0.35, 0.3, 0.35, 0.5, (230, 230, 225)))
        body += write(any_word(rng, 5, 7), (30, 30, 30), width=0.6, height=0.14, y=0.4)
    return place(body, between(rng, -2, 2), between(rng, -2, 2), between(rng, 0.4, 3))


def creature(rng: Rng) -> Drawing:
    """A face, a person or an animal in blobs."""
    skins = ((225, 180, 150), (150, 105, 75), (90, 60, 45), (200, 190, 175), (60, 55, 50))
    base = np.array(pick(rng, skins)) if rng.random() < 0.7 else rng.integers(0, 256, 3)
    skin: Colour = (int(base[0]), int(base[1]), int(base[2]))
    hair, cloth = dull_colour(rng), any_colour(rng)
    body = [Shape(rounded_box(0, 1.9, between(rng, 0.7, 1.3), 1, 0.5), cloth)]
    ears = between(rng, 0.1, 0.35)
    head = [
        disc(-0.55, -0.5, ears, hair),
        disc(0.55, -0.5, ears, hair),
        disc(0, -0.15, between(rng, 0.75, 0.95), hair, between(rng, 0.9, 1.2)),
        disc(0, 0, 0.72, skin, between(rng, 0.9, 1.3)),
        disc(-0.27, -0.1, between(rng, 0.06, 0.14), (30, 25, 25)),
        disc(0.27, -0.1, between(rng, 0.06, 0.14), (30, 25, 25)),
        disc(0, 0.2, 0.1, hair, 0.7),
        disc(0, 0.45, 0.25, (120, 50, 50), between(rng, 0.2, 0.6)),
    ]
    scale = between(rng, 0.4, 2.5)
    where = rng.uniform(-1, 1, 2)
    return place(body + head, where[0], where[1], scale, between(rng, -25, 25))


def clutter(rng: Rng) -> Drawing:
    """Shapes of any outline and colour at all scales."""
    drawing = []
    dull = rng.random() < 0.75
    for _ in range(int(rng.integers(2, 16))):
        points = any_outline(rng)[1] * (0.1 * 20 ** rng.random()) + rng.uniform(-2, 2, 2)
        drawing.append(Shape(points, dull_colour(rng) if dull else any_colour(rng)))
    return drawing


def lights(rng: Rng) -> Drawing:
    """Lamps out of focus."""
    drawing = []
    for _ in range(int(rng.integers(2, 14))):
        warm = int(between(rng, 60, 250))
        x, y = rng.uniform(-2.5, 2.5, 2)
        drawing.append(disc(x, y, between(rng, 0.05, 0.5), (250, warm, int(warm * 0.7))))
    return drawing


def writing(rng: Rng) -> Drawing:
    """Lines of text on anything."""
    ink = any_colour(rng)
    drawing = []
    for y in np.arange(-2, 2, between(rng, 0.4, 1.6))[:6]:
        drawing += write(
            any_word(rng, 3, 9), ink, width=between(rng, 1.5, 5), height=between(rng, 0.2, 1.2), y=y
        )
    return drawing


def post(rng: Rng) -> Drawing:
    """The post that a sign hangs on."""
    shade = int(between(rng, 40, 190))
    grey: Colour = (shade, shade, shade)
    x = rng.normal(0, 0.1)
    return [stroke(((x, -1.3 if rng.random() < 0.3 else 0), (x, 8)), between(rng, 0.1, 0.3), grey)]


STREET = (building, tree, road, vehicle, clutter, lights)
OBJECTS = (*STREET, creature, creature, clutter, writing)


def surroundings(rng: Rng, outdoors: bool) -> Drawing:
    """Things between the backdrop and the sign, in units of half a sign about the centre."""
    drawing: Drawing = []
    for _ in range(int(rng.random() * 3.2)):
        drawing += pick(rng, STREET if outdoors else OBJECTS)(rng)
    return drawing


def occluder(rng: Rng) -> Drawing:
    """What stands before the sign: twigs, leaves, wires, posts, something at the rim."""
    style = rng.random()
    colour = dull_colour(rng)
    if style < 0.4:
        leaf = textures.LEAVES[int(rng.random() * 3)]
        drawing = []
        corner = rng.uniform(-1.2, 1.2, 2)
        for _ in range(int(rng.integers(2, 14))):
            points = regular(5, between(rng, 0.08, 0.3), rng.random() * 72) * (1, 0.6)
            drawing.append(Shape(points + corner + rng.normal(0, 0.35, 2), pick(rng, leaf)))
        return drawing
    if style < 0.7:
        ends = rng.uniform(-1.6, 1.6, (2, 2))
        return [Shape(ends, colour, between(rng, 0.02, 0.16))]
    angle = rng.random() * 360
    return place([rectangle(-3, between(rng, 0.45, 0.95), 3, 4, colour)], angle=angle)
