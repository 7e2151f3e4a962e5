"""Graded queries for the built-in armorial collection, and for any other: the truth follows from the records
by rule.

Each class has a rule: a motif is right where the record has its notation, a name where a title or a maker has
it, `lion gules` where the English blazon says so, a whole blazon where it is the record's own.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from iconoclip.people import display_name
from iconoclip.record import Record
from retrieval.words import folded, tokens

# Charge: German, French, English plural, and a misspelling or an old spelling of the English or French word.
MOTIFS = {
    "lion": ("Löwe", "lion", "lions", "lyon"),
    "eagle": ("Adler", "aigle", "eagles", "eagel"),
    "anchor": ("Anker", "ancre", "anchors", "ancor"),
    "crown": ("Krone", "couronne", "crowns", "crowne"),
    "rose": ("Rose", "rose", "roses", "roze"),
    "trefoil": ("Kleeblatt", "trèfle", "trefoils", "trefoyl"),
    "tower": ("Turm", "tour", "towers", "towwer"),
    "bell": ("Glocke", "cloche", "bells", "bellls"),
    "wheel": ("Rad", "roue", "wheels", "whele"),
    "martlet": ("Merlette", "merlette", "martlets", "martlett"),
    "escallop": ("Jakobsmuschel", "coquille", "escallops", "escalop"),
    "crescent": ("Halbmond", "croissant", "crescents", "cresent"),
}
TINCTURES = ("gules", "azure", "or", "argent", "sable", "vert", "purpure")
NOTHING = (
    "a bus timetable", "wireless router", "television remote control", "vending machine", "hair dryer",
    "a football referee", "Kühlschrank", "subway map", "lawn mower", "une agrafeuse", "eine Bohrmaschine",
    "stapler and paper clips", "tyre repair kit", "airplane cockpit", "a hamburger with fries",
    "Bildschirmschoner",
)  # fmt: skip
ANSWERS_PER_CLASS = 12


@dataclass(frozen=True)
class GradedQuery:
    """A query, its class, and the keys of the items that are right; none where nothing is."""

    text: str
    kind: str
    right: frozenset[str] = field(repr=False)


def graded_queries(records: Sequence[Record], seed: int = 0) -> list[GradedQuery]:
    """At least 120 queries in eleven classes."""
    rng = random.Random(seed)
    queries = [*_motifs(records), *_combinations(records), *_names(records, rng)]
    queries += [*_makers_and_years(records, rng), *_blazons(records, rng)]
    queries += [GradedQuery(text, "nothing there", frozenset()) for text in NOTHING]
    return [query for query in queries if query.right or query.kind == "nothing there"]


def _where(records: Iterable[Record], rule: Callable[[Record], object]) -> frozenset[str]:
    return frozenset(record.key for record in records if rule(record))


def _motifs(records: Sequence[Record]) -> Iterable[GradedQuery]:
    for charge, (german, french, plural, misspelt) in MOTIFS.items():
        notation = f"46A122({charge.upper()})"
        right = _where(records, lambda record, notation=notation: notation in record.iconclass)
        for text, kind in (
            (charge, "motif, English"), (german, "motif, German"), (french, "motif, French"),
            (plural, "plural"), (misspelt, "misspelt"), (_wide(charge), "other letters"),
        ):  # fmt: skip
            yield GradedQuery(text, kind, right)


def _wide(text: str) -> str:
    """The text in full-width letters, as Japanese keyboards write them."""
    return "".join(chr(ord(letter) + 0xFEE0) for letter in text)


def _english(record: Record) -> str:
    return next((caption.text for caption in record.captions if caption.language == "en"), "")


def _combinations(records: Sequence[Record]) -> Iterable[GradedQuery]:
    for number, charge in enumerate(MOTIFS):
        tincture = TINCTURES[number % len(TINCTURES)]
        rule = re.compile(rf"\b{charge}s?( \w+)? {tincture}\b", re.IGNORECASE)
        right = _where(records, lambda record, rule=rule: rule.search(_english(record)))
        yield GradedQuery(f"{charge} {tincture}", "charge and tincture", right)


def _names(records: Sequence[Record], rng: random.Random) -> Iterable[GradedQuery]:
    titles = [
        (record, caption.text)
        for record in records
        for caption in record.captions
        if caption.field == "title"
    ]
    pattern = re.compile(r"(?:family|famille|Familie) ((?:\w|-)+)")
    found = [(match[1], text) for _, text in titles if (match := pattern.search(text))]
    for number, (name, text) in enumerate(rng.sample(found, 3 * ANSWERS_PER_CLASS)):
        rule = re.compile(rf"\b{name}\b")
        right = frozenset(
            record.key for record, title in titles if rule.search("\n".join([title, *record.creators]))
        )
        if number % 3 == 0:
            yield GradedQuery(name, "name", right)
        elif number % 3 == 1:
            yield GradedQuery(f"{name} portrait", "name and another word", right)
        else:
            same = frozenset(record.key for record, title in titles if title == text)
            yield GradedQuery(unicodedata.normalize("NFD", text).upper(), "whole title", same)


def _makers_and_years(records: Sequence[Record], rng: random.Random) -> Iterable[GradedQuery]:
    made = [record for record in records if record.creators and record.date and record.date.earliest]
    for record in rng.sample(made, ANSWERS_PER_CLASS):
        maker, year = record.creators[0], record.date.earliest if record.date else None

        def by(other: Record, maker: str = maker, year: int | None = year) -> bool:
            date = other.date
            if maker not in other.creators or date is None or year is None:
                return False
            return (date.earliest or 9999) <= year <= (date.latest or date.earliest or -9999)

        yield GradedQuery(f"{maker} {year}", "maker and year", _where(records, by))


def _blazons(records: Sequence[Record], rng: random.Random) -> Iterable[GradedQuery]:
    for record in rng.sample(list(records), ANSWERS_PER_CLASS):
        text = _english(record)
        right = _where(records, lambda other, text=text: _english(other) == text)
        yield GradedQuery(text, "whole blazon", right)


def graded_real(records: Sequence[Record], seed: int = 0) -> list[GradedQuery]:
    """Queries for any catalogued collection, in seven classes: makers as readers write them, misspelt and
    without accents; whole titles; a rare word of a title, alone and with the maker; and words that no record
    has.
    """
    rng = random.Random(seed)
    makers: dict[str, set[str]] = defaultdict(set)
    holding: dict[str, set[str]] = defaultdict(set)
    for record in records:
        for creator in record.creators:
            makers[display_name(creator)].add(record.key)
        for caption in record.captions:
            for word in tokens(caption.text):
                holding[word].add(record.key)
    named = [name for name in sorted(makers) if len(name.split()) > 1]
    queries = list(_makers(rng.sample(named, min(len(named), ANSWERS_PER_CLASS)), makers))
    titled = [record for record in records if len(record.title.split()) > 3]
    for record in rng.sample(titled, min(len(titled), ANSWERS_PER_CLASS)):
        same = _where(records, lambda other, title=record.title: other.title == title)
        queries.append(GradedQuery(unicodedata.normalize("NFD", record.title).upper(), "whole title", same))
        word = min(
            (word for word in tokens(record.title) if len(word) > 6 and word.isalpha()),
            key=lambda word: (len(holding[word]), word),
            default="",
        )
        if word:
            queries.append(GradedQuery(word, "word of a title", frozenset(holding[word])))
        if word and record.creators:
            maker = display_name(record.creators[0])
            both = frozenset(holding[word] & makers[maker])
            queries.append(GradedQuery(f"{maker} {word}", "maker and word", both))
    return queries + [GradedQuery(text, "nothing there", frozenset()) for text in NOTHING]


def _makers(names: Iterable[str], makers: Mapping[str, set[str]]) -> Iterable[GradedQuery]:
    for name in names:
        right = frozenset(makers[name])
        yield GradedQuery(name, "maker", right)
        if folded(name) != name.casefold():
            yield GradedQuery(folded(name), "maker without accents", right)
        *first, last = name.split()
        if len(last) > 6:
            middle = len(last) // 2
            slip = last[: middle - 1] + last[middle] + last[middle - 1] + last[middle + 1 :]
            yield GradedQuery(" ".join([*first, slip]), "maker, misspelt", right)
