"""Every setting once: its range, JSON in and out, nested or by dotted name; what a run resolves."""

import dataclasses
import inspect
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signwise.config import (
    PHOTO_AUGMENTATION,
    AugmentationConfig,
    CalibrationConfig,
    Config,
    Crop,
    EpochsConfig,
    FineTuningConfig,
    HeadConfig,
    Kind,
    LossConfig,
    NegativesConfig,
    OptimConfig,
    PicturesConfig,
    PrepareConfig,
    ResolvedConfig,
    ScheduleConfig,
    TrainConfig,
    Traits,
    dotted,
)
from signwise.errors import SignwiseError

PARTS: dict[str, type[Config]] = {
    "pictures": PicturesConfig,
    "head": HeadConfig,
    "fine_tuning": FineTuningConfig,
    "usual_epochs": EpochsConfig,
    "optim": OptimConfig,
    "schedule": ScheduleConfig,
    "loss": LossConfig,
    "augmentation": AugmentationConfig,
    "negatives": NegativesConfig,
    "calibration": CalibrationConfig,
}
NESTED: dict[str, Any] = {
    f"{part}.{field.name}": getattr(kind(), field.name)
    for part, kind in PARTS.items()
    for field in dataclasses.fields(kind)
}
"""Every nested setting by its dotted name, with its default."""
FLAT = [field.name for field in dataclasses.fields(TrainConfig) if field.name not in PARTS]


def wrong_values(default: Any) -> Iterator[object]:
    """What a setting of this default must refuse, whatever its range."""
    yield from ("x", {}, [])
    if default is None:
        yield from (0, 1.0, "true")
        return
    yield None
    if isinstance(default, bool):
        yield from (0, 1.0, "true")
    elif isinstance(default, int):
        yield from (True, 1.5, -1, math.nan, math.inf)
    elif isinstance(default, float):
        yield from (True, -100.0, math.nan, math.inf, -math.inf)
    elif isinstance(default, str):
        yield from (True, 1, [default], "")
    elif len(default) > 2:
        assert isinstance(default, tuple)
        yield from (0.1, [True], ["x"], [None], [-100], [math.nan], [0.1, math.inf])
    else:
        assert isinstance(default, tuple)
        low, high = default
        yield from ([low], [low, high, high], [True, high], [low, "x"], [low, None], low)
        yield from ([-100 - abs(high), high], [low, math.inf], [math.nan, high], [low, math.nan])


def another(name: str) -> Any:
    """Another value of a nested setting, as JSON has it, within its range."""
    default = NESTED[name]
    if name in ("pictures.kind", "pictures.crop"):
        return {"pictures.kind": "photos", "pictures.crop": "center"}[name]
    if default is None or isinstance(default, bool):
        return not default
    if isinstance(default, int):
        return default + 1
    if name == "calibration.temperature":
        return [0.5, 4.0]
    if isinstance(default, tuple):
        return [value + 1 if isinstance(value, int) else value / 2 for value in default]
    return default / 2 if name != "loss.max_class_weight" else 2.0


def traits(**changes: Any) -> Traits:
    """100 pictures of signs of 60 pixels, prepared in 48."""
    given: dict[str, Any] = {
        "kind": "signs",
        "pictures": 100,
        "data_size": 48,
        "usual_side": 60,
    }
    return Traits(**given | changes)


OTHER_DATA = traits(kind="photos", pictures=1, data_size=999, usual_side=500)


def resolved(**settings: Any) -> ResolvedConfig:
    return TrainConfig(**settings).resolve(traits())


@pytest.mark.parametrize("config", [PrepareConfig, TrainConfig, *PARTS.values()])
def test_every_field_says_what_it_is(config: type) -> None:
    source = inspect.getsource(config)
    for field in dataclasses.fields(config):
        if field.name in PARTS:
            continue  # the part's own docstring says it
        after = source.split(f"    {field.name}: ")[1].splitlines()[1]
        assert after.strip().startswith('"""'), field.name
    assert config.__doc__


