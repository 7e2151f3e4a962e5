"""Completion while typing: what the items of a generation are called, sorted, to be searched by a prefix.

Titles, makers, places, institutions and the texts of Iconclass notations, each with the number of items that
have it. A prefix finds them at the start of each word, without accents, case and punctuation. All keys with
one prefix are neighbours in sorted order; a binary search gives the first and the last, and the numbers of
items, in the same order in memory, give the most frequent of them. So the time hardly depends on the size of
the collection.

Tables of the catalogue:

completions           id, kind, language ('' for names), text, number of items; `seen_in`: the first and the
                      last row of each institution that has the text, to tell whether a reader may see one
completion_keys       position in sorted order, key (folded text from the start of a word), id
completion_languages  the positions of each language: first, and the one after the last
completion_counts     one row: the number of items of each position, int32, little-endian
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from iconoclip import iconclass
from iconoclip.people import display_name
from iconoclip.record import Record
from retrieval.words import UNSPACED, folded

Kind = Literal["title", "maker", "place", "institution", "iconclass"]
KINDS: tuple[Kind, ...] = get_args(Kind)
NO_LANGUAGE = ""
MAX_TEXT_CHARS = 100
# The words of a text that it can be completed from; names are short, and one begins with any of their words.
MAX_STARTS_OF_TITLE, MAX_STARTS = 4, 8
MIN_START_CHARS = 4
# Every character of Chinese and Japanese may begin a word.
MAX_STARTS_UNSPACED = 16
_PLACE_LABELS = frozenset(
    ("place", "place of origin", "ort", "entstehungsort", "lieu", "luogo", "lugar", "plaats")
)
_NO_WORD, _SPACE = re.compile(r"[\W_]+"), re.compile(" ")
_LAST = "\U0010ffff"

SCHEMA = """
CREATE TABLE completions(id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, language TEXT NOT NULL,
                         text TEXT NOT NULL, num_items INTEGER NOT NULL, seen_in TEXT NOT NULL);
CREATE TABLE completion_keys(position INTEGER PRIMARY KEY, key TEXT NOT NULL, id INTEGER NOT NULL);
CREATE TABLE completion_languages(language TEXT PRIMARY KEY, first INTEGER NOT NULL, stop INTEGER NOT NULL)
WITHOUT ROWID;
CREATE TABLE completion_counts(counts BLOB NOT NULL);
CREATE TEMP TABLE called(kind INTEGER, language TEXT, text TEXT, institution TEXT, row INTEGER);
CREATE TEMP TABLE starts(language TEXT, key TEXT, id INTEGER, num_items INTEGER);
"""
# One row per text and institution, then one per text.
_JOIN = """
INSERT INTO completions(kind, language, text, num_items, seen_in)
SELECT kind, language, text, sum(num), group_concat(low || ',' || high) FROM (
  SELECT kind, language, text, institution, count(*) AS num, min(row) AS low, max(row) AS high
  FROM temp.called GROUP BY kind, language, text, institution)
