"""The settings of `signwise prepare`."""

from dataclasses import dataclass
from pathlib import Path

from signwise.config.base import Config, Count, ImageSize, Seed, check

IMAGE_SIZE = 32
MAX_PIXELS = 64_000_000


@dataclass(frozen=True, kw_only=True)
class PrepareConfig(Config):
    """How a folder of photos becomes data to train on."""

    split: tuple[float, float, float] = (0.7, 0.15, 0.15)
    """Shares of train, validation and test; they add up to 1."""
    group: str | None = None
    """Regular expression on the path within the class; its first capture is the sign."""
    image_size: ImageSize = IMAGE_SIZE
    """Side of the cached pictures, in pixels."""
    max_pixels: Count = MAX_PIXELS
    """A picture with more pixels is refused before it is decoded."""
    seed: Seed = 0
    """Seed of the split."""
    copy: bool = False
    """Also write the split as train/ val/ test/ folders."""
    shards: bool = False
    """Also write the split as WebDataset shards, tar files in shards/."""
    exclude: Path | None = None
    """CSV with a column `path`: pictures to leave out, as prepare's own flagged.csv."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(
            len(self.split) == 3
            and all(share >= 0 for share in self.split)
            and abs(sum(self.split) - 1) < 1e-6
            and self.split[0] > 0,
            "split",
            "three shares of at least 0 that add up to 1, the first above 0",
        )
