"""How long whole processes take: `python bench/startup.py [MODEL [PICTURE]]`.

Without MODEL a ResNet-18 without training is exported (that takes torch); without PICTURE one is
drawn. Beside the commands stands what nobody can do without: Python that imports numpy, Pillow and
ONNX Runtime and builds the session. CPU seconds tell a slow program from a busy machine. The last
line is one JSON document.
"""

import datetime
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from resnet import export_resnet18

ROUNDS = 15
GOALS = {"predict": 0.6, "help": 0.3}
FLOOR = """
import sys, numpy, PIL.Image, onnxruntime
options = onnxruntime.SessionOptions()
onnxruntime.InferenceSession(open(sys.argv[1], "rb").read(), options)
"""


def measure(commands: dict[str, list[str]]) -> dict[str, dict[str, float]]:
    """Seconds of each command in rounds that alternate, after one round that warms the disk."""
    wall: dict[str, list[float]] = {name: [] for name in commands}
    cpu: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(ROUNDS + 1):
        for name, command in commands.items():
            before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            seconds, after = (
                time.perf_counter() - start,
                resource.getrusage(resource.RUSAGE_CHILDREN),
            )
            if number > 0:
                wall[name].append(seconds)
                cpu[name].append(
                    after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
                )
    return {
        name: {
            "median_seconds": round(statistics.median(wall[name]), 3),
            "least_seconds": round(min(wall[name]), 3),
            "most_seconds": round(max(wall[name]), 3),
            "median_cpu_seconds": round(statistics.median(cpu[name]), 3),
        }
        for name in commands
    }


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main(arguments: list[str]) -> None:
    """Print a line a command and the JSON document."""
    program = shutil.which("signwise", path=str(Path(sys.executable).parent)) or "signwise"
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "one.png"
        Image.radial_gradient("L").convert("RGB").resize((48, 48)).save(picture)
        model = arguments[0] if arguments else str(export_resnet18(Path(folder) / "model.onnx"))
        path = arguments[1] if len(arguments) > 1 else str(picture)
        figures = measure(
            {
                "predict": [program, "predict", model, path],
                "help": [program, "--help"],
                "floor": [sys.executable, "-c", FLOOR, str(Path(model))],
                "python": [sys.executable, "-c", "pass"],
            }
        )
    for name, found in figures.items():
        goal = f", goal {GOALS[name]}" if name in GOALS else ""
        wall, cpu = found["median_seconds"], found["median_cpu_seconds"]
        print(f"{name:8} {wall:.3f} s{goal} ({cpu:.3f} CPU)")
    machine = {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    document = {
        "bench": "startup",
        "date": datetime.date.today().isoformat(),
        "machine": machine | {"load": round(os.getloadavg()[0], 1)},
        "n": ROUNDS,
        "goals_seconds": GOALS,
        "figures": figures,
        "reached": all(figures[name]["median_seconds"] <= goal for name, goal in GOALS.items()),
    }
    print(json.dumps(document))


if __name__ == "__main__":
    main(sys.argv[1:])
