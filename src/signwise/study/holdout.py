"""What a study trains on: prepared data without its test set, some groups of it held out."""

from pathlib import Path

import numpy as np

from signwise.data.manifest import COLUMNS, SPLITS, PreparedData, write_csv
from signwise.data.split import assign_splits
from signwise.errors import SignwiseError
from signwise.files import sha256_file, write_json
from signwise.folders import claim_folder
from signwise.opening import read_json
from signwise.results import to_json

HELD_OUT = 0.25
"""Share of the training and validation pictures that no trial sees."""


def hold_out(data: PreparedData, out: Path, seed: int) -> None:
    """Write prepared data to `out`, whose test split is held out of the training and validation.

    The test pictures of `data` are not in it, so that no trial can look at them. Groups stay whole.
    Raises SignwiseError for a class of too few groups.
    """
    table = data.table[data.table["split"] != "test"].reset_index(drop=True)
    groups = table.groupby("label")["group"].nunique()
    for name in data.classes:
        count = int(groups.get(name, 0))
        if count < len(SPLITS):
            raise SignwiseError(
                f"{data.place}: {name} has {count} group(s) of pictures in train and val, at "
                f"least {len(SPLITS)} needed: one to train, one to choose, one held out"
            )
    validation = float(np.mean(table["split"] == "val")) * (1 - HELD_OUT)
    shares = (1 - HELD_OUT - validation, validation, HELD_OUT)
    table["split"] = assign_splits(list(table["label"]), list(table["group"]), shares, seed)
    claim_folder(out, "data")
    manifest = out / "manifest.csv"
    write_csv(manifest, table[list(COLUMNS)])
    facts = read_json(data.directory / "data.json")
    assert isinstance(facts, dict), "load_data has read it"
    counts = table.groupby(["split", "label"]).size()
    facts |= {
        "source": str(data.place),
        "counts": {
            split: {name: int(counts.get((split, name), 0)) for name in data.classes}
            for split in SPLITS
        },
        "groups": to_json(groups.to_dict()),
        "split_given": False,
        "leaks": {"groups": 0, "pictures": 0},
        "seed": seed,
        "problems": 0,
        "warnings": [],
        "manifest_sha256": sha256_file(manifest),
    }
    write_json(out / "data.json", facts)
