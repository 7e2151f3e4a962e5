"""The pages: home, results, one item. Everything works without JavaScript."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from iconoclip.record import KEY_PATTERN
from retrieval.service import facets, uploads
from retrieval.service.desk import Concealed, Desk, DeskOf, no_such_item
from retrieval.service.home import Welcome, welcome
from retrieval.service.layout import ratios_css
from retrieval.service.params import SearchParams, from_page
from retrieval.service.refusals import N_, Refusal
from retrieval.service.templates import remember_language, render, wording_for
from retrieval.service.visibility import COOKIE

router = APIRouter(include_in_schema=False)
RATIOS_CSS = ratios_css()


@router.get("/", response_class=HTMLResponse)
def home(request: Request, desk: DeskOf, concealed: Concealed) -> Response:
    """The search box, examples, what is here, and a wall of pictures."""
    wording = wording_for(request)
    shown: Welcome = welcome(desk, concealed, wording)
    return _page(request, "home.html", shown=shown)


@router.get("/search", response_class=HTMLResponse)
def results(request: Request, desk: DeskOf, concealed: Concealed) -> Response:
    """A page of hits with filters at the side."""
    params = from_page(request.query_params)
    image = request.query_params.get("image") or None
    found = desk.search(params.query(concealed, desk.kept_images.get(image) if image else None))
    return _page(
        request,
        "results.html",
        params=params,
        image=image,
        found=found,
        panel=facets.side_panel(desk, params, concealed, wording_for(request)),
        likes=[desk.item(key, concealed).hit for key in params.like[:3]],
        is_listing=params.is_listing and image is None,
        link=_Linker(params, image),
    )


class _Linker:
    """Addresses of the same question, changed a little."""

    def __init__(self, params: SearchParams, image: str | None) -> None:
        self._params, self._image = params, image

    def __call__(self, path: str = "/search", **changes: Any) -> str:
        query = self._params.query_string(**{"image": self._image, **changes})
        return f"{path}?{query}" if query else path


@router.post("/search/image")
def search_by_image(image: Annotated[UploadFile, File()], desk: DeskOf) -> Response:
    """Keep an uploaded picture in memory for a while and show what resembles it."""
    name = desk.kept_images.keep(uploads.normalise(image.file.read(), desk.config.max_upload_pixels))
    return RedirectResponse(f"/search?image={name}", status_code=303)


@router.get("/kept/{name}.jpg")
def kept_image(name: str, desk: DeskOf) -> Response:
    """The picture a reader searched with, for that reader's own page."""
    return Response(
        desk.kept_images.get(name), media_type="image/jpeg", headers={"Cache-Control": "private, no-store"}
    )


@router.get("/item/{key}", response_class=HTMLResponse)
def item(key: str, request: Request, desk: DeskOf, concealed: Concealed) -> Response:
    """One item with everything known about it."""
    if not re.fullmatch(KEY_PATTERN, key):
        raise no_such_item(key)
    return _page(request, "item.html", item=desk.item(key, concealed), base=desk.base_url(request))


@router.get("/about", response_class=HTMLResponse)
def about(request: Request, desk: DeskOf) -> Response:
    """How the search works, what is kept, and the doors for programs."""
    return _page(request, "about.html", base=desk.base_url(request))


@router.get("/members", response_class=HTMLResponse)
def members(request: Request, desk: DeskOf) -> Response:
    """Where a member of the consortium shows a token, where there is a consortium.

    Raises:
        Refusal: 404, everything here is public.
    """
    if not desk.visibility.consortium:
        raise Refusal(404, "everything here is public", where="/members")
    return _page(request, "members.html")


@router.post("/members")
def enter(token: Annotated[str, Form(max_length=500)], request: Request, desk: DeskOf) -> Response:
    """Remember a token that is known, in a cookie that only this service reads."""
    if not desk.visibility.is_member(token.strip()):
        raise Refusal(
            401, N_("the token is not known here"), where="token", remedy=N_("ask the consortium for one")
        )
    response = RedirectResponse("/", status_code=303)
    response.set_cookie(
        COOKIE, token.strip(), httponly=True, samesite="strict", secure=request.url.scheme == "https"
    )
    return response


@router.post("/members/leave")
def leave() -> Response:
    """Forget the token."""
    response = RedirectResponse("/", status_code=303)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


@router.get("/ratios.css")
def ratios() -> Response:
    """The proportions of the gallery's frames."""
    return Response(RATIOS_CSS, media_type="text/css", headers={"Cache-Control": "public, max-age=86400"})


@router.get("/opensearch.xml")
def opensearch(request: Request, desk: DeskOf) -> Response:
    """The description that lets a browser add this search to its own (OpenSearch 1.1)."""
    text = render("opensearch.xml", request, title=desk.config.title, base=desk.base_url(request))
    return Response(text, media_type="application/opensearchdescription+xml")


def refusal_page(request: Request, refusal: Refusal) -> Response:
    """A refusal for people."""
    response = _page(request, "refusal.html", refusal=refusal)
    response.status_code = refusal.status
    response.headers.update(refusal.headers)
    return response


def _page(request: Request, template: str, **context: Any) -> Response:
    desk: Desk = request.app.state.desk
    context |= {"title": desk.config.title, "has_members": bool(desk.visibility.consortium)}
    response = HTMLResponse(render(template, request, **context))
    # The language decides the text, and a consortium's cookie what is seen.
    response.headers["Vary"] = "Accept-Language, Cookie, Authorization"
    response.headers["Cache-Control"] = "private, no-cache"
    remember_language(request, response)
    return response
