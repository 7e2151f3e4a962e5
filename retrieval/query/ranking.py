"""From lists of rows to pages: diversity, and cursors that stay valid.

The order of all hits is a function of the query and the generation alone. Withdrawn items keep their place in
the order and are skipped when it is read, so that a takedown between two pages moves nothing.

Shapes: N rows, C candidates.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field, TypeAdapter

from iconoclip.errors import BadInput
from retrieval.backends.interface import Mask
from retrieval.questions import Query

MAX_CURSOR_CHARS = 500


class Entry(NamedTuple):
    """A row in the order, how it was found, the likelihood that it matches, and its cosine."""

    row: int
    by_meaning: bool
    by_caption: bool = False
    has_some_words: bool = False
    has_every_word: bool = False
    score: float = 1.0
    cosine: float | None = None

    def with_score(self, score: float) -> Entry:
        """The same with another score."""
        return self._replace(score=score)


@dataclass(frozen=True)
class Ranked:
    """Rows in order, and what is known of each, as columns: entries are made only of those that are read.

    Args:
        rows: the rows, the likeliest first, int64 [C].
        by_meaning, by_caption, has_some_words, has_every_word: as in `Entry`, bool [C].
        scores: the likelihoods, which never rise, float32 [C].
        cosines: the cosines, or None without a picture or text to compare with, float32 [C].
    """

    rows: npt.NDArray[np.int64]
    by_meaning: Mask
    by_caption: Mask
    has_some_words: Mask
    has_every_word: Mask
    scores: npt.NDArray[np.float32]
    cosines: npt.NDArray[np.float32] | None

    def __len__(self) -> int:
        return len(self.rows)

    def entries(self, chosen_C: Mask | None = None) -> Iterator[Entry]:
        """The entries in order, or those of them that are chosen."""
        places = np.arange(len(self.rows)) if chosen_C is None else np.flatnonzero(chosen_C)
        return (self._entry(place) for place in places.tolist())

    def first(self, chosen_C: Mask) -> Entry | None:
        """The first entry of those that are chosen."""
        return next(self.entries(chosen_C), None)

    def _entry(self, place: int) -> Entry:
        return Entry(
            int(self.rows[place]),
            bool(self.by_meaning[place]),
            bool(self.by_caption[place]),
            bool(self.has_some_words[place]),
            bool(self.has_every_word[place]),
            float(self.scores[place]),
            None if self.cosines is None else float(self.cosines[place]),
        )


def diversified(entries: list[Entry], vectors_CD: npt.NDArray[np.float32], diversity: float) -> list[Entry]:
    """The entries in a new order in which each is also unlike those before it.

    Maximal marginal relevance (Carbonell and Goldstein 1998), with relevance falling evenly over the list.

    Args:
        entries: best first.
        vectors_CD: the unit vectors of the entries.
        diversity: 0 keeps the order, 1 considers only difference.
    """
    relevance_C = np.linspace(1, 0, len(entries))
    likeness_C = np.zeros(len(entries))
    chosen: list[int] = []
    left = np.ones(len(entries), bool)
    for _ in entries:
        value_C = np.where(left, (1 - diversity) * relevance_C - diversity * likeness_C, -np.inf)
        best = int(np.argmax(value_C))
        chosen.append(best)
        left[best] = False
        likeness_C = np.maximum(likeness_C, vectors_CD @ vectors_CD[best])
    return [entries[position] for position in chosen]


# The content of a cursor, as JSON. Cursors come from outside, so its numbers are
# limited to possible row numbers.
_Count = Annotated[int, Field(strict=True, ge=0, lt=2**40)]
_Name = Annotated[str, Field(max_length=100)]
_WRITTEN = TypeAdapter(tuple[_Name, _Count, _Count, _Count, _Name])


@dataclass(frozen=True)
class Cursor:
    """The end of a page: enough to continue, with only a digest of the query."""

    generation: str
    position: int
    num_shown: int
    num_rows: int
    query: str

    def encode(self) -> str:
        """The cursor as text for a URL."""
        values = [self.generation, self.position, self.num_shown, self.num_rows, self.query]
        return (
            base64.urlsafe_b64encode(json.dumps(values, separators=(",", ":")).encode()).decode().rstrip("=")
        )

    @classmethod
    def decode(cls, text: str, query: Query) -> Cursor:
        """Decode a cursor.

        Raises:
            BadInput: the text is not a cursor, or the cursor belongs to another query.
        """
        try:
            padded = text + "=" * (-len(text) % 4)
            cursor = cls(*_WRITTEN.validate_json(base64.urlsafe_b64decode(padded)))
        except ValueError as error:
            raise BadInput("not a cursor", where="cursor", remedy="take it from the page before") from error
        if cursor.query != query_digest(query):
            raise BadInput(
                "this cursor belongs to another query", where="cursor", remedy="repeat the query unchanged"
            )
        return cursor


def query_digest(query: Query) -> str:
    """Eight bytes that identify a query, ignoring page size and cursor."""
    fixed = query.model_copy(update={"cursor": None, "k": 1, "image": None})
    image = hashlib.sha256(query.image or b"").digest()
    return hashlib.sha256(fixed.model_dump_json().encode() + image).hexdigest()[:16]
