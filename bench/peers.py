"""signwise and what people would take instead, at one task on one machine.

    python bench/peers.py --out OUT --peers PEERS/bin/python [--data ../shared/data] [--save]
        [--only TOOL...] [--cells CELL...] [--pictures N] [--epochs N] [--again] [--quick]

A cell is one tool and one measurement: what it installs, how long its import takes, training from
photos to 99.5 % right on validation and to its end, answering (small PNGs, photos of 12
megapixels, one picture in a running process, one in a process of its own), and what it says of
pictures that it must know and of pictures of no class. bench/peer_tools.py holds the tools; all but
signwise run in the environment of bench/peers.txt. A cell that ends is a line of OUT/cells.jsonl,
so that the benchmark can be stopped and goes on; --again measures anew. Signs are those of
`--data`, by their tracks; without it, and with --quick, they are rendered. The last line is one
JSON document.
"""

import csv
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

import record
import signwise
from images import photo
from peer_tools import TOOLS, WORKERS, Tool
from signwise.data.manifest import load_data
from signwise.data.walk import walk
from signwise.model_file.read import find_model
from signwise.runtime import OPENMP_WAITING, available_cores

BENCH = Path(__file__).parent
GOAL = 0.995
SURE = 0.9
SMALL, LARGE, NONE, ONES = 2880, 12, 1000, 200
"""Pictures: PNGs, photos of 12 megapixels, of no class, and one by one."""
SIDE, LARGE_SIDES = 32, (4000, 3000)
QUICK = {"SMALL": 200, "LARGE": 2, "NONE": 50, "ONES": 20}
MOST_LOAD = 1.5
"""Of a core; the benchmark itself makes about 1."""
IMAGENET = "mobilenet_v2_imagenet.pth"
SHIPPED = {"signwise, as it ships": "priority-stop"}
"""Models that are not trained here."""
TOOLS_OF: dict[str, Tool] = {**dict.fromkeys(SHIPPED, TOOLS["signwise"]), **TOOLS}
EPOCH = re.compile(r"^epoch \d+: validation accuracy ([\d.]+)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One measurement of one tool."""

    tool: str
    cell: str
    values: dict[str, float]
    seconds: float
    """From its begin to its end, its preparations included."""
    date: str
    code: str
    """The commit."""
    load: float
    """Processes that wanted to run when it ended, its own among them."""
    nice: int
    """Its priority, 19 the lowest."""


@dataclass(frozen=True, kw_only=True)
class PeerRow:
    """All measurements of one tool."""

    tool: str
    learns: str
    values: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What a process took."""

    seconds: float
    cpu_seconds: float
    """Of all processes below it, too."""
    output: str
    ends: tuple[tuple[float, float], ...] = ()
    """Of each epoch: seconds since the start, and accuracy on validation."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where everything lies, and what is asked for."""

    out: Path
    peers: Path
    """A Python with the tools."""
    data: Path | None
    epochs: int | None
    pictures: int | None
    """To train on, of each class."""
    rounds: int
    """Whose medians count."""

    def python(self, tool: str) -> Path:
        """The Python that has the tool."""
        return Path(sys.executable) if TOOLS_OF[tool].package == "signwise" else self.peers

    def model(self, tool: str) -> Path:
        """What the tool wrote when it was trained, or the name of a model that ships."""
        return Path(SHIPPED.get(tool) or self.out / "models" / re.sub(r"\W+", "-", tool))

    def run(self, tool: str, *arguments: object) -> Spent:
        """One command of bench/peer_tools.py."""
        return run([self.python(tool), BENCH / "peer_tools.py", name_of(tool), *arguments], self)


def name_of(tool: str) -> str:
    """What bench/peer_tools.py calls it."""
    return "signwise" if tool in SHIPPED else tool


def run(command: Sequence[object], place: Place) -> Spent:
    """Run a command to its end, its output added to the log, and note when epochs end."""
    log = place.out / "log.txt"
    scratch = place.out / "scratch"
    scratch.mkdir(exist_ok=True)
    # Nobody sends or fetches anything, and threads wait in the same way.
    environment = {
        **os.environ,
        **OPENMP_WAITING,
        "XDG_CACHE_HOME": str(scratch / "cache"),
        "YOLO_CONFIG_DIR": str(scratch),
        "YOLO_OFFLINE": "true",
        "HF_HUB_OFFLINE": "1",
        "PYTHONUNBUFFERED": "1",
    }
    ends, lines = [], []
    start = time.perf_counter()
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ {' '.join(map(str, command))}\n")
        file.flush()
        started = subprocess.Popen(
            [str(part) for part in command],
            stdout=subprocess.PIPE,
            stderr=file,
            env=environment,
            cwd=scratch,
            text=True,
        )
        assert started.stdout is not None
        for line in started.stdout:
            lines.append(line)
            if found := EPOCH.match(line):
                ends.append((time.perf_counter() - start, float(found[1])))
        file.writelines(lines)
        _, status, usage = os.wait4(started.pid, 0)
        started.returncode = os.waitstatus_to_exitcode(status)
    if started.returncode:
        sys.exit(f"{command[0]} ended with status {started.returncode}: see {log}")
    return Spent(
        seconds=time.perf_counter() - start,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        output="".join(lines),
        ends=tuple(ends),
    )


# The pictures.


def signs(place: Place) -> Path:
    """A folder of train/, val/ and test/, by tracks: real signs, or rendered ones."""
    photos = place.out / "photos"
    if photos.is_dir():
        return photos
    source = None if place.data is None else place.data / "priority-stop" / "total"
    if source is None:
        source = place.out / "rendered"
        signwise.synth(source, per_class=SMALL // 20 * 3)
    prepared = place.out / "prepared"
    signwise.prepare(source, prepared)
    data = load_data(prepared)
    draft = place.out / "photos-begun"
    shutil.rmtree(draft, ignore_errors=True)
    for (split, label), rows in data.table.groupby(["split", "label"]):
        folder = draft / str(split) / str(label)
        folder.mkdir(parents=True)
        paths = list(rows["path"])
        few = place.pictures if split == "train" else None
        for path in paths[:: max(1, len(paths) // few)][:few] if few else paths:
            shutil.copyfile(data.root / path, folder / Path(path).name)
    draft.rename(photos)
    return photos


def rendered(place: Place) -> tuple[Path, Path]:
    """Rendered PNGs of 32 pixels: of signs, and of no class."""
    small, none = place.out / "small", place.out / "none"
    if not none.is_dir():
        signwise.synth(small, per_class=SMALL // 2, size=SIDE, negatives=place.out / "none-begun")
        (place.out / "none-begun").rename(none)
    return small, none


def large(place: Place) -> Path:
    """Photos of 12 megapixels, drawn."""
    folder = place.out / "large"
    if not folder.is_dir():
        draft = place.out / "large-begun"
        draft.mkdir(exist_ok=True)
        random = np.random.default_rng(0)
        for number in range(LARGE):
            photo(*LARGE_SIDES, random).save(draft / f"{number}.jpg", quality=90)
        draft.rename(folder)
    return folder


def others(place: Place) -> list[str]:
    """Pictures of no class: GTSRB's other classes where they are at hand, and rendered ones."""
    paths = thinned(list(walk(rendered(place)[1])), NONE)
    if place.data is not None:
        folder = place.out / "others"
        if not folder.is_dir():
            with zipfile.ZipFile(place.data / "gtsrb-train.zip") as archive:
                names = [
                    name
                    for name in sorted(archive.namelist())
                    if name.endswith(".webp") and not re.search(r"/000(12|14)/", name)
                ]
                for name in thinned(names, NONE):
                    archive.extract(name, place.out / "others-begun")
            (place.out / "others-begun").rename(folder)
        paths = list(walk(folder))
    return paths


def thinned(paths: Sequence[str], most: int) -> list[str]:
    """Some that are spread over all."""
    return list(paths[:: max(1, len(paths) // most)][:most])


def listed(place: Place, name: str, paths: Iterable[object]) -> Path:
    """A file with a path a line."""
    path = place.out / f"{name}.txt"
    path.write_text("".join(f"{one}\n" for one in paths), encoding="utf-8")
    return path


# The cells.


def install(tool: str, place: Place) -> dict[str, float]:
    """What is installed to answer, and to train."""
    one = TOOLS_OF[tool]
    training = () if tool in SHIPPED else one.extras
    # signwise answers without PyTorch; the others answer with what they train with.
    answering = () if one.package == "signwise" else training
    values = {}
    for what, extra in (("answering", answering), ("training", training)):
        command = [place.python(tool), BENCH / "installed.py", one.module, one.package, *extra]
        found = last_line(run(command, place))
        values[f"installed_mb_{what}"] = found["bytes"] / 1e6
        values[f"packages_{what}"] = found["packages"]
    return values


def first_import(tool: str, place: Place) -> dict[str, float]:
    """Python that imports the tool and ends: medians."""
    command = [place.python(tool), "-c", f"import {TOOLS_OF[tool].module}"]
    return medians([run(command, place) for _ in range(place.rounds)], "import")


def train(tool: str, place: Place) -> dict[str, float]:
    """The whole command, and when it reached the goal on validation."""
    one, model = TOOLS_OF[tool], place.model(tool)
    model.parent.mkdir(exist_ok=True)
    for left in model.parent.glob(f"{model.name}*"):
        if left.is_dir() and left.name in (model.name, f"{model.name}-data"):
            shutil.rmtree(left)
    arguments: list[object] = ["train", signs(place), model]
    epochs = one.epochs if place.epochs is None else place.epochs
    arguments += [] if epochs is None else ["--epochs", epochs]
    if "ImageNet" in tool:
        assert place.data is not None
        arguments += ["--weights", place.data / IMAGENET]
    spent = place.run(tool, *arguments)
    values = {
        "epochs": len(spent.ends),
        "best_accuracy": max(accuracy for _, accuracy in spent.ends),
        "training_seconds": spent.seconds,
        "training_cpu": spent.cpu_seconds,
        "training_peak_mb": last_line(spent)["peak_mb"],
    }
    reached = [seconds for seconds, accuracy in spent.ends if accuracy >= GOAL]
    return values | ({"goal_seconds": reached[0]} if reached else {})


def small(tool: str, place: Place) -> dict[str, float]:
    """Rendered PNGs of 32 pixels, from paths to answers; and one by one."""
    pictures = listed(place, "small", walk(rendered(place)[0]))
    found, _ = answered(tool, place, pictures, "--rounds", place.rounds, "--ones", ONES)
    ones = sorted(found["ones"])
    model = place.model(tool)
    file = find_model(model) if tool in SHIPPED else model / TOOLS_OF[tool].deployed
    return rates(found, "small") | {
        "deployed_mb": file.stat().st_size / 1e6,
        "one_p50_ms": 1000 * statistics.median(ones),
        "one_p99_ms": 1000 * ones[min(len(ones) - 1, int(0.99 * len(ones)))],
        "answering_peak_mb": found["peak_mb"],
    }


def real(tool: str, place: Place) -> dict[str, float]:
    """The photos themselves, in all splits and sizes."""
    if place.data is None:
        return {}
    pictures = listed(place, "real", walk(place.data / "priority-stop" / "total"))
    return rates(answered(tool, place, pictures, "--rounds", place.rounds)[0], "real")


def phone_photos(tool: str, place: Place) -> dict[str, float]:
    """Photos of 12 megapixels."""
    found, _ = answered(
        tool, place, listed(place, "large", walk(large(place))), "--rounds", place.rounds
    )
    return rates(found, "large") | {"large_peak_mb": found["peak_mb"]}


def process(tool: str, place: Place) -> dict[str, float]:
    """One picture by a process of its own: medians."""
    first = next(iter(walk(rendered(place)[0])))
    if TOOLS_OF[tool].package == "signwise":
        command = [sys.executable, "-m", "signwise", "predict", place.model(tool), first]
        return medians([run(command, place) for _ in range(place.rounds)], "process")
    one = listed(place, "one", [first])
    runs = [answered(tool, place, one)[1] for _ in range(place.rounds)]
    return medians(runs, "process")


def judge(tool: str, place: Place) -> dict[str, float]:
    """Answers to test photos, and to pictures of no class."""
    if tool in SHIPPED:  # it was trained on other tracks, some of which are tested here
        return {}
    right, wrong = list(walk(signs(place) / "test")), others(place)
    rows = place.out / "judged.csv"
    answered(tool, place, listed(place, "judged", [*right, *wrong]), "--rows", rows)
    with rows.open(encoding="utf-8") as file:
        answers = list(csv.DictReader(file))
    sure = [row["label"] != "unknown" and float(row["confidence"]) > SURE for row in answers]
    hits = [row["label"] == Path(path).parent.name for row, path in zip(answers, right)]  # noqa: B905
    return {
        "n": len(right),
        "right": sum(hits),
        "none_n": len(wrong),
        "none_sure": sum(sure[len(right) :]),
    }


CELLS: dict[str, Callable[[str, Place], dict[str, float]]] = {
    "install": install,
    "train": train,
    "judge": judge,
    "small": small,
    "real": real,
    "process": process,
    "large": phone_photos,
    "import": first_import,
}


def answered(
    tool: str, place: Place, pictures: Path, *flags: object
) -> tuple[dict[str, Any], Spent]:
    """What a process with the model answered and took."""
    spent = place.run(tool, "answer", place.model(tool), pictures, *flags)
    return last_line(spent), spent


def last_line(spent: Spent) -> dict[str, Any]:
    """The JSON document that a process ended with."""
    found: dict[str, Any] = json.loads(spent.output.splitlines()[-1])
    return found


def rates(found: dict[str, Any], name: str) -> dict[str, float]:
    """Images a second, by the clock and of the CPU: medians of the rounds."""
    count = found["pictures"]
    return {
        f"{name}_n": count,
        f"{name}_per_second": count / statistics.median(found["rounds"]),
        f"{name}_per_cpu_second": count / statistics.median(found["cpu"]),
    }


def medians(runs: Sequence[Spent], name: str) -> dict[str, float]:
    """Of seconds and of CPU seconds."""
    return {
        f"{name}_seconds": statistics.median(one.seconds for one in runs),
        f"{name}_cpu": statistics.median(one.cpu_seconds for one in runs),
    }


# The whole.


def measure(tool: str, cell: str, place: Place) -> Cell:
    """One cell."""
    start = time.perf_counter()
    values = CELLS[cell](tool, place)
    return Cell(
        tool=tool,
        cell=cell,
        values={name: record.rounded(value) for name, value in values.items()},
        seconds=round(time.perf_counter() - start, 1),
        date=time.strftime("%Y-%m-%d"),
        code=commit(),
        load=round(os.getloadavg()[0], 1),
        nice=os.getpriority(os.PRIO_PROCESS, 0),
    )


def commit() -> str:
    """The commit that is checked out, empty where git does not know."""
    command = ["git", "-C", str(BENCH), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout.strip()


def read_cells(path: Path) -> dict[tuple[str, str], Cell]:
    """The cells that ended, by tool and measurement; of several the last."""
    if not path.is_file():
        return {}
    cells = [msgspec.json.decode(line, type=Cell) for line in path.read_bytes().splitlines()]
    return {(cell.tool, cell.cell): cell for cell in cells}


def add_cell(path: Path, cell: Cell) -> None:
    """Add a line."""
    with path.open("ab") as file:
        file.write(msgspec.json.encode(cell) + b"\n")


def summarise(cells: Iterable[Cell]) -> list[PeerRow]:
    """A row a tool, in the order of the tools."""
    values: dict[str, dict[str, float]] = {}
    for cell in cells:
        values.setdefault(cell.tool, {}).update(cell.values)
    return [
        PeerRow(tool=tool, learns=learns_of(tool), values=values[tool])
        for tool in TOOLS_OF
        if tool in values
    ]


def learns_of(tool: str) -> str:
    """What is trained, in words."""
    return f"nothing: `{SHIPPED[tool]}`" if tool in SHIPPED else TOOLS_OF[tool].learns


def figures_of(rows: Sequence[PeerRow], *, busy: bool = False) -> list[record.Figure]:
    """signwise to the fastest of the others; above 1 signwise is ahead.

    On a busy machine CPU time alone is compared: the clock tells what else was running.
    """
    ours = [row for row in rows if row.tool.startswith("signwise")]
    rest = [row for row in rows if not row.tool.startswith("signwise")]
    figures = []
    for what, name, more in (
        ("small PNGs a second", "small_per_second", True),
        ("small PNGs a CPU second", "small_per_cpu_second", True),
        ("photos of signs a CPU second", "real_per_cpu_second", True),
        ("photos of 12 megapixels a CPU second", "large_per_cpu_second", True),
        ("one picture in a process of its own", "process_seconds", False),
        ("one picture in a process of its own, CPU time", "process_cpu", False),
        ("to 99.5 % on validation", "goal_seconds", False),
        ("the whole training", "training_seconds", False),
        ("the whole training, CPU time", "training_cpu", False),
    ):
        if busy and "cpu" not in name:
            continue
        others = [(row.values[name], row.tool) for row in rest if name in row.values]
        for own in (row for row in ours if name in row.values and others):
            best, whose = max(others) if more else min(others)
            ratio = own.values[name] / best if more else best / own.values[name]
            figures.append(record.figure(f"{own.tool}: {what}, times {whose}", ratio))
    return figures


def versions(python: Path) -> dict[str, str]:
    """Of the packages that the peers run on."""
    code = "from importlib.metadata import distributions as all_of\n"
    code += "for one in all_of(): print(one.name, one.version)"
    done = subprocess.run([str(python), "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    found = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    names = ("torch", "torchvision", "fastai", "ultralytics", "timm", "transformers", "accelerate")
    return {f"peers' {name}": found[name] for name in names if name in found}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the cells that are missing; then sum up all that there are."""
    parser = record.arguments(__doc__)
    parser.add_argument("--out", type=Path, required=True, help="where cells and models are kept")
    parser.add_argument("--peers", type=Path, default=Path(sys.executable), help="a Python")
    parser.add_argument("--data", type=Path, help="real photos, as ../shared/data has them")
    parser.add_argument("--only", nargs="+", choices=TOOLS_OF, default=list(TOOLS_OF))
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=list(CELLS))
    parser.add_argument("--pictures", type=int, help="to train on, of each class")
    parser.add_argument("--epochs", type=int, help="in place of each tool's own")
    parser.add_argument("--rounds", type=int, default=3, help="whose medians count")
    parser.add_argument("--again", action="store_true", help="also the cells that are there")
    parser.add_argument("--quick", action="store_true", help="a few rendered pictures")
    options = parser.parse_args(arguments)
    if options.quick:
        globals().update(QUICK)
    place = Place(
        out=options.out.resolve(),
        peers=options.peers.absolute(),
        data=None if options.quick or options.data is None else options.data.resolve(),
        epochs=1 if options.quick and options.epochs is None else options.epochs,
        pictures=options.pictures,
        rounds=1 if options.quick else options.rounds,
    )
    place.out.mkdir(parents=True, exist_ok=True)
    ended = place.out / "cells.jsonl"
    for cell in options.cells:
        for tool in options.only:
            if (tool in SHIPPED and cell == "train") or (place.data is None and "ImageNet" in tool):
                continue
            if (tool, cell) in read_cells(ended) and not options.again:
                continue
            found = measure(tool, cell, place)
            print(found, flush=True)
            add_cell(ended, found)
    cells = list(read_cells(ended).values())
    rows = summarise(cells)
    loads, levels = [cell.load for cell in cells], {cell.nice for cell in cells}
    photos = sum(1 for _ in walk(signs(place) / "train"))
    record.finish(
        "peers",
        options,
        how="bench/peers.py --out OUT --peers PYTHON --data DATA"
        + (f" --pictures {options.pictures}" if options.pictures else "")
        + f" --rounds {place.rounds}",
        n=photos,
        counted=(
            f"pictures to train on, one run; {len(cells)} cells, priority"
            f" {', '.join(map(str, sorted(levels)))} (19 is the lowest), load {min(loads)} to"
            f" {max(loads)}, {WORKERS} workers"
        ),
        figures=figures_of(rows, busy=max(loads) > MOST_LOAD * available_cores()),
        rows=rows,
        versions=versions(place.peers),
    )


if __name__ == "__main__":
    main()
