"""Pillow as it is needed here, whatever the program around has set."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from PIL import Image, ImageFile

from signwise.config import MAX_PIXELS

_lock = threading.Lock()
_inside = 0
_stack = ExitStack()


@contextmanager
def strict_pillow(max_pixels: int = MAX_PIXELS) -> Iterator[None]:
    """Pillow without warnings that are no use here, in any number of threads.

    Its warnings (damaged EXIF, large pictures) are silent, truncated files fail, and its own limit
    does not stand below `max_pixels`. These are globals, so the first thread in sets them and the
    last one out restores them.
    """
    global _inside
    with _lock:
        _inside += 1
        if _inside == 1:
            _stack.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", module="PIL")
            _stack.callback(setattr, Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
            _stack.callback(
                setattr, ImageFile, "LOAD_TRUNCATED_IMAGES", ImageFile.LOAD_TRUNCATED_IMAGES
            )
            ImageFile.LOAD_TRUNCATED_IMAGES = False
        if Image.MAX_IMAGE_PIXELS is None or max_pixels > Image.MAX_IMAGE_PIXELS:
            Image.MAX_IMAGE_PIXELS = max_pixels
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _stack.close()
