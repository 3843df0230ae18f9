"""Augmentation of whole batches on tensors, safe for signs: pure functions of pixels and generator.

Shapes: B pictures, S the side in pixels; pixels are float32 (B, 3, S, S) in [0, 1]. No flips, no
large rotations, no shifts of hue: a sign's handedness and colour are its meaning.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

MAX_ROTATION_DEGREES = 12.0
MAX_SHIFT = 0.12
MAX_SHEAR = 0.15
SCALE_RANGE = (0.75, 1.25)
BRIGHTNESS = (-1.3, 0.5)
CONTRAST = 0.4
CAST = 0.12
NOISE = 0.14
HAZE = 0.65
KINDS = (
    "shift, scale, rotation, shear",
    "brightness, contrast, haze, colour cast, shadow",
    "blur",
    "low resolution",
    "noise",
    "erasing",
)


def uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """`count` uniform numbers in [low, high), shape (count, 1, 1, 1) to broadcast over a batch."""
    draws = torch.rand(count, 1, 1, 1, generator=generator, device=generator.device)
    return low + (high - low) * draws


def chosen(count: int, share: float, generator: torch.Generator) -> Tensor:
    """1.0 for a random share of the batch, else 0.0, shape (count, 1, 1, 1)."""
    return (uniform(count, 0, 1, generator) < share).float()


def batch_affine(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Rotate, scale, shear and shift each picture by its own small amount, edges repeated."""
    count = len(pixels)
    degrees = uniform(count, -MAX_ROTATION_DEGREES, MAX_ROTATION_DEGREES, generator).flatten()
    angle = degrees * (math.pi / 180)
    low, high = (math.log(scale) for scale in SCALE_RANGE)
    zoom = torch.exp(-uniform(count, low, high, generator).flatten())
    stretch = torch.exp(uniform(count, -0.12, 0.12, generator).flatten())
    shear = uniform(count, -MAX_SHEAR, MAX_SHEAR, generator).flatten()
    shift_x = uniform(count, -2 * MAX_SHIFT, 2 * MAX_SHIFT, generator).flatten()
    shift_y = uniform(count, -2 * MAX_SHIFT, 2 * MAX_SHIFT, generator).flatten()
    cosine, sine = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    rows = (
        torch.stack((cosine * stretch, -sine + shear * zoom, shift_x), 1),
        torch.stack((sine, cosine / stretch, shift_y), 1),
    )
    grid = functional.affine_grid(torch.stack(rows, 1), list(pixels.shape), align_corners=False)
    return functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)


def batch_light(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Change each picture's exposure, contrast and colour cast; some get a shadow or haze."""
    count, _, side, _ = pixels.shape
    brightness = torch.exp(uniform(count, *BRIGHTNESS, generator))
    contrast = torch.exp(uniform(count, -CONTRAST, CONTRAST, generator))
    shape = (count, 3, 1, 1)
    draws = torch.rand(shape, generator=generator, device=generator.device)
    cast = 1 + CAST * (2 * draws - 1)
    middle = pixels.mean((1, 2, 3), keepdim=True)
    lit = ((pixels - middle) * contrast + middle) * brightness * cast
    ramp = torch.linspace(-1, 1, side, device=pixels.device)
    angle = uniform(count, 0, 2 * math.pi, generator)
    across = torch.cos(angle) * ramp + torch.sin(angle) * ramp[:, None]
    edge = torch.sigmoid((across - uniform(count, -0.8, 0.8, generator)) * 12)
    depth = chosen(count, 0.25, generator) * uniform(count, 0.2, 0.65, generator)
    shaded = lit * (1 - depth * edge)
    haze = chosen(count, 0.25, generator) * uniform(count, 0.1, HAZE, generator)
    return shaded + haze * (uniform(count, 0.2, 1.0, generator) - shaded)


def batch_blur(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Blur a third of the batch, out of focus or along a line, each by its own kernel."""
    count, channels, side, _ = pixels.shape
    subset = torch.nonzero(chosen(count, 0.35, generator).flatten()).flatten()
    if len(subset) == 0:
        return pixels
    scale = side / 32
    radius = max(2, round(3 * scale))
    offsets = torch.arange(-radius, radius + 1, device=pixels.device, dtype=torch.float32)
    along_y, along_x = torch.meshgrid(offsets, offsets, indexing="ij")
    many = len(subset)
    angle = uniform(many, 0, math.pi, generator)[:, 0]
    length = uniform(many, 0.4, 1.8, generator)[:, 0] * scale
    ratio = uniform(many, 0.2, 1.0, generator)[:, 0]
    major = torch.cos(angle) * along_x + torch.sin(angle) * along_y
    minor = -torch.sin(angle) * along_x + torch.cos(angle) * along_y
    kernels = torch.exp(-0.5 * ((major / length) ** 2 + (minor / (length * ratio)) ** 2))
    kernels = kernels / kernels.sum((1, 2), keepdim=True)
    kernels = kernels.repeat_interleave(channels, 0)[:, None]
    flat = pixels[subset].reshape(1, many * channels, side, side)
    padded = functional.pad(flat, (radius,) * 4, mode="replicate")
    blurred = functional.conv2d(padded, kernels, groups=many * channels)
    return pixels.index_copy(0, subset, blurred.reshape(many, channels, side, side))


def batch_low_resolution(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Show a fifth of the batch as if taken from far: scaled down to one random size and up."""
    count, _, side, _ = pixels.shape
    subset = torch.nonzero(chosen(count, 0.2, generator).flatten()).flatten()
    factor = float(uniform(1, 0.35, 0.8, generator))
    if len(subset) == 0:
        return pixels
    small = max(2, round(side * factor))
    far = functional.interpolate(pixels[subset], size=(small, small), mode="area")
    near = functional.interpolate(far, size=(side, side), mode="bilinear", align_corners=False)
    return pixels.index_copy(0, subset, near)


def batch_noise(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Add Gaussian noise of its own strength to each picture, none to half of them."""
    count = len(pixels)
    # Squared, so that little noise is common and much of it is rare.
    strength = chosen(count, 0.5, generator) * uniform(count, 0, 1, generator) ** 2 * NOISE
    noise = torch.randn(pixels.shape, generator=generator, device=generator.device)
    return pixels + strength * noise


def batch_erase(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Cover a rectangle of a quarter of the batch with one colour, as a leaf or a pole would.

    Zhong et al., "Random Erasing Data Augmentation", 2020; at most a sixth of the picture here, so
    that what makes the sign stays in sight.
    """
    count, _, side, _ = pixels.shape
    place = torch.arange(side, device=pixels.device) / side
    half_width = uniform(count, 0.03, 0.2, generator)
    half_height = uniform(count, 0.03, 0.2, generator)
    near_x = (place - uniform(count, 0, 1, generator)).abs() < half_width
    near_y = (place[:, None] - uniform(count, 0, 1, generator)).abs() < half_height
    covered = (near_x & near_y).float() * chosen(count, 0.25, generator)
    colour = torch.rand((count, 3, 1, 1), generator=generator, device=generator.device)
    return pixels * (1 - covered) + colour * covered


def augment(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """The training view of a batch: (B, 3, S, S) in [0, 1] to the same shape and range."""
    pixels = batch_affine(pixels, generator)
    pixels = batch_erase(pixels, generator)
    pixels = batch_light(pixels, generator)
    pixels = batch_blur(pixels, generator)
    pixels = batch_low_resolution(pixels, generator)
    pixels = batch_noise(pixels, generator)
    return pixels.clamp(0, 1)


def augment_light(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """The easier view: other light alone."""
    return batch_light(pixels, generator).clamp(0, 1)
