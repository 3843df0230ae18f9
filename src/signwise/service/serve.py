"""The verb serve: models over HTTP until a signal stops it."""

import io
import ipaddress
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from PIL import Image

from signwise.errors import SignwiseError
from signwise.inference.predictor import Predictor
from signwise.progress import say
from signwise.results import Problem
from signwise.service.app import make_app
from signwise.service.keys import read_keys
from signwise.service.limits import Limits
from signwise.service.models import ServedModel, model_name
from signwise.service.server import KEEP_ALIVE_SECONDS, Life, Server, connections
from signwise.service.telemetry import Measures, close_log, log, open_log


@dataclass(frozen=True, kw_only=True)
class ServeResult:
    """What was served."""

    out: None = None
    url: str
    models: tuple[str, ...]
    counts: dict[str, int]
    """requests and pictures that were answered."""
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service whose port is taken."""

    server: Server
    listener: socket.socket
    url: str
    models: tuple[str, ...]
    measures: Measures

    def run(self) -> None:
        """Answer until it is stopped."""
        try:
            self.server.run(sockets=[self.listener])
        finally:
            self.listener.close()

    def stop(self) -> None:
        """Begin to stop, as a signal does; may be called from any thread."""
        self.server.handle_exit(signal.SIGTERM, None)


def serve(
    models: str | Path | Sequence[str | Path],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    root_path: str = "",
    cors: Sequence[str] = (),
    api_key_file: Path | None = None,
) -> ServeResult:
    """Answer over HTTP until Ctrl-C or SIGTERM; what was taken by then is still answered.

    `models`: what `predict` takes, one or several; the first answers where none is named. `cors`:
    origins whose pages may ask. Raises SignwiseError for a model that can't be used, two of the
    same name, an address that can't be had, and a key file without keys.
    """
    service = open_service(
        models, host=host, port=port, root_path=root_path, cors=cors, api_key_file=api_key_file
    )
    handler = open_log()
    try:
        _announce(service, host, api_key_file)
        service.run()
    finally:
        log.info("stopped")
        close_log(handler)
    return ServeResult(url=service.url, models=service.models, counts=counts(service.measures))


def open_service(
    models: str | Path | Sequence[str | Path],
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    root_path: str = "",
    cors: Sequence[str] = (),
    api_key_file: Path | None = None,
    limits: Limits = Limits(),
) -> Service:
    """The service with its port taken, not running yet; raises what `serve` raises."""
    keys = read_keys(api_key_file)
    if root_path and not root_path.startswith("/"):
        raise SignwiseError(f"`root_path` must begin with a slash, as /signs, not {root_path!r}")
    root_path = root_path.rstrip("/")
    measures, life = Measures(), Life()
    served = _load(models, measures, limits)
    app = make_app(
        served,
        measures=measures,
        life=life,
        limits=limits,
        keys=keys,
        root_path=root_path,
        cors=cors,
    )
    listener = _listen(host, port)
    config = uvicorn.Config(
        app,
        http=connections(limits),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(limits.stop_seconds),
    )
    shown, number = host, listener.getsockname()[1]
    if ":" in host:
        shown = f"[{host}]"
    return Service(
        server=Server(config, life),
        listener=listener,
        url=f"http://{shown}:{number}{root_path}",
        models=tuple(served),
        measures=measures,
    )


def counts(measures: Measures) -> dict[str, int]:
    """requests, and pictures that were answered; tensors of the protocol are not among them."""
    total = {"requests": 0.0, "pictures": 0.0}
    sums = {"signwise_requests_total": "requests", "signwise_answers_total": "pictures"}
    for metric in measures.registry.collect():
        for sample in metric.samples:
            if sample.name in sums:
                total[sums[sample.name]] += sample.value
    return {name: int(value) for name, value in total.items()}


def _load(
    models: str | Path | Sequence[str | Path], measures: Measures, limits: Limits
) -> dict[str, ServedModel]:
    """The models by name, each of which has answered once."""
    listed = [models] if isinstance(models, str | Path) else list(models)
    if not listed:
        raise SignwiseError("`models` is empty: give a run, a model.onnx, or a name that ships")
    found: dict[str, ServedModel] = {}
    for model in listed:
        predictor = Predictor(model)
        name = model_name(predictor.path)
        if name in found:
            raise SignwiseError(
                f"two models are called {name!r}, as their folders are: {predictor.path} and"
                f" {found[name].predictor.path}; rename a folder"
            )
        predictor.predict(_picture())  # what fails, fails now; and no client waits for imports
        found[name] = ServedModel(predictor, measures, limits)
    return found


def _picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG")
    return file.getvalue()


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        raise SignwiseError(f"`port` must be between 0 and 65535, not {port}")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except (socket.gaierror, UnicodeError):  # the second where no name could look like it
        raise SignwiseError(f"`host` {host} is no address of this machine") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise SignwiseError(
            f"`host` {host} and `port` {port} can't be had ({reason}): give another `port`,"
            " or 0 for a free one"
        ) from None


def _announce(service: Service, host: str, api_key_file: Path | None) -> None:
    names = ", ".join(service.models)
    if sys.stderr.isatty():
        say(f"{names} at {service.url}, its API at {service.url}/docs; Ctrl-C stops it")
    else:
        log.info("serving", extra={"url": service.url, "models": list(service.models)})
    if api_key_file is None and not _is_loopback(host):
        log.warning("whoever reaches this machine can use it: see --api-key-file")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