def test_the_parts_of_a_training_are_these() -> None:
    found = {
        field.name: type(getattr(TrainConfig(), field.name))
        for field in dataclasses.fields(TrainConfig)
    }
    assert {name: kind for name, kind in found.items() if issubclass(kind, Config)} == PARTS


@given(
    train=st.builds(
        TrainConfig,
        epochs=st.none() | st.integers(1, 10_000),
        learning_rate=st.floats(1e-6, 10),
        momentum=st.floats(0, 0.999),
        image_size=st.none() | st.integers(1, 1024),
        weights=st.sampled_from(["auto", "none", "imagenet", "signs", "a/b.safetensors"]),
        keep_known=st.none() | st.floats(0.01, 1),
        time_limit=st.none() | st.floats(0.01, 1e6),
        pictures=st.builds(PicturesConfig, kind=st.sampled_from(["auto", "signs", "photos"])),
        head=st.builds(
            HeadConfig, penalties=st.lists(st.floats(0, 10), min_size=1, max_size=7).map(tuple)
        ),
        fine_tuning=st.builds(FineTuningConfig, always=st.none() | st.booleans()),
        freeze=st.booleans(),
        track=st.sampled_from(["none", "wandb", "tensorboard", "mlflow"]),
        optim=st.builds(OptimConfig, nesterov=st.booleans(), average_decay=st.floats(0, 0.99)),
        schedule=st.builds(ScheduleConfig, warm_up=st.floats(0, 0.99), end=st.floats(1e-9, 1)),
        augmentation=st.builds(
            AugmentationConfig,
            noise=st.floats(0, 1),
            brightness=st.tuples(st.floats(-10, 0), st.floats(0, 10)),
        ),
        negatives=st.builds(
            NegativesConfig,
            patches=st.tuples(st.integers(1, 16), st.integers(1, 16)),
            max_bytes=st.integers(0, 2**40),
        ),
        calibration=st.builds(CalibrationConfig, known_scale=st.floats(1e-3, 100)),
        loss=st.builds(LossConfig, max_class_weight=st.floats(1, 100)),
        usual_epochs=st.builds(EpochsConfig, least_steps=st.integers(1, 10_000)),
    ),
    prepare=st.builds(
        PrepareConfig,
        split=st.sampled_from([(0.7, 0.15, 0.15), (1.0, 0.0, 0.0), (0.5, 0.25, 0.25)]),
        group=st.none() | st.text(),
        exclude=st.sampled_from([None, Path("a/flagged.csv")]),
    ),
)
def test_json_round_trip(train: TrainConfig, prepare: PrepareConfig) -> None:
    for config in (train, prepare, train.resolve(traits())):
        content = json.loads(json.dumps(config.to_json(), allow_nan=False))
        assert type(config).from_json(content) == config
        assert type(config).from_json(dotted(content)) == config


def test_dotted_names_are_those_of_the_nested_parts() -> None:
    content = TrainConfig().to_json()
    assert dotted(content).keys() == {*FLAT, *NESTED}
    for name, default in NESTED.items():
        wanted = list(default) if isinstance(default, tuple) else default
        assert dotted(content)[name] == wanted
    assert dotted({"a": {"b": {"c": 1}, "d": [2]}, "e": None}) == {
        "a.b.c": 1,
        "a.d": [2],
        "e": None,
    }


@pytest.mark.parametrize("name", sorted(NESTED.keys() - {"optim.name"}))  # there is one alone
def test_dotted_names_and_nested_objects_mean_the_same(name: str) -> None:
    part, key = name.split(".")
    default = NESTED[name]
    value = another(name)
    by_dots = TrainConfig.from_json({name: value, "epochs": 3})
    nested = TrainConfig.from_json({part: {key: value}, "epochs": 3})
    assert by_dots == nested
    found = getattr(getattr(by_dots, part), key)
    assert found == (tuple(value) if isinstance(value, list) else value)
    assert found != default
    wanted = TrainConfig(epochs=3).to_json() | {
        part: {**TrainConfig().to_json()[part], key: value}  # type: ignore[dict-item]
    }
    assert by_dots.to_json() == wanted  # all else is as it was


