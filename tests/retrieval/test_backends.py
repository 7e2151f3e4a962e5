"""The conformance suite: what every backend must do, compared with plain numpy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from iconoclip.errors import DamagedData, MissingRequirement
from retrieval.backends.interface import VectorBackend
from retrieval.backends.overlay import Overlay
from retrieval.config import IndexConfig
from retrieval.engine import SearchEngine
from retrieval.faiss_index import IndexChoice, Segment, write_flat
from retrieval.index import index
from retrieval.live.changes import withdraw
from retrieval.questions import Filters, Query

from .conftest import samples_of

N, M, D = 900, 100, 16

pytest.importorskip("pymilvus", reason="pip install 'iconoclip[milvus]'")


@pytest.fixture(scope="module")
def vectors() -> npt.NDArray[np.float32]:
    """All rows: the last M of them are additions over the sealed ones."""
    drawn = np.random.default_rng(4).normal(size=(N + M, D))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float16).astype(np.float32)


def faiss_backend(folder: Path, sealed: npt.NDArray[np.float32]) -> VectorBackend:
    write_flat([sealed.astype(np.float16)], D, folder / "vectors.faiss")
    return Segment(folder / "vectors.faiss", sealed.shape, IndexChoice("exact", 0, ""))


def milvus_backend(folder: Path, sealed: npt.NDArray[np.float32]) -> VectorBackend:
    from retrieval.backends.milvus import MilvusBackend, create

    create(str(folder / "milvus.db"), "vectors", [sealed[:500], sealed[500:]], D)
    return MilvusBackend(str(folder / "milvus.db"), "vectors", len(sealed))


@pytest.fixture(scope="module", params=[faiss_backend, milvus_backend], ids=["faiss", "milvus"])
def backend(request, vectors, tmp_path_factory) -> Iterator[VectorBackend]:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("backend")
    overlay = Overlay(request.param(folder, vectors[:N]), vectors[N:])
    yield overlay
    overlay.close()


@pytest.fixture
def small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Milvus's bounds, scaled to this size, so that every way of dividing a query is used."""
    monkeypatch.setattr("retrieval.backends.milvus.MAX_ROWS_NAMED", 70)
    monkeypatch.setattr("retrieval.backends.milvus.MAX_RESULTS", 120)


@pytest.mark.usefixtures("small_bounds")
@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.1, 0.5, 0.95, 1.0])
@pytest.mark.parametrize("k", [1, 10, 100, N + M])
def test_it_returns_what_a_full_comparison_returns(backend, vectors, share, k) -> None:  # type: ignore[no-untyped-def]
    generator = np.random.default_rng(5)
    for query_D in generator.normal(size=(3, D)).astype(np.float32):
        query_D /= np.linalg.norm(query_D)
        mask = generator.random(N + M) < share
        expected = [row for row in np.argsort(-(vectors @ query_D), kind="stable") if mask[row]][:k]
        for search in (backend.search, backend.exact):
            rows, scores = search(query_D, k, mask)
            assert rows.tolist() == expected
            assert np.allclose(scores, vectors[rows] @ query_D, atol=1e-5)


def test_no_mask_lets_everything_through(backend: VectorBackend, vectors: npt.NDArray[np.float32]) -> None:
    rows, scores = backend.search(vectors[950], 5)
    assert rows[0] == 950
    assert scores[0] == pytest.approx(1.0, abs=1e-3)
    assert len(backend) == N + M


def test_vectors_come_in_the_order_asked_for(
    backend: VectorBackend, vectors: npt.NDArray[np.float32]
) -> None:
    rows = np.array([990, 3, 899, 900, 3])
    assert np.allclose(backend.vectors(rows), vectors[rows], atol=1e-3)
    assert backend.vectors(np.zeros(0, np.int64)).shape[0] == 0


def test_cosines_come_in_the_order_asked_for(
    backend: VectorBackend, vectors: npt.NDArray[np.float32]
) -> None:
    rows = np.array([990, 3, 899, 900, 3])
    assert np.allclose(backend.read_ahead(rows)(vectors[7]), vectors[rows] @ vectors[7], atol=1e-3)
    assert np.allclose(backend.read_ahead(rows[1:3])(vectors[7]), vectors[rows[1:3]] @ vectors[7], atol=1e-3)
    assert backend.read_ahead(np.zeros(0, np.int64))(vectors[7]).shape == (0,)


def test_another_collection_is_refused(tmp_path: Path, vectors: npt.NDArray[np.float32]) -> None:
    from retrieval.backends.milvus import MilvusBackend

    milvus_backend(tmp_path, vectors[:600]).close()
    uri = str(tmp_path / "milvus.db")
    with pytest.raises(MissingRequirement, match="no collection"):
        MilvusBackend(uri, "other", 600)
    with pytest.raises(DamagedData, match="600 rows"):
        MilvusBackend(uri, "vectors", 601)


def test_an_index_in_milvus_answers_as_one_in_faiss(make_index: Callable[..., Path], tmp_path: Path) -> None:
    samples = samples_of(range(30))
    plain = make_index(samples)
    index(IndexConfig(stores=[str(tmp_path / "store")], out=str(tmp_path / "other"), backend="milvus"))
    queries = [
        Query(text="a red circle", k=20),
        Query(like=(samples[4][0].key,), filters=Filters(object_type="print"), k=20),
        Query(image=samples[7][1], k=20),
    ]
    with SearchEngine.open(plain) as one, SearchEngine.open(tmp_path / "other") as other:
        for query in queries:
            assert [h.key for h in one.search(query).hits] == [h.key for h in other.search(query).hits]
        withdraw(tmp_path / "other", [samples[4][0].key])
        index(IndexConfig(out=str(tmp_path / "other"), compact=True))
        other.refresh()
        assert other.status().generation == "gen-000002"
        assert len(other.search(Query(text="red", k=100, fold=False)).hits) == 29
