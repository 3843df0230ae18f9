"""Photos of rendered signs and of scenes without one, the same for a seed on any machine."""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import TypeVar

import numpy as np
from PIL import Image, ImageDraw

from signwise.errors import SignwiseError
from signwise.parallel import map_chunks
from signwise.synthetic import camera, scenes
from signwise.synthetic.designs import (
    ALL,
    DESIGNS,
    GTSRB_DESIGNS,
    THING_DESIGNS,
    WORLD_DESIGNS,
    common_lookalikes,
    draw_face,
    lookalikes,
    with_twins,
)
from signwise.synthetic.shapes import (
    Drawing,
    Points,
    Rng,
    Shape,
    any_colour,
    between,
    disc,
    paint,
    pick,
    place,
    rounded_box,
    tone,
)
from signwise.synthetic.solids import solid_scene
from signwise.synthetic.textures import noise
from signwise.synthetic.things import any_outline

T = TypeVar("T")

Pixels = camera.Pixels
RENDERER_VERSION = 2
"""Counted up whenever a seed renders other pictures: what is kept of an older one is not used."""
CHUNK = 32
"""Pictures that a worker renders at a time."""
WORTH_A_PROCESS = 100
"""Pictures to render for each process that is started: for fewer it would not pay."""
SOLID_SHARE = 0.6
"""Of negatives beside photos that are no signs."""
# Signs whose likes beside a sign would blur what a picture shows.
KNOWN = frozenset({"priority", "stop"})


def check_design(design: str) -> str:
    """The design's name; raises SignwiseError that lists the names where there is none such."""
    if design not in ALL:
        raise SignwiseError(f"no sign design {design!r}; there are {', '.join(DESIGNS)}")
    return design


def wear(rng: Rng) -> Drawing:
    """Stickers, bolts, holes and scribbles on a face."""
    marks: Drawing = []
    if rng.random() < 0.2:
        ink = tone(rng, pick(rng, ("black", "white", "grey"))) if rng.random() < 0.6 else None
        for _ in range(pick(rng, (1, 1, 2, 3))):
            size = between(rng, 0.06, 0.34)
            outline = any_outline(rng)[1] * size
            points = outline + rng.normal(0, pick(rng, (0.06, 0.3)), 2)
            marks.append(Shape(points, ink or any_colour(rng)))
    if rng.random() < 0.15:
        y = between(rng, 0.3, 0.75)
        shade = int(between(rng, 30, 200))
        marks += [disc(0, side, 0.05, (shade, shade, shade)) for side in (-y, y)]
    if rng.random() < 0.04:
        scribble = np.cumsum(rng.normal(0, 0.22, (8, 2)), axis=0)
        marks.append(Shape(scribble, any_colour(rng), between(rng, 0.03, 0.08)))
    return marks


def mounted(rng: Rng, face: Drawing) -> Drawing:
    """The face, now and then on a board, or alone on the white of a drawing."""
    style = rng.random()
    if style > 0.09:
        return face
    half = 6.0 if style < 0.05 else between(rng, 1.05, 1.4)
    colour = tone(rng, "white") if rng.random() < 0.6 else any_colour(rng)
    return [Shape(rounded_box(0, 0, half, half, 0.05), colour), *face]


@lru_cache(maxsize=256)
def neighbours(exclude: frozenset[str]) -> tuple[str, ...]:
    """Designs that may stand beside a sign where these may not."""
    hidden = with_twins(exclude)
    return tuple(name for name in DESIGNS if name not in hidden)


def beside(rng: Rng, designs: Sequence[str]) -> Drawing:
    """Other signs and plates on the same post, for the most part out of the crop."""
    drawing: Drawing = []
    if rng.random() < 0.35:
        face = draw_face(pick(rng, designs), rng)
        where = pick(rng, ((0, 2.1), (0, -2.1), (2.1, 0), (-2.1, 0), (0.3, 2.3), (1.9, 1.5)))
        drawing += place(face, where[0] + rng.normal(0, 0.08), where[1], between(rng, 0.8, 1.05))
    if rng.random() < 0.3:
        plate = pick(rng, ("number_plate", "street_name", "direction_panel"))
        y = pick(rng, (-1, 1)) * between(rng, 1.25, 1.5)
        drawing += place(draw_face(plate, rng), 0, y, between(rng, 0.5, 1))
    return drawing


