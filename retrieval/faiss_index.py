"""Vector indexes with faiss: choosing the kind, building, opening, and searching in a sealed segment.

A segment is a flat float16 index on disk, memory-mapped and never read completely, and above a certain size
also an approximate index in the same folder. The approximate index only proposes candidates: the ranking
always uses exact products with the float16 vectors. faiss multiplies float16 with instructions of the
processor, twenty times as fast as numpy, which does not use them.

Shapes: N vectors, D dimensions, K neighbours, Q queries, C candidates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import faiss
import numpy as np
import numpy.typing as npt

from iconoclip.errors import DamagedData
from iconoclip.machine import num_cores
from retrieval.mapped_pages import MappedPages

Kind = Literal["exact", "hnsw", "ivf-sq8", "ivf-pq"]
Vectors = npt.NDArray[np.float32]
Stored = npt.NDArray[np.float16]
Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

MAX_EXACT_VECTORS = 50_000
MAX_HNSW_VECTORS = 150_000
# Below this many rows that pass a filter, all of them are compared.
MAX_FILTERED_EXACT = 50_000
# With so few, reading them alone is quicker than testing every row for being allowed.
MAX_GATHERED = 1_000
# In a large file, mapping the page of each row takes longer: so fewer, and up to so many rows are read alone.
MAX_FILTERED_READ, MAX_READ_SINGLY = 5_000, 20_000
# An approximate index proposes this many candidates per requested neighbour, and this many in addition: the
# coarser the codes, the more. Product codes need most if a filter allows only items far from the query.
OVERSAMPLING = {"hnsw": 1, "ivf-sq8": 2, "ivf-pq": 2}
MORE_CANDIDATES = {"hnsw": 0, "ivf-sq8": 100, "ivf-pq": 100}
FILTERED_OVERSAMPLING = 8
HNSW_LINKS, HNSW_BUILD_EFFORT = 32, 120
TRAINING_VECTORS_PER_LIST = 64
BLOCK_ROWS = 16_384

_CLASSES = {
    "exact": "IndexScalarQuantizer",
    "hnsw": "IndexHNSWSQ",
    "ivf-sq8": "IndexIVFScalarQuantizer",
    "ivf-pq": "IndexIVFPQ",
}

REBUILD = "run `iconoclip index` again"


@dataclass(frozen=True)
class IndexChoice:
    """A kind of index, its size, and the reason for the choice."""

    kind: Kind
    num_lists: int
    why: str


def choose(num_vectors: int, dimension: int, memory_budget_mb: int, kind: str = "auto") -> IndexChoice:
    """The kind of index for a number of vectors under a memory budget. A `kind` other
    than auto is used as it is.
    """
    num_lists = max(1, min(65_536, 2 ** round(math.log2(4 * math.sqrt(max(num_vectors, 1))))))
    num_lists = max(1, min(num_lists, num_vectors // 39))
    if kind != "auto":
        return IndexChoice(kind, num_lists, f"{kind}: set by config")  # type: ignore[arg-type]
    budget = memory_budget_mb * 1_000_000
    if num_vectors <= MAX_EXACT_VECTORS and 4 * num_vectors * dimension <= budget:
        why = f"exact: {num_vectors} vectors are compared one by one in a few milliseconds"
        return IndexChoice("exact", 0, why)
    if num_vectors <= MAX_HNSW_VECTORS and num_vectors * (2 * dimension + 8 * HNSW_LINKS) <= budget:
        return IndexChoice(
            "hnsw", 0, f"hnsw: {num_vectors} vectors with their links fit into {memory_budget_mb} MB"
        )
    if num_vectors * dimension <= 0.6 * budget:
        why = f"ivf-sq8: {num_vectors} vectors at one byte a dimension fit into {memory_budget_mb} MB"
        return IndexChoice("ivf-sq8", num_lists, why)
    why = f"ivf-pq: {num_vectors} vectors of {dimension} bytes would not fit into {memory_budget_mb} MB"
    return IndexChoice("ivf-pq", num_lists, why)


def build(
    vectors_ND: Stored,
    choice: IndexChoice,
    path: Path,
    *,
    num_threads: int | None = None,
    on_progress: Callable[[int], None] = lambda count: None,
) -> None:
    """Build the approximate index of `choice` over float16 unit vectors and write it to `path`.

    Does nothing for the exact kind.
    """
    if choice.kind == "exact":
        return
    faiss.omp_set_num_threads(num_threads or num_cores())
    index = _empty(vectors_ND.shape[1], choice)
    if not index.is_trained:
        index.train(_training_sample(vectors_ND, choice))
    for start in range(0, len(vectors_ND), BLOCK_ROWS):
        block_ND = vectors_ND[start : start + BLOCK_ROWS].astype(np.float32)
        index.add(block_ND)
        on_progress(len(block_ND))
    faiss.write_index(index, str(path))


def _empty(dimension: int, choice: IndexChoice) -> Any:
    product = faiss.METRIC_INNER_PRODUCT
    if choice.kind == "hnsw":
        index = faiss.IndexHNSWSQ(dimension, faiss.ScalarQuantizer.QT_fp16, HNSW_LINKS, product)  # type: ignore[arg-type]
        index.hnsw.efConstruction = HNSW_BUILD_EFFORT
        # float16 codes need no training, but faiss requires the call.
        index.train(np.eye(1, dimension, dtype=np.float32))
        return index
    if choice.kind == "ivf-sq8":
        return faiss.index_factory(dimension, f"IVF{choice.num_lists},SQ8", product)
    # "np": without polysemous training, which takes most of the time and is not used here.
    num_parts = next(parts for parts in range(max(1, dimension // 4), 0, -1) if dimension % parts == 0)
    return faiss.index_factory(dimension, f"IVF{choice.num_lists},PQ{num_parts}np", product)


def _training_sample(vectors_ND: Stored, choice: IndexChoice) -> Vectors:
    wanted = min(len(vectors_ND), max(10_000, TRAINING_VECTORS_PER_LIST * choice.num_lists))
    rows = np.sort(np.random.default_rng(0).choice(len(vectors_ND), wanted, replace=False))
    return vectors_ND[rows].astype(np.float32)


def write_flat(blocks: Iterable[Stored], dimension: int, path: Path) -> None:
    """Write unit vectors float16 as a flat index: a short header, then the rows one after the other."""
    flat = faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    for block_ND in blocks:
        for start in range(0, len(block_ND), BLOCK_ROWS):
            flat.add(block_ND[start : start + BLOCK_ROWS].astype(np.float32))
    faiss.write_index(flat, str(path))


def map_vectors(path: Path, num_vectors: int, dimension: int) -> Stored:
    """The rows of a flat index as a float16 array [N, D] mapped from its file.

    Raises:
        DamagedData: the file is too short.
    """
    offset = path.stat().st_size - 2 * num_vectors * dimension
    if offset <= 0:
        raise DamagedData(f"not a file of {num_vectors} vectors", where=path, remedy=REBUILD)
    return np.memmap(path, np.float16, "r", offset, (num_vectors, dimension))


def read_index(path: Path, kind: str, num_vectors: int, dimension: int) -> Any:
    """Read an index whose checksum has already been compared. A flat one (kind "exact") is memory-mapped.

    The file is still not trusted: faiss's limits bound how much it may allocate (faiss #5400, #5485), and the
    index must have the kind, length and dimension that the manifest states.

    Raises:
        DamagedData: it is not such an index.
    """
    faiss.set_deserialization_vector_byte_limit(max(path.stat().st_size, 1_000_000))
    faiss.set_deserialization_loop_limit(max(1_000_000, 2 * num_vectors))
    # The precomputed table is only for L2 distances, and would exceed the limit.
    flags = faiss.IO_FLAG_MMAP_IFC if kind == "exact" else faiss.IO_FLAG_SKIP_PRECOMPUTE_TABLE
    try:
        index = faiss.read_index(str(path), flags)
    except RuntimeError as error:
        raise DamagedData(
            f"faiss cannot read this index: {error}"[:300], where=path, remedy=REBUILD
        ) from error
    expected = _CLASSES[kind]
    if type(index).__name__ != expected or index.ntotal != num_vectors or index.d != dimension:
        raise DamagedData(f"not an {expected} of {num_vectors} vectors", where=path, remedy=REBUILD)
    if index.metric_type != faiss.METRIC_INNER_PRODUCT:
        raise DamagedData("not an index of inner products", where=path, remedy=REBUILD)
    return index


def exact_top(
    vectors_ND: npt.NDArray[Any], query_D: Vectors, k: int, rows: Rows | None = None
) -> tuple[Rows, Vectors]:
    """The k of `rows` with the highest product, best first, ties by row number. All are compared.

    Returns:
        rows int64 [K] and scores float32 [K].
    """
    num = len(vectors_ND) if rows is None else len(rows)
    scores_N = np.empty(num, np.float32)
    for start in range(0, num, BLOCK_ROWS):
        stop = min(start + BLOCK_ROWS, num)
        block_ND = vectors_ND[start:stop] if rows is None else vectors_ND[rows[start:stop]]
        scores_N[start:stop] = block_ND.astype(np.float32, copy=False) @ query_D
    order = top_order(scores_N, k)
    return (order if rows is None else rows[order]), scores_N[order]


def products(vectors_CD: Stored, query_D: Vectors) -> Vectors:
    """The inner products of float16 vectors with a vector, float32 [C].

    By a flat index of faiss that holds nothing else: numpy takes several times as long to make float32 of
    float16.
    """
    num, dimension = vectors_CD.shape
    if not num:
        return np.zeros(0, np.float32)
    flat = faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    faiss.copy_array_to_vector(np.ascontiguousarray(vectors_CD).view(np.uint8).ravel(), flat.codes)
    flat.ntotal = num
    _use_one_thread()
    scores, rows = flat.search(np.ascontiguousarray(query_D, np.float32)[None, :], num)
    out = np.empty(num, np.float32)
    out[rows[0]] = scores[0]
    return out


def top_order(scores_N: Vectors, k: int) -> Rows:
    """Positions of the k highest scores, best first; equal scores keep their order."""
    if k < len(scores_N):
        threshold = np.partition(scores_N, len(scores_N) - k)[len(scores_N) - k]
        candidates = np.flatnonzero(scores_N >= threshold)
    else:
        candidates = np.arange(len(scores_N))
    order = np.argsort(-scores_N[candidates], kind="stable")[:k]
    return np.asarray(candidates[order], np.int64)


class Segment:
    """A sealed set of vectors, searched according to its kind.

    Args:
        flat: the path of the flat index.
        shape: the shape of the vectors, (N, D).
        choice: the kind of index.
        ann: the path of the approximate index, unless the kind is exact.
        effort: the number of lists to search (IVF) or of candidates to keep (HNSW).

    Raises:
        DamagedData: a file is not such an index.
    """

    def __init__(
        self,
        flat: Path,
        shape: tuple[int, int],
        choice: IndexChoice,
        ann: Path | None = None,
        effort: int = 0,
    ) -> None:
        self.choice, self.effort = choice, effort
        self._flat = read_index(flat, "exact", *shape)
        self._pages = MappedPages(self._flat, flat)
        self.vectors_ND: Stored = np.asarray(self._pages)
        self._ann = None
        if choice.kind != "exact":
            assert ann is not None
            self._ann = read_index(ann, choice.kind, *shape)

    def __len__(self) -> int:
        return len(self.vectors_ND)

    def vectors(self, rows: Rows) -> Vectors:
        """Vectors of rows, float32."""
        return self._pages.rows(rows).astype(np.float32)

    def read_ahead(self, rows: Rows) -> Callable[[Vectors], Vectors]:
        """What gives the inner products of rows, which are read now, with a unit vector."""
        held = self._pages.rows(rows)
        return lambda query_D: products(held, query_D)

    def search(self, query_D: Vectors, k: int, mask_N: Mask | None = None) -> tuple[Rows, Vectors]:
        """The k best of the rows that the mask allows, or all of them if there are fewer."""
        num_passing = len(self) if mask_N is None else int(np.count_nonzero(mask_N))
        # A graph leads to vectors near the query, and a filter may exclude all of them. With few allowed
        # rows, comparing each of them is better, too.
        few = MAX_FILTERED_READ if self._pages.are_many else MAX_FILTERED_EXACT
        compares_all = mask_N is not None and (self.choice.kind == "hnsw" or num_passing <= few)
        if self._ann is None or compares_all or 4 * k > num_passing:
            return self.exact(query_D, k, mask_N)
        candidates = self._propose(query_D, k, mask_N)
        if len(candidates) < k:
            return self.exact(query_D, k, mask_N)
        rows = np.sort(candidates)
        scores_C = self.read_ahead(rows)(query_D)
        order = top_order(scores_C, k)
        return rows[order], scores_C[order]

    def exact(self, query_D: Vectors, k: int, mask_N: Mask | None = None) -> tuple[Rows, Vectors]:
        """The same, by comparing every row that the mask allows."""
        num = min(k, len(self))
        if not num:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        num_passing = 0 if mask_N is None else int(np.count_nonzero(mask_N))
        if mask_N is not None and num_passing <= (MAX_READ_SINGLY if self._pages.are_many else MAX_GATHERED):
            allowed = np.flatnonzero(mask_N)
            scores_C = self.read_ahead(allowed)(query_D)
            order = top_order(scores_C, num)
            return allowed[order], scores_C[order]
        # faiss reads the bitmap while it searches, so it must exist until the call returns.
        _use_one_thread()
        bitmap = None if mask_N is None else np.packbits(mask_N, bitorder="little")
        parameters = None if bitmap is None else faiss.SearchParameters(sel=_selector(bitmap))  # type: ignore[call-arg]
        scores, rows = self._flat.search(query_D[None, :], num, params=parameters)
        self._pages.touched(len(self) if mask_N is None else num_passing)
        return _ordered(rows[0], scores[0])

    def close(self) -> None:
        """Does nothing: the mapping ends with the last reference to it."""

    def _propose(self, query_D: Vectors, k: int, mask_N: Mask | None) -> Rows:
        kind = self.choice.kind
        num = OVERSAMPLING[kind] * k + MORE_CANDIDATES[kind]
        if mask_N is not None:
            num *= FILTERED_OVERSAMPLING
        bitmap = None if mask_N is None else np.packbits(mask_N, bitorder="little")
        parameters = self._parameters(num, bitmap)
        _use_one_thread()
        assert self._ann is not None
        _, rows = self._ann.search(query_D[None, :], min(num, len(self)), params=parameters)
        return np.asarray(rows[0][rows[0] >= 0], np.int64)

    def _parameters(self, num: int, bitmap: npt.NDArray[np.uint8] | None) -> Any:
        """Parameters of one search. The shared index itself is never changed, because
        other threads use it too.
        """
        if self.choice.kind == "hnsw":
            return faiss.SearchParametersHNSW(efSearch=max(self.effort, num))  # type: ignore[attr-defined]
        parameters = faiss.SearchParametersIVF()
        parameters.nprobe = self.effort
        if bitmap is not None:
            # The allowed items may be in lists far from the query, so with a filter every list is searched.
            parameters.nprobe = self.choice.num_lists
            parameters.sel = _selector(bitmap)
        return parameters


def _use_one_thread() -> None:
    """Use one core per query: a query takes milliseconds, several run at the same time, and
    waiting OpenMP threads spin.

    OpenMP stores the number per calling thread, so this does not affect a build in another thread.
    """
    faiss.omp_set_num_threads(1)


def _selector(bitmap: npt.NDArray[np.uint8]) -> Any:
    return faiss.IDSelectorBitmap(bitmap)  # type: ignore[call-arg, arg-type]


def _ordered(rows: npt.NDArray[np.int64], scores: Vectors) -> tuple[Rows, Vectors]:
    """Results best first, ties by row number, without the places that faiss left empty."""
    found = rows >= 0
    rows, scores = rows[found], scores[found]
    order = np.lexsort((rows, -scores))
    return rows[order], scores[order]


def measure_effort(
    segment: Segment, queries_QD: Vectors, *, target_recall: float, fixed_effort: int = 0
) -> float:
    """Set the smallest effort that reaches the required recall@10 over `queries_QD`;
    returns the recall reached.

    Efforts are powers of two. Recall is against exact search; an exact segment has 1.0.
    """
    kind, num_lists = segment.choice.kind, segment.choice.num_lists
    if kind == "exact":
        return 1.0
    truth = [set(segment.exact(query_D, 10)[0].tolist()) for query_D in queries_QD]
    first, most = (64, 2_048) if kind == "hnsw" else (min(8, num_lists), num_lists)
    segment.effort = fixed_effort or first
    while True:
        recall = _recall(segment, queries_QD, truth)
        if fixed_effort or recall >= target_recall or segment.effort >= most:
            return recall
        segment.effort = min(2 * segment.effort, most)


def _recall(segment: Segment, queries_QD: Vectors, truth: list[set[int]]) -> float:
    found = (
        len(wanted & set(segment.search(query_D, 10)[0].tolist())) / max(1, len(wanted))
        for query_D, wanted in zip(queries_QD, truth, strict=True)
    )
    return float(np.mean(list(found))) if truth else 1.0
