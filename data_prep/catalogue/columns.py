"""The columns of a catalogue: one row per image, or part of an image, that a source offers.

Every column's description is in the file itself (field metadata `description`), and in docs/catalogue.md.
`candidate` is what a harvest reads; the other columns are for queries.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa

from data_prep.candidate import Candidate
from data_prep.ledger.jobs import CANDIDATE
from iconoclip.record import Rights
from iconoclip.shardset_index import RAW_PAIR

SCHEMA_VERSION: Final = 1
TERM_FIELDS: Final = {
    "subjects": "subject",
    "persons": "person",
    "places": "place",
    "techniques": "technique",
}

_PLAIN: Final = {"text": pa.string(), "int": pa.int32(), "long": pa.int64(), "flag": pa.bool_()}
_STRINGS: Final = pa.list_(pa.string())
_SIZE: Final = pa.struct([("width", pa.int32()), ("height", pa.int32())])
_TILES: Final = pa.struct(
    [("width", pa.int32()), ("height", pa.int32()), ("scale_factors", pa.list_(pa.int32()))]
)
_REGION: Final = pa.struct([(name, pa.int32()) for name in ("x", "y", "width", "height")])
_CAPTION: Final = pa.struct(
    [
        ("text", pa.string()),
        ("language", pa.string()),
        ("field", pa.string()),
        ("origin", pa.string()),
        ("language_detected", pa.bool_()),
        ("language_source", pa.string()),
        ("level", pa.string()),
        ("role", pa.string()),
    ]
)
_COLUMNS: Final[tuple[tuple[str, Any, str], ...]] = (
    ("key", "text", "sample key that a harvest gives to the image"),
    ("institution", "text", "short name of the institution"),
    ("institution_name", "text", "name of the institution as it writes it"),
    ("source_id", "text", "identifier at the source: a canvas, an annotation, an OAI record"),
    ("manifest", "text", "URI of the IIIF manifest"),
    ("canvas", "text", "URI of the IIIF canvas"),
    ("annotation", "text", "URI of the annotation, where the row is a part of an image"),
    ("image", "text", "address of the image, where the source gives one"),
    ("image_service", "text", "base URI of the IIIF image service"),
    ("host", "text", "server of the image, with the port if it is not the usual one"),
    ("homepage", "text", "page about the object, for people"),
    ("document", "text", "address or path of the document that offers the image"),
    ("width", "int", "width of the full image in pixels, where the source states it"),
    ("height", "int", "height of the full image in pixels, where the source states it"),
    ("region", _REGION, "part of the image that the row is about, in pixels, from the top left"),
    ("service_version", "int", "version of the Image API: 1, 2 or 3"),
    ("service_level", "int", "compliance level of the service: 0, 1 or 2"),
    ("sizes", pa.list_(_SIZE), "sizes that the service offers, in pixels"),
    ("tiles", pa.list_(_TILES), "tiles that the service offers: pixels, and scale factors"),
    ("max_width", "int", "widest image that the service sends, in pixels"),
    ("max_height", "int", "highest image that the service sends, in pixels"),
    ("max_area", "long", "largest image that the service sends, in square pixels"),
    ("title", "text", "first caption"),
    ("captions", pa.list_(_CAPTION), "captions with language, field, level, role and origin, as in a record"),
    ("creators", _STRINGS, "names of the makers"),
    ("date_text", "text", "date as the source writes it"),
    ("date_edtf", "text", "date in EDTF (ISO 8601-2), where it could be read"),
    ("earliest", "long", "first year, astronomical numbering"),
    ("latest", "long", "last year, astronomical numbering"),
    ("object_type", "text", "kind of object"),
    ("subjects", _STRINGS, "subject terms, as the source writes them"),
    ("persons", _STRINGS, "persons depicted, as the source writes them"),
    ("places", _STRINGS, "places, as the source writes them"),
    ("techniques", _STRINGS, "techniques and materials, as the source writes them"),
    ("iconclass", _STRINGS, "Iconclass notations"),
    ("num_images", "int", "images that the object has at its source"),
    ("raw", pa.list_(RAW_PAIR), "labels and values as the source wrote them, with language and level"),
    ("raw_num_dropped", "int", "pairs that were left out of `raw`: there were too many"),
    ("rights_raw", "text", "rights statement as found"),
    ("rights_uri", "text", "canonical URI of the statement"),
    ("attribution", "text", "credit line that must be shown"),
    ("policy", "text", "policy of the verdict, as name@version"),
    ("train", "text", "may a model be trained on it: yes, review, no"),
    ("redistribute", "text", "may it be passed on: yes, share-alike, noncommercial, unaltered, no"),
    ("display", "text", "may it be shown: yes, unaltered, link"),
    ("opt_out", _STRINGS, "reservations that came with the document: tdmrep, noai, robots, ..."),
    ("usable", "flag", "whether a harvest under this policy stores it"),
    ("refused", "text", "why a harvest would not store it"),
    ("group_id", "text", "group whose samples stay in one split: the manifest, or the record"),
    ("document_ordinal", "long", "place of the document in the order of the source, from 0"),
    ("ordinal", "long", "place of the row in the order of the source, from 0"),
    ("candidate", "text", "everything else that a harvest needs, as JSON"),
)

SCHEMA: Final = pa.schema(
    [
        pa.field(
            name,
            _PLAIN[kind] if isinstance(kind, str) else kind,
            metadata={"description": description},
        )
        for name, kind, description in _COLUMNS
    ]
)
READ_COLUMNS: Final = (
    "key",
    "document",
    "document_ordinal",
    "ordinal",
    "opt_out",
    "captions",
    "raw",
    "candidate",
)
"""The columns that a harvest reads."""


@dataclass(frozen=True)
class Position:
    """The position of a row in the order of the source, and the document that offers it."""

    document: str
    document_ordinal: int
    ordinal: int
    opt_out: tuple[str, ...]


def row_of(
    candidate: Candidate,
    key: str,
    host: str,
    at: Position,
    rights: Rights | None,
    refused: str | None,
    terms: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """A row of the catalogue.

    Args:
        candidate: the candidate; its identifier is the one that the record gets.
        key: the sample key.
        host: the server of the image.
        at: the position of the row.
        rights: the decision on its rights; None if the statement does not fit a record.
        refused: the reason why a harvest would not store it, or None.
        terms: texts by field: `subject`, `person`, `place`, `technique`.
    """
    return {
        "key": key,
        "institution": candidate.institution.slug,
        "institution_name": candidate.institution.name,
        **_source_columns(candidate),
        "host": host,
        **_service_columns(candidate),
        "title": candidate.captions[0].text if candidate.captions else None,
        "captions": [caption.model_dump() for caption in candidate.captions],
        "creators": list(candidate.creators),
        **_date_columns(candidate),
        "object_type": candidate.object_type,
        **{name: list(terms.get(field, ())) for name, field in TERM_FIELDS.items()},
        "iconclass": list(candidate.iconclass),
        "num_images": candidate.num_images,
        "raw": [pair.model_dump() for pair in candidate.raw],
        "raw_num_dropped": candidate.raw_num_dropped,
        "rights_raw": candidate.rights_raw,
        "attribution": candidate.attribution,
        **_rights_columns(rights),
        "opt_out": list(at.opt_out),
        "usable": refused is None,
        "refused": refused,
        "group_id": candidate.group,
        "document": at.document,
        "document_ordinal": at.document_ordinal,
        "ordinal": at.ordinal,
        "candidate": _rest_of(candidate),
    }


def _source_columns(candidate: Candidate) -> dict[str, Any]:
    source, service = candidate.source, candidate.service
    size = candidate.source_size or (service and (service.width, service.height)) or (None, None)
    region = source.region or candidate.region
    is_part = region is not None and source.canvas is not None and source.id != source.canvas
    return {
        "source_id": source.id,
        "manifest": source.manifest,
        "canvas": source.canvas,
        "annotation": source.id if is_part else None,
        "image": candidate.image_uri or source.image,
        "image_service": source.image_service or (service.id if service else None),
        "homepage": source.homepage,
        "width": size[0],
        "height": size[1],
        "region": region.model_dump() if region else None,
    }


def _date_columns(candidate: Candidate) -> dict[str, Any]:
    date = candidate.date
    if date is None:
        return {}
    return {
        "date_text": date.text,
        "date_edtf": date.edtf,
        "earliest": date.earliest,
        "latest": date.latest,
    }


def _rights_columns(rights: Rights | None) -> dict[str, Any]:
    if rights is None:
        return {}
    return {
        "rights_uri": rights.uri,
        "attribution": rights.attribution,
        "policy": rights.policy,
        "train": rights.train,
        "redistribute": rights.redistribute,
        "display": rights.display,
    }


def _service_columns(candidate: Candidate) -> dict[str, Any]:
    service = candidate.service
    if service is None:
        return {}
    return {
        "service_version": service.version,
        "service_level": service.level,
        "sizes": [{"width": width, "height": height} for width, height in service.sizes],
        "tiles": [
            {"width": tile.width, "height": tile.height, "scale_factors": list(tile.scale_factors)}
            for tile in service.tiles
        ],
        "max_width": service.max_width,
        "max_height": service.max_height,
        "max_area": service.max_area,
    }


def _rest_of(candidate: Candidate) -> str:
    """A candidate as JSON, without the large fields that have their own columns."""
    return CANDIDATE.dump_json(replace(candidate, captions=(), raw=()), exclude_defaults=True).decode()


def candidate_of(row: Mapping[str, Any]) -> Candidate:
    """The candidate of a row, as it was when the row was written.

    Raises:
        ValueError: the row contains none.
    """
    values = json.loads(row["candidate"])
    if not isinstance(values, dict):
        raise ValueError("not an object")
    return CANDIDATE.validate_python(
        {**values, "captions": row["captions"] or (), "raw": row["raw"] or ()}, strict=False
    )
