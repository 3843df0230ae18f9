"""Augmentation of whole batches on tensors, safe for signs: pure functions of pixels and generator.

Shapes: B pictures, S the side in pixels; pixels are float32 (B, 3, S, S) in [0, 1]. No flips, no
large rotations, no shifts of hue: a sign's handedness and colour are its meaning.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from signwise.config import AugmentationConfig

View = Callable[[Tensor, torch.Generator], Tensor]
"""Pictures (B, 3, S, S) in [0, 1] and a generator to pictures of the same shape and range."""


def uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """`count` uniform numbers in [low, high), shape (count, 1, 1, 1) to broadcast over a batch."""
    draws = torch.rand(count, 1, 1, 1, generator=generator, device=generator.device)
    return low + (high - low) * draws


def chosen(count: int, share: float, generator: torch.Generator) -> Tensor:
    """1.0 for a random share of the batch, else 0.0, shape (count, 1, 1, 1)."""
    return (uniform(count, 0, 1, generator) < share).float()


def batch_affine(pixels: Tensor, config: AugmentationConfig, generator: torch.Generator) -> Tensor:
    """Rotate, scale, shear and shift each picture by its own small amount, edges repeated."""
    count = len(pixels)
    degrees = uniform(count, -config.rotation, config.rotation, generator).flatten()
    angle = degrees * (math.pi / 180)
    low, high = (math.log(scale) for scale in config.scale)
    zoom = torch.exp(-uniform(count, low, high, generator).flatten())
    stretch = torch.exp(uniform(count, -config.stretch, config.stretch, generator).flatten())
    shear = uniform(count, -config.shear, config.shear, generator).flatten()
    shift_x = uniform(count, -2 * config.shift, 2 * config.shift, generator).flatten()
    shift_y = uniform(count, -2 * config.shift, 2 * config.shift, generator).flatten()
    cosine, sine = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    rows = (
        torch.stack((cosine * stretch, -sine + shear * zoom, shift_x), 1),
        torch.stack((sine, cosine / stretch, shift_y), 1),
    )
    grid = functional.affine_grid(torch.stack(rows, 1), list(pixels.shape), align_corners=False)
    return functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)


def batch_light(pixels: Tensor, config: AugmentationConfig, generator: torch.Generator) -> Tensor:
    """Change each picture's exposure, contrast and colour cast; some get a shadow or haze."""
    count, _, side, _ = pixels.shape
    brightness = torch.exp(uniform(count, *config.brightness, generator))
    contrast = torch.exp(uniform(count, -config.contrast, config.contrast, generator))
    shape = (count, 3, 1, 1)
    draws = torch.rand(shape, generator=generator, device=generator.device)
    cast = 1 + config.colour_cast * (2 * draws - 1)
    middle = pixels.mean((1, 2, 3), keepdim=True)
    lit = ((pixels - middle) * contrast + middle) * brightness * cast
    ramp = torch.linspace(-1, 1, side, device=pixels.device)
    angle = uniform(count, 0, 2 * math.pi, generator)
    across = torch.cos(angle) * ramp + torch.sin(angle) * ramp[:, None]
    edge = torch.sigmoid((across - uniform(count, -0.8, 0.8, generator)) * 12)
    depth = chosen(count, config.shadow_share, generator) * uniform(
        count, *config.shadow_depth, generator
    )
    shaded = lit * (1 - depth * edge)
    haze = chosen(count, config.haze_share, generator) * uniform(count, *config.haze, generator)
    return shaded + haze * (uniform(count, *config.haze_light, generator) - shaded)


def batch_blur(pixels: Tensor, config: AugmentationConfig, generator: torch.Generator) -> Tensor:
    """Blur a share of the batch, out of focus or along a line, each by its own kernel."""
    count, channels, side, _ = pixels.shape
    subset = torch.nonzero(chosen(count, config.blur_share, generator).flatten()).flatten()
    if len(subset) == 0:
        return pixels
    scale = side / 32
    radius = max(2, round(3 * scale))
    offsets = torch.arange(-radius, radius + 1, device=pixels.device, dtype=torch.float32)
    along_y, along_x = torch.meshgrid(offsets, offsets, indexing="ij")
    many = len(subset)
    angle = uniform(many, 0, math.pi, generator)[:, 0]
    length = uniform(many, *config.blur_length, generator)[:, 0] * scale
    ratio = uniform(many, *config.blur_ratio, generator)[:, 0]
    major = torch.cos(angle) * along_x + torch.sin(angle) * along_y
    minor = -torch.sin(angle) * along_x + torch.cos(angle) * along_y
    kernels = torch.exp(-0.5 * ((major / length) ** 2 + (minor / (length * ratio)) ** 2))
    kernels = kernels / kernels.sum((1, 2), keepdim=True)
    kernels = kernels.repeat_interleave(channels, 0)[:, None]
    flat = pixels[subset].reshape(1, many * channels, side, side)
    padded = functional.pad(flat, (radius,) * 4, mode="replicate")
    blurred = functional.conv2d(padded, kernels, groups=many * channels)
    return pixels.index_copy(0, subset, blurred.reshape(many, channels, side, side))


