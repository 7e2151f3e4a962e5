"""IIIF annotations of text on a canvas (`supplementing`; in 2.1 `sc:painting`): lines and blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from data_prep.candidate import Refusal
from data_prep.description.plain_text import plain_text
from data_prep.iiif.document import JsonObject, as_list, objects, parse_object, type_of
from data_prep.iiif.language_map import texts
from data_prep.iiif.selectors import parts_of
from data_prep.iiif.upgrade import upgrade
from data_prep.page_text.zones import (
    MAX_LINES,
    FloatBox,
    PageText,
    TextLine,
    Zone,
    around,
    follows,
    joined,
    kind_of,
)

NO_ANNOTATION: Final = "no annotation with text on this canvas"
_TRANSCRIBES: Final = frozenset({"supplementing", "transcribing", "painting"})
# Granularities of the Text Granularity extension that say less than a line.
_TOO_FINE: Final = frozenset({"word", "glyph"})


def read_text_annotations(
    document: bytes, uri: str, size: tuple[int, int], canvas: str
) -> PageText | Refusal:
    """What the annotation page says to be written on `canvas`.

    Args:
        size: width and height of the canvas, in whose units annotations are.
        canvas: the canvas's URI; annotations on other canvases are left out.
    """
    parsed = parse_object(document, uri)
    if isinstance(parsed, Refusal):
        return parsed
    found = list(_lines(upgrade(parsed), size, canvas))
    if not found:
        return Refusal(uri, NO_ANNOTATION)
    return PageText("IIIF annotations", tuple(_blocks(found)), (float(size[0]), float(size[1])))


def _lines(page: JsonObject, size: tuple[int, int], canvas: str) -> Iterator[tuple[Zone, str]]:
    """Zones with their granularity, in document order."""
    for annotation in objects(page.get("items"))[:MAX_LINES]:
        motivations = {_last_name(each) for each in as_list(annotation.get("motivation"))}
        if not motivations & _TRANSCRIBES or (granularity := _granularity(annotation)) in _TOO_FINE:
            continue
        text, language = _text(annotation)
        box = _box(annotation, size, canvas)
        if text and box is not None:
            label = " ".join(value for value, _ in texts(annotation.get("label")))
            kind = kind_of(label)
            is_text = kind in ("caption", "heading", "running")
            zone = Zone(
                kind if is_text and kind else "text", box, text, language, lines=(TextLine(text, box),)
            )
            yield zone, granularity


def _last_name(value: object) -> str:
    """What a motivation or purpose is called, whether it is a word, a prefixed name or an address."""
    return re.split("[:#/]", str(value))[-1]


def _granularity(annotation: JsonObject) -> str:
    return str(annotation.get("textGranularity") or "")


def _text(annotation: JsonObject) -> tuple[str | None, str | None]:
    for body in objects(annotation.get("body")):
        if type_of(body) not in ("TextualBody", "", "ContentAsText") or not isinstance(
            body.get("value"), str
        ):
            continue
        purposes = {_last_name(each) for each in as_list(body.get("purpose"))}
        if purposes and not purposes & _TRANSCRIBES:
            # A tag ("line", "heading") or a comment on the text.
            continue
        language = next((each for each in as_list(body.get("language")) if isinstance(each, str)), None)
        return joined(plain_text(body["value"]).splitlines()), language
    return None, None


def _box(annotation: JsonObject, size: tuple[int, int], canvas: str) -> FloatBox | None:
    for part in parts_of(annotation.get("target"), size):
        if part.source == canvas and part.region is not None:
            region = part.region
            return float(region.x), float(region.y), float(region.width), float(region.height)
    return None


def _blocks(found: list[tuple[Zone, str]]) -> Iterator[Zone]:
    """Blocks and paragraphs as they are; lines that follow closely upon each other joined into blocks."""
    whole = [zone for zone, granularity in found if granularity in ("block", "paragraph", "page")]
    if whole:
        yield from whole
        return
    group: list[Zone] = []
    for zone, _ in found:
        if group and not _follows(group[-1], zone):
            yield _joined(group)
            group = []
        group.append(zone)
    if group:
        yield _joined(group)


def _follows(above: Zone, below: Zone) -> bool:
    assert above.box is not None, "lines without a box were left out"
    assert below.box is not None, "lines without a box were left out"
    return above.kind == below.kind and follows(above.box, below.box)


def _joined(group: list[Zone]) -> Zone:
    lines = tuple(line for zone in group for line in zone.lines)
    return Zone(group[0].kind, around(zone.box for zone in group), joined(line.text for line in lines),
                group[0].language, lines=lines)  # fmt: skip
