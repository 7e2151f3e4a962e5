"""The places that a record names: where the object was made, or what place it is about."""

from __future__ import annotations

from iconoclip.record import Record
from retrieval.words import folded

MAX_PLACES, MAX_PLACE_CHARS = 8, 120
# Labels that catalogues write before a place, folded. The place of a publisher or a keeper is another thing.
_LABELS = frozenset(
    {
        *(
            "place",
            "places",
            "place of origin",
            "place created",
            "origin place",
            "place of creation",
            "place made",
        ),
        *(
            "place made",
            "location depicted",
            "place depicted",
            "ort",
            "orte",
            "entstehungsort",
            "herstellungsort",
        ),
        *("dargestellter ort", "herkunftsort", "lieu", "lieux", "lieu de creation", "lieu de production"),
        *(
            "lieu represente",
            "lieu d'origine",
            "luogo",
            "luogo di produzione",
            "lugar",
            "lugar de produccion",
        ),
        *(
            "lugar de produccion",
            "plaats",
            "plaats van vervaardiging",
            "miejsce",
            "miejsce powstania",
            "misto",
            "plats",
            "sted",
        ),
    }
)


def places_of(record: Record) -> tuple[str, ...]:
    """Its places as the source writes them, at most eight."""
    found = [
        pair.value.strip()
        for pair in record.raw
        if pair.field == "place" or _is_place(pair.label, pair.field)
    ]
    found += [caption.text.strip() for caption in record.captions if "place" in (caption.role, caption.field)]
    kept = (text for text in found if text and len(text) <= MAX_PLACE_CHARS and "://" not in text)
    return tuple(dict.fromkeys(kept))[:MAX_PLACES]


def _is_place(label: str, field: str | None) -> bool:
    return field == "place" or (field is None and folded(label).strip(" :") in _LABELS)
