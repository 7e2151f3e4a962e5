"""Turns the table of contents of a Manifest into statements about the canvases of a chapter or a picture, if
these are few."""

from __future__ import annotations

from collections.abc import Iterator

from data_prep.description.captions import Statement
from data_prep.iiif.document import JsonObject, as_list, id_of, objects, type_of
from data_prep.iiif.language_map import TaggedText, texts

MAX_RANGES = 20_000
# A heading of more canvases than this describes none of them well.
MAX_CANVASES_OF_HEADING = 4
_MAX_DEPTH = 16


def contents_by_canvas(manifest: JsonObject, *, num_canvases: int) -> dict[str, list[Statement]]:
    """Canvas id -> the headings that cover it. Headings of many canvases are left out."""
    found: dict[str, list[Statement]] = {}
    if num_canvases < 2 or "structures" not in manifest:
        return found
    for number, (headings, canvases) in enumerate(_ranges(manifest.get("structures"), 0)):
        if number >= MAX_RANGES:
            break
        if 0 < len(canvases) <= MAX_CANVASES_OF_HEADING:
            for canvas in canvases:
                found.setdefault(canvas, []).extend(
                    Statement("contents", *heading, "structures") for heading in headings
                )
    return found


def _ranges(value: object, depth: int) -> Iterator[tuple[list[TaggedText], list[str]]]:
    if depth > _MAX_DEPTH:
        return
    for item in objects(value):
        parts = as_list(item.get("items"))
        canvases = [name.split("#")[0] for part in parts if (name := _canvas_id(part))]
        yield texts(item.get("label")), list(dict.fromkeys(canvases))
        nested = [part for part in parts if type_of(part) == "Range" and part.get("items")]
        if nested:
            yield from _ranges(nested, depth + 1)


def _canvas_id(part: object) -> str | None:
    if type_of(part) == "Canvas" or isinstance(part, str):
        return id_of(part)
    if isinstance(part, dict) and type_of(part) == "SpecificResource":
        return id_of(part.get("source"))
    return None