GROUP BY kind, language, text
"""


@dataclass(frozen=True)
class Completion:
    """A text that a query may be completed to, and rows of items that have it."""

    text: str
    kind: Kind
    language: str
    num_items: int
    seen_in: tuple[int, ...]

    def __add__(self, other: Completion) -> Completion:
        """The same text of other items too."""
        return replace(
            self, num_items=self.num_items + other.num_items, seen_in=(*self.seen_in, *other.seen_in)
        )


def key_of(text: str) -> str:
    """The text as it is compared: folded, punctuation as single spaces; one at the end is kept."""
    return _NO_WORD.sub(" ", folded(text)).lstrip()


class CompletionWriter:
    """Collects what items are called, and writes the tables."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        connection.executescript(SCHEMA)
        self._connection = connection
        # Notation and institution: number of items, first and last row. Their texts follow at the end.
        self._notations: dict[tuple[str, str], list[int]] = {}

    def add(self, row: int, record: Record) -> None:
        """Add what one item is called."""
        slug = record.institution.slug
        self._connection.executemany(
            "INSERT INTO temp.called VALUES (?,?,?,?,?)",
            [(KINDS.index(kind), language, text, slug, row) for kind, language, text in called(record)],
        )
        for notation in dict.fromkeys(record.iconclass):
            seen = self._notations.setdefault((notation, slug), [0, row, row])
            seen[0], seen[2] = seen[0] + 1, row

    def finish(self) -> None:
        """Write the tables of prefixes, and the texts that they point to."""
        run = self._connection.execute
        run(_JOIN)
        self._connection.executemany(
            "INSERT INTO completions(kind, language, text, num_items, seen_in) VALUES (?,?,?,?,?)",
            (
                (KINDS.index("iconclass"), language, text, num, ",".join(map(str, rows)))
                for language, text, num, rows in texts_of_notations(self._notations)
            ),
        )
        for number, kind, language, text, num_items in self._connection.execute(
            "SELECT id, kind, language, text, num_items FROM completions"
        ):
            self._connection.executemany(
                "INSERT INTO temp.starts VALUES (?,?,?,?)",
                [(language, key, number, num_items) for key in starts(text, KINDS[kind])],
            )
        run("CREATE TEMP TABLE sorted AS SELECT * FROM temp.starts ORDER BY language, key, id")
        run("INSERT INTO completion_keys SELECT rowid - 1, key, id FROM temp.sorted ORDER BY rowid")
        run(
            "INSERT INTO completion_languages"
            " SELECT language, min(rowid) - 1, max(rowid) FROM temp.sorted GROUP BY language"
        )
        numbers = run("SELECT num_items FROM temp.sorted ORDER BY rowid")
        counts = np.fromiter((number for (number,) in numbers), "<i4")
        run("INSERT INTO completion_counts VALUES (?)", (counts.tobytes(),))
        for table in ("called", "starts", "sorted"):
            run(f"DROP TABLE temp.{table}")


def called(record: Record) -> Iterable[tuple[Kind, str, str]]:
    """What an item is called by titles, makers, places and its institution: kind, language and text, each
    once.
    """
    found: list[tuple[Kind, str, str]] = [("institution", NO_LANGUAGE, record.institution.name)]
    for number, caption in enumerate(record.captions):
        language = caption.language.partition("-")[0].lower()
        if number == 0 or caption.role == "title":
            found.append(("title", NO_LANGUAGE if language == "und" else language, caption.text))
        elif caption.role == "place":
            found.append(("place", NO_LANGUAGE, caption.text))
    found += [("maker", NO_LANGUAGE, _name(creator)) for creator in record.creators]
    for pair in record.raw:
        if pair.field == "place" or pair.label.strip(" :").casefold() in _PLACE_LABELS:
            found.append(("place", NO_LANGUAGE, pair.value))
    tidy = ((kind, language, _shortened(text)) for kind, language, text in found)
    return dict.fromkeys(each for each in tidy if key_of(each[2]))


_name = lru_cache(maxsize=100_000)(display_name)


def _shortened(text: str) -> str:
    """The text in one line; a long one ends after a whole word."""
    text = " ".join(text.split())
    return text if len(text) <= MAX_TEXT_CHARS else text[: MAX_TEXT_CHARS + 1].rpartition(" ")[0] or text[:50]


def texts_of_notations(
    notations: Mapping[tuple[str, str], Sequence[int]],
) -> Iterator[tuple[str, str, int, list[int]]]:
    """The texts of the notations in use, in every language: language, text, number of items, and rows that
    have it. Several notations may share one text.

    Args:
        notations: for each notation and institution the number of items, the first and the last row.
    """
    joined: dict[tuple[str, str], tuple[int, list[int]]] = {}
    for (notation, _), (num, first, last) in notations.items():
        for language, text in iconclass.labels(iconclass.nearest(notation) or "").items():
            named = language, _shortened(text)
            before, rows = joined.get(named, (0, []))
            joined[named] = before + num, [*rows, first, last]
    for (language, text), (num, rows) in joined.items():
        yield language, text, num, rows