def test_both_spellings_can_stand_side_by_side() -> None:
    content: dict[str, Any] = {
        "augmentation.noise": 0.1,
        "augmentation": {"haze_share": 0.5},
        "optim.nesterov": False,
    }
    for order in (content, dict(reversed(content.items()))):
        config = TrainConfig.from_json(order)
        assert config.augmentation == AugmentationConfig(noise=0.1, haze_share=0.5)
        assert config.optim == OptimConfig(nesterov=False)


@pytest.mark.parametrize("name", NESTED)
def test_every_nested_setting_is_checked(name: str) -> None:
    part, key = name.split(".")
    kind = PARTS[part]
    for wrong in wrong_values(NESTED[name]):
        if wrong == [] and name == "fine_tuning.mixtures":
            continue  # none at all
        with pytest.raises(SignwiseError, match=f"^`{name}` must be "):
            kind(**{key: wrong})
        contents: list[dict[str, Any]] = [{name: wrong}, {part: {key: wrong}}]
        for content in contents if wrong != {} else []:  # which would be a part
            with pytest.raises(SignwiseError, match=f"^`config`: `{name}` must be "):
                TrainConfig.from_json(content)


Ends = tuple[tuple[Any, ...], tuple[Any, ...]]
"""Values that are just taken, and values that are just refused."""

