"""From a drawing to a photo: lens, light, sensor and file."""

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from signwise.synthetic.shapes import Points, Rng, between, pick
from signwise.synthetic.textures import Field, noise, ramp

Pixels = NDArray[np.uint8]
RESAMPLING = (
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
    Image.Resampling.BOX,
    Image.Resampling.HAMMING,
)
ALL_WHITE = 0.95
"""Of the sensor's range: where all is brighter, nothing can be made out."""


def work_side(size: int) -> int:
    """Side of the canvas on which a picture of this size is composed, in pixels."""
    return max(64, round(size * (2.25 if size <= 40 else 2 if size <= 96 else 1.5)))


def view(rng: Rng, side: int, share: float, calm: bool) -> Points:
    """A projection (3, 3) from units of half a sign to pixels, the sign filling about this share.

    Calm views are those of a detector's crop: near the centre, turned by little.
    """
    strength = 0.5 if calm else 1.0
    yaw = min(0.95, max(-0.95, strength * rng.normal(0, 0.35)))
    pitch = min(0.6, max(-0.6, strength * rng.normal(0, 0.22)))
    roll = min(0.3, max(-0.3, rng.normal(0, 0.07 if calm else 0.1)))
    sin_y, sin_p, sin_r = math.sin(yaw), math.sin(pitch), math.sin(roll)
    cos_y, cos_p, cos_r = math.cos(yaw), math.cos(pitch), math.cos(roll)
    # A crop follows the sign's box, so what foreshortening takes away the crop takes mostly back.
    squeeze = math.exp(rng.normal(0, 0.05 if calm else 0.1))
    wide = share * side / 2 * squeeze / (1 - (1 - cos_y) * between(rng, 0.3, 1))
    tall = share * side / 2 / squeeze
    spread = side * (0.03 if calm else 0.07)
    x, y = side / 2 + spread * rng.normal(), side / 2 + spread * rng.normal()
    distance = between(rng, 4, 20)
    u, v = -cos_p * sin_y / distance, sin_p / distance
    lean = sin_p * sin_y
    # Turned about the upright axis, then the level one, then in the picture.
    return np.array(
        [
            [
                wide * (cos_r * cos_y - sin_r * lean) + x * u,
                x * v - wide * sin_r * cos_p,
                x,
            ],
            [
                tall * (sin_r * cos_y + cos_r * lean) + y * u,
                y * v + tall * cos_r * cos_p,
                y,
            ],
            [u, v, 1.0],
        ]
    )


def weather(rng: Rng, face: Field) -> Field:
    """The sign's own surface (side, side, 3) after years: faded, dirty, scratched, glaring."""
    side = face.shape[0]
    if rng.random() < 0.6:
        grey = face.mean(axis=-1, keepdims=True)
        pale = grey * 0.6 + between(rng, 50, 90)
        share: float | Field = rng.random() ** 2 * 0.55
        if rng.random() < 0.4:  # in patches, as reflecting sheet ages and skies are mirrored
            share = share * np.clip(noise(rng, side, between(rng, 0.6, 1)) + 1, 0, 2)[..., None]
        face = np.asarray(face + (pale - face) * share, np.float32)
    if rng.random() < 0.5:
        dirt = np.clip(noise(rng, side, 1 - 0.7 * rng.random() ** 2) - between(rng, -0.5, 1), 0, 2)
        face = face * (1 - np.float32(between(rng, 0.05, 0.4)) * np.minimum(dirt, 1)[..., None])
    if rng.random() < 0.3:
        face = face * (1 + np.float32(between(rng, 0.01, 0.08)) * noise(rng, side)[..., None])
    if rng.random() < 0.15:
        glare = np.clip(noise(rng, side, 0.95) - between(rng, 0.3, 1.3), 0, 1)[..., None]
        face = face + (np.float32(250) - face) * glare * np.float32(rng.random())
    return face


