"""Where the model looked: what its answer loses when a part of the picture is hidden."""

import io
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from PIL.PngImagePlugin import PngInfo

from signwise.data.images import Source, Sources, read_for_people, read_image
from signwise.errors import SignwiseError, UnreadableImage
from signwise.files import atomic_path, printable_path, real_path, write_text
from signwise.folders import MARKER, output_folder
from signwise.inference.predict import find_pictures
from signwise.inference.predictor import Prediction, Predictor
from signwise.inference.tables import CsvWriter
from signwise.metrics.selective import accepted
from signwise.names import UNKNOWN
from signwise.opening import open_regular
from signwise.progress import track
from signwise.report.heat import PANEL, sheet
from signwise.results import Problem, Row

# Sides of the hidden patches as shares of S: strokes of a letter, the letter, the word.
PATCHES = (1 / 8, 1 / 4, 3 / 8)
# Probabilities this near to 0 and 1 are told apart; float32 has nothing finer below 1.
SMALLEST = 1e-7
LISTING = "explanations.csv"
COLUMNS = ("path", "label", "confidence", "known", "file")
MADE_BY = "signwise explain"
LONGEST_NAME = 80


@dataclass(frozen=True, kw_only=True)
class ExplainResult:
    """What was explained."""

    out: Path | None
    counts: dict[str, int]
    """images, explained, unreadable, skipped (files that are no pictures)."""
    problems: list[Problem]
    """Pictures that could not be used: path and problem."""
    rows: list[Row]
    """path, label, confidence, known and file (in `out`), one a picture that was explained."""


def explain(
    model: str | Path,
    images: Sources,
    *,
    out: Path = Path("explain"),
) -> ExplainResult:
    """Draw, for each picture, the parts that speak for the model's answer and against it.

    `images`: pictures as `predict` takes them, and folders of this machine; no lists, no shards.
    Writes OUT/<name>.png (picture, map, map over the picture) and
    OUT/explanations.csv; replaces what an earlier run wrote. Raises SignwiseError for a model that
    can't be used, a folder that is not signwise's own, and where there is no picture at all.
    """
    predictor = Predictor(model)
    skipped: Counter[str] = Counter()
    sources, _ = find_pictures(images, skipped)
    out = Path(out)
    listed = _without_maps(sources, out)
    taken: set[str] = set()
    problems: list[Problem] = []
    rows: list[Row] = []
    with output_folder(out, "explain"), track("explain", len(listed)) as advance:
        _remove_earlier(out)
        for number, source in enumerate(listed, 1):
            path = f"picture {number}"
            if isinstance(source, str | os.PathLike):
                path = printable_path(source)
            advance(1)
            try:
                content = source.read() if hasattr(source, "read") else source
                pixels = read_image(content, predictor.image_size, crop=predictor.crop)
                picture = read_for_people(content, PANEL, predictor.crop)
            except UnreadableImage as error:
                problems.append(Problem(path=path, problem=str(error)))
                continue
            prediction = predictor.predict([content])[0]
            if prediction.error is not None:
                problems.append(Problem(path=path, problem=prediction.error))
                continue
            heat = occlusion_map(predictor, pixels[None])[0]
            name = _free_name(Path(path).stem, taken)
            with atomic_path(out / name) as temporary:
                _save(sheet(picture, heat, Path(path).name, _verdict(prediction)), temporary)
            answer = (prediction.label, prediction.confidence, prediction.known)
            rows.append(dict(zip(COLUMNS, (path, *answer, name), strict=True)))
        _write_listing(out, rows)
    counts = {
        "images": len(listed),
        "explained": len(rows),
        "unreadable": len(problems),
        "skipped": skipped.total(),
    }
    return ExplainResult(out=out, counts=counts, problems=problems, rows=rows)


