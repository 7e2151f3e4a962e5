"""Changes an index without a rebuild: add, replace, withdraw, and compact the changes
into the next generation.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from iconoclip import locks
from iconoclip.errors import BadInput, MissingRequirement, TryAgainLater
from iconoclip.progress import progress
from iconoclip.record import Record
from retrieval.config import IndexConfig
from retrieval.faiss_index import BLOCK_ROWS
from retrieval.generation.assembly import IndexDescription, write_generation
from retrieval.generation.captions import Captions
from retrieval.generation.catalog import ImageLocation
from retrieval.generation.manifest import current_generation, read_manifest
from retrieval.generation.stores import StorePair, StoreSource
from retrieval.live.compaction import is_due
from retrieval.live.log import Addition, LiveLog
from retrieval.live.refresh import ViewRefresher
from retrieval.live.view import IndexView

LOCK_NAME = ".lock"
MAX_ADDITIONS = 20_000


@contextlib.contextmanager
def only_writer(index: Path) -> Iterator[None]:
    """Lock the index folder for one writer; readers do not wait. The lock is released when its process ends.

    Raises:
        TryAgainLater: another process is writing.
        MissingRequirement: the folder cannot be written, or its file system has no POSIX locks.
    """

    def busy(holder: str) -> TryAgainLater:
        return TryAgainLater(
            f"another process is changing this index: {holder}",
            where=index,
            remedy="run the same command when it is done",
        )

    # The log of changes is a SQLite file, and readers read it while it is written.
    locks.require_posix(index)
    with locks.hold(index / LOCK_NAME, busy):
        yield


def add(index: Path, source: StoreSource, *, compacts: bool = True) -> int:
    """Add the items of embedding stores to an index, replacing those whose record, image or vector changed.

    Args:
        index: the index folder.
        source: the items to add.
        compacts: fold everything into the next generation if so much has changed that this is due.

    Returns:
        The number of items added or replaced.

    Raises:
        BadInput: the stores were made by another model.
        TryAgainLater: there are too many for the mutable segment, or another process is writing.
    """
    manifest = read_manifest(current_generation(index))
    if source.model_digest != manifest.model_digest:
        raise BadInput(
            f"the stores were made by another model ({source.model}) than the index ({manifest.model})",
            where=index,
            remedy="encode with the index's model, or build another index",
        )
    with (
        only_writer(index),
        contextlib.closing(ViewRefresher(index, source.shardset_folders_of(manifest.shardsets))) as refresher,
    ):
        view = refresher.current()
        additions = [(pair, list(_new_items(view, source, pair))) for pair in source.pairs]
        num_added = sum(len(each) for _, each in additions)
        if len(view.additions) + num_added > MAX_ADDITIONS:
            raise BadInput(
                f"{num_added} additions are more than the mutable segment holds ({MAX_ADDITIONS})",
                where=index,
                remedy="add fewer at once, or index all stores together",
            )
        log = LiveLog(index)
        for pair, each in additions:
            log.add(source.reference_of(pair), each)
        refresher.refresh()
        due = compacts and is_due(refresher.current())
    if due:
        compact(index, IndexConfig(out=str(index), shardsets=list(source.shardset_folders)))
    return num_added


def _new_items(view: IndexView, source: StoreSource, pair: StorePair) -> Iterator[Addition]:
    for (record, place), vector in zip(source.items_of(pair), source.vectors_of(pair), strict=True):
        addition = Addition(record, vector, place, source.caption_of(record.key))
        row = view.row_of(record.key)
        if row is not None:
            known = view.record(row)
            if addition.caption is None and known.captions == record.captions:
                addition = replace(addition, caption=view.caption(row))
            if view.sealed.catalog.words.is_old:
                record = record.model_copy(update={"raw": known.raw})
            if known == record and _has_same_vectors(view, row, addition):
                continue
        yield addition


def _has_same_vectors(view: IndexView, row: int, addition: Addition) -> bool:
    image_D = view.backend.vectors(np.array([row]))[0].astype(np.float16)
    return _is_same(image_D, addition.vector) and _is_same(view.caption(row), addition.caption)


def _is_same(one: npt.NDArray[np.float16] | None, other: npt.NDArray[np.float16] | None) -> bool:
    return one is other if one is None or other is None else np.array_equal(one, other)


def withdraw(index: Path, keys: Iterable[str]) -> None:
    """Remove items from the results of an index at once. (The tombstones of a shard set need no such call.)

    Raises:
        MissingRequirement: there is no index.
    """
    current_generation(index)
    LiveLog(index).withdraw(keys)


def compact(index: Path, config: IndexConfig) -> Path | None:
    """Fold additions, replacements and withdrawals into the next generation; None when there are none.

    Readers continue with the old generation until the new one is complete. Items that were withdrawn in their
    shard sets are removed from the files as well.

    Raises:
        MissingRequirement: there is no index.
        TryAgainLater: another process is writing.
    """
    with only_writer(index), contextlib.closing(ViewRefresher(index, config.shardsets)) as refresher:
        view = refresher.current()
        if not len(view.additions) and not view.withdrawn and not view.additions.withdrawn:
            return None
        source = _ViewSource(view)
        if not source.num_items:
            raise MissingRequirement(
                "every item of this index was withdrawn", where=index, remedy="remove the index"
            )
        manifest = view.sealed.manifest
        facts = IndexDescription(
            model=manifest.model,
            model_digest=manifest.model_digest,
            shardsets=view.shardsets.references,
            inputs_digest=_next_digest(manifest.inputs_digest, view.additions.last_seq),
            compacted_through=view.additions.last_seq,
            calibration=manifest.calibration,
            relevance=manifest.relevance,
        )
        # The next generation has the same settings as the last one, and is in the same folder.
        place = {"backend": manifest.backend, "milvus_uri": manifest.milvus_uri}
        config = config.model_copy(update={**manifest.settings.model_dump(), **place})
        with progress("compact", total=3 * source.num_items, unit="steps") as meter:
            folder = write_generation(index, source, facts, config, None, meter)
        LiveLog(index).forget(view.additions.last_seq)
        return folder


def _next_digest(inputs_digest: str, last_seq: int) -> str:
    return hashlib.sha256(f"{inputs_digest}+{last_seq}".encode()).hexdigest()


class _ViewSource:
    """The visible items of a view, as the source of a generation."""

    def __init__(self, view: IndexView) -> None:
        self._view = view
        self._rows = np.flatnonzero(view.shown(None))
        self.num_items = len(self._rows)
        self.dimension = view.sealed.manifest.dimension

    def blocks(self) -> Iterator[npt.NDArray[np.float16]]:
        """The vectors in row order."""
        for start in range(0, self.num_items, BLOCK_ROWS):
            yield self._view.backend.vectors(self._rows[start : start + BLOCK_ROWS]).astype(np.float16)

    def captions(self) -> Captions | None:
        """The caption vectors of the visible items, numbered by the position of the item among them."""
        place_of = np.full(self._view.num_rows, -1, np.int32)
        place_of[self._rows] = np.arange(self.num_items, dtype=np.int32)
        places = place_of[self._view.caption_rows]
        kept = np.flatnonzero(places >= 0)
        if not len(kept):
            return None
        vectors = np.empty((len(kept), self.dimension), np.float16)
        for start in range(0, len(kept), BLOCK_ROWS):
            block = kept[start : start + BLOCK_ROWS]
            vectors[start : start + len(block)] = self._view.captions.vectors(block)
        return Captions(vectors, places[kept])

    def items(self) -> Iterator[tuple[Record, ImageLocation]]:
        """The record and image location of each row."""
        for row in self._rows.tolist():
            yield self._view.record(row), self._view.place(row)
