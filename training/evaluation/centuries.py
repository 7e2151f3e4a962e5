"""The century that a date range belongs to, as evaluations slice and classify by it."""

from __future__ import annotations

from typing import Final

UNDATED: Final = "undated"


def century(earliest: int | None, latest: int | None) -> str:
    """The century of the middle of a date range ("16th"), or "undated"."""
    known = [year for year in (earliest, latest) if year is not None]
    if not known:
        return UNDATED
    middle = sum(known) / len(known)
    number = int(-(-middle // 100))
    if number < 1:
        return "before the 1st"
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
