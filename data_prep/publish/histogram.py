"""Counts over ranges of numbers, drawn as bars."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

NUM_BARS_OF_YEARS: Final = 24
STEPS_OF_YEARS: Final = (1, 2, 5, 10, 20, 25, 50, 100, 200, 500, 1000)


@dataclass(frozen=True)
class Bar:
    """One range of a histogram; `share` is of the largest, in percent."""

    first: int
    last: int | None
    count: int
    share: float

    @property
    def label(self) -> str:
        """The range in words, such as `10 to 19`."""
        if self.last is None:
            return f"{self.first} and more"
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"


class Histogram:
    """Counts whole numbers by range. Each range begins at one of `edges`; the last one is open."""

    def __init__(self, edges: Sequence[int]) -> None:
        self._edges = edges
        self._counts = Counter[int]()

    def add(self, value: int, count: int = 1) -> None:
        """Count a number; one below the first edge belongs to the first range."""
        self._counts[max(0, bisect_right(self._edges, value) - 1)] += count

    @property
    def bars(self) -> list[Bar]:
        """The ranges from the first to the last that holds anything."""
        if not self._counts:
            return []
        most = max(self._counts.values())
        ends = [*(edge - 1 for edge in self._edges[1:]), None]
        places = range(min(self._counts), max(self._counts) + 1)
        return [Bar(self._edges[n], ends[n], self._counts[n], 100 * self._counts[n] / most) for n in places]


def edges_of_years(years: Mapping[int, int]) -> list[Bar]:
    """Years with their counts as at most some two dozen bars of one round width."""
    if not years:
        return []
    first, last = min(years), max(years)
    step = next(
        (step for step in STEPS_OF_YEARS if (last - first) / step < NUM_BARS_OF_YEARS), STEPS_OF_YEARS[-1]
    )
    start = first // step * step
    histogram = Histogram(range(start, last + step + 1, step))
    for year, count in years.items():
        histogram.add(year, count)
    return histogram.bars
