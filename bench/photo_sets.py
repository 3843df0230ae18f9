"""The sets of photos that bench/transfer.py learns from, and their splits."""

import csv
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import signwise
from signwise.data.manifest import load_data
from signwise.data.split import TRACK

IMAGENET = "mobilenet_v2_imagenet.pth"
LARGEST_GAP = 30
"""Between the numbers of two pictures of one student."""
VALIDATION = 0.15
"""Share of the training pictures where a set brings no validation pictures."""


@dataclass(frozen=True, kw_only=True)
class Set:
    """What is learned, and from what."""

    folder: str
    """Below the data folder."""
    size: int
    """Side of the pictures in pixels."""
    signs: bool = False
    """From the weights `signs` of a ResNet-18, signwise's default; else from ImageNet's."""

    @property
    def model(self) -> str:
        """torchvision's name of the architecture."""
        return "resnet18" if self.signs else "mobilenet_v2"

    @property
    def own_test(self) -> bool:
        """Whether each seed tests the same pictures."""
        return self.folder == "ants-bees"


SETS = {
    "ants-bees-128": Set(folder="ants-bees", size=128),
    "sign-digits-64": Set(folder="sign-digits", size=64),
    "priority-stop-64": Set(folder="priority-stop/total", size=64),
    "priority-stop-64-signs": Set(folder="priority-stop/total", size=64, signs=True),
    "ants-bees-224": Set(folder="ants-bees", size=224),
}


def student_groups(pictures: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Student of each picture of sign-digits, by its number; pictures are (number, digit).

    A student's ten pictures follow one another by number, digits rising, some missing: a new
    student begins where the digit does not rise, or the number jumps by more than `LARGEST_GAP`.
    """
    found: dict[int, int] = {}
    student, last_number, last_digit = -1, 0, 0
    for number, digit in sorted(pictures):
        if student < 0 or digit <= last_digit or number - last_number > LARGEST_GAP:
            student += 1
        found[number] = student
        last_number, last_digit = number, digit
    return found


def list_pictures(folder: str, source: Path) -> list[dict[str, str]]:
    """The rows path, label and group of a data set; ants-bees has no groups but likeness."""
    paths = sorted(path for path in source.glob("*/*") if path.is_file())
    if folder == "sign-digits":
        keys = {path: (int(path.stem.split("_")[1]), int(path.parent.name)) for path in paths}
        students = student_groups(keys.values())
        groups = {path: f"student {students[number]}" for path, (number, _) in keys.items()}
    else:
        tracks = {path: TRACK.search(path.as_posix()) for path in paths}
        groups = {path: f"{path.parent.name} {t[1]}" if t else "" for path, t in tracks.items()}
    return [
        {"path": str(path.resolve()), "label": path.parent.name, "group": groups[path]}
        for path in paths
    ]


def write_rows(path: Path, rows: Sequence[dict[str, str]]) -> Path:
    """Write a CSV for signwise prepare."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def lay_out(one: Set, data: Path, seed: int, out: Path) -> Path:
    """The split of a seed as folders, `out`/{train,val,test}/<class>/, and photos.csv beside them.

    signwise prepare splits, by groups; pictures that it can't use are nobody's. Gives photos.csv.
    """
    listing = out / "photos.csv"
    if listing.is_file():
        return listing
    shutil.rmtree(out, ignore_errors=True)
    source = data / one.folder
    shares = (1 - VALIDATION, VALIDATION, 0.0) if one.own_test else (0.7, 0.15, 0.15)
    pictures = list_pictures(one.folder, source / "train" if one.own_test else source)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepared = signwise.prepare(
            write_rows(folder / "all.csv", pictures), folder / "data", split=shares, seed=seed
        )
        table = load_data(prepared.out).table
        columns = (table[name] for name in ("path", "label", "group", "split"))
        rows = [(folder / path, *rest) for path, *rest in zip(*columns, strict=True)]
    if one.own_test:
        tested = list_pictures(one.folder, source / "val")
        rows += [(Path(row["path"]), row["label"], "", "test") for row in tested]
        # Groups by likeness know nothing of the other folder: prepare shall look at both.
        rows = [(path, label, "", split) for path, label, _, split in rows]
    listed = []
    for path, label, group, split in rows:
        copy = out / split / label / path.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        within = copy.relative_to(out).as_posix()
        listed.append({"path": within, "label": label, "group": group, "split": split})
    return write_rows(listing, listed)


def weights_of(one: Set, data: Path, out: Path) -> Path:
    """The file of a state dict that all methods begin from."""
    if not one.signs:
        return (data / IMAGENET).resolve()
    path = out / "signs.pth"
    if not path.is_file():
        import torch

        from signwise.training.backbone import backbone_state

        torch.save(backbone_state(), path)
    return path
