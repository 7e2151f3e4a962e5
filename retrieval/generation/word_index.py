"""The word index of a catalogue: SQLite FTS5 over words that were split and folded here.

words     FTS5 without stored content, one column per kind of text: title, captions, creators, subjects,
          identifiers, facts (kind of object, institution, place and other short facts of the source).
          `identifiers` also contains, as one word, a digest of each whole title, name and shelfmark, so
          that an item is found at once by exactly what it is called.
texts     the words of title and captions in their order, with commas between clauses: to see which words of
          a query are close to each other in an item
variants  words that belong together (retrieval.generation.word_forms)
frequent  words that more than a few items have, and the number of these items
frequent_rows  the rows of still more frequent words (retrieval.generation.postings)
spellings words of every column that may be searched instead of a misspelt one, and the number of items that
          have them. An index without this table knows only the words of its captions.
settings  `version`: 2. An index without this table was written by FTS5's own tokenizer, without variants and
          digests; it is searched by plain words until it is built again.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import OSA

from iconoclip.record import Record
from retrieval import iconography
from retrieval.generation import postings
from retrieval.generation.postings import Postings
from retrieval.generation.row_lists import Rows, among, united
from retrieval.generation.word_forms import (
    COMPOUNDING,
    MAX_PAIRS_OF_CHARACTER,
    MAX_TERMS_OF_KEY,
    is_one_character,
    modern,
    stem_keys,
    variants,
)
from retrieval.words import tokens

VERSION = 2
FREQUENT_MIN = 200
COLUMNS = ("title", "captions", "creators", "subjects", "identifiers", "facts")
SCHEMA = f"""
CREATE VIRTUAL TABLE words USING fts5({", ".join(COLUMNS)}, content='',
                                      tokenize="unicode61 remove_diacritics 0");