def lighting(rng: Rng, side: int) -> Field:
    """How much light falls where (side, side, 1): even, a slope, the edge of a shadow, dapples."""
    light = np.ones((side, side), np.float32)
    if rng.random() < 0.4:
        light *= 1 + np.float32(between(rng, 0.1, 0.6)) * (ramp(rng, side) - np.float32(0.5))
    style = rng.random()
    if style < 0.14:
        dark, soft = between(rng, 0.3, 0.8), between(rng, 4, 60)
        edge = (ramp(rng, side) - between(rng, 0.25, 0.75)) * np.float32(soft)
        light *= dark + (1 - dark) * np.clip(edge + 0.5, 0, 1)
    elif style < 0.24:
        dark = between(rng, 0.35, 0.8)
        spots = noise(rng, side, between(rng, 0.4, 0.9)) * 3 + between(rng, -1.5, 1.5)
        light *= dark + (1 - dark) * np.clip(spots + 0.5, 0, 1)
    return light[..., None]


def exposures(rng: Rng) -> tuple[float, float, float]:
    """Light on the sign and on its background, at most 1, and the gain that brings the sign up.

    Daylight, against the light, flash and night. However dark or bright the picture, the sign keeps
    to a range in which a person can still make it out.
    """
    style = rng.random()
    if style < 0.1:
        ratio = between(rng, 1.5, 6)
    elif style < 0.2:
        ratio = between(rng, 0.03, 0.4)
    else:
        ratio = math.exp(rng.normal(-0.15, 0.5))
    light = rng.random()
    if light < 0.27:
        target = between(rng, 0.09, 0.5)
    elif light < 0.36:
        target = between(rng, 1.3, 2.8)
    else:
        target = min(1.6, math.exp(rng.normal(-0.05, 0.28)))
    sign = min(1.0, max(0.2, 1 / ratio))
    return sign, min(1.0, ratio * sign), target / sign


def shake(rng: Rng, pixels: Pixels, length: float) -> Pixels:
    """The picture smeared along a line of this length in pixels."""
    angle = np.pi * rng.random()
    side = np.arange(pixels.shape[0])
    steps = int(min(9, max(2, round(length))))
    total = np.zeros(pixels.shape, np.float32)
    for step in np.linspace(-length / 2, length / 2, steps):
        rows = np.clip(side + round(step * np.sin(angle)), 0, len(side) - 1)
        columns = np.clip(side + round(step * np.cos(angle)), 0, len(side) - 1)
        total += pixels[rows][:, columns]
    return np.asarray(total / steps, dtype=np.uint8)


def optics(rng: Rng, image: Image.Image, poor: bool) -> Image.Image:
    """Blur of focus and of motion, each in a share of the pictures."""
    side = image.width
    if rng.random() < (0.7 if poor else 0.3):
        # In units of the crop, so that a blurred sign is as illegible at every size.
        radius = side * (0.028 if poor else 0.012) * rng.random() ** 2
        if radius > 0.25:
            image = image.filter(ImageFilter.GaussianBlur(radius))
    if poor and rng.random() < 0.35:
        length = side * 0.12 * rng.random() ** 1.5
        if length > 1:
            image = Image.fromarray(shake(rng, np.asarray(image), length))
    return image


def mosaic(pixels: Field) -> Field:
    """Colours as a Bayer sensor sees and interpolates them (H, W, 3), fringes included."""
    height, width = pixels.shape[:2]
    red = _interpolated(pixels[0::2, 0::2, 0], width, height)
    blue = _interpolated(pixels[1::2, 1::2, 2], width, height)
    # The sites of red and blue have no green of their own; the four neighbours stand in.
    green = pixels[..., 1].copy()
    rim = np.pad(green, 1, mode="edge")
    around = (rim[:-2, 1:-1] + rim[2:, 1:-1] + rim[1:-1, :-2] + rim[1:-1, 2:]) / 4
    green[0::2, 0::2] = around[0::2, 0::2]
    green[1::2, 1::2] = around[1::2, 1::2]
    return np.stack([red, green, blue], axis=-1)


