"""Every sign that can be rendered, by name."""

from signwise.data.synthetic.shapes import Drawing, Rng
from signwise.data.synthetic.things import THINGS
from signwise.data.synthetic.vienna import GTSRB, Design
from signwise.data.synthetic.world import WORLD

ALL: dict[str, Design] = {**GTSRB, **WORLD, **THINGS}

GTSRB_DESIGNS: tuple[str, ...] = tuple(GTSRB)
"""The design of each GTSRB class number, 0 to 42."""
WORLD_DESIGNS: tuple[str, ...] = tuple(WORLD)
THING_DESIGNS: tuple[str, ...] = tuple(THINGS)
DESIGNS: tuple[str, ...] = tuple(ALL)
"""All of them: GTSRB's, other signs of the world, things that are no road sign."""


def draw_face(design: str, rng: Rng) -> Drawing:
    """The face of one physical sign of this design, in units of half a sign."""
    return ALL[design](rng)
