"""How well boxes and pages are found: overlap, one-to-one matching, precision, recall and F1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Corners = tuple[float, float, float, float]


@dataclass(frozen=True)
class Score:
    """Counts of what was found rightly, found wrongly and missed."""

    num_right: int = 0
    num_wrong: int = 0
    num_missed: int = 0

    def __add__(self, other: Score) -> Score:
        return Score(
            self.num_right + other.num_right,
            self.num_wrong + other.num_wrong,
            self.num_missed + other.num_missed,
        )

    @property
    def precision(self) -> float:
        """The share of what was found that is right; 1 if nothing was found."""
        found = self.num_right + self.num_wrong
        return self.num_right / found if found else 1.0

    @property
    def recall(self) -> float:
        """The share of what is there that was found; 1 if nothing is there."""
        there = self.num_right + self.num_missed
        return self.num_right / there if there else 1.0

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall; 1 if nothing is there and nothing was found."""
        total = 2 * self.num_right + self.num_wrong + self.num_missed
        return 2 * self.num_right / total if total else 1.0


def overlap(a: Corners, b: Corners) -> float:
    """Intersection over union of two rectangles (left, top, right, bottom)."""
    across = min(a[2], b[2]) - max(a[0], b[0])
    down = min(a[3], b[3]) - max(a[1], b[1])
    if across <= 0 or down <= 0:
        return 0.0
    both = across * down
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def match(found: Sequence[Corners], wanted: Sequence[Corners], least: float) -> list[tuple[int, int]]:
    """Pairs (found, wanted) that overlap by at least `least`, each used once, the best overlaps first."""
    pairs = sorted(
        (
            (-overlap(one, other), n, m)
            for n, one in enumerate(found)
            for m, other in enumerate(wanted)
            if overlap(one, other) >= least
        ),
    )
    chosen: list[tuple[int, int]] = []
    for _, n, m in pairs:
        if all(n != used and m != taken for used, taken in chosen):
            chosen.append((n, m))
    return chosen


def box_score(found: Sequence[Corners], wanted: Sequence[Corners], least: float) -> Score:
    """The score of the boxes of one page."""
    num_right = len(match(found, wanted, least))
    return Score(num_right, len(found) - num_right, len(wanted) - num_right)


def f1_interval(scores: Sequence[Score], num_resamples: int = 1000) -> tuple[float, float]:
    """The 95 % interval of the F1 of all scores together, by resampling them.

    Args:
        scores: one for each document; pages of one document are alike, so documents are drawn and not pages.
        num_resamples: how often as many documents are drawn with replacement.
    """
    counts_D3 = np.array([(one.num_right, one.num_wrong, one.num_missed) for one in scores]).reshape(-1, 3)
    draws_ND = np.random.default_rng(0).integers(0, len(counts_D3), (num_resamples, len(counts_D3)))
    right_N, wrong_N, missed_N = counts_D3[draws_ND].sum(1).T
    total_N = 2 * right_N + wrong_N + missed_N
    f1_N = np.where(total_N > 0, 2 * right_N / np.maximum(total_N, 1), 1.0)
    low, high = np.percentile(f1_N, (2.5, 97.5))
    return float(low), float(high)
