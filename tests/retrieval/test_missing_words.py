"""Where records do not name what their pictures show, the pictures find it.

Half of the records of a drawn collection lose the words of their motifs. The truth is that of the
whole records. R-precision: the share of right items among the first R, where R is how many are right.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iconoclip.record import Record
from retrieval.engine import SearchEngine
from retrieval.questions import Query

from .test_relevance import MOTIFS, StandIn, indexed, records

NUM_ARMS, NUM_RESAMPLES = 300, 500


def without_motifs(record: Record) -> Record:
    """The record, half of the time without the words of its motifs and without their notations."""
    if hashlib.sha256(record.key.encode()).digest()[0] % 2:
        return record
    words = "|".join(re.escape(word) for each, forms in MOTIFS.items() for word in (each, *forms))
    pattern = re.compile(rf"\b(?:{words})s?\b", re.IGNORECASE)
    captions = tuple(
        caption.model_copy(update={"text": pattern.sub("charge", caption.text)})
        for caption in record.captions
    )
    raw = tuple(pair.model_copy(update={"value": pattern.sub("charge", pair.value)}) for pair in record.raw)
    return record.model_copy(update={"captions": captions, "raw": raw, "iconclass": ()})


@pytest.fixture(scope="module")
def whole() -> list[Record]:
    return records(NUM_ARMS)


@pytest.fixture(scope="module")
def engine(whole: list[Record], tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchEngine]:
    folder: Path = tmp_path_factory.mktemp("missing")
    indexed(folder, [without_motifs(record) for record in whole], seen=[record.title for record in whole])
    with SearchEngine.open(folder) as engine:
        engine._model = StandIn()  # type: ignore[assignment]
        yield engine


def r_precision(engine: SearchEngine, text: str, mode: Any, right: set[str]) -> float:
    hits = engine.search(Query(text=text, mode=mode, k=min(200, len(right)), fold=False)).hits
    return len(right & {hit.key for hit in hits}) / min(200, len(right))


def test_pictures_find_what_records_do_not_name(engine: SearchEngine, whole: list[Record]) -> None:
    gains = []
    for charge in MOTIFS:
        right = {record.key for record in whole if f"46A122({charge.upper()})" in record.iconclass}
        if len(right) >= 4:
            gains.append(
                r_precision(engine, charge, "hybrid", right) - r_precision(engine, charge, "keyword", right)
            )
    generator = np.random.default_rng(0)
    means = np.array(gains)[generator.integers(len(gains), size=(NUM_RESAMPLES, len(gains)))].mean(axis=1)
    assert np.percentile(means, 2.5) > 0.1, gains
