"""Pictures, parts of pictures, items and weighted sums as questions."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from iconoclip.embeddings import EmbeddingStore
from iconoclip.errors import BadInput
from iconoclip.shardset import ShardSet
from retrieval.engine import SearchEngine
from retrieval.questions import Query, RegionOf, Weighted

from .conftest import draw, keys


def test_more_like_this_leaves_out_the_item_itself(engine: SearchEngine, store: Path) -> None:
    vectors = EmbeddingStore(store)
    key = vectors.keys[5]
    scores_N = vectors.vectors_ND.astype(np.float32) @ vectors.vectors_ND[5].astype(np.float32)
    best = [vectors.keys[row] for row in np.argsort(-scores_N, kind="stable") if row != 5][:10]
    assert keys(engine, Query(like=(key,), k=10, fold=False)) == best


def test_an_uploaded_copy_finds_its_original(engine: SearchEngine, shardset: Path) -> None:
    record, jpeg = next(iter(ShardSet(shardset).samples()))
    results = engine.search(Query(image=jpeg, k=3, fold=False))
    assert results.hits[0].key == record.key
    assert results.hits[0].cosine == pytest.approx(1.0, abs=2e-3)


def test_the_whole_image_as_region_finds_the_image(engine: SearchEngine, shardset: Path) -> None:
    record, _ = next(iter(ShardSet(shardset).samples()))
    region = RegionOf(key=record.key, x=0, y=0, width=1, height=1)
    assert keys(engine, Query(region=region, k=3, fold=False))[0] == record.key


def test_a_weighted_sum_is_the_sum(engine: SearchEngine, store: Path) -> None:
    vectors = EmbeddingStore(store)
    one, other = vectors.keys[3], vectors.keys[40]
    terms = (Weighted(key=one, weight=1.0), Weighted(key=other, weight=-0.5))
    matrix_ND = vectors.vectors_ND.astype(np.float32)
    centred_ND = matrix_ND - matrix_ND.mean(axis=0)
    spreads = [np.sqrt(np.sum((centred_ND @ matrix_ND[row]) ** 2) / 119) for row in (3, 40)]
    sum_D = matrix_ND[3] / spreads[0] - 0.5 * matrix_ND[40] / spreads[1]
    best = [vectors.keys[row] for row in np.argsort(-(matrix_ND @ sum_D), kind="stable")[:10]]
    assert keys(engine, Query(terms=terms, k=10, fold=False)) == best


def test_unwanted_examples_lower_similar_items(engine: SearchEngine, store: Path) -> None:
    like, unlike = EmbeddingStore(store).keys[3], EmbeddingStore(store).keys[40]
    whole = Query(like=(like,), k=200, fold=False)
    near = keys(engine, Query(like=(unlike,), k=5, fold=False))
    before = keys(engine, whole)
    after = keys(engine, whole.model_copy(update={"unlike": (unlike,)}))
    shared = [key for key in near if key in before and key in after]
    assert np.mean([after.index(k) for k in shared]) > np.mean([before.index(k) for k in shared])


@pytest.mark.parametrize(
    "data", [b"", b"not an image", draw("red", "circle", 1)[:200], b"GIF89a\xff\xff\xff\xff"]
)
def test_what_is_no_image_is_refused(engine: SearchEngine, data: bytes) -> None:
    with pytest.raises(BadInput):
        engine.search(Query(image=data or b"x"))


def test_an_image_of_a_gigapixel_is_refused_before_it_is_decoded(engine: SearchEngine) -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", 40_000, 30_000, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    data += struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    with pytest.raises(BadInput, match="100 million"):
        engine.search(Query(image=data))


def test_an_unknown_key_is_refused(engine: SearchEngine) -> None:
    for query in (Query(like=("museum-0000000000000000",)), Query(unlike=("museum-0000000000000000",))):
        with pytest.raises(BadInput, match="withdrawn"):
            engine.search(query)
