"""Look for inputs that break a reader: fuzzing.py images|csv --minutes M --out FOLDER.

Inputs are made from sound ones by chance. They go to a process of its own limits, so that a crash,
a hang and a run for memory are found too; what was found is written to FOLDER. Put it into
tests/corpus/, where the tests replay it.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

from hostile import crafted, mutated, sound_pictures
from signwise.data.images import read_image
from signwise.errors import SignwiseError

MEMORY = 3 * 2**30
SLOW = 10.0
TABLES = (
    b"path,label\n1.png,a\n2.png,b\n",
    b"\xef\xbb\xbfPath,Label,Group,Split\n1.png,stop,g1,train\nb\\2.png,priority,g2,TEST\n",
    b'path,label,split\n"a,b.png","two\nlines",train\n/x/y.png,"quo""ted",val\nz.png,NA,test\n',
    "path;label\nä.png;vorfährt\n".encode(),
    "path,label\nä.png,vorfa\u0308hrt\n".encode("utf-16"),
    b"path,label,group,split\r\n" + b"1.png,001,,dev\r\n" * 40,
    b"path,label\n" + b"x\0y.png,=1+1\n" * 3,
)


def read(kind: str, content: bytes, place: Path) -> None:
    """What is fuzzed: it may raise nothing but SignwiseError."""
    try:
        if kind == "images":
            pixels = read_image(content, 8, max_pixels=4_000_000)
            assert pixels.shape == (8, 8, 3)
        else:
            from signwise.data.sources import list_source

            table = place / "table.csv"
            table.write_bytes(content)
            listed = list_source(table)
            assert set(listed.table["split"]) <= {"", "train", "val", "test"}
    except SignwiseError as error:
        if not str(error).isprintable():
            raise AssertionError(f"not one line that a terminal can show: {error!r}") from None


def work(kind: str, seconds: float, seed: int, place: Path) -> None:
    """Read inputs until the time is over; the one at work always lies in `place`."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    rng = np.random.default_rng(seed)
    sound = [*sound_pictures().values(), *crafted().values()] if kind == "images" else list(TABLES)
    current, count, end = place / "current", 0, time.monotonic() + seconds
    while time.monotonic() < end:
        content = mutated(sound[int(rng.integers(0, len(sound)))], rng, sound)
        current.write_bytes(content)
        began = time.process_time()
        try:
            read(kind, content, place)
        except Exception as error:
            print(f"failed: {error!r}"[:300], flush=True)
            sys.exit(3)
        if time.process_time() - began > SLOW:
            print(f"slow: {time.process_time() - began:.1f} s", flush=True)
            sys.exit(4)
        count += 1
        if count % 500 == 0:
            (place / "count").write_text(str(count))
    (place / "count").write_text(str(count))


def main() -> None:
    """Start workers until the time is over, and keep what ended one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("images", "csv"))
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--worker", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.worker:
        work(options.kind, options.worker, options.seed, options.out)
        return
    end, seed, found, total = (
        time.monotonic() + 60 * options.minutes,
        options.seed,
        Counter[str](),
        0,
    )
    while (left := end - time.monotonic()) > 0:
        (options.out / "count").write_text("0")
        command = [
            sys.executable,
            __file__,
            options.kind,
            "--seed",
            str(seed),
            "--out",
            options.out,
        ]
        try:
            done = subprocess.run(
                [*command, "--worker", str(left)],
                stdout=subprocess.PIPE,
                text=True,
                timeout=left + 120,
            )
            code, said = done.returncode, done.stdout.strip()
        except subprocess.TimeoutExpired:
            code, said = -1, "hung"
        total += int((options.out / "count").read_text())
        if code:
            found[said or f"exit status {code}"] += 1
            name = f"{options.kind}-{seed}"
            (options.out / f"{name}.bin").write_bytes((options.out / "current").read_bytes())
            (options.out / f"{name}.txt").write_text(f"{code} {said}\n")
            print(name, code, said, flush=True)
        seed += 1
    print(json.dumps({"inputs": total, "found": found, "cores": os.cpu_count()}))


if __name__ == "__main__":
    main()
