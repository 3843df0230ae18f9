"""Training in several processes: which of them this is, and how they agree.

A launcher, such as torchrun, starts the same command several times and says by the environment how
many there are. One process alone needs nothing of this file: everything here then does nothing.

There are two ways to speak. Tensors go by torch.distributed's collectives, which fail where a
process is gone or silent for `SILENT_SECONDS`. Words go through the launcher's store, which is
patient: one process may read pictures for an hour while the others wait.
"""

import contextlib
import itertools
import json
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import msgspec
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import Function, FunctionCtx
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from signwise.errors import SignwiseError, ToldElsewhere
from signwise.progress import muted
from signwise.runtime import launched

T = TypeVar("T")

SILENT_SECONDS = 50.0
"""A step that waits for another process longer than this fails."""
GATHER_SECONDS = 600.0
"""In this time all processes must have begun."""
PARTING_SECONDS = 5.0
"""So long the writer, which may hold the store, waits for the others to hear of an error."""
GRACE_SECONDS = 5.0
"""So much later than the writer the others end, since launchers then stop it in mid-sentence."""


@dataclass(frozen=True, kw_only=True)
class _Job:
    """The processes that train one network."""

    store: Store
    rank: int
    size: int
    local: int
    """This process's number on its machine."""
    turns: Iterator[int] = field(default_factory=itertools.count)
    """Names for what is told, the same in all processes."""


_jobs: list[_Job] = []
"""The one that this process is in, where it is in one."""


@contextmanager
def joined() -> Iterator[None]:
    """Take part in what the launcher started, for as long as the block runs.

    Only the first process, the writer, shows progress. Raises SignwiseError where the others do
    not come, or where one of them ends before its time.
    """
    here = launched()
    if here.size == 1:
        yield
        return
    job = _meet(here.rank, here.size, here.local)
    _jobs.append(job)
    try:
        with muted(job.rank > 0):
            yield
        _part(job, SILENT_SECONDS)
        dist.destroy_process_group()
    except BaseException as error:
        with contextlib.suppress(RuntimeError, TimeoutError):  # others may be gone
            _part(job, PARTING_SECONDS)
        if job.rank:
            time.sleep(GRACE_SECONDS)
        if _is_of_torch(error):
            raise _elsewhere(
                "another process of this run ended, or did not answer for "
                f"{SILENT_SECONDS:.0f} seconds: see what it said, and go on with `resume`"
            ) from error
        raise
    finally:
        _jobs.clear()
        # What NCCL has begun with a process that is gone never ends, and would be waited for.
        if dist.is_initialized() and dist.get_backend() == "gloo":
            dist.destroy_process_group()


def _meet(rank: int, size: int, local: int) -> _Job:
    """Wait for the other processes."""
    backend = "gloo"
    if torch.cuda.is_available() and dist.is_nccl_available():
        backend = "cpu:gloo,cuda:nccl"
    try:
        limit = timedelta(seconds=GATHER_SECONDS)
        found, _, _ = next(rendezvous("env://", timeout=limit))
        # torchrun's store outlives a restart, and so does what an earlier attempt told there.
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        store = PrefixStore(f"signwise/{attempt}", found)
        job = _Job(store=store, rank=rank, size=size, local=local)
        _tell(job, "here", b"")
        keys = [f"here/{each}" for each in range(size)]
        _wait(job, keys, until=time.monotonic() + GATHER_SECONDS)
        dist.init_process_group(
            backend,
            store=store,
            rank=rank,
            world_size=size,
            timeout=timedelta(seconds=SILENT_SECONDS),
        )
    except (ValueError, RuntimeError, TimeoutError) as error:
        raise SignwiseError(
            f"the environment says that this is process {rank} of {size}, which could not be "
            f"reached ({str(error).splitlines()[0]}): start all with torchrun, or unset WORLD_SIZE"
        ) from None
    return job


def _part(job: _Job, seconds: float) -> None:
    """Leave: the writer last, since it may hold the store that the others still read."""
    _tell(job, "left", b"")
    if job.rank == 0:
        keys = [f"left/{each}" for each in range(job.size)]
        _wait(job, keys, until=time.monotonic() + seconds)


def count() -> int:
    """How many processes train together."""
    return _jobs[-1].size if _jobs else 1


def rank() -> int:
    """This process's number among them."""
    return _jobs[-1].rank if _jobs else 0


def local_rank() -> int:
    """Its number among those on the same machine, and that of its GPU."""
    return _jobs[-1].local if _jobs else 0


def writes() -> bool:
    """Whether this process is the one that writes, logs and shows progress."""
    return rank() == 0


