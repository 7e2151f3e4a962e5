"""Distinct coats of arms, chosen at random from the repertoire; the same seed gives the same coats."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from builtin_collections.armorial.arms import (
    AROUND,
    NOT_COUNTERCHANGED,
    ON,
    PARTED_GROUPS,
    SUBORDINATE,
    Arms,
    Band,
    Charge,
    ChargeRow,
    Division,
    Field,
    Group,
    Ordinary,
    check,
)
from builtin_collections.armorial.tinctures import COLOURS, METALS, Tincture, contrasts

_CHARGES = tuple(Charge)
_DIVISIONS = tuple(Division)
_CHARGED = tuple(ordinary for ordinary in Ordinary if ON[ordinary])
_BETWEEN = tuple(ordinary for ordinary in Ordinary if AROUND[ordinary])
# A field is parted in about one coat of four, as in the rolls of arms; the rest are plain.
_PARTED_SHARE = 0.25


def generate(num_arms: int, *, seed: int) -> list[Arms]:
    """`num_arms` distinct coats, each obeying the rule of tincture.

    Raises ValueError if the repertoire cannot give that many (it holds more than 700,000).
    """
    rng = random.Random(f"armorial {seed}")
    found: dict[Arms, None] = {}
    for _ in range(50 * num_arms + 1000):
        if len(found) == num_arms:
            return list(found)
        arms = _draw_lot(rng)
        check(arms)
        found.setdefault(arms)
    raise ValueError(f"found {len(found)} distinct arms, not {num_arms}: ask for fewer")


def _draw_lot(rng: random.Random) -> Arms:
    makers: Sequence[Callable[[random.Random], Arms]] = (_alone, _charged, _between, _parted_groups)
    return rng.choices(makers, weights=(28, 30, 27, 15))[0](rng)


def _plain_field(rng: random.Random) -> Field:
    return Field((rng.choice(tuple(Tincture)),))


def _parted_field(rng: random.Random) -> Field:
    """Two tinctures of one class, so that something may still lie on both."""
    pair = METALS if rng.random() < 0.2 else COLOURS
    first, second = rng.sample(pair, 2)
    return Field((first, second), rng.choice(_DIVISIONS))


def _field(rng: random.Random) -> Field:
    return _parted_field(rng) if rng.random() < _PARTED_SHARE else _plain_field(rng)


def _on(rng: random.Random, lower: Sequence[Tincture]) -> Tincture:
    return rng.choice([tincture for tincture in Tincture if contrasts(tincture, lower)])


def _alone(rng: random.Random) -> Arms:
    """Charges and no ordinary; on a parted field one charge, sometimes counterchanged."""
    draw = rng.random()
    if draw < 0.25:
        return _counterchanged(rng)
    if draw < 0.5:
        field = _parted_field(rng)
        return Arms(field, charges=(Group(rng.choice(_CHARGES), 1, _on(rng, field.tinctures)),))
    field = _plain_field(rng)
    number = rng.choice((1, 2, 3))
    rows: tuple[ChargeRow | None, ...] = {1: (None,), 2: tuple(ChargeRow), 3: (None, *ChargeRow)}[number]
    group = Group(rng.choice(_CHARGES), number, _on(rng, field.tinctures), rng.choice(rows))
    return Arms(field, charges=(group,))


def _counterchanged(rng: random.Random) -> Arms:
    pair = [rng.choice(METALS), rng.choice(COLOURS)]
    rng.shuffle(pair)
    charge = rng.choice([charge for charge in _CHARGES if charge not in NOT_COUNTERCHANGED])
    return Arms(Field((pair[0], pair[1]), rng.choice(_DIVISIONS)), charges=(Group(charge, 1, None),))


def _band(rng: random.Random, ordinaries: Sequence[Ordinary]) -> tuple[Field, Ordinary, Tincture]:
    ordinary = rng.choice(ordinaries)
    field = _plain_field(rng) if ordinary in SUBORDINATE else _field(rng)
    return field, ordinary, _on(rng, field.tinctures)


def _charged(rng: random.Random) -> Arms:
    """Charges on an ordinary."""
    field, ordinary, tincture = _band(rng, _CHARGED)
    group = Group(rng.choice(_CHARGES), rng.choice(ON[ordinary]), _on(rng, (tincture,)))
    return Arms(field, Band(ordinary, tincture, group))


def _between(rng: random.Random) -> Arms:
    """Like charges about an ordinary, below a chief, or within a bordure."""
    field, ordinary, tincture = _band(rng, _BETWEEN)
    number = rng.choice(AROUND[ordinary])
    row = rng.choice((ChargeRow.FESS, ChargeRow.PALE)) if ordinary is Ordinary.CHIEF and number == 2 else None
    group = Group(rng.choice(_CHARGES), number, _on(rng, field.tinctures), row)
    return Arms(field, Band(ordinary, tincture), (group,))


def _parted_groups(rng: random.Random) -> Arms:
    """Two charges of one kind in chief and one of another in base."""
    field, ordinary, tincture = _band(rng, PARTED_GROUPS)
    upper, lower = rng.sample(_CHARGES, 2)
    above = Group(upper, 2, _on(rng, field.tinctures))
    below = Group(lower, 1, _on(rng, field.tinctures))
    return Arms(field, Band(ordinary, tincture), (above, below))


def repertoire() -> Iterator[Arms]:
    """Every coat of the repertoire but those with two kinds of charge, for tests over all of it."""
    for field in _all_fields():
        uppers = [tincture for tincture in Tincture if contrasts(tincture, field.tinctures)]
        yield from _all_alone(field, uppers)
        for ordinary in Ordinary:
            if field.division is None or ordinary not in SUBORDINATE:
                for tincture in uppers:
                    yield from _all_banded(field, Band(ordinary, tincture), uppers)


def _all_fields() -> Iterator[Field]:
    for first in Tincture:
        yield Field((first,))
        for second in Tincture:
            if first is not second:
                yield from (Field((first, second), division) for division in Division)


def _all_alone(field: Field, uppers: Sequence[Tincture]) -> Iterator[Arms]:
    numbers: list[tuple[int, ChargeRow | None]] = [(1, None)]
    if field.division is None:
        numbers += [(number, row) for number in (2, 3) for row in ChargeRow] + [(3, None)]
    for charge in Charge:
        for tincture in uppers:
            yield from (Arms(field, None, (Group(charge, n, tincture, row),)) for n, row in numbers)
        if not uppers and charge not in NOT_COUNTERCHANGED:
            yield Arms(field, None, (Group(charge, 1, None),))


def _all_banded(field: Field, band: Band, uppers: Sequence[Tincture]) -> Iterator[Arms]:
    for charge in Charge:
        for number in ON[band.ordinary]:
            for tincture in Tincture:
                if contrasts(tincture, (band.tincture,)):
                    on = Group(charge, number, tincture)
                    yield Arms(field, Band(band.ordinary, band.tincture, on))
        for number in AROUND[band.ordinary]:
            below_chief = band.ordinary is Ordinary.CHIEF and number == 2
            rows: tuple[ChargeRow | None, ...] = (ChargeRow.FESS, ChargeRow.PALE) if below_chief else (None,)
            for tincture in uppers:
                yield from (Arms(field, band, (Group(charge, number, tincture, row),)) for row in rows)
