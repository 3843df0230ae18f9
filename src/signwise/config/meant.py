"""What a name that does not exist was meant to be: a slip of the keys, or another tool's word."""

import difflib
from collections.abc import Collection

ELSEWHERE = {
    "lr": "learning_rate",
    "lr0": "learning_rate",
    "bs": "batch_size",
    "batch": "batch_size",
    "wd": "weight_decay",
    "imgsz": "image_size",
    "img_size": "image_size",
    "size": "image_size",
    "arch": "model",
    "backbone": "model",
    "architecture": "model",
    "pretrained": "weights",
    "n_epochs": "epochs",
    "num_epochs": "epochs",
    "max_epochs": "epochs",
    "gpu": "device",
    "workers": "threads",
    "num_workers": "threads",
    "output": "out",
    "output_dir": "out",
    "o": "out",
    "dataset": "data",
    "source": "data",
    "conf": "threshold",
    "random_state": "seed",
    "logger": "track",
    "wandb": "track",
    "negatives": "unknown",
    "fit": "train",
    "eval": "evaluate",
    "val": "evaluate",
    "validate": "evaluate",
    "test": "evaluate",
    "score": "evaluate",
    "infer": "predict",
    "classify": "predict",
    "split": "prepare",
    "render": "synth",
    "generate": "synth",
    "heatmap": "explain",
    "gradcam": "explain",
    "list": "models",
}
"""Words of other tools in this field, and ours."""
ALIKE = 0.7
"""Least likeness of a slip of the keys, from 0 to 1."""


def meant(name: str, options: Collection[str]) -> str:
    """` (did you mean X?)` with the likeliest of the options, or nothing where none is likely.

    Hyphens count as underscores; the option is given as it is spelt.
    """
    spelt = {option.lstrip("-").replace("-", "_"): option for option in options}
    word = name.replace("-", "_").lower()
    found = spelt.get(ELSEWHERE.get(word, ""))
    if found is None:
        longer = [each for each in spelt if len(word) > 2 and each.startswith(word)]
        close = sorted(longer, key=len) or difflib.get_close_matches(word, spelt, n=1, cutoff=ALIKE)
        found = spelt[close[0]] if close else None
    return "" if found is None else f" (did you mean {found}?)"
