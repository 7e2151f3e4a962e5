"""Exports of results: CSV and XLSX for spreadsheets, JSON-LD for linked data, and a selection for training.

Each holds the page of hits, all matches (`scope=all`), or chosen items (`key`), and is sent while it is read.
IIIF is in another package.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse

from retrieval.service.api.export_formats import csv_pieces, jsonld_pieces, selection_pieces, xlsx_pieces
from retrieval.service.api.openapi import REFUSALS, Responses
from retrieval.service.context import Concealed, InjectedContext
from retrieval.service.export_set import ExportParams, ExportSet, export_set, is_head
from retrieval.service.guards.refusals import Refusal, documented

XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
CHANGED: Responses = {
    409: documented(
        "the index has changed since the export began",
        Refusal(
            409,
            "the index has changed since this export began",
            where="snapshot",
            remedy="begin again at start=1, without `snapshot`",
        ),
    )
}
HEADERS = {
    "X-Total-Count": {"description": "number of items in this export", "schema": {"type": "integer"}},
    "X-Matches": {
        "description": "with `scope=all`: number of matches of the query, at most 200,000",
        "schema": {"type": "integer"},
    },
    "X-Snapshot": {
        "description": "with `scope=all`: state of the index, to continue the export",
        "schema": {"type": "string"},
    },
}

router = APIRouter(responses=REFUSALS | CHANGED, tags=["exports"])


def _sent_as(media_type: str, description: str) -> Responses:
    return {200: {"content": {media_type: {}}, "description": description, "headers": HEADERS}}


@router.get(
    "/api/search.csv",
    summary="Hits as CSV",
    response_class=Response,
    responses=_sent_as("text/csv", "UTF-8, one row per hit (RFC 4180)"),
)
def as_csv(
    params: Annotated[ExportParams, Query()], request: Request, context: InjectedContext, concealed: Concealed
) -> Response:
    """One row per hit, with a header row unless the export continues an earlier one."""
    found = export_set(params, context, concealed)
    pieces = csv_pieces(found.hits, context.base_url(request), has_header=params.start == 1)
    return _sent(pieces, found, "csv", "text/csv; charset=utf-8", request)


@router.get(
    "/api/search.xlsx",
    summary="Hits as a spreadsheet",
    response_class=Response,
    responses=_sent_as(XLSX_TYPE, "XLSX, one row per hit; no cell is a formula"),
)
def as_xlsx(
    params: Annotated[ExportParams, Query()], request: Request, context: InjectedContext, concealed: Concealed
) -> Response:
    """The table of the CSV export, for programs that do not read UTF-8 CSV well."""
    found = export_set(params, context, concealed)
    return _sent(xlsx_pieces(found.hits, context.base_url(request)), found, "xlsx", XLSX_TYPE, request)


@router.get(
    "/api/search.jsonld",
    summary="Hits as JSON-LD",
    response_class=Response,
    responses=_sent_as("application/ld+json", "schema.org"),
)
def as_jsonld(
    params: Annotated[ExportParams, Query()], request: Request, context: InjectedContext, concealed: Concealed
) -> Response:
    """A schema.org ItemList of VisualArtwork."""
    found = export_set(params, context, concealed)
    pieces = jsonld_pieces(found.hits, found.num_hits, context.base_url(request))
    return _sent(pieces, found, "jsonld", "application/ld+json", request)


@router.get(
    "/api/search.selection.yaml",
    summary="Hits as a selection for training",
    response_class=Response,
    responses=_sent_as("application/yaml", "the keys, what they were selected from, and a digest"),
)
def as_selection(
    params: Annotated[ExportParams, Query()], request: Request, context: InjectedContext, concealed: Concealed
) -> Response:
    """The keys in order, and the SHA-256 of the list. Training checks the rights of each record itself."""
    found = export_set(params, context, concealed)
    status = context.engine.status()
    source = {
        "query": params.query_string(scope=None, start=None, snapshot=None),
        "generation": status.generation,
        "model_digest": status.model_digest,
    }
    pieces = selection_pieces(found.hits, found.num_hits, source)
    return _sent(pieces, found, "selection.yaml", "application/yaml", request)


def _sent(
    pieces: Iterable[Any], found: ExportSet, suffix: str, media_type: str, request: Request
) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="iconoclip-{found.num_hits}.{suffix}"'}
    return StreamingResponse(
        () if is_head(request) else pieces, media_type=media_type, headers=headers | found.headers
    )
