"""The collection: which archive owns which coat of arms, and the catalogue entry of each.

Archives, families, places and painters are invented. One item is one coat, with one or two drawings. No coat
occurs in two items, so that a split by manifest never puts one coat on both sides.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from builtin_collections.armorial.archives import ARCHIVES, Archive
from builtin_collections.armorial.arms import Arms
from builtin_collections.armorial.generate import generate
from builtin_collections.armorial.names import family_and_place

NUM_ARMS = 7_200
"""Arms of the default collection, all archives together."""
NUM_WITHDRAWN = 12
"""Items that each archive once published and has withdrawn, in addition to the requested number of arms."""
ITEMS_PER_ROLL = 150
_SECOND_COPY_SHARE = 0.1

_CC = "http://creativecommons.org"
PUBLIC_DOMAIN = f"{_CC}/publicdomain/mark/1.0/"
# Rights and their weights, per cent. The last three forbid training under the open policy.
_RIGHTS: tuple[tuple[str | None, int], ...] = (
    (PUBLIC_DOMAIN, 48),
    (f"{_CC}/publicdomain/zero/1.0/", 26),
    (f"{_CC}/licenses/by/4.0/", 18),
    (f"{_CC}/licenses/by-nc/4.0/", 3),
    ("http://rightsstatements.org/vocab/InC/1.0/", 3),
    (None, 2),
)
_PUBLISHED_FROM = datetime(2021, 3, 1, 8, 0, tzinfo=UTC)
_MINUTES_BETWEEN = 97


@dataclass(frozen=True, slots=True)
class Item:
    """One coat of arms in the catalogue of an archive."""

    number: int
    """The coat's number in the whole collection; with seed and copy it fixes the drawing."""
    identifier: str
    """The archive's own name for it: letters, digits and hyphens."""
    roll: int
    folio: str
    arms: Arms
    family: str
    place: str
    painter: str | None
    date: str
    """An EDTF year or interval."""
    rights: str | None
    num_copies: int
    created: datetime
    modified: datetime
    withdrawn: bool = False


@dataclass(frozen=True)
class Holdings:
    """The items of one archive."""

    archive: Archive
    seed: int
    items: Sequence[Item]
    withdrawn: Sequence[Item]

    @cached_property
    def by_identifier(self) -> Mapping[str, Item]:
        """Every item by its identifier, including withdrawn ones."""
        return {item.identifier: item for item in (*self.items, *self.withdrawn)}

    @cached_property
    def by_modified(self) -> Sequence[Item]:
        """Every item, including withdrawn ones, the oldest change first."""
        return sorted((*self.items, *self.withdrawn), key=lambda item: (item.modified, item.number))

    @cached_property
    def rolls(self) -> Mapping[int, Sequence[Item]]:
        """Roll number (from 1) to the items in it."""
        rolls: dict[int, list[Item]] = {}
        for item in self.items:
            rolls.setdefault(item.roll, []).append(item)
        return rolls


def build(*, num_arms: int = NUM_ARMS, seed: int = 0) -> tuple[Holdings, ...]:
    """The holdings of each of ARCHIVES, in their order, with `num_arms` distinct coats in all.

    Raises ValueError if the repertoire cannot give that many.
    """
    num_withdrawn = NUM_WITHDRAWN * len(ARCHIVES)
    coats = generate(num_arms + num_withdrawn, seed=seed)
    kept: list[list[Item]] = [[] for _ in ARCHIVES]
    gone: list[list[Item]] = [[] for _ in ARCHIVES]
    for number, arms in enumerate(coats):
        turn = number % len(ARCHIVES)
        position = len(kept[turn]) + len(gone[turn])
        withdrawn = number >= num_arms
        item = _catalogued(ARCHIVES[turn], number, position, arms, seed=seed, withdrawn=withdrawn)
        (gone if withdrawn else kept)[turn].append(item)
    return tuple(
        Holdings(archive, seed, tuple(kept[turn]), tuple(gone[turn])) for turn, archive in enumerate(ARCHIVES)
    )


def _catalogued(
    archive: Archive, number: int, position: int, arms: Arms, *, seed: int, withdrawn: bool
) -> Item:
    rng = random.Random(f"catalogue {seed} {number}")
    family, place = family_and_place(archive.language, rng)
    created = _PUBLISHED_FROM + timedelta(minutes=_MINUTES_BETWEEN * position)
    changed = withdrawn or rng.random() < 0.05
    rights = rng.choices([uri for uri, _ in _RIGHTS], [weight for _, weight in _RIGHTS])[0]
    return Item(
        number=number,
        identifier=f"{archive.prefix}-{position + 1:05d}",
        roll=position // ITEMS_PER_ROLL + 1,
        folio=f"{position % ITEMS_PER_ROLL // 4 + 1}{'rv'[position // 2 % 2]}",
        arms=arms,
        family=family,
        place=place,
        painter=rng.choice((*archive.painters, None)),
        date=_date(rng),
        rights=rights,
        num_copies=2 if rng.random() < _SECOND_COPY_SHARE else 1,
        created=created,
        modified=created + timedelta(days=rng.randint(30, 900)) if changed else created,
        withdrawn=withdrawn,
    )


def _date(rng: random.Random) -> str:
    year = rng.randint(1340, 1690)
    if rng.random() < 0.3:
        return str(year)
    first = year - year % 10
    return f"{first}/{first + rng.choice((10, 20, 30))}"
