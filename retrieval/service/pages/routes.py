"""The pages: home, results, one item. Everything works without JavaScript."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Query, Request, UploadFile
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from iconoclip import iconclass
from iconoclip.record import KEY_PATTERN
from retrieval import iconography
from retrieval.answers import Hit, Item, NotationSuggestion
from retrieval.generation.calibration import MIN_PROBABILITY
from retrieval.service.api.images import keep
from retrieval.service.context import Concealed, InjectedContext, ServiceContext, no_such_item
from retrieval.service.export_set import ExportParams, export_set
from retrieval.service.guards.refusals import N_, Refusal
from retrieval.service.guards.visibility import COOKIE
from retrieval.service.occlusion import OcclusionOverlay
from retrieval.service.pages import facets
from retrieval.service.pages.home import HomePage, home_page
from retrieval.service.pages.jinja import remember_language, render, root_of, translation_for
from retrieval.service.pages.layout import ratios_css
from retrieval.service.pages.search_help import fields
from retrieval.service.params import MAX_K, FilterParams, SearchParams, from_page, misspelt, repeated
from retrieval.service.recommendations import recommended

router = APIRouter(include_in_schema=False)
RATIOS_CSS = ratios_css()
NUM_SUGGESTED = 8
ICON = Path(__file__).parent / "static" / "icon.svg"
NOT_FOR_CRAWLERS = ("/search", "/export", "/api/", "/iiif/", "/kept/", "/members", "/occlusion/")


@router.get("/", response_class=HTMLResponse)
def home(request: Request, context: InjectedContext, concealed: Concealed) -> Response:
    """The home page: the search box, examples, counts, and some of the pictures."""
    translation = translation_for(request)
    shown: HomePage = home_page(context, concealed, translation)
    return _page(request, "home.html", shown=shown)


@router.get("/search", response_class=HTMLResponse)
def results(request: Request, context: InjectedContext, concealed: Concealed) -> Response:
    """The results: a page of hits, with filters next to it."""
    params = from_page(request.query_params, SearchParams)
    found = context.search(params.model_copy(update={"counts": True}), concealed)
    assert found.facets is not None
    translation = translation_for(request)
    return _page(
        request,
        "results.html",
        params=params,
        found=found,
        panel=facets.side_panel(found.facets, params, translation),
        chips=facets.chips(found.facets, params, translation),
        likes=[context.hit(key, concealed) for key in params.like],
        unlikes=[context.hit(key, concealed) for key in params.unlike],
        link=Linker(params, root_of(request)),
        misspelt=misspelt(request.query_params),
        repeated=repeated(request.query_params),
    )


@router.get("/help", response_class=HTMLResponse)
def search_help(request: Request, context: InjectedContext, concealed: Concealed) -> Response:
    """The page that explains how to search, with examples from what this user may see."""
    some = context.search(SearchParams(k=1), concealed).hits
    shown = fields(
        translation_for(request), context.facets(FilterParams(), concealed), [hit.title for hit in some]
    )
    return _page(request, "help.html", fields=shown)


class Linker:
    """Addresses of the same query with small changes."""

    def __init__(self, params: SearchParams, root: str) -> None:
        self._params, self._root = params, root

    def __call__(self, path: str = "/search", /, **changes: Any) -> str:
        query = self._params.query_string(**changes)
        return f"{self._root}{path}?{query}" if query else self._root + path

    def adding(self, name: str, value: str) -> str:
        """The query with one more value in a list."""
        values = [*getattr(self._params, name), value]
        return self(**{name: list(dict.fromkeys(values))})

    def without(self, name: str, value: str) -> str:
        """The query without one value of a list."""
        return self(**{name: [each for each in getattr(self._params, name) if each != value]})


@router.post("/search/image")
def search_by_image(
    request: Request,
    context: InjectedContext,
    concealed: Concealed,
    image: Annotated[UploadFile | None, File()] = None,
    url: Annotated[str | None, Form(max_length=2_000)] = None,
) -> Response:
    """Keep a picture in memory for a while, and show similar pictures."""
    name = keep(context, concealed, image, url)
    return RedirectResponse(f"{root_of(request)}/search?image={name}", status_code=303)


@router.get("/kept/{name}.jpg")
def kept_image(name: str, context: InjectedContext) -> Response:
    """The picture that a user searched with, for that user's own page."""
    return Response(
        context.kept_images.get(name), media_type="image/jpeg", headers={"Cache-Control": "private, no-store"}
    )


