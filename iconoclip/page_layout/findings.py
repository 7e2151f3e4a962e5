"""What an engine found on a page, whatever engine it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from iconoclip.page_layout.kinds import BOX_KINDS, GRAPHIC_KINDS, PAGE_KINDS, BoxKind, PageKind

# Boxes that are kept of one page; the most certain ones.
MAX_BOXES: Final = 64
Origin = Literal["model", "institution", "correction"]


@dataclass(frozen=True)
class FoundBox:
    """A picture on a page: an upright rectangle in shares (0 to 1) of the page's width and height.

    `tilt` is how far what it shows is turned clockwise, in degrees; `score` the probability that a person
    would mark it.
    """

    kind: BoxKind
    left: float
    top: float
    right: float
    bottom: float
    score: float
    tilt: float = 0.0

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        return self.left, self.top, self.right, self.bottom

    def pixels(self, width: int, height: int) -> tuple[int, int, int, int]:
        """x, y, width and height in pixels of an image of the page, at least 1 pixel wide and high."""
        left, top = min(round(self.left * width), width - 1), min(round(self.top * height), height - 1)
        right = max(left + 1, min(round(self.right * width), width))
        bottom = max(top + 1, min(round(self.bottom * height), height))
        return left, top, right - left, bottom - top


@dataclass(frozen=True)
class Finding:
    """The kind of a page with its calibrated probability, and the boxes on it, the most certain first."""

    kind: PageKind
    probability: float
    boxes: tuple[FoundBox, ...] = ()
    origin: Origin = "model"

    @property
    def graphic_probability(self) -> float:
        """The probability that there is a picture or an ornament, as far as boxes tell."""
        return max((box.score for box in self.boxes if box.kind in GRAPHIC_KINDS), default=0.0)

    def as_json(self) -> dict[str, Any]:
        """The finding as plain values, boxes as [left, top, right, bottom] in shares of the page."""
        return {
            "kind": self.kind,
            "probability": round(self.probability, 4),
            "origin": self.origin,
            "boxes": [
                {
                    "kind": box.kind,
                    "box": [round(value, 5) for value in box.corners],
                    "score": round(box.score, 4),
                    "tilt": round(box.tilt, 2),
                }
                for box in self.boxes
            ],
        }


def finding_from_json(value: dict[str, Any]) -> Finding:
    """Read what `as_json` gave.

    Raises:
        ValueError: a kind is not known, or a box does not lie on the page.
    """
    if value["kind"] not in PAGE_KINDS:
        raise ValueError(f"'{value['kind']}' is no kind of page; known are {', '.join(PAGE_KINDS)}")
    boxes = tuple(_box(one) for one in value.get("boxes", ()))
    return Finding(
        cast(PageKind, value["kind"]),
        float(value.get("probability", 1.0)),
        boxes,
        value.get("origin", "model"),
    )


def _box(one: dict[str, Any]) -> FoundBox:
    if one["kind"] not in BOX_KINDS:
        raise ValueError(f"'{one['kind']}' is no kind of box; known are {', '.join(BOX_KINDS)}")
    left, top, right, bottom = (float(value) for value in one["box"])
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise ValueError(f"the box {one['box']} does not lie on the page")
    score, tilt = float(one.get("score", 1.0)), float(one.get("tilt", 0.0))
    return FoundBox(cast(BoxKind, one["kind"]), left, top, right, bottom, score, tilt)
