"""A generation opened for reading: the consistent state that the engine sees at one moment.

A view never changes. After a change (a new generation, an addition, a withdrawal) the engine makes a new view
and drops the old one. So a query reads the same view from beginning to end.

Shapes: N rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from iconoclip.errors import DamagedData
from iconoclip.record import Record
from retrieval.backends.interface import Mask, Rows, VectorBackend, Vectors
from retrieval.backends.overlay import NoVectors, Overlay
from retrieval.faiss_index import IndexChoice, Segment
from retrieval.generation.calibration import Statistics
from retrieval.generation.captions import CaptionSegment
from retrieval.generation.catalog import Catalog, ImageLocation
from retrieval.generation.columns import Columns
from retrieval.generation.manifest import (
    ANN_NAME,
    CATALOG_NAME,
    CLUSTERS_NAME,
    COLUMNS_NAME,
    REBUILD,
    STATISTICS_NAME,
    VECTORS_NAME,
    IndexManifest,
    read_manifest,
    too_old,
    verify_files,
)
from retrieval.live.added_completions import AddedCompletions
from retrieval.live.additions import Additions
from retrieval.live.sort_keys import maker_ranks, title_ranks
from retrieval.live.view_words import ViewWords
from retrieval.live.withdrawals import WatchedShardSets
from retrieval.questions import Filters

MAX_CACHED_MASKS = 64
SORTED_CHARS = 80


@dataclass(frozen=True)
class OpenGeneration:
    """The files of a generation, opened after their checksums were compared."""

    folder: Path
    manifest: IndexManifest
    vectors: VectorBackend
    catalog: Catalog
    columns: Columns
    clusters: npt.NDArray[np.int32]
    statistics: Statistics
    captions: CaptionSegment | None = None

    @classmethod
    def open(cls, folder: Path) -> OpenGeneration:
        """Open a generation.

        Raises:
            DamagedData: a file does not match its checksum in the manifest.
        """
        manifest = read_manifest(folder)
        verify_files(folder, manifest)
        columns = Columns.load(folder / COLUMNS_NAME)
        clusters = np.load(folder / CLUSTERS_NAME, allow_pickle=False)
        if columns.num_rows != manifest.num_vectors or len(clusters) != manifest.num_vectors:
            raise DamagedData("vectors, columns and clusters differ in length", where=folder, remedy=REBUILD)
        captions = None
        if manifest.captions:
            captions = CaptionSegment(folder, manifest.captions, manifest.dimension, manifest.num_vectors)
        catalog = Catalog(folder / CATALOG_NAME)
        if catalog.words.is_old:
            catalog.close()
            raise too_old(folder, manifest.built_by, "its words have no other forms and no exact names")
        return cls(
            folder,
            manifest,
            _backend(folder, manifest),
            catalog,
            columns,
            clusters,
            Statistics.load(folder / STATISTICS_NAME),
            captions,
        )


def _backend(folder: Path, manifest: IndexManifest) -> VectorBackend:
    if manifest.backend == "milvus":
        # Imported here: pymilvus is an optional dependency, and takes a second to import.
        from retrieval.backends.milvus import MilvusBackend, default_uri

        uri = manifest.milvus_uri or default_uri(folder.parent)
        return MilvusBackend(uri, manifest.milvus_collection or manifest.generation, manifest.num_vectors)
    return Segment(
        folder / VECTORS_NAME,
        (manifest.num_vectors, manifest.dimension),
        IndexChoice(manifest.kind, manifest.num_lists, manifest.why),
        folder / ANN_NAME,
        manifest.effort,
    )


@dataclass(frozen=True)
class IndexView:
    """The state at one moment: a generation, the additions since, and the rows that must not be shown."""

    sealed: OpenGeneration
    additions: Additions
    shardsets: WatchedShardSets
    withdrawn_keys: frozenset[str]
    _masks: dict[Filters, Mask] = field(default_factory=dict)

    @property
    def generation(self) -> str:
        """The name of the generation."""
        return self.sealed.manifest.generation

    @property
    def num_sealed(self) -> int:
        """The number of rows of the generation; those of additions follow."""
        return len(self.sealed.vectors)

    @property
    def num_rows(self) -> int:
        """The number of rows of both, including hidden ones."""
        return self.num_sealed + len(self.additions)

    @cached_property
    def backend(self) -> VectorBackend:
        """The backend with the vectors of images."""
        return Overlay(self.sealed.vectors, self.additions.vectors)

    @cached_property
    def captions(self) -> VectorBackend:
        """The backend with the vectors of captions; its rows are numbers of captions."""
        sealed = self.sealed.captions
        held = sealed.vectors if sealed else NoVectors(self.sealed.manifest.dimension)
        return Overlay(held, self.additions.captions)

    @cached_property
    def caption_rows(self) -> Rows:
        """The row of the item that each caption describes."""
        sealed = self.sealed.captions
        added = self.num_sealed + np.array(self.additions.captioned, np.int64)
        return np.concatenate([sealed.rows.astype(np.int64), added]) if sealed else added

    @cached_property
    def _caption_order(self) -> tuple[Rows, Rows]:
        order = np.argsort(self.caption_rows, kind="stable")
        return order, self.caption_rows[order]

    @cached_property
    def columns(self) -> tuple[Columns, ...]:
        """The columns that rows are filtered and counted by: those of the generation, and those of the
        additions if there are any.
        """
        return (
            (self.sealed.columns, self.additions.columns) if len(self.additions) else (self.sealed.columns,)
        )

    @cached_property
    def withdrawn(self) -> frozenset[int]:
        """The rows that no result may contain: withdrawn or replaced."""
        gone = self.withdrawn_keys | self._pictures_of_withdrawn_pages()
        hidden = self.sealed.catalog.rows_of(gone | self.additions.hides).values()
        tombstoned = {n for n, record in enumerate(self.additions.records) if record.key in gone}
        return frozenset(hidden) | {self.num_sealed + n for n in tombstoned | self.additions.superseded}

    def _pictures_of_withdrawn_pages(self) -> frozenset[str]:
        """The keys of pictures that were cut from pages which were withdrawn since: they go at once, and not
        only when the pages are segmented again.
        """
        rows = self.sealed.catalog.rows_of(self.withdrawn_keys).values()
        pages = [self.sealed.catalog.record(row) for row in rows if self.sealed.columns.whole_page[row]]
        pages += [record for record in self.additions.records if record.key in self.withdrawn_keys]
        return frozenset(key for record in pages if record.page for key in record.page.pictures)

    @cached_property
    def clusters(self) -> npt.NDArray[np.int32]:
        """A number per row, equal for near-duplicates. Additions are separate until they are compacted."""
        own = np.arange(self.num_sealed, self.num_rows, dtype=np.int32)
        return np.concatenate([self.sealed.clusters, own])

    @cached_property
    def _cluster_order(self) -> npt.NDArray[np.int64]:
        return np.argsort(self.clusters, kind="stable")

    @cached_property
    def _ordered_clusters(self) -> npt.NDArray[np.int32]:
        return self.clusters[self._cluster_order]

    @cached_property
    def has_copies(self) -> Mask:
        """Which rows have near-duplicates."""
        ordered = self._ordered_clusters
        is_same = np.concatenate([[False], ordered[1:] == ordered[:-1], [False]])
        has_N = np.zeros(self.num_rows, bool)
        has_N[self._cluster_order] = is_same[1:] | is_same[:-1]
        return has_N

    def cluster_members(self, row: int) -> Rows:
        """The rows that are near-duplicates of a row, itself included."""
        number = self.clusters[row]
        low, high = np.searchsorted(self._ordered_clusters, [number, number + 1])
        return self._cluster_order[low:high]

    def row_of(self, key: str) -> int | None:
        """The row of a key, or None if it is unknown or must not be shown."""
        position = self.additions.position_of.get(key)
        row = self.sealed.catalog.row_of(key) if position is None else self.num_sealed + position
        return None if row is None or row in self.withdrawn else row

    def record(self, row: int) -> Record:
        """The record of a row, unpacked."""
        if row >= self.num_sealed:
            return self.additions.records[row - self.num_sealed]
        return self.sealed.catalog.record(row)

    def records(self, rows: Sequence[int]) -> list[Record]:
        """The records of some rows, unpacked, in their order."""
        sealed = [row for row in rows if row < self.num_sealed]
        found = dict(zip(sealed, self.sealed.catalog.records(sealed), strict=True))
        return [found[row] if row in found else self.record(row) for row in rows]

    def place(self, row: int) -> ImageLocation:
        """The location of a row's image."""
        if row >= self.num_sealed:
            return self.additions.places[row - self.num_sealed]
        return self.sealed.catalog.place(row)

    @cached_property
    def words(self) -> ViewWords:
        """The words of both parts."""
        sealed, added = self.sealed.catalog.words, self.additions
        return ViewWords(sealed, added.texts, self.num_sealed, added.records)

    @cached_property
    def added_completions(self) -> AddedCompletions:
        """Completions of the additions that may be shown."""
        added = enumerate(self.additions.records, self.num_sealed)
        return AddedCompletions((row, record) for row, record in added if row not in self.withdrawn)

    @cached_property
    def title_ranks(self) -> npt.NDArray[np.int32]:
        """The place of each row when rows are sorted by the first words of their first caption."""
        return title_ranks(self.words.first_words(SORTED_CHARS))

    @cached_property
    def maker_ranks(self) -> npt.NDArray[np.int32]:
        """The place of each row when rows are sorted by the family name of their first maker."""
        return maker_ranks(self.columns)

    def made_in(self, word: str) -> Mask | None:
        """The rows made in a year, if a word is one; dates that span more than a century do not count."""
        if not (word.isascii() and word.isdigit() and 3 <= len(word) <= 4):
            return None
        parts = [columns.made_in(int(word)) for columns in self.columns]
        return np.concatenate(parts)

    def match_captions(self, text_D: Vectors, limit: int, mask_N: Mask | None) -> list[int]:
        """The rows whose captions have a similar meaning to a text, best first."""
        mask_C = None if mask_N is None else mask_N[self.caption_rows]
        found, _ = self.captions.search(text_D, limit, mask_C)
        return [int(row) for row in self.caption_rows[found]]

    def caption_numbers(self, rows: list[int]) -> Rows:
        """The numbers of the captions of rows that have one."""
        order, ordered = self._caption_order
        return np.asarray(order[np.searchsorted(ordered, rows)], np.int64)

    def caption(self, row: int) -> npt.NDArray[np.float16] | None:
        """The vector of a row's captions, float16 [D], if it has one."""
        order, ordered = self._caption_order
        place = int(np.searchsorted(ordered, row))
        if place == len(ordered) or ordered[place] != row:
            return None
        return np.asarray(self.captions.vectors(order[place : place + 1])[0], np.float16)

    def mask(self, filters: Filters) -> Mask | None:
        """Which rows pass, including hidden ones; None if all do. Only masks of filters
        are cached, never queries.
        """
        if filters.is_empty:
            return None
        mask_N = self._masks.get(filters)
        if mask_N is None:
            mask_N = np.concatenate([columns.mask(filters) for columns in self.columns])
            # Other threads do the same, and may clear the cache at any time.
            if len(self._masks) >= MAX_CACHED_MASKS:
                self._masks.clear()
            self._masks[filters] = mask_N
        return mask_N

    def shown(self, mask_N: Mask | None) -> Mask:
        """The rows of a mask that may be shown."""
        shown_N = np.ones(self.num_rows, bool) if mask_N is None else mask_N.copy()
        shown_N[list(self.withdrawn)] = False
        return shown_N

    def parts(self, shown_N: Mask) -> list[tuple[Columns, Mask]]:
        """The columns of the generation and of the additions, each with its part of a mask."""
        masks = np.split(shown_N, [self.num_sealed]) if len(self.columns) > 1 else [shown_N]
        return list(zip(self.columns, masks, strict=True))

    def count(self, mask_N: Mask | None) -> int:
        """How many rows of a mask may be shown."""
        if mask_N is None:
            return self.num_rows - len(self.withdrawn)
        return int(np.count_nonzero(mask_N)) - sum(bool(mask_N[row]) for row in self.withdrawn)

    def group_rows(self, row: int, limit: int) -> list[int]:
        """Other rows of the same group that may be shown."""
        group, found, start = self.record(row).group, [], 0
        for columns in self.columns:
            found += [start + other for other in columns.rows_with("group", group)]
            start += columns.num_rows
        return [other for other in found if other != row and other not in self.withdrawn][:limit]
