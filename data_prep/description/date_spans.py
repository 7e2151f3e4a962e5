"""A span of years, and how EDTF writes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """Years from `earliest` to `latest` (None: open) and how EDTF writes them."""

    earliest: int | None
    latest: int | None
    edtf: str


def interval(first: int, last: int, sign: str = "") -> Span:
    """The years from `first` to `last`; `sign` is EDTF's mark of doubt for them."""
    if first == last:
        return Span(first, last, edtf_year(first) + sign)
    return Span(first, last, f"{edtf_year(first)}{sign}/{edtf_year(last)}")


def until(year: int) -> Span:
    """Everything up to a year, with it."""
    return Span(None, year, f"../{edtf_year(year)}")


def since(year: int) -> Span:
    """Everything from a year on, with it."""
    return Span(year, None, f"{edtf_year(year)}/..")


def edtf_year(year: int) -> str:
    """A year with four digits, as EDTF wants it; negative before the year 0, which is 1 BC."""
    return f"{year:04d}" if year >= 0 else f"-{-year:04d}"


def parts_of_century(numbers: Sequence[int], num_parts: int) -> tuple[int, int]:
    """First and last of the hundred years of some parts of a century: 25 and 49 of its second quarter.

    Args:
        numbers: which parts, counted from 1; -1 is the last one.
        num_parts: how many parts the century has, such as 4 for quarters.
    """
    places = sorted(num_parts if number == -1 else number for number in numbers)
    return round((places[0] - 1) * 100 / num_parts), round(places[-1] * 100 / num_parts) - 1
