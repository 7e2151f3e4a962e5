"""The arms: distinct, the same by seed, within the rule of tincture and the repertoire."""

from __future__ import annotations

import random
from collections import Counter
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builtin_collections.armorial.arms import (
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
from builtin_collections.armorial.collection import NUM_ARMS, build
from builtin_collections.armorial.generate import generate, repertoire
from builtin_collections.armorial.tinctures import Tincture

METALS = {"or", "argent"}
OR, ARGENT, GULES, AZURE, VERT = (
    Tincture.OR,
    Tincture.ARGENT,
    Tincture.GULES,
    Tincture.AZURE,
    Tincture.VERT,
)


@pytest.fixture(scope="module")
def many() -> list[Arms]:
    return generate(6_000, seed=11)


def test_same_seed_same_arms_other_seed_others() -> None:
    assert generate(200, seed=3) == generate(200, seed=3)
    assert generate(200, seed=3) != generate(200, seed=4)


def test_six_thousand_distinct_arms(many: list[Arms]) -> None:
    assert len(set(many)) == 6_000


def obeys_the_rule(arms: Arms) -> bool:
    """The rule of tincture, written here a second time: what lies on a metal is a colour, and the reverse."""
    below = [tincture in METALS for tincture in arms.field.tinctures]
    upper = [group.tincture for group in arms.charges if group.tincture is not None]
    if arms.band is not None:
        upper.append(arms.band.tincture)
        if arms.band.on is not None and (arms.band.on.tincture in METALS) == (arms.band.tincture in METALS):
            return False
    if any(group.tincture is None for group in arms.charges) and sorted(below) != [False, True]:
        return False
    return all((tincture in METALS) != metal for tincture in upper for metal in below)


def test_rule_of_tincture_over_all(many: list[Arms]) -> None:
    assert [arms for arms in many if not obeys_the_rule(arms)] == []


def test_one_to_three_charges(many: list[Arms]) -> None:
    assert {arms.num_charges for arms in many} == {1, 2, 3}


def test_everything_in_the_repertoire_is_used(many: list[Arms]) -> None:
    charges = Counter(group.charge for arms in many for group in arms.groups())
    assert set(charges) == set(Charge)
    assert len(charges) >= 10
    assert min(charges.values()) >= 50
    assert {arms.band.ordinary for arms in many if arms.band} == set(Ordinary)
    assert {arms.field.division for arms in many} == {None, *Division}
    assert {tincture for arms in many for tincture in arms.field.tinctures} == set(Tincture)


def test_the_repertoire_is_much_larger_than_the_collection() -> None:
    coats = set(islice(repertoire(), 10 * NUM_ARMS))
    assert len(coats) == 10 * NUM_ARMS
    for arms in random.Random(0).sample(sorted(coats, key=repr), 500):
        check(arms)
        assert obeys_the_rule(arms)


def test_more_arms_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match="distinct"):
        generate(-1, seed=0)


@pytest.mark.parametrize(
    ("arms", "reason"),
    [
        (Arms(Field((AZURE,)), None, (Group(Charge.LION, 1, GULES),)), "breaks the rule"),
        (Arms(Field((OR,)), None, (Group(Charge.LION, 1, ARGENT),)), "breaks the rule"),
        (Arms(Field((AZURE,)), Band(Ordinary.FESS, VERT, Group(Charge.LION, 1, OR))), "breaks the rule"),
        (Arms(Field((AZURE,)), Band(Ordinary.FESS, OR, Group(Charge.LION, 1, ARGENT))), "breaks the rule"),
        (Arms(Field((AZURE, OR), Division.PALE), None, (Group(Charge.LION, 1, GULES),)), "breaks the rule"),
        (
            Arms(Field((AZURE, GULES), Division.PALE), None, (Group(Charge.LION, 1, None),)),
            "a metal and a colour",
        ),
        (Arms(Field((AZURE,)), Band(Ordinary.FESS, OR)), "one to three"),
        (Arms(Field((AZURE,)), None, (Group(Charge.LION, 4, OR),)), "one to three"),
        (Arms(Field((AZURE,)), None, (Group(Charge.LION, 2, OR),)), "need a row"),
        (Arms(Field((AZURE,)), None, (Group(Charge.LION, 1, OR, ChargeRow.PALE),)), "two charges or three"),
        (
            Arms(Field((AZURE,)), Band(Ordinary.CROSS, OR), (Group(Charge.LION, 2, OR),)),
            "not in the repertoire",
        ),
        (
            Arms(Field((AZURE, AZURE), Division.PALE), None, (Group(Charge.LION, 1, OR),)),
            "2 distinct tinctures",
        ),
        (Arms(Field((AZURE, OR)), None, (Group(Charge.LION, 1, OR),)), "1 distinct tinctures"),
    ],
)
def test_bad_arms_are_refused(arms: Arms, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check(arms)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**63), st.integers(1, 60))
def test_any_seed_gives_lawful_arms(seed: int, num_arms: int) -> None:
    coats = generate(num_arms, seed=seed)
    assert len(set(coats)) == len(coats) == num_arms
    for arms in coats:
        assert obeys_the_rule(arms), arms
        assert 1 <= arms.num_charges <= 3


def test_no_coat_in_two_archives_and_enough_may_train() -> None:
    """A split by manifest holds out whole coats, because each coat has one manifest."""
    holdings = build(seed=2)
    items = [item for held in holdings for item in held.items]
    assert len(items) == NUM_ARMS >= 6_000
    coats = [item.arms for held in holdings for item in (*held.items, *held.withdrawn)]
    assert len(set(coats)) == len(coats)
    free = ("publicdomain", "licenses/by/")
    may_train = [item for item in items if item.rights and any(part in item.rights for part in free)]
    assert 0.05 <= 1 - len(may_train) / len(items) <= 0.11
    assert sum(item.num_copies for item in may_train) >= 5_000 + 600
    assert {item.num_copies for item in items} == {1, 2}
    assert len({item.identifier for item in items}) == len(items)


def test_a_larger_collection_keeps_the_smaller_ones_coats() -> None:
    assert generate(300, seed=5)[:100] == generate(100, seed=5)
