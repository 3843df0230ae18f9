"""What bench/scale.py measures: pictures by the million, and each part of the work on them.

A part runs in a process of its own and prints its steps. The pictures are small, distinct JPEGs of
smooth noise on the colour of their class; one in 50 is a near copy of another, one in 1,000 is cut
off. The model looks at the mean colour alone, so that what is measured is signwise and not a
network.
"""

import colorsys
import importlib
import io
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import psutil
from numpy.typing import NDArray
from PIL import Image

from signwise.config import IMAGE_SIZE, MAX_PIXELS, TrainConfig
from signwise.files import sha256_bytes, write_text
from signwise.parallel import map_chunks

if TYPE_CHECKING:
    from signwise.data.scan import _Inspections
    from signwise.data.sources import Listing

SIDE = 32
CLASSES = tuple(f"colour{number}" for number in range(10))
FOLDER = 1000
"""Pictures of one class in a folder."""
CHUNK = 1000
COPY, BROKEN = 50, 1000
"""One picture in so many is a near copy of another one of its class, or cut off."""
COARSE = 8
NOISE = 40.0
"""Of the coarse grid, standard deviation in grey levels."""
WAVE = 1.2
"""What the model adds to its logits, all but by chance, so that it makes mistakes."""
OTHER_SIZE = 24
"""Of the cache that is made by itself."""
NETWORK = "squeezenet1_1"

