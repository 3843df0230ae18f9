"""The service under load from this machine: `python bench/serve.py [MODEL]`.

`signwise serve` runs as a process of its own. It is asked over loopback, first by a few clients
that wait for their answers, which gives its capacity, then at twice that rate whether it answers or
not: latencies are counted from the moment at which a request was due. `predict` runs on the same
pictures, so that images per second of the CPU can be compared. PNGs of 25 to 120 pixels are drawn,
as cut-out signs are. Memory is what the process holds that is no file (RssAnon), so this takes
Linux. The last line is one JSON document.
"""

import asyncio
import os
import random
import re
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import record
import signwise
from predict import draw

PICTURES = 16
SECONDS = 60.0
CAPACITY_SECONDS = 15.0
CLIENTS = 6
"""That ask one request after the other, to find the capacity."""
CONNECTIONS = 256
DRAWN = 400
BOUNDARY = "x" * 24
SHARE_GOAL, LATENCY_GOAL, GROWTH_GOAL = 0.7, 0.1, 0.05
FACTOR = 2.0


@dataclass
class Load:
    """What a stretch of load came to."""

    statuses: Counter[int] = field(default_factory=Counter)
    """Answers by HTTP status; 0 where there was none."""
    latencies: list[float] = field(default_factory=list)
    """Seconds of the answers 200."""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    memory: list[float] = field(default_factory=list)
    """MB, once a second."""

    def rate(self, pictures: int) -> float:
        """Images a second."""
        return self.statuses[200] * pictures / self.seconds

    def efficiency(self, pictures: int) -> float:
        """Images per second of the server's CPU."""
        return self.statuses[200] * pictures / self.cpu_seconds


class Client:
    """One connection, which is kept."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> int:
        """The status of the answer, 0 where there is none."""
        try:
            if self._streams is None or self._streams[0].at_eof():  # idle for long: it was closed
                self.close()
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._streams
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            assert length is not None
            await reader.readexactly(int(length[1]))
            return int(head[9:12])
        except (OSError, EOFError):
            self.close()
            return 0

    def close(self) -> None:
        """Leave."""
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None


def requests(folder: Path, pictures: int) -> list[bytes]:
    """Ready requests, each of some of the pictures."""
    contents = [path.read_bytes() for path in sorted(folder.iterdir())]
    made = []
    for start in range(0, len(contents) - pictures + 1, pictures):
        body = b""
        for number, content in enumerate(contents[start : start + pictures]):
            body += (
                (
                    f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=files;"
                    f" filename={start + number}.png\r\n\r\n"
                ).encode()
                + content
                + b"\r\n"
            )
        body += f"--{BOUNDARY}--\r\n".encode()
        head = (
            "POST /v1/predict HTTP/1.1\r\nHost: x\r\n"
            f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        made.append(head.encode() + body)
    return made


async def closed(port: int, process: int, made: list[bytes], seconds: float) -> Load:
    """A few clients that wait for their answers."""
    load = Load()
    end = time.perf_counter() + seconds

    async def work() -> None:
        client = Client(port)
        while time.perf_counter() < end:
            start = time.perf_counter()
            status = await client.ask(random.choice(made))
            load.statuses[status] += 1
            if status == 200:
                load.latencies.append(time.perf_counter() - start)
            elif status == 503:
                await asyncio.sleep(0.01)
        client.close()

    before, start = cpu_seconds(process), time.perf_counter()
    await asyncio.gather(*(work() for _ in range(CLIENTS)))
    load.seconds = time.perf_counter() - start
    load.cpu_seconds = cpu_seconds(process) - before
    return load


async def steady(port: int, process: int, made: list[bytes], rate: float, seconds: float) -> Load:
    """Requests at this rate, however long their answers take."""
    load = Load()
    idle = [Client(port) for _ in range(CONNECTIONS)]
    tasks: set[asyncio.Task[None]] = set()

    async def one(client: Client, due: float) -> None:
        status = await client.ask(random.choice(made))
        load.statuses[status] += 1
        if status == 200:
            load.latencies.append(time.perf_counter() - due)
        idle.append(client)

    before, start = cpu_seconds(process), time.perf_counter()
    sent, noted = 0, 0.0
    while (now := time.perf_counter() - start) < seconds:
        if now >= noted:
            load.memory.append(anonymous_megabytes(process))
            noted += 1
        while sent < now * rate and idle:
            # Where all connections wait, what is due is sent later, and its wait is counted.
            task = asyncio.create_task(one(idle.pop(), start + sent / rate))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            sent += 1
        await asyncio.sleep(max(0.0005, sent / rate - now))
    load.cpu_seconds = cpu_seconds(process) - before
    load.seconds = time.perf_counter() - start
    await asyncio.gather(*tasks)
    for client in idle:
        client.close()
    return load


@contextmanager
def server(model: str, log: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`signwise serve` as a process, and its port; it must end well."""
    command = [sys.executable, "-m", "signwise", "serve", model, "--port", "0"]
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=file)
    try:
        while (found := re.search(r'"url": "http://[^"]+:(\d+)"', log.read_text())) is None:
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        yield process, int(found[1])
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0, "SIGTERM is the normal end"
    finally:
        if process.poll() is None:
            process.kill()