AT_LEAST_0: Ends = ((0, 1e3), (-0.001,))
AT_LEAST_1: Ends = ((1, 10**6), (0,))
SHARE: Ends = ((0, 1), (-0.001, 1.001))
BELOW_1: Ends = ((0, 0.999), (-0.001, 1.0))
ABOVE_0: Ends = ((0.001, 1), (0, 1.001))
POSITIVE: Ends = ((0.001, 1e6), (0,))
PAIR: Ends = (((0, 2), (1, 1)), ((-0.001, 1), (1, 0.9)))
PAIR_ABOVE_0: Ends = (((0.001, 100), (1, 1)), ((0, 1), (1, 0.9)))
PAIR_OF_SHARES: Ends = (((0, 1), (0.5, 0.5)), ((-0.001, 1), (0, 1.001), (1, 0.9)))
COUNTS: Ends = (((0, 0), (5, 9)), ((-1, 4), (5, 4)))
RANGES: dict[str, Ends] = {
    "pictures.signs_share": SHARE,
    "head.views": (((1, 1), (2, 9)), ((0, 2), (3, 2))),
    "head.pictures": AT_LEAST_1,
    "head.penalties": (((0,), (0.1, 2.0, 0.5)), ((), (-0.001,), (0.1, -0.001))),
    "head.patience": AT_LEAST_1,
    "head.sharpness": PAIR_ABOVE_0,
    "head.iterations": AT_LEAST_1,
    "head.batch_size": AT_LEAST_1,
    "fine_tuning.learning_rate": POSITIVE,
    "fine_tuning.body": AT_LEAST_0,
    "fine_tuning.mixtures": (((), (0.1, 1)), ((0,), (0.5, 1.001))),
    "fine_tuning.tolerance": AT_LEAST_0,
    "fine_tuning.gain": AT_LEAST_0,
    "fine_tuning.statistics": SHARE,
    "fine_tuning.patience": AT_LEAST_1,
    "fine_tuning.min_delta": BELOW_1,
    "fine_tuning.enough": AT_LEAST_0,
    "schedule.warm_up": BELOW_1,
    "schedule.start": ABOVE_0,
    "schedule.end": ABOVE_0,
    "optim.average_decay": BELOW_1,
    "loss.max_class_weight": ((1, 1e6), (0.999,)),
    "usual_epochs.from_scratch": AT_LEAST_1,
    "usual_epochs.pretrained": AT_LEAST_1,
    "usual_epochs.least_steps": AT_LEAST_1,
    "calibration.temperature": (((1, 1), (0.001, 1e6)), ((0, 8), (1.001, 8), (0.25, 0.999))),
    "calibration.known_scale": POSITIVE,
    "calibration.pooled_scores": AT_LEAST_0,
    "calibration.largest_threshold": SHARE,
    "calibration.keep_alone": ABOVE_0,
    "calibration.keep_untold": ABOVE_0,
    "augmentation.easy_epochs": SHARE,
    "augmentation.rotation": AT_LEAST_0,
    "augmentation.shift": AT_LEAST_0,
    "augmentation.shear": AT_LEAST_0,
    "augmentation.scale": PAIR_ABOVE_0,
    "augmentation.stretch": AT_LEAST_0,
    "augmentation.brightness": (((-10, 10), (-1, -1)), ((-10.001, 0), (0, 10.001), (1, 0.9))),
    "augmentation.contrast": AT_LEAST_0,
    "augmentation.colour_cast": AT_LEAST_0,
    "augmentation.shadow_share": SHARE,
    "augmentation.shadow_depth": PAIR_OF_SHARES,
    "augmentation.shadow_reach": AT_LEAST_0,
    "augmentation.shadow_sharpness": POSITIVE,
    "augmentation.haze_share": SHARE,
    "augmentation.haze": PAIR_OF_SHARES,
    "augmentation.haze_light": PAIR_OF_SHARES,
    "augmentation.blur_share": SHARE,
    "augmentation.blur_length": PAIR_ABOVE_0,
    "augmentation.blur_ratio": PAIR_ABOVE_0,
    "augmentation.blur_kernel": POSITIVE,
    "augmentation.low_resolution_share": SHARE,
    "augmentation.low_resolution": PAIR_OF_SHARES,
    "augmentation.noise_share": SHARE,
    "augmentation.noise": AT_LEAST_0,
    "augmentation.erase_share": SHARE,
    "augmentation.erase": PAIR,
    "negatives.rendered": AT_LEAST_0,
    "negatives.folder": AT_LEAST_0,
    "negatives.destroyed": AT_LEAST_0,
    "negatives.swapped": AT_LEAST_0,
    "negatives.rendered_each": AT_LEAST_0,
    "negatives.rendered_range": COUNTS,
    "negatives.rendered_each_draw": AT_LEAST_0,
    "negatives.own_share": AT_LEAST_0,
    "negatives.held_out_share": AT_LEAST_0,
    "negatives.held_out_range": COUNTS,
    "negatives.sure_share": SHARE,
    "negatives.seen_share": SHARE,
    "negatives.pictures_to_see": ((0, 10**9), (-1,)),
    "negatives.pictures_of_a_class": (((1, 1), (2, 99)), ((0, 4), (5, 4))),
    "negatives.max_bytes": ((0, 2**50), (-1,)),
    "negatives.patches": (((1, 1), (4, 8), (8, 4)), ((0, 4), (4, 0))),
    "negatives.crop_zoom": PAIR_OF_SHARES,
    "negatives.crop_reach": PAIR,
    "negatives.mixture": PAIR_OF_SHARES,
    "negatives.swap_radius": PAIR,
    "negatives.swap_sharpness": POSITIVE,
    "negatives.swap_gain": PAIR,
}


CHOICES = {
    "augmentation.flip",
    "fine_tuning.always",
    "optim.name",
    "optim.nesterov",
    "pictures.crop",
    "pictures.kind",
}
"""Settings without a range."""


@pytest.mark.parametrize("name", sorted(NESTED.keys() - CHOICES))
def test_the_ends_of_every_nested_range(name: str) -> None:
    part, key = name.split(".")
    inside, outside = RANGES[name]
    for value in inside:
        assert getattr(PARTS[part](**{key: value}), key) == value
    for value in outside:
        with pytest.raises(SignwiseError, match=f"^`{name}` must be "):
            PARTS[part](**{key: value})


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"augmentation.nois": 0.1}, "augmentation.nois"),
        ({"augmentation": {"nois": 0.1}}, "augmentation.nois"),
        ({"augmentations": {"noise": 0.1}}, "augmentations"),
        ({"augmentation.noise.low": 0.1}, "augmentation.noise"),
        ({"augmentation": {"noise": {"low": 0.1}}}, "augmentation.noise"),
        ({"augmentation": 3}, "augmentation"),
        ({"augmentation": None}, "augmentation"),
        ({"epochs.most": 3}, "epochs"),
        ({"augmentation.": 3}, "augmentation."),
        ({"_part": "x."}, "_part"),
        ({"augmentation._part": "x."}, "augmentation._part"),
        ({"epoch": 3}, "epoch"),
    ],
)
def test_what_is_no_setting_is_refused_by_name(content: dict[str, Any], told: str) -> None:
    with pytest.raises(SignwiseError, match=rf"^`config`: .*[`']{told}[`']"):
        TrainConfig.from_json(content)


