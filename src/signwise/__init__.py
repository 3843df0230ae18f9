"""A folder of sign photos in, a classifier you can trust out."""

import importlib
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
    from signwise.inference.explain import explain as explain
    from signwise.inference.predict import predict as predict
    from signwise.inference.predictor import Prediction as Prediction
    from signwise.inference.predictor import Predictor as Predictor
    from signwise.model_file.read import models as models
    from signwise.synthetic import synth as synth
    from signwise.training.train import train as train

    __version__: str

# Where each public name lives, and the extra and its modules that it needs. Nothing is imported
# before it is asked for: `import signwise` stays fast.
_TRAIN = ("train", "torch", "torchvision", "pandas", "sklearn", "matplotlib", "onnx", "safetensors")
_DOWNLOAD = ("download", "pooch", "requests")
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
    "explain": ("signwise.inference.explain", ()),
    "models": ("signwise.model_file.read", ()),
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
    "demo",
    "download",
    "evaluate",
    "explain",
    "load_data",
    "load_pixels",
    "models",
    "predict",
    "prepare",
    "read_image",
    "synth",
    "train",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value = importlib.import_module("importlib.metadata").version("signwise")
    elif name in _NAMES:
        module, needs = _NAMES[name]
        if needs:
            importlib.import_module("signwise.errors").require_extra(*needs)
        value = getattr(importlib.import_module(module), name)
    else:
        raise AttributeError(f"module 'signwise' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