def cpu_seconds(process: int) -> float:
    """Seconds of the CPU that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def anonymous_megabytes(process: int) -> float:
    """Memory of a process that is no file."""
    found = re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{process}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024 / 1e6


def predict_efficiency(model: str, folder: Path) -> float:
    """Images per second of the CPU of `predict`, the start of the session included."""

    def used() -> float:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime

    paths = sorted(folder.iterdir()) * 10
    signwise.predict(model, paths[:64], keep_rows=False)
    before = used()
    signwise.predict(model, paths, out=folder.parent / "rows.csv", keep_rows=False)
    return len(paths) / (used() - before)


def growth(memory: list[float]) -> float:
    """By how much memory has grown since the first minute, or the first half of a short run."""
    begin = min(60, len(memory) // 2)
    tail = max(1, len(memory) // 10)
    first = statistics.median(memory[begin : begin + tail])
    return statistics.median(memory[-tail:]) / first - 1


def quantile(values: list[float], share: float) -> float:
    """The value that this share lies below."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line a figure and the JSON document."""
    parser = record.arguments(__doc__)
    parser.add_argument("model", nargs="?", default="priority-stop")
    parser.add_argument("--pictures", type=int, default=PICTURES, help="of one request")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="at twice the capacity")
    options = parser.parse_args(arguments)
    random.seed(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "pictures"
        folder.mkdir()
        draw(folder, DRAWN)
        made = requests(folder, options.pictures)
        alone = predict_efficiency(options.model, folder)
        with server(options.model, Path(name) / "log") as (process, port):
            asyncio.run(closed(port, process.pid, made, min(3.0, options.seconds)))  # warms up
            seconds = min(CAPACITY_SECONDS, options.seconds)
            calm = asyncio.run(closed(port, process.pid, made, seconds))
            rate = FACTOR * calm.statuses[200] / calm.seconds
            load = asyncio.run(steady(port, process.pid, made, rate, options.seconds))
    variant = f"{Path(options.model).name}-{options.pictures}"
    errors = load.statuses.total() - load.statuses[200] - load.statuses[503]
    share = load.efficiency(options.pictures) / alone
    record.finish(
        "serve",
        options,
        variant=variant,
        how=f"bench/serve.py {options.model} --pictures {options.pictures}"
        f" --seconds {options.seconds:g}",
        n=load.statuses.total(),
        counted=f"requests of {options.pictures} pictures at {FACTOR:g} times the capacity, in"
        f" {options.seconds:g} s",
        figures=[
            record.figure("capacity", calm.rate(options.pictures), "images/s"),
            record.figure("at twice the capacity", load.rate(options.pictures), "images/s"),
            record.figure("refused with 503", load.statuses[503], of=load.statuses.total()),
            record.figure("other errors", errors, of=load.statuses.total(), goal=0),
            record.figure("median of accepted requests", quantile(load.latencies, 0.5), "s"),
            record.figure(
                "99 % of accepted requests under",
                quantile(load.latencies, 0.99),
                "s",
                goal=LATENCY_GOAL,
            ),
            record.figure("predict, images per CPU second", alone),
            record.figure(
                "service below its capacity, to predict",
                calm.efficiency(options.pictures) / alone,
                goal=SHARE_GOAL,
            ),
            record.figure("service at twice its capacity, to predict", share, goal=SHARE_GOAL),
            record.figure("memory at the end", load.memory[-1], "MB"),
            record.figure(
                "memory's growth after the first minute", growth(load.memory), goal=GROWTH_GOAL
            ),
        ],
    )


if __name__ == "__main__":
    main()
