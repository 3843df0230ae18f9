"""What the service says of itself: /metrics, and a log of one JSON object a line.

Neither ever holds a picture, its name, or a path.
"""

import json
import logging
import sys
import time
from collections import Counter as Counted
from collections.abc import Callable
from typing import TextIO

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from signwise.inference.predictor import Prediction

log = logging.getLogger("signwise.service")

OUTCOMES = {
    400: "malformed",
    401: "unauthorized",
    404: "not_found",
    405: "not_found",
    408: "slow",
    413: "too_large",
    415: "unsupported",
    422: "unreadable",
    499: "gone",
    500: "failed",
    503: "busy",
}
"""By HTTP status; below 400 it is `ok`, and `other` where nothing stands here."""
GONE = 499
"""The status in logs and metrics of a client that left before its body was there."""
QUIET = ("/metrics", "/v2/health/live", "/v2/health/ready", "/static")
"""What is asked every few seconds, or with every page, is not logged while all is well."""

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
SHORT_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
PICTURES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SCORES = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1)


class Measures:
    """Counters and histograms, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "signwise_requests", "Requests answered.", ("route", "outcome"), registry=self.registry
        )
        self.request_seconds = Histogram(
            "signwise_request_duration_seconds",
            "From a request's head to the end of its answer.",
            ("route",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.queue_seconds = Histogram(
            "signwise_queue_seconds",
            "How long decoded pictures waited for the network.",
            buckets=SHORT_SECONDS,
            registry=self.registry,
        )
        self.batch_pictures = Histogram(
            "signwise_batch_pictures",
            "Pictures that went through the network together.",
            buckets=PICTURES,
            registry=self.registry,
        )
        self.answers = Counter(
            "signwise_answers",
            "Pictures by answer; `error` for one that could not be read.",
            ("model", "label"),
            registry=self.registry,
        )
        self.known = Histogram(
            "signwise_known",
            "The score `known` of the pictures, from 0 to 1.",
            ("model",),
            buckets=SCORES,
            registry=self.registry,
        )

    def answered(self, model: str, predictions: list[Prediction]) -> None:
        """Count answers."""
        for label, count in Counted(one.label or "error" for one in predictions).items():
            self.answers.labels(model, label).inc(count)
        known = self.known.labels(model)
        for one in predictions:
            if one.known is not None:
                known.observe(one.known)


class Watch:
    """ASGI middleware: times each request, counts it and logs it.

    While the service stops, each answer asks its client to close the connection.
    """

    def __init__(self, app: ASGIApp, measures: Measures, stopping: Callable[[], bool]) -> None:
        self._app, self._measures, self._stopping = app, measures, stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, start = 500, time.perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self._stopping():
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            seconds = time.perf_counter() - start
            route = route_of(scope)
            outcome = "ok" if status < 400 else OUTCOMES.get(status, "other")
            self._measures.requests.labels(route, outcome).inc()
            self._measures.request_seconds.labels(route).observe(seconds)
            if status >= 500 or not route.startswith(QUIET):
                log.info(
                    "request",
                    extra={
                        "method": scope["method"],
                        "route": route,
                        "status": status,
                        "seconds": round(seconds, 6),
                        **scope.get("state", {}).get("noted", {}),
                    },
                )


def route_of(scope: Scope) -> str:
    """The route that answered, as it is declared: never what a client made up."""
    if scope["path"].removeprefix(scope.get("root_path", "")).startswith("/static/"):
        return "/static"  # a mounted folder is no route
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else "other"


_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "color_message", "taskName"}


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, event, and what the event brings along."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage().strip(),
        }
        line |= {key: value for key, value in vars(record).items() if key not in _OWN}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def open_log(stream: TextIO | None = None) -> logging.Handler:
    """Send the service's log, and its server's warnings, to standard error as JSON lines.

    Changes these loggers alone; gives the handler, which `close_log` takes away.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    for logger in _loggers():
        logger.addHandler(handler)
        logger.propagate = False
    log.setLevel(logging.INFO)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    _forms().setLevel(logging.ERROR)
    return handler


def close_log(handler: logging.Handler) -> None:
    """Undo `open_log`."""
    for logger in _loggers():
        logger.removeHandler(handler)
        logger.propagate = True
    for logger in (*_loggers(), _forms()):
        logger.setLevel(logging.NOTSET)


def _loggers() -> tuple[logging.Logger, ...]:
    return log, logging.getLogger("uvicorn.error")


def _forms() -> logging.Logger:
    """The parser's of forms, whose warnings quote bytes of a damaged body."""
    return logging.getLogger("python_multipart")
