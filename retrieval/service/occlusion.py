"""Why a hit is one, for the eye and in words: an overlay that leaves bright what the text is seen in, and
where that is.

An overlay holds nothing of the picture nor of the text: its address carries the coarse map itself, so that
nothing has to be computed twice or remembered.
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
# What a model sees beyond a narrow picture is drawn too; this much of it.
MAX_OVERLAY_PIXELS = 4 * SIDE_PIXELS
DARKEST = 190
LEVELS = 15
# Of the nine parts of a picture, row by row.
PARTS = (
    N_("top left"), N_("top"), N_("top right"), N_("left"), N_("middle"), N_("right"),
    N_("bottom left"), N_("bottom"), N_("bottom right"),
)  # fmt: skip
# A part is named when it holds nearly as much as the fullest; more of them than this are no place at all.
NEARLY, MAX_NAMED = 0.7, 4
Box = tuple[float, float, float, float]
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class OcclusionOverlay:
    """A map over a picture: values 0 to 1 row by row, over the box (left, top, right, bottom, in shares) that
    was seen.

    The box may reach beyond the picture, where a model sees it with a margin.
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
        """Read back what `address` wrote.

        Raises:
            Refusal: 404, it is none.
        """
        parsed = re.fullmatch(r"([1-9]\d?)-([0-9a-f]{1,1024})", name)
        shares = re.fullmatch(",".join([r"(-?\d{1,3}\.\d{4})"] * 4), box or "")
        if parsed is None or len(parsed[2]) % int(parsed[1]) or (box and shares is None):
            raise _not_found()
        left, top, right, bottom = map(float, shares.groups()) if shares else WHOLE
        heat = tuple(int(digit, 16) / LEVELS for digit in parsed[2])
        return cls(int(parsed[1]), heat, (left, top, right, bottom))

    def address(self, width: int, height: int) -> str:
        """Where the service draws it for a picture of that size."""
        cells = "".join(f"{round(LEVELS * min(1.0, max(0.0, value))):x}" for value in self.heat)
        query: dict[str, object] = {"width": width, "height": height}
        if self.box != WHOLE:
            query["box"] = ",".join(f"{share:.4f}" for share in self.box)
        return f"/occlusion/{self.num_columns}-{cells}.png?{urlencode(query)}"

    def png(self, width: int, height: int) -> bytes:
        """The overlay in a picture's proportions: black, more or less transparent."""
        scale = SIDE_PIXELS / max(width, height)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        left, top, right, bottom = (
            round(share * side) for share, side in zip(self.box, (*size, *size), strict=True)
        )
        if max(right - left, bottom - top) > MAX_OVERLAY_PIXELS:
            raise _not_found()
        heat = np.array(self.heat).reshape(-1, self.num_columns)
        # By its root, so that what helps by half is not half as dark as what does not help.
        cells = Image.fromarray(((1 - np.sqrt(heat)) * DARKEST).astype(np.uint8))
        alpha = Image.new("L", size, DARKEST)
        if right > left and bottom > top:
            alpha.paste(cells.resize((right - left, bottom - top), Image.Resampling.BICUBIC), (left, top))
        overlay = Image.merge("LA", (Image.new("L", size), alpha))
        written = io.BytesIO()
        overlay.save(written, "PNG")
        return written.getvalue()

    def places(self) -> tuple[str, ...]:
        """The parts of the picture that are brightest, brightest first; none if none is brighter than the
        rest."""
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
