"""Exports of a set of results: CSV for spreadsheets, JSON-LD for linked data. IIIF is in another package."""

from __future__ import annotations

import csv
import io
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from retrieval.answers import Hit
from retrieval.service.api.openapi import REFUSALS
from retrieval.service.context import Concealed, InjectedContext
from retrieval.service.hit_links import home_of, is_shown, outward
from retrieval.service.params import SearchParams

router = APIRouter(responses=REFUSALS, tags=["exports"])

COLUMNS = (
    "rank", "score", "key", "title", "institution", "creators", "date", "object_type", "iconclass", "rights",
    "rights_label", "attribution", "may_reuse", "page", "manifest", "canvas", "region", "homepage",
    "image_service",
    "source", "harvested_at",
)  # fmt: skip
# A spreadsheet would run a cell that begins with one of these as a formula (OWASP, "CSV Injection").
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@router.get(
    "/api/search.csv",
    summary="The page of hits as CSV",
    response_class=Response,
    responses={200: {"content": {"text/csv": {}}, "description": "UTF-8, one row per hit (RFC 4180)"}},
)
def as_csv(
    params: Annotated[SearchParams, Query()], request: Request, context: InjectedContext, concealed: Concealed
) -> Response:
    """One row per hit, with a header row."""
    found = context.search(params, concealed)
    return Response(
        csv_of(found.hits, context.base_url(request)),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="iconoclip.csv"'},
    )


def csv_of(hits: tuple[Hit, ...], base: str) -> str:
    """The table, with the byte order mark that spreadsheets need to recognise UTF-8."""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(COLUMNS)
    for hit in hits:
        writer.writerow([_cell(value) for value in _row(hit, base)])
    return "\ufeff" + written.getvalue()


def _row(hit: Hit, base: str) -> tuple[object, ...]:
    return (
        hit.rank, f"{hit.score:.4f}", hit.key, hit.title, hit.institution_name, "; ".join(hit.creators),
        hit.date,
        hit.object_type, " ".join(hit.iconclass), hit.rights.uri, hit.rights.label, hit.rights.attribution,
        "yes" if hit.rights.may_reuse else "no", f"{base}/item/{hit.key}", hit.manifest, hit.canvas,
        hit.region,
        hit.homepage, hit.image_service, hit.provenance.source, hit.provenance.harvested_at,
    )  # fmt: skip


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


class JsonLd(JSONResponse):
    """JSON with the media type of JSON-LD."""

    media_type = "application/ld+json"


@router.get(
    "/api/search.jsonld",
    summary="The page of hits as JSON-LD",
    response_class=JsonLd,
    responses={200: {"content": {"application/ld+json": {}}, "description": "schema.org"}},
)
def as_jsonld(
    params: Annotated[SearchParams, Query()], request: Request, context: InjectedContext, concealed: Concealed
) -> JsonLd:
    """A schema.org ItemList of VisualArtwork."""
    found = context.search(params, concealed)
    return JsonLd(
        jsonld_of(found.hits, context.base_url(request)),
        headers={"Content-Disposition": 'attachment; filename="iconoclip.jsonld"'},
    )


def jsonld_of(hits: tuple[Hit, ...], base: str) -> dict[str, Any]:
    """The list of hits in schema.org's terms."""
    elements = [{"@type": "ListItem", "position": hit.rank, "item": _artwork(hit, base)} for hit in hits]
    return {
        "@context": "https://schema.org",
        "@type": "ItemList",
        "numberOfItems": len(elements),
        "itemListElement": elements,
    }


def _artwork(hit: Hit, base: str) -> dict[str, Any]:
    about = [
        {"@type": "DefinedTerm", "termCode": code, "inDefinedTermSet": "https://iconclass.org/"}
        for code in hit.iconclass
    ]
    facts = {
        "@type": "VisualArtwork",
        "@id": f"{base}/item/{hit.key}",
        "identifier": hit.key,
        "name": [{"@value": caption.text, "@language": caption.language} for caption in hit.captions]
        or hit.title,
        "creator": [{"@type": "Person", "name": name} for name in hit.creators],
        "dateCreated": hit.date,
        "artform": hit.object_type,
        "about": about,
        "license": hit.rights.uri,
        "creditText": hit.rights.attribution,
        "provider": {"@type": "Organization", "name": hit.institution_name},
        "thumbnailUrl": f"{base}/thumb/{hit.key}.jpg" if is_shown(hit) else None,
        "sameAs": [url for url in (outward(hit.canvas), outward(hit.manifest)) if url],
        "url": home_of(hit),
        # Source and date of the description, not of the work.
        "isBasedOn": outward(hit.manifest) or outward(hit.homepage),
        "sdDatePublished": hit.provenance.harvested_at,
    }
    return {name: value for name, value in facts.items() if value}