# What is timed of a verb: the names that it calls functions by. Each is replaced in its module.
PREPARE_STEPS = {
    "list the files": ["data.scan:list_source"],
    "read: hash, decode, measure, cache": ["data.scan:_inspect"],
    "near duplicates": ["data.scan:_near_pairs"],
    "groups": ["data.scan:group_pictures"],
    "split": ["data.prepare:assign_splits"],
    "flagged pictures": ["data.prepare:find_flagged"],
    "report": ["data.prepare:data_overview", "data.prepare:data_page"],
    "seal the cache": ["data.prepare:seal"],
    "write the tables": ["data.prepare:write_csv"],
}
DRAWN_STEPS = {
    name: places
    for name, places in PREPARE_STEPS.items()
    if name not in ("list the files", "read: hash, decode, measure, cache")
}
EVALUATE_STEPS = {
    "read the table": ["evaluation.pictures:load_data"],
    "find the cache": ["evaluation.pictures:load_pixels"],
    "answers": ["evaluation.evaluate:_answers"],
    "figures": ["evaluation.evaluate:measure"],
    "doubtful labels": ["evaluation.evaluate:find_label_errors"],
    "examples": ["evaluation.evaluate:pick_mistakes", "evaluation.evaluate:review_labels"],
    "report": ["evaluation.evaluate:evaluation_page"],
    "write the tables": [
        "evaluation.evaluate:predictions_table",
        "evaluation.evaluate:write_results",
    ],
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One stretch of time in a part; the whole part is one, too."""

    name: str
    start: float
    """On the monotonic clock."""
    end: float
    cpu: float
    """Seconds of the process and its workers, user and system."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where all that belongs to one number of pictures lies."""

    folder: Path
    count: int

    @property
    def photos(self) -> Path:
        """The pictures, one folder a class, folders of at most 1,000 below."""
        return self.folder / "photos"

    @property
    def whole(self) -> Path:
        """There when all pictures are."""
        return self.folder / "photos.whole"

    @property
    def data(self) -> Path:
        """What `prepare` makes of them."""
        return self.folder / "data"

    @property
    def run(self) -> Path:
        """A model that was "trained" on the data."""
        return self.folder / "run"

    def path(self, index: int) -> Path:
        """Of one picture."""
        number, kind = divmod(index, len(CLASSES))
        # Were the inner names the same in each class, they might be the classes.
        inner = f"{CLASSES[kind]}-{number // FOLDER:04d}"
        return self.photos / CLASSES[kind] / inner / f"{index:07d}.jpg"


def colours() -> NDArray[np.float32]:
    """The colour of each class (K, 3), in grey levels."""
    hues = np.arange(len(CLASSES)) / len(CLASSES)
    return 128 + 55 * (
        np.array([colorsys.hsv_to_rgb(hue, 1, 1) for hue in hues], np.float32) * 2 - 1
    )


def make_pictures(place: Place) -> None:
    """Write the pictures; those that fewer would have are the same."""
    starts = range(0, place.count, CHUNK)
    chunks = [(place, start) for start in starts]
    for _ in map_chunks(_write_chunk, chunks, total=place.count, chunk_size=CHUNK):
        pass


def _write_chunk(chunk: tuple[Place, int]) -> None:
    place, start = chunk
    pixels = draw(start // CHUNK)
    for row, picture in enumerate(pixels[: place.count - start]):
        path = place.path(start + row)
        if row < len(CLASSES):
            path.parent.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "jpeg", quality=85)
        content = buffer.getvalue()
        broken = (start + row) % BROKEN == BROKEN - 1
        path.write_bytes(content[: len(content) // 2] if broken else content)


def draw(chunk: int) -> NDArray[np.uint8]:
    """The pictures of one chunk, (N, S, S, 3)."""
    random = np.random.default_rng((18, chunk))
    coarse = random.normal(0, NOISE, (CHUNK, COARSE, COARSE, 3)).astype(np.float32)
    at = np.linspace(0, COARSE - 1, SIDE)[:, None] - np.arange(COARSE)
    weights = np.maximum(0, 1 - np.abs(at)).astype(np.float32)
    smooth = np.einsum("yr,nrcd,xc->nyxd", weights, coarse, weights, optimize=True)
    index = np.arange(CHUNK)
    pictures = smooth + colours()[index % len(CLASSES), None, None]
    copies = index[(index // len(CLASSES)) % COPY == COPY // 2]
    pictures[copies] = 0.9 * pictures[copies - len(CLASSES)] + 8
    return np.asarray(np.clip(pictures, 0, 255).astype(np.uint8))


def write_model(path: Path) -> None:
    """A model.onnx that answers by the mean colour, and is wrong now and then."""
    from onnx import TensorProto, helper, numpy_helper

    from signwise.model_file.record import ModelRecord
    from signwise.model_file.write import write_model as write

    spread = 1000.0
    waves = np.random.default_rng(0).normal(0, 1, (3, len(CLASSES)))
    constants = {
        "weights": 2 * colours().T / spread,
        "offset": -np.square(colours()).sum(axis=1) / spread,
        "waves": waves,
        "height": np.array(WAVE),
        "axes": np.array([1, 2]),
        "last": np.array([-1]),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["images"], ["values"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["values", "axes"], ["mean"], keepdims=0),
            helper.make_node("MatMul", ["mean", "weights"], ["scores"]),
            helper.make_node("Add", ["scores", "offset"], ["by_colour"]),
            helper.make_node("MatMul", ["mean", "waves"], ["phase"]),
            helper.make_node("Sin", ["phase"], ["sine"]),
            helper.make_node("Mul", ["sine", "height"], ["chance"]),
            helper.make_node("Add", ["by_colour", "chance"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
            helper.make_node("ReduceMax", ["probabilities", "last"], ["known"], keepdims=0),
        ],
        "colour",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", SIDE, SIDE, 3])],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", len(CLASSES)]),
            helper.make_tensor_value_info("known", TensorProto.FLOAT, ["N"]),
        ],
        [
            numpy_helper.from_array(
                value.astype(np.int64 if name in ("axes", "last") else np.float32), name
            )
            for name, value in constants.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    write(model, ModelRecord(classes=CLASSES, image_size=SIDE, threshold=0.5), path)


def run_part(name: str, place: Place) -> list[Step]:
    """Run one part; the last step is the whole of it."""
    steps: list[Step] = []
    named = {
        "prepare": PREPARE_STEPS,
        "prepare, drawn": DRAWN_STEPS,
        "evaluate": EVALUATE_STEPS,
    }.get(name, {})
    with timed_calls(named, steps):
        work = PARTS[name](place)  # imports, and what is there before, are not the part's
        with timed(name, steps):
            work()
    return steps


def hash_all(place: Place) -> Callable[[], None]:
    """Read each file and hash its bytes, in one process."""
    from signwise.data.images import hashed

    def work() -> None:
        for index in range(place.count):
            with hashed(place.path(index)):
                pass

    return work


def inspect_all(place: Place) -> Callable[[], None]:
    """Read, hash, decode and measure each picture, in one process."""
    from signwise.data.quality import inspect_file

    def work() -> None:
        for index in range(place.count):
            inspect_file(place.path(index), IMAGE_SIZE, MAX_PIXELS)

    return work


def prepare_drawn(place: Place) -> Callable[[], None]:
    """`signwise prepare` without the files: the pictures are drawn, and not read.

    All that looks at every picture at once is as it is; the rest is the same for each picture.
    """
    import signwise
    from signwise.data import scan

    (place.folder / "drawn").mkdir(parents=True, exist_ok=True)

    def work() -> None:
        instead: dict[str, Callable[..., Any]] = {
            "list_source": _list_drawn,
            "_inspect": _inspect_drawn,
        }
        replaced = {name: getattr(scan, name) for name in instead}
        for name, function in instead.items():
            setattr(scan, name, partial(function, place))
        signwise.prepare(place.folder / "drawn", place.data)
        for name, function in replaced.items():
            setattr(scan, name, function)

    return work


def _list_drawn(place: Place, source: Path, **_: object) -> "Listing":
    """What lies there if the pictures were written, in the order of the paths."""
    from signwise.data.sources import COLUMNS, Listing

    each = place.count // len(CLASSES)
    labels = [label for label in CLASSES for _ in range(each)]
    paths = [
        str(place.path(number * len(CLASSES) + kind).relative_to(place.photos))
        for kind in range(len(CLASSES))
        for number in range(each)
    ]
    within = [path.partition("/")[2] for path in paths]
    columns: dict[str, object] = dict.fromkeys(COLUMNS, "")
    columns |= {"path": paths, "label": labels, "within": within}
    table = pd.DataFrame(columns, dtype=object)
    return Listing(table=table, root=source.resolve(), skipped=Counter())


def _inspect_drawn(
    place: Place,
    listing: pd.DataFrame,
    root: Path,
    size: int,
    crop: str,
    max_pixels: int,
    pixels: Path,
) -> "_Inspections":
    """What reading them would find, and their pixels in the array file."""
    from signwise.data.quality import SIGNATURE_SIDE, Inspection, fingerprint
    from signwise.data.scan import _Inspections

    wanted = ("drawn", SIDE, "none", MAX_PIXELS)
    assert (root.name, size, crop, max_pixels) == wanted
    found = _Inspections(len(listing))
    array = np.lib.format.open_memmap(pixels, mode="r+")
    each, half = place.count // len(CLASSES), SIDE // SIGNATURE_SIDE
    for start in range(0, place.count, CHUNK):
        pictures = draw(start // CHUNK)[: place.count - start]
        grey = pictures.mean(axis=3, dtype=np.float32)
        small = grey.reshape(-1, SIGNATURE_SIDE, half, SIGNATURE_SIDE, half).mean(axis=(2, 4))
        looks = [
            Inspection(
                problem="truncated" if (start + at) % BROKEN == BROKEN - 1 else "",
                sha256=sha256_bytes(pictures[at].tobytes()),
                width=SIDE,
                height=SIDE,
                brightness=0.5,
                contrast=0.2,
                sharpness=0.4,
                fingerprint=fingerprint(small[at]),
                signature=small[at].astype(np.uint8).tobytes(),
            )
            for at in range(len(pictures))
        ]
        for kind in range(len(CLASSES)):
            row = kind * each + start // len(CLASSES)
            block = pictures[kind :: len(CLASSES)]
            found.put(row, looks[kind :: len(CLASSES)])
            array[row : row + len(block)] = block
    array.flush()
    return found


def prepare_all(place: Place) -> Callable[[], None]:
    """`signwise prepare`."""
    import signwise

    def work() -> None:
        signwise.prepare(place.photos, place.data)

    return work


def cache_all(place: Place) -> Callable[[], None]:
    """The cache of another size, as `train` fills it where it is missing."""
    from signwise.data.manifest import load_data
    from signwise.data.pixels import cache_path, load_pixels

    data = load_data(place.data)
    cache_path(place.data, OTHER_SIZE).unlink(missing_ok=True)

    def work() -> None:
        load_pixels(data, OTHER_SIZE)
        cache_path(place.data, OTHER_SIZE).unlink()

    return work


def epoch(place: Place) -> Callable[[], None]:
    """One epoch of a small network from scratch."""
    import torch

    from signwise.data.manifest import load_data
    from signwise.training.loop import run_epoch
    from signwise.training.network import build_model
    from signwise.training.optim import make_train_state
    from signwise.training.pools import gather, look_at, traits_of

    data = load_data(place.data)
    asked = TrainConfig(
        model=NETWORK, image_size=IMAGE_SIZE, unknown="none", weights="none", class_weights="none"
    )
    seen = look_at(data, asked.negatives)
    config = asked.resolve(traits_of(data, asked, seen))
    pools = gather(data, config, seen).data
    torch.manual_seed(0)
    network = build_model(NETWORK, len(data.classes), IMAGE_SIZE, "none")
    state = make_train_state(network, config)

    def work() -> None:
        run_epoch(state, pools, config, 1, torch.device("cpu"))

    return work


def predict_all(place: Place) -> Callable[[], None]:
    """`signwise predict` of the folder, as CSV."""
    import signwise

    write_model(place.run / "model.onnx")

    def work() -> None:
        out = place.folder / "predictions.csv"
        signwise.predict(place.run, place.photos, out=out, keep_rows=False)

    return work


def evaluate_all(place: Place) -> Callable[[], None]:
    """`signwise evaluate --split all` of a run, its report included.

    Its groups are taken for signs, so that intervals by sign are computed too.
    """
    import signwise

    write_model(place.run / "model.onnx")
    shutil.copyfile(place.data / "manifest.csv", place.run / "manifest.csv")
    facts = (place.data / "data.json").read_text(encoding="utf-8")
    write_text(place.data / "data.json", facts.replace('"duplicates"', '"csv"'))

    def work() -> None:
        signwise.evaluate(place.run, place.data, split="all")

    return work


PARTS: dict[str, Callable[[Place], Callable[[], None]]] = {
    "prepare, drawn": prepare_drawn,
    "prepare": prepare_all,
    "predict": predict_all,
    "evaluate": evaluate_all,
    "cache": cache_all,
    "hash": hash_all,
    "quality": inspect_all,
    "epoch": epoch,
}


@contextmanager
def timed_calls(named: dict[str, list[str]], steps: list[Step]) -> Iterator[None]:
    """Note each call of the functions of these names while the block runs."""
    undo: list[tuple[Any, str, Any]] = []
    for name, places in named.items():
        for place in places:
            module, attribute = place.split(":")
            where = importlib.import_module(f"signwise.{module}")
            function = getattr(where, attribute)
            undo.append((where, attribute, function))
            setattr(where, attribute, _noting(function, name, steps))
    try:
        yield
    finally:
        for where, attribute, function in undo:
            setattr(where, attribute, function)


def _noting(function: Callable[..., Any], name: str, steps: list[Step]) -> Callable[..., Any]:
    @wraps(function)
    def noting(*args: Any, **kwargs: Any) -> Any:
        with timed(name, steps):
            return function(*args, **kwargs)

    return noting


@contextmanager
def timed(name: str, steps: list[Step]) -> Iterator[None]:
    """Note the block as a step."""
    cpu, start = tree_seconds(), time.monotonic()
    yield
    end = time.monotonic()
    steps.append(Step(name=name, start=start, end=end, cpu=tree_seconds() - cpu))


def tree_seconds() -> float:
    """CPU seconds of this process, of its workers, and of those that it waited for."""
    own = psutil.Process()
    total = 0.0
    for process in (own, *own.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total