@dataclass(frozen=True)
class SeenText:
    """The parts of a picture in which a text is seen."""

    text: str
    overlay: OcclusionOverlay


@dataclass(frozen=True)
class SuggestedNotations:
    """Notations below a branch that the model suggests for a picture, for cataloguers."""

    branch: str
    is_known: bool
    notations: tuple[NotationSuggestion, ...]

    @property
    def is_unsure(self) -> bool:
        """Whether none of them has a probability of one half."""
        return all(each.score < MIN_PROBABILITY for each in self.notations)


@router.get("/item/{key}", response_class=HTMLResponse)
def item(
    key: str,
    request: Request,
    context: InjectedContext,
    concealed: Concealed,
    seen: Annotated[str, Query(max_length=1_000)] = "",
    branch: Annotated[str, Query(max_length=120)] = "",
) -> Response:
    """The page of one item. `seen` shows where in the picture a text is found; `branch`
    suggests notations below it.
    """
    if not re.fullmatch(KEY_PATTERN, key):
        raise no_such_item(key)
    found = context.item(key, concealed)
    text, asked = seen.replace("\x00", "").strip(), branch.replace(" ", "")
    return _page(
        request,
        "item.html",
        item=found,
        page=_hit_if_here(context, found.hit.in_page.key, concealed) if found.hit.in_page else None,
        on_page=_pictures_on(context, found, concealed),
        num_copies=len(context.copies(key, concealed)) - 1,
        base=context.base_url(request),
        recommended=recommended(found.record, context, concealed, translation_for(request).language),
        seen=SeenText(text, OcclusionOverlay.of(context.explain(key, text, concealed))) if text else None,
        suggested=_suggested(context, key, asked, concealed, translation_for(request).language)
        if asked
        else None,
        divisions=iconography.children(""),
    )


def _pictures_on(context: ServiceContext, item: Item, concealed: tuple[str, ...]) -> list[Hit]:
    """The pictures that were cut from a whole page, as far as they are here."""
    keys = item.record.page.pictures if item.record.page else ()
    return [hit for key in keys if (hit := _hit_if_here(context, key, concealed)) is not None]


def _hit_if_here(context: ServiceContext, key: str | None, concealed: tuple[str, ...]) -> Hit | None:
    if key is None:
        return None
    try:
        return context.hit(key, concealed)
    except Refusal:
        return None


def _suggested(
    context: ServiceContext, key: str, branch: str, concealed: tuple[str, ...], language: str
) -> SuggestedNotations:
    if not iconclass.exists(branch):
        return SuggestedNotations(branch, False, ())
    found = context.suggest_notations(key, branch, concealed, language=language, k=NUM_SUGGESTED)
    return SuggestedNotations(branch, True, found)


@router.get("/item/{key}/copies", response_class=HTMLResponse)
def copies(key: str, request: Request, context: InjectedContext, concealed: Concealed) -> Response:
    """The page of an item and its near-duplicates."""
    if not re.fullmatch(KEY_PATTERN, key):
        raise no_such_item(key)
    return _page(request, "copies.html", hits=context.copies(key, concealed))


