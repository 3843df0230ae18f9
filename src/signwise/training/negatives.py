"""The ways to make pictures to train against: what each adds to a batch, one function each.

A further way is one more function in `NEGATIVES`, or in `DESTROYERS` where it makes a picture of no
class out of one of the classes.

Shapes: B pictures in a batch, K classes, S the side in pixels; pixels are float32 (B, 3, S, S) in
[0, 1]. Labels 0 to K - 1 are the classes, K is unknown.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from signwise.config import NegativesConfig
from signwise.training.augment import uniform
from signwise.training.pools import TrainingData

OWN, RENDERED, FOLDER, DESTROYED, SWAPPED = range(5)
"""Where a picture of a batch is from."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Pictures on their way into the network."""

    pictures: Tensor
    """(B, 3, S, S)."""
    labels: NDArray[np.int64]
    """(B,)."""
    origins: NDArray[np.int64]
    """(B,), where each is from."""

    def of(self, origin: int) -> NDArray[np.intp]:
        """The rows of the pictures that are from there."""
        return np.flatnonzero(self.origins == origin)

    def add(self, pictures: Tensor, labels: NDArray[np.int64] | int, origin: int) -> "Batch":
        """The batch with these pictures behind its own; one label may stand for all of them."""
        count = len(pictures)
        return Batch(
            pictures=torch.cat((self.pictures, pictures)),
            labels=np.append(self.labels, np.broadcast_to(labels, count)),
            origins=np.append(self.origins, np.full(count, origin)),
        )


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a way draws from."""

    data: TrainingData
    config: NegativesConfig
    draws: np.random.Generator
    """For which pictures are taken, on the CPU: to ask a GPU for them would wait for it."""
    generator: torch.Generator
    """For what becomes of them, on their device."""

    def pick(self, rows: NDArray[np.intp], count: int) -> NDArray[np.intp]:
        """So many of the rows, each perhaps several times."""
        return rows[self.draws.integers(len(rows), size=count)]


def rendered(batch: Batch, source: Source) -> Batch:
    """Rendered pictures, of other signs and of the classes' own."""
    pool = source.data.rendered
    if not len(pool):
        return batch
    count = round(len(batch.of(OWN)) * source.config.rendered)
    rows = source.draws.integers(len(pool), size=count)
    return batch.add(pool.take(rows, batch.pictures.device), pool.labels[rows], RENDERED)


def from_folder(batch: Batch, source: Source) -> Batch:
    """Pictures of the user's folder of no class.

    These come on top and take no rendered picture's place, since rendered signs are of more kinds
    than a folder is likely to hold.
    """
    pool = source.data.folder
    if not len(pool):
        return batch
    count = math.ceil(len(batch.of(OWN)) * source.config.folder)
    rows = source.draws.integers(len(pool), size=count)
    return batch.add(pool.take(rows, batch.pictures.device), pool.labels[rows], FOLDER)


def destroyed(batch: Batch, source: Source) -> Batch:
    """Pictures of the classes, destroyed in each of the `DESTROYERS`' ways."""
    if not source.config.destroyed:
        return batch
    count = max(len(DESTROYERS), round(len(batch.of(OWN)) * source.config.destroyed))
    rows = source.pick(np.flatnonzero(batch.labels < source.data.classes), count)
    picked = torch.from_numpy(rows).to(batch.pictures.device)
    labels = torch.from_numpy(batch.labels).to(batch.pictures.device)[picked]
    made = destroy(batch.pictures[picked], labels, source.config, source.generator)
    return batch.add(made, source.data.classes, DESTROYED)


def swapped(batch: Batch, source: Source) -> Batch:
    """The user's pictures, each with the middle of a rendered negative."""
    from_rendered = batch.of(RENDERED)
    donors = from_rendered[batch.labels[from_rendered] == source.data.classes]
    if not (len(donors) and source.config.swapped):
        return batch
    own = batch.of(OWN)
    count = max(1, round(len(own) * source.config.swapped))
    device = batch.pictures.device
    # In this order: which pictures are drawn hangs on it.
    into, middles = (
        batch.pictures[torch.from_numpy(source.pick(rows, count)).to(device)]
        for rows in (own, donors)
    )
    made = swap_centres(into, middles, source.config, source.generator)
    return batch.add(made, source.data.classes, SWAPPED)


