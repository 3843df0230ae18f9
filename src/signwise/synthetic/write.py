"""Folders of rendered sign photos, named as GTSRB names its own."""

import io
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from PIL import Image

from signwise.errors import SignwiseError
from signwise.files import atomic_path, real_path, remove_left
from signwise.folders import output_folder
from signwise.results import Problem
from signwise.synthetic.render import (
    Pixels,
    check_design,
    negative_kind,
    negative_picture,
    run,
    sign_picture,
)

FRAMES = 10
OWN_NAME = re.compile(r"\d{5,}_\d{5}\.png")
MAX_SIZE = 1024


@dataclass(frozen=True, kw_only=True)
class SynthResult:
    """What `synth` wrote."""

    out: Path
    negatives: Path | None
    """Where the pictures of no class are, if there are any."""
    counts: dict[str, int]
    """Pictures of each class, and `negatives` where they were asked for."""
    problems: list[Problem] = field(default_factory=list)


def synth(
    out: str | Path,
    *,
    per_class: int = 500,
    size: int = 64,
    seed: int = 0,
    classes: Sequence[str] = ("priority", "stop"),
    negatives: str | Path | None = None,
) -> SynthResult:
    """Render sign photos into OUT/<class>/TTTTT_FFFFF.png; gives how many.

    TTTTT is the physical sign, FFFFF one of its 10 frames, in which the camera comes nearer.
    Classes are names of designs. Into the folder `negatives` go as many pictures as a class has, of
    other signs, things and scenes, one frame each, in sub-folders by what they show. Earlier
    output of synth in these folders is replaced. The same seed gives the same pictures.

    Raises SignwiseError where a number is out of range, a class is no design, or a folder holds
    what synth did not write.
    """
    out = Path(out)
    if per_class < 1:
        raise SignwiseError("`per_class` must be at least 1")
    if not 8 <= size <= MAX_SIZE:
        raise SignwiseError(f"`size` must be between 8 and {MAX_SIZE} pixels")
    if seed < 0:
        raise SignwiseError("`seed` must be at least 0")
    if not classes or len(set(classes)) != len(classes):
        raise SignwiseError("`classes` must name at least one design, each once")
    designs = [check_design(name) for name in classes]
    folder = None if negatives is None else Path(negatives)
    if folder is not None and _within(folder, out):
        raise SignwiseError(f"`negatives` {folder}: it must be neither in {out} nor above it")
    with ExitStack() as held:
        for place in (out, folder):
            if place is not None:
                held.enter_context(output_folder(place, "synth"))
                _remove_earlier(place)
        counts = _render(out, folder, designs, per_class, size, seed)
        return SynthResult(out=out, negatives=folder, counts=counts)


def _render(
    out: Path, folder: Path | None, designs: list[str], per_class: int, size: int, seed: int
) -> dict[str, int]:
    counts = {}
    for design in designs:
        (out / design).mkdir(exist_ok=True)
        job = partial(_write_sign, out, design, size, seed)
        run(job, per_class, description=f"Rendering {design}")
        counts[design] = per_class
    if folder is not None:
        exclude = frozenset(designs)
        kinds = Counter(negative_kind(seed, exclude, index) for index in range(per_class))
        for kind in kinds:
            (folder / kind).mkdir(exist_ok=True)
        job = partial(_write_negative, folder, size, seed, exclude)
        run(job, per_class, description="Rendering negatives")
        counts["negatives"] = per_class
    return counts


def _within(folder: Path, out: Path) -> bool:
    first, second = real_path(folder), real_path(out)
    return first == second or first in second.parents or second in first.parents


def _remove_earlier(out: Path) -> None:
    """Remove earlier pictures; the user's files stay."""
    for folder in sorted(path for path in out.iterdir() if path.is_dir()):
        remove_left(folder)
        for path in folder.iterdir():
            if OWN_NAME.fullmatch(path.name):
                path.unlink()
        if not any(folder.iterdir()):
            folder.rmdir()


def _write_sign(out: Path, design: str, size: int, seed: int, index: int) -> None:
    sign, frame = divmod(index, FRAMES)
    pixels = sign_picture(design, size, seed, FRAMES, index)
    _write(out / design / f"{sign:05}_{frame:05}.png", pixels)


def _write_negative(out: Path, size: int, seed: int, exclude: frozenset[str], index: int) -> None:
    pixels = negative_picture(size, seed, exclude, index)
    _write(out / negative_kind(seed, exclude, index) / f"{index:05}_00000.png", pixels)


def _write(path: Path, pixels: Pixels) -> None:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=3)
    # Flushing each of thousands of files to disk would take most of the time.
    with atomic_path(path, flush=False) as temporary:
        temporary.write_bytes(buffer.getvalue())
