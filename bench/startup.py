"""How long whole processes take: `python bench/startup.py [MODEL [PICTURE]]`.

Without MODEL a ResNet-18 without training is exported (that takes torch); without PICTURE one is
drawn. Beside the commands stands what nobody can do without: Python that imports numpy, Pillow and
ONNX Runtime and builds the session. CPU seconds tell a slow program from a busy machine. The last
line is one JSON document.
"""

import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

import record
from resnet import export_resnet18
from signwise.model_file.read import find_model

ROUNDS = 15
GOALS = {"predict": 0.6, "help": 0.3}
"""Seconds."""
WORDS = {
    "predict": "one prediction, the whole process",
    "help": "signwise --help",
    "floor": "what nobody can do without for a prediction",
    "python": "Python alone",
}
FLOOR = """
import sys, numpy, PIL.Image, onnxruntime
options = onnxruntime.SessionOptions()
onnxruntime.InferenceSession(open(sys.argv[1], "rb").read(), options)
"""


@dataclass(frozen=True, kw_only=True)
class Times:
    """Seconds of one command, round by round."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def measure(commands: dict[str, list[str]], rounds: int) -> dict[str, Times]:
    """Times of each command in rounds that alternate, after one round that warms the disk."""
    times = {name: Times() for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            before, start = children_seconds(), time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            seconds, after = time.perf_counter() - start, children_seconds()
            if number > 0:
                times[name].wall.append(seconds)
                times[name].cpu.append(after - before)
    return times


def children_seconds() -> float:
    """CPU seconds of all processes that this one started."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line a command and the JSON document."""
    parser = record.arguments(__doc__)
    parser.add_argument("model", nargs="?")
    parser.add_argument("picture", type=Path, nargs="?")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args(arguments)
    program = shutil.which("signwise", path=str(Path(sys.executable).parent)) or "signwise"
    with tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder) / "one.png"
        Image.radial_gradient("L").convert("RGB").resize((48, 48)).save(drawn)
        model = options.model or str(export_resnet18(Path(folder) / "model.onnx"))
        times = measure(
            {
                "predict": [program, "predict", model, str(options.picture or drawn)],
                "help": [program, "--help"],
                "floor": [sys.executable, "-c", FLOOR, str(find_model(model))],
                "python": [sys.executable, "-c", "pass"],
            },
            options.rounds,
        )
    figures = []
    for name, found in times.items():
        wall, cpu = (statistics.median(values) for values in (found.wall, found.cpu))
        goal = GOALS.get(name)
        figures.append(record.figure(WORDS[name], wall, "s", spread=found.wall, goal=goal))
        figures.append(record.figure(f"{WORDS[name]}, of the CPU", cpu, "s", spread=found.cpu))
    record.finish(
        "startup",
        options,
        variant="" if options.model is None else Path(options.model).name,
        n=options.rounds,
        counted="rounds, medians",
        figures=figures,
    )


if __name__ == "__main__":
    main()
