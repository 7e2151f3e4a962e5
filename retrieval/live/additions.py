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
from retrieval.generation.catalog import ImageLocation
from retrieval.generation.columns import Columns
from retrieval.generation.word_index import searchable_text
from retrieval.live.log import Change


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
            texts.append(searchable_text(change.addition.record))
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