def test_a_name_that_is_not_known_is_told_which_there_are() -> None:
    with pytest.raises(
        SignwiseError, match=r"no setting 'loss\.weight'; there are loss\.max_class"
    ):
        TrainConfig.from_json({"loss.weight": 1})
    with pytest.raises(SignwiseError, match=r"there are epochs, batch_size, .*, calibration$"):
        TrainConfig.from_json({"epoch": 1})


@pytest.mark.parametrize("kind", ["signs", "photos"])
@pytest.mark.parametrize("epochs", [None, 3])
def test_a_run_config_gives_its_settings(kind: Kind, epochs: int | None, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    asked = TrainConfig(epochs=epochs, augmentation=AugmentationConfig(noise=0.5))
    settings = asked.resolve(traits(kind=kind))
    path.write_text(json.dumps({"settings": settings.to_json(), "versions": {"torch": "2"}}))
    found = TrainConfig.from_file(path)
    assert found.resolve(OTHER_DATA) == settings


def test_an_old_config_of_flat_settings_alone_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    content = resolved(epochs=3, momentum=0.5).to_json()
    old = {name: value for name, value in content.items() if name not in PARTS}
    path.write_text(json.dumps({"settings": old}))
    found = TrainConfig.from_file(path)
    assert (found.epochs, found.momentum) == (3, 0.5)
    for name, kind in PARTS.items():
        assert getattr(found, name) == kind()
    assert found.resolve(traits(pictures=1, data_size=999)).to_json() == content


def test_a_resolved_configuration_has_nothing_left_open() -> None:
    for settings in ({}, {"model": "vgg11"}, {"weights": "none", "image_size": 24, "epochs": 5}):
        config = resolved(**settings)
        left = [name for name, value in dotted(config.to_json()).items() if value is None]
        # As many threads as there are cores, wherever that is; two that may be none.
        assert left == ["keep_known", "threads", "time_limit"]
        assert type(config) is ResolvedConfig
        assert ResolvedConfig.from_json(config.to_json()) == config
        assert config.resolve(OTHER_DATA) == config  # it is what it is, whatever the data
    for name in ("epochs", "image_size"):
        content = config.to_json() | {name: None}
        with pytest.raises(SignwiseError, match=f"^`config`: `{name}` must be "):
            ResolvedConfig.from_json(content)
        del content[name]
        with pytest.raises(SignwiseError, match=f"^`config`: `{name}` must be "):
            ResolvedConfig.from_json(content)


@pytest.mark.parametrize(
    ("settings", "weights", "size", "epochs"),
    [
        ({}, "signs", 64, 11),  # 3 steps an epoch, and at least 32
        ({"batch_size": 10}, "signs", 64, 7),
        ({"batch_size": 24}, "signs", 64, 7),  # 5 steps an epoch
        ({"weights": "none"}, "none", 48, 12),
        ({"model": "vgg11"}, "imagenet", 64, 11),
        ({"weights": "imagenet"}, "imagenet", 64, 11),
        ({"model": "vgg11", "weights": "imagenet", "batch_size": 2}, "imagenet", 64, 7),
        ({"image_size": 40, "epochs": 1}, "signs", 40, 1),
        ({"usual_epochs": EpochsConfig(pretrained=2, least_steps=1)}, "signs", 64, 2),
        (
            {"weights": "none", "usual_epochs": EpochsConfig(from_scratch=7, least_steps=1)},
            "none",
            48,
            7,
        ),
        ({"weights": "none", "usual_epochs": EpochsConfig(least_steps=91)}, "none", 48, 31),
    ],
)
def test_what_is_not_given_follows_from_the_rest(
    settings: dict[str, Any], weights: str, size: int, epochs: int
) -> None:
    config = resolved(**settings)
    assert (config.weights, config.image_size, config.epochs) == (weights, size, epochs)
    changed = {
        "weights": weights,
        "image_size": size,
        "epochs": epochs,
        "pictures.kind": "signs",
        "pictures.crop": "none",
        "fine_tuning.always": "epochs" in settings,
    }
    assert dotted(config.to_json()) == dotted(TrainConfig(**settings).to_json()) | changed
    assert config.pretrained == (weights != "none")


@pytest.mark.parametrize(
    ("kind", "settings", "weights"),
    [
        ("signs", {}, "signs"),
        ("signs", {"model": "vgg11"}, "imagenet"),
        ("signs", {"weights": "imagenet"}, "imagenet"),
        ("signs", {"pictures": PicturesConfig(kind="photos")}, "imagenet"),
        ("photos", {}, "imagenet"),
        ("photos", {"weights": "signs"}, "signs"),
        ("photos", {"weights": "none"}, "none"),
        ("photos", {"pictures": PicturesConfig(kind="signs")}, "signs"),
    ],
)
def test_weights_suit_what_the_pictures_are(
    kind: Kind, settings: dict[str, Any], weights: str
) -> None:
    config = TrainConfig(**settings).resolve(traits(kind=kind))
    assert config.weights == weights
    asked = settings["pictures"].kind if "pictures" in settings else kind
    assert config.kind == config.pictures.kind == asked
    assert config.crop == config.pictures.crop == "none"
    # At the size of ImageNet's weights. What is cut would be lost to signs.
    large = TrainConfig(**settings, image_size=224).resolve(traits(kind=kind))
    cut = asked == "photos" and weights != "none"
    assert large.crop == ("center" if cut else "none")
    for crop in get_args(Crop):
        chosen = settings | {"pictures": PicturesConfig(kind=asked, crop=crop)}
        assert TrainConfig(**chosen).resolve(traits(kind=kind)).crop == crop


@pytest.mark.parametrize(
    ("side", "size"),
    [(1, 64), (79, 64), (81, 96), (128, 128), (200, 192), (225, 224), (5000, 224)],
)
def test_photos_are_taken_near_their_own_size(side: int, size: int) -> None:
    data = traits(kind="photos", usual_side=side)
    assert TrainConfig().resolve(data).image_size == size
    assert TrainConfig(weights="a.pth").resolve(data).image_size == size
    assert TrainConfig(weights="signs").resolve(data).image_size == 64
    assert TrainConfig(weights="none").resolve(data).image_size == 48
    assert TrainConfig(image_size=40).resolve(data).image_size == 40


def test_photos_have_an_augmentation_of_their_own() -> None:
    photos = traits(kind="photos")
    assert TrainConfig().resolve(photos).augmentation == PHOTO_AUGMENTATION
    assert resolved().augmentation == AugmentationConfig() != PHOTO_AUGMENTATION
    asked = AugmentationConfig(flip=True, noise=0.5)
    found = TrainConfig(augmentation=asked).resolve(photos).augmentation
    assert found == dataclasses.replace(PHOTO_AUGMENTATION, flip=True, noise=0.5)
    assert resolved(augmentation=asked).augmentation == asked


@pytest.mark.parametrize(
    ("always", "epochs", "wanted"),
    [
        (None, None, False),
        (None, 3, True),
        (True, None, True),
        (False, 3, False),
    ],
)
def test_epochs_that_are_asked_for_are_all_trained(
    always: bool | None, epochs: int | None, wanted: bool
) -> None:
    config = resolved(epochs=epochs, fine_tuning=FineTuningConfig(always=always))
    assert config.fine_tuning == FineTuningConfig(always=wanted)


def test_paths_hold_in_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = resolved(weights="a/../w.pth", unknown="negatives")
    assert config.weights == str(tmp_path / "w.pth")
    assert config.unknown == str(tmp_path / "negatives")
    words = resolved(weights="imagenet", unknown="none")
    assert (words.weights, words.unknown) == ("imagenet", "none")
    assert resolved().unknown == "synthetic"


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"epochs": 0}, "epochs"),
        ({"batch_size": 1}, "batch_size"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": math.nan}, "learning_rate"),
        ({"learning_rate": math.inf}, "learning_rate"),
        ({"momentum": 1.0}, "momentum"),
        ({"momentum": -0.1}, "momentum"),
        ({"weight_decay": -1.0}, "weight_decay"),
        ({"weight_decay": math.inf}, "weight_decay"),
        ({"label_smoothing": 1.0}, "label_smoothing"),
        ({"label_smoothing": -0.1}, "label_smoothing"),
        ({"image_size": 0}, "image_size"),
        ({"image_size": 1025}, "image_size"),
        ({"keep_known": 0.0}, "keep_known"),
        ({"keep_known": 1.01}, "keep_known"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"threads": 0}, "threads"),
        ({"threads": 1025}, "threads"),
        ({"time_limit": 0.0}, "time_limit"),
        ({"time_limit": math.inf}, "time_limit"),
        ({"time_limit": math.nan}, "time_limit"),
        ({"epochs": 1.5}, "epochs"),
        ({"epochs": True}, "epochs"),
        ({"freeze": "no"}, "freeze"),
        ({"device": "tpu"}, "device"),
        ({"class_weights": "some"}, "class_weights"),
        ({"model": 18}, "model"),
        ({"model": None}, "model"),
        ({"weights": None}, "weights"),
        ({"augmentation": NegativesConfig()}, "augmentation"),
        ({"augmentation": {"noise": 0.1}}, "augmentation"),
        ({"augmentation": None}, "augmentation"),
    ],
)
def test_train_settings_out_of_range_are_named(settings: dict[str, Any], name: str) -> None:
    with pytest.raises(SignwiseError, match=f"^`{name}` must be "):
        TrainConfig(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 1},
        {"batch_size": 2},
        {"learning_rate": 1e-12},
        {"momentum": 0.0},
        {"weight_decay": 0.0},
        {"label_smoothing": 0.0},
        {"image_size": 1},
        {"image_size": 1024},
        {"keep_known": 1.0},
        {"seed": 0},
        {"seed": 2**32 - 1},
        {"threads": 1},
        {"threads": 1024},
        {"time_limit": 0.001},
    ],
)
def test_the_ends_of_the_flat_ranges_are_taken(settings: dict[str, Any]) -> None:
    ((name, value),) = settings.items()
    assert getattr(TrainConfig(**settings), name) == value


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"split": (0.5, 0.5, 0.5)}, "split"),
        ({"split": (0.5, 0.25, 0.2499)}, "split"),
        ({"split": (0.0, 0.5, 0.5)}, "split"),
        ({"split": (1.5, -0.5, 0.0)}, "split"),
        ({"split": (math.nan, 0.5, 0.5)}, "split"),
        ({"split": (0.5, 0.5)}, "split"),
        ({"split": (0.25, 0.25, 0.25, 0.25)}, "split"),
        ({"image_size": 0}, "image_size"),
        ({"image_size": 1025}, "image_size"),
        ({"max_pixels": 0}, "max_pixels"),
        ({"seed": -1}, "seed"),
        ({"copy": 1}, "copy"),
    ],
)
def test_prepare_settings_out_of_range_are_named(settings: dict[str, Any], name: str) -> None:
    with pytest.raises(SignwiseError, match=f"^`{name}` must be "):
        PrepareConfig(**settings)


