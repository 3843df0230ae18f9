"""A stroke font: words on signs, plates and adverts, in any weight and width."""

import numpy as np

from signwise.synthetic.shapes import Colour, Drawing, Points, Shape

# Strokes of each glyph as pairs of digits: x from 0 to 4, y from 0 (top) to 6.
GLYPHS = {
    "A": "062046 1434",
    "B": "06003041423303 3344453606",
    "C": "4130100105163645",
    "D": "06003041453606",
    "E": "40000646 0333",
    "F": "400006 0333",
    "G": "41301001051636454323",
    "H": "0006 4046 0343",
    "I": "2026",
    "J": "4045361605",
    "K": "0006 400346",
    "L": "000646",
    "M": "0600234046",
    "N": "06004640",
    "O": "103041453616050110",
    "P": "06003041423303",
    "Q": "103041453616050110 3446",
    "R": "06003041423303 2346",
    "S": "413010010213334445361605",
    "T": "0040 2026",
    "U": "000516364540",
    "V": "002640",
    "W": "0016223640",
    "X": "0046 4006",
    "Y": "002340 2326",
    "Z": "00400646",
    "0": "103041453616050110",
    "1": "112026",
    "2": "01103041420646",
    "3": "01103041423313 334445361605",
    "4": "36300444",
    "5": "400002324345361605",
    "6": "413010010516364544331304",
    "7": "004016",
    "8": "13020110304142331304051636454433",
    "9": "051636454130100102133342",
    "-": "1333",
    ".": "2526",
    " ": "",
}
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS = "0123456789"

# Characters of stop signs that the grid above is too coarse for; x and y from 0 to 10.
CHARACTERS: dict[str, tuple[tuple[tuple[float, float], ...], ...]] = {
    "停": (
        ((2.6, 0), (1.6, 2.6), (0, 4.6)),
        ((1.7, 2.8), (1.7, 10)),
        ((6.4, 0), (6.4, 1.2)),
        ((3.2, 1.4), (9.8, 1.4)),
        ((4.5, 2.6), (8.6, 2.6), (8.6, 4.2), (4.5, 4.2), (4.5, 2.6)),
        ((3.1, 6.4), (3.1, 5.2), (10, 5.2), (10, 6.4)),
        ((4.2, 7), (9, 7)),
        ((6.6, 7), (6.6, 9.8), (5.4, 9.8)),
    ),
    "止": (
        ((5.4, 0.5), (5.4, 9.4)),
        ((5.4, 4.2), (9, 4.2)),
        ((2, 3.6), (2, 9.4)),
        ((0.2, 9.6), (9.8, 9.6)),
    ),
    "정": (
        ((0.4, 0.8), (5.2, 0.8)),
        ((2.8, 0.8), (0.4, 4.8)),
        ((2.8, 1.6), (5.4, 4.8)),
        ((8.6, 0), (8.6, 5.6)),
        ((6.2, 2.6), (8.6, 2.6)),
        ((3.4, 6.2), (7, 6.2), (8.2, 8), (7, 9.8), (3.4, 9.8), (2.2, 8), (3.4, 6.2)),
    ),
    "지": (
        ((0.4, 1.4), (6, 1.4)),
        ((3.2, 1.4), (0.4, 8)),
        ((3.2, 3.4), (6, 8)),
        ((8.8, 0), (8.8, 10)),
    ),
    "ق": (
        ((9, 3.4), (7.4, 3.4), (7, 5), (8.2, 5.6), (9, 4.6), (9, 3.4)),
        ((9, 4.6), (9, 6.8), (7.4, 9), (3, 9), (1.4, 7), (1.6, 5.4)),
        ((7.2, 1.4), (8.8, 1.4)),
    ),
    "ف": (
        ((9, 3.4), (7.4, 3.4), (7, 5), (8.2, 5.6), (9, 4.6), (9, 3.4)),
        ((9, 4.6), (8.6, 7), (2, 7), (1, 5.4)),
        ((8, 1.2), (8, 2)),
    ),
}


def _strokes(glyph: str) -> list[Points]:
    """The glyph's strokes, x and y from 0 to 1."""
    if glyph in CHARACTERS:
        return [np.array(stroke) / 10 for stroke in CHARACTERS[glyph]]
    digits = [[int(digit) for digit in stroke] for stroke in GLYPHS[glyph].split()]
    return [np.array(stroke).reshape(-1, 2) / (4, 6) for stroke in digits]


STROKES = {glyph: _strokes(glyph) for glyph in (*GLYPHS, *CHARACTERS)}
NARROW = {"I": 0.1, "1": 0.45, ".": 0.1, "-": 0.6}


def write(
    word: str,
    colour: Colour,
    *,
    width: float,
    height: float,
    weight: float = 0.18,
    gap: float = 0.35,
    slant: float = 0.0,
    x: float = 0,
    y: float = 0,
) -> Drawing:
    """The word centred on (x, y), filling a box of this width and height.

    Weight is the stroke's width as a share of the height, gap the space between letters as a share
    of a letter's width, slant the shift of the top to the right as a share of the height.
    """
    # Letters keep their holes: a stroke is at most a third of the room that a letter has.
    thick = min(weight * height, 0.3 * width / len(word))
    widths = [NARROW.get(glyph, 1.0) for glyph in word]
    # A gap is at least the stroke, which sticks out of its letter by half its width on each side.
    inner = width - thick * len(word)
    letter = max(inner, 0.2 * width) / (sum(widths) + gap * (len(word) - 1))
    tall = height - thick
    left = x - width / 2 + thick / 2
    drawing = []
    for glyph, share in zip(word, widths, strict=True):
        for points in STROKES[glyph]:
            across = (points[:, 0] - 0.5) * letter * (share if share > 0.4 else 1)
            centre = left + share * letter / 2
            up = (0.5 - points[:, 1]) * tall
            placed = np.stack([centre + across + slant * up, y - up], axis=1)
            drawing.append(Shape(placed, colour, thick))
        left += share * letter + gap * letter + thick
    return drawing
