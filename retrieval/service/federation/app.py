"""The application of a federation: its page, its API, and what protects both."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from iconoclip.errors import IconoclipError
from retrieval.config import FederateConfig
from retrieval.service.api.document import DocumentedApi, operation_id
from retrieval.service.api.openapi import REFUSALS
from retrieval.service.app import STATIC, Static, as_refusal, report, wants_page
from retrieval.service.federation.answering import FederatedResults, Question, answer
from retrieval.service.federation.asking import Asker
from retrieval.service.federation.members import AddressBook, Member, members_of
from retrieval.service.guards.limits import CONTENT_SECURITY_POLICY
from retrieval.service.guards.refusals import Refusal, from_engine
from retrieval.service.guards.stack import Limits, middleware_stack
from retrieval.service.pages.jinja import remember_language, render, root_of
from retrieval.service.pages.layout import ratios_css
from retrieval.service.params import from_page

# No route takes a body.
MAX_BODY_BYTES = 10_000
DESCRIPTION = """
Searches several iconoclip services at once. Every hit says whose it is; `page` and `thumbnail` are addresses
of that service. `services` says which of them answered.
"""
_DAY = {"Cache-Control": "public, max-age=86400"}


def create_federation(config: FederateConfig, addresses: AddressBook | None = None) -> FastAPI:
    """Build the application.

    Args:
        config: the services and the limits.
        addresses: resolves the names of services; by default as the config allows.

    Raises:
        ConfigError: something that is no address of a service.
    """
    members = members_of(config.services)
    book = addresses or AddressBook(allow_private=config.private_addresses)
    asker = Asker(members, book, config.timeout_seconds)
    app = DocumentedApi(
        title=config.title,
        version=version("iconoclip"),
        description=DESCRIPTION,
        openapi_url="/api/openapi.json",
        generate_unique_id_function=operation_id,
        docs_url=None,
        redoc_url=None,
        middleware=middleware_stack(
            config.public_url,
            config.trusted_proxies,
            Limits(config.rate_limit_per_minute, MAX_BODY_BYTES, config.max_requests),
        ),
        lifespan=_lifespan,
    )
    app.state.asker = asker
    _add_api(app, members, asker)
    _add_pages(app, _Pages(config.title, members), asker)
    app.mount("/static", Static(directory=STATIC), name="static")
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.asker.close()


def _answered(question: Question, members: tuple[Member, ...], asker: Asker) -> FederatedResults:
    try:
        return answer(question, members, asker)
    except IconoclipError as error:
        raise from_engine(error) from error


def _add_api(app: FastAPI, members: tuple[Member, ...], asker: Asker) -> None:
    @app.get("/api/search", tags=["search"], summary="Search all services at once", responses=REFUSALS)
    def search(question: Annotated[Question, Query()]) -> FederatedResults:
        """One page of hits, likeliest first by the calibrated score of each service. A service that does not
        answer is named in `services` with its state; the next page asks it once more.
        """
        return _answered(question, members, asker)

    @app.get("/api/health", tags=["operation"], summary="Whether this server accepts connections")
    def health() -> dict[str, str]:
        """The services are not queried."""
        return {"status": "ok"}


class _Pages:
    """Renders pages, with a policy that allows the small pictures of the services."""

    def __init__(self, title: str, members: tuple[Member, ...]) -> None:
        self.title, self.members = title, members
        origins = " ".join(sorted({member.origin for member in members}))
        self._policy = f"{CONTENT_SECURITY_POLICY}; img-src 'self' {origins}"

    def __call__(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        values |= {"title": self.title, "members": self.members, "has_members": False}
        response = HTMLResponse(render(template, request, **values), status)
        response.headers["Content-Security-Policy"] = self._policy
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Vary"] = "Accept-Language, Cookie"
        response.headers["Cache-Control"] = "private, no-cache"
        remember_language(request, response)
        return response


def _add_pages(app: FastAPI, page: _Pages, asker: Asker) -> None:
    @app.get("/", include_in_schema=False)
    def home(request: Request) -> Response:
        return page(request, "federated.html", params={"q": "", "cursor": None})

    @app.get("/search", include_in_schema=False)
    def results(request: Request) -> Response:
        """The page of hits of all services for the query `q`; without one, back to the first page."""
        if not request.query_params.get("q", "").strip():
            return RedirectResponse(f"{root_of(request)}/", status_code=303)
        question = from_page(request.query_params, Question)
        found = _answered(question, page.members, asker)

        def link(cursor: str | None) -> str:
            return f"{root_of(request)}/search?{question.query_string(cursor=cursor)}"

        return page(request, "federated.html", params=question, found=found, link=link)

    @app.get("/ratios.css", include_in_schema=False)
    def ratios() -> Response:
        return Response(ratios_css(), media_type="text/css", headers=_DAY)

    @app.get("/robots.txt", include_in_schema=False)
    def robots(request: Request) -> Response:
        lines = (
            "User-agent: *",
            f"Disallow: {root_of(request)}/search",
            f"Disallow: {root_of(request)}/api/",
            "",
        )
        return Response("\n".join(lines), media_type="text/plain")

    def refuse(request: Request, error: Exception) -> Response:
        refusal = as_refusal(error)
        if wants_page(request):
            response = page(request, "federated_refusal.html", refusal.status, refusal=refusal)
            response.headers.update(refusal.headers)
            return response
        return JSONResponse(refusal.body, refusal.status, headers=refusal.headers)

    def apologise(request: Request, error: Exception) -> Response:
        report(error)
        return refuse(request, error)

    for kind in (Refusal, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, refuse)
    app.add_exception_handler(Exception, apologise)