def test_an_error_says_what_is_wanted_and_what_was_given() -> None:
    texts: list[tuple[dict[str, Any], str]] = [
        ({"batch_size": 1}, "`batch_size` must be at least 2"),
        ({"epochs": "three"}, "`epochs` must be a whole number, not 'three'"),
        ({"momentum": "much"}, "`momentum` must be a number, not 'much'"),
        ({"freeze": 1}, "`freeze` must be true or false, not 1"),
        ({"model": 18}, "`model` must be text, not 18"),
        ({"device": "tpu"}, "`device` must be one of auto, cpu, cuda, mps, not 'tpu'"),
    ]
    for settings, text in texts:
        with pytest.raises(SignwiseError) as caught:
            TrainConfig(**settings)
        assert str(caught.value) == text
    with pytest.raises(SignwiseError) as caught:
        AugmentationConfig(scale=(2, 1))
    assert str(caught.value) == "`augmentation.scale` must be the least and the largest, in order"
    with pytest.raises(SignwiseError) as caught:
        AugmentationConfig(noise_share=2)
    assert str(caught.value) == "`augmentation.noise_share` must be between 0 and 1"
    with pytest.raises(SignwiseError) as caught:
        NegativesConfig(patches=(4, 4, 4))  # type: ignore[arg-type]
    assert str(caught.value) == "`negatives.patches` must be 2 values, not (4, 4, 4)"
    with pytest.raises(SignwiseError) as caught:
        NegativesConfig(patches=8)  # type: ignore[arg-type]
    assert str(caught.value) == "`negatives.patches` must be a list, not 8"


