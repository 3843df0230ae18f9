"""The web application: the APIs, the page, /metrics and /docs, put together."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi_offline import FastAPIOffline
from jinja2 import Environment, FileSystemLoader
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from signwise.service.keys import key_check
from signwise.service.limits import Gate, Limits
from signwise.service.models import ServedModel, Workers
from signwise.service.open_inference import PREFIX, health_api, open_inference_api
from signwise.service.predict_api import REFUSALS, as_json, predict_api
from signwise.service.server import Life
from signwise.service.telemetry import GONE, Measures, Watch

PAGE = Path(__file__).parent / "page"
PAGE_HEADERS = {
    # The page loads nothing but the service's own files, and runs nothing that stands in it.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " connect-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:;"
    " base-uri 'self'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
DESCRIPTION = (
    "Say what pictures show, or `unknown`. People find a page at `/`, Prometheus `/metrics`."
)


def make_app(
    models: Mapping[str, ServedModel],
    *,
    measures: Measures,
    life: Life,
    limits: Limits,
    keys: tuple[str, ...] = (),
    root_path: str = "",
    cors: Sequence[str] = (),
) -> FastAPI:
    """The application; its models answer while it runs, from its start-up to its shutdown."""
    gate, workers = Gate(limits), Workers()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(one.batches.run()) for one in models.values()]
        yield
        for task in tasks:
            task.cancel()
        workers.close()

    app = FastAPIOffline(
        redoc_url=None,
        title="signwise",
        description=DESCRIPTION,
        version="1",
        lifespan=lifespan,
    )
    guarded = [Depends(key_check(keys))] if keys else []

    def stopping() -> bool:
        return life.stopping

    app.include_router(health_api(stopping))
    app.include_router(predict_api(models, gate, workers), dependencies=guarded)
    app.include_router(open_inference_api(models, gate), dependencies=guarded)

    @app.get(
        "/metrics",
        dependencies=guarded,
        responses={401: REFUSALS[401]},
        response_class=Response,
        tags=["signwise"],
    )
    async def metrics() -> Response:
        """What was asked and answered, and how long it took, as Prometheus reads it."""
        content = generate_latest(measures.registry)
        return Response(content, headers={"Content-Type": CONTENT_TYPE_LATEST})

    pages = Environment(loader=FileSystemLoader(PAGE), autoescape=True)

    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> HTMLResponse:
        base = _root(request) + "/"
        text = pages.get_template("index.html").render(base=base, limits=limits)
        return HTMLResponse(text, headers=PAGE_HEADERS)

    app.mount("/static", StaticFiles(directory=PAGE), name="static")

    _add_handlers(app)
    if cors:
        app.add_middleware(
            CORSMiddleware, allow_origins=list(cors), allow_methods=["*"], allow_headers=["*"]
        )
    app.add_middleware(Watch, measures=measures, stopping=stopping)
    app.add_middleware(UnderProxy, root_path=root_path)
    return app


class UnderProxy:
    """ASGI middleware: the service's own path, which its proxy may take away or leave."""

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app, self._root_path = app, root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        await self._app({**scope, "root_path": self._root_path}, receive, send)


def _add_handlers(app: FastAPI) -> None:
    """Errors as one line of text: in `detail`, under /v2 in `error`."""

    def refusal(request: Request, status: int, text: str) -> Response:
        path = request.scope["path"].removeprefix(_root(request))
        key = "error" if path.startswith(PREFIX) else "detail"
        return as_json({key: text}, status)

    @app.exception_handler(HTTPException)
    async def refuse(request: Request, error: HTTPException) -> Response:
        response = refusal(request, error.status_code, str(error.detail))
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        reasons = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        return refusal(request, 422, "; ".join(reasons))

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=GONE)

    @app.exception_handler(Exception)
    async def failed(request: Request, _: Exception) -> Response:
        return refusal(request, 500, "internal error: the service's log tells more")


def _root(request: Request) -> str:
    root: str = request.scope["root_path"]
    return root
