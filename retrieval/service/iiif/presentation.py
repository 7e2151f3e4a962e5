"""Results, items and whole objects as IIIF Presentation 3: a Manifest with one canvas
per hit, or a Collection.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from retrieval.answers import Hit
from retrieval.service.api.openapi import REFUSALS, KeyPath, Responses
from retrieval.service.context import Concealed, InjectedContext, ServiceContext
from retrieval.service.hit_links import outward
from retrieval.service.iiif import published
from retrieval.service.iiif.canvases import Json, canvas_of, empty_page, label_of, whole_page
from retrieval.service.iiif.published import CONTEXT
from retrieval.service.params import SearchParams

router = APIRouter(responses=REFUSALS, tags=["iiif"])


class Iiif(JSONResponse):
    """JSON with the media type of the Presentation API (its section 6.2)."""

    media_type = f'application/ld+json;profile="{CONTEXT}"'


OK: Responses = {200: {"content": {"application/ld+json": {}}, "description": "IIIF Presentation 3"}}


@router.get(
    "/iiif/search/manifest.json", summary="The page of hits as a Manifest", response_class=Iiif, responses=OK
)
def search_manifest(
    params: Annotated[SearchParams, Query()], request: Request, context: InjectedContext, concealed: Concealed
) -> Iiif:
    """One canvas per hit, in the order of the results. A hit that is a part of a
    page is marked on that page.
    """
    base, hits = context.base_url(request), context.search(params, concealed).hits
    canvases = canvases_of(hits, context, concealed, base)
    return Iiif(manifest_of(canvases, _address("manifest", request, base), _name(params), len(hits)))


@router.get(
    "/iiif/search/collection.json",
    summary="The page of hits as a Collection",
    response_class=Iiif,
    responses=OK,
)
def search_collection(
    params: Annotated[SearchParams, Query()], request: Request, context: InjectedContext, concealed: Concealed
) -> Iiif:
    """The institutions' own manifests, each once. For items without one, the manifest of this service."""
    base = context.base_url(request)
    hits = context.search(params, concealed).hits
    return Iiif(collection_of(hits, _address("collection", request, base), _name(params), base))


@router.get("/iiif/{key}/manifest.json", summary="One item as a Manifest", response_class=Iiif, responses=OK)
def item_manifest(key: KeyPath, request: Request, context: InjectedContext, concealed: Concealed) -> Iiif:
    """A Manifest with one canvas: the picture as stored here, or the page that it is a part of."""
    hit, base = context.hit(key, concealed), context.base_url(request)
    canvases = canvases_of((hit,), context, concealed, base)
    return Iiif(
        manifest_of(canvases, f"{base}/iiif/{key}/manifest.json", label_of(hit.captions, hit.title), 1)
    )


@router.get(
    "/iiif/{key}/object/manifest.json",
    summary="The whole object of an item as a Manifest",
    response_class=Iiif,
    responses=OK,
)
def object_manifest(key: KeyPath, request: Request, context: InjectedContext, concealed: Concealed) -> Iiif:
    """All pictures in this service of the object that the item belongs to (such as the pages of a
    book), with a search service.
    """
    base, hit = context.base_url(request), context.hit(key, concealed)
    hits = tuple(context.hits_of_group(key, concealed))
    service = {"id": f"{base}/iiif/{key}/object/search", "type": "SearchService2"}
    return Iiif(
        manifest_of(
            canvases_of(hits, context, concealed, base),
            f"{base}/iiif/{key}/object/manifest.json",
            label_of(hit.captions, hit.title),
            len(hits),
            service=[service],
        )
    )


def canvases_of(
    hits: Iterable[Hit], context: ServiceContext, concealed: tuple[str, ...], base: str
) -> list[Json]:
    """A canvas per hit; the whole page for hits that are parts of one."""

    def page(hit: Hit) -> Any:
        return whole_page(context.record(hit.key, concealed)) if hit.region else None

    return [canvas_of(hit, base, page(hit)) for hit in hits]


def manifest_of(
    canvases: list[Json], address: str, label: dict[str, list[str]], num_pictures: int, **more: Any
) -> Json:
    """A Manifest of canvases; `more` contains further properties."""
    summary = {"en": [f"{num_pictures} pictures found with iconoclip"]}
    properties = {"id": address, "type": "Manifest", "label": label, "summary": summary, **more}
    # A manifest must have a canvas (section 5.2), so an empty result has one empty canvas.
    return published.manifest(properties, canvases or [_nothing(address)])


def collection_of(hits: Iterable[Hit], address: str, label: dict[str, list[str]], base: str) -> Json:
    """A Collection of the manifests the hits come from."""
    manifests: dict[str, Json] = {}
    for hit in hits:
        identity = outward(hit.manifest) or f"{base}/iiif/{hit.key}/manifest.json"
        manifests.setdefault(
            identity, {"id": identity, "type": "Manifest", "label": label_of(hit.captions, hit.title)}
        )
    properties = {"id": address, "type": "Collection", "label": label}
    return published.collection(properties, list(manifests.values()))


def _address(kind: str, request: Request, base: str) -> str:
    """The address as it was requested: Clover looks up a document by exactly the address that it loaded."""
    query = f"?{request.url.query}" if request.url.query else ""
    return f"{base}/iiif/search/{kind}.json{query}"


def _name(params: SearchParams) -> dict[str, list[str]]:
    return {"none": [params.text]} if params.text else {"en": ["Pictures"]}


def _nothing(address: str) -> Json:
    # Without a fragment, because references to a canvas add their own (section 5.3).
    identity = f"{address.partition('?')[0].removesuffix('.json')}/nothing"
    return {
        "id": identity,
        "type": "Canvas",
        "label": {"en": ["Nothing was found"]},
        "width": 1,
        "height": 1,
        "items": [empty_page(identity)],
    }
