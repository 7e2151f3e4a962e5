"""Reads what another service answers, as far as it can be trusted: everything from outside is hostile.

A hit that is not one is left out, and texts are cut. Which address a hit has is not for its service to
say: the page builds it from the configured address and the key.
"""

from __future__ import annotations

import math
import re
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import from_json

from iconoclip.record import KEY_PATTERN
from retrieval.answers import Hit, Results

MAX_HITS, MAX_TEXT_CHARS, MAX_LIST, MAX_CURSOR_CHARS = 200, 1_000, 20, 500
MAX_SIDE_PIXELS: Final = 1_000_000
_KEY = re.compile(KEY_PATTERN)


def read_results(data: bytes) -> Results | None:
    """A page of results, or None if it is none."""
    try:
        found = from_json(data)
        if not isinstance(found, dict) or not isinstance(found["hits"], list):
            return None
        given = found["hits"][:MAX_HITS]
        hits = tuple(hit for each in given if (hit := _hit(each)) is not None)
        if given and not hits:
            return None
        cursor = found.get("next_cursor")
        return Results(
            hits=hits,
            total=found.get("total", 0),
            next_cursor=cursor if isinstance(cursor, str) and len(cursor) <= MAX_CURSOR_CHARS else None,
            matches_well=found.get("matches_well"),
            took_ms=0.0,
        )
    except (ValueError, KeyError, RecursionError):
        return None


def _hit(given: Any) -> Hit | None:
    try:
        hit = Hit.model_validate(_cut(given))
    except ValidationError:
        return None
    is_sound = (
        _KEY.fullmatch(hit.key)
        and len(hit.key) <= 100
        and math.isfinite(hit.score)
        and 0 < hit.width <= MAX_SIDE_PIXELS
        and 0 < hit.height <= MAX_SIDE_PIXELS
    )
    return hit if is_sound else None


def _cut(value: Any) -> Any:
    """A JSON value with its texts and lists cut to what a page shows."""
    if isinstance(value, str):
        return value[:MAX_TEXT_CHARS]
    if isinstance(value, list):
        return [_cut(each) for each in value[:MAX_LIST]]
    if isinstance(value, dict):
        return {name: _cut(each) for name, each in value.items()}
    return value
