"""Renders sign photos: the data set that comes with signwise, and negatives to train against."""

from signwise.synthetic.designs import DESIGNS, GTSRB_DESIGNS
from signwise.synthetic.kept import kept_negatives, kept_signs
from signwise.synthetic.names import design_of
from signwise.synthetic.render import render_negatives, render_signs
from signwise.synthetic.write import SynthResult, synth

__all__ = [
    "DESIGNS",
    "GTSRB_DESIGNS",
    "SynthResult",
    "design_of",
    "kept_negatives",
    "kept_signs",
    "render_negatives",
    "render_signs",
    "synth",
]
