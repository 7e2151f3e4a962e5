"""Items and texts of a benchmark, collected in the order of the set and read in that of the files.

They are in a database file, so memory does not grow with the set.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

_TABLES = """
create table items (key text primary key, line text, rights text, grouped text, has_file integer)
    without rowid;
create table texts (split text, language text, hash blob, key text, place integer, text text,
    primary key (split, language, hash, key, place)) without rowid;
"""


class Question(NamedTuple):
    """A text that finds some items."""

    text: str
    keys: list[str]


class Spool:
    """A context manager that opens an empty database at a path and removes it in the end.

    Nothing in it outlives the command, so nothing is synchronised with the disk.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.executescript("pragma journal_mode = off; pragma synchronous = off;" + _TABLES)
        self._database.execute("begin")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def remove(self) -> None:
        """Close the database and remove its file. A second call does nothing."""
        self._database.close()
        self._path.unlink(missing_ok=True)

    def add(self, item: dict[str, Any], texts: Iterable[tuple[str, str]]) -> None:
        """Add an item with its texts, each with its language; case and spacing do not tell texts apart."""
        line = json.dumps(item, ensure_ascii=False, sort_keys=True)
        values = (item["key"], line, item["rights"] or "none", item["group"], item["file"] is not None)
        self._database.execute("insert into items values (?, ?, ?, ?, ?)", values)
        for place, (language, written) in enumerate(texts):
            text = " ".join(written.split())
            digest = hashlib.sha256(text.casefold().encode()).digest()
            row = (item["split"], language, digest, item["key"], place, text)
            self._database.execute("insert into texts values (?, ?, ?, ?, ?, ?)", row)

    def lines(self) -> Iterator[str]:
        """The items as JSON, by key."""
        return (line for (line,) in self._rows("select line from items order by key"))

    def languages(self) -> list[tuple[str, str]]:
        """The splits and languages that have texts, in order."""
        return list(self._rows("select distinct split, language from texts order by split, language"))

    def questions(self, split: str, language: str, most: int) -> Iterator[Question]:
        """The texts of a split in a language, by a hash of each: of a larger set, most of the first stay.

        A text that is written in several ways is written as the item with the first key has it.
        """
        rows = self._rows(
            "select hash, key, text from texts where split = ? and language = ? order by hash, key, place",
            split,
            language,
        )
        for _, same in itertools.islice(itertools.groupby(rows, key=lambda row: row[0]), most):
            written = list(same)
            yield Question(written[0][2], list(dict.fromkeys(key for _, key, _ in written)))

    def counts(self) -> dict[str, Any]:
        """Items, those with a picture, groups, and items by statement of rights."""
        num, num_pictures, num_groups = next(
            self._rows("select count(*), coalesce(sum(has_file), 0), count(distinct grouped) from items")
        )
        rights = self._rows("select rights, count(*) from items group by rights order by rights")
        return {
            "num_items": num, "num_pictures": num_pictures, "num_groups": num_groups, "rights": dict(rights),
        }  # fmt: skip

    def _rows(self, query: str, *values: str) -> Iterator[tuple[Any, ...]]:
        with closing(self._database.execute(query, values)) as cursor:
            yield from cursor
