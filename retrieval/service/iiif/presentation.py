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
from retrieval.service.export_set import ExportParams, ExportSet, export_set
from retrieval.service.guards.refusals import N_, Refusal
from retrieval.service.hit_links import content_state_of, outward
from retrieval.service.iiif import content_search_1, published
from retrieval.service.iiif.canvases import Json, canvas_of, empty_page, label_of, whole_page
from retrieval.service.iiif.published import CONTEXT
from retrieval.service.params import MAX_K

router = APIRouter(responses=REFUSALS, tags=["iiif"])


class Iiif(JSONResponse):
    """JSON with the media type of the Presentation API (its section 6.2)."""

    media_type = f'application/ld+json;profile="{CONTEXT}"'


OK: Responses = {200: {"content": {"application/ld+json": {}}, "description": "IIIF Presentation 3"}}


@router.get("/iiif/search/manifest.json", summary="Hits as a Manifest", response_class=Iiif, responses=OK)
def search_manifest(
    params: Annotated[ExportParams, Query()], request: Request, context: InjectedContext, concealed: Concealed
) -> Iiif:
    """One canvas per hit, in the order of the results. A hit that is a part of a
    page is marked on that page. With `scope=all`, 200 hits from `start`.
    """
    base, found = context.base_url(request), export_set(params, context, concealed, limit=MAX_K)
    canvases = canvases_of(found.hits, context, concealed, base)
    label = _name(params, found, MAX_K)
    document = manifest_of(canvases, _address("manifest", request, base), label, len(canvases))
    return Iiif(document, headers=found.headers)


@router.get(
    "/iiif/search/collection.json",
    summary="Hits as a Collection",
    response_class=Iiif,
    responses=OK,
)
def search_collection(
    params: Annotated[ExportParams, Query()], request: Request, context: InjectedContext, concealed: Concealed
) -> Iiif:
    """The institutions' own manifests, each once. For items without one, the manifest of this service. With
    `scope=all`, a Collection of Collections, each with the manifests of 200 hits.
    """
    base, address = context.base_url(request), _address("collection", request, context.base_url(request))
    found = export_set(params, context, concealed, limit=MAX_K)
    if params.scope == "all" and "start" not in request.query_params and found.num_matches > MAX_K:
        parts = _parts(params, found, base)
        document = published.collection(
            {"id": address, "type": "Collection", "label": _name(params, found)}, parts
        )
    else:
        document = collection_of(found.hits, address, _name(params, found, MAX_K), base)
    return Iiif(document, headers=found.headers | {"X-Total-Count": str(found.num_matches)})


def _parts(params: ExportParams, found: ExportSet, base: str) -> list[Json]:
    """References to the parts of a whole set: nested, because a Collection of version 3 has no pages."""
    parts = []
    for start in range(1, found.num_matches + 1, MAX_K):
        query = params.query_string(start=start, snapshot=found.snapshot)
        label = f"{start}–{min(start + MAX_K - 1, found.num_matches)}"
        identity = f"{base}/iiif/search/collection.json?{query}"
        parts.append({"id": identity, "type": "Collection", "label": {"none": [label]}})
    return parts


@router.get("/iiif/{key}/manifest.json", summary="One item as a Manifest", response_class=Iiif, responses=OK)
def item_manifest(key: KeyPath, request: Request, context: InjectedContext, concealed: Concealed) -> Iiif:
    """A Manifest with one canvas: the picture as stored here, or the page that it is a part of."""
    hit, base = context.hit(key, concealed), context.base_url(request)
    canvases = canvases_of((hit,), context, concealed, base)
    return Iiif(
        manifest_of(canvases, f"{base}/iiif/{key}/manifest.json", label_of(hit.captions, hit.title), 1)
    )


@router.get(
    "/iiif/{key}/content-state.json",
    summary="The place of an item at its institution, as a IIIF Content State",
    response_class=Iiif,
    responses=OK,
)
def item_content_state(
    key: KeyPath, request: Request, context: InjectedContext, concealed: Concealed
) -> Iiif:
    """A IIIF Content State 1.0: the institution's canvas, or a region of it, and its manifest."""
    state = content_state_of(context.record(key, concealed), context.base_url(request))
    if state is None:
        raise Refusal(404, N_("this item has no canvas in a manifest"), where=key)
    return Iiif(state)


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
    search = f"{base}/iiif/{key}/object/search"
    services = [{"id": search, "type": "SearchService2"}, content_search_1.service(f"{search}/1")]
    return Iiif(
        manifest_of(
            canvases_of(hits, context, concealed, base),
            f"{base}/iiif/{key}/object/manifest.json",
            label_of(hit.captions, hit.title),
            len(hits),
            service=services,
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


def _name(params: ExportParams, found: ExportSet, most: int | None = None) -> dict[str, list[str]]:
    """The query, and how much of the result this document holds."""
    asked = params.text or "Pictures"
    if params.scope == "page":
        return {"none": [params.text]} if params.text else {"en": ["Pictures"]}
    stop = found.num_matches if most is None else min(params.start + most - 1, found.num_matches)
    return {"en": [f"{asked} ({params.start}–{stop} of {found.num_matches})"]}


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
