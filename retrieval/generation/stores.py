"""Embedding stores joined, item by item, with the shard sets they were made from:
the source of a new index.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import IO

import numpy as np
import numpy.typing as npt

from iconoclip.embeddings import EmbeddingStore
from iconoclip.errors import BadInput, ConfigError, DamagedData, MissingRequirement
from iconoclip.record import Record
from iconoclip.shardset import ShardSet
from retrieval.faiss_index import BLOCK_ROWS
from retrieval.generation.captions import Captions
from retrieval.generation.catalog import ImageLocation
from retrieval.generation.manifest import ShardSetReference
from retrieval.generation.page_facts import PageTables
from retrieval.generation.word_index import short_facts_only


@dataclass(frozen=True, slots=True)
class _Row:
    store_row: int
    shard: str
    image_offset: int
    image_size: int
    record_offset: int
    record_size: int


@dataclass(frozen=True)
class StorePair:
    """A store, its shard set, and the rows they share in the order of the store."""

    store: EmbeddingStore
    shardset: ShardSet
    number: int
    rows: list[_Row]


class StoreSource:
    """The items of several stores, one store after the other. If a key is in two of
    them, the later store counts.

    Args:
        folders: the folders of the stores. A store of captions adds caption vectors to the
            items of the other stores.
        shardset_folders: the folders of their shard sets: none, one for all, or one for each.
        skip: the keys to leave out.
        page_tables: tables that `iconoclip segment` wrote, in addition to those in the folders.

    Raises:
        ConfigError: there is no store, or the number of shard sets does not fit.
        BadInput: the stores were made by different models or contain only captions, or one has no item in
            common with its shard set.
    """

    def __init__(
        self,
        folders: Sequence[str],
        shardset_folders: Sequence[str],
        skip: frozenset[str] = frozenset(),
        page_tables: Sequence[str] = (),
    ) -> None:
        if not folders:
            raise ConfigError("no embedding store given", where="stores", remedy="name at least one")
        stores = [EmbeddingStore(folder) for folder in folders]
        self._check_one_model(stores)
        matched = zip(stores, self._match_folders(stores, shardset_folders), strict=True)
        of_images = [(store, folder) for store, folder in matched if store.manifest.side == "image"]
        self.caption_stores = [store for store in stores if store.manifest.side == "text"]
        if not of_images:
            raise BadInput(
                "these stores hold captions only",
                where=stores[0].folder,
                remedy="give a store of images too",
            )
        stores, self.shardset_folders = [store for store, _ in of_images], [folder for _, folder in of_images]
        self.shardsets = {folder: _open(folder) for folder in self.shardset_folders}
        self.pages = PageTables(self.shardsets, page_tables)
        self._check_every_store_counts(stores)
        self.pairs = self._pair(stores, skip)
        self.dimension = stores[0].manifest.dimension
        self.model, self.model_digest = stores[0].manifest.model, stores[0].manifest.model_digest
        self.num_items = sum(len(pair.rows) for pair in self.pairs)
        if not self.num_items:
            raise BadInput(
                "the stores and the shard sets have no item in common",
                where=", ".join(self.shardset_folders),
                remedy="give the shard set each store was made from, with --shardset",
            )

    def _check_every_store_counts(self, of_images: list[EmbeddingStore]) -> None:
        """Refuse stores that would have no effect: each store must have items of its shard set, and each
        store of captions must have items of the others.
        """
        for store, folder in zip(of_images, self.shardset_folders, strict=True):
            if not set(store.keys).intersection(_keys(self.shardsets[folder])):
                raise BadInput(
                    f"the store {store.folder} and the shard set {folder} have no item in common",
                    where=store.folder,
                    remedy="give the shard set that the store was made from, with --shardset, in the"
                    " order of the stores",
                )
        keys = {key for store in of_images for key in store.keys}
        for store in self.caption_stores:
            if not keys.intersection(store.keys):
                raise BadInput(
                    "this store of captions has no item in common with the stores of images",
                    where=store.folder,
                    remedy="give the store of images of the same shard set too",
                )

    @staticmethod
    def _check_one_model(stores: list[EmbeddingStore]) -> None:
        first = stores[0].manifest
        for store in stores:
            if store.manifest.model_digest != first.model_digest:
                raise BadInput(
                    f"this store was made by another model ({store.manifest.model}) than the first"
                    f" ({first.model})",
                    where=store.folder,
                    remedy="encode its shard set with the same model",
                )

    @staticmethod
    def _match_folders(stores: list[EmbeddingStore], given: Sequence[str]) -> list[str]:
        if not given:
            return [store.manifest.shardset for store in stores]
        if len(given) == 1:
            return [given[0]] * len(stores)
        if len(given) != len(stores):
            raise ConfigError(
                f"{len(stores)} stores but {len(given)} shard sets",
                where="--shardset",
                remedy="give one for each store, in the same order",
            )
        return list(given)

    def _pair(self, stores: list[EmbeddingStore], skip: frozenset[str]) -> list[StorePair]:
        numbers = {folder: number for number, folder in enumerate(self.shardsets)}
        seen = set(skip)
        pairs = []
        for store, folder in reversed(list(zip(stores, self.shardset_folders, strict=True))):
            rows = _rows(store, self.shardsets[folder], seen)
            pairs.append(StorePair(store, self.shardsets[folder], numbers[folder], rows))
        return pairs[::-1]

    @property
    def references(self) -> tuple[ShardSetReference, ...]:
        """The shard sets, in the order of their numbers."""
        return tuple(reference(shardset) for shardset in self.shardsets.values())

    @property
    def keys(self) -> Iterator[str]:
        """The item keys, in row order."""
        for pair in self.pairs:
            for row in pair.rows:
                yield pair.store.keys[row.store_row]

    def shardset_folders_of(self, references: Sequence[ShardSetReference]) -> list[str]:
        """Those of the given folders that contain shard sets of an index: their present locations."""
        known = {each.records_sha256 for each in references}
        return [folder for folder, each in self.shardsets.items() if any(map(each.is_known_as, known))]

    def reference_of(self, pair: StorePair) -> ShardSetReference:
        """The reference to a pair's shard set for an index manifest."""
        return reference(pair.shardset)

    def vectors_of(self, pair: StorePair) -> npt.NDArray[np.float16]:
        """The vectors of a pair's rows, float16."""
        return pair.store.vectors_ND[np.array([row.store_row for row in pair.rows], np.int64)]

    def items_of(self, pair: StorePair) -> Iterator[tuple[Record, ImageLocation]]:
        """The record and image location of each row of a pair."""
        reader = _RecordReader(pair.shardset)
        try:
            for row in pair.rows:
                record = reader.read(row.shard, row.record_offset, row.record_size)
                yield (
                    self.pages.with_page(record),
                    ImageLocation(pair.number, row.shard, row.image_offset, row.image_size),
                )
        finally:
            reader.close()

    def blocks(self) -> Iterator[npt.NDArray[np.float16]]:
        """The vectors in row order."""
        for pair in self.pairs:
            rows = np.array([row.store_row for row in pair.rows], np.int64)
            for start in range(0, len(rows), BLOCK_ROWS):
                yield pair.store.vectors_ND[rows[start : start + BLOCK_ROWS]]

    def captions(self) -> Captions | None:
        """The caption vectors of these items."""
        found = [
            (row, vector_D)
            for row, key in enumerate(self.keys)
            if (vector_D := self.caption_of(key)) is not None
        ]
        if not found:
            return None
        return Captions(
            np.stack([vector_D for _, vector_D in found]), np.array([row for row, _ in found], np.int32)
        )

    def caption_of(self, key: str) -> npt.NDArray[np.float16] | None:
        """The vector of an item's captions, float16 [D], from the last store that has it."""
        place = self._caption_places.get(key)
        return None if place is None else self.caption_stores[place[0]].vectors_ND[place[1]]

    @cached_property
    def _caption_places(self) -> dict[str, tuple[int, int]]:
        return {
            key: (number, row)
            for number, store in enumerate(self.caption_stores)
            for row, key in enumerate(store.keys)
        }

    def items(self) -> Iterator[tuple[Record, ImageLocation]]:
        """The record and image location of each row."""
        for pair in self.pairs:
            yield from self.items_of(pair)


