"""The words that people name the parts of a data set with."""

import re

_WORDS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "validate", "dev", "devel", "development"),
    "test": ("test", "testing"),
}
_SPLIT_OF = {word: split for split, words in _WORDS.items() for word in words}
_ENDING = re.compile(r"(set|split|data|images|imgs|pictures|photos)$")


def split_of(name: str) -> str | None:
    """train, val or test, as the name of a folder or a value in a CSV has it; None for others.

    In any case, with `set`, `data` or `images` behind it or not: `Testing`, `dev`, `train_images`.
    """
    word = re.sub(r"[\s_-]+", "", name.casefold())
    return _SPLIT_OF.get(word) or _SPLIT_OF.get(_ENDING.sub("", word))