def occlusion_map(predictor: Predictor, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How much each pixel speaks for the answer given, (N, S, S); below 0 it speaks against it.

    `pixels` uint8 (N, S, S, 3). Patches of several sizes are hidden one at a time, and a pixel gets
    the mean loss of the patches that hide it, in log-odds of the answer: of `known` times the
    class's probability or, where the answer is `unknown`, of 1 - `known`. What is hidden is
    replaced by the picture's mean colour and by its blur, in turn: black patches would be
    something new to the model, not something less. Occlusion: Zeiler and Fergus, Visualizing and
    Understanding Convolutional Networks, 2014, section 4.2; log-odds: Zintgraf et al., Visualizing
    Deep Neural Network Decisions, 2017, section 3.
    """
    probabilities, known = predictor.scores(pixels)
    heat = np.zeros(pixels.shape[:3], dtype=np.float32)
    for index, picture in enumerate(pixels):
        answered = accepted(known[index], predictor.threshold)
        answer = int(probabilities[index].argmax()) if answered else None
        whole = _log_odds(probabilities[index : index + 1], known[index : index + 1], answer)
        for share in PATCHES:
            windows = _windows(predictor.image_size, share)
            losses = np.zeros(len(windows) ** 2)
            for fill in _fills(picture):
                hidden = _log_odds(*_occluded_scores(predictor, picture, fill, windows), answer)
                losses += whole - hidden
            # Every patch is a row window times a column window, and so is the sum over patches.
            covered = windows.sum(axis=0)
            total = windows.T @ losses.reshape(len(windows), -1) @ windows
            heat[index] += total / np.outer(covered, covered)
    heat /= len(PATCHES) * 2
    return heat


def _log_odds(
    probabilities: NDArray[np.float32], known: NDArray[np.float32], answer: int | None
) -> NDArray[np.float64]:
    """Log-odds (N,) of the answer, a class's index or None for `unknown`."""
    sure = known.astype(np.float64)
    belief = 1 - sure if answer is None else sure * probabilities[:, answer]
    belief = belief.clip(SMALLEST, 1 - SMALLEST)
    return np.asarray(np.log(belief) - np.log1p(-belief))


def _windows(size: int, share: float) -> NDArray[np.float32]:
    """Soft-edged windows (R, size) in [0, 1] of `share` of the side, each half over the next."""
    side = max(1.0, size * share)
    centres = np.linspace(0, size, round(2 * size / side) + 1)
    distance = np.abs(np.arange(size) + 0.5 - centres[:, None])
    edge = max(1.0, side / 4)
    return np.clip((side / 2 - distance) / edge + 0.5, 0, 1).astype(np.float32)


def _fills(picture: NDArray[np.uint8]) -> Iterator[NDArray[np.float32]]:
    """What stands in for hidden pixels, each (S, S, 3) or broadcast to it."""
    yield picture.mean(axis=(0, 1), keepdims=True, dtype=np.float32)
    blur = ImageFilter.GaussianBlur(len(picture) / 4)
    yield np.asarray(Image.fromarray(picture).filter(blur), dtype=np.float32)


def _occluded_scores(
    predictor: Predictor,
    picture: NDArray[np.uint8],
    fill: NDArray[np.float32],
    windows: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scores of the picture with each patch hidden: (R * R, K) and (R * R,)."""
    rows, columns = np.divmod(np.arange(len(windows) ** 2), len(windows))
    difference = fill - picture
    found = []
    for start in range(0, len(rows), predictor.batch_size):
        batch = slice(start, start + predictor.batch_size)
        mask = windows[rows[batch], :, None, None] * windows[columns[batch], None, :, None]
        hidden = (picture + difference * mask).round().astype(np.uint8)
        found.append(predictor.scores(hidden))
    probabilities, known = zip(*found, strict=True)
    return np.concatenate(probabilities), np.concatenate(known)


def _verdict(prediction: Prediction) -> str:
    surest = max(prediction.probabilities, key=lambda name: prediction.probabilities[name])
    if prediction.label == UNKNOWN:
        return (
            f"unknown: known {prediction.known:.3f}, nearest {surest} {prediction.confidence:.3f}"
        )
    return f"{prediction.label} {prediction.confidence:.3f}, known {prediction.known:.3f}"


def _free_name(stem: str, taken: set[str]) -> str:
    """A file name that no other picture of this run has, on systems without case as well."""
    stem = stem[:LONGEST_NAME]
    number, name = 1, f"{stem}.png"
    while name.lower() in taken:
        number += 1
        name = f"{stem}-{number}.png"
    taken.add(name.lower())
    return name


def _save(image: Image.Image, path: Path) -> None:
    """Write a PNG that says who made it."""
    facts = PngInfo()
    facts.add_text("Software", MADE_BY)
    image.save(path, pnginfo=facts)


def _write_listing(out: Path, rows: list[Row]) -> None:
    text = io.StringIO()
    writer = CsvWriter(text, COLUMNS)
    for row in rows:
        writer.write(list(row.values()))
    write_text(out / LISTING, text.getvalue() or ",".join(COLUMNS) + "\n")


def _without_maps(sources: Iterable[Source], out: Path) -> list[Source]:
    """The pictures but those in `out`: maps of an earlier run, if `out` lies in a picture folder.

    Raises SignwiseError where there are no others.
    """
    if not (out / MARKER).is_file():
        return list(sources)
    here = real_path(out)
    listed = [
        source
        for source in sources
        if not isinstance(source, str | os.PathLike) or here not in real_path(source).parents
    ]
    if not listed:
        raise SignwiseError(f"`images` holds no picture beside those in `out` {out}: give others")
    return listed


def _remove_earlier(out: Path) -> None:
    """Remove the maps of an earlier run, so that none stands beside a newer model's.

    Each map says who made it: one of a run that was stopped stands in no listing.
    """
    for path in out.glob("*.png"):
        try:
            with open_regular(path) as file, Image.open(file) as image:
                ours = image.info.get("Software") == MADE_BY
        except OSError:
            continue
        if ours:
            path.unlink()
    (out / LISTING).unlink(missing_ok=True)