def reference(shardset: ShardSet) -> ShardSetReference:
    """The reference to a shard set for an index manifest."""
    return ShardSetReference(
        path=str(shardset.folder.resolve()),
        name=shardset.manifest.name,
        records_sha256=shardset.manifest.records_sha256,
    )


def _open(folder: str) -> ShardSet:
    try:
        return ShardSet(folder)
    except MissingRequirement as error:
        raise MissingRequirement(
            "the shard set of an embedding store is not there",
            where=folder,
            remedy="say where, with --shardset",
        ) from error


def _keys(shardset: ShardSet) -> list[str]:
    keys: list[str] = shardset.table(["key"])["key"].to_pylist()
    return keys


def _rows(store: EmbeddingStore, shardset: ShardSet, seen: set[str]) -> list[_Row]:
    names = ["key", "shard", "image_offset", "image_size", "record_offset", "record_size"]
    table = shardset.table(names)
    columns = [table[name].to_pylist() for name in names]
    places = dict(zip(columns[0], zip(*columns[1:], strict=True), strict=True))
    rows = []
    for store_row, key in enumerate(store.keys):
        # A key without a location was withdrawn after it was encoded.
        if key in places and key not in seen:
            rows.append(_Row(store_row, *places[key]))
            seen.add(key)
    return rows


class _RecordReader:
    """Reads records by offset, with one shard open at a time."""

    def __init__(self, shardset: ShardSet) -> None:
        self._shardset = shardset
        self._open_name = ""
        self._file: IO[bytes] | None = None

    def read(self, shard: str, offset: int, size: int) -> Record:
        """The record at a place of a shard, without what its source said (`raw`).

        Raises:
            DamagedData: there is no record there.
        """
        if shard != self._open_name:
            self.close()
            self._file, self._open_name = self._open(shard), shard
        assert self._file is not None
        self._file.seek(offset)
        try:
            record = self._shardset.as_indexed(Record.model_validate_json(self._file.read(size)))
        except ValueError as error:
            raise DamagedData(
                "a record cannot be read where the index of the set says it is",
                where=self._shardset.location_of(shard),
                remedy="`iconoclip check` the shard set, and copy it again",
            ) from error
        # What its source said is for another mapping of the set; only short facts are searched.
        return short_facts_only(record)

    def _open(self, shard: str) -> IO[bytes]:
        path = self._shardset.path_of(shard)
        if not path.is_file():
            raise DamagedData("a shard is missing", where=path, remedy="copy the shard set again")
        return path.open("rb")

    def close(self) -> None:
        if self._file:
            self._file.close()
        self._file = None
