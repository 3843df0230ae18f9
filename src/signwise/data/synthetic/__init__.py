"""Renders sign photos: the data set that comes with signwise, and negatives to train against."""

from signwise.data.synthetic.designs import DESIGNS, GTSRB_DESIGNS
from signwise.data.synthetic.names import design_of
from signwise.data.synthetic.render import render_negatives, render_signs
from signwise.data.synthetic.write import SynthResult, synth

__all__ = [
    "DESIGNS",
    "GTSRB_DESIGNS",
    "SynthResult",
    "design_of",
    "render_negatives",
    "render_signs",
    "synth",
]
