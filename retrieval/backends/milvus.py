"""Vectors in Milvus: an embedded file (Milvus Lite) or a cluster by its URI.

Milvus Lite 3.2 has no filter templates, so the row numbers are in the filter expression itself. Milvus limits
the length of the expression and the number of results. So a filter with too many rows is sent in several
queries, and their results are joined here.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from iconoclip.errors import DamagedData, MissingRequirement, TryAgainLater
from retrieval.backends.interface import Mask, Products, Rows, Vectors

MAX_RESULTS = 16_384
MAX_ROWS_NAMED = 10_000
INSERT_ROWS = 5_000
LITE_NAME = "milvus.db"
# Ignore a .env file that happens to be in the working directory.
os.environ.setdefault("PYMILVUS_SKIP_DOTENV", "1")


def connect(uri: str) -> Any:
    """A client for a cluster's URI or the path of a Milvus Lite file.

    Raises:
        MissingRequirement: pymilvus is not installed.
        TryAgainLater: no server answers at the URI.
    """
    try:
        from pymilvus import MilvusClient, MilvusException
    except ModuleNotFoundError as error:
        raise MissingRequirement(
            "the package pymilvus is not installed", where=uri, remedy="pip install 'iconoclip[milvus]'"
        ) from error
    try:
        return MilvusClient(uri)
    except MilvusException as error:
        raise TryAgainLater(
            f"Milvus does not answer: {error.message}",
            where=uri,
            remedy="check the address, and that it runs",
        ) from error


def create(uri: str, collection: str, blocks: Iterable[npt.NDArray[np.floating]], dimension: int) -> None:
    """Make a collection of unit vectors, row by row in the order of the blocks.

    An existing collection of the same name (left by a build that was killed) is dropped, and so are all
    others with the same prefix except the newest.

    Raises:
        MissingRequirement: pymilvus is not installed.
        TryAgainLater: no server answers at the URI.
    """
    client = connect(uri)
    try:
        from pymilvus import DataType

        for old in _outdated(client.list_collections(), collection):
            client.drop_collection(old)
        schema = client.create_schema(auto_id=False)
        schema.add_field("row", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
        index = client.prepare_index_params()
        index.add_index("vector", index_type="FLAT", metric_type="IP")
        client.create_collection(collection, schema=schema, index_params=index)
        first = 0
        for block in blocks:
            for start in range(0, len(block), INSERT_ROWS):
                part = block[start : start + INSERT_ROWS].astype(np.float32)
                rows = [{"row": first + n, "vector": vector} for n, vector in enumerate(part)]
                client.insert(collection, rows)
                first += len(part)
        client.flush(collection)
    finally:
        client.close()


class MilvusBackend:
    """A Milvus collection as a backend of the engine.

    Args:
        uri: the URI of the cluster, or the path of a Milvus Lite file.
        collection: its name.
        num_vectors: rows it must hold.

    Raises:
        MissingRequirement: pymilvus is not installed, or no such collection.
        DamagedData: the collection has another number of rows.
    """

    def __init__(self, uri: str, collection: str, num_vectors: int) -> None:
        self._client, self._collection, self._num = connect(uri), collection, num_vectors
        if not self._client.has_collection(collection):
            raise MissingRequirement(
                f"Milvus holds no collection '{collection}'", where=uri, remedy="run `iconoclip index` again"
            )
        self._client.load_collection(collection)
        held = int(self._client.get_collection_stats(collection)["row_count"])
        if held != num_vectors:
            raise DamagedData(
                f"the collection '{collection}' holds {held} rows, not {num_vectors}",
                where=uri,
                remedy="run `iconoclip index` again",
            )

    def __len__(self) -> int:
        return self._num

    def search(self, query_D: Vectors, k: int, mask_N: Mask | None = None) -> tuple[Rows, Vectors]:
        """The k best rows that the mask allows."""
        found = [self._ask(query_D, k, each) for each in self._expressions(k, mask_N)]
        rows = np.concatenate([rows for rows, _ in found] or [np.zeros(0, np.int64)])
        scores = np.concatenate([scores for _, scores in found] or [np.zeros(0, np.float32)])
        order = np.lexsort((rows, -scores))[:k]
        return rows[order], scores[order]

    def exact(self, query_D: Vectors, k: int, mask_N: Mask | None = None) -> tuple[Rows, Vectors]:
        """The same as `search`: the collection's index is flat, so every row is compared."""
        return self.search(query_D, k, mask_N)

    def vectors(self, rows: Rows) -> Vectors:
        """The vectors of rows, float32 [len(rows), D]."""
        wanted = [int(row) for row in rows]
        if not wanted:
            return np.zeros((0, 0), np.float32)
        held: dict[int, list[float]] = {}
        for start in range(0, len(wanted), MAX_ROWS_NAMED):
            part = wanted[start : start + MAX_ROWS_NAMED]
            for entity in self._client.get(self._collection, ids=part, output_fields=["row", "vector"]):
                held[entity["row"]] = entity["vector"]
        return np.array([held[row] for row in wanted], np.float32)

    def read_ahead(self, rows: Rows) -> Products:
        """What gives the inner products of rows with a unit vector. Nothing is read before: Milvus computes
        them where the vectors are.
        """
        return lambda query_D: self._products(rows, query_D)

    def _products(self, rows: Rows, query_D: Vectors) -> Vectors:
        mask_N = np.zeros(self._num, bool)
        mask_N[rows] = True
        found, scores = self.search(query_D, int(np.count_nonzero(mask_N)), mask_N)
        order = np.argsort(found)
        return scores[order[np.searchsorted(found, rows, sorter=order)]]

    def close(self) -> None:
        """Close the connection to Milvus."""
        self._client.close()

    def _expressions(self, k: int, mask_N: Mask | None) -> Iterator[str]:
        """Filter expressions that together allow the rows of the mask, each within the limits of Milvus."""
        passing = np.arange(self._num) if mask_N is None else np.flatnonzero(mask_N)
        failing_num = self._num - len(passing)
        if k <= MAX_RESULTS and failing_num <= MAX_ROWS_NAMED:
            failing = [] if mask_N is None else np.flatnonzero(~mask_N).tolist()
            if len(passing):
                yield f"row not in {failing}" if failing else ""
            return
        for start in range(0, len(passing), MAX_ROWS_NAMED):
            yield f"row in {passing[start : start + MAX_ROWS_NAMED].tolist()}"

    def _ask(self, query_D: Vectors, k: int, expression: str) -> tuple[Rows, Vectors]:
        answers = self._client.search(
            self._collection,
            data=[query_D.tolist()],
            limit=min(k, MAX_RESULTS, self._num),
            filter=expression,
            output_fields=["row"],
        )[0]
        rows = np.array([answer["row"] for answer in answers], np.int64)
        return rows, np.array([answer["distance"] for answer in answers], np.float32)


def collection_name(index: Path, generation: str) -> str:
    """The collection of a generation. Several indexes may share a cluster: the folder is part of the name."""
    prefix = hashlib.sha256(str(index.resolve()).encode()).hexdigest()[:12]
    return f"iconoclip_{prefix}_{generation.replace('-', '_')}"


def _outdated(existing: Iterable[str], collection: str) -> list[str]:
    """The collections to drop before `collection` is made. The newest is kept, because it is being served."""
    prefix = collection.rpartition("_")[0]
    older = sorted(name for name in existing if name.startswith(f"{prefix}_") and name != collection)
    return [*older[:-1], *(name for name in existing if name == collection)]


def default_uri(index: Path) -> str:
    """The path of an index's Milvus Lite file, used when no cluster is named. Only one
    process at a time may open it.
    """
    return str(index / LITE_NAME)