def share(length: int) -> slice:
    """Which of so many things are this process's: all shares differ by at most one."""
    ends = [length * number // count() for number in (rank(), rank() + 1)]
    return slice(*ends)


def parallel(network: nn.Module) -> nn.Module:
    """The network as a step calls it: gradients are the mean of those of all processes."""
    if count() == 1:
        return network
    device = next(network.parameters()).device
    with warnings.catch_warnings():
        # The name of an option is another since PyTorch 2.14, which still takes this one.
        warnings.filterwarnings("ignore", ".*broadcast_buffers", FutureWarning)
        return DistributedDataParallel(
            network,
            device_ids=[device] if device.type == "cuda" else None,
            broadcast_buffers=False,  # batch statistics are those of the whole batch everywhere
            gradient_as_bucket_view=True,
        )


class _Sum(Function):
    """The sum over all processes; so is that of the gradients."""

    @staticmethod
    def forward(_: FunctionCtx, part: Tensor) -> Tensor:
        total = part.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(_: FunctionCtx, *gradients: Tensor) -> Tensor:
        return summed(gradients[0])


def summed(part: Tensor) -> Tensor:
    """The sum of a tensor over all processes, through which gradients flow."""
    total: Tensor = part if count() == 1 else _Sum.apply(part)
    return total


def whole(part: Tensor, length: int) -> Tensor:
    """All `length` rows of which `part` is this process's share; gradients flow to these alone."""
    if count() == 1:
        return part
    mine = share(length)
    rows = part.new_zeros((length, *part.shape[1:]))
    rows[mine] = part.detach()
    dist.all_reduce(rows)
    return torch.cat((rows[: mine.start], part, rows[mine.stop :]))


def by_shares(compute: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    """What `compute` makes of the rows, one by one; each process computes its share."""
    own = share(len(rows))
    if own.start == own.stop:  # a network gives nothing for no picture
        return whole(compute(rows[:1])[:0], len(rows))
    return whole(compute(rows[own]), len(rows))


def from_writer(make: Callable[[], T], kind: Any) -> T:
    """What `make` gives in the writer, a record; raises in all what it raises there.

    `kind` is the type of what is made.
    """
    if count() == 1:
        return make()
    job = _jobs[-1]
    key = f"turn/{next(job.turns)}"
    if writes():
        with _told_if_it_fails(job, key):
            made = make()
            content = json.dumps({"value": msgspec.to_builtins(made, str_keys=True)}).encode()
        _tell(job, key, content)
        return made
    heard: T = msgspec.convert(_heard(job, key, 0)["value"], kind, strict=False)
    return heard


def agreed(value: T) -> T:
    """The writer's value, in all."""
    return from_writer(lambda: value, type(value))


@contextmanager
def writer_first() -> Iterator[None]:
    """Let the writer through the block first, so that the others find what it has made.

    Raises in all what the block raises in one.
    """
    if count() == 1:
        yield
        return
    job = _jobs[-1]
    first, then = (f"turn/{next(job.turns)}" for _ in range(2))
    if not writes():
        _heard(job, first, 0)
    with _in_all(job, then):
        with _told_if_it_fails(job, first):
            yield
        if writes():
            _tell(job, first, b"{}")


@contextmanager
def together() -> Iterator[None]:
    """Go on after the block only where it failed in no process; raises in all what one raised."""
    if count() == 1:
        yield
        return
    job = _jobs[-1]
    with _in_all(job, f"turn/{next(job.turns)}"):
        yield


@contextmanager
def _in_all(job: _Job, key: str) -> Iterator[None]:
    with _told_if_it_fails(job, key):
        yield
    _tell(job, key, b"{}")
    for each in range(job.size):
        _heard(job, key, each)


@contextmanager
def _told_if_it_fails(job: _Job, key: str) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        text = str(error) if isinstance(error, SignwiseError) else f"{type(error).__name__}"
        _tell(job, key, json.dumps({"error": text}).encode())
        # Its own process says it, unless that is for the writer to say.
        if job.rank and isinstance(error, SignwiseError):
            raise ToldElsewhere(text) from None
        raise


def _tell(job: _Job, key: str, content: bytes) -> None:
    # As text: the store takes str in every version.
    job.store.set(f"{key}/{job.rank}", content.decode())


def _heard(job: _Job, key: str, teller: int) -> dict[str, Any]:
    """What a process told; raises where it told of a failure."""
    name = f"{key}/{teller}"
    _wait(job, [name])
    content: dict[str, Any] = json.loads(job.store.get(name))
    if "error" in content:
        raise _elsewhere(content["error"])
    return content


def _elsewhere(text: str) -> SignwiseError:
    """The error of another process, which the writer is to tell."""
    return SignwiseError(text) if writes() else ToldElsewhere(text)


def _wait(job: _Job, keys: list[str], *, until: float = float("inf")) -> None:
    """Wait for keys in the store; awake, since a signal is heard in Python alone."""
    pause = 0.005
    while not job.store.check(keys):
        if time.monotonic() > until:
            raise TimeoutError("not all have come")
        time.sleep(pause)
        pause = min(2 * pause, 0.25)


def _is_of_torch(error: BaseException) -> bool:
    """Whether torch.distributed says that another process does not answer."""
    texts = ("gloo", "Connection closed", "Connection reset", "Broken pipe", "recvValue")
    return isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and any(text in str(error) for text in texts)
    )
