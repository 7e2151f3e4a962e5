"""The JSON API: search, one item, similar items, facets, Iconclass, and explanations of hits."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, File, Query, Request, UploadFile
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from iconoclip.errors import BadInput
from iconoclip.record import KEY_PATTERN
from retrieval import iconography
from retrieval.answers import Explanation, Facets, Hit, Item, Notation, Results, Term
from retrieval.service.api import examples
from retrieval.service.api.examples import answered
from retrieval.service.api.openapi import REFUSALS, UPLOAD, KeyPath
from retrieval.service.context import Concealed, InjectedContext
from retrieval.service.guards import uploads
from retrieval.service.guards.refusals import Refusal
from retrieval.service.hit_links import content_state, is_shown
from retrieval.service.params import AskParams, FilterParams, SearchParams, Value
from retrieval.service.recommendations import Recommended, recommended

router = APIRouter(responses=REFUSALS)
MAX_NOTATIONS = 100


class ItemAnswer(BaseModel):
    """One complete item, with the addresses that this service adds."""

    model_config = ConfigDict(frozen=True)

    item: Item
    image: str | None = Field(description="address of the picture; null where only a link is allowed")
    thumbnail: str | None = Field(description="address of a small picture, at most 400 pixels per side")
    page: str = Field(description="address of the item's page here")
    content_state: str | None = Field(
        description="IIIF Content State of the canvas or region, for a viewer's `iiif-content` parameter"
    )


class ModelResponse(Response):
    """A response that pydantic has serialised to JSON, so that FastAPI does not
    validate and serialise it again.
    """

    media_type = "application/json"

    def __init__(self, answer: BaseModel) -> None:
        super().__init__(answer.model_dump_json())


@router.get(
    "/api/search",
    tags=["search"],
    summary="Search by words, by items, or list a filtered set",
    responses=answered(examples.RESULTS),
    response_model=Results,
)
def search(
    params: Annotated[SearchParams, Query()], context: InjectedContext, concealed: Concealed
) -> ModelResponse:
    """One page of hits, best first; `next_cursor` gives the next page. `matches_well: false`
    means that nothing fits well.
    """
    return ModelResponse(context.search(params, concealed))


@router.post(
    "/api/search",
    tags=["search"],
    summary="Search with a picture, and words if you like",
    responses=UPLOAD | answered(examples.RESULTS),
    response_model=Results,
)
def search_with_image(
    image: Annotated[UploadFile, File(description="JPEG, PNG, WebP, TIFF, GIF or BMP; never stored")],
    params: Annotated[SearchParams, Query()],
    context: InjectedContext,
    concealed: Concealed,
) -> ModelResponse:
    """Like GET, with a picture in a multipart body. Send it again with the cursor for the next page."""
    picture = uploads.normalise(image.file.read(), context.config.max_upload_pixels)
    return ModelResponse(context.search(params, concealed, picture))


_ITEM = ItemAnswer(
    item=examples.ITEM,
    image=f"https://search.example/image/{examples.RECORD.key}.jpg",
    thumbnail=f"https://search.example/thumb/{examples.RECORD.key}.jpg",
    page=f"https://search.example/item/{examples.RECORD.key}",
    content_state=content_state(examples.RECORD, "https://search.example"),
)


@router.get("/api/items/{key}", tags=["items"], summary="One item, whole", responses=answered(_ITEM))
def item(key: KeyPath, request: Request, context: InjectedContext, concealed: Concealed) -> ItemAnswer:
    """The record with captions, rights and provenance, other items of the object, and similar items."""
    found, base = context.item(key, concealed), context.base_url(request)
    shown = is_shown(found.hit)
    return ItemAnswer(
        item=found,
        image=f"{base}/image/{key}.jpg" if shown else None,
        thumbnail=f"{base}/thumb/{key}.jpg" if shown else None,
        page=f"{base}/item/{key}",
        content_state=content_state(found.record, base),
    )


class Copies(BaseModel):
    """An item and its near-duplicates."""

    model_config = ConfigDict(frozen=True)

    hits: tuple[Hit, ...] = Field(description="the item itself first")


@router.get(
    "/api/items/{key}/copies",
    tags=["items"],
    summary="Copies and states of a picture",
    responses=answered(Copies(hits=(examples.ITEM.hit,))),
)
def copies(key: KeyPath, context: InjectedContext, concealed: Concealed) -> Copies:
    """The item and exactly those items that a search folds into one hit with it: equal files, and pictures of
    the same object whose perceptual hashes and model vectors agree.
    """
    return Copies(hits=context.copies(key, concealed))


class Recommendations(BaseModel):
    """What is recommended next to an item."""

    model_config = ConfigDict(frozen=True)

    recommended: tuple[Recommended, ...]


_RECOMMENDED = Recommended(
    kind="hand",
    by="creator",
    what="Konrad Grünenberg",
    reason="also by Konrad Grünenberg",
    query="like=staatsarchiv-0123456789abcdef&creator=Konrad+Gr%C3%BCnenberg",
    hits=(examples.ITEM.hit,),
)


@router.get(
    "/api/items/{key}/recommended",
    tags=["items"],
    summary="By the same maker, of the same time and place, with the same motif",
    responses=answered(Recommendations(recommended=(_RECOMMENDED,))),
)
def recommendations(key: KeyPath, context: InjectedContext, concealed: Concealed) -> Recommendations:
    """Other items with their reason in words, from records and vectors alone; most similar first."""
    return Recommendations(recommended=recommended(context.record(key, concealed), context, concealed))


class SimilarParams(FilterParams):
    """An item, and filters for the similar ones."""

    key: str = Field(pattern=KEY_PATTERN, max_length=100, description="key of the item")
    k: int = Field(default=24, ge=1, le=200, description="hits on a page")
    cursor: str | None = Field(default=None, max_length=500, description="`next_cursor` of the page before")


@router.get(
    "/api/similar",
    tags=["search"],
    summary="More like this",
    responses=answered(examples.RESULTS),
    response_model=Results,
)
def similar(
    params: Annotated[SimilarParams, Query()], context: InjectedContext, concealed: Concealed
) -> ModelResponse:
    """Items that look like this one, most similar first, without the item itself."""
    context.record(params.key, concealed)
    values = params.model_dump(exclude={"key"}, exclude_defaults=True)
    return ModelResponse(context.search(SearchParams(like=[params.key], **values), concealed))


@router.get(
    "/api/facets",
    tags=["search"],
    summary="Counts over all matches of a query",
    responses=answered(examples.FACETS),
)
def facets(params: Annotated[AskParams, Query()], context: InjectedContext, concealed: Concealed) -> Facets:
    """How many of the items that match belong to each institution, language, rights statement, type, maker,
    place, notation and century.
    """
    return context.facets(params, concealed)


class ExplainParams(BaseModel):
    """A hit, and the text that it was found by."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str = Field(pattern=KEY_PATTERN, max_length=100, description="key of the item")
    q: str = Field(min_length=1, max_length=1_000, description="the text")