def compose(
    track: Rng, face: Drawing | None, projection: Points, side: int, others: Sequence[str]
) -> tuple[Image.Image, float]:
    """The scene (side, side) before the lens: backdrop, things, the lit sign, what hides it.

    With it comes the gain that a camera would choose for it.
    """
    outdoors = face is not None or track.random() < 0.5
    canvas = Image.fromarray(
        np.clip(scenes.backdrop(track, side, outdoors), 0, 255).astype(np.uint8)
    )
    draw = ImageDraw.Draw(canvas)
    # Things around a sign keep upright and to scale, but are not on its plane.
    flat = projection.copy()
    flat[2, :2] = 0
    paint(draw, scenes.surroundings(track, outdoors), flat)
    if face is not None and track.random() < 0.7:
        paint(draw, scenes.post(track), flat)
    if track.random() < 0.3:
        small = max(4, int(side * between(track, 0.1, 0.6)))
        canvas = canvas.resize((small, small), Image.Resampling.BOX)
        canvas = canvas.resize((side, side), Image.Resampling.BICUBIC)
    if face is not None and others:
        paint(ImageDraw.Draw(canvas), beside(track, others), projection)
    scene = np.asarray(canvas, dtype=np.float32)
    if track.random() < 0.5:
        grain = noise(track, side, between(track, 0, 0.6))
        scene = scene * (1 + np.float32(between(track, 0.02, 0.2)) * grain[..., None])
    sign_light, scene_light, gain = camera.exposures(track)
    scene = scene * np.float32(scene_light)
    if face is not None:
        layer = Image.new("RGBA", (side, side))
        paint(ImageDraw.Draw(layer), face, projection)
        pixels = np.asarray(layer, dtype=np.float32)
        surface = camera.weather(track, pixels[..., :3]) * np.float32(sign_light)
        scene = np.where(pixels[..., 3:] > 0, surface, scene)
    scene = scene * camera.lighting(track, side)
    canvas = Image.fromarray(np.clip(scene, 0, 255).astype(np.uint8))
    if face is not None and track.random() < 0.12:
        paint(ImageDraw.Draw(canvas), scenes.occluder(track), projection)
    return canvas, gain


def sign_share(rng: Rng) -> float:
    """How much of a crop's side the sign fills: as a detector crops, loose, or cut off."""
    style = rng.random()
    if style < 0.72:
        return between(rng, 0.66, 0.92)
    return between(rng, 0.42, 0.66) if style < 0.88 else between(rng, 0.92, 1.2)


def resolution(rng: Rng, size: int, progress: float) -> int:
    """Pixels across with which a crop of this size was taken, more of them as one comes nearer."""
    finest = 0.8 * camera.work_side(size)
    coarsest = min(max(15.0, 0.2 * size), finest)
    along = float(0.75 * progress + 0.25 * rng.random())
    return max(4, round(coarsest * math.pow(finest / coarsest, along**0.7)))


def sign_picture(design: str, size: int, seed: int, frames: int, index: int) -> Pixels:
    """Picture `index` (size, size, 3): frame `index % frames` of sign `index // frames`."""
    sign, frame = divmod(index, frames)
    # The class is part of the seed, so that two classes don't share their places and weather.
    key = DESIGNS.index(design)
    track = np.random.default_rng([seed, key, sign])
    moment = np.random.default_rng([seed, key, sign, frame])
    face = mounted(track, draw_face(design, track) + wear(track))
    share = sign_share(track) if frames == 1 else between(track, 0.7, 0.85)
    side = camera.work_side(size)
    projection = camera.view(moment, side, share, calm=track.random() < 0.6)
    scene, gain = compose(track, face, projection, side, neighbours(KNOWN | {design}))
    progress = moment.random() if frames == 1 else (frame + moment.random()) / frames
    across = resolution(moment, size, progress)
    return camera.expose(moment, scene, gain, across, size, blank=False)


def negative_design(rng: Rng, exclude: frozenset[str], kind: str = "signs") -> str | None:
    """The sign or thing that a negative shows; None for a scene without one.

    Beside road signs, negatives are signs for the most part; beside photos of other things they
    are as often things, and scenes.
    """
    exclude = with_twins(exclude)
    style = rng.random()
    if kind == "photos":
        family = DESIGNS if style < 0.35 else THING_DESIGNS if style < 0.6 else ()
        allowed = [name for name in family if name not in exclude]
        return pick(rng, allowed) if allowed else None
    family = (
        (common_lookalikes(exclude) or lookalikes(exclude)) if style < 0.18
        else lookalikes(exclude) if style < 0.35
        else GTSRB_DESIGNS if style < 0.5
        else WORLD_DESIGNS if style < 0.65
        else ("strange_sign",) if style < 0.72
        else THING_DESIGNS if style < 0.79
        else ()
    )  # fmt: skip
    allowed = [name for name in family if name not in exclude]
    return pick(rng, allowed) if allowed else None


