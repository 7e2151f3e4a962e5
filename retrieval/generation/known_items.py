"""Learns how words and pictures of an index weigh together, by queries for items that are known.

Shapes: Q queries, C pairs of a query and an item, D dimensions, F features.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retrieval.faiss_index import Segment
from retrieval.generation.calibration import (
    BACKGROUND_SHARE,
    BACKGROUND_TEXTS,
    Statistics,
    likelihoods,
)
from retrieval.generation.evidence import WordEvidence, evidence
from retrieval.generation.manifest import Calibration, Relevance
from retrieval.generation.relevance import fit, log_odds, where_words
from retrieval.generation.word_lookup import WordSource
from retrieval.words import words_in

Vectors = npt.NDArray[np.float32]
Features = npt.NDArray[np.float64]

NUM_KNOWN_ITEMS = 60
MAX_WORDS_OF_WHOLE = 12
# A word that no collection has: people also type words that no record has.
NOBODYS_WORD = "zqxwvyk"
NUM_PARTIAL, NUM_APART, NUM_RANDOM, NUM_LOOKALIKES = 4, 4, 2, 3
NUM_COMPETING = 24
# With fewer pairs there is nothing to learn from.
MIN_PAIRS = 20


@dataclass(frozen=True)
class KnownItemQuery:
    """A query, and the row of the item that it was made from; None if nothing matches it."""

    text: str
    row: int | None
    is_pair: bool = False


def queries_for(sampled: Sequence[tuple[int, str]]) -> list[KnownItemQuery]:
    """Queries as people type them, made from the captions of sampled items."""
    generator = np.random.default_rng(0)
    step = max(1, len(sampled) // NUM_KNOWN_ITEMS)
    texts = [(row, words_in(text)) for row, text in sampled[::step]]
    texts = [(row, words) for row, words in texts if words]
    queries = []
    for number, (row, words) in enumerate(texts):
        other = texts[(number + 1) % len(texts)][1]
        pair = _neighbours(words, generator)
        queries += [KnownItemQuery(text, row) for text in _asked(words, other, generator)]
        queries += [KnownItemQuery(pair, row, is_pair=" " in pair)]
    return queries + [KnownItemQuery(text, None) for text in BACKGROUND_TEXTS]


def _neighbours(words: list[str], generator: np.random.Generator) -> str:
    start = int(generator.integers(max(1, len(words) - 1)))
    return " ".join(words[start : start + 2])


def _asked(words: list[str], other: list[str], generator: np.random.Generator) -> Iterator[str]:
    longest = sorted(words, key=len)[-3:]
    yield longest[int(generator.integers(len(longest)))]
    yield f"{longest[-1]} {max(other, key=len)}"
    yield f"{NOBODYS_WORD} {longest[-1]}"
    yield " ".join(words[:MAX_WORDS_OF_WHOLE])


def learned_relevance(
    queries: Sequence[KnownItemQuery],
    texts_QD: Vectors,
    words: WordSource,
    segment: Segment,
    statistics: Statistics,
    calibration: Calibration | None,
) -> Relevance | None:
    """The weights for an index, or None if it has too few captions to learn from."""
    generator = np.random.default_rng(0)
    matching: list[Features] = []
    background: list[Features] = []
    for query, text_D in zip(queries, texts_QD, strict=True):
        found = evidence(words, words_in(query.text))
        rows = _compared(found, query.row, query.is_pair, text_D, segment, generator)
        features_CF = _features(found, rows, text_D, segment, statistics, calibration)
        is_match_C = rows == (-1 if query.row is None else query.row)
        matching.append(features_CF[is_match_C])
        background.append(features_CF[~is_match_C])
    matching_CF, background_CF = np.concatenate(matching), np.concatenate(background)
    if min(len(matching_CF), len(background_CF)) < MIN_PAIRS:
        return None
    return fit(matching_CF, background_CF, BACKGROUND_SHARE)


def _compared(
    found: WordEvidence,
    row: int | None,
    asks_for_two: bool,
    text_D: Vectors,
    segment: Segment,
    generator: np.random.Generator,
) -> npt.NDArray[np.int64]:
    """The rows that one query is learned from: the known item, items with only some of the words, and random
    ones; half of those with the picture that the model likes best, because these compete with the known item.
    Items with every word may match as well and are left out, unless they have them apart.
    """
    partial = found.rows[~found.is_full]
    best = partial[np.argsort(-found.coverage[~found.is_full], kind="stable")[: 4 * NUM_PARTIAL]]
    some = generator.choice(best, min(len(best), NUM_PARTIAL), replace=False) if len(best) else best
    chance = generator.integers(len(segment), size=NUM_RANDOM)
    chance = chance[~np.isin(chance, found.rows[found.is_full])]
    # Where a whole caption has these words side by side, an item that has them apart says something else.
    apart = found.rows[found.is_full & (found.closeness == 0)] if asks_for_two else partial[:0]
    apart = generator.choice(apart, min(len(apart), NUM_APART), replace=False) if len(apart) else apart
    near, _ = segment.search(text_D, NUM_COMPETING)
    near = near[~np.isin(near, found.rows[found.is_full & (found.closeness > 0)])]
    near = generator.choice(near, min(len(near), NUM_LOOKALIKES), replace=False) if len(near) else near
    known = np.array([] if row is None else [row], np.int64)
    return np.unique(np.concatenate([known, some, apart, chance, near]).astype(np.int64))


def _features(
    found: WordEvidence,
    rows: npt.NDArray[np.int64],
    text_D: Vectors,
    segment: Segment,
    statistics: Statistics,
    calibration: Calibration | None,
) -> Features:
    cosines_C = segment.vectors(rows) @ text_D
    pictures_C = log_odds(likelihoods(calibration, statistics, text_D, "text", cosines_C))
    words_CF = np.zeros((len(rows), found.features.shape[1]))
    if len(found.rows):
        place_C = np.minimum(np.searchsorted(found.rows, rows), len(found.rows) - 1)
        words_CF = np.where((found.rows[place_C] == rows)[:, None], found.features[place_C], 0.0)
    return np.column_stack([words_CF, where_words(words_CF[:, 0].astype(np.float32), pictures_C)])
