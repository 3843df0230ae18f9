"""One function over many items on the machines of a Ray cluster, by Ray Data.

Ray is imported when a cluster is asked for, and not before. What a lost machine had in work is done
again elsewhere; each item gives one result.
"""

import contextlib
import logging
import os
import pickle
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from signwise.errors import SignwiseError, one_line, require_extra
from signwise.files import scratch_folder
from signwise.runtime import available_cores

Item = TypeVar("Item")
Result = TypeVar("Result")

AUTO = "auto"
OBJECTS = 512 * 2**20
"""Bytes of shared memory for what travels, where the cluster is our own; more goes to disk."""
LONGEST_FOLDER = 40
"""Letters: Ray keeps sockets some folders below, and a socket's path can't have many more than
100."""
PATIENCE_SECONDS = 5
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    # What went wrong is raised; what Ray prints beside that is for its makers.
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    # A worker that is not said to have a GPU is kept from the one that there is: as it was.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Connect this process to a cluster while the block runs.

    `auto` is the one that runs here or that RAY_ADDRESS names, else one of this machine's cores,
    which ends with the block, or with this process. Changes environment variables by which Ray's
    reports of usage are off, unless they are set. Raises SignwiseError where Ray is not installed,
    or there is no cluster.
    """
    require_extra("cluster", "ray", "pyarrow")
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with contextlib.ExitStack() as stack:
        import ray

        if ray.is_initialized():  # by whoever calls us
            yield
            return
        there = _running() if address == AUTO else address
        common: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
        if there is None:
            with _on_loopback():
                _start(
                    address="local",
                    num_cpus=available_cores(),
                    include_dashboard=False,
                    object_store_memory=OBJECTS,
                    _temp_dir=_short(stack.enter_context(scratch_folder())),
                    **common,
                )
        else:
            if not _listens(there):  # Ray itself would ask for minutes
                raise SignwiseError(
                    f"`cluster`: nothing listens at {there}: see ray status, or take auto"
                )
            try:
                _start(address=there, **common)
            except Exception as error:  # of many kinds, a plain RuntimeError among them
                raise SignwiseError(
                    f"`cluster`: no Ray answers at {there} ({one_line(error)[:200]})"
                ) from None
        stack.callback(ray.shutdown)
        yield


def spread(
    build: Callable[[], Callable[[Item], Result]],
    items: Iterable[Item],
    *,
    gpu: bool = False,
    ordered: bool = False,
) -> Iterator[Result]:
    """The results of the function that `build` gives once in each worker, as they come.

    One worker a CPU of the cluster or, with `gpu`, one a GPU. `ordered`: in the order of the items.
    Raises what the function raises, and SignwiseError where the cluster fails.
    """
    import pyarrow
    import ray
    import ray.data
    from ray.exceptions import RayError

    # In the object store, which may go to disk: this process holds none of them.
    items_there: list[Any] = [
        ray.put(pyarrow.table({"item": [pickle.dumps(item)]})) for item in items
    ]
    if not items_there:
        return
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    workers = int(resources.get("GPU" if gpu else "CPU", 0))
    if not workers:
        raise SignwiseError(f"`cluster` has no {'GPU' if gpu else 'CPU'}: start a node that has")
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # its import sets it to more
    data = ray.data.from_arrow_refs(items_there)
    data.context.enable_progress_bars = False
    data.context.print_on_execution_start = False
    data.context.execution_options.preserve_order = ordered
    results = data.map_batches(
        _Worker,
        fn_constructor_args=(pickle.dumps(build),),
        batch_size=None,
        batch_format="pyarrow",
        num_cpus=1,
        num_gpus=1 if gpu else None,
        compute=ray.data.ActorPoolStrategy(size=min(workers, len(items_there))),
    )
    try:
        for row in results.iter_rows():
            result = pickle.loads(row["result"])
            if isinstance(result, SignwiseError):
                raise SignwiseError(str(result))
            yield result
    except RayError as error:
        raise SignwiseError(f"`cluster`: {one_line(error)[:300]}") from None


class _Worker:
    """What an actor of Ray holds."""

    def __init__(self, build: bytes) -> None:
        self._failed: SignwiseError | None = None
        try:
            self._work = pickle.loads(build)()
        except SignwiseError as error:
            self._failed = error

    def __call__(self, table: Any) -> Any:
        import pyarrow

        results = [pickle.dumps(self._result(item.as_py())) for item in table.column("item")]
        return pyarrow.table({"result": results})

    def _result(self, item: bytes) -> Any:
        """What the function gives; a SignwiseError is handed over, for Ray wraps what is raised."""
        if self._failed is not None:
            return self._failed
        try:
            return self._work(pickle.loads(item))
        except SignwiseError as error:
            return error


def _running() -> str | None:
    """The cluster that RAY_ADDRESS names or that `ray start` began here; None where it is gone.

    Ray's own `auto` would take any that it sees, the passing one of another command, too.
    """
    from ray._private.utils import read_ray_address

    named = os.environ.get("RAY_ADDRESS")
    if named:
        return named
    begun: str | None = read_ray_address()
    return begun if begun and _listens(begun) else None


def _listens(address: str) -> bool:
    """Whether something does there; what is no host and port is for Ray to judge."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host or not port.isdecimal():
        return True
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE_SECONDS):
            return True
    except OSError:
        return False


def _start(**settings: Any) -> None:
    """`ray.init`, which would put its own handler of SIGTERM in the place of this process's."""
    import ray

    kept = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(**settings)
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, kept)


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Let Ray listen where no other machine can ask: by itself it does so on macOS and Windows."""
    from ray._private import ray_constants

    kept = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = kept


def _short(folder: Path) -> str | None:
    return str(folder) if len(str(folder)) <= LONGEST_FOLDER and os.name != "nt" else None
