"""The shield: its outlines, the ordinaries, and the second tincture's part of a divided field.

Source pixels about the middle of the picture, as in `layout`. Shapes reach beyond the shield and are
cut to it when painted. Edges are cut into short steps so that the hand can make them waver.
"""

from __future__ import annotations

from collections.abc import Mapping

from builtin_collections.armorial.arms import Arms, Division, Ordinary
from builtin_collections.armorial.drawing.outline import Points, bezier, densified, mirrored, points

_STEP = 26.0
_BEYOND = 330.0

_HEATER = mirrored(bezier((0, -246), (70, -246), (140, -246), (206, -246), (206, -180), (206, -90),
                          (206, -40), (206, 90), (120, 192), (0, 250)))  # fmt: skip
_ROUND = mirrored(bezier((0, -246), (70, -246), (140, -246), (206, -246), (206, -120), (206, 0), (206, 60),
                         (206, 175), (110, 248), (0, 250)))  # fmt: skip
_BRACED = mirrored(bezier((0, -246), (70, -246), (140, -246), (206, -246), (206, -120), (206, 60),
                          (206, 150), (206, 226), (50, 206), (0, 250)))  # fmt: skip
_TOURNEY = mirrored(bezier((0, -240), (60, -240), (140, -226), (206, -246), (190, -140), (196, -40),
                           (204, 20), (210, 130), (120, 205), (0, 250)))  # fmt: skip
# Outlines that a painter may choose; each holds the layout's places.
OUTLINES: tuple[Points, ...] = tuple(densified(line, _STEP) for line in (_HEATER, _ROUND, _BRACED, _TOURNEY))


def _polygon(*pairs: tuple[float, float]) -> Points:
    return densified(points(*pairs), _STEP)


def _horizontal(top: float, bottom: float) -> Points:
    return _polygon((-_BEYOND, top), (_BEYOND, top), (_BEYOND, bottom), (-_BEYOND, bottom))


def _vertical(half_width: float) -> Points:
    return _polygon(
        (-half_width, -_BEYOND), (half_width, -_BEYOND), (half_width, _BEYOND), (-half_width, _BEYOND)
    )


def _diagonal(half_width: float, *, sinister: bool) -> Points:
    """A strip at 45 degrees from a corner of the chief, `half_width` measured across it."""
    shift = half_width * 2**0.5
    strip = _polygon((-_BEYOND, -_BEYOND - 40 - shift), (_BEYOND, _BEYOND - 40 - shift),
                     (_BEYOND, _BEYOND - 40 + shift), (-_BEYOND, -_BEYOND - 40 + shift))  # fmt: skip
    return strip * (-1.0, 1.0) if sinister else strip


def _chevron(apex: float, depth: float) -> Points:
    """A rafter with its outer point at `apex`, `depth` measured upright."""
    fall = 0.9 * _BEYOND
    return _polygon((0, apex), (_BEYOND, apex + fall), (_BEYOND, apex + fall + depth), (0, apex + depth),
                    (-_BEYOND, apex + fall + depth), (-_BEYOND, apex + fall))  # fmt: skip


def _pile(half_width: float) -> Points:
    return _polygon((-half_width, -_BEYOND + 70), (half_width, -_BEYOND + 70), (0, 222))


def _cross() -> Points:
    w, top, foot = 72.0, -104.0, 44.0
    e = _BEYOND
    return _polygon((-w, -e), (w, -e), (w, top), (e, top), (e, foot), (w, foot),
                    (w, e), (-w, e), (-w, foot), (-e, foot), (-e, top), (-w, top))  # fmt: skip


def _saltire() -> Points:
    s, e, y = 62.0 * 2**0.5, _BEYOND, -40.0
    return _polygon((0, y - s), (e, y - s - e), (e + s, y - e), (s, y), (e + s, y + e), (e, y + s + e),
                    (0, y + s), (-e, y + s + e), (-e - s, y + e), (-s, y), (-e - s, y - e),
                    (-e, y - s - e))  # fmt: skip


# (when charged, when between charges): a charged ordinary is drawn broader.
_BANDS: Mapping[Ordinary, tuple[Points, Points]] = {
    Ordinary.CHIEF: (_horizontal(-_BEYOND, -88), _horizontal(-_BEYOND, -104)),
    Ordinary.FESS: (_horizontal(-98, 54), _horizontal(-76, 46)),
    Ordinary.PALE: (_vertical(78), _vertical(58)),
    Ordinary.BEND: (_diagonal(70, sinister=False), _diagonal(50, sinister=False)),
    Ordinary.BEND_SINISTER: (_diagonal(70, sinister=True), _diagonal(50, sinister=True)),
    Ordinary.CHEVRON: (_chevron(-142, 168), _chevron(-88, 112)),
    Ordinary.CROSS: (_cross(), _cross()),
    Ordinary.SALTIRE: (_saltire(), _saltire()),
    Ordinary.PILE: (_pile(186), _pile(104)),
}


def band(arms: Arms, outline: Points) -> Points | None:
    """The ordinary's shape; for a bordure the shape of the field within it; None without either."""
    if arms.band is None:
        return None
    if arms.band.ordinary is Ordinary.BORDURE:
        return (outline - (0.0, -20.0)) * (0.745, 0.775) + (0.0, -20.0)
    return _BANDS[arms.band.ordinary][0 if arms.band.on is not None else 1]


_E = _BEYOND
# The parts of the second tincture.
SECOND: Mapping[Division, tuple[Points, ...]] = {
    Division.PALE: (_polygon((0, -_E), (_E, -_E), (_E, _E), (0, _E)),),
    Division.FESS: (_polygon((-_E, -18), (_E, -18), (_E, _E), (-_E, _E)),),
    Division.BEND: (_polygon((-_E, -_E - 40), (_E, _E - 40), (_E, _E + 200), (-_E, _E + 200)),),
    Division.BEND_SINISTER: (_polygon((_E, -_E - 40), (-_E, _E - 40), (-_E, _E + 200), (_E, _E + 200)),),
    Division.CHEVRON: (
        _polygon((0, -60), (_E, 0.9 * _E - 60), (_E, _E + 300), (-_E, _E + 300), (-_E, 0.9 * _E - 60)),
    ),
    Division.SALTIRE: (
        _polygon((0, -20), (_E, -20 - 1.12 * _E), (_E, -20 + 1.12 * _E)),
        _polygon((0, -20), (-_E, -20 - 1.12 * _E), (-_E, -20 + 1.12 * _E)),
    ),
    Division.QUARTERLY: (
        _polygon((0, -_E), (_E, -_E), (_E, -18), (0, -18)),
        _polygon((-_E, -18), (0, -18), (0, _E), (-_E, _E)),
    ),
}
