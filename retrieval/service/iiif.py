"""Results and items as IIIF Presentation 3: a Manifest with one canvas a hit, or a Collection of their manifests.

Written for Universal Viewer, Mirador and Clover. A picture that may not be shown has an empty canvas that links to
its institution. https://iiif.io/api/presentation/3.0/
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from iconoclip.record import Caption
from retrieval.answers import Hit
from retrieval.service.api import REFUSALS, KeyPath, Responses
from retrieval.service.desk import Concealed, DeskOf
from retrieval.service.exports import results_of
from retrieval.service.params import SearchParams
from retrieval.service.views import home_of, is_shown, outward

CONTEXT = "http://iiif.io/api/presentation/3/context.json"
THUMB_SIDE_PIXELS = 400

router = APIRouter(responses=REFUSALS, tags=["iiif"])


class Iiif(JSONResponse):
    """JSON with the media type of the Presentation API, section 6.2 of its text."""

    media_type = f'application/ld+json;profile="{CONTEXT}"'


_OK: Responses = {200: {"content": {"application/ld+json": {}}, "description": "IIIF Presentation 3"}}


@router.get(
    "/iiif/search/manifest.json", summary="The page of hits as a Manifest", response_class=Iiif, responses=_OK
)
def search_manifest(
    params: Annotated[SearchParams, Query()], request: Request, desk: DeskOf, concealed: Concealed
) -> Iiif:
    """One canvas a hit, in the order of the results."""
    base = desk.base_url(request)
    hits = results_of(params, desk, concealed).hits
    address = f"{base}/iiif/search/manifest.json?{params.query_string(cursor=params.cursor)}"
    return Iiif(manifest_of(hits, address, params.text or "Pictures", base))


@router.get(
    "/iiif/search/collection.json",
    summary="The page of hits as a Collection",
    response_class=Iiif,
    responses=_OK,
)
def search_collection(
    params: Annotated[SearchParams, Query()], request: Request, desk: DeskOf, concealed: Concealed
) -> Iiif:
    """The institutions' own manifests, each once; where there is none, the manifest this service makes."""
    base = desk.base_url(request)
    hits = results_of(params, desk, concealed).hits
    address = f"{base}/iiif/search/collection.json?{params.query_string(cursor=params.cursor)}"
    return Iiif(collection_of(hits, address, params.text or "Pictures", base))


@router.get(
    "/iiif/{key}/manifest.json",
    summary="One item as a Manifest",
    response_class=Iiif,
    responses=_OK,
)
def item_manifest(key: KeyPath, request: Request, desk: DeskOf, concealed: Concealed) -> Iiif:
    """One canvas: the picture as stored here."""
    hit, base = desk.item(key, concealed).hit, desk.base_url(request)
    return Iiif(manifest_of((hit,), f"{base}/iiif/{key}/manifest.json", hit.title, base))


def manifest_of(hits: tuple[Hit, ...], address: str, name: str, base: str) -> dict[str, Any]:
    """A Manifest whose canvases are the hits."""
    return {
        "@context": CONTEXT,
        "id": address,
        "type": "Manifest",
        "label": {"none": [name]},
        "summary": {"en": [f"{len(hits)} pictures found with iconoclip"]},
        # A manifest may not be without canvases (section 5.2), so an empty result is one empty canvas.
        "items": [_canvas(hit, base) for hit in hits] or [_nothing(address)],
    }


def collection_of(hits: tuple[Hit, ...], address: str, name: str, base: str) -> dict[str, Any]:
    """A Collection of the manifests the hits come from."""
    manifests: dict[str, dict[str, Any]] = {}
    for hit in hits:
        identity = outward(hit.manifest) or f"{base}/iiif/{hit.key}/manifest.json"
        manifests.setdefault(
            identity, {"id": identity, "type": "Manifest", "label": _label(hit.captions, hit.title)}
        )
    return {
        "@context": CONTEXT,
        "id": address,
        "type": "Collection",
        "label": {"none": [name]},
        "items": list(manifests.values()),
    }


