"""One function over many items: the same results in the same order, however many processes."""

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signwise import parallel
from signwise.errors import SignwiseError
from signwise.parallel import map_chunks


def double(chunk: list[int]) -> list[int]:
    return [2 * number for number in chunk]


def fail_at_three(number: int) -> int:
    if number == 3:
        raise KeyError("number three")
    return number


def process_of(_: int) -> int:
    return os.getpid()


def after_the_last(folder: str, index: int, count: int) -> int:
    """Return only when the next index has: the first to begin are the last to end."""
    done = Path(folder)
    deadline = time.monotonic() + 60  # only a failure takes so long
    while index + 1 < count and not (done / str(index + 1)).exists():
        assert time.monotonic() < deadline, "the next one is not being worked on"
        time.sleep(0.001)
    (done / str(index)).touch()
    return index


def reversed_work(job: tuple[str, int, int]) -> int:
    return after_the_last(*job)


@given(st.lists(st.lists(st.integers(), max_size=4), max_size=12), st.sampled_from([None, 1, 2]))
@settings(max_examples=25, deadline=None)
def test_any_number_of_workers_gives_the_same_order(
    chunks: list[list[int]], workers: int | None
) -> None:
    found = map_chunks(double, chunks, total=48, chunk_size=4, workers=workers)
    assert list(found) == [double(chunk) for chunk in chunks]


def test_results_come_in_order_though_they_end_in_another(tmp_path: Path) -> None:
    jobs = [(str(tmp_path), index, 3) for index in range(3)]
    found = map_chunks(reversed_work, jobs, total=3, chunk_size=1, workers=3)
    assert list(found) == [0, 1, 2]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_the_work_comes_out_as_it_is(workers: int) -> None:
    with pytest.raises(KeyError, match="number three"):
        list(map_chunks(fail_at_three, range(6), total=6, chunk_size=1, workers=workers))


def test_a_worker_that_dies_is_an_error() -> None:
    with pytest.raises(SignwiseError, match="worker process died: is the memory full"):
        list(map_chunks(os._exit, [1, 1, 1], total=3, chunk_size=1, workers=2))


def test_one_worker_is_this_process_and_two_are_others() -> None:
    here = list(map_chunks(process_of, range(3), total=3, chunk_size=1, workers=1))
    assert here == [os.getpid()] * 3
    there = list(map_chunks(process_of, range(3), total=3, chunk_size=1, workers=2))
    assert os.getpid() not in there


def test_a_worker_has_one_thread() -> None:
    """Several would only wait for each other, as there is a worker a core."""
    threads = map_chunks(os.getenv, ["OMP_NUM_THREADS"] * 2, total=2, chunk_size=1, workers=2)
    assert list(threads) == ["1", "1"]


@pytest.mark.parametrize(
    ("total", "chunks", "options", "workers"),
    [
        (0, 0, {}, 1),
        (1999, 99, {}, 1),
        (2000, 99, {}, 2),
        (3999, 99, {}, 3),
        (10**6, 99, {}, 4),
        (10**6, 3, {}, 3),
        (20, 99, {"worth_a_process": 10}, 2),
        (1, 99, {"workers": 7}, 7),
        (1, 5, {"workers": 7}, 5),
        (1, 0, {"workers": 7}, 1),
    ],
)
def test_there_are_as_many_workers_as_the_work_is_worth(
    total: int,
    chunks: int,
    options: dict[str, int],
    workers: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []

    def results(_function: object, _chunks: object, count: int) -> Iterator[None]:
        asked.append(count)
        yield from ()

    monkeypatch.setattr(parallel, "available_cores", lambda: 4)
    monkeypatch.setattr(parallel, "_results", results)
    list(map_chunks(double, [[1]] * chunks, total=total, chunk_size=4, **options))  # type: ignore[arg-type]
    assert asked == [workers]


def test_progress_counts_pictures_and_not_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    advanced: list[int] = []
    begun: list[tuple[str, int]] = []

    class Track:
        def __init__(self, description: str, total: int) -> None:
            begun.append((description, total))

        def __enter__(self) -> object:
            return advanced.append

        def __exit__(self, *_: object) -> None:
            begun.append(("end", sum(advanced)))

    monkeypatch.setattr(parallel, "track", Track)
    chunks: Iterable[list[int]] = [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]
    found = map_chunks(double, list(chunks), total=10, chunk_size=4, description="Doubling")
    assert next(found) == [2, 4, 6, 8]
    assert (begun, advanced) == ([("Doubling", 10)], [4]), "told before the result is used"
    assert list(found) == [[10, 12, 14, 16], [18, 20]]
    assert advanced == [4, 4, 2]
    assert begun == [("Doubling", 10), ("end", 10)]


SCRIPT = """
import signwise, signwise.parallel as parallel
print("started")
results = parallel._results

def in_two(function, chunks, workers):
    print("processes:", max(2, workers))
    yield from results(function, chunks, max(2, workers))

parallel._results = in_two
signwise.synth("photos", per_class=40, size=8)
prepared = signwise.prepare("photos", "data", image_size=8)
print(prepared.counts["train"] + prepared.counts["val"] + prepared.counts["test"])
"""


def test_a_script_without_a_main_guard_runs_once(tmp_path: Path) -> None:
    """Neither `synth` nor `prepare` runs the user's script again in its worker processes."""
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["started", *["processes: 2"] * 3, "80"]
