"""Examples of the API's main responses, for the OpenAPI document, all about one invented item.

Hits, facets and notations are made by the functions that also serve a real collection, or a test compares
them with those, so that no example can become outdated.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from iconoclip.record import Caption, Date, Image, Institution, Record, Region, Source
from iconoclip.rights import judge
from retrieval.answers import (
    Explanation,
    Facets,
    FacetValue,
    Item,
    Notation,
    NotationCount,
    NotationSuggestion,
    Results,
    Status,
    Term,
)
from retrieval.query.hits import hit_of
from retrieval.query.ranking import Cursor

LANGUAGE, BRANCH = "en", "25F2"
_AT = "https://archives.example/iiif/a-12"

RECORD = Record(
    key="staatsarchiv-0123456789abcdef",
    institution=Institution(slug="staatsarchiv", name="Staatsarchiv", isil="DE-1234"),
    source=Source(
        id=f"{_AT}/canvas/1",
        canvas=f"{_AT}/canvas/1",
        manifest=f"{_AT}/manifest",
        image_service=f"{_AT}/image",
        homepage="https://archives.example/objects/a-12",
        region=Region(x=310, y=120, width=1000, height=1200),
    ),
    captions=(
        Caption(text="Azure, a lion rampant or", language="en", field="blazon"),
        Caption(text="In Blau ein goldener Löwe", language="de", field="blazon"),
    ),
    iconclass=("46A122", "25F23(LION)"),
    creators=("Konrad Grünenberg",),
    date=Date(text="um 1480", edtf="1480~", earliest=1475, latest=1485),
    object_type="coat of arms",
    rights=judge("https://creativecommons.org/licenses/by/4.0/", attribution="Staatsarchiv, A 12, CC BY 4.0"),
    image=Image(width=512, height=614, sha256="0" * 64),
    group=f"{_AT}/manifest",
    split="train",
    harvested_at="2026-05-04T09:00:00Z",
    harvested_by="iconoclip 0.1.0",
)

_HIT = hit_of(RECORD, rank=1, score=0.934, cosine=0.3127, matched=("meaning", "words"))
# With a cursor: null values are left out of the document, and this field is always in a real page.
_CURSOR = Cursor("gen-000003", position=1, num_shown=1, num_rows=57, query="8f14e45fceea167a").encode()
RESULTS = Results(hits=(_HIT,), total=57, next_cursor=_CURSOR, matches_well=True, took_ms=6.4)
ITEM = Item(hit=hit_of(RECORD, rank=1, score=1.0), record=RECORD)
FACETS = Facets(
    total=1,
    institution=(FacetValue(value="staatsarchiv", label="Staatsarchiv", count=1),),
    language=(FacetValue(value="de", label="de", count=1), FacetValue(value="en", label="en", count=1)),
    rights=(FacetValue(value="CC-BY", label="CC BY", count=1),),
    object_type=(FacetValue(value="coat of arms", label="coat of arms", count=1),),
    creator=(FacetValue(value="Konrad Grünenberg", label="Konrad Grünenberg", count=1),),
    iconclass=(
        FacetValue(value="25F", label="animals", count=1),
        FacetValue(value="46A", label="communal life", count=1),
    ),
    iconclass_tree=tuple(
        NotationCount(value=notation, label=label, count=1, broader=broader)
        for notation, label, broader in (
            ("2", "Nature", None),
            ("25", "earth, world as celestial body", "2"),
            ("25F", "animals", "25"),
            ("25F2", "mammals", "25F"),
            ("25F23", "beasts of prey, predatory animals", "25F2"),
            ("25F23(LION)", "beasts of prey, predatory animals: lion", "25F23"),
            ("4", "Society, Civilization, Culture", None),
            ("46", "social and economic life, transport and communication", "4"),
            ("46A", "communal life", "46"),
            ("46A1", "social stratification, social groups", "46A"),
            ("46A12", "nobility and patriciate; chivalry, knighthood", "46A1"),
            ("46A122", "armorial bearing, heraldry", "46A12"),
        )
    ),
    century=(FacetValue(value="1400", label="1400–1499", count=1),),
    num_reusable=1,
    num_with_region=1,
    num_pictures=1,
    earliest=1475,
    latest=1485,
)
NOTATION = Notation(
    notation=BRANCH,
    label="mammals",
    language=LANGUAGE,
    broader=(
        Term(notation="2", label="Nature"),
        Term(notation="25", label="earth, world as celestial body"),
        Term(notation="25F", label="animals"),
    ),
    narrower=(
        Term(notation="25F21", label="groups of mammals"),
        Term(notation="25F22", label="monkeys, apes"),
        Term(notation="25F23", label="beasts of prey, predatory animals"),
        Term(notation="25F24", label="hoofed animals"),
        Term(notation="25F25", label="trunked animals"),
        Term(notation="25F26", label="rodents"),
        Term(notation="25F27", label="swimming mammals"),
        Term(notation="25F28", label="flying mammals"),
        Term(notation="25F29", label="other mammals"),
        Term(notation="25FF2", label="fabulous animals ~ mammals"),
    ),
    num_items=1,
    suggested=(
        NotationSuggestion(notation="25F23", label="beasts of prey, predatory animals", score=0.7134),
        NotationSuggestion(notation="25F24", label="hoofed animals", score=0.0421),
    ),
)
EXPLANATION = Explanation(
    key=RECORD.key,
    text="a lion",
    width=8,
    height=8,
    heat=tuple(
        max(0.0, round(1 - ((x - 4) ** 2 + (y - 3) ** 2) / 12, 2)) for y in range(8) for x in range(8)
    ),
    box=(0.0, 0.08306, 1.0, 0.91694),
    cosine=0.2874,
)
STATUS = Status(
    generation="gen-000003",
    num_items=1,
    num_withdrawn=0,
    num_added=0,
    kind="exact",
    recall_at_10=1.0,
    model="model",
    model_digest="0" * 64,
    built_at="2026-05-04T10:00:00Z",
)


def answered(example: BaseModel) -> dict[int | str, dict[str, Any]]:
    """The successful response of a route with an example, for the route's `responses`."""
    return {200: {"content": {"application/json": {"example": example.model_dump(mode="json")}}}}