def batch_low_resolution(
    pixels: Tensor, config: AugmentationConfig, generator: torch.Generator
) -> Tensor:
    """Show a share of the batch as if taken from far: scaled down to one random size and up."""
    count, _, side, _ = pixels.shape
    subset = torch.nonzero(
        chosen(count, config.low_resolution_share, generator).flatten()
    ).flatten()
    factor = float(uniform(1, *config.low_resolution, generator))
    if len(subset) == 0:
        return pixels
    small = max(2, round(side * factor))
    far = functional.interpolate(pixels[subset], size=(small, small), mode="area")
    near = functional.interpolate(far, size=(side, side), mode="bilinear", align_corners=False)
    return pixels.index_copy(0, subset, near)


def batch_noise(pixels: Tensor, config: AugmentationConfig, generator: torch.Generator) -> Tensor:
    """Add Gaussian noise of its own strength to each picture, none to some of them."""
    count = len(pixels)
    # Squared, so that little noise is common and much of it is rare.
    some = chosen(count, config.noise_share, generator)
    strength = some * uniform(count, 0, 1, generator) ** 2 * config.noise
    noise = torch.randn(pixels.shape, generator=generator, device=generator.device)
    return pixels + strength * noise


def batch_erase(pixels: Tensor, config: AugmentationConfig, generator: torch.Generator) -> Tensor:
    """Cover a rectangle of a share of the batch with one colour, as a leaf or a pole would.

    Zhong et al., "Random Erasing Data Augmentation", 2020; at most a sixth of the picture here, so
    that what makes the sign stays in sight.
    """
    count, _, side, _ = pixels.shape
    place = torch.arange(side, device=pixels.device) / side
    half_width = uniform(count, *config.erase, generator)
    half_height = uniform(count, *config.erase, generator)
    near_x = (place - uniform(count, 0, 1, generator)).abs() < half_width
    near_y = (place[:, None] - uniform(count, 0, 1, generator)).abs() < half_height
    covered = (near_x & near_y).float() * chosen(count, config.erase_share, generator)
    colour = torch.rand((count, 3, 1, 1), generator=generator, device=generator.device)
    return pixels * (1 - covered) + colour * covered


def batch_flip(pixels: Tensor, config: AugmentationConfig, generator: torch.Generator) -> Tensor:
    """Mirror half of the batch, if that is asked for: a sign's handedness is its meaning."""
    if not config.flip:
        return pixels
    return torch.where(chosen(len(pixels), 0.5, generator) > 0, pixels.flip(3), pixels)


AUGMENTATIONS = (
    batch_flip,
    batch_affine,
    batch_erase,
    batch_light,
    batch_blur,
    batch_low_resolution,
    batch_noise,
)
"""What a training picture goes through, in this order."""


def augment(pixels: Tensor, config: AugmentationConfig, generator: torch.Generator) -> Tensor:
    """The training view of a batch: (B, 3, S, S) in [0, 1] to the same shape and range."""
    for augmentation in AUGMENTATIONS:
        pixels = augmentation(pixels, config, generator)
    return pixels.clamp(0, 1)


def augment_light(pixels: Tensor, config: AugmentationConfig, generator: torch.Generator) -> Tensor:
    """The easier view: other light alone."""
    return batch_light(pixels, config, generator).clamp(0, 1)


def view_of_epoch(epoch: int, epochs: int, config: AugmentationConfig) -> View:
    """The view of epoch number `epoch`, from 1, of `epochs`: the easier one for the first of them.

    The first steps are quicker so, as LOG.md shows.
    """
    easy = math.floor(epochs * config.easy_epochs + 1e-9)
    view = augment_light if epoch <= easy else augment

    def changed(pixels: Tensor, generator: torch.Generator) -> Tensor:
        return view(pixels, config, generator)

    return changed
