"""Maps as a page model would give them, and a reading to try them with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from iconoclip.page_layout.inputs import CELL
from iconoclip.page_layout.kinds import CLASSES, PAGE_KINDS
from iconoclip.page_layout.page_kind import KindRegression
from iconoclip.page_layout.reading import Reading
from iconoclip.page_layout.regions import Answer

READING = Reading.plain()
SIZE = (60 * CELL, 80 * CELL)
"""Width and height in pixels of a page of 80 rows of 60 cells"""


def maps_with(kind: str, rows: slice, columns: slice, shape: tuple[int, int] = (80, 60)) -> np.ndarray:
    maps_CHW = np.zeros((len(CLASSES), *shape), np.float32)
    maps_CHW[0] = 1
    maps_CHW[0, rows, columns] = 0
    maps_CHW[CLASSES.index(kind), rows, columns] = 1
    return maps_CHW


def blind(maps_CHW: np.ndarray) -> Answer:
    """What a model gives whose cells see no edges."""
    edges_4HW = np.full((4, *maps_CHW.shape[1:]), 0.1, np.float32)
    return Answer(maps_CHW, edges_4HW, np.zeros(len(PAGE_KINDS), np.float32))


def certain_of(kind: str, logit: float = 5.0) -> Reading:
    """A reading that takes every page for one of a kind, e^5 : 8 likely."""
    kinds = KindRegression.undecided()
    kinds.weights[PAGE_KINDS.index(kind), -1] = logit
    return replace(READING, kinds=kinds)
