"""Looks at small things of a page again, at twice the scale: a cell of the maps of the model is four pixels,
so the box of a thing of forty pixels is coarse.

Shapes: H, W of a part of the page.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, NamedTuple

from iconoclip.page_layout.findings import Finding, FoundBox
from iconoclip.page_layout.inputs import CELL, INPUT_SIDE, PagePixels, Pixels, grey
from iconoclip.page_layout.kinds import BoxKind
from iconoclip.page_layout.measure import Corners, overlap
from iconoclip.page_layout.regions import Answer, candidates
from iconoclip.page_layout.snapping import at_its_edges

# Boxes of other kinds became no better, or worse (docs/decisions/0015-pages.md).
AGAIN: Final[tuple[BoxKind, ...]] = ("photograph", "initial")
# Boxes of which the longer side has at most so many pixels of the model's input are looked at again; those of
# larger things became no better either.
MAX_SIDE: Final = 60
CLOSER_SIDE: Final = 2 * INPUT_SIDE
# A page that has hardly more pixels than the model saw is not looked at again.
LEAST_CLOSER: Final = 1.5
# A box is shown with so much around it: its own longer side, and at least so many pixels, if there is room.
LEAST_AROUND: Final = 64
# What is seen closely is the same thing if it overlaps with the box by this much.
LEAST_SAME: Final = 0.4

Look = Callable[[Pixels], Answer]


class _Frame(NamedTuple):
    """A rectangle of an image, in shares of it."""

    left: float
    top: float
    right: float
    bottom: float

    def within(self, box: Corners) -> Corners:
        """A box of the image in shares of the rectangle, as far as it lies in it."""
        across, down = self.right - self.left, self.bottom - self.top
        shares = (
            (box[0] - self.left) / across,
            (box[1] - self.top) / down,
            (box[2] - self.left) / across,
            (box[3] - self.top) / down,
        )
        left, top, right, bottom = (min(max(share, 0.0), 1.0) for share in shares)
        return left, top, right, bottom

    def around(self, box: Corners) -> Corners:
        """A box of the rectangle in shares of the image."""
        across, down = self.right - self.left, self.bottom - self.top
        return (
            self.left + box[0] * across,
            self.top + box[1] * down,
            self.left + box[2] * across,
            self.top + box[3] * down,
        )


def seen_closer(finding: Finding, shown: PagePixels, page: Callable[[], PagePixels], look: Look) -> Finding:
    """The finding, with the boxes of small things as the model sees them at twice the scale.

    Args:
        finding: what was found on the page.
        shown: the page as the model saw it.
        page: decodes it so that its longer side has CLOSER_SIDE pixels; called at most once, and only if
            there is something small on it.
        look: what the model gives for pixels [H, W, 3] of at most INPUT_SIDE.
    """
    decoded: PagePixels | None = None
    boxes = list(finding.boxes)
    for number, box in enumerate(boxes):
        if box.kind in AGAIN and not box.tilt and _side(box, shown) <= MAX_SIDE:
            decoded = decoded or page()
            if max(decoded.pixels_HWC.shape) < LEAST_CLOSER * max(shown.pixels_HWC.shape):
                return finding
            boxes[number] = _seen(box, decoded, look)
    return replace(finding, boxes=tuple(boxes))


def _side(box: FoundBox, page: PagePixels) -> float:
    """The longer side of a box in pixels of a decoded page."""
    height, width = page.pixels_HWC.shape[:2]
    left, top, right, bottom = page.place
    across, down = width / (right - left), height / (bottom - top)
    return float(max((box.right - box.left) * across, (box.bottom - box.top) * down))


def _seen(box: FoundBox, page: PagePixels, look: Look) -> FoundBox:
    """A box as it is seen in the part of the page around it; unchanged if it is not seen again."""
    height, width = page.pixels_HWC.shape[:2]
    side = _side(box, page)
    around = min(max(side, LEAST_AROUND), (INPUT_SIDE - side) / 2 - 1)
    left, top, right, bottom = _Frame(*page.place).within(box.corners)
    x0, x1 = max(0, int(left * width - around)), min(width, int(right * width + around))
    y0, y1 = max(0, int(top * height - around)), min(height, int(bottom * height + around))
    part_HWC = page.pixels_HWC[y0:y1, x0:x1]
    rows, columns = part_HWC.shape[:2]
    if max(rows, columns) > INPUT_SIDE or min(rows, columns) < CELL:
        return box
    in_page = x0 / width, y0 / height, x1 / width, y1 / height
    frame = _Frame(*_Frame(*page.place).around(in_page))
    wanted = frame.within(box.corners)
    found = candidates(look(part_HWC), (columns / CELL, rows / CELL))
    best = max((one.box for one in found), key=lambda corners: overlap(corners, wanted), default=wanted)
    if overlap(best, wanted) < LEAST_SAME or best == wanted:
        return box
    closer = replace(box, left=best[0], top=best[1], right=best[2], bottom=best[3])
    left, top, right, bottom = frame.around(at_its_edges(closer, grey(part_HWC)).corners)
    return replace(box, left=left, top=top, right=min(right, 1.0), bottom=min(bottom, 1.0))