def starts(text: str, kind: Kind) -> Iterator[str]:
    """The keys of a text: from the start of each of its first words on, in a long title without short words
    such as of and the; a name also last word first.
    """
    key = key_of(text).rstrip()
    if UNSPACED.search(key):
        limit = MAX_STARTS_UNSPACED
        starts = [n for n, at in enumerate(key) if n == 0 or key[n - 1] == " " or UNSPACED.match(at)]
    else:
        limit = MAX_STARTS_OF_TITLE if kind == "title" else MAX_STARTS
        starts = [0, *(match.end() for match in _SPACE.finditer(key))]
        if kind == "title" and len(starts) > limit:
            starts = [n for n in starts if n == 0 or len(key[n:].partition(" ")[0]) >= MIN_START_CHARS]
    for start in starts[:limit]:
        yield key[start:]
    first, space, last = key.rpartition(" ")
    if kind == "maker" and space:
        yield f"{last} {first}"


class Completions:
    """The completions of a catalogue, opened for reading.

    Args:
        run: runs SQL on the connection of the calling thread.
    """

    def __init__(self, run: Callable[..., sqlite3.Cursor]) -> None:
        self._run = run
        self._counts: npt.NDArray[np.int32] | None = None
        self._languages: dict[str, tuple[int, int]] = {}
        tables = {name for (name,) in run("SELECT name FROM sqlite_master WHERE type='table'")}
        # An index that was built before there were completions has none.
        if "completion_counts" in tables:
            (blob,) = run("SELECT counts FROM completion_counts").fetchone()
            self._counts = np.frombuffer(blob, "<i4")
            found = run("SELECT language, first, stop FROM completion_languages")
            self._languages = {language: (first, stop) for language, first, stop in found}

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that there are texts in."""
        return tuple(language for language in self._languages if language != NO_LANGUAGE)

    def starting_with(self, prefix: str, languages: Sequence[str], limit: int) -> list[Completion]:
        """The completions of a prefix (see `key_of`) in some languages, the most frequent first, at most
        `limit`; equally frequent ones in the order of their keys.
        """
        best: list[tuple[int, str, int]] = []
        for language in languages:
            best += self._best(prefix, language, limit)
        best.sort()
        numbers = list(dict.fromkeys(number for _, _, number in best))[:limit]
        return [self._completion(number) for number in numbers]

    def _best(self, prefix: str, language: str, limit: int) -> Iterator[tuple[int, str, int]]:
        """Minus the number of items, the key and the id of the most frequent completions."""
        first, stop = self._languages.get(language, (0, 0))
        low = self._position(prefix, first, stop)
        high = self._position(prefix + _LAST, low, stop)
        if low == high or self._counts is None:
            return
        # Counts and positions in one number: the highest are the most frequent, and the first among equals.
        order_K = self._counts[low:high].astype(np.int64) << 32
        order_K -= np.arange(high - low)
        if len(order_K) > limit:
            order_K = np.partition(order_K, len(order_K) - limit)[-limit:]
        for each in np.sort(order_K)[::-1].tolist():
            count = -(-each >> 32)
            position = low + (count << 32) - each
            key, number = self._at(position)
            yield -count, key, number

    def _position(self, key: str, low: int, high: int) -> int:
        """The first position whose key is not below a key."""
        while low < high:
            middle = (low + high) // 2
            if self._at(middle)[0] < key:
                low = middle + 1
            else:
                high = middle
        return low

    def _at(self, position: int) -> tuple[str, int]:
        found = self._run("SELECT key, id FROM completion_keys WHERE position=?", (position,))
        key, number = found.fetchone()
        return key, number

    def _completion(self, number: int) -> Completion:
        sql = "SELECT text, kind, language, num_items, seen_in FROM completions WHERE id=?"
        text, kind, language, num_items, seen_in = self._run(sql, (number,)).fetchone()
        return Completion(text, KINDS[kind], language, num_items, tuple(map(int, seen_in.split(","))))
