"""Look for inputs that break a reader: fuzzing.py images|model|json|csv --minutes 30 --out FOLDER.

By atheris, which is led by the code that an input reaches. The readers are those of readers.py. It
runs in a process of its own limits, so that a crash, a hang and a run for memory are found too, and
is started again until the time is over. What was found is written to FOLDER: mend it, and put it
into tests/corpus/, where test_fuzz.py replays it.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

KINDS = ("images", "model", "json", "csv")
MEMORY = 6 * 2**30
"""Of addresses, of which the libraries take 3 before anything is read."""
RESIDENT = 1500
"""MiB."""
SLOW = 60
"""Seconds that an input may take."""
LONGEST = 2**16
"""Bytes of an input."""


def work(kind: str, seconds: int, seed: int, out: Path) -> None:
    """Read inputs until the time is over, or one breaks the reader: libFuzzer ends the process."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import atheris

    with atheris.instrument_imports(include=["signwise", "PIL"]):
        from hostile import mutated
        from readers import READERS, workshop

    reader, rng = READERS[kind], np.random.default_rng(seed)
    corpus = out / "inputs"  # what reached something new, also of an earlier round
    corpus.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        place = workshop(Path(folder))
        seeds = reader.seeds(place)
        for number, content in enumerate(seeds):
            (corpus / f"seed-{number}").write_bytes(content)

        def change(content: bytes, most: int, _: int) -> bytes:
            if rng.random() < 0.5:
                return bytes(atheris.Mutate(content, most))
            return mutated(content, rng, seeds)[:most]

        atheris.Setup(
            [
                "fuzzing", str(corpus), f"-max_total_time={seconds}", f"-seed={seed + 1}",
                f"-timeout={SLOW}", f"-rss_limit_mb={RESIDENT}", f"-max_len={LONGEST}",
                f"-artifact_prefix={out}/{kind}-", "-print_final_stats=1",
            ],
            lambda content: reader.read(content, place),
            custom_mutator=change,
        )  # fmt: skip
        atheris.Fuzz()


def main() -> None:
    """Start workers until the time is over; the last line is one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.worker:
        work(options.kind, options.worker, options.seed, options.out)
        return
    began = time.monotonic()
    total, found, seed = 0, 0, options.seed
    command = [sys.executable, __file__, options.kind, "--out", str(options.out)]
    while (left := int(60 * options.minutes - (time.monotonic() - began))) > 0:
        log = options.out / f"{options.kind}-{seed}.log"
        with log.open("w") as file:
            done = subprocess.run(
                [*command, "--seed", str(seed), "--worker", str(left)],
                stdout=file,
                stderr=subprocess.STDOUT,
                timeout=left + 300,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )
        said = log.read_text(errors="replace")
        counts = re.findall(r"stat::number_of_executed_units:\s+(\d+)", said)
        total += sum(map(int, counts))
        if done.returncode:
            found += 1
            print(f"exit status {done.returncode}: see {log}", flush=True)
        if "INITED" not in said:
            sys.exit(f"the worker did not fuzz: see {log}")
        seed += 1
    seconds = round(time.monotonic() - began)
    figures = {"kind": options.kind, "inputs": total, "found": found, "seconds": seconds}
    print(json.dumps(figures))
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
