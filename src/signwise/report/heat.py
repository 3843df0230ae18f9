"""Draws heat maps with Pillow alone."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

FOR, AGAINST = (202, 0, 32), (5, 113, 176)
"""Red where a part speaks for the answer, blue where it speaks against it; RGB."""
PANEL = 256
"""Side of each picture of a sheet, in pixels."""
MARGIN = 12
"""Around it, in pixels."""
FAINT = 0.25
"""Log-odds below which a map is noise: its colours stay faint instead of being stretched to full.
"""


def overlay(pixels: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The map over the picture in grey, uint8 (H, W, 3): red speaks for the answer, blue against.

    `pixels` uint8 (H, W, 3), `heat` (S, S) is stretched over it.
    """
    height, width = pixels.shape[:2]
    strength = _stretched(heat, width, height)
    # Grey, so that red on a red sign can be told; of full contrast, so that a dark sign is seen.
    contrast = ImageOps.autocontrast(Image.fromarray(pixels).convert("L"), cutoff=1)
    grey = np.asarray(contrast, dtype=np.float32)[..., None]
    return _coloured(strength, 0.8 * grey + 45, 0.8)


def sheet(
    picture: NDArray[np.uint8], heat: NDArray[np.float32], title: str, verdict: str
) -> Image.Image:
    """The picture, the map, and the map over the picture, side by side, with a caption."""
    height, width = picture.shape[:2]
    scale = PANEL / max(height, width)
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    shown = Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC)
    pixels = np.asarray(shown)
    paper = np.full((height, width, 1), 245, dtype=np.float32)
    panels = [pixels, _coloured(_stretched(heat, width, height), paper, 1.0), overlay(pixels, heat)]
    canvas = Image.new("RGB", (3 * PANEL + 4 * MARGIN, PANEL + 2 * MARGIN + 62), "white")
    for index, panel in enumerate(panels):
        left = MARGIN + index * (PANEL + MARGIN) + (PANEL - width) // 2
        canvas.paste(Image.fromarray(panel), (left, MARGIN + (PANEL - height) // 2))
    draw = ImageDraw.Draw(canvas)
    top = PANEL + 2 * MARGIN
    small, large = ImageFont.load_default(13), ImageFont.load_default(18)
    draw.text((MARGIN, top), _fitting(verdict, 74), fill=(20, 20, 20), font=large)
    draw.text((MARGIN, top + 28), _fitting(title, 58), fill=(90, 90, 90), font=small)
    right = canvas.width - MARGIN
    for colour, text in ((AGAINST, "speaks against it"), (FOR, "speaks for this answer")):
        right -= round(draw.textlength(text, font=small))
        draw.text((right, top + 28), text, fill=(60, 60, 60), font=small)
        right -= 18
        draw.rectangle((right, top + 31, right + 12, top + 42), fill=colour)
        right -= 18
    return canvas


def _stretched(heat: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """The map in [-1, 1], (height, width, 1), smooth between its pixels."""
    scale = max(float(np.abs(heat).max()), FAINT)
    image = Image.fromarray((heat / scale).astype(np.float32))
    smooth = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))
    return smooth.clip(-1, 1)[..., None]


def _coloured(
    strength: NDArray[np.float32], ground: NDArray[np.float32], opacity: float
) -> NDArray[np.uint8]:
    colour = np.where(strength > 0, np.array(FOR, np.float32), np.array(AGAINST, np.float32))
    alpha = opacity * np.abs(strength)
    return (ground * (1 - alpha) + colour * alpha).round().clip(0, 255).astype(np.uint8)


def _fitting(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length // 2]}...{text[-length // 2 + 3 :]}"