def _canvas(hit: Hit, base: str) -> dict[str, Any]:
    identity = f"{base}/iiif/{hit.key}/canvas"
    canvas: dict[str, Any] = {
        "id": identity,
        "type": "Canvas",
        "label": _label(hit.captions, hit.title),
        "width": hit.width,
        "height": hit.height,
        "metadata": _metadata(hit),
        "requiredStatement": {
            "label": {"en": ["Attribution"]},
            "value": {"none": [hit.rights.attribution or hit.institution_name]},
        },
        "seeAlso": [{"id": f"{base}/api/items/{hit.key}", "type": "Dataset", "format": "application/json"}],
    }
    if hit.rights.uri:
        canvas["rights"] = hit.rights.uri
    if home := home_of(hit):
        label = {"none": [hit.institution_name]}
        canvas["homepage"] = [{"id": home, "type": "Text", "label": label, "format": "text/html"}]
    if is_shown(hit):
        canvas["thumbnail"] = [_thumbnail(hit, base)]
        canvas["items"] = [_painting(hit, identity, base)]
    if origin := _origin(hit, identity):
        canvas["annotations"] = [origin]
    return canvas


def _painting(hit: Hit, canvas: str, base: str) -> dict[str, Any]:
    body = {
        "id": f"{base}/image/{hit.key}.jpg",
        "type": "Image",
        "format": "image/jpeg",
        "width": hit.width,
        "height": hit.height,
    }
    annotation = {
        "id": f"{canvas}/painting",
        "type": "Annotation",
        "motivation": "painting",
        "body": body,
        "target": canvas,
    }
    return {"id": f"{canvas}/page", "type": "AnnotationPage", "items": [annotation]}


def _thumbnail(hit: Hit, base: str) -> dict[str, Any]:
    scale = min(1.0, THUMB_SIDE_PIXELS / max(hit.width, hit.height))
    return {
        "id": f"{base}/thumb/{hit.key}.jpg",
        "type": "Image",
        "format": "image/jpeg",
        "width": max(1, round(hit.width * scale)),
        "height": max(1, round(hit.height * scale)),
    }


def _origin(hit: Hit, canvas: str) -> dict[str, Any] | None:
    """An annotation that points back to the region of the institution's own canvas."""
    if not (outward(hit.canvas) and outward(hit.manifest)):
        return None
    source = hit.canvas if hit.region is None else f"{hit.canvas}#xywh={hit.region}"
    body = {"id": source, "type": "Canvas", "partOf": [{"id": hit.manifest, "type": "Manifest"}]}
    annotation = {
        "id": f"{canvas}/origin",
        "type": "Annotation",
        "motivation": "linking",
        "body": body,
        "target": canvas,
    }
    return {"id": f"{canvas}/origins", "type": "AnnotationPage", "items": [annotation]}


def _metadata(hit: Hit) -> list[dict[str, Any]]:
    facts = {
        "Institution": [hit.institution_name],
        "Date": [hit.date] if hit.date else [],
        "Creator": list(hit.creators),
        "Type": [hit.object_type] if hit.object_type else [],
        "Iconclass": list(hit.iconclass),
        "Rights": [hit.rights.label],
    }
    return [{"label": {"en": [name]}, "value": {"none": values}} for name, values in facts.items() if values]


def _label(captions: tuple[Caption, ...], title: str) -> dict[str, list[str]]:
    label: dict[str, list[str]] = {}
    for caption in captions:
        label.setdefault("none" if caption.language == "und" else caption.language, []).append(caption.text)
    return {language: texts[:1] for language, texts in label.items()} or {"none": [title]}


def _nothing(address: str) -> dict[str, Any]:
    return {
        "id": f"{address}#nothing",
        "type": "Canvas",
        "label": {"en": ["Nothing was found"]},
        "width": 1,
        "height": 1,
    }
