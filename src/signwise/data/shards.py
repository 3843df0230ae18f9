"""The prepared pictures as WebDataset shards: tar files that other trainers read as a stream.

A shard holds three members a picture, named by its row in manifest.csv: the file itself as it is,
`.cls` with the index of its class, and `.json` with what the manifest says of it.
"""

import io
import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd

from signwise.data.manifest import SPLITS
from signwise.files import printable_path
from signwise.opening import MOST_PICTURE, read_regular
from signwise.places import join
from signwise.progress import track

FOLDER = "shards"
PICTURES = 4096
"""Pictures of one shard."""


def write_shards(
    out: Path, table: pd.DataFrame, root: Path | str, classes: tuple[str, ...], seed: int
) -> list[Path]:
    """Write out/shards/<split>-NNNNN.tar of the usable rows, shuffled; gives their paths.

    Shuffled, since who reads a stream sees what lies side by side in one batch. The same seed gives
    the same bytes. What is there already is replaced when all is written.
    """
    partial = out / f".{FOLDER}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    index = {name: str(number) for number, name in enumerate(classes)}
    usable = table[table["problem"] == ""]
    names = []
    with track("Shards", len(usable)) as advance:
        for number, split in enumerate(SPLITS):
            rows = usable.index[usable["split"] == split].to_numpy()
            shuffled = np.random.default_rng([seed, number]).permutation(rows)
            for start in range(0, len(shuffled), PICTURES):
                name = f"{split}-{start // PICTURES:05d}.tar"
                with tarfile.open(partial / name, "w") as shard:
                    for row in shuffled[start : start + PICTURES]:
                        _add_picture(shard, f"{row:09d}", table.loc[row], str(root), index)
                        advance(1)
                names.append(name)
    remove_shards(out)
    partial.replace(out / FOLDER)
    return [out / FOLDER / name for name in names]


def remove_shards(out: Path) -> None:
    """Remove the shards of an earlier run."""
    shutil.rmtree(out / FOLDER, ignore_errors=True)


def _add_picture(
    shard: tarfile.TarFile, key: str, row: "pd.Series[str]", root: str, index: dict[str, str]
) -> None:
    path = str(row["path"])
    suffix = Path(path).suffix.lower() or ".img"
    said = {name: row[name] for name in ("label", "split", "sha256")}
    said |= {"path": printable_path(path), "group": printable_path(row["group"])}
    content = {
        suffix: read_regular(join(root, path), MOST_PICTURE),
        ".cls": index[row["label"]].encode(),
        ".json": json.dumps(said, ensure_ascii=False).encode(),
    }
    for ending, data in content.items():
        member = tarfile.TarInfo(key + ending)  # of no owner and no time: the same bytes again
        member.size = len(data)
        shard.addfile(member, io.BytesIO(data))
