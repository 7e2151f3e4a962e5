"""What an engine found on a page, whatever engine it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, cast, get_args

from iconoclip.page_layout.kinds import BOX_KINDS, GRAPHIC_KINDS, PAGE_KINDS, BoxKind, PageKind

# Boxes that are kept of one page; the most certain ones.
MAX_BOXES: Final = 64
Origin = Literal["model", "institution", "correction"]
ORIGINS: Final[tuple[Origin, ...]] = get_args(Origin)
# Nobody marks what is thinner than this share of the page: on a page of 5,000 pixels, five of them.
LEAST_SIDE: Final = 0.001
MAX_TILT: Final = 180.0


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

    @property
    def is_thin(self) -> bool:
        """Whether one of its sides is shorter than `LEAST_SIDE`."""
        return min(self.right - self.left, self.bottom - self.top) < LEAST_SIDE

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
        """The finding as plain values, boxes as [left, top, right, bottom] in shares of the page.

        Numbers are not rounded: the rounded edges of a thin box may be the same, and such a box is refused
        when it is read.
        """
        return {
            "kind": self.kind,
            "probability": self.probability,
            "origin": self.origin,
            "boxes": [
                {
                    "kind": box.kind,
                    "box": list(box.corners),
                    "score": box.score,
                    "tilt": box.tilt,
                }
                for box in self.boxes
            ],
        }


def finding_from_json(value: dict[str, Any]) -> Finding:
    """Read what `as_json` gave.

    Raises:
        ValueError: a kind is not known, a box does not lie on the page, or a number is out of its range.
        KeyError, TypeError: a value is missing, or of another type.
    """
    kind = _known(value["kind"], PAGE_KINDS, "kind of page")
    origin = _known(value.get("origin", "model"), ORIGINS, "origin of a finding")
    boxes = tuple(_box(one) for one in value.get("boxes", ()))
    probability = _number(value.get("probability", 1.0), "probability", 0.0, 1.0)
    return Finding(cast(PageKind, kind), probability, boxes, cast(Origin, origin))


def _box(one: dict[str, Any]) -> FoundBox:
    kind = _known(one["kind"], BOX_KINDS, "kind of box")
    left, top, right, bottom = (
        _number(value, "edge of a box in shares of the page", 0.0, 1.0) for value in one["box"]
    )
    if not (left < right and top < bottom):
        raise ValueError(f"the box {[left, top, right, bottom]} is empty: it is left, top, right, bottom")
    score = _number(one.get("score", 1.0), "score", 0.0, 1.0)
    tilt = _number(one.get("tilt", 0.0), "tilt", -MAX_TILT, MAX_TILT)
    return FoundBox(cast(BoxKind, kind), left, top, right, bottom, score, tilt)


def _known(value: object, names: tuple[str, ...], what: str) -> str:
    if not isinstance(value, str) or value not in names:
        raise ValueError(f"'{str(value)[:100]}' is no {what}; known are {', '.join(names)}")
    return value


def _number(value: object, what: str, least: float, most: float) -> float:
    """A number within its range. JSON may have integers that are too large for a float, and Python's reader
    takes NaN."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise ValueError(f"the {what} is a number from {least:g} to {most:g}, not {str(value)[:100]}")
    return float(value)
