"""Memory while a network trains."""

import json
import os
import platform
import subprocess
import sys

import pytest

from signwise.training.memory import SET_BY_HAND

FAULTS = """
import json, resource
from signwise.training.memory import free_memory_kept

SIZE = 2**26

def faults(size=SIZE):
    "Pages that the system cleared while a large block was asked for, written and freed."
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    b"x" * size
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    return int(open("/proc/self/statm").read().split()[1])

found = [faults() for _ in range(3)]
with free_memory_kept():
    kept = [faults() for _ in range(3)]
    within = resident()
after = resident()
again = [faults() for _ in range(3)]
small = [faults(2**22) for _ in range(3)]
print(json.dumps([found, kept, again, small, [within - after]]))
"""
PAGES = 2**26 // 4096

on_glibc = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="another operating system: glibc alone does this"
)


def counted(**environment: str) -> list[list[int]]:
    """Pages cleared at three turns each: before, within, after, and after by smaller blocks; then
    those given back at the end.
    """
    plain = {name: value for name, value in os.environ.items() if name not in SET_BY_HAND}
    done = subprocess.run(
        [sys.executable, "-c", FAULTS],
        env=plain | environment,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    counts: list[list[int]] = json.loads(done.stdout)
    return counts


@on_glibc
def test_what_is_freed_is_there_at_the_next_step_and_given_back_at_the_end() -> None:
    before, kept, after, small, (given_back,) = counted()
    assert min(before) > PAGES // 2
    assert max(kept[1:]) < PAGES // 50
    assert min(after) > PAGES // 2
    # Blocks of up to 32 MB are kept then, as in any process that has used larger ones.
    assert max(small[1:]) < PAGES // 50
    assert given_back > PAGES // 2


@on_glibc
@pytest.mark.parametrize(
    ("name", "value"),
    [("MALLOC_TRIM_THRESHOLD_", "131072"), ("MALLOC_MMAP_THRESHOLD_", "131072")],
)
def test_what_the_environment_says_of_memory_is_left_as_it_is(name: str, value: str) -> None:
    assert min(counted(**{name: value})[1]) > PAGES // 2
