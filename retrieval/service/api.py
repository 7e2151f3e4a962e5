"""The JSON API: search, one item, more like it, facets, Iconclass, and why a hit is one."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, File, Path, Query, Request, UploadFile
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from iconoclip.errors import IconoclipError
from iconoclip.record import KEY_PATTERN
from retrieval.answers import Explanation, Facets, Hit, Item, Results
from retrieval.service import notations, pictures, uploads
from retrieval.service.desk import Concealed, Desk, DeskOf
from retrieval.service.params import FilterParams, SearchParams
from retrieval.service.refusals import documented, from_engine
from retrieval.service.views import content_state, is_shown

Responses = dict[int | str, dict[str, Any]]
REFUSALS: Responses = {
    400: documented("a cursor of another question, or a body that cannot be read"),
    401: documented("a token that is not known here"),
    404: documented("no such item, or it was withdrawn, or it is not for you"),
    422: documented("a parameter out of its bounds, or one that does not exist"),
    429: documented("too many requests; Retry-After says how long to wait"),
    503: documented("something needed is not there at the moment"),
}
UPLOAD: Responses = {413: documented("too many bytes or pixels"), 415: documented("not an image")}
router = APIRouter(responses=REFUSALS)

KeyPath = Annotated[
    str,
    Path(
        pattern=KEY_PATTERN,
        max_length=100,
        description="key of an item",
        examples=["staatsarchiv-0123456789abcdef"],
    ),
]


class ItemAnswer(BaseModel):
    """One item, whole, with the addresses this service adds."""

    model_config = ConfigDict(frozen=True)

    item: Item
    image: str | None = Field(description="address of the picture; null where only a link is allowed")
    thumbnail: str | None = Field(description="address of a small picture, at most 400 pixels a side")
    page: str = Field(description="address of the item's page here")
    content_state: str | None = Field(
        description="IIIF Content State of the canvas or region, for a viewer's `iiif-content` parameter"
    )


@router.get("/api/search", tags=["search"], summary="Search by words, by items, or list a filtered set")
def search(params: Annotated[SearchParams, Query()], desk: DeskOf, concealed: Concealed) -> Results:
    """One page of hits, best first; `next_cursor` leads on. `matches_well: false` says that nothing really fits."""
    return desk.search(params.query(concealed))


@router.post(
    "/api/search", tags=["search"], summary="Search with a picture, and words if you like", responses=UPLOAD
)
def search_with_image(
    image: Annotated[UploadFile, File(description="JPEG, PNG, WebP, TIFF, GIF or BMP; never stored")],
    params: Annotated[SearchParams, Query()],
    desk: DeskOf,
    concealed: Concealed,
) -> Results:
    """As GET, with a picture in a multipart body; send it again with the cursor for the next page."""
    picture = uploads.normalise(image.file.read(), desk.config.max_upload_pixels)
    return desk.search(params.query(concealed, picture))


@router.get("/api/items/{key}", tags=["items"], summary="One item, whole")
def item(key: KeyPath, request: Request, desk: DeskOf, concealed: Concealed) -> ItemAnswer:
    """The record with captions, rights and provenance, others of the same object, and what is similar."""
    found, base = desk.item(key, concealed), desk.base_url(request)
    shown = is_shown(found.hit)
    return ItemAnswer(
        item=found,
        image=f"{base}/image/{key}.jpg" if shown else None,
        thumbnail=f"{base}/thumb/{key}.jpg" if shown else None,
        page=f"{base}/item/{key}",
        content_state=content_state(found.record),
    )


class SimilarParams(FilterParams):
    """An item, and what the similar ones must be."""

    key: str = Field(pattern=KEY_PATTERN, max_length=100, description="key of the item")
    k: int = Field(default=24, ge=1, le=200, description="hits on a page")
    cursor: str | None = Field(default=None, max_length=500, description="`next_cursor` of the page before")


@router.get("/api/similar", tags=["search"], summary="More like this")
def similar(params: Annotated[SimilarParams, Query()], desk: DeskOf, concealed: Concealed) -> Results:
    """What looks like an item, most alike first, the item itself left out."""
    desk.item(params.key, concealed)
    values = params.model_dump(exclude={"key"}, exclude_defaults=True)
    return desk.search(SearchParams(like=[params.key], **values).query(concealed))


@router.get("/api/facets", tags=["search"], summary="Counts over a filtered set")
def facets(params: Annotated[FilterParams, Query()], desk: DeskOf, concealed: Concealed) -> Facets:
    """How many items each institution, language, rights statement, type, maker, notation and century has."""
    try:
        return desk.engine.facets(params.filters(concealed))
    except IconoclipError as error:
        raise from_engine(error) from error


class ExplainParams(BaseModel):
    """A hit and the text it was found by."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str = Field(pattern=KEY_PATTERN, max_length=100, description="key of the item")
    q: str = Field(min_length=1, max_length=1_000, description="the text")


