"""Every setting once, with its unit and default.

`PrepareConfig` and `TrainConfig` are what a user asks for; `TrainConfig.resolve` gives the
`ResolvedConfig` that a run is made with and that its config.json records: on the same data, CPU and
number of threads the file alone repeats the run. The settings that people change are flat, and are
flags of the command line; the numbers behind them stand in `parts`, for a JSON file to change.

Those that draw a rendered sign are no settings: they stand in `synthetic`, and whoever changes one
counts up its `RENDERER_VERSION`.
"""

from signwise.config.base import MAX_IMAGE_SIZE, MAX_SEED, Config, dotted
from signwise.config.parts import (
    PHOTO_AUGMENTATION,
    AugmentationConfig,
    CalibrationConfig,
    Crop,
    EpochsConfig,
    FineTuningConfig,
    HeadConfig,
    Kind,
    LossConfig,
    NegativesConfig,
    OptimConfig,
    PicturesConfig,
    ScheduleConfig,
)
from signwise.config.prepare import IMAGE_SIZE, MAX_PIXELS, PrepareConfig
from signwise.config.train import (
    MAX_THREADS,
    SIGNS_SIZE,
    UNKNOWN,
    WEIGHTS,
    ResolvedConfig,
    TrainConfig,
    Traits,
    steps_in_epoch,
)

__all__ = [
    "IMAGE_SIZE",
    "MAX_IMAGE_SIZE",
    "MAX_PIXELS",
    "MAX_SEED",
    "MAX_THREADS",
    "PHOTO_AUGMENTATION",
    "SIGNS_SIZE",
    "UNKNOWN",
    "WEIGHTS",
    "AugmentationConfig",
    "CalibrationConfig",
    "Config",
    "Crop",
    "EpochsConfig",
    "FineTuningConfig",
    "HeadConfig",
    "Kind",
    "LossConfig",
    "NegativesConfig",
    "OptimConfig",
    "PicturesConfig",
    "PrepareConfig",
    "ResolvedConfig",
    "ScheduleConfig",
    "TrainConfig",
    "Traits",
    "dotted",
    "steps_in_epoch",
]