CREATE TABLE texts(row INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE frequent(term TEXT PRIMARY KEY, num_items INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE variants(key TEXT, term TEXT, PRIMARY KEY(key, term)) WITHOUT ROWID;
CREATE TABLE spellings(term TEXT PRIMARY KEY, num_items INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE settings(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
# Between the texts of a column, so that no phrase reaches from one into the next. Nobody can type it: this
# package takes it for no letter, FTS5 for one.
_BETWEEN = "\ue000"
_CLAUSE_ENDS = re.compile(r"[,;:.()\[\]\n]+")
MAX_FACT_CHARS, MAX_FACTS = 120, 24
# Statements that a source makes about its records, not about the object.
_NOT_FACTS = ("rights", "attribution", "homepage", "ignore", "thumbnail", "image")
# A misspelt word has at most this many slips: one for short words, two for long ones.
_MAX_SLIPS, _LONG_WORD = 2, 7
MIN_SPELLED, MAX_SPELLED = 4, 40
# Letters of the last part of a compound, and of what is before it: shorter ones are endings of other words.
MIN_HEAD, MIN_FIRST = 5, 3
_ROWS = "SELECT group_concat(rowid) FROM (SELECT rowid FROM words WHERE words MATCH ? LIMIT ?)"
_SPELLINGS = "SELECT term, num_items FROM spellings"
_SPELLINGS_OF_CAPTIONS = "SELECT DISTINCT term, 0 FROM variants WHERE key >= 'old:' AND key < 'old;'"


def facts_of(record: Record) -> list[str]:
    """Short texts about the object that are in no caption: kind, institution, place, shelfmark, technique."""
    known = {caption.text for caption in record.captions} | set(record.creators)
    found = [record.object_type or "", record.institution.name]
    for pair in record.raw:
        value = pair.value.strip()
        if pair.field in _NOT_FACTS or not value or len(value) > MAX_FACT_CHARS or "://" in value:
            continue
        if value not in known:
            found.append(value)
    return list(dict.fromkeys(text for text in found if text))[:MAX_FACTS]


def short_facts_only(record: Record) -> Record:
    """The record with only those raw statements that a search may use, as the catalogue stores it."""
    facts = set(facts_of(record)[2 if record.object_type else 1 :])
    kept: dict[str, object] = {}
    for pair in record.raw:
        if pair.value.strip() in facts:
            kept.setdefault(pair.value.strip(), pair)
    return record.model_copy(update={"raw": tuple(kept.values())})


def names_of(record: Record) -> Iterator[str]:
    """What an item is called as a whole: titles, makers, shelfmarks, identifiers."""
    for number, caption in enumerate(record.captions):
        if number == 0 or caption.role == "title":
            yield caption.text
    for creator in record.creators:
        yield creator
        plain = re.sub(r"\s*[(\[][^)\]]*[)\]]", "", creator).strip()
        yield plain
        last, comma, first = plain.partition(",")
        if comma:
            yield f"{first} {last}"
    yield from facts_of(record)[1 if record.object_type else 0 :][1:]
    yield record.source.id
    yield record.key


def digest_of_name(text: str) -> str | None:
    """One word that stands for a whole name, however it is accented, spaced and punctuated."""
    words = " ".join(tokens(text))
    return f"zz{hashlib.blake2s(words.encode(), digest_size=8).hexdigest()}" if words else None


class WordWriter:
    """Writes the word index of a catalogue."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        connection.executescript(SCHEMA)
        connection.execute("INSERT INTO settings VALUES ('version', ?)", (str(VERSION),))
        connection.execute("INSERT INTO settings VALUES ('texts_apart', '1')")
        self._connection = connection
        self._words: dict[str, set[str]] = defaultdict(set)
        # Of makers, places, institutions: these have no language, but old spellings and umlauts written out.
        self._names: set[str] = set()

    def add(self, row: int, record: Record, subjects: str) -> None:
        """Add the words of one item."""
        texts = texts_of(record, subjects)
        names = (digest for name in names_of(record) if (digest := digest_of_name(name)))
        split = [f" {_BETWEEN} ".join(map(_split, text.split("\n"))) for text in texts]
        split[COLUMNS.index("identifiers")] += " " + " ".join(dict.fromkeys(names))
        self._connection.execute(
            f"INSERT INTO words(rowid, {', '.join(COLUMNS)}) VALUES (?,?,?,?,?,?,?)", (row, *split)
        )
        self._connection.execute("INSERT INTO texts VALUES (?,?)", (row, clauses_of(record)))
        for column in ("creators", "facts"):
            self._names.update(split[COLUMNS.index(column)].split())
        for caption in record.captions:
            self._words[caption.language.partition("-")[0]].update(_split(caption.text).split())

    def finish(self) -> None:
        """Write the relations between words, count the frequent ones, and optimise."""
        connection = self._connection
        connection.execute("INSERT INTO words(words) VALUES('optimize')")
        connection.execute("CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab(main, words, row)")
        connection.execute(
            "INSERT INTO frequent SELECT term, doc FROM temp.vocabulary WHERE doc > ?", (FREQUENT_MIN,)
        )
        connection.executemany(
            "INSERT OR IGNORE INTO variants VALUES (?,?)", variants(self._words, self._names)
        )
        connection.execute(
            "INSERT INTO spellings SELECT term, doc FROM temp.vocabulary"
            " WHERE length(term) BETWEEN ? AND ? AND term NOT GLOB '*[0-9]*'",
            (MIN_SPELLED, MAX_SPELLED),
        )
        languages = ",".join(sorted(self._words))
        connection.execute("INSERT INTO settings VALUES ('languages', ?)", (languages,))
        write_postings(connection)


def write_postings(connection: sqlite3.Connection) -> None:
    """Write the rows of frequent words, for a catalogue whose words are complete."""
    num_rows = connection.execute("SELECT coalesce(max(row) + 1, 0) FROM texts").fetchone()[0]
    frequent = connection.execute("SELECT term FROM frequent").fetchall()
    words = WordIndex(connection.execute, num_rows)
    postings.write(connection, num_rows, (term for (term,) in frequent), words.rows_with)


def clauses_of(record: Record) -> str:
    """The words of all captions in their order, with commas between clauses and at both ends
    (retrieval.generation.close_words).
    """
    parts = [part for caption in record.captions for part in _CLAUSE_ENDS.split(caption.text)]
    return f" , {' , '.join(words for part in parts if (words := _split(part)))} , "


@lru_cache(maxsize=4_096)
def _split(text: str) -> str:
    """The words of a text between spaces; the texts of notations and places come again and again."""
    return " ".join(tokens(text))


def titles_of(record: Record) -> tuple[str, ...]:
    """What an item may be called: the caption that is shown first, and every title."""
    titles = (caption.text for caption in record.captions if "title" in (caption.role, caption.field))
    return tuple(dict.fromkeys([record.title, *titles]))


def _in_one_line(text: str) -> str:
    return " ".join(text.splitlines())


def texts_of(record: Record, subjects: str) -> tuple[str, ...]:
    """The texts of a record in the order of COLUMNS."""
    titles = titles_of(record)
    others = (caption.text for caption in record.captions if caption.text not in titles)
    return (
        "\n".join(map(_in_one_line, titles)),
        "\n".join(map(_in_one_line, others)),
        "\n".join(record.creators),
        subjects,
        "\n".join([*record.iconclass, record.source.id, record.key]),
        "\n".join(facts_of(record)),
    )


def searchable_text(record: Record) -> str:
    """All words of a record, folded, each between spaces, its texts kept apart: for items not yet indexed."""
    lines = [
        line for text in texts_of(record, iconography.words(record.iconclass)) for line in text.split("\n")
    ]
    names = [digest for name in names_of(record) if (digest := digest_of_name(name))]
    return " | ".join(f" {' '.join(tokens(line))} " for line in [*lines, " ".join(names)])


class _Run(Protocol):
    def __call__(self, sql: str, values: Sequence[object] = (), /) -> sqlite3.Cursor: ...


class WordIndex:
    """The word index of a catalogue, opened for reading.

    Args:
        run: runs SQL on the connection of the calling thread.
    """

    def __init__(self, run: _Run, num_items: int) -> None:
        self._run, self.num_items = run, num_items
        self._frequent: dict[str, int] = dict(run("SELECT term, num_items FROM frequent"))
        tables = {name for (name,) in run("SELECT name FROM sqlite_master")}
        settings = dict(run("SELECT name, value FROM settings")) if "settings" in tables else {}
        self.is_old = settings.get("version") != str(VERSION)
        self.has_texts_apart = "texts_apart" in settings
        self._languages = tuple(settings.get("languages", "").split(","))
        self._has_spellings = "spellings" in tables
        self._spelled: dict[int, dict[str, int]] | None = None
        self._postings = Postings(run, num_items) if postings.TABLE in tables else None

    def num_with(self, word: str) -> int:
        """About how many items have a word: exact above 200, otherwise at most 200."""
        return self._frequent.get(word, FREQUENT_MIN)

    def rows_with(self, terms: Sequence[str], column: str | None = None, limit: int = -1) -> Rows:
        """The rows that have any of the words, in a column or anywhere, in row order."""
        if column is None and self._has_postings(terms):
            rows = self._with_postings(terms)
            return rows if limit < 0 else rows[:limit]
        where = f"{{{column}}} : " if column and not (self.is_old and column == "facts") else ""
        return self._rows(where + f"({_any(terms)})", limit)

    def rows_with_both(self, left: Sequence[str], right: Sequence[str], of_left: Rows | None = None) -> Rows:
        """The rows that have a word of both groups; `of_left` are those of the first group, if known."""
        if not self._has_postings(right):
            return self._rows(f"({_any(left)}) AND ({_any(right)})", -1)
        assert self._postings is not None
        of_left = self.rows_with(left) if of_left is None else of_left
        stored, others = self._postings.divided(right)
        has_M = among(of_left, self._rows(_any(others), -1)) if others else np.zeros(len(of_left), bool)
        for term in stored:
            has_M |= self._postings.held(term, of_left)
        return of_left[has_M]

    def most_named(self, terms: Sequence[str]) -> int | None:
        """How many items have one of the words in a maker's name, at most; None if that is not known."""
        return self._postings.most_named(terms) if self._postings else None

    def _has_postings(self, terms: Sequence[str]) -> bool:
        return self._postings is not None and any(term in self._postings for term in terms)

    def _with_postings(self, terms: Sequence[str]) -> Rows:
        assert self._postings is not None
        stored, others = self._postings.divided(terms)
        found = [self._postings.rows(term) for term in stored]
        return united([*found, self._rows(_any(others), -1)] if others else found, self.num_items)

    def rows_with_phrase(self, words: Sequence[str], column: str | None = None) -> Rows:
        """The rows that have the words one after the other in one text, in a column or anywhere."""
        where = f"{{{column}}} : " if column else ""
        return self._rows(f'{where}"{" ".join(words)}"', -1)

    def rows_called(self, groups: Sequence[Sequence[str]]) -> Rows:
        """The rows whose titles have a word of every group."""
        return self._rows("{title} : (" + " AND ".join(f"({_any(terms)})" for terms in groups) + ")", -1)

    def first_words(self, num_chars: int) -> dict[int, str]:
        """The first words of the first caption of each row."""
        found = self._run("SELECT row, substr(text, 4, ?) FROM texts", (num_chars,))
        return dict(found)

    def _rows(self, expression: str, limit: int) -> Rows:
        # As one text: Python would take longer to fetch the numbers one by one than SQLite to find them.
        (joined,) = self._run(_ROWS, (expression, limit)).fetchone()
        return np.fromstring(joined, np.int64, sep=",") if joined else np.zeros(0, np.int64)

    def texts(self, rows: Sequence[int]) -> list[str]:
        """The words of the captions of some rows in their order, empty for an old index."""
        if self.is_old:
            return [""] * len(rows)
        found: dict[int, str] = {}
        for start in range(0, len(rows), 500):
            part = [int(row) for row in rows[start : start + 500]]
            marks = ",".join("?" * len(part))
            found.update(self._run(f"SELECT row, text FROM texts WHERE row IN ({marks})", part))
        return [found.get(int(row), "") for row in rows]

    def expanded(self, word: str) -> tuple[str, ...]:
        """A word with its other forms, and with the compounds that contain it."""
        keys = [*stem_keys(word, self._languages), f"part:{word}"]
        limit = MAX_PAIRS_OF_CHARACTER if is_one_character(word) else MAX_TERMS_OF_KEY
        return (word, *(term for term in self._terms(keys, limit) if term != word))

    def second_chance(self, word: str) -> tuple[str, ...]:
        """The words that an old or a phonetic spelling of this one may stand for."""
        same = modern(word)
        known = self._terms([f"old:{same}"]) or tuple(term for term in (same,) if self.has(term))
        return known or self._compounds_of(word)

    def _compounds_of(self, word: str) -> tuple[str, ...]:
        """The compounds that end with a word which no item has alone: Muschel, Jakobsmuscheln. The last part
        of a German, Dutch or Nordic compound says what it is.
        """
        if len(word) < MIN_HEAD or not word.isalpha() or self.is_old:
            return ()
        languages = COMPOUNDING.intersection(self._languages)
        patterns = [key.replace(":", f":{'?' * MIN_FIRST}*", 1) for key in stem_keys(word, languages)]
        found: set[str] = set()
        for pattern in patterns:
            first, last = pattern[:3], f"{pattern[:2]};"
            rows = self._run(
                "SELECT term FROM variants WHERE key >= ? AND key < ? AND key GLOB ?", (first, last, pattern)
            )
            found.update(term for (term,) in rows)
        return tuple(sorted(found, key=lambda term: (len(term), term)))

    def has(self, word: str) -> bool:
        """Whether any item has exactly this word."""
        return word in self._frequent or len(self._rows(f'"{word}"', 1)) > 0

    def spelled_like(self, word: str, others: Mapping[str, int] | None = None) -> str | None:
        """The word of this index that is closest to a misspelt one, the more frequent first.

        Args:
            word: the word.
            others: further words that may be meant, with how many items have them.
        """
        if len(word) < MIN_SPELLED or word.isdigit():
            return None
        slips = _MAX_SLIPS if len(word) >= _LONG_WORD else 1
        near = _near(word, others or {}, slips)
        for length in range(len(word) - slips, len(word) + slips + 1):
            near += _near(word, self._vocabulary().get(length, {}), slips)
        return min(near)[-1] if near else None

    def _terms(self, keys: Sequence[str], limit: int = MAX_TERMS_OF_KEY) -> tuple[str, ...]:
        if self.is_old or not keys:
            return ()
        marks = ",".join("?" * len(keys))
        found = self._run(
            f"SELECT DISTINCT term FROM variants WHERE key IN ({marks}) LIMIT ?", (*keys, limit)
        )
        return tuple(term for (term,) in found)

    def _vocabulary(self) -> dict[int, dict[str, int]]:
        """The words that may be suggested, by their length, with how many items have them; read when the
        first misspelt word comes, then kept.
        """
        if self.is_old:
            return {}
        if self._spelled is None:
            spelled: dict[int, dict[str, int]] = defaultdict(dict)
            for term, num_items in self._run(_SPELLINGS if self._has_spellings else _SPELLINGS_OF_CAPTIONS):
                spelled[len(term)][term] = num_items
            self._spelled = dict(spelled)
        return self._spelled


def _near(word: str, words: Mapping[str, int], slips: int) -> list[tuple[int, bool, int, str]]:
    """The words with at most so many slips: slips, another first letter, minus the number of items, word.

    Another first letter is a slip on its own (Cunigunde, Kunigunde); with a second one the words are
    seldom the same (century, Penbury). Lucene's DirectSpellChecker demands the same first letter always.
    """
    found = process.extract(word, words.keys(), scorer=OSA.distance, score_cutoff=slips, limit=None)
    near = [(int(distance), term[:1] != word[:1], -words[term], term) for term, distance, _ in found]
    return [each for each in near if each[0] == 1 or not each[1]]


def _any(terms: Iterable[str]) -> str:
    return " OR ".join(f'"{term}"' for term in terms)