def test_what_means_the_same_is_taken() -> None:
    given: dict[str, Any] = {"epochs": np.int64(3), "learning_rate": 1, "unknown": Path("a/b")}
    config = TrainConfig(**given)
    assert config == TrainConfig(epochs=3, learning_rate=1.0, unknown="a/b")
    assert type(config.epochs) is int
    assert type(config.learning_rate) is float
    given = {"noise": np.float32(0.5)}
    assert type(AugmentationConfig(**given).noise) is float
    given = {"exclude": "x.csv", "split": [0.5, 0.25, 0.25]}
    prepare = PrepareConfig(**given)
    assert prepare.exclude == Path("x.csv")
    assert prepare.split == (0.5, 0.25, 0.25)


def test_a_configuration_is_not_changed() -> None:
    for config in (
        PrepareConfig(),
        TrainConfig(),
        resolved(),
        *(kind() for kind in PARTS.values()),
    ):
        name = dataclasses.fields(config)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(config, name, getattr(config, name))


@pytest.mark.parametrize(
    "content",
    [
        {"epochs": "three"},
        {"epochs": 2.5},
        {"epochs": True},
        {"freeze": "no"},
        {"model": 18},
        {"class_weights": "some"},
        {"device": "tpu"},
        {"track": "paper"},
        {"learning_rate": None},
    ],
)
def test_wrong_json_names_the_setting(content: dict[str, Any]) -> None:
    with pytest.raises(SignwiseError, match=rf"^`config`: `{next(iter(content))}` must be "):
        TrainConfig.from_json(content)


