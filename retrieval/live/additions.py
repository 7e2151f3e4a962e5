"""The mutable segment in memory: the changes of the log, applied to a generation.

Rows of additions follow the sealed ones in the order of the log. Rows are only appended. A replaced or
withdrawn addition keeps its row, hidden, so that an order that was returned stays valid.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from iconoclip.record import Record
from retrieval import iconography
from retrieval.generation.catalog import ImageLocation, WordMatch, words_of
from retrieval.generation.columns import Columns, Mask
from retrieval.live.log import Change
from retrieval.words import folded, words_in


@dataclass(frozen=True)
class Additions:
    """Additions and withdrawals since a generation was built. Immutable; `replayed` makes the next state.

    `captions` contains the vectors of captions [C, D], `captioned` the positions of
    the additions they describe.
    """

    dimension: int
    last_seq: int = 0
    records: tuple[Record, ...] = ()
    places: tuple[ImageLocation, ...] = ()
    vectors: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    position_of: dict[str, int] = field(default_factory=dict)
    withdrawn: frozenset[str] = frozenset()
    texts: tuple[str, ...] = ()
    captions: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    captioned: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.records)

    def replayed(self, changes: Iterable[Change], shardset_offset: int) -> Additions:
        """The state after more changes.

        Args:
            changes: the changes, in order.
            shardset_offset: what to add to the log's ids (from 1) to get the engine's numbers of shard sets.
        """
        records, places, texts = list(self.records), list(self.places), list(self.texts)
        vectors, captions, captioned = [*self.vectors], [*self.captions], list(self.captioned)
        position_of, withdrawn, last_seq = dict(self.position_of), set(self.withdrawn), self.last_seq
        for change in changes:
            last_seq = change.seq
            if change.addition is None:
                withdrawn.add(change.key)
                position_of.pop(change.key, None)
                continue
            withdrawn.discard(change.key)
            position_of[change.key] = len(records)
            place = change.addition.place
            records.append(change.addition.record)
            places.append(
                ImageLocation(place.shardset - 1 + shardset_offset, place.shard, place.offset, place.size)
            )
            vectors.append(change.addition.vector.astype(np.float32))
            texts.append(_text_of(change.addition.record))
            if change.addition.caption is not None:
                captioned.append(position_of[change.key])
                captions.append(change.addition.caption.astype(np.float32))
        return Additions(
            self.dimension,
            last_seq,
            tuple(records),
            tuple(places),
            self._stacked(vectors),
            position_of,
            frozenset(withdrawn),
            tuple(texts),
            self._stacked(captions),
            tuple(captioned),
        )

    def _stacked(self, vectors: list[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
        return np.stack(vectors) if vectors else np.zeros((0, self.dimension), np.float32)

    @property
    def columns(self) -> Columns:
        """The columns that additions are filtered and counted by."""
        return Columns.of(self.records)

    @property
    def superseded(self) -> frozenset[int]:
        """The positions that a later change replaced or withdrew."""
        return frozenset(range(len(self))) - frozenset(self.position_of.values())

    @property
    def hides(self) -> frozenset[str]:
        """The keys whose row in the generation must not be shown: withdrawn, or replaced by an addition."""
        return self.withdrawn | frozenset(record.key for record in self.records)

    def match_words(self, text: str, mask_M: Mask | None) -> list[tuple[int, int]]:
        """The positions that contain words of `text`, each with the tier that
        Catalog.match_words would give it.
        """
        words = [folded(word) for word in words_in(text)]
        phrase = f" {' '.join(words)} "
        found = []
        for position, own in enumerate(self.texts):
            if not words or (mask_M is not None and not mask_M[position]):
                continue
            num_held = sum(f" {word} " in own for word in words)
            if num_held:
                tier = 0 if len(words) > 1 and phrase in own else 1 if num_held == len(words) else 2
                found.append((position, tier))
        return found


def _text_of(record: Record) -> str:
    """A record's words, folded, with a space before and after each; fields are kept apart."""
    fields = [
        *words_of(record),
        iconography.words(record.iconclass),
        *record.iconclass,
        record.source.id,
        record.key,
    ]
    lines = [line for text in fields for line in text.split("\n")]
    return " | ".join(f" {' '.join(folded(word) for word in words_in(line))} " for line in lines)


def merged(
    sealed: list[WordMatch], added: list[tuple[int, int]], first_row: int, limit: int
) -> list[WordMatch]:
    """The word matches of both segments. Until compaction, an addition ranks with the best of its tier."""
    best = {tier: min((m.bm25 for m in sealed if m.tier == tier), default=0.0) for tier in (0, 1, 2)}
    matches = sealed + [WordMatch(first_row + position, tier, best[tier]) for position, tier in added]
    return sorted(matches, key=lambda match: (match.tier, match.bm25, match.row))[:limit]