NEGATIVES = (rendered, from_folder, destroyed, swapped)
"""The ways, in the order in which they add to a batch; each sees what those before it added."""


def add_negatives(batch: Batch, source: Source) -> Batch:
    """The user's pictures, and after them what is trained against."""
    for way in NEGATIVES:
        batch = way(batch, source)
    return batch


def destroy(
    pixels: Tensor, labels: Tensor, config: NegativesConfig, generator: torch.Generator
) -> Tensor:
    """Pictures of no class made of pictures of the classes: (B, 3, S, S) to the same shape.

    Each part of the batch is destroyed in its own way, so B is at least the number of ways.
    """
    ways = len(DESTROYERS)
    parts = zip(DESTROYERS, pixels.tensor_split(ways), labels.tensor_split(ways), strict=True)
    return torch.cat([way(part, own, config, generator) for way, part, own in parts])


def shuffled_finely(
    pixels: Tensor, _: Tensor, config: NegativesConfig, generator: torch.Generator
) -> Tensor:
    """Small tiles of each picture in another order."""
    return shuffle_patches(pixels, config.patches[0], generator)


def shuffled_coarsely(
    pixels: Tensor, _: Tensor, config: NegativesConfig, generator: torch.Generator
) -> Tensor:
    """Large tiles of each picture in another order."""
    return shuffle_patches(pixels, config.patches[1], generator)


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


def extreme_crops(
    pixels: Tensor, _: Tensor, config: NegativesConfig, generator: torch.Generator
) -> Tensor:
    """Show a corner or edge of each picture, blown up: less than a tenth of its area."""
    count = len(pixels)
    zoom = uniform(count, *config.crop_zoom, generator).flatten()
    angle = uniform(count, 0, 2 * math.pi, generator).flatten()
    reach = uniform(count, *config.crop_reach, generator).flatten()
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


def mixtures(
    pixels: Tensor, labels: Tensor, config: NegativesConfig, generator: torch.Generator
) -> Tensor:
    """Blend each picture evenly with one of another class; of no class of its own any more.

    Where the batch has one class only, the partner is shuffled, so that the blend is none either.
    """
    count = len(pixels)
    order = torch.randperm(count, generator=generator, device=generator.device)
    partners = pixels[order]
    same = (labels[order] == labels)[:, None, None, None]
    partners = torch.where(same, shuffle_patches(partners, config.patches[1], generator), partners)
    share = uniform(count, *config.mixture, generator)
    return share * pixels + (1 - share) * partners


def textures(pixels: Tensor, _: Tensor, __: NegativesConfig, generator: torch.Generator) -> Tensor:
    """Keep each picture's spectrum of spatial frequencies and throw its phases away."""
    spectrum = torch.fft.rfft2(pixels).abs()
    noise = torch.randn(pixels[:, :1].shape, generator=generator, device=generator.device)
    phase = torch.fft.rfft2(noise)
    phase = phase / phase.abs().clamp_min(1e-6)
    mean = pixels.mean((2, 3), keepdim=True)
    drawn: Tensor = torch.fft.irfft2(spectrum * phase, s=pixels.shape[2:])
    return (drawn - drawn.mean((2, 3), keepdim=True) + mean).clamp(0, 1)


DESTROYERS = (shuffled_finely, shuffled_coarsely, extreme_crops, mixtures, textures)
"""The ways to make a picture of no class out of one of the classes."""


def swap_centres(
    pixels: Tensor, donors: Tensor, config: NegativesConfig, generator: torch.Generator
) -> Tensor:
    """Put the middle of a donor, equally bright, into that of each picture: both (B, 3, S, S).

    Outline, colours and place stay; what stands in the middle of the sign goes, a fifth to somewhat
    more than half of the picture. So a sign is told from others of its shape and colour.
    """
    side = pixels.shape[-1]
    place = torch.linspace(-1, 1, side, device=pixels.device)
    distance = torch.hypot(place, place[:, None])
    radius = uniform(len(pixels), *config.swap_radius, generator)
    # A soft edge: a sharp one would tell that something was put in.
    middle = torch.sigmoid((radius - distance) * 12)
    own, other = ((part.mean(1, keepdim=True) * middle).sum((2, 3)) for part in (pixels, donors))
    gain = (own / other.clamp_min(1e-3)).clamp(0.2, 4)[:, :, None, None]
    return pixels * (1 - middle) + (donors * gain).clamp(0, 1) * middle
