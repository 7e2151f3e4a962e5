"""The kinds of pages that a IIIF manifest tells: by the labels of its canvases, and by its ranges
(`structures`), which are tables of contents.

A label counts if it names a sort of page ("Title page", "Planche, 12r", "Tafel IV") and not a subject: a
chapter may be about maps.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from data_prep.candidate import Refusal
from data_prep.iiif.document import JsonObject, as_list, id_of, objects, parse_object, type_of
from data_prep.iiif.language_map import texts
from data_prep.iiif.upgrade import upgrade
from data_prep.page_text.structure import KINDS_OF_WORDS
from iconoclip.page_layout.kinds import PageKind

MAX_CANVASES: Final = 200_000
MAX_RANGES: Final = 20_000
_MAX_DEPTH: Final = 16
# Labels of so few words name a sort of page also where another word comes first ("Front cover"), if they
# belong to so few pages.
_FEW_WORDS, _FEW_CANVASES = 3, 2
# After the word comes the end, a number or a letter that counts, or a sign after which a title may follow.
_REST: Final = re.compile(
    r"\w{0,3}\s*(?:$|[.,:;(\[\]\-–]|(?:n[or°]?\.?\s*)?(?:\d|[ivxlcdm]+\b|[a-z]\b))", re.IGNORECASE
)


@dataclass(frozen=True)
class _Range:
    """A range: its labels, the canvases that it names itself, and the ranges within it."""

    labels: tuple[str, ...]
    canvases: tuple[str, ...]
    children: tuple[str, ...]


def manifest_pages(document: bytes, uri: str) -> dict[str, PageKind] | Refusal:
    """The canvases whose kind a manifest tells, of Presentation 2.x or 3.0."""
    parsed = parse_object(document, uri)
    if isinstance(parsed, Refusal):
        return parsed
    manifest = upgrade(parsed)
    if type_of(manifest) != "Manifest":
        kind = type_of(manifest)[:60] or "another object"
        return Refusal(uri, f"no IIIF manifest, but {kind}", "everything")
    return canvas_kinds(manifest)


def canvas_kinds(manifest: JsonObject) -> dict[str, PageKind]:
    """The canvases of a manifest of Presentation 3.0 whose kind it tells.

    The label of the canvas comes first, then the range with the fewest canvases.
    """
    ranges = _ranges(manifest)
    told: dict[str, tuple[int, PageKind]] = {}
    for name in ranges:
        # Most labels name no kind of page, and then the contents of the range are not needed.
        if any(pattern.search(label) for label in ranges[name].labels for pattern, _ in KINDS_OF_WORDS):
            canvases = _all_canvases(name, ranges)
            kind = _kind_of(ranges[name].labels, len(canvases))
            for canvas in canvases if kind is not None else ():
                assert kind is not None
                if canvas not in told or len(canvases) < told[canvas][0]:
                    told[canvas] = len(canvases), kind
    kinds = {canvas: kind for canvas, (_, kind) in told.items()}
    for page in objects(manifest.get("items"))[:MAX_CANVASES]:
        if (identity := id_of(page)) and (kind := _kind_of(_labels(page), 1)):
            kinds[identity] = kind
    return kinds


def structure_only(manifest: JsonObject) -> bytes:
    """A manifest with nothing but the labels of its canvases and its ranges, as bytes of JSON."""
    canvases = [
        {"id": id_of(canvas), "type": "Canvas", "label": canvas.get("label")}
        for canvas in objects(manifest.get("items"))[:MAX_CANVASES]
    ]
    kept = {"id": id_of(manifest), "type": "Manifest", "items": canvases}
    return json.dumps({**kept, "structures": manifest.get("structures", [])}, ensure_ascii=False).encode()


def _kind_of(labels: tuple[str, ...], num_canvases: int) -> PageKind | None:
    for label in labels:
        text = label.strip(" \t\r\n[](){}.-–*")[:200]
        is_short = len(re.findall(r"[^\W\d_]+", text)) <= _FEW_WORDS and num_canvases <= _FEW_CANVASES
        for pattern, kind in KINDS_OF_WORDS:
            found = pattern.search(text)
            if found is not None and (is_short or (found.start() == 0 and _REST.match(text, found.end()))):
                return kind
    return None


def _labels(resource: JsonObject) -> tuple[str, ...]:
    return tuple(text[:500] for text, _ in texts(resource.get("label")))


def _ranges(manifest: JsonObject) -> dict[str, _Range]:
    """The ranges by their identifiers, those within others too."""
    found: dict[str, _Range] = {}
    waiting: list[tuple[JsonObject, int]] = [(each, 0) for each in objects(manifest.get("structures"))]
    while waiting and len(found) < MAX_RANGES:
        item, depth = waiting.pop()
        parts = as_list(item.get("items"))
        inner = [part for part in parts if isinstance(part, dict) and type_of(part) == "Range"]
        children = tuple(name for part in inner if (name := id_of(part)))
        canvases = tuple(name.split("#")[0] for part in parts if (name := _canvas_of(part)))
        found.setdefault(id_of(item) or f"#{len(found)}", _Range(_labels(item), canvases, children))
        if depth < _MAX_DEPTH:
            waiting += [(part, depth + 1) for part in inner if part.get("items")]
    return found


def _all_canvases(name: str, ranges: dict[str, _Range]) -> list[str]:
    return list(dict.fromkeys(_within(name, ranges, set())))[:MAX_CANVASES]


def _within(name: str, ranges: dict[str, _Range], seen: set[str]) -> Iterator[str]:
    waiting = [name]
    while waiting:
        own = waiting.pop()
        if own in ranges and own not in seen:
            seen.add(own)
            yield from ranges[own].canvases
            waiting += ranges[own].children


def _canvas_of(part: object) -> str | None:
    if isinstance(part, str) or type_of(part) == "Canvas":
        return id_of(part)
    if isinstance(part, dict) and type_of(part) == "SpecificResource":
        return id_of(part.get("source"))
    return None