@pytest.mark.parametrize("content", [{"split": "abc"}, {"split": ["a", 0, 0]}, {"exclude": 3}])
def test_wrong_prepare_json_names_the_setting(content: dict[str, Any]) -> None:
    with pytest.raises(SignwiseError, match=rf"^`config`: `{next(iter(content))}` must be "):
        PrepareConfig.from_json(content)


@pytest.mark.parametrize(
    "content", ["[]", "3", "", '{"settings": 3}', '{"settings": {"epoch": 3}}']
)
def test_a_file_that_is_no_settings_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "mine.json"
    path.write_text(content)
    with pytest.raises(SignwiseError, match=r"mine\.json|'epoch'"):
        TrainConfig.from_file(path)


@pytest.mark.parametrize("value", [10**400, -(10**400), 2**63])
@pytest.mark.parametrize(
    "name",
    ["epochs", "batch_size", "seed", "image_size", "momentum", "head.views", "head.pictures",
     "fine_tuning.patience", "usual_epochs.pretrained", "negatives.pictures_to_see"],
)  # fmt: skip
def test_no_number_that_no_computer_has_is_a_bug(name: str, value: int) -> None:
    content: dict[str, Any] = {name: [1, value] if name == "head.views" else value}
    with pytest.raises(SignwiseError, match=rf"^`config`: `{name}` must be ") as caught:
        TrainConfig.from_json(content)
    assert len(str(caught.value)) < 300
