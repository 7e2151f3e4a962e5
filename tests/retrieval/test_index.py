"""Vector indexes: the choice, the recall, exact filters, and hostile files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from iconoclip.errors import DamagedData
from retrieval import faiss_index as vectorindex
from retrieval import mapped_pages
from retrieval.faiss_index import (
    IndexChoice,
    Segment,
    build,
    choose,
    exact_top,
    measure_effort,
    read_index,
    write_flat,
)

N, D = 12_000, 32


@pytest.fixture(scope="module")
def vectors() -> npt.NDArray[np.float16]:
    """Clustered unit vectors: what embeddings look like, and harder for an index than noise is."""
    generator = np.random.default_rng(1)
    centres = generator.normal(size=(60, D))
    drawn = centres[generator.integers(0, 60, N)] + 0.6 * generator.normal(size=(N, D))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float16)


@pytest.fixture(scope="module")
def queries(vectors: npt.NDArray[np.float16]) -> npt.NDArray[np.float32]:
    generator = np.random.default_rng(2)
    near = vectors[generator.choice(N, 15)].astype(np.float32) + 0.1 * generator.normal(size=(15, D))
    far = generator.normal(size=(15, D))
    both = np.concatenate([near, far])
    return (both / np.linalg.norm(both, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module", params=["exact", "hnsw", "ivf-sq8", "ivf-pq"])
def segment(request, vectors, queries, tmp_path_factory) -> Segment:  # type: ignore[no-untyped-def]
    choice = choose(N, D, 2000, request.param)
    folder = tmp_path_factory.mktemp("segment")
    write_flat([vectors[:5000], vectors[5000:]], D, folder / "vectors.faiss")
    build(vectors, choice, folder / "ann.faiss")
    segment = Segment(folder / "vectors.faiss", (N, D), choice, folder / "ann.faiss")
    assert np.array_equal(segment.vectors_ND, vectors)
    assert measure_effort(segment, queries, target_recall=0.95) >= 0.95
    return segment


def brute(
    vectors: npt.NDArray[np.float16], query_D: npt.NDArray[np.float32], k: int, mask: npt.NDArray[np.bool_]
) -> list[int]:
    scores_N = np.where(mask, vectors.astype(np.float32) @ query_D, -np.inf)
    return np.argsort(-scores_N, kind="stable")[: min(k, int(mask.sum()))].tolist()


def masks(
    share: float, vectors: npt.NDArray[np.float16], query_D: npt.NDArray[np.float32]
) -> list[npt.NDArray[np.bool_]]:
    """Filters that let a share through: anywhere, only far from the query, only near to it."""
    num = max(1, round(share * N))
    order = np.argsort(vectors.astype(np.float32) @ query_D)
    anywhere, far, near = np.zeros(N, bool), np.zeros(N, bool), np.zeros(N, bool)
    anywhere[np.random.default_rng(3).choice(N, num, replace=False)] = True
    far[order[:num]] = True
    near[order[N - num :]] = True
    return [anywhere, far, near]


@pytest.mark.parametrize("share", [0.0001, 0.001, 0.01, 0.05, 0.2, 0.5, 0.9, 1.0])
def test_filters_return_exactly_what_passes(segment, vectors, queries, share, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    # The threshold scaled to this size, so that the approximate path under a filter is what is tested.
    monkeypatch.setattr(vectorindex, "MAX_FILTERED_EXACT", 200)
    recalls = []
    for query_D in queries[::3]:
        for mask in masks(share, vectors, query_D):
            wanted = brute(vectors, query_D, 10, mask)
            rows, scores = segment.search(query_D, 10, mask)
            assert len(rows) == len(wanted), "k results when k exist"
            assert mask[rows].all()
            assert np.array_equal(scores, np.sort(scores)[::-1])
            assert np.allclose(scores, vectors[rows].astype(np.float32) @ query_D, atol=1e-5)
            recalls.append(len(set(rows.tolist()) & set(wanted)) / len(wanted))
    assert np.mean(recalls) >= 0.95


def test_a_filter_that_lets_nothing_through_finds_nothing(
    segment: Segment, queries: npt.NDArray[np.float32]
) -> None:
    rows, scores = segment.search(queries[0], 10, np.zeros(N, bool))
    assert (len(rows), len(scores)) == (0, 0)


def test_every_row_comes_out_when_all_are_asked_for(
    segment: Segment, queries: npt.NDArray[np.float32]
) -> None:
    rows, _ = segment.search(queries[0], N)
    assert sorted(rows.tolist()) == list(range(N))


def test_exact_search_keeps_ties_in_their_order() -> None:
    vectors = np.eye(4, dtype=np.float32)[[0, 1, 0, 2, 0]]
    rows, scores = exact_top(vectors, np.eye(4, dtype=np.float32)[0], 4)
    assert rows.tolist() == [0, 2, 4, 1]
    assert scores.tolist() == [1, 1, 1, 0]


@pytest.mark.parametrize(
    ("num_vectors", "dimension", "budget_mb", "kind"),
    [
        (1_000, 512, 2000, "exact"),
        (100_000, 512, 2000, "hnsw"),
        (1_000_000, 512, 2000, "ivf-sq8"),  # 512 MB of codes
        (10_000_000, 512, 2000, "ivf-pq"),  # 5 GB of codes would not fit
        (100_000, 512, 64, "ivf-pq"),  # 51 MB of codes would, but leave no room
    ],
)
def test_the_kind_follows_size_and_memory_and_says_why(
    num_vectors: int, dimension: int, budget_mb: int, kind: str
) -> None:
    choice = choose(num_vectors, dimension, budget_mb)
    assert choice.kind == kind
    assert choice.why.startswith(f"{kind}: {num_vectors} vectors")
    assert choose(num_vectors, dimension, budget_mb, "exact").kind == "exact"


class TestHostileFiles:
    CHOICE = IndexChoice("ivf-sq8", 16, "")

    @pytest.fixture
    def path(self, vectors: npt.NDArray[np.float16], tmp_path: Path) -> Path:
        build(vectors[:2000], self.CHOICE, tmp_path / "ann.faiss")
        return tmp_path / "ann.faiss"

    def test_a_file_of_another_length_kind_or_dimension_is_refused(self, path: Path) -> None:
        assert read_index(path, "ivf-sq8", 2000, D).ntotal == 2000
        for kind, num, dimension in (("ivf-sq8", 1999, D), ("ivf-sq8", 2000, D + 1), ("ivf-pq", 2000, D)):
            with pytest.raises(DamagedData):
                read_index(path, kind, num, dimension)

    @pytest.mark.parametrize("position", range(0, 120, 4))
    def test_a_forged_file_is_refused_or_gives_an_index_of_the_right_shape(
        self, path: Path, position: int
    ) -> None:
        data = bytearray(path.read_bytes())
        data[position : position + 4] = b"\xff\xff\xff\x7f"
        path.write_bytes(data)
        try:
            index = read_index(path, "ivf-sq8", 2000, D)
        except DamagedData:
            return
        assert (index.ntotal, index.d) == (2000, D)

    def test_a_truncated_file_is_refused(self, path: Path) -> None:
        data = path.read_bytes()
        for size in (0, 3, 50, len(data) // 2):
            path.write_bytes(data[:size])
            with pytest.raises(DamagedData):
                read_index(path, "ivf-sq8", 2000, D)


def test_memory_pages_are_released_and_the_answers_stay(segment, vectors, queries, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    before = segment.exact(queries[0], 50)
    monkeypatch.setattr(mapped_pages, "MAX_MAPPED_BYTES", 10_000)
    for _ in range(3):
        assert [each.tolist() for each in segment.exact(queries[0], 50)] == [each.tolist() for each in before]
        assert np.array_equal(segment.vectors(np.arange(100)), vectors[:100].astype(np.float32))