def _interpolated(plane: Field, width: int, height: int) -> Field:
    image = Image.fromarray(np.ascontiguousarray(plane))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))


def develop(rng: Rng, pixels: Field, gain: float) -> Field:
    """Exposure, contrast, white balance, saturation and haze on values (H, W, 3) from 0 to 1."""
    balance = np.exp(rng.normal(0, pick(rng, (0.04, 0.04, 0.12)), 3)).astype(np.float32)
    pixels = pixels * (balance * np.float32(gain))
    if rng.random() < 0.4:
        pixels = np.maximum(pixels, 0) ** np.float32(np.exp(rng.normal(0, 0.25)))
    if rng.random() < 0.6:
        grey = pixels.mean(axis=-1, keepdims=True)
        pixels = grey + (pixels - grey) * np.float32(between(rng, 0.4, 1.4))
    if rng.random() < 0.4:
        middle = np.float32(pixels.mean())
        pixels = middle + (pixels - middle) * np.float32(between(rng, 0.5, 1.4))
    if rng.random() < 0.15:
        haze = np.float32(between(rng, 0.05, 0.6))
        pixels = pixels * (1 - haze) + haze * np.float32(between(rng, 0.2, 0.9))
    return pixels


def grain(rng: Rng, pixels: Field, poor: bool) -> Field:
    """Noise of light and of colour, the latter in blotches (H, W, 3)."""
    height, width = pixels.shape[:2]
    if rng.random() < 0.7:
        strength = np.float32((0.06 if poor else 0.02) * rng.random() ** 2)
        planes = 1 if rng.random() < 0.4 else 3
        speckle = rng.standard_normal((height, width, planes), np.float32)
        # Photons: noise grows with the root of the light, and falls with it in the dark.
        photons = np.float32(0.15) + np.sqrt(np.clip(pixels, 0, 1))
        pixels = np.asarray(pixels + speckle * strength * photons, np.float32)
    if poor and rng.random() < 0.3:
        coarse = rng.standard_normal((height // 3 + 1, width // 3 + 1, 3), np.float32)
        blotches = np.repeat(np.repeat(coarse, 3, axis=0), 3, axis=1)[:height, :width]
        pixels = pixels + np.float32(between(rng, 0.01, 0.05)) * blotches
    return pixels


def expose(
    rng: Rng, scene: Image.Image, gain: float, resolution: int, size: int, *, blank: bool = True
) -> Pixels:
    """The photo (size, size, 3) of a scene, taken with this many pixels across.

    The gain multiplies the light of the scene. Cameras and photographers are good or poor at
    everything at once: half of the photos are sharp, clean and little compressed. Unless it may be
    `blank`, what would be white all over is darkened until only its brightest is.
    """
    poor = rng.random() < 0.45
    scene = optics(rng, scene, poor)
    sampled = scene.resize((resolution, resolution), pick(rng, RESAMPLING))
    pixels = np.asarray(sampled, dtype=np.float32) * np.float32(1 / 255)
    if rng.random() < 0.2:
        pixels = mosaic(pixels)
    pixels = grain(rng, develop(rng, pixels, gain), poor)
    if not blank and pixels.min() > ALL_WHITE:
        pixels = pixels / pixels.max()
    image = Image.fromarray((np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8))
    if rng.random() < 0.2:
        percent = int(between(rng, 40, 220))
        image = image.filter(ImageFilter.UnsharpMask(between(rng, 0.6, 2), percent, 0))
    if rng.random() < 0.6:
        buffer = io.BytesIO()
        quality = int(between(rng, 22, 80) if poor else between(rng, 65, 97))
        image.save(buffer, "JPEG", quality=quality, subsampling=int(rng.integers(0, 3)))
        image = Image.open(buffer).convert("RGB")
    if resolution != size:
        image = image.resize((size, size), pick(rng, RESAMPLING))
    return np.asarray(image)
