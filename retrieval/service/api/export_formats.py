"""The formats of an export, each as a stream of pieces: CSV, XLSX, JSON-LD, and a selection for training."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from retrieval.answers import Hit
from retrieval.service.api.spreadsheet import FORMULA_STARTS, xlsx
from retrieval.service.hit_links import home_of, is_shown, outward

BATCH = 100
COLUMNS = (
    "rank", "score", "key", "title", "institution", "creators", "date", "object_type", "iconclass", "rights",
    "rights_label", "attribution", "may_reuse", "page", "manifest", "canvas", "region", "homepage",
    "image_service",
    "source", "harvested_at",
)  # fmt: skip


def csv_pieces(hits: Iterable[Hit], base: str, *, has_header: bool = True) -> Iterator[str]:
    """The table, with the byte order mark that spreadsheets need to recognise UTF-8. The continuation of an
    interrupted export has no header.
    """
    written = io.StringIO()
    writer = csv.writer(written)
    if has_header:
        written.write("\ufeff")
        writer.writerow(COLUMNS)
    for batch in _batches(hits):
        writer.writerows([_plain_cell(value) for value in _row(hit, base)] for hit in batch)
        yield _taken(written)
    yield _taken(written)


def xlsx_pieces(hits: Iterable[Hit], base: str) -> Iterator[bytes]:
    """The same table as a spreadsheet."""
    return xlsx(COLUMNS, (_row(hit, base) for hit in hits))


def jsonld_pieces(hits: Iterable[Hit], num_hits: int, base: str) -> Iterator[str]:
    """A schema.org ItemList of VisualArtwork."""
    head = {"@context": "https://schema.org", "@type": "ItemList", "numberOfItems": num_hits}
    yield json.dumps(head)[:-1] + ', "itemListElement": ['
    comma = ""
    for batch in _batches(hits):
        elements = ({"@type": "ListItem", "position": hit.rank, "item": _artwork(hit, base)} for hit in batch)
        yield comma + ",\n".join(json.dumps(each, ensure_ascii=False) for each in elements)
        comma = ",\n"
    yield "]}\n"


def selection_pieces(hits: Iterable[Hit], num_hits: int, source: dict[str, str]) -> Iterator[str]:
    """A YAML list of keys for training, with what they were selected from, and a digest at its end.

    `keys_sha256` is the SHA-256 of the keys, each followed by a line feed, in order. The list grants nothing:
    training checks the rights of each record itself.
    """
    lines = ["# A selection of records for training: which ones, not what may be done with them."]
    lines += ["format: iconoclip-selection", "schema_version: 1"]
    # JSON strings are YAML strings.
    lines += [f"{name}: {json.dumps(value)}" for name, value in source.items()]
    yield "\n".join([*lines, f"num_selected: {num_hits}", "keys:" if num_hits else "keys: []", ""])
    digest, num_keys = hashlib.sha256(), 0
    for batch in _batches(hits):
        digest.update("".join(f"{hit.key}\n" for hit in batch).encode())
        num_keys += len(batch)
        yield "".join(f"- {hit.key}\n" for hit in batch)
    # An item may be withdrawn between the count and the last key; this is the number above these lines.
    yield f"num_keys: {num_keys}\nkeys_sha256: {digest.hexdigest()}\n"


def _batches(hits: Iterable[Hit]) -> Iterator[list[Hit]]:
    remaining = iter(hits)
    while batch := list(islice(remaining, BATCH)):
        yield batch


def _taken(written: io.StringIO) -> str:
    text = written.getvalue()
    written.seek(0)
    written.truncate()
    return text


def _row(hit: Hit, base: str) -> tuple[object, ...]:
    return (
        hit.rank, round(hit.score, 4), hit.key, hit.title, hit.institution_name, "; ".join(hit.creators),
        hit.date,
        hit.object_type, " ".join(hit.iconclass), hit.rights.uri, hit.rights.label, hit.rights.attribution,
        "yes" if hit.rights.may_reuse else "no", f"{base}/item/{hit.key}", hit.manifest, hit.canvas,
        hit.region,
        hit.homepage, hit.image_service, hit.provenance.source, hit.provenance.harvested_at,
    )  # fmt: skip


def _plain_cell(value: object) -> object:
    """A cell of CSV, where a quote before it is all that keeps a text from being run."""
    if value is None or isinstance(value, (int, float)):
        return value
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


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
