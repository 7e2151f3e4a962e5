"""A generation opened for reading: what the engine sees at one moment.

A view never changes. When something does (a new generation, an addition, a withdrawal), the engine makes another and
lets the old one go, so that a query that has begun ends on what it began with.

Shapes: N rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from iconoclip.errors import DamagedData
from iconoclip.record import Record
from retrieval.answers import Filters
from retrieval.backends.interface import Mask, Rows, VectorBackend
from retrieval.backends.local import LocalBackend
from retrieval.calibration import Statistics
from retrieval.catalog import Catalog, Place, WordMatch
from retrieval.columns import Columns
from retrieval.generation import (
    ANN_NAME,
    CATALOG_NAME,
    CLUSTERS_NAME,
    COLUMNS_NAME,
    REBUILD,
    STATISTICS_NAME,
    VECTORS_NAME,
    IndexManifest,
    read_manifest,
    verify_files,
)
from retrieval.index import Choice, Segment

MAX_CACHED_MASKS = 64


@dataclass(frozen=True)
class Sealed:
    """The files of a generation, opened after their checksums were compared."""

    folder: Path
    manifest: IndexManifest
    segment: Segment
    catalog: Catalog
    columns: Columns
    clusters: npt.NDArray[np.int32]
    statistics: Statistics

    @classmethod
    def open(cls, folder: Path) -> Sealed:
        """Open a generation.

        Raises:
            DamagedData: a file is not what the manifest vouches for.
        """
        manifest = read_manifest(folder)
        verify_files(folder, manifest)
        vectors_ND = np.load(folder / VECTORS_NAME, mmap_mode="r", allow_pickle=False)
        columns = Columns.load(folder / COLUMNS_NAME)
        clusters = np.load(folder / CLUSTERS_NAME, allow_pickle=False)
        shape = (manifest.num_vectors, manifest.dimension)
        if vectors_ND.shape != shape or vectors_ND.dtype != np.float16:
            raise DamagedData(f"the vectors are not {shape} float16", where=folder, remedy=REBUILD)
        if columns.num_rows != len(vectors_ND) or len(clusters) != len(vectors_ND):
            raise DamagedData("vectors, columns and clusters differ in length", where=folder, remedy=REBUILD)
        choice = Choice(manifest.kind, manifest.num_lists, manifest.why)
        segment = Segment(vectors_ND, choice, folder / ANN_NAME, manifest.effort)
        catalog = Catalog(folder / CATALOG_NAME)
        return cls(
            folder, manifest, segment, catalog, columns, clusters, Statistics.load(folder / STATISTICS_NAME)
        )


@dataclass(frozen=True)
class View:
    """What is served at one moment."""

    sealed: Sealed
    withdrawn_keys: frozenset[str]
    _masks: dict[Filters, Mask | None] = field(default_factory=dict)

    @property
    def generation(self) -> str:
        """The name of the generation."""
        return self.sealed.manifest.generation

    @property
    def num_rows(self) -> int:
        """Rows, withdrawn ones included."""
        return len(self.sealed.segment)

    @cached_property
    def backend(self) -> VectorBackend:
        """What holds the vectors."""
        return LocalBackend(self.sealed.segment, np.zeros((0, self.sealed.manifest.dimension), np.float32))

    @property
    def columns(self) -> Columns:
        """What rows are filtered and counted by."""
        return self.sealed.columns

    @cached_property
    def withdrawn(self) -> frozenset[int]:
        """The rows that no answer may show."""
        return frozenset(self.sealed.catalog.rows_of(self.withdrawn_keys).values())

    @cached_property
    def clusters(self) -> npt.NDArray[np.int32]:
        """A number for each row; near-duplicates share it."""
        return self.sealed.clusters

    @cached_property
    def _cluster_order(self) -> npt.NDArray[np.int64]:
        return np.argsort(self.clusters, kind="stable")

    @cached_property
    def _ordered_clusters(self) -> npt.NDArray[np.int32]:
        return self.clusters[self._cluster_order]

    def cluster_members(self, row: int) -> Rows:
        """The rows that are near-duplicates of a row, itself included."""
        number = self.clusters[row]
        low, high = np.searchsorted(self._ordered_clusters, [number, number + 1])
        return self._cluster_order[low:high]

    def row_of(self, key: str) -> int | None:
        """The row of a key that may be shown, or None."""
        row = self.sealed.catalog.row_of(key)
        return None if row is None or row in self.withdrawn else row

    def record(self, row: int) -> Record:
        """The record of a row."""
        return self.sealed.catalog.record(row)

    def place(self, row: int) -> Place:
        """Where the image of a row stands."""
        return self.sealed.catalog.place(row)

    def match_words(self, text: str, limit: int, mask_N: Mask | None) -> list[WordMatch]:
        """Rows whose words match."""
        return self.sealed.catalog.match_words(text, limit, mask_N)

    def mask(self, filters: Filters) -> Mask | None:
        """Which rows pass, withdrawn ones included; None when all do. Only filters are remembered, never queries."""
        if filters not in self._masks:
            if len(self._masks) >= MAX_CACHED_MASKS:
                self._masks.pop(next(iter(self._masks)), None)
            self._masks[filters] = self.sealed.columns.mask(filters)
        return self._masks[filters]

    def shown(self, mask_N: Mask | None) -> Mask:
        """The rows of a mask that may be shown."""
        shown_N = np.ones(self.num_rows, bool) if mask_N is None else mask_N.copy()
        shown_N[list(self.withdrawn)] = False
        return shown_N

    def count(self, mask_N: Mask | None) -> int:
        """How many rows of a mask may be shown."""
        if mask_N is None:
            return self.num_rows - len(self.withdrawn)
        return int(mask_N.sum()) - sum(bool(mask_N[row]) for row in self.withdrawn)

    def group_rows(self, row: int, limit: int) -> Iterable[int]:
        """Other rows of the same group that may be shown."""
        column = self.sealed.columns.values["group"]
        mask_N = column.mask(column.codes_of(row).tolist(), self.num_rows)
        rows = (int(other) for other in np.flatnonzero(mask_N) if other != row)
        return [other for other in rows if other not in self.withdrawn][:limit]
