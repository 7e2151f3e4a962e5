"""Iconclass: notations in text, their labels, their ancestors, and those that do not exist."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.description.iconclass import captions_of, find_notations
from iconoclip.iconclass import ancestors, labels, resolve

MATERIAL = Path(__file__).parents[2].parent / "shared" / "material"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("61B2$44B241", ("61B2", "44B241")),
        ("46A122 : armorial bearing, heraldry", ("46A122",)),
        ("http://iconclass.org/25F23%28LION%29", ("25F23(LION)",)),
        ("https://iconclass.org/rkd/46A122/", ("46A122",)),
        ("11H(CROWNED MARTYRS, FOUR); 25F:31A", ("11H(CROWNED MARTYRS, FOUR)", "25F", "31A")),
        ("41D221(TURBAN)(+81)", ("41D221(TURBAN)(+81)",)),
        ("11H(PAUL)34 and 31AA231", ("11H(PAUL)34", "31AA231")),
        ("7", ("7",)),
        ("83; 9", ("83", "9")),
        ("painted in 1650 by 2 men", ()),
        ("no notation", ()),
        ("", ()),
    ],
)
def test_notations_are_found(text: str, expected: tuple[str, ...]) -> None:
    assert find_notations(text) == expected


@pytest.mark.parametrize(
    ("notation", "language", "text"),
    [
        # As the classification has it
        ("46A122", "en", "armorial bearing, heraldry"),
        ("46A122", "de", "Wappenschild, heraldisches Symbol"),
        # A listed name
        ("25F23(LION)", "fr", "animaux prédateurs : lion"),
        # A free name takes the place kept for it, and no other bracket
        ("46A122(UNICORN)", "en", "armorial bearing, heraldry (UNICORN)"),
        ("83(MOLIERE, Tartuffe)", "en", "(scenes from) specific works of literature (MOLIERE, Tartuffe)"),
        # A key
        ("25F23(LION)(+46)", "en", "beasts of prey, predatory animals: lion (+ sleeping animal(s))"),
        ("41D221(TURBAN)(+81)", "en", "head-gear: turban (+ men's clothes)"),
    ],
)
def test_labels(notation: str, language: str, text: str) -> None:
    assert labels(notation)[language] == text


def test_every_language_of_the_package_has_labels() -> None:
    assert set(labels("25F23(LION)(+46)")) == {"en", "de", "fr", "it", "pt", "ja"}


@pytest.mark.parametrize(
    "notation", ["99Z", "25F23(+99999)", "25F34(LITTLE OWL)", "25O", "", "(", "hello", "1" * 500]
)
def test_what_does_not_exist_is_recognised(notation: str) -> None:
    assert resolve(notation) is None
    assert labels(notation) == {}
    assert ancestors(notation) == ()


def test_ancestors_lead_from_the_division_to_the_parent() -> None:
    assert ancestors("25F23") == ("2", "25", "25F", "25F2")
    assert ancestors("25F23(LION)(+46)") == (
        "2", "25", "25F", "25F2", "25F23", "25F23(LION)", "25F23(LION)(+4)",
    )  # fmt: skip
    assert ancestors("1") == ()


def test_a_free_name_is_known_as_such() -> None:
    listed, free = resolve("11H(JEROME)"), resolve("11H(FOOBAR)")
    assert listed is not None
    assert free is not None
    assert (listed.names, free.names) == ((), ("FOOBAR",))


def test_captions_say_where_they_come_from() -> None:
    captions = captions_of(["46A122", "99Z"])
    assert {caption.language for caption in captions} == {"en", "de", "fr", "it", "pt", "ja"}
    assert {(caption.field, caption.origin, caption.language_detected) for caption in captions} == {
        ("iconclass", "iconclass", False)
    }


@given(st.text(alphabet="0123456789ABFHk()+.: LION", max_size=24))
def test_no_notation_breaks_the_resolver(text: str) -> None:
    for notation in (text, *find_notations(text)):
        assert isinstance(labels(notation), dict)
        assert notation not in ancestors(notation)


@pytest.mark.corpus
@pytest.mark.skipif(not MATERIAL.is_dir(), reason=f"the real material is not at {MATERIAL}")
def test_the_notations_of_the_rijksmuseum_resolve() -> None:
    with (MATERIAL / "metadata/iconclass/rijksmuseum-counts.csv").open(encoding="utf-8") as file:
        counts = {row["notation"]: int(row["count"]) for row in csv.DictReader(file)}
    missing = [notation for notation in counts if not labels(notation)]
    print(f"\nIconclass: {len(counts) - len(missing)} of {len(counts)} notations resolve; the others:")
    print("  " + ", ".join(f"{notation} ({counts[notation]})" for notation in missing))
    assert len(missing) <= 0.02 * len(counts)


@pytest.mark.corpus
@pytest.mark.skipif(not MATERIAL.is_dir(), reason=f"the real material is not at {MATERIAL}")
def test_the_table_of_the_rijksmuseum_resolves() -> None:
    path = MATERIAL / "metadata/rijksmuseum/Suriname_objecten_export.csv"
    with path.open(encoding="utf-8-sig") as file:
        texts = [row["inhoud.classificatie.code"] for row in csv.DictReader(file, delimiter=";")]
    found = [notation for text in texts for notation in find_notations(text)]
    stated = [notation for text in texts for notation in text.split("$") if notation]
    assert len(found) >= 0.98 * len(stated)
    missing = {notation for notation in found if not labels(notation)}
    assert len(missing) <= 0.02 * len(set(found)), sorted(missing)
