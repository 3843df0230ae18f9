"""Which rendered sign a user's class name means."""

import re
import unicodedata

from signwise.synthetic.designs import DESIGNS, GTSRB_DESIGNS

# Folded names: GTSRB's own descriptions, and what people call the signs they collect most.
ALIASES: dict[str, tuple[str, ...]] = {
    "priority": (
        "priority_road", "priority_sign", "priority_road_sign", "main_road", "right_of_way", "prio",
        "vorfahrt", "vorfahrtsstrasse", "vorfahrtstrasse", "hauptstrasse", "route_prioritaire",
        "priorite", "diritto_di_precedenza", "strada_con_diritto_di_precedenza", "prioridad",
        "droga_z_pierwszenstwem", "pierwszenstwo", "voorrangsweg", "prednost", "b9", "ab6", "306",
    ),
    "stop": (
        "stop_sign", "stopsign", "halt", "stoppschild", "stop_schild", "halt_vorfahrt_gewahren",
        "pare", "alto", "arret", "r1_1", "b5", "ab4", "stop_road_sign", "206",
    ),
    "yield": (
        "give_way", "giveway", "yield_sign", "give_way_sign", "vorfahrt_gewahren",
        "cedez_le_passage", "dare_precedenza", "ceda_el_paso", "r1_2", "b1", "ab3a", "205",
    ),
    "priority_at_next_intersection": (
        "right_of_way_at_the_next_intersection", "right_of_way_at_next_intersection",
        "vorfahrt_einmalig",
    ),
    "no_entry": ("do_not_enter_sign", "einfahrt_verboten", "einfahrtverbot", "verbot_der_einfahrt"),
    "no_vehicles": ("closed_for_all_vehicles",),
    "no_trucks": (
        "no_truck", "vehicles_over_3_5_metric_tons_prohibited", "vehicles_over_3_5_tons_prohibited",
    ),
    "no_passing": ("no_overtaking", "uberholverbot"),
    "no_passing_trucks": (
        "no_overtaking_trucks", "no_passing_for_vehicles_over_3_5_metric_tons",
        "no_passing_for_vehicles_over_3_5_tons",
    ),
    "end_of_restrictions": ("end_of_all_speed_and_passing_limits", "end_of_all_restrictions"),
    "end_of_no_passing_trucks": ("end_of_no_passing_by_vehicles_over_3_5_metric_tons",),
    "end_of_priority": ("end_of_priority_road", "priority_road_end", "end_priority"),
    "general_caution": ("danger", "caution", "other_danger"),
    "curve_left": ("dangerous_curve_to_the_left", "dangerous_curve_left"),
    "curve_right": ("dangerous_curve_to_the_right", "dangerous_curve_right"),
    "road_narrows_right": ("road_narrows_on_the_right",),
    "roadworks": ("road_work", "road_works", "roadwork", "construction"),
    "traffic_signals_ahead": ("traffic_signals",),
    "pedestrians": ("pedestrian",),
    "children": ("children_crossing", "school_crossing"),
    "bicycles": ("bicycles_crossing", "bicycle_crossing"),
    "snow": ("beware_of_ice_snow", "beware_of_ice", "ice_snow", "ice"),
    "wild_animals": ("wild_animals_crossing", "deer_crossing"),
    "turn_right": ("turn_right_ahead", "right_turn"),
    "turn_left": ("turn_left_ahead", "left_turn"),
    "ahead_or_right": ("go_straight_or_right",),
    "ahead_or_left": ("go_straight_or_left",),
    "roundabout": ("roundabout_mandatory",),
}  # fmt: skip

_BY_NAME = {alias: design for design, names in ALIASES.items() for alias in names} | {
    design: design for design in DESIGNS
}


def fold(name: str) -> str:
    """The name in lower case without accents, its words joined by single underscores."""
    plain = unicodedata.normalize("NFKD", name.casefold().replace("ß", "ss"))
    ascii_only = plain.encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", ascii_only).strip("_")


def design_of(class_name: str) -> str | None:
    """The design that a user's class name means; None where it means none of them.

    Understood are designs' names, common other names in a few languages, speed limits as
    `30_km_h`, and GTSRB class numbers with or without words (`12`, `00012`, `12_priority_road`).
    """
    name = fold(class_name)
    if name in _BY_NAME:
        return _BY_NAME[name]
    number = re.fullmatch(r"(?:class_?)?0*(\d{1,2})(?:_(.*))?", name)
    speed = re.fullmatch(
        r"(?:speed_?limit|limit|tempo|speed|maximum_speed)_?(\d+)(?:_?km_?h|_?kph)?|(\d+)_?(?:km_?h|kph)",
        name,
    )
    if speed:
        design = f"speed_limit_{speed[1] or speed[2]}"
        return design if design in DESIGNS else None
    if number and int(number[1]) < len(GTSRB_DESIGNS):
        words, design = number[2], GTSRB_DESIGNS[int(number[1])]
        # Words that name another sign show that the number is none of GTSRB's.
        meant = design_of(words) if words else design
        return design if meant is None else meant
    return None
