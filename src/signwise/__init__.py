"""A folder of sign photos in, a classifier you can trust out."""

import gc
import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from signwise.cli.cache import cache as cache
    from signwise.cli.demo import demo as demo
    from signwise.config import PrepareConfig as PrepareConfig
    from signwise.config import TrainConfig as TrainConfig
    from signwise.data.download import download as download
    from signwise.data.images import read_image as read_image
    from signwise.data.manifest import load_data as load_data
    from signwise.data.pixels import load_pixels as load_pixels
    from signwise.data.prepare import prepare as prepare
    from signwise.errors import SignwiseError as SignwiseError
    from signwise.errors import UnreadableImage as UnreadableImage
    from signwise.evaluation.evaluate import evaluate as evaluate
    from signwise.export.export import export as export
    from signwise.inference.explain import explain as explain
    from signwise.inference.predict import predict as predict
    from signwise.inference.predictor import Prediction as Prediction
    from signwise.inference.predictor import Predictor as Predictor
    from signwise.model_file.read import models as models
    from signwise.service.serve import serve as serve
    from signwise.study.compare import compare as compare
    from signwise.study.tune import tune as tune
    from signwise.synthetic import synth as synth
    from signwise.training.train import train as train

    __version__: str

# Where each public name lives, and the extra and its modules that it needs. Nothing is imported
# before it is asked for: `import signwise` stays fast.
_TRAIN = ("train", "torch", "torchvision", "pandas", "sklearn", "matplotlib", "onnx", "safetensors")
_TUNE = ("tune", "optuna", *_TRAIN[1:])
_DOWNLOAD = ("download", "pooch", "requests")
_SERVE = (
    "serve",
    "fastapi",
    "uvicorn",
    "httptools",
    "python_multipart",
    "prometheus_client",
    "jinja2",
    "fastapi_offline",
)
_NAMES: dict[str, tuple[str, tuple[str, ...]]] = {
    "PrepareConfig": ("signwise.config", ()),
    "TrainConfig": ("signwise.config", ()),
    "SignwiseError": ("signwise.errors", ()),
    "UnreadableImage": ("signwise.errors", ()),
    "read_image": ("signwise.data.images", ()),
    "load_data": ("signwise.data.manifest", _TRAIN),
    "load_pixels": ("signwise.data.pixels", _TRAIN),
    "cache": ("signwise.cli.cache", ()),
    "demo": ("signwise.cli.demo", _TRAIN),
    "synth": ("signwise.synthetic", _TRAIN),
    "download": ("signwise.data.download", _DOWNLOAD),
    "prepare": ("signwise.data.prepare", _TRAIN),
    "train": ("signwise.training.train", _TRAIN),
    "evaluate": ("signwise.evaluation.evaluate", _TRAIN),
    "compare": ("signwise.study.compare", _TRAIN),
    "export": ("signwise.export.export", _TRAIN),
    "explain": ("signwise.inference.explain", ()),
    "tune": ("signwise.study.tune", _TUNE),
    "models": ("signwise.model_file.read", ()),
    "serve": ("signwise.service.serve", _SERVE),
    "predict": ("signwise.inference.predict", ()),
    "Prediction": ("signwise.inference.predictor", ()),
    "Predictor": ("signwise.inference.predictor", ()),
}

__all__ = [
    "Prediction",
    "Predictor",
    "PrepareConfig",
    "SignwiseError",
    "TrainConfig",
    "UnreadableImage",
    "__version__",
    "cache",
    "compare",
    "demo",
    "download",
    "evaluate",
    "explain",
    "export",
    "load_data",
    "load_pixels",
    "models",
    "predict",
    "prepare",
    "read_image",
    "serve",
    "synth",
    "train",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value = importlib.import_module("signwise.runtime").own_version()
    elif name in _NAMES:
        module, needs = _NAMES[name]
        if needs:
            importlib.import_module("signwise.errors").require_extra(*needs)
        value = getattr(_imported(module), name)
    else:
        raise AttributeError(f"module 'signwise' has no attribute {name!r}")
    globals()[name] = value
    return value


def _imported(module: str) -> ModuleType:
    """Import without looking for garbage, of which there is none: 0.7 s less with torch."""
    sought = gc.isenabled()
    gc.disable()
    try:
        return importlib.import_module(module)
    finally:
        if sought:
            gc.enable()


def __dir__() -> list[str]:
    return __all__


class _Package(ModuleType):
    """Python puts a room that is imported into the package; a verb of that name goes before it."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _NAMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
