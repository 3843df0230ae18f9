"""Kill runs at random times, resume them, and compare with one left alone, bit for bit.

    python bench/kill_resume.py [--kills 20] [--seed 0] [--processes 1]

Times are drawn over the whole life of a run, start-up and export included. With more processes
torchrun trains: one of them, at random, is killed, and torchrun starts all again, which were told
to resume from the first. The last line is one JSON document; the exit status is 1 if any run ended
in other bits.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors.numpy import load_file

import record

EPOCHS = 3
COMPARED = ("model.onnx", "manifest.csv", "config.json")
"""What a run must end with in the same bytes; the rest says how many seconds an epoch took."""


@dataclass(frozen=True, kw_only=True)
class KillRow:
    """One run that was killed and resumed."""

    seconds: float
    """After so many it was killed."""
    ended: bool
    """Whether it had ended before."""
    different: list[str]
    """What differs from the run that was left alone."""


def command(*arguments: object) -> list[str]:
    """The command line of a verb in this Python."""
    return [sys.executable, "-m", "signwise", *map(str, arguments)]


def train(data: Path, out: Path, *, resume: bool, processes: int = 1) -> list[str]:
    """The command line of a small run; one thread, since the same bits need the same threads."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
    torchrun += ["--max-restarts", "1", "--master-port", str(free_port())]
    begin = command() if processes == 1 else [*torchrun, "-m", "signwise"]
    settings = (
        "--weights",
        "none",
        "--epochs",
        EPOCHS,
        "--image-size",
        16,
        "--batch-size",
        16,
        "--threads",
        1,
    )
    more = ("--resume",) if resume else ()
    return [*begin, *map(str, ("train", data, "--out", out, *settings, "--seed", 5, *more))]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as some:
        some.bind(("127.0.0.1", 0))
        return int(some.getsockname()[1])


def kill_worker_at(arguments: list[str], seconds: float, number: int) -> bool:
    """Let torchrun work to the end, but kill one of its workers after so many seconds.

    Tells whether it had ended before.
    """
    with subprocess.Popen(
        arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        until = time.monotonic() + seconds
        while time.monotonic() < until and process.poll() is None:
            time.sleep(0.01)
        ended = process.poll() is not None
        workers = [] if ended else children(process.pid)
        if workers:
            os.kill(workers[number % len(workers)], signal.SIGKILL)
        _, said = process.communicate()
    if process.returncode != 0:
        sys.exit(f"{' '.join(arguments)}: status {process.returncode}\n{said}")
    return ended


def children(process: int) -> list[int]:
    """The processes that this one started (Linux)."""
    listing = Path(f"/proc/{process}/task/{process}/children")
    return sorted(map(int, listing.read_text().split()))


def kill_at(arguments: list[str], seconds: float) -> bool:
    """Kill a process and its children after so many seconds; tells whether it had ended before."""
    with subprocess.Popen(
        arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return False
    return True


def differences(run: Path, reference: Path) -> list[str]:
    """The files and columns that differ, and the tensors of the weights."""
    differing = [
        name for name in COMPARED if (run / name).read_bytes() != (reference / name).read_bytes()
    ]
    weights, wanted = (load_file(folder / "model.safetensors") for folder in (run, reference))
    differing += [
        name
        for name in weights.keys() | wanted.keys()
        if name not in weights
        or name not in wanted
        or weights[name].tobytes() != wanted[name].tobytes()
    ]
    rows = [
        [line.rsplit(",", 1)[0] for line in (folder / "history.csv").read_text().splitlines()]
        for folder in (run, reference)
    ]
    return differing + (["history.csv"] if rows[0] != rows[1] else [])


def main(given: Sequence[str] | None = None) -> int:
    """Run the experiment; gives the exit status."""
    parser = record.arguments(__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args(given)
    random_time = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        run_quietly(command("synth", work / "photos", "--per-class", 30, "--size", 32))
        run_quietly(command("prepare", work / "photos", "--out", work / "data"))
        start = time.perf_counter()
        processes = options.processes
        run_quietly(train(work / "data", work / "reference", resume=False, processes=processes))
        life = time.perf_counter() - start
        rows: list[KillRow] = []
        for number in range(options.kills):
            run = work / f"run{number}"
            # One time from each stretch of the run's life: by chance alone some would stay empty.
            seconds = life * (number + random_time.random()) / options.kills
            if processes > 1:
                arguments = train(work / "data", run, resume=True, processes=processes)
                ended = kill_worker_at(arguments, seconds, random_time.randrange(processes))
            else:
                ended = kill_at(train(work / "data", run, resume=False), seconds)
                run_quietly(train(work / "data", run, resume=True))
            different = differences(run, work / "reference")
            rows.append(KillRow(seconds=round(seconds, 2), ended=ended, different=different))
            print(f"{seconds:6.2f} s  {different or 'same'}", flush=True)
            shutil.rmtree(run)
    same = sum(not row.different for row in rows)
    record.finish(
        "kill_resume",
        options,
        variant="" if processes == 1 else f"processes-{processes}",
        how=f"bench/kill_resume.py --kills {options.kills} --seed {options.seed}"
        + (f" --processes {processes}" if processes > 1 else ""),
        n=options.kills,
        counted=f"runs of {EPOCHS} epochs, each killed once",
        figures=[
            record.figure("runs killed and resumed, the same bits", same, of=options.kills),
            record.figure("a run left alone", life, "s"),
        ],
        rows=rows,
    )
    return 0 if same == options.kills else 1


def run_quietly(arguments: list[str]) -> None:
    """Run to the end; on failure show what it said."""
    done = subprocess.run(arguments, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(arguments)}: status {done.returncode}\n{done.stderr}")


if __name__ == "__main__":
    sys.exit(main())