@router.get("/api/explain", tags=["items"], summary="Where in the picture a text is seen")
def explain(params: Annotated[ExplainParams, Query()], desk: DeskOf, concealed: Concealed) -> Explanation:
    """A coarse map over the image, row by row, values from 0 to 1; computed on demand."""
    desk.item(params.key, concealed)
    try:
        return desk.engine.explain(params.key, params.q)
    except IconoclipError as error:
        raise from_engine(error) from error


class IconclassParams(BaseModel):
    """A notation to look up, or an item to suggest notations for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    notation: str = Field(
        min_length=1, max_length=120, description="an Iconclass notation", examples=["46A122"]
    )
    language: str = Field(default="en", pattern=r"^[a-z]{2}$", description="language of the labels")
    suggest_for: str | None = Field(
        default=None,
        pattern=KEY_PATTERN,
        max_length=100,
        description="key of an item: the answer then holds notations below `notation` that the model sees in it",
    )
    k: int = Field(default=10, ge=1, le=50, description="number of suggestions")


@router.get(
    "/api/iconclass",
    tags=["iconclass"],
    summary="A notation, its place, and suggestions",
)
def iconclass(
    params: Annotated[IconclassParams, Query()], desk: DeskOf, concealed: Concealed
) -> notations.NotationAnswer:
    """A notation's words, what is above and below it, and how many items here carry it or one below."""
    answer = notations.look_up(params.notation, params.language)
    num_items = desk.engine.facets(FilterParams(iconclass=params.notation).filters(concealed)).total
    if params.suggest_for is None:
        return answer.model_copy(update={"num_items": num_items})
    desk.item(params.suggest_for, concealed)
    try:
        suggested = desk.engine.suggest_notations(
            params.suggest_for, params.notation, language=params.language, k=params.k
        )
    except IconoclipError as error:
        raise from_engine(error) from error
    return answer.model_copy(update={"num_items": num_items, "suggested": suggested})


def _picture(key: str, request: Request, desk: Desk, concealed: tuple[str, ...], *, small: bool) -> Response:
    hit = desk.item(key, concealed).hit
    pictures.refuse_unless_shown(hit)
    # A thumbnail is an alteration; a licence that forbids those gets the stored picture, whole.
    stored = desk.image(key)
    data = desk.thumbs.of(stored) if small and hit.rights.display != "unaltered" else stored
    headers = {"ETag": pictures.etag(data), "Cache-Control": _cache_control(hit, desk)}
    if headers["ETag"] in [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type="image/jpeg", headers=headers)


def _cache_control(hit: Hit, desk: Desk) -> str:
    # A withdrawn picture must be gone within a minute: a cache may keep its copy that long unasked.
    who = "private" if hit.institution in desk.visibility.consortium else "public"
    return f"{who}, max-age=60, must-revalidate"


_JPEG: Responses = {
    200: {"content": {"image/jpeg": {}}, "description": "the picture"},
    304: {"description": "the copy you have is still good"},
    403: documented("its rights allow a link only"),
}


@router.get(
    "/image/{key}.jpg",
    tags=["items"],
    summary="The picture as stored",
    responses=_JPEG,
    response_class=Response,
)
def image(key: KeyPath, request: Request, desk: DeskOf, concealed: Concealed) -> Response:
    """The JPEG from the shard set, where its rights let it be shown."""
    return _picture(key, request, desk, concealed, small=False)


@router.get(
    "/thumb/{key}.jpg", tags=["items"], summary="A small picture", responses=_JPEG, response_class=Response
)
def thumb(key: KeyPath, request: Request, desk: DeskOf, concealed: Concealed) -> Response:
    """A JPEG of at most 400 pixels a side, where its rights let it be shown."""
    return _picture(key, request, desk, concealed, small=True)
