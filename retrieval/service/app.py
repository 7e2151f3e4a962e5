"""The application: its routes, its middleware and its error handlers."""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import AsyncIterator, Sequence
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartParser
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Match
from starlette.staticfiles import StaticFiles

from retrieval.config import ServeConfig
from retrieval.engine import SearchEngine
from retrieval.service.api import completion, exports, health, images
from retrieval.service.api import routes as api
from retrieval.service.api.document import DocumentedApi, operation_id
from retrieval.service.api.prometheus import RequestMetrics, ServiceMetrics
from retrieval.service.context import ServiceContext
from retrieval.service.guards.proxies import path_below_root
from retrieval.service.guards.refusals import Refusal, from_status
from retrieval.service.guards.stack import Limits, middleware_stack
from retrieval.service.iiif import content_search
from retrieval.service.iiif import presentation as iiif
from retrieval.service.pages import routes as pages
from retrieval.service.params import known_names, refuse_repeated, refused
from retrieval.service.stored_images import is_known

STATIC = Path(__file__).parent / "pages" / "static"
# In addition to the image, a multipart body contains its boundaries and a few field names.
MULTIPART_OVERHEAD_BYTES = 10_000

# What programs on other sites may read of a response.
EXPOSED = [
    "ETag", "Retry-After", "X-Total-Count", "X-Matches", "X-Snapshot", "Deprecation", "Link",
    "Content-Disposition",
]  # fmt: skip

DESCRIPTION = """
Search pictures by describing them, by showing one, or by pointing at an item. Every hit carries its rights,
its credit line, its institution and links to the source. Errors have one shape:
`{"error": {"code", "what", "where", "remedy"}}`. What is stable and what may change: docs/api.md.
"""


def create_app(engine: SearchEngine, config: ServeConfig) -> FastAPI:
    """Build the service for an open engine; the caller closes the engine.

    Raises:
        MissingRequirement, ConfigError: the rules of visibility cannot be read.
    """
    context, metrics = ServiceContext(engine, config), ServiceMetrics()
    app = DocumentedApi(
        title=config.title,
        version=version("iconoclip"),
        description=DESCRIPTION,
        openapi_url="/api/openapi.json",
        generate_unique_id_function=operation_id,
        # The framework's own reference pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        # The address in the OpenAPI document; the framework adds the prefix of a request.
        servers=[{"url": config.public_url.rstrip("/")}] if config.public_url else None,
        root_path_in_servers=not config.public_url,
        middleware=_middleware(config, metrics),
        lifespan=_lifespan,
    )
    app.state.context, app.state.metrics = context, metrics
    for module in (api, completion, exports, iiif):
        app.include_router(module.router, dependencies=[Depends(refuse_repeated)])
    for module in (images, content_search, health, pages):
        app.include_router(module.router)
    app.mount("/static", Static(directory=STATIC), name="static")
    app.add_exception_handler(Refusal, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse)
    app.add_exception_handler(HTTPException, _refuse)
    app.add_exception_handler(Exception, _apologise)
    # Uploads stay in memory; without this, the parser writes uploads above 1 MB to a file on disk.
    MultiPartParser.spool_max_size = max(MultiPartParser.spool_max_size, config.max_upload_bytes + 1)
    return app


class Static(StaticFiles):
    """Our own static files; browsers revalidate them after an hour."""

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        """The response with its Cache-Control header."""
        response = super().file_response(*arguments, **options)
        response.headers["Cache-Control"] = "public, max-age=3600"
        return response

    def is_not_modified(self, response_headers: Headers, request_headers: Headers) -> bool:
        """Whether the client's copy is still valid. Its ETag may be weak, one of several, or `*`."""
        known = request_headers.get("if-none-match")
        if known is not None:
            return is_known(response_headers.get("etag", ""), known)
        return super().is_not_modified(response_headers, request_headers)


class Cors(CORSMiddleware):
    """CORS whose refusal of a preflight has the shape of every other error."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """The answer to a browser that checks whether another site may send a request."""
        answer = super().preflight_response(request_headers)
        if answer.status_code < HTTPStatus.BAD_REQUEST:
            return answer
        refusal = Refusal(
            answer.status_code,
            bytes(answer.body).decode(),
            where=request_headers.get("origin", "")[:200] or None,
            remedy="the operator lists other sites in --cors_origins",
        )
        headers = {
            name: value
            for name, value in answer.headers.items()
            if name.startswith("access-control-") or name == "vary"
        }
        return JSONResponse(refusal.body, refusal.status, headers=headers)


def _middleware(config: ServeConfig, metrics: ServiceMetrics) -> list[Middleware]:
    # Without credentials: pages of other sites may read what is public, but nothing
    # that needs a user's cookie.
    cors = Middleware(
        Cors,
        allow_origins=config.cors_origins,
        allow_methods=["GET", "HEAD", "POST"],
        allow_headers=["Authorization", "Content-Type", "If-None-Match"],
        expose_headers=EXPOSED,
        max_age=3_600,
    )
    max_body_bytes = config.max_upload_bytes + MULTIPART_OVERHEAD_BYTES
    return middleware_stack(
        config.public_url,
        config.trusted_proxies,
        Limits(config.rate_limit_per_minute, max_body_bytes, config.max_requests),
        other_sites=[cors] if config.cors_origins else [],
        measured=[Middleware(RequestMetrics, metrics=metrics)],
    )


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    context: ServiceContext = app.state.context
    if context.config.preload:
        context.warm_up()
    yield


def as_refusal(error: Exception, known: Sequence[str] = ()) -> Refusal:
    """The refusal with which an exception is answered; `known` are the names of the route's parameters."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, RequestValidationError):
        return refused(error.errors(), known)
    if isinstance(error, HTTPException):
        refusal = from_status(error.status_code, error.detail)
        refusal.headers.update(error.headers or {})
        return refusal
    return Refusal(500, "something went wrong here", remedy="it is not your fault; please report it")


def methods_of(request: Request) -> list[str]:
    """What the address of a request accepts. The framework names those of the first route."""

    def accepts(method: str) -> bool:
        scope = {**request.scope, "method": method}
        return any(route.matches(scope)[0] == Match.FULL for route in request.app.routes)

    methods = [method for method in ("GET", "POST", "PUT", "PATCH", "DELETE") if accepts(method)]
    # HEAD is answered wherever GET is (retrieval.service.guards.proxies.HeadAsGet).
    return [*methods, "HEAD"] if "GET" in methods else methods


def _refuse(request: Request, error: Exception) -> Response:
    refusal = as_refusal(error, known_names(request.scope.get("route")))
    if refusal.status == 405:
        refusal.headers["Allow"] = ", ".join(methods_of(request))
    if wants_page(request):
        return pages.refusal_page(request, refusal)
    return JSONResponse(refusal.body, refusal.status, headers=refusal.headers)


def _apologise(request: Request, error: Exception) -> Response:
    """Answer after a bug. The operator's log gets the type and location of the exception, but not its
    message, which may contain the query.
    """
    report(error)
    return _refuse(request, error)


def report(error: Exception) -> None:
    """Write the type and location of a bug to the operator's log, without its message."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    print(f"iconoclip: a bug: {type(error).__name__}\n{frames}", file=sys.stderr, flush=True)


def wants_page(request: Request) -> bool:
    """Whether the client is a browser, and the address is not one for programs."""
    is_for_programs = path_below_root(request).startswith(("/api/", "/iiif/", "/metrics"))
    return not is_for_programs and "text/html" in request.headers.get("accept", "")
