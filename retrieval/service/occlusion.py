"""Shows why an item is a hit, as an overlay that leaves bright the parts in which the
text is seen, and in words.

An overlay contains nothing of the picture or the text. Its address contains the coarse map itself, so that
nothing has to be computed again or stored.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from urllib.parse import urlencode

import numpy as np
from PIL import Image

from retrieval.answers import Explanation
from retrieval.service.guards.refusals import N_, Refusal

SIDE_PIXELS = 320
# A model with a letterbox also sees a margin around a narrow picture. The margin is drawn up to this size.
MAX_OVERLAY_PIXELS = 4 * SIDE_PIXELS
DARKEST = 190
LEVELS = 15
# The names of the nine parts of a picture, row by row.
PARTS = (
    N_("top left"), N_("top"), N_("top right"), N_("left"), N_("middle"), N_("right"),
    N_("bottom left"), N_("bottom"), N_("bottom right"),
)  # fmt: skip
# A part is named if its value is nearly as high as the highest. If there are more parts
# than this, none is named.
NEARLY, MAX_NAMED = 0.7, 4
Box = tuple[float, float, float, float]
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class OcclusionOverlay:
    """A map over a picture: values from 0 to 1, row by row, for the box (left, top, right, bottom, as
    fractions) that the model saw.

    The box may extend beyond the picture, if the model sees it with a margin.
    """

    num_columns: int
    heat: tuple[float, ...]
    box: Box = WHOLE

    @classmethod
    def of(cls, found: Explanation) -> OcclusionOverlay:
        """The overlay of an explanation."""
        left, top, right, bottom = found.box
        return cls(found.width, found.heat, (left, top, right, bottom))

    @classmethod
    def parse(cls, name: str, box: str | None) -> OcclusionOverlay:
        """Read an overlay from the text that `address` wrote.

        Raises:
            Refusal: 404, it is not such a text.
        """
        parsed = re.fullmatch(r"([1-9]\d?)-([0-9a-f]{1,1024})", name)
        shares = re.fullmatch(",".join([r"(-?\d{1,3}\.\d{4})"] * 4), box or "")
        if parsed is None or len(parsed[2]) % int(parsed[1]) or (box and shares is None):
            raise _not_found()
        left, top, right, bottom = map(float, shares.groups()) if shares else WHOLE
        heat = tuple(int(digit, 16) / LEVELS for digit in parsed[2])
        return cls(int(parsed[1]), heat, (left, top, right, bottom))

    def address(self, width: int, height: int) -> str:
        """The address of the overlay for a picture of this size."""
        cells = "".join(f"{round(LEVELS * min(1.0, max(0.0, value))):x}" for value in self.heat)
        query: dict[str, object] = {"width": width, "height": height}
        if self.box != WHOLE:
            query["box"] = ",".join(f"{share:.4f}" for share in self.box)
        return f"/occlusion/{self.num_columns}-{cells}.png?{urlencode(query)}"

    def png(self, width: int, height: int) -> bytes:
        """The overlay with the proportions of a picture: black, more or less transparent."""
        scale = SIDE_PIXELS / max(width, height)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        left, top, right, bottom = (
            round(share * side) for share, side in zip(self.box, (*size, *size), strict=True)
        )
        if max(right - left, bottom - top) > MAX_OVERLAY_PIXELS:
            raise _not_found()
        heat = np.array(self.heat).reshape(-1, self.num_columns)
        # The square root of the value: a part with half the effect is darkened by less than half.
        cells = Image.fromarray(((1 - np.sqrt(heat)) * DARKEST).astype(np.uint8))
        alpha = Image.new("L", size, DARKEST)
        if right > left and bottom > top:
            alpha.paste(cells.resize((right - left, bottom - top), Image.Resampling.BICUBIC), (left, top))
        overlay = Image.merge("LA", (Image.new("L", size), alpha))
        written = io.BytesIO()
        overlay.save(written, "PNG")
        return written.getvalue()

    def places(self) -> tuple[str, ...]:
        """The brightest parts of the picture, brightest first. Empty if none is brighter than the rest."""
        num_rows = len(self.heat) // self.num_columns
        left, top, right, bottom = self.box
        held, counted = np.zeros(9), np.zeros(9)
        for number, value in enumerate(self.heat):
            row, column = divmod(number, self.num_columns)
            x = left + (right - left) * (column + 0.5) / self.num_columns
            y = top + (bottom - top) * (row + 0.5) / num_rows
            part = 3 * min(2, max(0, int(3 * y))) + min(2, max(0, int(3 * x)))
            held[part] += value
            counted[part] += 1
        means = held / np.maximum(counted, 1)
        named = [
            part for part in np.argsort(-means) if means[part] > 0 and means[part] >= NEARLY * means.max()
        ]
        return tuple(PARTS[part] for part in named) if len(named) <= MAX_NAMED else ()


def _not_found() -> Refusal:
    return Refusal(404, N_("there is nothing at this address"), remedy=N_("check the address"))
