"""What a picture may take of memory and time, weighed by its header, before it is decoded."""

import threading
import time
from typing import IO, Any

from PIL import Image

from signwise.config import MAX_PIXELS
from signwise.errors import UnreadableImage
from signwise.opening import MOST_PICTURE

MOST_SECONDS = 10
"""Of a core's time, that the reading of one file may take."""
BYTES_A_PIXEL = 10
"""Of memory, that a picture of `max_pixels` pixels may take while it is decoded."""
IN_FLIGHT = BYTES_A_PIXEL * MAX_PIXELS
"""Bytes that the pictures which all threads decode at one time may take, a single one aside."""

WORKER_MEMORY = 128 * 10**6
"""Bytes that a picture may take in one of several processes, which can't wait for each other."""

# Beside Pillow's own picture, measured with Pillow 13: whole frames, planes or strips are kept.
_DECODER_BYTES = {"WEBP": 14, "AVIF": 9, "JPEG2000": 17, "TIFF": 6, "GIF": 1, "SGI": 3, "ICO": 8}
_COEFFICIENT_BYTES = 6
"""A pixel of a JPEG that comes in several scans: two bytes for each of three components."""
_MODE_BYTES = {"1": 1, "L": 1, "P": 1}
_MOST_SCANS = 100
_LEAST_SCAN = 10
"""Bytes; a scan of a JPEG can't be shorter."""
_BLOCK = 2**20


def check_pixels(size: tuple[int, ...], max_pixels: int) -> None:
    """Raise UnreadableImage for a (width, height) of none or too many pixels."""
    if len(size) != 2:
        raise UnreadableImage("an array that is no picture: give (H, W), (H, W, 3 or 4)")
    count = size[0] * size[1]
    if count == 0:
        raise UnreadableImage("no pixels")
    if count > max_pixels:
        raise UnreadableImage(f"{count:,} pixels, more than the limit of {max_pixels:,}")


def check_file(size: int) -> None:
    """Raise UnreadableImage for a file of too many bytes."""
    if size > MOST_PICTURE:
        raise UnreadableImage(
            f"a file of {size / 1e6:,.0f} MB, more than the limit of {MOST_PICTURE / 1e6:,.0f}"
        )


def check_memory(needed: int, max_pixels: int) -> None:
    """Raise UnreadableImage where decoding would take too much."""
    most = BYTES_A_PIXEL * max(max_pixels, MAX_PIXELS)
    if needed > most:
        raise UnreadableImage(
            f"{needed / 1e6:,.0f} MB of memory to decode it, more than the limit of "
            f"{most / 1e6:,.0f}: make it smaller, or save it as JPEG or PNG"
        )


def bytes_needed(
    image: Image.Image, true_size: tuple[int, int], *, scans: int, turned: bool
) -> int:
    """About the most that decoding and converting an opened picture takes at one time.

    `true_size` is the size before `draft` made a JPEG smaller; `scans` those of a JPEG.
    """
    pixels = image.width * image.height
    decoder = _DECODER_BYTES.get(image.format or "", 0) * pixels
    if scans > 1:
        decoder += _COEFFICIENT_BYTES * true_size[0] * true_size[1]
    own = _MODE_BYTES.get(image.mode, 4)
    # Nothing but grey and RGB stays as it is; each step holds what it takes and what it makes.
    if image.mode in ("L", "RGB"):
        return decoder + pixels * own * (1 + turned)
    return decoder + pixels * max(own + 4, 4 * (1 + turned))


def count_scans(file: IO[bytes], pixels: int, file_bytes: int, max_pixels: int) -> int:
    """About the number of scans of a JPEG, at least 1; of a small one, they are not counted.

    A scan of a few bytes goes over all pixels again. Raises UnreadableImage where scans times
    pixels would take minutes.
    """
    most = _MOST_SCANS * max(max_pixels, MAX_PIXELS)
    if pixels * file_bytes <= _LEAST_SCAN * most:
        return 1
    at = file.tell()
    file.seek(0)
    count, last = 0, b""
    while block := file.read(_BLOCK):
        count += (last + block).count(b"\xff\xda")
        last = block[-1:]
    file.seek(at)
    if pixels * count > most:
        raise UnreadableImage(f"a JPEG of about {count:,} scans, which would take too long")
    return max(1, count)


_changed = threading.Condition()
_taken = 0


def take(needed: int) -> None:
    """Wait until what other threads decode leaves so many bytes, and take them.

    A picture that takes more than all there are is decoded alone.
    """
    global _taken
    with _changed:
        while _taken and _taken + needed > IN_FLIGHT:
            _changed.wait()
        _taken += needed


def give_back(needed: int) -> None:
    """Let other threads have what `take` took."""
    global _taken
    with _changed:
        _taken -= needed
        _changed.notify_all()


class TimedFile:
    """A file whose `read` raises UnreadableImage once the time of this thread is over.

    Decoders come back for more bytes again and again, and those that need long most often. Time
    of the core and not of the clock: a machine with much to do refuses no other pictures.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._until = time.thread_time() + MOST_SECONDS

    def read(self, count: int = -1) -> bytes:
        """The next bytes."""
        self._check()
        return self._file.read(count)

    def readline(self, count: int = -1) -> bytes:
        """The next line."""
        self._check()
        return self._file.readline(count)

    def _check(self) -> None:
        if time.thread_time() > self._until:
            raise UnreadableImage(f"not read within the limit of {MOST_SECONDS} seconds of a core")

    def __getattr__(self, name: str) -> Any:
        """All else is the file's own."""
        return getattr(self._file, name)
