"""Every sign that can be rendered, by name."""

from functools import lru_cache

from signwise.synthetic.shapes import Drawing, Rng
from signwise.synthetic.things import THINGS
from signwise.synthetic.vienna import GTSRB, Design
from signwise.synthetic.world import WORLD

ALL: dict[str, Design] = {**GTSRB, **WORLD, **THINGS}

GTSRB_DESIGNS: tuple[str, ...] = tuple(GTSRB)
"""The design of each GTSRB class number, 0 to 42."""
WORLD_DESIGNS: tuple[str, ...] = tuple(WORLD)
THING_DESIGNS: tuple[str, ...] = tuple(THINGS)
DESIGNS: tuple[str, ...] = tuple(ALL)
"""All of them: GTSRB's, other signs of the world, things that are no road sign."""

# Families of like looks: what is most easily taken for one of them is another.
LOOKS: tuple[frozenset[str], ...] = (
    frozenset({"stop", "no_entry", "do_not_enter", "wrong_way", "us_yield"})
    | {name for name in DESIGNS if name.startswith("red_") or name.endswith("_octagon")},
    frozenset({"priority", "end_of_priority", "hazard_placard", "red_diamond", "red_diamond_word"})
    | {name for name in DESIGNS if name.endswith("_diamond") or "diamond_" in name},
    frozenset({"yield", "us_yield", "red_triangle", "general_caution", "crossroads"}),
    frozenset(GTSRB_DESIGNS[:6] + GTSRB_DESIGNS[7:11] + GTSRB_DESIGNS[15:17])
    | {name for name in DESIGNS if name.startswith(("no_", "speed_limit"))},
    frozenset(name for name in DESIGNS if name.startswith("end_of")),
    frozenset((*GTSRB_DESIGNS[18:32], GTSRB_DESIGNS[11]))
    | {"crossroads", "t_junction", "steep_hill", "falling_rocks", "two_way_traffic", "cattle"},
    frozenset(GTSRB_DESIGNS[33:41]) | {"minimum_speed", "cycle_path", "footpath"},
)

# Signs that stand on the roads of most countries: met daily, they are mistaken daily.
COMMON = frozenset(
    {"stop", "no_entry", "do_not_enter", "yield", "priority", "end_of_priority", "warning_diamond"}
    | {"general_caution", "no_vehicles", "speed_limit_30", "speed_limit_50"}
)

# Another country's form of the same sign: who excludes one means the other as well.
TWINS: tuple[frozenset[str], ...] = (
    frozenset({"no_entry", "do_not_enter"}),
    frozenset({"yield", "us_yield"}),
    frozenset({"pedestrians", "crossing_ahead"}),
    frozenset({"double_curve", "double_curve_right"}),
    *(
        frozenset({name, "speed_limit_on_yellow"})
        for name in DESIGNS
        if name.startswith("speed_limit_")
    ),
)


@lru_cache(maxsize=256)
def with_twins(designs: frozenset[str]) -> frozenset[str]:
    """These designs, and those that mean the same elsewhere."""
    return designs.union(*(twins for twins in TWINS if twins & designs))


@lru_cache(maxsize=256)
def lookalikes(designs: frozenset[str]) -> tuple[str, ...]:
    """Designs that look like some of these and are none of them."""
    alike = {name for look in LOOKS if look & designs for name in look}
    return tuple(sorted(alike - designs))


@lru_cache(maxsize=256)
def common_lookalikes(designs: frozenset[str]) -> tuple[str, ...]:
    """Those of them that stand on the roads of most countries."""
    return tuple(name for name in lookalikes(designs) if name in COMMON)


def draw_face(design: str, rng: Rng) -> Drawing:
    """The face of one physical sign of this design, in units of half a sign."""
    return ALL[design](rng)