@router.get("/export", response_class=HTMLResponse)
def export(request: Request, context: InjectedContext, concealed: Concealed) -> Response:
    """What can be exported of a result, in which formats, and how many items each export holds."""
    params = from_page(request.query_params, ExportParams)
    given = params.model_copy(update={"scope": "page", "start": 1, "snapshot": None})
    return _page(
        request,
        "export.html",
        params=given,
        here=export_set(given, context, concealed),
        whole=None
        if given.key
        else export_set(given.model_copy(update={"scope": "all", "cursor": None}), context, concealed),
        most=MAX_K,
        link=Linker(given, root_of(request)),
    )


@router.get("/about", response_class=HTMLResponse)
def about(request: Request, context: InjectedContext) -> Response:
    """The page about the search: how it works, what is stored, and the interfaces for programs."""
    return _page(request, "about.html", base=context.base_url(request))


@router.get("/members", response_class=HTMLResponse)
def members(request: Request, context: InjectedContext) -> Response:
    """The page where members of a consortium enter their token.

    Raises:
        Refusal: 404, there is no consortium.
    """
    if not context.visibility.consortium:
        raise Refusal(404, "everything here is public", where="/members")
    return _page(request, "members.html")


@router.post("/members")
def enter(
    token: Annotated[str, Form(max_length=500)], request: Request, context: InjectedContext
) -> Response:
    """Store a valid token in a cookie that only this service reads."""
    if not context.visibility.is_member(token.strip()):
        raise Refusal(
            401, N_("the token is not known here"), where="token", remedy=N_("ask the consortium for one")
        )
    response = RedirectResponse(f"{root_of(request)}/", status_code=303)
    response.set_cookie(
        COOKIE,
        token.strip(),
        path=root_of(request) or "/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return response


@router.post("/members/leave")
def leave(request: Request) -> Response:
    """Delete the cookie that holds the token."""
    response = RedirectResponse(f"{root_of(request)}/", status_code=303)
    response.delete_cookie(COOKIE, path=root_of(request) or "/", httponly=True, samesite="strict")
    return response


@router.get("/ratios.css")
def ratios() -> Response:
    """The stylesheet with the proportions of the gallery's frames."""
    return Response(RATIOS_CSS, media_type="text/css", headers={"Cache-Control": "public, max-age=86400"})


@router.get("/favicon.ico")
def favicon() -> Response:
    """The icon at the traditional address /favicon.ico."""
    return FileResponse(ICON, media_type="image/svg+xml", headers={"Cache-Control": "public, max-age=86400"})


@router.get("/robots.txt")
def robots(request: Request) -> Response:
    """What crawlers may read: the home page and the items, not the endless
    combinations of searches (RFC 9309).

    If the service is published under a path, crawlers do not read this file; the pages of results contain the
    same rule in a `meta` element.
    """
    lines = [f"Disallow: {root_of(request)}{path}" for path in NOT_FOR_CRAWLERS]
    return Response("\n".join(["User-agent: *", *lines, ""]), media_type="text/plain")


@router.get("/opensearch.xml")
def opensearch(request: Request, context: InjectedContext) -> Response:
    """The description that lets a browser add this search to its own (OpenSearch 1.1)."""
    text = render("opensearch.xml", request, title=context.config.title, base=context.base_url(request))
    return Response(text, media_type="application/opensearchdescription+xml")


def refusal_page(request: Request, refusal: Refusal) -> Response:
    """An error as a page for people."""
    response = _page(request, "refusal.html", refusal=refusal)
    response.status_code = refusal.status
    response.headers.update(refusal.headers)
    return response


def _page(request: Request, template: str, **values: Any) -> Response:
    context: ServiceContext = request.app.state.context
    values |= {"title": context.config.title, "has_members": bool(context.visibility.consortium)}
    response = HTMLResponse(render(template, request, **values))
    # The page depends on the language and on the consortium's cookie.
    response.headers["Vary"] = "Accept-Language, Cookie, Authorization"
    response.headers["Cache-Control"] = "private, no-cache"
    remember_language(request, response)
    return response