def negative_kind(seed: int, exclude: frozenset[str], index: int) -> str:
    """What negative `index` shows: a design's name, or `scene`."""
    return negative_design(_negative_rng(seed, index), exclude) or "scene"


def _negative_rng(seed: int, index: int) -> Rng:
    return np.random.default_rng([seed, len(DESIGNS), index])


def negative_picture(
    size: int, seed: int, exclude: frozenset[str], index: int, kind: str = "signs"
) -> Pixels:
    """Negative `index` (size, size, 3): another sign, a part of one, or no sign at all.

    Beside photos of other things, a share of them are solid things.
    """
    rng = _negative_rng(seed, index)
    side = camera.work_side(size)
    if kind == "photos" and rng.random() < SOLID_SHARE:
        scene, gain = solid_scene(rng, side)
        return camera.expose(rng, scene, gain, resolution(rng, size, rng.random()), size)
    design = negative_design(rng, exclude, kind)
    if design is None:
        projection = camera.view(rng, side, 0.2 * 12 ** rng.random(), calm=False)
        scene, gain = compose(rng, None, projection, side, ())
    else:
        face = mounted(rng, draw_face(design, rng) + wear(rng))
        style = rng.random()
        if style < 0.08:  # a part of it only
            share = between(rng, 1.3, 4)
            shift = rng.uniform(-1, 1, 2)
            face = place(face, shift[0], shift[1])
        else:
            share = between(rng, 0.12, 0.4) if style < 0.14 else sign_share(rng)
        projection = camera.view(rng, side, share, calm=rng.random() < 0.6)
        scene, gain = compose(rng, face, projection, side, neighbours(exclude | KNOWN))
    return camera.expose(rng, scene, gain, resolution(rng, size, rng.random()), size)


def run(
    job: Callable[[int], T],
    count: int,
    *,
    workers: int | None = None,
    description: str | None = None,
) -> list[T]:
    """The job's results for 0 to count - 1, in that order, whatever the number of workers.

    Without a number of workers all cores are used where the work is worth it.
    """
    results = map_chunks(
        partial(_run_chunk, job),
        [range(start, min(count, start + CHUNK)) for start in range(0, count, CHUNK)],
        total=count,
        chunk_size=CHUNK,
        description=description,
        workers=workers,
        worth_a_process=WORTH_A_PROCESS,
    )
    return [result for chunk in results for result in chunk]


def _run_chunk(job: Callable[[int], T], indices: range) -> list[T]:
    return [job(index) for index in indices]


def render_signs(
    design: str, count: int, size: int, seed: int, frames: int = 1, workers: int | None = None
) -> Pixels:
    """Photos (count, size, size, 3) of rendered signs of one design, uint8 RGB.

    Picture i shows frame `i % frames` of sign `i // frames`: the sign, its wear, its place and its
    light stay, while the camera comes nearer. Picture i depends on the design, size, seed, frames
    and i alone. Raises SignwiseError where there is no such design.
    """
    job = partial(sign_picture, check_design(design), size, seed, frames)
    return _stack(run(job, count, workers=workers), size)


def render_negatives(
    count: int,
    size: int,
    seed: int,
    exclude: frozenset[str] = frozenset(),
    workers: int | None = None,
    kind: str = "signs",
) -> Pixels:
    """Photos (count, size, size, 3) of what is none of the excluded designs, uint8 RGB.

    Other signs of the world, signs that no country has, parts of signs, and scenes without a sign;
    for the kind `photos`, solid things for the most part. Picture i depends on the size, seed,
    exclude, kind and i alone. Raises SignwiseError where `exclude`
    names what is no design.
    """
    excluded = frozenset(check_design(name) for name in exclude)
    job = partial(negative_picture, size, seed, excluded, kind=kind)
    return _stack(run(job, count, workers=workers), size)


def _stack(pictures: list[Pixels], size: int) -> Pixels:
    return np.stack(pictures) if pictures else np.empty((0, size, size, 3), np.uint8)
