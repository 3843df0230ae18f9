"""Pictures of no class to train against: rendered, the user's own, and known ones destroyed."""

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from signwise.data.images import read_image
from signwise.data.synthetic import GTSRB_DESIGNS, design_of
from signwise.data.walk import walk
from signwise.errors import SignwiseError, UnreadableImage
from signwise.files import sha256_bytes
from signwise.progress import track
from signwise.training.augment import uniform
from signwise.training.deployed import Normalise
from signwise.training.model import load_backbone

WAYS = 5
PICTURES_TO_SEE = 960
PICTURES_OF_A_CLASS = (4, 16)
LEAST_SHARE = 0.2
MOST_BYTES = 2**30
"""Of pictures to train against that are held in memory."""


def shuffle_patches(pixels: Tensor, patches: int, generator: torch.Generator) -> Tensor:
    """Cut each picture into patches x patches tiles and lay them in another order.

    Colours and textures stay, the shape goes. (B, 3, S, S) to the same shape; a rest of S modulo
    `patches` is resized away.
    """
    count, _, side, _ = pixels.shape
    tile = max(1, side // patches)
    whole = functional.interpolate(pixels, size=(tile * patches,) * 2, mode="nearest")
    tiles: Tensor = functional.unfold(whole, tile, stride=tile)
    draws = torch.rand(count, 1, tiles.shape[2], generator=generator, device=generator.device)
    order = draws.argsort(2).expand_as(tiles)
    laid = functional.fold(tiles.gather(2, order), (tile * patches,) * 2, tile, stride=tile)
    result: Tensor = functional.interpolate(laid, size=(side, side), mode="nearest")
    return result


def extreme_crops(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Show a corner or edge of each picture, blown up: less than a tenth of its area."""
    count = len(pixels)
    zoom = uniform(count, 0.12, 0.3, generator).flatten()
    angle = uniform(count, 0, 2 * math.pi, generator).flatten()
    reach = uniform(count, 0.5, 0.85, generator).flatten()
    zero = torch.zeros_like(zoom)
    rows = (
        torch.stack((zoom, zero, reach * torch.cos(angle)), 1),
        torch.stack((zero, zoom, reach * torch.sin(angle)), 1),
    )
    grid = functional.affine_grid(torch.stack(rows, 1), list(pixels.shape), align_corners=False)
    crops: Tensor = functional.grid_sample(
        pixels, grid, padding_mode="reflection", align_corners=False
    )
    return crops


def mixtures(pixels: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """Blend each picture evenly with one of another class; of no class of its own any more.

    Where the batch has one class only, the partner is shuffled, so that the blend is none either.
    """
    count = len(pixels)
    order = torch.randperm(count, generator=generator, device=generator.device)
    partners = pixels[order]
    same = (labels[order] == labels)[:, None, None, None]
    partners = torch.where(same, shuffle_patches(partners, 4, generator), partners)
    share = uniform(count, 0.4, 0.6, generator)
    return share * pixels + (1 - share) * partners


def textures(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Keep each picture's spectrum of spatial frequencies and throw its phases away."""
    spectrum = torch.fft.rfft2(pixels).abs()
    noise = torch.randn(pixels[:, :1].shape, generator=generator, device=generator.device)
    phase = torch.fft.rfft2(noise)
    phase = phase / phase.abs().clamp_min(1e-6)
    mean = pixels.mean((2, 3), keepdim=True)
    drawn: Tensor = torch.fft.irfft2(spectrum * phase, s=pixels.shape[2:])
    return (drawn - drawn.mean((2, 3), keepdim=True) + mean).clamp(0, 1)


def destroy(pixels: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures of no class made of pictures of the classes: (B, 3, S, S) to the same shape.

    Each fifth of the batch is destroyed in its own way, so B is at least 5.
    """
    first, second, third, fourth, fifth = pixels.tensor_split(WAYS)
    return torch.cat(
        (
            shuffle_patches(first, 8, generator),
            shuffle_patches(second, 4, generator),
            extreme_crops(third, generator),
            mixtures(fourth, labels.tensor_split(WAYS)[3], generator),
            textures(fifth, generator),
        )
    )


def swap_centres(pixels: Tensor, donors: Tensor, generator: torch.Generator) -> Tensor:
    """Put the middle of a donor, equally bright, into that of each picture: both (B, 3, S, S).

    Outline, colours and place stay; what stands in the middle of the sign goes, a fifth to somewhat
    more than half of the picture. So a sign is told from others of its shape and colour.
    """
    side = pixels.shape[-1]
    place = torch.linspace(-1, 1, side, device=pixels.device)
    distance = torch.hypot(place, place[:, None])
    radius = uniform(len(pixels), 0.5, 0.85, generator)
    # A soft edge: a sharp one would tell that something was put in.
    middle = torch.sigmoid((radius - distance) * 12)
    own, other = ((part.mean(1, keepdim=True) * middle).sum((2, 3)) for part in (pixels, donors))
    gain = (own / other.clamp_min(1e-3)).clamp(0.2, 4)[:, :, None, None]
    return pixels * (1 - middle) + (donors * gain).clamp(0, 1) * middle


def designs_named(classes: tuple[str, ...]) -> frozenset[str]:
    """The signs that the classes' names mean: no negative may show them."""
    return frozenset(design for name in classes if (design := design_of(name)) is not None)


@torch.inference_mode()
def designs_seen(
    pixels: NDArray[np.uint8], labels: NDArray[np.int64], rows: NDArray[np.int64]
) -> dict[int, dict[str, float]]:
    """The signs that the pictures of each class show, whatever its name, and in what share of them.

    pixels (N, S, S, 3), labels (N,), and the rows to look at; the shipped backbone looks at a few
    of each class, and a sign that it sees in less than a fifth of them does not count.
    """
    network, size = load_backbone()
    seen: dict[int, dict[str, float]] = {}
    present = np.unique(labels[rows])
    few = int(np.clip(PICTURES_TO_SEE // len(present), *PICTURES_OF_A_CLASS))
    for label in present:
        own = rows[labels[rows] == label]
        some = own[np.linspace(0, len(own) - 1, min(len(own), few)).astype(int)]
        unit = torch.from_numpy(pixels[some]).permute(0, 3, 1, 2).float() / 255
        scaled = functional.interpolate(unit, (size, size), mode="bilinear", antialias=True)
        logits = network(Normalise().from_unit(scaled))[:, : len(GTSRB_DESIGNS)]
        best = logits.max(1)
        counts = best.indices[best.values > 0].bincount(minlength=len(GTSRB_DESIGNS))
        shares = zip(GTSRB_DESIGNS, (counts / len(some)).tolist(), strict=True)
        seen[int(label)] = {design: share for design, share in shares if share >= LEAST_SHARE}
    return seen


def most_pictures(size: int) -> int:
    """How many pictures of this side may be trained against: they are held in memory."""
    return MOST_BYTES // (size * size * 3)


def folder_negatives(
    folder: Path, size: int, seed: int, known: Mapping[str, str]
) -> tuple[NDArray[np.uint8], dict[str, str], list[dict[str, str]]]:
    """The pictures under the folder, (M, S, S, 3), their SHA-256 by path, and what can't be used.

    `known` has the class of each picture of the classes by its SHA-256: the same bytes can't be of
    no class. Of more than `most_pictures` a random choice. Raises SignwiseError where the folder is
    not there or has no picture that can be used.
    """
    if not folder.is_dir():
        raise SignwiseError(f"--unknown {folder}: no such folder; give synthetic, none or a folder")
    problems = []
    paths = list(walk(folder))
    if len(paths) > most_pictures(size):
        choice = np.random.default_rng(seed).permutation(len(paths))[: most_pictures(size)]
        paths = [paths[index] for index in np.sort(choice)]
    pixels = np.empty((len(paths), size, size, 3), np.uint8)
    hashes: dict[str, str] = {}

    def read(path: str) -> tuple[str, NDArray[np.uint8] | str]:
        try:
            content = Path(path).read_bytes()
            sha256 = sha256_bytes(content)
            if sha256 in known:
                return sha256, f"the same picture is one of {known[sha256]}"
            return sha256, read_image(content, size)
        except (OSError, UnreadableImage) as error:
            return "", (getattr(error, "strerror", None) or str(error)).lower()

    with ThreadPoolExecutor() as pool, track("strangers", len(paths)) as advance:
        for path, (sha256, picture) in zip(paths, pool.map(read, paths), strict=True):
            if isinstance(picture, str):
                problems.append({"path": path, "problem": picture})
            else:
                pixels[len(hashes)] = picture
                hashes[path] = sha256
            advance(1)
    if not hashes:
        reason = f" ({problems[0]['problem']})" if problems else ""
        raise SignwiseError(f"--unknown {folder}: no picture in it that can be used{reason}")
    return pixels[: len(hashes)], hashes, problems