@router.get(
    "/api/explain",
    tags=["items"],
    summary="Where in the picture a text is seen",
    responses=answered(examples.EXPLANATION),
)
def explain(
    params: Annotated[ExplainParams, Query()], context: InjectedContext, concealed: Concealed
) -> Explanation:
    """A coarse map over the image, row by row, with values from 0 to 1, computed on demand."""
    return context.explain(params.key, params.q, concealed)


def _look_up(text: str, language: str) -> Notation:
    """A notation, or the notations whose text contains the words of a text.

    Raises:
        Refusal: 404, Iconclass has neither of them.
    """
    try:
        return iconography.look_up(text.replace(" ", ""), language)
    except BadInput as error:
        found = () if text[:1].isdigit() else iconography.branches(text)[:MAX_NOTATIONS]
        if not found:
            raise Refusal(404, error.what, where=error.where, remedy=error.remedy) from error
    terms = tuple(Term(notation=each, label=iconography.shown(each, language)) for each in found)
    return Notation(notation="", label=text, language=language, broader=(), narrower=terms)


class IconclassParams(BaseModel):
    """A notation to look up, or an item to suggest notations for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    notation: Value = Field(
        min_length=1,
        max_length=120,
        description=(
            "an Iconclass notation; or words, and `narrower` lists the notations whose text contains them all"
        ),
        examples=["46A122", "coat of arms"],
    )
    language: str = Field(default="en", pattern=r"^[a-z]{2}$", description="language of the labels")
    suggest_for: str | None = Field(
        default=None,
        pattern=KEY_PATTERN,
        max_length=100,
        description=(
            "key of an item: the response then contains notations below `notation` that the model sees in it"
        ),
    )
    k: int = Field(default=10, ge=1, le=50, description="number of suggestions")


@router.get(
    "/api/iconclass",
    tags=["iconclass"],
    summary="A notation, its place, and suggestions",
    responses=answered(examples.NOTATION),
)
def iconclass(
    params: Annotated[IconclassParams, Query()], context: InjectedContext, concealed: Concealed
) -> Notation:
    """A notation's text, the notations above and below it, and the number of items here
    that have it or one below.
    """
    if params.language not in iconography.LANGUAGES:
        raise Refusal(
            422,
            f"Iconclass has no labels in '{params.language}'",
            where="language",
            remedy=f"one of {', '.join(iconography.LANGUAGES)}",
        )
    answer = _look_up(params.notation, params.language)
    num_items = context.facets(FilterParams(iconclass=[params.notation]), concealed).total
    if params.suggest_for is None:
        return answer.model_copy(update={"num_items": num_items})
    suggested = context.suggest_notations(
        params.suggest_for, params.notation, concealed, language=params.language, k=params.k
    )
    return answer.model_copy(update={"num_items": num_items, "suggested": suggested})
